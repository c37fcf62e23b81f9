//! Attacks on host calls: several stores on one stack: a continuation of A calls the host, which enters B, on a continuation of which the
//! host panics, fails, throws, collects or overflows; all stores go on. And what nested entries of one store do to what is
//! around them.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use support::{FREEING, each_backend, each_collector};
use wasmfx::wasmtime::*;

const MODULE: &str = r#"(module
    (import "" "host" (func $host (param i32) (result i32)))
    (type $s (struct (field i32)))
    (type $ft (func (param i32) (result i32))) (type $ct (cont $ft))
    (type $uf (func (result i32))) (type $uc (cont $uf)) (tag $t) (tag $e (export "e"))
    (elem declare func $calls $waits $nests $host $down)
    (func $churn (local $i i32)
      (local.set $i (i32.const 200))
      (loop $l (drop (struct.new $s (i32.const 9)))
        (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
    (func $calls (type $ft) (local $a (ref null $s)) (local $r i32)
      (local.set $a (struct.new $s (i32.const 11)))
      (local.set $r (call $host (local.get 0)))
      (call $churn)
      (if (i32.ne (struct.get $s 0 (local.get $a)) (i32.const 11)) (then (unreachable)))
      (local.get $r))
    (func $waits (type $ft) (suspend $t) (call $calls (local.get 0)))
    (func $nests (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $calls))))
    (func $down (type $ft) (i32.add (i32.const 1) (call $down (local.get 0))))
    (func (export "callee") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $calls))))
    (func (export "nested") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $nests))))
    (func (export "body") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $host))))
    (func (export "overflows") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $down))))
    (func (export "catches") (type $ft)
      (block $h (try_table (catch $e $h) (return (resume $ct (local.get 0) (cont.new $ct (ref.func $calls))))))
      (i32.const -1))
    (func (export "waited") (type $ft)
      (block $h (result (ref $uc))
        (return (resume $ct (on $t $h) (local.get 0) (cont.new $ct (ref.func $waits)))))
      (resume $uc)))"#;

const EXPORTS: [&str; 4] = ["callee", "nested", "body", "waited"];

/// A store with stores inside of it, each entered by the host functions of the one around it.
struct Data {
    inner: Option<Box<Wasm>>,
    /// What the innermost host does.
    how: i32,
    turn: usize,
}

struct Wasm {
    store: Store<Data>,
    instance: Instance,
}

fn host(mut caller: Caller<'_, Data>, n: i32) -> Result<i32> {
    caller.gc(None)?;
    let (how, turn) = (caller.data().how, caller.data().turn);
    if let Some(inner) = &mut caller.data_mut().inner {
        inner.store.data_mut().how = how;
        let result = inner.call(EXPORTS[turn % 4], n + 1);
        inner.store.gc(None)?;
        return result;
    }
    match how {
        0 => Ok(n),
        1 => bail!("the host says no"),
        2 => panic!("the host panics"),
        3 => {
            let tag = caller.get_export("e").and_then(|e| e.into_tag()).unwrap();
            let ty = ExnType::from_tag_type(&tag.ty(&caller))?;
            let allocator = ExnRefPre::new(&mut caller, ty);
            let exception = ExnRef::new(&mut caller, &allocator, &tag, &[])?;
            caller.as_context_mut().throw(exception)?
        }
        _ => {
            let down = caller.get_export("overflows").and_then(|e| e.into_func()).unwrap();
            down.typed::<i32, i32>(&caller)?.call(&mut caller, 0)
        }
    }
}

impl Wasm {
    fn new(engine: &Engine, module: &Module, levels: usize) -> Wasm {
        let inner = (levels > 0).then(|| Box::new(Wasm::new(engine, module, levels - 1)));
        let mut store = Store::new(engine, Data { inner, how: 0, turn: levels });
        let host = Func::wrap(&mut store, host);
        let instance = Instance::new(&mut store, module, &[host.into()]).unwrap();
        Wasm { store, instance }
    }

    fn call(&mut self, export: &str, n: i32) -> Result<i32> {
        let run = self.instance.get_typed_func::<i32, i32>(&mut self.store, export)?;
        self.store.data_mut().turn += 1;
        run.call(&mut self.store, n)
    }

    /// All are as if nothing had happened, each by itself and all together.
    fn check(&mut self, levels: i32) {
        self.store.data_mut().how = 0;
        for export in EXPORTS {
            assert_eq!(self.call(export, 0).unwrap(), levels);
        }
        self.alone();
    }

    fn alone(&mut self) {
        assert_eq!(self.store.continuation_statistics().alive, 0);
        let error = self.call("overflows", 0).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
        self.store.gc(None).unwrap();
        if let Some(inner) = &mut self.store.data_mut().inner {
            inner.alone();
        }
    }
}

#[test]
fn stores_within_stores() {
    each_collector(&FREEING, |config| {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        for levels in 0..5 {
            let mut wasm = Wasm::new(&engine, &module, levels);
            for round in 0..4 {
                for how in 0..5 {
                    for export in EXPORTS {
                        wasm.store.data_mut().how = how;
                        let result = catch_unwind(AssertUnwindSafe(|| wasm.call(export, 0)));
                        match (how, result) {
                            (0, Ok(Ok(n))) => assert_eq!(n, levels as i32, "{round}"),
                            (1, Ok(Err(error))) => {
                                assert!(format!("{error:?}").contains("the host says no"))
                            }
                            (2, Err(panic)) => assert_eq!(panic.downcast_ref(), Some(&"the host panics")),
                            (3, Ok(Err(error))) => {
                                assert!(error.is::<ThrownException>() || levels > 0, "{error:?}");
                                // It is pending in the store that threw.
                                let mut innermost = &mut wasm;
                                while innermost.store.data().inner.is_some() {
                                    innermost = innermost.store.data_mut().inner.as_mut().unwrap();
                                }
                                innermost.store.take_pending_exception().unwrap();
                            }
                            (4, Ok(Err(error))) => {
                                assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}")
                            }
                            (_, result) => panic!("{levels} {how} {export}: {result:?}"),
                        }
                        wasm.check(levels as i32);
                    }
                }
            }
            wasm.store.data_mut().how = 3;
            if levels == 0 {
                assert_eq!(wasm.call("catches", 0).unwrap(), -1);
            }
        }
    });
}

/// Entries of one store within each other. The host may enter by any export, catch what comes out, and go on.
const NESTED: &str = r#"(module
    (import "" "host" (func $host (param i32)))
    (type $s (struct (field i32)))
    (type $ft (func (param i32))) (type $ct (cont $ft))
    (type $uf (func)) (type $uc (cont $uf)) (tag $t) (tag $e) (tag $w)
    (rec (type $sf (func (param (ref null $sc)))) (type $sc (cont $sf)))
    (global $k (mut (ref null $uc)) (ref.null $uc))
    (global $trace (export "trace") (mut i32) (i32.const 0))
    (elem declare func $parks $calls $suspends $outer $switches $target $nests $trap)
    (func $note (param i32)
      (global.set $trace (i32.add (i32.mul (global.get $trace) (i32.const 10)) (local.get 0))))
    (func $suspends (export "suspend") (suspend $t))
    (func $switches (export "switch") (switch $sc $w (cont.new $sc (ref.func $target))) (drop))
    (func $target (type $sf))
    (func $calls (type $ft) (local $a (ref null $s))
      (local.set $a (struct.new $s (i32.const 11)))
      (call $host (local.get 0))
      (if (i32.ne (struct.get $s 0 (local.get $a)) (i32.const 11)) (then (unreachable)))
      (call $note (i32.const 1)))
    ;; Calls the host under handlers for all tags: none of them is for what a nested entry does.
    (func (export "handlers") (param i32)
      (block $h (result (ref $uc))
        (resume $ct (on $t $h) (on $w switch) (local.get 0) (cont.new $ct (ref.func $calls))) (return))
      (drop) (unreachable))
    ;; Parks a continuation that calls the host before and after it is resumed: by whoever runs `go`.
    (func $parks (type $ft) (local $a (ref null $s))
      (local.set $a (struct.new $s (i32.const 12)))
      (call $host (i32.const 0))
      (suspend $t)
      (call $note (i32.const 2))
      (call $host (local.get 0))
      (if (i32.ne (struct.get $s 0 (local.get $a)) (i32.const 12)) (then (unreachable))))
    ;; The same on top of two stacks, which are captured with it.
    (func $nests (type $ft) (local $a (ref null $s))
      (local.set $a (struct.new $s (i32.const 14)))
      (resume $ct (local.get 0) (cont.new $ct (ref.func $outer)))
      (if (i32.ne (struct.get $s 0 (local.get $a)) (i32.const 14)) (then (unreachable))))
    (func $outer (type $ft) (local $a (ref null $s))
      (local.set $a (struct.new $s (i32.const 13)))
      (resume $ct (local.get 0) (cont.new $ct (ref.func $parks)))
      (if (i32.ne (struct.get $s 0 (local.get $a)) (i32.const 13)) (then (unreachable))))
    (func $park (param (ref $ct)) (param i32)
      (block $h (result (ref $uc)) (resume $ct (on $t $h) (local.get 1) (local.get 0)) (unreachable))
      (global.set $k))
    (func (export "park") (param i32) (call $park (cont.new $ct (ref.func $parks)) (local.get 0)))
    (func (export "park-chain") (param i32) (call $park (cont.new $ct (ref.func $nests)) (local.get 0)))
    (func (export "go") (resume $uc (global.get $k)) (call $note (i32.const 3)))
    ;; From a stack of its own, two deep.
    (func $go-on (resume $uc (global.get $k)) (call $note (i32.const 3)))
    (func $go-deeper (resume $uc (cont.new $uc (ref.func $go-on))))
    (elem declare func $go-on $go-deeper)
    (func (export "go-deep") (resume $uc (cont.new $uc (ref.func $go-deeper))))
    (func (export "throw-into") (resume_throw $uc $e (global.get $k)))
    (func $trap (type $uf) (unreachable))
    (func (export "trap") (resume $uc (cont.new $uc (ref.func $trap))))
    (func $down (call $down) (call $note (i32.const 4)))
    (elem declare func $down)
    (func (export "overflow") (resume $uc (cont.new $uc (ref.func $down))))
    (func (export "overflow-here") (call $down))
    (func (export "churn") (local $i i32)
      (local.set $i (i32.const 200))
      (loop $l (drop (struct.new $s (i32.const 9)))
        (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))"#;

/// An export to call, with its argument, and how it ends.
type Step = (&'static str, Option<i32>, Result<(), &'static str>);

/// What the host does when it is called, the last first.
type Script = Vec<Step>;

struct Nested {
    store: Store<Script>,
    instance: Instance,
}

/// Calls `func`, the export of the step.
fn run(mut store: impl AsContextMut<Data = Script>, func: Func, (export, n, expected): Step) {
    let args: Vec<Val> = n.into_iter().map(Val::I32).collect();
    let result = func.call(&mut store, &args, &mut []);
    match (expected, result) {
        (Ok(()), result) => result.unwrap(),
        (Err(expected), Ok(())) => panic!("{export} is expected to end in {expected}"),
        (Err(expected), Err(error)) => {
            let text = format!("{error:?}");
            assert!(text.contains(expected), "{export}: {text}");
            let _ = store.as_context_mut().take_pending_exception();
        }
    }
    store.as_context_mut().gc(None).unwrap();
}

impl Nested {
    fn new(engine: &Engine, module: &Module) -> Nested {
        let mut store = Store::new(engine, Vec::new());
        let host = Func::wrap(&mut store, |mut caller: Caller<'_, Script>, n: i32| {
            for _ in 0..n {
                let step = caller.data_mut().pop().expect("the script is long enough");
                // Not the export's instance but the caller's, which is the same.
                let func = caller.get_export(step.0).and_then(|e| e.into_func()).unwrap();
                run(&mut caller, func, step);
                let churn = caller.get_export("churn").and_then(|e| e.into_func()).unwrap();
                churn.call(&mut caller, &[], &mut []).unwrap();
            }
        });
        let instance = Instance::new(&mut store, module, &[host.into()]).unwrap();
        Nested { store, instance }
    }

    fn script(&mut self, first: Step, steps: &[Step]) {
        *self.store.data_mut() = steps.iter().rev().cloned().collect();
        let func = self.instance.get_func(&mut self.store, first.0).unwrap();
        run(&mut self.store, func, first);
        assert!(self.store.data().is_empty(), "{:?}", self.store.data());
    }
}

#[test]
fn entries_within_entries() {
    const UNHANDLED: Result<(), &str> = Err("unhandled tag");
    const OVERFLOW: Result<(), &str> = Err("call stack exhausted");
    const TRAP: Result<(), &str> = Err("unreachable");
    const THROWN: Result<(), &str> = Err("thrown");
    each_backend(|config| {
        for collector in FREEING {
            for size in [16 << 10, 512 << 10] {
                let mut config = config();
                config.collector(collector).continuation_stack_size(size);
                let engine = Engine::new(&config).unwrap();
                let module = Module::new(&engine, NESTED).unwrap();
                let mut nested = Nested::new(&engine, &module);
                for _ in 0..3 {
                    // Handlers beyond the host are out of reach, and what fails inside leaves them as they were.
                    nested.script(
                        ("handlers", Some(6), Ok(())),
                        &[
                            ("suspend", None, UNHANDLED),
                            ("switch", None, UNHANDLED),
                            ("trap", None, TRAP),
                            ("overflow", None, OVERFLOW),
                            ("overflow-here", None, OVERFLOW),
                            ("handlers", Some(3), Ok(())),
                            ("suspend", None, UNHANDLED),
                            ("overflow", None, OVERFLOW),
                            ("handlers", Some(1), Ok(())),
                            ("switch", None, UNHANDLED),
                        ],
                    );
                    // Suspended outside, resumed inside, in each way; and the reverse.
                    for park in ["park", "park-chain"] {
                        for go in ["go", "go-deep"] {
                            nested.script((park, Some(2), Ok(())), &[]);
                            nested.script(
                                ("handlers", Some(4), Ok(())),
                                &[
                                    (go, None, Ok(())),
                                    // By the continuation that goes on inside.
                                    ("trap", None, TRAP),
                                    ("overflow", None, OVERFLOW),
                                    (go, None, Err("")),
                                    (park, Some(1), Ok(())),
                                    ("suspend", None, UNHANDLED),
                                ],
                            );
                            nested.script(
                                (go, None, Ok(())),
                                &[
                                    ("handlers", Some(2), Ok(())),
                                    ("overflow-here", None, OVERFLOW),
                                    ("suspend", None, UNHANDLED),
                                ],
                            );
                            // What is parked inside is thrown into, or trapped, outside; and the reverse.
                            nested.script(("handlers", Some(1), Ok(())), &[(park, Some(0), Ok(()))]);
                            nested.script(("throw-into", None, THROWN), &[]);
                            nested.script((park, Some(0), Ok(())), &[]);
                            nested.script(
                                ("handlers", Some(2), Ok(())),
                                &[("throw-into", None, THROWN), ("throw-into", None, Err(""))],
                            );
                            // Nothing is left: what "switch" would have switched to was fresh and forgotten, and was reclaimed.
                            assert_eq!(nested.store.continuation_statistics().alive, 0);
                        }
                    }
                }
            }
        }
    });
}
