//! Golden output: the Cranelift IR of each function in `tests/clif/*.wat`, so that a review sees what a
//! change emits. The expected text is in the `.clif` file beside the module.
//!
//! To accept what is emitted now: `WASMFX_BLESS=1 cargo test --test clif`.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wasmfx::StackSwitchingBackend;
use wasmfx::wasmtime::Engine;

/// The IR does not depend on the host, but its constants and calling conventions depend on the target.
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn emit(source: &Path, (name, backend): (&str, StackSwitchingBackend)) -> Result<String, Failed> {
    let stem = source.file_stem().unwrap_or_default().to_string_lossy();
    let folder = std::env::temp_dir().join(format!("wasmfx-clif-{}-{stem}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut config = wasmfx::config();
    config.stack_switching_backend(backend).target(TARGET).map_err(|e| e.to_string())?;
    config.emit_clif(&folder);
    let engine = Engine::new(&config).map_err(|e| format!("{e:?}"))?;
    engine.precompile_module(&std::fs::read(source)?).map_err(|e| format!("{e:?}"))?;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.sort();
    let mut text = String::new();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // Functions of the module, and what continuations run first; trampolines are Wasmtime's own.
        if name.contains("--function") || name.contains("wasm_func") || name.contains("continuation_entry") {
            let clif = std::fs::read_to_string(&file)?;
            text += &format!(";; {name}\n{}\n", clif.trim_end());
        }
    }
    std::fs::remove_dir_all(&folder)?;
    if text.is_empty() {
        return Err("no function was emitted".into());
    }
    Ok(text)
}

fn run(source: &Path, backend: (&str, StackSwitchingBackend)) -> Result<(), Failed> {
    let golden = source.with_extension(format!("{}.clif", backend.0));
    let emitted = emit(source, backend)?;
    if std::env::var_os("WASMFX_BLESS").is_some() {
        return Ok(std::fs::write(golden, emitted)?);
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    if emitted == expected {
        return Ok(());
    }
    let diff = similar::TextDiff::from_lines(&expected, &emitted).unified_diff().to_string();
    Err(format!("other code than in {}; if that is meant, bless it:\n{diff}", golden.display()).into())
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clif");
    let mut trials = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("tests/clif is there") {
        let path = entry.expect("tests/clif is readable").path();
        if path.extension().is_some_and(|e| e == "wat") {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            for backend in support::backends() {
                let path = path.clone();
                let name = format!("{stem}::{}", backend.0);
                // Other hosts have no compiler for the target in this build.
                let trial = Trial::test(name, move || run(&path, backend));
                trials.push(trial.with_ignored_flag(!cfg!(target_arch = "x86_64")));
            }
        }
    }
    trials.sort_by(|a, b| a.name().cmp(b.name()));
    assert!(!trials.is_empty(), "no tests in {}", folder.display());
    libtest_mimic::run(&arguments, trials).exit_code()
}
