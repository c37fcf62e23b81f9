//! Runs a module's `run` on Wasmtime as published, as often as it is asked to: for each line on standard
//! input, a number, it calls `run` with that number in a store of its own and answers with the nanoseconds
//! that this took. Another process can so interleave its own samples with these.
//!
//! Usage: `unpatched MODULE.wat`

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;
use wasmtime::{Config, Engine, Instance, Module, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: unpatched MODULE.wat")?;
    let mut config = Config::new();
    config.wasm_function_references(true).wasm_exceptions(true).wasm_gc(true).wasm_stack_switching(true);
    let engine = Engine::new(&config)?;
    let module = Module::from_file(&engine, path)?;
    for line in std::io::stdin().lock().lines() {
        let count: u32 = line?.trim().parse()?;
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[])?;
        let run = instance.get_typed_func::<u32, u32>(&mut store, "run")?;
        run.call(&mut store, 10)?;
        let start = Instant::now();
        let done = run.call(&mut store, count)?;
        let time = start.elapsed();
        if done != count {
            return Err(format!("`run` did {done} of {count}").into());
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", time.as_nanos())?;
        out.flush()?;
    }
    Ok(())
}
