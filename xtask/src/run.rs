//! The commands that call cargo or the patched `wasmtime`.

use crate::{setup, tools};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Builds the patched CLI in release mode if needed, with more `features` than the usual ones, and runs it with `args`.
pub fn wasmtime(features: Option<&str>, args: &[OsString]) -> Result<ExitCode> {
    let mut command = std::process::Command::new(build_cli_with(features)?);
    command.args(args);
    tools::status(command)
}

/// Where cargo puts what it builds for the root workspace.
pub fn target_directory() -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new()
        .current_dir(tools::root())
        .no_deps()
        .exec()
        .context("cannot read the root workspace")?;
    Ok(metadata.target_directory.into_std_path_buf())
}

/// Where cargo puts the patched CLI.
fn binary() -> Result<PathBuf> {
    let name = format!("wasmtime{}", std::env::consts::EXE_SUFFIX);
    Ok(target_directory()?.join("release").join(name))
}

/// Builds the patched CLI in release mode if needed, and says where it is.
pub fn build_cli() -> Result<PathBuf> {
    build_cli_with(None)
}

fn build_cli_with(features: Option<&str>) -> Result<PathBuf> {
    setup::ensure()?;
    let binary = binary()?;
    let mut build = tools::cargo();
    build.args(["build", "--locked", "--release", "--package", "wasmtime-cli", "--bin", "wasmtime"]);
    build.args(features.map(|features| format!("--features={features}")));
    build.env_remove("CARGO_BUILD_TARGET");
    if binary.exists() && features.is_none() {
        // A program's output is its own; what there is to say of a build was said the first time.
        build.arg("--quiet");
    } else {
        eprintln!("Building the patched wasmtime in release mode, which takes a few minutes");
    }
    if !build.status()?.success() {
        bail!("the patched wasmtime does not build; see above");
    }
    Ok(binary)
}

/// Runs all tests: those of the root workspace's crates, then xtask's own.
pub fn test(args: &[OsString]) -> Result<ExitCode> {
    // `tests/cli.rs` builds what it runs, but in silence.
    build_cli()?;
    let mut ours = tools::cargo();
    ours.args(["test", "--locked", "--package", "wasmfx", "--package", "wasmfx-runtime"]);
    ours.args(["--package", "wasmfx-cranelift"]).args(args);
    if !ours.status()?.success() {
        bail!("tests failed; see above");
    }
    let mut own = tools::cargo();
    own.args(["test", "--locked", "--manifest-path", "xtask/Cargo.toml"]).args(args);
    tools::status(own)
}

#[derive(clap::Args)]
pub struct FuzzArgs {
    /// How many programs
    #[arg(long, default_value_t = 10_000)]
    iterations: u64,
    /// The first program's seed, in place of one from the clock; each further program has the next one
    #[arg(long)]
    seed: Option<u64>,
    /// Only say how often what happens in these programs
    #[arg(long)]
    stats: bool,
}

/// Runs random programs against the model.
pub fn fuzz(args: &FuzzArgs) -> Result<ExitCode> {
    setup::ensure()?;
    let mut command = tools::cargo();
    command.args(["test", "--locked", "--package", "wasmfx", "--test", "random", "--"]);
    command.args([if args.stats { "--stats" } else { "--fuzz" }, "--iterations"]);
    command.arg(args.iterations.to_string());
    if let Some(seed) = args.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    tools::status(command)
}

/// Builds Wasmtime as published for comparison, and says where the program is.
pub fn build_unpatched() -> Result<PathBuf> {
    let target = target_directory()?.join("unpatched");
    if !target.exists() {
        eprintln!("Building Wasmtime as published, for comparison, which takes a few minutes");
    }
    let mut unpatched = tools::cargo();
    unpatched.args(["build", "--locked", "--release", "--manifest-path", "benches/unpatched/Cargo.toml"]);
    unpatched.arg("--target-dir").arg(&target).env_remove("CARGO_BUILD_TARGET");
    if !unpatched.status()?.success() {
        bail!("Wasmtime as published does not build; see above");
    }
    Ok(target.join("release").join(format!("unpatched{}", std::env::consts::EXE_SUFFIX)))
}
