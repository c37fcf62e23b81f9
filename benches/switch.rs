//! What a round trip costs: a continuation that suspends, and is resumed, again and again.
//!
//! * `libcall`: a compiled function resumes a continuation whose function suspends, both in loops. Nothing
//!   is passed; each of the two instructions checks, searches and switches.
//! * `wasmtime-fiber`: the same two switches by the library alone, on a stack of the same size: the floor of
//!   the libcall backend.
//!
//! Spread over a sample's round trips: making the continuation, and the first entry into it. Left out: store
//! and instance.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::{Duration, Instant};
use wasmfx::StackSwitchingBackend;
use wasmfx::wasmtime::{Engine, Instance, Module, Store, TypedFunc};
use wasmtime_internal_fiber::{Fiber, FiberStack};

/// Round trips per sample.
const TRIPS: u32 = 100_000;

const MODULE: &str = r#"(module
    (type $ft (func)) (type $ct (cont $ft)) (tag $t)
    (func $f (loop $l (suspend $t) (br $l)))
    (elem declare func $f)
    ;; Makes n round trips, and returns how many there were.
    (func (export "run") (param $n i32) (result i32)
      (local $c (ref $ct)) (local $i i32)
      (local.set $c (cont.new $ct (ref.func $f)))
      (loop $l
        (block $h (result (ref $ct))
          (resume $ct (on $t $h) (local.get $c))
          (return (i32.const -1)))
        (local.set $c)
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
      (local.get $i)))"#;

struct Wasm {
    engine: Engine,
    module: Module,
}

impl Wasm {
    fn new(backend: StackSwitchingBackend) -> Wasm {
        let mut config = wasmfx::config();
        config.stack_switching_backend(backend);
        let engine = Engine::new(&config).expect("the backend is there");
        let module = Module::new(&engine, MODULE).expect("the module is valid");
        Wasm { engine, module }
    }

    /// A store of its own: the continuation that a run leaves suspended lives as long as its store.
    fn store(&self) -> (Store<()>, TypedFunc<u32, u32>) {
        let mut store = Store::new(&self.engine, ());
        let instance = Instance::new(&mut store, &self.module, &[]).expect("nothing is imported");
        let run = instance.get_typed_func(&mut store, "run").expect("it is exported");
        (store, run)
    }

    fn time(&self) -> Duration {
        let (mut store, run) = self.store();
        run.call(&mut store, 10).expect("it runs");
        let start = Instant::now();
        let trips = run.call(&mut store, TRIPS).expect("it runs");
        let time = start.elapsed();
        assert_eq!(trips, TRIPS);
        time
    }
}

fn fiber_time() -> Duration {
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

fn round_trip(c: &mut Criterion) {
    let wasm = Wasm::new(StackSwitchingBackend::Libcall);
    let mut group = c.benchmark_group("round_trip");
    group.throughput(Throughput::Elements(TRIPS.into()));
    group.bench_function("libcall", |b| {
        b.iter_custom(|samples| (0..samples).map(|_| wasm.time()).sum());
    });
    group.bench_function("wasmtime-fiber", |b| {
        b.iter_custom(|samples| (0..samples).map(|_| fiber_time()).sum());
    });
    group.finish();
}

/// The same, interleaved: on a shared machine only this ratio says something.
fn ratio(_: &mut Criterion) {
    let wasm = Wasm::new(StackSwitchingBackend::Libcall);
    let mut samples: Vec<f64> =
        (0..101).map(|_| wasm.time().as_secs_f64() / fiber_time().as_secs_f64()).collect();
    samples.sort_by(f64::total_cmp);
    let at = |percent: usize| samples[(samples.len() - 1) * percent / 100];
    println!(
        "round_trip: libcall takes {:.2} times as long as wasmtime-fiber (quartiles {:.2} to {:.2}, \
         {} interleaved samples of {TRIPS} round trips)",
        at(50),
        at(25),
        at(75),
        samples.len(),
    );
}

criterion_group!(benches, round_trip, ratio);
criterion_main!(benches);
