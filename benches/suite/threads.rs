//! Two threads, each with a store of its own, against one.

use crate::catalogue::Benchmark;
use crate::contestants::engine;
use crate::spread::Spread;
use crate::support;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use wasmfx::StackSwitchingBackend;
use wasmfx::wasmtime::{Engine, Instance, Module, Store, TypedFunc};

/// Samples of each for the ratio.
const SAMPLES: usize = 51;

/// Calls of `run` in a sample.
const CALLS: u32 = 20;

struct Runner {
    store: Store<()>,
    run: TypedFunc<u32, u64>,
    size: u32,
    expected: u64,
}

impl Runner {
    fn new(engine: &Engine, module: &Module, size: u32) -> Result<Runner> {
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, module, &[])?;
        let run = instance.get_typed_func(&mut store, "run")?;
        let expected = instance.get_typed_func::<u32, u64>(&mut store, "expected")?;
        let expected = expected.call(&mut store, size)?;
        Ok(Runner { store, run, size, expected })
    }

    fn run(&mut self) -> Result<()> {
        for _ in 0..CALLS {
            let result = self.run.call(&mut self.store, self.size)?;
            ensure!(result == self.expected, "it returned {result} where {} is right", self.expected);
        }
        Ok(())
    }
}

/// How long as many threads take that run one each.
fn time(runners: &mut [Runner]) -> Result<Duration> {
    let start = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = runners.iter_mut().map(|runner| scope.spawn(|| runner.run())).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    })?;
    Ok(start.elapsed())
}

/// How many times the operations of one thread two threads make in a second, 2 at best.
fn ratios(backend: StackSwitchingBackend, benchmark: &Benchmark) -> Result<Spread> {
    let engine = engine(backend, benchmark.inlining)?;
    let module = Module::new(&engine, &benchmark.wasm)?;
    let runner = || Runner::new(&engine, &module, benchmark.header.size);
    let mut runners = [runner()?, runner()?];
    time(&mut runners)?;
    let mut ratios = Vec::new();
    for _ in 0..SAMPLES {
        let one = time(&mut runners[..1])?;
        let two = time(&mut runners)?;
        ratios.push(2.0 * one.as_secs_f64() / two.as_secs_f64());
    }
    Ok(Spread::of(ratios))
}

/// Prints the ratios of each backend. The benchmark has neither `setup` nor imports.
pub(crate) fn print(benchmark: &Benchmark) -> Result<()> {
    println!("{} on two threads, {SAMPLES} interleaved samples:", benchmark.name);
    for (name, backend) in support::backends().into_iter().rev() {
        let Spread { low, median, high } = ratios(backend, benchmark)?;
        println!("  {name:<8} {median:.2} times the throughput of one (quartiles {low:.2} to {high:.2})");
    }
    Ok(())
}
