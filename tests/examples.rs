//! Runs every `examples/*.wat` with WASI, and compares what it prints with the `;;>` lines at its end.
//! Every Rust example is run too, for its own checks. A file is a test: drop one in.

#[path = "support/wasi.rs"]
mod wasi;

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use wasmfx::wasmtime::{Engine, Module};

fn expected(source: &str) -> String {
    let lines = source.lines().filter_map(|line| line.strip_prefix(";;>"));
    lines.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect()
}

fn run(file: &Path) -> Result<(), Failed> {
    let source = std::fs::read_to_string(file)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let command = format!(";; Run: cargo xtask wasmtime run -W stack-switching examples/{name}\n");
    if !source.contains(&command) {
        return Err(format!("the file does not say how to run it: {command}").into());
    }
    let expected = expected(&source);
    if expected.is_empty() {
        return Err("the file does not say what it prints, in `;;>` lines".into());
    }

    let text = |e: wasmfx::wasmtime::Error| format!("{e:?}");
    let engine = Engine::new(&wasmfx::config()).map_err(text)?;
    let module = Module::new(&engine, &source).map_err(text)?;
    let ran = wasi::run(&engine, &module).map_err(text)?;
    ran.ended.map_err(|error| format!("{error:?}\n{}", ran.stderr))?;
    let printed = ran.stdout;
    if printed == expected {
        Ok(())
    } else {
        let diff = similar::TextDiff::from_lines(&expected, &printed).unified_diff().to_string();
        Err(format!("it prints something else:\n{diff}").into())
    }
}

/// Runs a Rust example, which checks itself.
fn run_rust(name: &str) -> Result<(), Failed> {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--locked", "--example", name])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("examples/ is there")
        .map(|entry| entry.expect("examples/ is readable").path())
        .collect();
    files.sort();
    let mut trials = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match file.extension().and_then(|e| e.to_str()) {
            Some("wat") => trials.push(Trial::test(name, move || run(&file))),
            Some("rs") => trials.push(Trial::test(name.clone(), move || run_rust(&name))),
            _ => {}
        }
    }
    assert!(!trials.is_empty(), "no examples in {}", folder.display());
    libtest_mimic::run(&arguments, trials).exit_code()
}
