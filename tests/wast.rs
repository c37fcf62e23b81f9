//! Runs every `tests/wast/*.wast` in every configuration that the code generator has a path of its own
//! for: optimisation on and off, traps by signals and by explicit checks. A file is a test: drop one in.

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wasmfx::StackSwitchingBackend;
use wasmfx::wasmtime::{Engine, OptLevel};
use wasmtime_wast::{Async, WastContext};

const BACKENDS: &[(&str, StackSwitchingBackend)] = &[("libcall", StackSwitchingBackend::Libcall)];

#[derive(Clone, Copy)]
struct Setup {
    backend: (&'static str, StackSwitchingBackend),
    opt_level: (&'static str, OptLevel),
    signals: (&'static str, bool),
}

fn setups() -> Vec<Setup> {
    let mut setups = Vec::new();
    for &backend in BACKENDS {
        for opt_level in [("none", OptLevel::None), ("speed", OptLevel::Speed)] {
            for signals in [("signals", true), ("checks", false)] {
                setups.push(Setup { backend, opt_level, signals });
            }
        }
    }
    setups
}

fn run(file: &Path, setup: Setup) -> Result<(), Failed> {
    let mut config = wasmfx::config();
    config
        .stack_switching_backend(setup.backend.1)
        .cranelift_opt_level(setup.opt_level.1)
        .cranelift_debug_verifier(true)
        .signals_based_traps(setup.signals.1);
    let engine = Engine::new(&config).map_err(|e| format!("{e:?}"))?;
    let mut context = WastContext::new(&engine, Async::No, |_| {});
    context.run_file(file).map_err(|e| format!("{e:?}"))?;
    Ok(())
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wast");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("tests/wast is there")
        .map(|entry| entry.expect("tests/wast is readable").path())
        .filter(|path| path.extension().is_some_and(|e| e == "wast"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no tests in {}", folder.display());
    let mut trials = Vec::new();
    for file in files {
        for setup in setups() {
            let name = format!(
                "{}::{}::{}::{}",
                file.file_stem().unwrap_or_default().to_string_lossy(),
                setup.backend.0,
                setup.opt_level.0,
                setup.signals.0
            );
            let file = file.clone();
            trials.push(Trial::test(name, move || run(&file, setup)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
