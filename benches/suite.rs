//! What stack switching costs: the modules in `modules/` that begin with a header, and some that are generated
//! (`suite/generate.rs`), each a benchmark with an operation of its own.
//!
//! * `cargo bench --bench suite`, or `cargo xtask bench`, which makes a report of it: first each benchmark under
//!   criterion, with this build's backends; then two threads against one; then all contestants in turn, sample by sample,
//!   since on a shared machine only ratios say something. Contestants are the backends, Wasmtime as published
//!   (`unpatched/`) and V8 (`v8.mjs`) in processes of their own, and for some benchmarks libraries that do nothing but
//!   switch (`suite/floors.rs`); in each turn all run on one processor (`suite/processor.rs`). A program of somebody else
//!   that fails on the way is left out of that benchmark, and the report tells why.
//! * `cargo test --bench suite`: each benchmark once, small, on each backend, as part of the tests.
//!
//! A sample (`suite/sample.rs`): store and instance are made, elsewhere in memory than the last time, `setup` is called if
//! there is one, `run` is called for a few operations, and then, timed, for as many as the header says. Its result must be
//! that of `expected`. An operation's time is the sample's, divided by their number.
//!
//! A name after `--` restricts a run to the benchmarks with names that contain it, and `--list` prints the names. From the
//! environment:
//!
//! * `WASMFX_UNPATCHED`: the program built from `unpatched/`; `cargo xtask bench` sets it.
//! * `WASMFX_NODE`: Node, with a V8 that has stack switching.
//! * `WASMFX_RESULTS`: where to write all interleaved samples as JSON.
//! * `WASMFX_QUICK=1`: without criterion, without threads, and with fewer samples.
//! * `WASMFX_MODULE`: a module of the user's own, in place of all benchmarks. `cargo xtask bench FILE` sets it.
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
#[path = "suite/processor.rs"]
mod processor;
#[path = "suite/results.rs"]
mod results;
#[path = "suite/sample.rs"]
mod sample;
#[path = "suite/schema.rs"]
mod schema;
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
use processor::Processors;
use schema::{LeftOut, Measured, Results, variable};
use std::path::Path;
use std::time::Duration;
use wasmfx::StackSwitchingBackend;
use wasmfx::wasmtime as api;

/// How often the suite goes through all benchmarks, and how many interleaved samples of each contestant it then takes.
const PASSES: (usize, usize) = (4, 8);
const QUICK_PASSES: (usize, usize) = (1, 9);

/// Operations of a test: the ring of 1,000 continuations is gone through more than twice.
const SMALL: u32 = 2_500;

fn main() -> Result<()> {
    let args = Arguments::from_args();
    let (_, best) = *support::backends().last().expect("there is one at least");
    let engine = contestants::engine(best, false)?;
    let own = std::env::var_os(variable::MODULE);
    let mut all = match &own {
        None => catalogue::all(&engine)?,
        Some(path) => {
            catalogue::own(&engine, Path::new(path)).with_context(|| Path::new(path).display().to_string())?
        }
    };
    for benchmark in all.iter_mut().filter(|benchmark| benchmark.header.size == 0) {
        benchmark.header.size = enough(best, benchmark).with_context(|| benchmark.name.clone())?;
    }
    if let Some(directory) = std::env::var_os(variable::EXPORT) {
        return catalogue::export(&engine, &all, Path::new(&directory)).context(variable::EXPORT);
    }
    if !args.bench {
        libtest_mimic::run(&args, trials(all)).exit();
    }

    if args.list {
        all.iter().for_each(|benchmark| println!("{}: {}", benchmark.name, benchmark.header.operation));
        return Ok(());
    }
    let full = own.is_none() && args.filter.is_none() && args.skip.is_empty();
    let names: Vec<_> = all.iter().map(|benchmark| benchmark.name.clone()).collect();
    let chosen: Vec<Benchmark> =
        all.into_iter().filter(|benchmark| chooses(&args, &benchmark.name)).collect();
    ensure!(!chosen.is_empty(), "no benchmark has such a name; there are {}", names.join(", "));
    let quick = match std::env::var_os(variable::QUICK) {
        None => false,
        Some(value) if value == "1" => true,
        Some(value) => anyhow::bail!("{} is {value:?}: set it to 1 or not at all", variable::QUICK),
    };
    let programs = Programs::from_environment()?;
    if !quick {
        under_criterion(&chosen)?;
    }
    if full && !quick {
        // Before others: a scheduler that was told where to run what is slow to spread threads again.
        let create = chosen.iter().find(|benchmark| benchmark.name == "create");
        threads::print(create.context("modules/create.wat is no benchmark any more")?)?;
    }
    let (passes, samples) = if quick { QUICK_PASSES } else { PASSES };
    let benchmarks = interleaved(&chosen, &programs, passes, samples)?;
    println!("{} interleaved samples, medians:", passes * samples);
    benchmarks.iter().for_each(Measured::print);
    if let Some(path) = std::env::var_os(variable::RESULTS) {
        Results { quick, machine: None, benchmarks }.write(Path::new(&path))?;
    }
    Ok(())
}

/// How many operations of a benchmark take some milliseconds.
fn enough(backend: StackSwitchingBackend, benchmark: &Benchmark) -> Result<u32> {
    const ENOUGH: Duration = Duration::from_millis(5);
    let mut wasm = Wasm::new(backend, benchmark)?;
    let mut size = 1_u32;
    while wasm.sample(size)? < ENOUGH {
        size = size.checked_mul(2).context("it does not take longer for a larger argument")?;
    }
    Ok(size)
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
    trials.push(Trial::test("a module of the user's own", || {
        own_module().map_err(|e| format!("{e:?}").into())
    }));
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

/// What is taken for a benchmark in a module without a header, and what is refused.
fn own_module() -> Result<()> {
    let (_, backend) = *support::backends().last().expect("there is one at least");
    let engine = contestants::engine(backend, false)?;
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("own.wat");
    let of_module = |module: &str| {
        std::fs::write(&path, module)?;
        catalogue::own(&engine, &path)
    };
    let loops = "(param i32) (result i64)
        (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i64.const 1)";
    let all =
        of_module(&format!("(module (func (export \"run_a\") {loops}) (func (export \"run_b\") {loops}))"))?;
    let names: Vec<_> = all.iter().map(|benchmark| &*benchmark.name).collect();
    ensure!(names == ["own_a", "own_b"], "{names:?}");
    ensure!(enough(backend, &all[0])? > 1_000, "a thousand turns of a loop take no milliseconds");
    for wrong in ["(module)", "(module (func (export \"run\")))", "(module (memory (export \"run\") 1))"] {
        let error = of_module(wrong).err().context("it was taken for a benchmark")?;
        ensure!(format!("{error:?}").contains("(param i32) (result i64)"), "{error:?}");
    }
    // The result has to be the expected one.
    let all = of_module(&format!(
        "(module (func (export \"run\") {loops})
            (func (export \"expected\") (param i32) (result i64) (i64.const 2)))"
    ))?;
    let wrong = Wasm::new(backend, &all[0])?.sample(10).err().context("a wrong result was measured")?;
    ensure!(format!("{wrong:?}").contains("returned 1 where 2 is right"), "{wrong:?}");
    Ok(())
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

/// Goes through all benchmarks so many times, and takes so many samples of each contestant each time: what disturbs the
/// machine for a while is then in a few samples of all, rather than in all of a few.
fn interleaved(
    chosen: &[Benchmark],
    programs: &Programs,
    passes: usize,
    samples: usize,
) -> Result<Vec<Measured>> {
    let mut all: Vec<Measured> = chosen.iter().map(Measured::new).collect();
    for pass in 1..=passes {
        for (i, (benchmark, measured)) in chosen.iter().zip(&mut all).enumerate() {
            eprintln!("[pass {pass} of {passes}, {} of {}] {}", i + 1, chosen.len(), benchmark.name);
            in_turn(benchmark, programs, samples, measured).with_context(|| benchmark.name.clone())?;
        }
    }
    Ok(all)
}

/// So many samples of each contestant, in turn. Errors are our own: a program of somebody else that fails is left out, with
/// all its samples, and that is told.
fn in_turn(
    benchmark: &Benchmark,
    programs: &Programs,
    samples: usize,
    measured: &mut Measured,
) -> Result<()> {
    let (mut entries, left_out) = contestants::line_up(benchmark, programs)?;
    left_out.into_iter().for_each(|left_out| measured.leave_out(left_out));
    entries.retain(|entry| !measured.leaves_out(entry.name));
    entries.iter().for_each(|entry| measured.enter(entry.name));
    let processors = Processors::new();
    // The first turn is for those that compile what they run more than once. The threads in which they do that start
    // before these processes are told where to run.
    for turn in 0..=samples {
        if turn > 0 {
            processors.settle(entries.iter().filter_map(Entry::process));
            // Nobody always comes after the same one.
            entries.rotate_left(1);
        }
        for entry in &mut entries {
            match entry.sample(benchmark.header.size) {
                Ok(_) if turn == 0 => {}
                Ok(time) => measured.add(entry.name, time),
                Err(error) if entry.foreign => {
                    let why = format!("it failed: {}", error.root_cause());
                    eprintln!("{}: {} is left out: {why}", benchmark.name, entry.name);
                    measured.leave_out(LeftOut::new(entry.name, &why));
                }
                Err(error) => return Err(error),
            }
        }
        entries.retain(|entry| !measured.leaves_out(entry.name));
    }
    Ok(())
}
