//! What stack switching costs: the modules in `modules/` that begin with a header, and some that are generated
//! (`suite/generate.rs`), each a benchmark with an operation of its own.
//!
//! * `cargo bench --bench suite`, or `cargo xtask bench`, which makes a report of it: first each benchmark under
//!   criterion, with this build's backends; then all contestants in turn, sample by sample, since on a shared machine only
//!   ratios say something. Contestants are the backends, Wasmtime as published (`unpatched/`) and V8 (`v8.mjs`) in
//!   processes of their own, and for some benchmarks libraries that do nothing but switch (`suite/floors.rs`). At the end:
//!   two threads against one.
//! * `cargo test --bench suite`: each benchmark once, small, on each backend, as part of the tests.
//!
//! A sample (`suite/sample.rs`): store and instance are made, elsewhere in memory than the last time, `setup` is
//! called if there is one, `run` is called for a few operations,
//! and then, timed, for as many as the header says. Its result must be that of `expected`. An operation's time is the
//! sample's, divided by their number.
//!
//! A name after `--` restricts a run to the benchmarks with names that contain it. From the environment:
//!
//! * `WASMFX_UNPATCHED`: the program built from `unpatched/`; `cargo xtask bench` sets it.
//! * `WASMFX_NODE`: Node, with a V8 that has stack switching.
//! * `WASMFX_RESULTS`: where to write all interleaved samples as JSON.
//! * `WASMFX_QUICK=1`: without criterion, without threads, and with fewer samples.
//! * `WASMFX_EXPORT`: a folder to write the modules to whose instructions are counted, in place of all that;
//!   `cargo xtask instructions` sets it.

#[path = "suite/catalogue.rs"]
mod catalogue;
#[path = "suite/contestants.rs"]
mod contestants;
#[path = "suite/floors.rs"]
mod floors;
#[path = "suite/generate.rs"]
mod generate;
#[path = "suite/results.rs"]
mod results;
#[path = "suite/sample.rs"]
mod sample;
#[path = "suite/spread.rs"]
mod spread;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "suite/threads.rs"]
mod threads;

use anyhow::{Context, Result, ensure};
use catalogue::{Benchmark, Floor};
use contestants::{Contestant, Entry, Programs, Wasm};
use criterion::{Criterion, Throughput};
use libtest_mimic::{Arguments, Trial};
use results::{Measured, Results, Samples};
use std::path::Path;
use std::time::Duration;
use wasmfx::wasmtime as api;

/// Interleaved samples of each contestant.
const SAMPLES: usize = 31;
const QUICK_SAMPLES: usize = 9;

/// Operations of a test: the ring of 1,000 continuations is gone through more than twice.
const SMALL: u32 = 2_500;

fn main() -> Result<()> {
    let args = Arguments::from_args();
    let (_, best) = *support::backends().last().expect("there is one at least");
    let engine = contestants::engine(best, false)?;
    let all = catalogue::all(&engine)?;
    if let Some(directory) = std::env::var_os("WASMFX_EXPORT") {
        return catalogue::export(&engine, &all, Path::new(&directory)).context("WASMFX_EXPORT");
    }
    if !args.bench {
        libtest_mimic::run(&args, trials(all)).exit();
    }

    let full = args.filter.is_none() && args.skip.is_empty();
    let chosen: Vec<Benchmark> =
        all.into_iter().filter(|benchmark| chooses(&args, &benchmark.name)).collect();
    ensure!(!chosen.is_empty(), "no benchmark has such a name; `--list` lists all");
    let quick = match std::env::var_os("WASMFX_QUICK") {
        None => false,
        Some(value) if value == "1" => true,
        Some(value) => anyhow::bail!("WASMFX_QUICK is {value:?}: set it to 1 or not at all"),
    };
    let programs = Programs::from_environment()?;
    if !quick {
        under_criterion(&chosen)?;
    }
    let samples = if quick { QUICK_SAMPLES } else { SAMPLES };
    println!("{samples} interleaved samples, medians:");
    let mut benchmarks = Vec::new();
    for (i, benchmark) in chosen.iter().enumerate() {
        eprintln!("[{}/{}] {}", i + 1, chosen.len(), benchmark.name);
        let measured = interleaved(benchmark, &programs, samples).with_context(|| benchmark.name.clone())?;
        measured.print();
        benchmarks.push(measured);
    }
    if let Some(path) = std::env::var_os("WASMFX_RESULTS") {
        Results { quick, benchmarks }.write(Path::new(&path))?;
    }
    if full && !quick {
        let create = chosen.iter().find(|benchmark| benchmark.name == "create");
        threads::print(create.context("modules/create.wat is no benchmark any more")?)?;
    }
    Ok(())
}

fn chooses(args: &Arguments, name: &str) -> bool {
    let matches = |filter: &str| if args.exact { name == filter } else { name.contains(filter) };
    args.filter.as_deref().is_none_or(matches) && !args.skip.iter().any(|skip| matches(skip))
}

fn trials(all: Vec<Benchmark>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for benchmark in all {
        for (backend_name, backend) in support::backends() {
            let benchmark = benchmark.clone();
            trials.push(Trial::test(format!("{} on {backend_name}", benchmark.name), move || {
                let sampled = Wasm::new(backend, &benchmark).and_then(|mut wasm| wasm.sample(SMALL));
                sampled.map(drop).map_err(|error| format!("{error:?}").into())
            }));
        }
    }
    for (floor_name, floor) in [("round trip", Floor::RoundTrip), ("create", Floor::Create)] {
        for (name, _) in floors::all(floor) {
            trials.push(Trial::test(format!("{floor_name} by {name}"), move || {
                let found = floors::all(floor).into_iter().find(|(other, _)| *other == name);
                let (_, mut library) = found.expect("it was there just now");
                library.sample(SMALL).map(drop).map_err(|error| format!("{error:?}").into())
            }));
        }
    }
    trials
}

/// A group for each, with this build's backends.
fn under_criterion(chosen: &[Benchmark]) -> Result<()> {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    for benchmark in chosen {
        let size = benchmark.header.size;
        let mut group = criterion.benchmark_group(&benchmark.name);
        group.throughput(Throughput::Elements(size.into()));
        for (name, backend) in support::backends().into_iter().rev() {
            let mut wasm = Wasm::new(backend, benchmark)?;
            let mut sample = || {
                wasm.sample(size).unwrap_or_else(|error| {
                    // Criterion has no way to hand it on.
                    eprintln!("Error: {}: {name} failed: {error:?}", benchmark.name);
                    std::process::exit(1);
                })
            };
            group.bench_function(name, |b| b.iter_custom(|samples| (0..samples).map(|_| sample()).sum()));
        }
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}

/// Takes so many samples of each contestant, in turn.
fn interleaved(benchmark: &Benchmark, programs: &Programs, samples: usize) -> Result<Measured> {
    let (mut entries, left_out) = contestants::line_up(benchmark, programs)?;
    let mut contestants: Vec<Samples> = entries
        .iter()
        .map(|Entry { name, size, .. }| Samples { name, size: *size, ns: Vec::with_capacity(samples) })
        .collect();
    // The first round is for those that compile what they run more than once.
    for turn in 0..=samples {
        // Nobody always comes after the same one.
        let count = entries.len();
        for i in (0..count).map(|i| (i + turn) % count) {
            let time = entries[i].sample()?.as_secs_f64() * 1e9 / f64::from(entries[i].size);
            if turn > 0 {
                contestants[i].ns.push(time);
            }
        }
    }
    let header = benchmark.header.clone();
    Ok(Measured {
        name: benchmark.name.clone(),
        operation: header.operation,
        size: header.size,
        talk: header.talk,
        micro: header.micro,
        contestants,
        left_out,
    })
}
