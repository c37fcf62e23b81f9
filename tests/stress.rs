//! Programs that keep continuations in objects, frames and exceptions, and abandon many: `tests/stress/*.wat`. A program checks
//! itself, and returns the same with each collector on each backend. Where searches work, no continuation is alive after a last search.
//!
//! `WASMFX_STRESS=SECONDS cargo test --release --test stress -- --nocapture` goes on with other seeds, until each program has had so
//! many seconds of processor time with each collector, and prints its progress about once a minute.

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
    if support::SEARCHES {
        assert_eq!(statistics.alive, 0, "seed {seed}: {statistics}");
    }
    (result, statistics.reclaimed)
}

/// The time that this thread has been running, in Wasm and in the host, wherever that can be asked for: a busy machine takes longer, and
/// does not test less.
#[cfg(target_os = "linux")]
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.try_into().expect("a time that passes")
}

/// The time that has passed, which stands for the thread's own.
#[cfg(not(target_os = "linux"))]
fn processor_time() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    START.elapsed()
}

/// A collector on both backends, which share its time.
struct Share {
    collector: Collector,
    engines: Vec<(&'static str, Engine, Module)>,
    taken: Duration,
}

/// Runs the program on all engines with other seeds, until each collector has had its `time`, and at least with one seed.
fn stress(program: &str, steps: i32, time: Duration) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stress").join(program);
    let mut shares = Vec::new();
    for collector in COLLECTORS {
        let mut engines = Vec::new();
        for (name, backend) in backends() {
            let mut config = wasmfx::config();
            config.stack_switching_backend(backend).collector(collector);
            let engine = Engine::new(&config).unwrap();
            let module = Module::from_file(&engine, &path).unwrap();
            engines.push((name, engine, module));
        }
        shares.push(Share { collector, engines, taken: Duration::ZERO });
    }
    let (mut reclaimed, mut said) = (0, Instant::now());
    for seed in 1.. {
        let mut first = None;
        for Share { collector, engines, taken } in &mut shares {
            if seed > 1 && *taken >= time {
                continue;
            }
            let start = processor_time();
            for (name, engine, module) in engines {
                let (result, ended) = run(engine, module, seed, steps);
                reclaimed += ended;
                let expected = *first.get_or_insert(result);
                assert_eq!(result, expected, "{program}, seed {seed}, {name}, {collector:?}");
            }
            *taken += processor_time() - start;
        }
        let done = shares.iter().all(|share| share.taken >= time);
        if !time.is_zero() && (done || said.elapsed() > Duration::from_secs(60)) {
            let taken = shares.iter().map(|share| format!(" {:?} {:.0?}", share.collector, share.taken));
            let taken: String = taken.collect();
            eprintln!("{program}: {seed} seeds, {reclaimed} continuations reclaimed;{taken}");
            said = Instant::now();
        }
        if done {
            break;
        }
    }
}

/// The time for each program and collector.
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
