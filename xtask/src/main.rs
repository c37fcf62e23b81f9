//! `cargo xtask …`: fetch and patch Wasmtime, then build, run, test and measure it.
//!
//! | file | what it does |
//! | --- | --- |
//! | `main.rs` | the command line |
//! | `setup.rs` | lays the pinned upstream crates out in `wasmtime/` and applies `patches/` |
//! | `stamp.rs` | says whether `wasmtime/` is up to date; the root build script shares this file |
//! | `patches.rs` | the series itself: export, check, list, and the table for embedders |
//! | `series.rs` | a patch, read: its header, its size, its group |
//! | `prefixes.rs` | builds every prefix of the series |
//! | `run.rs` | the commands that call cargo or the patched `wasmtime` |
//! | `c_api.rs` | builds Wasmtime's C API |
//! | `c_programs.rs` | builds the C programs with fibers |
//! | `bench.rs` | runs the benchmarks of the suite and writes the report |
//! | `results.rs` | what the suite measured, and its statistics; `benches/suite/schema.rs` has the form of the file |
//! | `report.rs` | the report as Markdown |
//! | `chart.rs` | the report's chart |
//! | `programs/` | measures the Kotlin and the C programs; a section of the report for each, and its chart |
//! | `instructions.rs` | counts instructions per operation, and compares |
//! | `tools.rs` | git and cargo as child processes, with errors that say what to do |

mod bench;
mod c_api;
mod c_programs;
mod chart;
mod instructions;
mod patches;
mod prefixes;
mod programs;
mod report;
mod results;
mod run;
#[path = "../../benches/suite/schema.rs"]
mod schema;
mod series;
mod setup;
#[path = "../../benches/suite/spread.rs"]
mod spread;
mod stamp;
mod tools;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Fetch, patch, build, run, test and measure Wasmtime with stack switching.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lay out the pinned upstream crates in `wasmtime/` and apply `patches/`
    ///
    /// Every other command does this first when needed.
    Setup {
        /// Lay it out anew even if `wasmtime/` holds work that was not exported: commits stay on a branch, changes and stashes
        /// are lost
        #[arg(long)]
        force: bool,
    },
    /// Build the patched `wasmtime` in release mode if needed, and run it
    #[command(disable_help_flag = true)]
    Wasmtime {
        /// Features of the CLI that a build has only if it is told to, separated by commas, before the other arguments:
        /// pulley, serve, wasi-http, wasi-keyvalue, wasi-nn, wasi-tls, winch, wizer
        #[arg(long, value_name = "LIST")]
        features: Option<String>,
        /// Passed to `wasmtime` as they are
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
    /// Build the patched Wasmtime's C API: `libwasmtime.{a,so}` and headers, in `target/c-api/{lib,include}`
    ///
    /// Needs cmake. See `docs/c-api.md`.
    CApi(c_api::CApiArgs),
    /// Build the C programs in `examples/c/fiber`, for stack switching and for Asyncify, in `target/c-programs`
    ///
    /// Installs the C compiler and the optimizer there that it needs, from PyPI (python3) and npm (node).
    CPrograms(c_programs::CProgramsArgs),
    /// Run all tests
    #[command(disable_help_flag = true)]
    Test {
        /// Passed to each `cargo test`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
    /// Run random programs against the model of the semantics, until one does not do what it must
    ///
    /// Such a program is shrunk and kept in `tests/random/regressions/`, where the tests find it.
    Fuzz(run::FuzzArgs),
    /// Run the benchmarks beside Wasmtime as published and V8, and write `benches/REPORT.md`
    ///
    /// With `--kotlin` or `--c`, run the Kotlin or the C programs in all their forms instead, and write their section of that
    /// file.
    Bench(bench::BenchArgs),
    /// Count the instructions of the benchmarks' operations, and compare with `benches/instructions.toml`
    ///
    /// Fails if an operation takes more than the file allows. Needs valgrind.
    Instructions(instructions::InstructionsArgs),
    /// Work with the patch series
    #[command(subcommand)]
    Patches(PatchesCommand),
}

#[derive(Subcommand)]
enum PatchesCommand {
    /// Rewrite `patches/` from the commits in `wasmtime/`
    Export,
    /// Say whether `patches/` and `wasmtime/` agree, each patch has its header, and each prefix was built
    Check,
    /// List the series by groups, with the size of each patch
    List,
    /// Print the text of a pull request for a group of patches, or for one
    Pr {
        /// The group, as `list` names it, or the number of a patch
        group: String,
    },
    /// Build every prefix of the series, and note in `patches/CHECKED` that it was built (half an hour)
    Prefixes,
    /// Print the dependency (on standard error) and the `[patch]` table that an embedder's own workspace needs
    Table(patches::TableArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Setup { force } => {
            setup::setup(force).inspect(|_| eprintln!("wasmtime/ has the pinned crates and all patches"))
        }
        Command::Wasmtime { features, args } => run::wasmtime(features.as_deref(), &args),
        Command::CApi(args) => c_api::c_api(&args),
        Command::CPrograms(args) => c_programs::c_programs(&args),
        Command::Test { args } => run::test(&args),
        Command::Fuzz(args) => run::fuzz(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Instructions(args) => instructions::instructions(&args),
        Command::Patches(PatchesCommand::Export) => patches::export(),
        Command::Patches(PatchesCommand::Check) => patches::check(),
        Command::Patches(PatchesCommand::List) => patches::list(),
        Command::Patches(PatchesCommand::Pr { group }) => patches::pull_request(&group),
        Command::Patches(PatchesCommand::Prefixes) => prefixes::prefixes(),
        Command::Patches(PatchesCommand::Table(args)) => patches::table(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
