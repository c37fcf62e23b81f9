//! Programs that keep continuations in objects, frames and exceptions, and abandon many: `tests/stress/*.wat`. A program checks
//! itself, and returns the same with each collector on each backend. Where searches work, no continuation is alive after a last search.
//!
//! `WASMFX_STRESS=SECONDS cargo test --release --test stress -- --nocapture` goes on with other seeds, for so many seconds with each
//! program and collector, and prints its progress about once a minute.

mod support;

use std::path::Path;
use std::time::{Duration, Instant};
use support::{COLLECTORS, backends};
use wasmfx::wasmtime::*;

/// Runs a program once, and returns its result and how many continuations were reclaimed.
fn run(engine: &Engine, module: &Module, seed: i32, steps: i32) -> (i64, u64) {
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, module, &[]).unwrap();
    let run = instance.get_typed_func::<(i32, i32), i64>(&mut store, "run").unwrap();
    let result = run.call(&mut store, (seed, steps)).unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
    store.gc(None).unwrap();
    let statistics = store.continuation_statistics();
    if cfg!(all(unix, target_arch = "x86_64")) {
        assert_eq!(statistics.alive, 0, "seed {seed}: {statistics}");
    }
    (result, statistics.reclaimed)
}

/// Runs the program on all engines, until `time` is over for each of them, and at least with one seed.
fn stress(program: &str, steps: i32, time: Duration) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stress").join(program);
    let mut all = Vec::new();
    for (name, backend) in backends() {
        for collector in COLLECTORS {
            let mut config = wasmfx::config();
            config.stack_switching_backend(backend).collector(collector);
            let engine = Engine::new(&config).unwrap();
            let module = Module::from_file(&engine, &path).unwrap();
            all.push((format!("{name}, {collector:?}"), engine, module, Duration::ZERO));
        }
    }
    let (mut seed, mut reclaimed, mut said) = (1, 0, Instant::now());
    loop {
        let mut first = None;
        for (name, engine, module, taken) in &mut all {
            let start = Instant::now();
            let (result, ended) = run(engine, module, seed, steps);
            *taken += start.elapsed();
            reclaimed += ended;
            let expected = *first.get_or_insert(result);
            assert_eq!(result, expected, "{program}, seed {seed}, {name}");
        }
        // Two backends share the time of a collector.
        let done = all.iter().all(|(_, _, _, taken)| *taken * 2 >= time);
        if !time.is_zero() && (done || said.elapsed() > Duration::from_secs(60)) {
            let taken = all.iter().map(|(name, _, _, taken)| format!("\n  {name}: {taken:.0?}"));
            let taken: String = taken.collect();
            eprintln!("{program}: {seed} seeds, {reclaimed} continuations reclaimed{taken}");
            said = Instant::now();
        }
        if done {
            break;
        }
        seed += 1;
    }
}

/// The time for each program and collector, of which each backend takes half.
fn time() -> Duration {
    let seconds = std::env::var("WASMFX_STRESS")
        .map(|text| text.parse().expect("WASMFX_STRESS is a number of seconds"));
    Duration::from_secs(seconds.unwrap_or(0))
}

#[test]
fn slots() {
    stress("slots.wat", 20_000, time());
}

#[test]
fn trees() {
    stress("trees.wat", 1_000, time());
}

#[test]
fn chains() {
    stress("chains.wat", 4_000, time());
}
