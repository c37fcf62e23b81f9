//! What a round trip costs that the host drives: resume, the guest suspends, back in the host.
//!
//! `cargo bench --bench host` prints a table in Markdown; `cargo test --bench host` makes a few round trips, and checks what came
//! back. All are measured in turn in one run, beside a `TypedFunc::call` of an empty function: medians, and the median of the
//! ratios to that call.

#[path = "../tests/support/mod.rs"]
mod support;

#[allow(dead_code, reason = "the table has no quartiles")]
#[path = "suite/spread.rs"]
mod spread;

use spread::Spread;
use std::time::Instant;
use support::each_backend;
use wasmfx::wasmtime::*;

const MODULE: &str = r#"(module
    (type $f (func (param i32) (result i32)))
    (tag $yield (export "yield") (param i32) (result i32))
    (func (export "empty"))
    (func (export "add") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    ;; Yields for ever what it was resumed with, plus one.
    (func (export "generator") (type $f)
      (loop $next (result i32)
        (local.set 0 (suspend $yield (i32.add (local.get 0) (i32.const 1))))
        (br $next))))"#;

/// A guest that reads from the host for ever. The host's function suspends it.
const READER: &str = r#"(module
    (import "host" "read" (func $read (param i32) (result i32)))
    (func (export "generator") (param i32) (result i32)
      (loop $next (result i32)
        (local.set 0 (call $read (i32.add (local.get 0) (i32.const 1))))
        (br $next))))"#;

struct Guest {
    store: Store<()>,
    instance: Instance,
    tag: Tag,
}

impl Guest {
    fn new(module: &Module) -> Guest {
        let mut store = Store::new(module.engine(), ());
        let instance = Instance::new(&mut store, module, &[]).expect("no imports");
        let tag = instance.get_tag(&mut store, "yield").expect("an export");
        Guest { store, instance, tag }
    }

    /// The guest whose host's function suspends it.
    fn reader(module: &Module) -> Guest {
        let mut store = Store::new(module.engine(), ());
        let ty = FuncType::new(module.engine(), [ValType::I32], [ValType::I32]);
        let tag = Tag::new(&mut store, &TagType::new(ty.clone())).expect("there is room");
        let read = Func::new_suspending(&mut store, ty, move |_, args, _| Ok(Suspend::new(tag, args).into()));
        let instance = Instance::new(&mut store, module, &[read.into()]).expect("its import");
        Guest { store, instance, tag }
    }

    fn generator(&mut self) -> ContRef {
        let func = self.instance.get_func(&mut self.store, "generator").expect("an export");
        let ty = ContType::new(self.store.engine(), func.ty(&self.store)).expect("stack switching is on");
        ContRef::new(&mut self.store, &ty, func).expect("there is room")
    }
}

/// What is measured: its name, and what does it so many times and returns how often it has done something wrong.
type Contestant = (&'static str, Box<dyn FnMut(i32) -> i32>);

/// Typed round trips with a guest that adds 1 to what it gets, and suspends with that.
fn round_trips(mut guest: Guest) -> Box<dyn FnMut(i32) -> i32> {
    let tag = guest.tag.typed::<i32, i32>(&guest.store).expect("its types");
    let cont = guest.generator();
    let mut cont = Some(cont.typed::<i32, i32>(&mut guest.store).expect("its types"));
    Box::new(move |times| {
        let mut wrong = 0;
        for n in 0..times {
            let resumed = cont.take().expect("from before").resume(&mut guest.store, n, &tag);
            let TypedResumed::Suspended { payload, cont: next } = resumed.expect("no trap") else {
                unreachable!("it never returns")
            };
            wrong += i32::from(payload != n + 1);
            cont = Some(next);
        }
        wrong
    })
}

fn contestants(module: &Module, reader: &Module) -> Vec<Contestant> {
    let guest = || Guest::new(module);
    let mut empty = guest();
    let call = empty.instance.get_typed_func::<(), ()>(&mut empty.store, "empty").expect("an export");
    let mut adds = guest();
    let add = adds.instance.get_typed_func::<i32, i32>(&mut adds.store, "add").expect("an export");

    let mut untyped = guest();
    let mut next = untyped.generator();
    vec![
        (
            "`TypedFunc::call` of an empty function",
            Box::new(move |times| {
                (0..times).for_each(|_| call.call(&mut empty.store, ()).expect("it returns"));
                0
            }),
        ),
        (
            "`TypedFunc::call` of a function that adds 1",
            Box::new(move |times| {
                (0..times).filter(|&n| add.call(&mut adds.store, n).expect("it returns") != n + 1).count()
                    as i32
            }),
        ),
        ("`TypedCont::resume`, the guest suspends", round_trips(guest())),
        (
            "`TypedCont::resume`, a function of the host suspends the guest",
            round_trips(Guest::reader(reader)),
        ),
        (
            "`ContRef::resume`, the guest suspends",
            Box::new(move |times| {
                let (mut wrong, mut results) = (0, [Val::I32(0)]);
                for n in 0..times {
                    let on = [On::Suspend(&untyped.tag)];
                    let resumed = next.resume(&mut untyped.store, &[Val::I32(n)], &mut results, &on);
                    let Resumed::Suspended(suspension) = resumed.expect("no trap") else {
                        unreachable!("it never returns")
                    };
                    wrong += i32::from(suspension.payload[0].unwrap_i32() != n + 1);
                    next = suspension.cont;
                }
                wrong
            }),
        ),
    ]
}

fn median(values: Vec<f64>) -> f64 {
    Spread::of(values).median
}

fn main() {
    let args = libtest_mimic::Arguments::from_args();
    let (times, rounds) = if args.bench { (10_000, 101) } else { (100, 1) };
    if args.bench {
        println!("| what | backend | median | to an empty call |\n| --- | --- | ---: | ---: |");
    }
    each_backend(|config| {
        let engine = Engine::new(&config()).expect("a valid configuration");
        let module = Module::new(&engine, MODULE).expect("a valid module");
        let reader = Module::new(&engine, READER).expect("a valid module");
        let mut contestants = contestants(&module, &reader);
        let mut samples = vec![Vec::new(); contestants.len()];
        for _ in 0..rounds {
            for ((name, run), samples) in contestants.iter_mut().zip(&mut samples) {
                let start = Instant::now();
                assert_eq!(run(times), 0, "{name}: wrong values");
                samples.push(start.elapsed().as_nanos() as f64 / f64::from(times));
            }
        }
        if args.bench {
            let backend = engine.get_stack_switching_backend();
            let first = samples[0].clone();
            for ((name, _), samples) in contestants.iter().zip(samples) {
                let ratios = samples.iter().zip(&first).map(|(is, call)| is / call).collect();
                let (time, ratio) = (median(samples), median(ratios));
                println!("| {name} | {backend:?} | {time:.1} ns | {ratio:.2} |");
            }
        }
    });
}
