//! Runs a module on Wasmtime as published, as often as it is asked to: for each line `export size` on standard input
//! it makes a sample as the suite does (`../suite.rs`), and answers with the nanoseconds that this took, or with
//! `error: ` and what went wrong. Another process can so interleave its own samples with these.
//!
//! Usage: `unpatched MODULE`, text or binary

#[path = "../../suite/sample.rs"]
mod sample;

use sample::Subject;
use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Duration;
use wasmtime as api;
use wasmtime::{Config, Engine, Module, Result, bail, format_err};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: unpatched MODULE")?;
    let mut config = Config::new();
    config.wasm_function_references(true).wasm_exceptions(true).wasm_gc(true).wasm_stack_switching(true);
    let engine = Engine::new(&config)?;
    // A module that it cannot compile is an answer, too.
    let mut subject = Module::from_file(&engine, path).and_then(Subject::new);
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let time = match &mut subject {
            Ok(subject) => answer(subject, &line),
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

fn answer(subject: &mut Subject, line: &str) -> Result<Duration> {
    let Some((export, size)) = line.trim().split_once(' ') else { bail!("{line:?} is not `export size`") };
    subject.sample(export, size.parse()?)
}
