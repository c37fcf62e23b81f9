//! Runs the programs of `examples/c/fiber/programs`, which check themselves, in each form on each backend: all must print the same. A
//! source with a line `* Fails: TEXT` must end with a trap, and with this text on its standard error.
//!
//! `cargo xtask c-programs` builds them. A program that is not built, or is older than its sources, is left out with a message.

mod support;
#[path = "support/wasi.rs"]
mod wasi;

use libtest_mimic::{Arguments, Failed, Trial};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use support::backends;
use wasi::Ran;
use wasmfx::wasmtime::{Engine, Module};

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/c/fiber")
}

fn built() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder").join("c-programs")
}

/// Why this program cannot be tested here, if so.
fn left_out(program: &str) -> Option<&'static str> {
    let Ok(inputs) = fs::read_to_string(built().join(program).join("inputs")) else {
        return Some("is not built");
    };
    // After a line with versions: a line `== NAME LENGTH` for each source, and its text.
    let mut rest = inputs.split_once('\n').map_or("", |(_, rest)| rest);
    let mut count = 0;
    while let Some((line, after)) = rest.split_once('\n') {
        let entry = line.strip_prefix("== ").and_then(|entry| entry.rsplit_once(' '));
        let (name, length) = entry.expect("`xtask` has written it");
        let (built, after) = after.split_at(length.parse().expect("a length"));
        if !fs::read_to_string(sources().join(name)).is_ok_and(|text| text == built) {
            return Some("is older than its sources");
        }
        (rest, count) = (after, count + 1);
    }
    assert!(count > 1, "the note of what {program} was built from is empty");
    None
}

/// Runs a module, and returns what it prints.
fn run(engine: &Engine, file: &Path, fails: Option<&str>) -> Result<String, String> {
    let ran = Module::from_file(engine, file).and_then(|module| wasi::run(engine, &module));
    let Ran { ended, stdout, stderr } = ran.map_err(|error| format!("{error:?}"))?;
    match (ended, fails) {
        (Ok(()), None) => Ok(stdout),
        (Err(_), Some(message)) if stderr.contains(message) => Ok(stdout),
        (Ok(()), Some(message)) => Err(format!("it does not fail with `{message}`")),
        (Err(error), _) => Err(format!("{error:?}\n{stderr}")),
    }
}

/// Runs all forms of a program.
fn test(program: &str) -> Result<(), Failed> {
    let source = fs::read_to_string(sources().join(format!("programs/{program}.c")))?;
    let fails = source.lines().find_map(|line| line.strip_prefix(" * Fails: "));
    let fails = fails.map(|text| text.trim_end_matches(" */"));
    let mut files: Vec<PathBuf> = fs::read_dir(built().join(program))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    files.sort();
    let mut first: Option<String> = None;
    for (name, backend) in backends() {
        let engine = Engine::new(wasmfx::config().stack_switching_backend(backend))?;
        for file in &files {
            let form = file.file_name().unwrap_or_default().to_string_lossy();
            let printed = run(&engine, file, fails).map_err(|error| format!("{form}, {name}: {error}"))?;
            let first = first.get_or_insert_with(|| printed.clone());
            if *first != printed {
                return Err(format!("{form}, {name}: prints `{printed}`, and another form `{first}`").into());
            }
        }
    }
    // Each of the two implementations, also in a debug build and optimized, and one with its types changed.
    if files.len() < 7 {
        return Err(format!("there are only {} forms", files.len()).into());
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut programs: Vec<String> = fs::read_dir(sources().join("programs"))
        .expect("the programs are there")
        .filter_map(|entry| {
            let path = entry.expect("the folder is readable").path();
            let name = path.file_stem()?.to_str()?.to_owned();
            path.extension().is_some_and(|extension| extension == "c").then_some(name)
        })
        .collect();
    programs.sort();
    assert!(!programs.is_empty(), "no programs in {}", sources().display());
    let trials = programs
        .into_iter()
        .map(|program| {
            let reason = left_out(&program);
            if let Some(reason) = reason {
                eprintln!("left out: {program} {reason}: `cargo xtask c-programs` builds it");
            }
            Trial::test(program.clone(), move || test(&program)).with_ignored_flag(reason.is_some())
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
