//! Random programs on every backend, against a model that follows the reduction rules.
//!
//! | file | what it does |
//! | --- | --- |
//! | `program.rs` | programs as data |
//! | `generate.rs` | makes a program of any bytes |
//! | `model.rs` | says what a program must do |
//! | `encode.rs` | makes a Wasm module of a program |
//! | `run.rs` | says what an engine does with the module |
//! | `trace.rs` | says whether both agree |
//! | `worker.rs` | the same in another process, which may crash |
//! | `fuzz.rs` | looks for programs on which they differ, and keeps them in `regressions/` |
//! | `shrink.rs` | makes such a program small |
//!
//! As a test: a fixed set of programs, and all in `regressions/`. `cargo xtask fuzz` runs any number.

mod encode;
mod fuzz;
mod generate;
mod model;
mod program;
mod run;
mod shrink;
#[path = "../support/mod.rs"]
mod support;
mod trace;
mod worker;

use clap::Parser;
use libtest_mimic::{Arguments, Failed, Trial};
use std::ops::Range;
use std::process::ExitCode;
use wasmfx::StackSwitchingBackend;

/// The seeds of the tests, and how many of them make one.
const SEEDS: u64 = 1000;
const SEEDS_PER_TRIAL: u64 = 125;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    tests: Arguments,
    /// Run random programs until one does not do what it must
    #[arg(long)]
    fuzz: bool,
    /// How many programs
    #[arg(long, default_value_t = 10_000)]
    iterations: u64,
    /// The first program's seed; each further program has the next one
    #[arg(long)]
    seed: Option<u64>,
    /// Do not run programs, but say how often what happens in them
    #[arg(long)]
    stats: bool,
    /// Run the modules on standard input
    #[arg(long, hide = true)]
    worker: bool,
}

fn seeds(backend: StackSwitchingBackend, seeds: Range<u64>) -> Result<(), Failed> {
    let engines = run::Engines::new(backend).map_err(|error| format!("{error:?}"))?;
    for seed in seeds {
        let program = generate::generate(&fuzz::bytes(seed));
        let expected = model::run(&program).ok_or("a generated program takes too long")?.trace;
        let trace = engines.run(&encode::encode(&program), seed);
        if !trace::all_agree(&expected, &trace, run::collects(seed)) {
            let difference = fuzz::difference(&expected, &trace);
            return Err(format!(
                "seed {seed} does not do what it must; to shrink it: \
                 cargo xtask fuzz --seed {seed} --iterations 1\n{difference}"
            )
            .into());
        }
    }
    Ok(())
}

fn regression(backend: StackSwitchingBackend, text: &str) -> Result<(), Failed> {
    let engines = run::Engines::new(backend).map_err(|error| format!("{error:?}"))?;
    let expected = fuzz::expected(text);
    for turn in 0..run::ENGINES {
        let trace = engines.run(text.as_bytes(), turn);
        if !trace::all_agree(&expected, &trace, run::collects(turn)) {
            return Err(fuzz::difference(&expected, &trace).into());
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.worker {
        return worker::serve();
    }
    if cli.fuzz || cli.stats {
        return fuzz::fuzz(cli.iterations, cli.seed, cli.stats);
    }
    let mut trials = Vec::new();
    for (name, backend) in support::backends() {
        for start in (0..SEEDS).step_by(SEEDS_PER_TRIAL as usize) {
            let range = start..SEEDS.min(start + SEEDS_PER_TRIAL);
            let test = format!("seeds::{name}::{}-{}", range.start, range.end - 1);
            trials.push(Trial::test(test, move || seeds(backend, range)));
        }
        for file in fuzz::regressions() {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            let test = format!("regressions::{name}::{stem}");
            trials.push(Trial::test(test, move || regression(backend, &std::fs::read_to_string(&file)?)));
        }
    }
    libtest_mimic::run(&cli.tests, trials).exit_code()
}
