//! What a round trip costs: a continuation that suspends, and is resumed, again and again.
//!
//! * `native`, `libcall`: a compiled function resumes a continuation whose function suspends, both in loops
//!   (`modules/round_trip.wat`). Nothing is passed; each of the two instructions checks, searches and switches.
//! * `unpatched`: the same module on Wasmtime as published, in a process of its own (`unpatched/`). Left out,
//!   with a note, unless the environment variable `WASMFX_UNPATCHED` names that program: `cargo xtask bench`
//!   builds it and sets the variable.
//! * `wasmtime-fiber`: the same two switches by the library alone, on a stack of the same size: the floor of
//!   the libcall backend.
//!
//! Spread over a sample's round trips: making the continuation, and the first entry into it. Left out: store
//! and instance.

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use wasmfx::StackSwitchingBackend;
use wasmfx::wasmtime::{Engine, Instance, Module, Store, TypedFunc};
use wasmtime_internal_fiber::{Fiber, FiberStack};

/// Round trips per sample.
const TRIPS: u32 = 100_000;

/// Samples of each for the ratios.
const SAMPLES: usize = 101;

const MODULE: &str = "benches/modules/round_trip.wat";

/// Something that makes round trips.
trait Trips {
    /// How long [`TRIPS`] of them take.
    fn time(&mut self) -> Duration;
}

struct Wasm {
    engine: Engine,
    module: Module,
}

impl Wasm {
    fn new(backend: StackSwitchingBackend) -> Wasm {
        let mut config = wasmfx::config();
        config.stack_switching_backend(backend);
        let engine = Engine::new(&config).expect("the backend is there");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(MODULE);
        let module = Module::from_file(&engine, path).expect("the module is valid");
        Wasm { engine, module }
    }

    /// A store of its own: the continuation that a run leaves suspended lives as long as its store.
    fn store(&self) -> (Store<()>, TypedFunc<u32, u32>) {
        let mut store = Store::new(&self.engine, ());
        let instance = Instance::new(&mut store, &self.module, &[]).expect("nothing is imported");
        let run = instance.get_typed_func(&mut store, "run").expect("it is exported");
        (store, run)
    }
}

impl Trips for Wasm {
    fn time(&mut self) -> Duration {
        let (mut store, run) = self.store();
        run.call(&mut store, 10).expect("it runs");
        let start = Instant::now();
        let trips = run.call(&mut store, TRIPS).expect("it runs");
        let time = start.elapsed();
        assert_eq!(trips, TRIPS);
        time
    }
}

/// The other process.
struct Unpatched {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Unpatched {
    fn new() -> Option<Unpatched> {
        let Some(program) = std::env::var_os("WASMFX_UNPATCHED") else {
            eprintln!("left out: unpatched Wasmtime (`cargo xtask bench` builds it)");
            return None;
        };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(MODULE);
        let mut child = Command::new(program)
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("WASMFX_UNPATCHED names a program");
        let ask = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Some(Unpatched { child, ask, answers })
    }
}

impl Trips for Unpatched {
    fn time(&mut self) -> Duration {
        writeln!(self.ask, "{TRIPS}").expect("it listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        Duration::from_nanos(answer.trim().parse().expect("it answers with a number"))
    }
}

impl Drop for Unpatched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Floor;

impl Trips for Floor {
    fn time(&mut self) -> Duration {
        let stack = FiberStack::new(2 << 20, false).expect("there is memory");
        let fiber = Fiber::<bool, (), ()>::new(stack, |mut go_on, suspend| {
            while go_on {
                go_on = suspend.suspend(());
            }
        })
        .expect("the machine has fibers");
        for _ in 0..10 {
            assert!(fiber.resume(true).is_err());
        }
        let start = Instant::now();
        for _ in 0..TRIPS {
            assert!(fiber.resume(true).is_err());
        }
        let time = start.elapsed();
        assert!(fiber.resume(false).is_ok());
        time
    }
}

fn contestants() -> Vec<(&'static str, Box<dyn Trips>)> {
    let mut all: Vec<(&str, Box<dyn Trips>)> = Vec::new();
    // The fastest first.
    for (name, backend) in support::backends().into_iter().rev() {
        all.push((name, Box::new(Wasm::new(backend))));
    }
    if let Some(unpatched) = Unpatched::new() {
        all.push(("unpatched", Box::new(unpatched)));
    }
    all.push(("wasmtime-fiber", Box::new(Floor)));
    all
}

fn round_trip(c: &mut Criterion) {
    let mut group = c.benchmark_group("round_trip");
    group.throughput(Throughput::Elements(TRIPS.into()));
    for (name, mut contestant) in contestants() {
        group.bench_function(name, |b| {
            b.iter_custom(|samples| (0..samples).map(|_| contestant.time()).sum());
        });
    }
    group.finish();
}

/// The same, interleaved: on a shared machine only ratios say something.
fn ratios(_: &mut Criterion) {
    let mut all = contestants();
    let mut samples: Vec<Vec<f64>> = vec![Vec::new(); all.len()];
    for _ in 0..SAMPLES {
        for ((_, contestant), samples) in all.iter_mut().zip(&mut samples) {
            samples.push(contestant.time().as_secs_f64());
        }
    }
    println!("round_trip, {SAMPLES} interleaved samples of {TRIPS} round trips:");
    for (i, (name, _)) in all.iter().enumerate() {
        let mut own = samples[i].clone();
        own.sort_by(f64::total_cmp);
        println!("  {name:<14} {:6.1} ns, the median", own[SAMPLES / 2] * 1e9 / f64::from(TRIPS));
    }
    for (slow, (slower, _)) in all.iter().enumerate().skip(1) {
        for (fast, (faster, _)) in all.iter().enumerate().take(slow) {
            let pairs = samples[slow].iter().zip(&samples[fast]);
            let mut ratios: Vec<f64> = pairs.map(|(slow, fast)| slow / fast).collect();
            ratios.sort_by(f64::total_cmp);
            let at = |percent: usize| ratios[(ratios.len() - 1) * percent / 100];
            println!(
                "  {slower} takes {:.2} times as long as {faster} (quartiles {:.2} to {:.2})",
                at(50),
                at(25),
                at(75),
            );
        }
    }
}

criterion_group!(benches, round_trip, ratios);
criterion_main!(benches);
