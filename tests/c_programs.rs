//! Runs the programs of `examples/c/fiber/programs`, which check themselves, in each form on each backend: all must print the same. A
//! source with a line `* Fails: TEXT` must end with a trap, and with this text on its standard error.
//!
//! `cargo xtask c-programs` builds them. A program that is not built, or is older than its sources, is left out with a message.

mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use support::backends;
use wasmfx::wasmtime::{Engine, Linker, Module, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{I32Exit, WasiCtx};

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
    let own = format!("programs/{program}.c");
    let names =
        ["fiber.h", "common.h", "switching.c", "switching.wat", "asyncify.c", "programs/check.h", &own];
    let mut texts = names.iter().map(|name| fs::read_to_string(sources().join(name)));
    let current = texts.all(|text| text.is_ok_and(|text| inputs.contains(&text)));
    (!current).then_some("is older than its sources")
}

/// Runs a module, and returns what it prints.
fn run(engine: &Engine, file: &Path, fails: Option<&str>) -> Result<String, String> {
    let text = |error: wasmfx::wasmtime::Error| format!("{error:?}");
    let module = Module::from_file(engine, file).map_err(text)?;
    let mut linker: Linker<WasiP1Ctx> = Linker::new(engine);
    p1::add_to_linker_sync(&mut linker, |context| context).map_err(text)?;
    let [stdout, stderr] = [(); 2].map(|()| MemoryOutputPipe::new(1 << 16));
    let context = WasiCtx::builder().stdout(stdout.clone()).stderr(stderr.clone()).arg("program").build_p1();
    let mut store = Store::new(engine, context);
    let instance = linker.instantiate(&mut store, &module).map_err(text)?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").map_err(text)?;
    let ended = start.call(&mut store, ());
    drop(store);
    let [stdout, stderr] =
        [stdout, stderr].map(|pipe| String::from_utf8_lossy(&pipe.contents()).into_owned());
    let ended = match ended {
        Err(error) if error.downcast_ref::<I32Exit>().is_some_and(|exit| exit.0 == 0) => Ok(()),
        ended => ended,
    };
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
    let mut runs = 0;
    for (name, backend) in backends() {
        let engine = Engine::new(wasmfx::config().stack_switching_backend(backend))?;
        for file in &files {
            let form = file.file_name().unwrap_or_default().to_string_lossy();
            let printed = run(&engine, file, fails).map_err(|error| format!("{form}, {name}: {error}"))?;
            let first = first.get_or_insert_with(|| printed.clone());
            if *first != printed {
                return Err(format!("{form}, {name}: prints `{printed}`, and another form `{first}`").into());
            }
            runs += 1;
        }
    }
    // Each of the two implementations, in a debug build and optimized.
    if runs < 4 * backends().len() {
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
