//! Runs every `.wast` file below `tests/wast` in every configuration that the code generator has a path of
//! its own for: each backend; optimisation off, on, and with functions inlined; traps by signals and by explicit checks; on
//! aarch64 also with signed return addresses, and with landing pads besides.
//! The scripts in `tests/wast/heap` run with each garbage collector besides. There is a folder for each rule of the semantics,
//! and a file is a test: drop one in.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wasmfx::StackSwitchingBackend;
use wasmfx::wasmtime::{Collector, Engine, Inlining, OptLevel};
use wasmtime_wast::{Async, SpectestConfig, WastContext};

#[derive(Clone, Copy)]
struct Setup {
    backend: (&'static str, StackSwitchingBackend),
    opt_level: (&'static str, OptLevel, Inlining),
    signals: (&'static str, bool),
    collector: Collector,
}

/// Traps by signals and by checks. On aarch64 also by signals in code that signs return addresses, as all code does on macOS, and in
/// code that besides has landing pads where indirect branches go.
const TRAPS: &[(&str, bool)] = if cfg!(target_arch = "aarch64") {
    &[("signals", true), ("checks", false), (SIGNED, true), (PROTECTED, true)]
} else {
    &[("signals", true), ("checks", false)]
};
const SIGNED: &str = "signed";
const PROTECTED: &str = "protected";

/// The setups in which a script runs: with each collector if the script is about the heap.
fn setups(heap: bool) -> Vec<Setup> {
    let collectors = if heap { support::COLLECTORS.as_slice() } else { &[Collector::Auto] };
    let mut setups = Vec::new();
    for backend in support::backends() {
        for opt_level in [
            ("none", OptLevel::None, Inlining::No),
            ("speed", OptLevel::Speed, Inlining::No),
            ("inlined", OptLevel::Speed, Inlining::Yes),
        ] {
            for &signals in TRAPS {
                for &collector in collectors {
                    setups.push(Setup { backend, opt_level, signals, collector });
                }
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
        .compiler_inlining(setup.opt_level.2)
        .cranelift_debug_verifier(true)
        .collector(setup.collector)
        .signals_based_traps(setup.signals.1);
    let flags: &[&str] = match setup.signals.0 {
        SIGNED => &["sign_return_address"],
        PROTECTED => &["sign_return_address", "use_bti"],
        _ => &[],
    };
    for flag in flags {
        // SAFETY: `cranelift_flag_enable`: code with this flag does the same.
        unsafe { config.cranelift_flag_enable(flag) };
    }
    let engine = Engine::new(&config).map_err(|e| format!("{e:?}"))?;
    let mut context = WastContext::new(&engine, Async::No, |_| {});
    let spectest = SpectestConfig { use_shared_memory: false, suppress_prints: true };
    context.register_spectest(&spectest).map_err(|e| format!("{e:?}"))?;
    context.run_file(file).map_err(|e| format!("{e:?}"))?;
    Ok(())
}

/// Adds the scripts in `folder`, and in the folders in it, to `files`.
fn scripts(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("read {}: {e}", folder.display()));
    for entry in entries {
        let path = entry.unwrap_or_else(|e| panic!("read {}: {e}", folder.display())).path();
        if path.is_dir() {
            scripts(&path, files);
        } else if path.extension().is_some_and(|e| e == "wast") {
            files.push(path);
        }
    }
}

/// `folder/file`, with slashes on every platform and without the extension.
fn test_name(root: &Path, file: &Path) -> String {
    let relative = file.strip_prefix(root).unwrap_or(file).with_extension("");
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wast");
    let mut files = Vec::new();
    scripts(&folder, &mut files);
    files.sort();
    assert!(!files.is_empty(), "no tests in {}", folder.display());
    let mut trials = Vec::new();
    for file in files {
        let test = test_name(&folder, &file);
        for setup in setups(test.starts_with("heap/")) {
            let name = format!(
                "{test}::{}::{}::{}::{:?}",
                setup.backend.0, setup.opt_level.0, setup.signals.0, setup.collector
            );
            let file = file.clone();
            trials.push(Trial::test(name, move || run(&file, setup)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
