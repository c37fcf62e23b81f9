//! Runs a module on Wasmtime as published, as often as it is asked to: for each line `export size` on standard input
//! it makes a sample as the suite does (`../suite.rs`), and answers with the nanoseconds that this took, or with
//! `error: ` and what went wrong. Another process can so interleave its own samples with these.
//!
//! Usage: `unpatched MODULE`, text or binary

#[path = "../../suite/placement.rs"]
mod placement;

use placement::elsewhere;
use std::error::Error;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};
use wasmtime::{Config, Engine, Linker, Module, Result, Store, bail, format_err};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: unpatched MODULE")?;
    let mut config = Config::new();
    config.wasm_function_references(true).wasm_exceptions(true).wasm_gc(true).wasm_stack_switching(true);
    let engine = Engine::new(&config)?;
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "add_one", |x: i64| x.wrapping_add(1))?;
    // A module that it cannot compile is an answer, too.
    let module = Module::from_file(&engine, path);
    for (turn, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line?;
        let time = match &module {
            Ok(module) => elsewhere(turn + 1, || sample(&linker, module, &line)),
            Err(error) => Err(format_err!("{error:#}")),
        };
        let mut out = std::io::stdout().lock();
        match time {
            Ok(time) => writeln!(out, "{}", time.as_nanos())?,
            Err(error) => writeln!(out, "error: {}", format!("{error:#}").replace('\n', " "))?,
        }
        out.flush()?;
    }
    Ok(())
}

fn sample(linker: &Linker<()>, module: &Module, line: &str) -> Result<Duration> {
    let Some((export, size)) = line.trim().split_once(' ') else { bail!("{line:?} is not `export size`") };
    let size: u32 = size.parse()?;
    let mut store = Store::new(module.engine(), ());
    let instance = linker.instantiate(&mut store, module)?;
    let run = instance.get_typed_func::<u32, u64>(&mut store, export)?;
    let expected = instance.get_typed_func::<u32, u64>(&mut store, "expected")?;
    if let Ok(setup) = instance.get_typed_func::<(), ()>(&mut store, "setup") {
        setup.call(&mut store, ())?;
    }
    run.call(&mut store, size.min(10))?;
    let start = Instant::now();
    let result = run.call(&mut store, size)?;
    let time = start.elapsed();
    let expected = expected.call(&mut store, size)?;
    if result != expected {
        bail!("{export} {size} returned {result} where {expected} is right");
    }
    Ok(time)
}
