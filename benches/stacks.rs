//! What continuations cost besides switching: to make, run and end one, and to have many.
//!
//! * `create`: one continuation after another is made, gets an argument, returns a value, and is gone
//!   (`modules/create.wat`), per continuation.
//! * `live`: each of 10,000 suspended continuations is resumed in turn, counts and suspends again
//!   (`modules/live.wat`), per turn of one. Left out: making them.
//! * `two threads`: `create` in a store of its own on each of two threads, against one thread; the ratio is of
//!   continuations per second, 2 at best.
//!
//! Left out of all: compiling, store and instance.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::path::Path;
use std::time::{Duration, Instant};
use wasmfx::StackSwitchingBackend;
use wasmfx::wasmtime::{Engine, Instance, Module, Store, TypedFunc};

/// Continuations per sample.
const CREATED: u32 = 100_000;

/// Continuations alive.
const LIVE: u32 = 10_000;

/// Samples of each for the ratio.
const SAMPLES: usize = 51;

fn module(backend: StackSwitchingBackend, name: &str) -> (Engine, Module) {
    let mut config = wasmfx::config();
    config.stack_switching_backend(backend);
    let engine = Engine::new(&config).expect("the backend is there");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("benches/modules/{name}.wat"));
    let module = Module::from_file(&engine, path).expect("the module is valid");
    (engine, module)
}

/// Makes continuations, `CREATED` at a time.
struct Creator {
    store: Store<()>,
    run: TypedFunc<u32, u64>,
}

impl Creator {
    fn new(engine: &Engine, module: &Module) -> Creator {
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, module, &[]).expect("nothing is imported");
        let run = instance.get_typed_func(&mut store, "run").expect("it is exported");
        let mut creator = Creator { store, run };
        creator.run();
        creator
    }

    fn run(&mut self) {
        let sum = self.run.call(&mut self.store, CREATED).expect("it runs");
        assert_eq!(sum, u64::from(CREATED).pow(2));
    }
}

fn create(c: &mut Criterion) {
    let mut group = c.benchmark_group("create");
    group.throughput(Throughput::Elements(CREATED.into()));
    for (name, backend) in support::backends() {
        let (engine, module) = module(backend, "create");
        let mut creator = Creator::new(&engine, &module);
        group.bench_function(name, |b| b.iter(|| creator.run()));
        let statistics = creator.store.continuation_statistics();
        assert_eq!((statistics.alive, statistics.peak), (0, 1), "one at a time");
    }
    group.finish();
}

fn live(c: &mut Criterion) {
    let mut group = c.benchmark_group("live");
    group.throughput(Throughput::Elements(LIVE.into()));
    for (name, backend) in support::backends() {
        let (engine, module) = module(backend, "live");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("nothing is imported");
        let setup = instance.get_typed_func::<u32, ()>(&mut store, "setup").expect("it is exported");
        let turns = instance.get_typed_func::<u32, u64>(&mut store, "turns").expect("it is exported");
        setup.call(&mut store, LIVE).expect("there is room");
        let mut counted = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                counted += 1;
                let sum = turns.call(&mut store, 1).expect("it runs");
                assert_eq!(sum, counted * u64::from(LIVE));
            })
        });
        assert_eq!(store.continuation_statistics().alive, LIVE as usize);
    }
    group.finish();
}

/// How long `threads` threads take that make as many continuations each.
fn on_threads(creators: &mut [Creator]) -> Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for creator in creators {
            scope.spawn(|| (0..20).for_each(|_| creator.run()));
        }
    });
    start.elapsed()
}

fn two_threads(_: &mut Criterion) {
    println!("two threads, {SAMPLES} interleaved samples:");
    for (name, backend) in support::backends() {
        let (engine, module) = module(backend, "create");
        let mut creators = [Creator::new(&engine, &module), Creator::new(&engine, &module)];
        let mut ratios: Vec<f64> = (0..SAMPLES)
            .map(|_| {
                let one = on_threads(&mut creators[..1]);
                let two = on_threads(&mut creators);
                2.0 * one.as_secs_f64() / two.as_secs_f64()
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        let at = |percent: usize| ratios[(ratios.len() - 1) * percent / 100];
        println!(
            "  {name:<8} {:.2} times the throughput of one (quartiles {:.2} to {:.2})",
            at(50),
            at(25),
            at(75)
        );
    }
}

criterion_group!(benches, create, live, two_threads);
criterion_main!(benches);
