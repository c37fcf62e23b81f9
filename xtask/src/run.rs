//! The commands that call cargo or the patched `wasmtime`.

use crate::{setup, tools};
use anyhow::{Result, bail};
use std::ffi::OsString;
use std::process::ExitCode;

/// Builds the patched CLI in release mode if needed, and runs it with `args` in the caller's folder.
pub fn wasmtime(args: &[OsString]) -> Result<ExitCode> {
    build_cli()?;
    let binary =
        tools::root().join("target/release").join(format!("wasmtime{}", std::env::consts::EXE_SUFFIX));
    let mut command = std::process::Command::new(binary);
    command.args(args);
    setup::status(command)
}

fn build_cli() -> Result<()> {
    setup::ensure()?;
    let mut build = tools::cargo();
    build.args(["build", "--locked", "--release", "--package", "wasmtime-cli", "--bin", "wasmtime"]);
    // Quiet when there is nothing to build, so that a program's output is its own.
    build.env("CARGO_TERM_QUIET", if is_terminal() { "false" } else { "true" });
    if !build.status()?.success() {
        bail!("the patched wasmtime does not build; see above");
    }
    Ok(())
}

fn is_terminal() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal()
}

/// Runs all tests: the root workspace's crates, then xtask's own.
pub fn test(args: &[OsString]) -> Result<ExitCode> {
    build_cli()?;
    let mut ours = tools::cargo();
    ours.args(["test", "--locked", "--package", "wasmfx", "--package", "wasmfx-runtime"]);
    ours.args(["--package", "wasmfx-cranelift"]).args(args);
    setup::status(ours)
}

/// Runs the benchmarks.
pub fn bench(args: &[OsString]) -> Result<ExitCode> {
    setup::ensure()?;
    let mut command = tools::cargo();
    command.args(["bench", "--locked", "--package", "wasmfx"]).args(args);
    setup::status(command)
}
