//! Attacks: `suspend` and `switch` to handlers in front of a call into another component, from what that call calls back:
//! `realloc`, and a destructor. The code between the components sets flags of both for the time of the call, so that a host
//! that lets it be captured finds itself in a task that must not block, and does. Each attack is a trap, and what stays within
//! the call works.

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use support::{block_on, each_backend, in_child};
use wasmfx::wasmtime::component::{Component, Linker};
use wasmfx::wasmtime::{
    Config, Engine, ExnRef, ExnRefPre, ExnType, FuncType, Inlining, Instance, Module, Result, Store,
    StoreContextMut, Tag, TagType, ThrownException, Trap, UpdateDeadline,
};

/// `near` lowers the host's function, whose results the host itself writes; `far` that of another component, whose results an
/// adapter copies. Both get a string, for which `realloc` is called, and that does what `$mode` says.
const COMPONENT: &str = r#"(component
    (import "f" (func $host (result string)))
    (component $Q
      (import "f" (func $f (result string)))
      (core module $Mem
        (memory (export "m") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
      (core instance $mem (instantiate $Mem))
      (core func $lf (canon lower (func $f) (memory (core memory $mem "m")) (realloc (core func $mem "realloc"))))
      (core module $M
        (import "" "f" (func $f (param i32)))
        (func (export "g") (result i32) (call $f (i32.const 8)) (i32.const 8)))
      (core instance $m (instantiate $M (with "" (instance (export "f" (func $lf))))))
      (func (export "g") (result string) (canon lift (core func $m "g") (memory (core memory $mem "m")))))
    (component $P
      (import "f" (func $f (result string)))
      (core module $Mem
        (memory (export "m") 1)
        (tag $t (export "t")) (tag $w (export "w"))
        (global $mode (export "mode") (mut i32) (i32.const 0))
        (type $ft (func)) (type $ct (cont $ft))
        (rec (type $sf (func (param (ref null $sc)))) (type $sc (cont $sf)))
        (elem declare func $suspends $receives)
        (func $suspends (suspend $t))
        (func $receives (type $sf) (unreachable))
        (func $acts
          (block $h (result (ref $ct))
            (block $4 (block $3 (block $2 (block $1 (block $0 (br_table $0 $1 $2 $3 $4 (global.get $mode)))
              (return))
              (suspend $t) (return))
              (drop (switch $sc $w (cont.new $sc (ref.func $receives)))) (return))
              (resume $ct (on $t $h) (cont.new $ct (ref.func $suspends))) (return))
              (resume $ct (cont.new $ct (ref.func $suspends))) (return))
          (resume $ct))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (call $acts) (i32.const 1024))
        (func (export "dtor") (param i32) (call $acts)))
      (core instance $mem (instantiate $Mem))
      (type $r (resource (rep i32) (dtor (core func $mem "dtor"))))
      (core func $new (canon resource.new $r))
      (core func $drop (canon resource.drop $r))
      (core func $lf (canon lower (func $f) (memory (core memory $mem "m")) (realloc (core func $mem "realloc"))))
      (core module $M
        (import "" "f" (func $f (param i32)))
        (import "" "new" (func $new (param i32) (result i32)))
        (import "" "drop" (func $drop (param i32)))
        (import "" "t" (tag $t)) (import "" "w" (tag $w))
        (import "" "mode" (global $mode (mut i32)))
        (type $bf (func (param i32))) (type $bc (cont $bf))
        (type $uf (func)) (type $uc (cont $uf))
        (elem declare func $f $drop $calls $nests $drops)
        ;; What it knows of the handler before the call is of no use in it, and of use again after it.
        (func $calls (type $bf) (suspend $t) (suspend $t) (call $f (local.get 0)) (suspend $t) (suspend $t))
        (func $nests (type $bf) (resume $bc (local.get 0) (cont.new $bc (ref.func $calls))))
        (func $drops (type $bf) (suspend $t) (call $drop (call $new (i32.const 1))) (suspend $t))
        (table $bodies funcref (elem $f $calls $nests $drops))
        ;; How many times that body has suspended.
        (func (export "run") (param $mode i32) (param $body i32) (result i32)
          (local $k (ref null $uc)) (local $n i32)
          (global.set $mode (local.get $mode))
          (block $h (result (ref $uc))
            (resume $bc (on $t $h) (on $w switch)
              (i32.const 8)
              (cont.new $bc (ref.cast (ref $bf) (table.get $bodies (local.get $body)))))
            (return (i32.const 0)))
          (local.set $k)
          (loop $l (result i32)
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (block $h (result (ref $uc))
              (resume $uc (on $t $h) (on $w switch) (local.get $k))
              (return (local.get $n)))
            (local.set $k)
            (br $l))))
      (core instance $m (instantiate $M (with "" (instance
        (export "f" (func $lf)) (export "new" (func $new)) (export "drop" (func $drop))
        (export "t" (tag $mem "t")) (export "w" (tag $mem "w")) (export "mode" (global $mem "mode"))))))
      (func (export "run") (param "mode" u32) (param "body" u32) (result u32) (canon lift (core func $m "run"))))
    (instance $q (instantiate $Q (with "f" (func $host))))
    (instance $near (instantiate $P (with "f" (func $host))))
    (instance $far (instantiate $P (with "f" (func $q "g"))))
    (export "near" (func $near "run"))
    (export "far" (func $far "run")))"#;

/// What `realloc` and the destructor do.
const PLAIN: u32 = 0;
const SUSPENDS: u32 = 1;
const SWITCHES: u32 = 2;
const HANDLES: u32 = 3;
const SUSPENDS_FROM_ITS_OWN: u32 = 4;

/// How often each body suspends around the call: that is the call itself, that calls, that calls one stack farther out, that
/// drops a resource.
const BODIES: [u32; 4] = [0, 4, 4, 2];

fn run(engine: &Engine, component: &Component, name: &str, mode: u32, body: u32) -> Result<u32> {
    let mut linker = Linker::<()>::new(engine);
    linker.root().func_wrap("f", |_: StoreContextMut<'_, ()>, (): ()| Ok(("hello".to_string(),)))?;
    let mut store = Store::new(engine, ());
    // An error if nothing consumes any.
    let _ = store.set_fuel(1_000_000);
    let instance = linker.instantiate(&mut store, component)?;
    let run = instance.get_typed_func::<(u32, u32), (u32,)>(&mut store, name)?;
    let result = run.call(&mut store, (mode, body)).map(|(suspends,)| suspends);
    // The target of a switch that traps is as fresh as before.
    let alive = usize::from(mode == SWITCHES);
    assert_eq!(store.continuation_statistics().alive, alive, "{name} {mode} {body}: {result:?}");
    result
}

#[test]
fn no_handler_in_front_of_a_call_into_another_component() {
    let configurations: [fn(&mut Config); 4] = [
        |_| {},
        |config| _ = config.concurrency_support(false),
        |config| _ = config.consume_fuel(true),
        |config| _ = config.compiler_inlining(Inlining::Yes),
    ];
    each_backend(|config| {
        for configure in configurations {
            let mut config = config();
            configure(config.wasm_component_model(true));
            let engine = Engine::new(&config).unwrap();
            let component = Component::new(&engine, COMPONENT).unwrap();
            for name in ["near", "far"] {
                for (body, suspends) in (0..).zip(BODIES) {
                    for mode in [PLAIN, HANDLES] {
                        assert_eq!(
                            run(&engine, &component, name, mode, body).unwrap(),
                            suspends,
                            "{name} {body}"
                        );
                    }
                    for mode in [SUSPENDS, SWITCHES, SUSPENDS_FROM_ITS_OWN] {
                        let error = run(&engine, &component, name, mode, body).unwrap_err();
                        assert_eq!(
                            error.downcast_ref(),
                            Some(&Trap::UnhandledTag),
                            "{name} {body} {mode}: {error:?}"
                        );
                    }
                }
            }
        }
    });
}

/// `run` calls `f` of another component from a continuation, catches what it throws, and then suspends to a handler in front of
/// the call. A list goes each way: the adapter has loops.
const CATCHES: &str = r#"(component
    (component $B
      (core module $M
        (memory (export "m") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 64))
        (func (export "f") (param i32 i32) (result i32)
          (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16)))
      (core instance $m (instantiate $M))
      (func (export "f") (param "x" (list (tuple u8 u32))) (result (list (tuple u8 u32)))
        (canon lift (core func $m "f") (memory (core memory $m "m")) (realloc (core func $m "realloc")))))
    (component $A
      (import "f" (func $f (param "x" (list (tuple u8 u32))) (result (list (tuple u8 u32)))))
      (core module $Mem
        (memory (export "m") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
      (core instance $mem (instantiate $Mem))
      (core func $lf (canon lower (func $f) (memory (core memory $mem "m")) (realloc (core func $mem "realloc"))))
      (core module $M
        (import "" "f" (func $f (param i32 i32 i32)))
        (type $ft (func (result i32))) (type $ct (cont $ft)) (tag $t)
        (elem declare func $calls)
        (func $calls (type $ft) (local $caught i32)
          (local.set $caught (i32.const 1))
          (block $h
            (try_table (catch_all $h) (call $f (i32.const 8) (i32.const 5) (i32.const 512)))
            (local.set $caught (i32.const 0)))
          (suspend $t)
          (local.get $caught))
        (func (export "run") (result i32)
          (block $h (result (ref $ct))
            (return (resume $ct (on $t $h) (cont.new $ct (ref.func $calls)))))
          (resume $ct)))
      (core instance $m (instantiate $M (with "" (instance (export "f" (func $lf))))))
      (func (export "run") (result u32) (canon lift (core func $m "run"))))
    (instance $b (instantiate $B))
    (instance $a (instantiate $A (with "f" (func $b "f"))))
    (export "run" (func $a "run")))"#;

/// At each point at which the embedder is asked for a new deadline, in adapters too, it throws an exception. Before the adapter
/// has put its barrier the component catches it; within, it is a trap.
#[test]
fn an_epoch_callback_that_throws() {
    each_backend(|config| {
        for concurrency in [true, false] {
            let mut config = config();
            config.wasm_component_model(true).epoch_interruption(true).concurrency_support(concurrency);
            let engine = Engine::new(&config).unwrap();
            let component = Component::new(&engine, CATCHES).unwrap();
            engine.increment_epoch();
            let mut outcomes = BTreeMap::<String, u32>::new();
            for nth in 0_u32.. {
                let mut store = Store::new(&engine, nth);
                let instance = Linker::<u32>::new(&engine).instantiate(&mut store, &component).unwrap();
                let run = instance.get_typed_func::<(), (u32,)>(&mut store, "run").unwrap();
                store.epoch_deadline_callback(|mut store| {
                    let left = *store.data();
                    *store.data_mut() = left.wrapping_sub(1);
                    if left == 0 {
                        let ty = TagType::new(FuncType::new(store.engine(), [], []));
                        let tag = Tag::new(&mut store, &ty)?;
                        let pre = ExnRefPre::new(&mut store, ExnType::from_tag_type(&ty)?);
                        let exception = ExnRef::new(&mut store, &pre, &tag, &[])?;
                        store.throw::<()>(exception)?;
                    }
                    Ok(UpdateDeadline::Continue(0))
                });
                store.set_epoch_deadline(0);
                let result = run.call(&mut store, ());
                let outcome = match &result {
                    Ok((0,)) => "not thrown",
                    Ok(_) => "caught",
                    Err(error) if error.downcast_ref() == Some(&Trap::UncaughtException) => "a trap",
                    Err(error) if error.is::<ThrownException>() => "thrown at the host",
                    Err(error) => panic!("{nth}: {error:?}"),
                };
                assert_eq!(store.continuation_statistics().alive, 0, "{nth}: {result:?}");
                *outcomes.entry(outcome.into()).or_default() += 1;
                if outcome == "not thrown" {
                    break;
                }
            }
            assert!(
                ["caught", "a trap", "thrown at the host"].iter().all(|what| outcomes.contains_key(*what))
            );
            // Each turn of the adapter's loops.
            assert!(outcomes["a trap"] >= 10, "{outcomes:?}");
        }
    });
}

/// The component that the host calls into traps on a continuation, in a call into another: what the adapter notes on that
/// continuation's stack of the call's thread is gone when the host goes on.
const TRAPS: &str = r#"(component
    (import "f" (func $host))
    (component $B
      (core module $M (func (export "f") (unreachable)))
      (core instance $m (instantiate $M))
      (func (export "f") (canon lift (core func $m "f"))))
    (component $A
      (import "f" (func $f))
      (core func $lf (canon lower (func $f)))
      (core module $M
        (import "" "f" (func $f))
        (type $ft (func)) (type $ct (cont $ft))
        (elem declare func $f)
        (func (export "run") (resume $ct (cont.new $ct (ref.func $f)))))
      (core instance $m (instantiate $M (with "" (instance (export "f" (func $lf))))))
      (func (export "run") (canon lift (core func $m "run"))))
    (instance $b (instantiate $B))
    (instance $outer (instantiate $A (with "f" (func $host))))
    (instance $inner (instantiate $A (with "f" (func $b "f"))))
    (export "calls-host" (func $outer "run"))
    (export "traps" (func $inner "run")))"#;

#[test]
fn a_trap_behind_an_adapter_that_the_host_swallows() {
    each_backend(|config| {
        for resident in [0, 16 << 10] {
            let mut config = config();
            config.wasm_component_model(true).continuation_keep_resident(resident);
            let engine = Engine::new(&config).unwrap();
            let component = Component::new(&engine, TRAPS).unwrap();
            let mut linker = Linker::<u32>::new(&engine);
            let inner = component.clone();
            linker
                .root()
                .func_wrap("f", move |mut store: StoreContextMut<'_, u32>, (): ()| {
                    let mut linker = Linker::<u32>::new(store.engine());
                    linker.root().func_wrap("f", |_: StoreContextMut<'_, u32>, (): ()| Ok(()))?;
                    let instance = linker.instantiate(&mut store, &inner)?;
                    let traps = instance.get_typed_func::<(), ()>(&mut store, "traps")?;
                    let error = traps.call(&mut store, ()).unwrap_err();
                    assert_eq!(error.downcast_ref(), Some(&Trap::UnreachableCodeReached), "{error:?}");
                    *store.data_mut() += 1;
                    Ok(())
                })
                .unwrap();
            let mut store = Store::new(&engine, 0);
            let instance = linker.instantiate(&mut store, &component).unwrap();
            let run = instance.get_typed_func::<(), ()>(&mut store, "calls-host").unwrap();
            let result = run.call(&mut store, ());
            assert_eq!(*store.data(), 1, "{result:?}");
            assert!(result.is_ok(), "{result:?}");
            assert_eq!(store.continuation_statistics().alive, 0);
        }
    });
}

/// A component that calls `f` of another, with a number each way, in its own `g`: to be made with the core module of the callee.
fn calls(callee: &str) -> String {
    format!(
        r#"(component
    (component $B
      {callee}
      (core instance $m (instantiate $M))
      (func (export "f") (param "x" u32) (result u32) (canon lift (core func $m "f"))))
    (component $A
      (import "f" (func $f (param "x" u32) (result u32)))
      (core func $lf (canon lower (func $f)))
      (core module $M
        (import "" "f" (func $f (param i32) (result i32)))
        (func (export "g") (param i32) (result i32) (call $f (local.get 0))))
      (core instance $m (instantiate $M (with "" (instance (export "f" (func $lf))))))
      (func (export "g") (param "x" u32) (result u32) (canon lift (core func $m "g"))))
    (instance $b (instantiate $B))
    (instance $a (instantiate $A (with "f" (func $b "f"))))
    (export "g" (func $a "g")))"#
    )
}

/// The component that is called throws and catches, without a continuation if `x` is 0, and with one if it is 1. Its thread
/// stays the current one.
const THROWS: &str = r#"(core module $M
        (tag $e)
        (type $ft (func)) (type $ct (cont $ft)) (elem declare func $throws)
        (func $throws (throw $e))
        (func (export "f") (param i32) (result i32)
          (block $h
            (if (local.get 0)
              (then (try_table (catch $e $h) (resume $ct (cont.new $ct (ref.func $throws)))))
              (else (try_table (catch $e $h) (call $throws))))
            (unreachable))
          (i32.const 42)))"#;

#[test]
fn a_throw_that_is_caught_behind_an_adapter() {
    each_backend(|config| {
        for concurrency in [false, true] {
            let mut config = config();
            config.wasm_component_model(true).concurrency_support(concurrency);
            let engine = Engine::new(&config).unwrap();
            let component = Component::new(&engine, calls(THROWS)).unwrap();
            let linker = Linker::<()>::new(&engine);
            for x in [0u32, 1] {
                let mut store = Store::new(&engine, ());
                let instance = linker.instantiate(&mut store, &component).unwrap();
                let run = instance.get_typed_func::<(u32,), (u32,)>(&mut store, "g").unwrap();
                for _ in 0..3 {
                    let result = catch_unwind(AssertUnwindSafe(|| run.call(&mut store, (x,))));
                    assert!(matches!(result, Ok(Ok((42,)))), "concurrency {concurrency}, {x}: {result:?}");
                }
            }
        }
    });
}

/// `B`, which is called by a sync function type, returns from the task of `A`, and blocks in it, neither of which it may.
const FORGERY: &str = r#"(component
    (component $B
      (core func $ret (canon task.return (result u32)))
      (core func $yield (canon thread.yield))
      (core module $M
        (import "" "ret" (func $ret (param i32)))
        (import "" "yield" (func $yield (result i32)))
        (tag $e)
        (type $ft (func)) (type $ct (cont $ft)) (elem declare func $throws)
        (func $throws (throw $e))
        (func (export "f") (param i32)
          (block $h
            (if (local.get 0)
              (then (try_table (catch $e $h) (resume $ct (cont.new $ct (ref.func $throws)))))
              (else (try_table (catch $e $h) (call $throws))))
            (unreachable))
          (call $ret (i32.const 666))
          (drop (call $yield))))
      (core instance $m (instantiate $M (with "" (instance (export "ret" (func $ret)) (export "yield" (func $yield))))))
      (func (export "f") (param "x" u32) (canon lift (core func $m "f"))))
    (component $A
      (import "f" (func $f (param "x" u32)))
      (core func $lf (canon lower (func $f)))
      (core func $ret (canon task.return (result u32)))
      (core module $M
        (import "" "f" (func $f (param i32)))
        (import "" "ret" (func $ret (param i32)))
        (func (export "g") (param i32) (call $f (local.get 0)) (call $ret (i32.const 1))))
      (core instance $m (instantiate $M (with "" (instance (export "f" (func $lf)) (export "ret" (func $ret))))))
      (func (export "g") async (param "x" u32) (result u32) (canon lift (core func $m "g") async)))
    (instance $b (instantiate $B))
    (instance $a (instantiate $A (with "f" (func $b "f"))))
    (export "g" (func $a "g")))"#;

#[test]
fn a_task_return_that_is_not_the_callees() {
    each_backend(|config| {
        let mut config = config();
        config.wasm_component_model(true).wasm_component_model_async(true);
        config.wasm_component_model_async_stackful(true).wasm_component_model_more_async_builtins(true);
        config.wasm_component_model_threading(true);
        let engine = Engine::new(&config).unwrap();
        let component = Component::new(&engine, FORGERY).unwrap();
        let linker = Linker::<()>::new(&engine);
        for x in [0u32, 1] {
            let mut store = Store::new(&engine, ());
            let instance = block_on(linker.instantiate_async(&mut store, &component)).unwrap();
            let run = instance.get_typed_func::<(u32,), (u32,)>(&mut store, "g").unwrap();
            let result = catch_unwind(AssertUnwindSafe(|| block_on(run.call_async(&mut store, (x,)))));
            let Ok(Err(error)) = result else { panic!("{x}: {result:?}") };
            assert_eq!(error.downcast_ref(), Some(&Trap::TaskReturnInvalid), "{x}");
        }
    });
}

const RETURNS: &str = r#"(core module $M (func (export "f") (param i32) (result i32) (local.get 0)))"#;

const NESTED: &str = r#"(module (tag $e)
    (type $ft (func)) (type $ct (cont $ft)) (elem declare func $throws)
    (func $throws (throw $e))
    (func (export "0"))
    (func (export "1") unreachable)
    (func (export "2") (throw $e))
    (func (export "3") (block $h (try_table (catch $e $h) (resume $ct (cont.new $ct (ref.func $throws)))))))"#;

/// While an adapter has entered a thread, an epoch callback calls Wasm that returns, traps, throws, or catches what a
/// continuation threw, and forgets that.
#[test]
fn an_epoch_callback_whose_wasm_traps() {
    each_backend(|config| {
        let mut config = config();
        config.wasm_component_model(true).epoch_interruption(true);
        let engine = Engine::new(&config).unwrap();
        let component = Component::new(&engine, calls(RETURNS)).unwrap();
        let module = Module::new(&engine, NESTED).unwrap();
        let linker = Linker::<u32>::new(&engine);
        engine.increment_epoch();
        for what in ["0", "1", "2", "3"] {
            for nth in 0..5u32 {
                let mut store = Store::new(&engine, nth);
                store.set_epoch_deadline(100);
                let instance = linker.instantiate(&mut store, &component).unwrap();
                let nested = Instance::new(&mut store, &module, &[]).unwrap();
                let nested = nested.get_typed_func::<(), ()>(&mut store, what).unwrap();
                let run = instance.get_typed_func::<(u32,), (u32,)>(&mut store, "g").unwrap();
                store.epoch_deadline_callback(move |mut cx| {
                    let n = *cx.data();
                    *cx.data_mut() = n.wrapping_sub(1);
                    if n == 0 {
                        cx.set_epoch_deadline(100);
                        let _ = nested.call(&mut cx, ());
                        cx.take_pending_exception();
                    }
                    Ok(UpdateDeadline::Continue(0))
                });
                store.set_epoch_deadline(0);
                let r = catch_unwind(AssertUnwindSafe(|| run.call(&mut store, (7,))))
                    .map_err(|_| "panic")
                    .map(|r| r.map_err(|e| e.root_cause().to_string()));
                assert_eq!(r, Ok(Ok((7,))), "{what} {nth}");
            }
        }
    });
}

/// Types of resources, each with the `resource.drop` of the one before as its destructor.
fn drops(n: usize) -> String {
    let mut s = String::from(
        "(component (core module $D (func (export \"d\") (param i32))) (core instance $d (instantiate $D))\n",
    );
    let mut imports = String::new();
    let mut exports = String::new();
    let mut news = String::new();
    for i in 0..n {
        let dtor = if i == 0 { "(core func $d \"d\")".into() } else { format!("(core func $drop{})", i - 1) };
        writeln!(s, "(type $r{i} (resource (rep i32) (dtor {dtor}))) (core func $new{i} (canon resource.new $r{i})) (core func $drop{i} (canon resource.drop $r{i}))").unwrap();
        writeln!(imports, "(import \"\" \"n{i}\" (func $n{i} (param i32) (result i32)))").unwrap();
        write!(exports, "(export \"n{i}\" (func $new{i}))").unwrap();
        write!(news, "(local.set $h (call $n{i} (local.get $h)))").unwrap();
    }
    write!(
        s,
        "(core module $M {imports} (import \"\" \"drop\" (func $drop (param i32)))
        (type $f (func (param i32))) (type $c (cont $f)) (elem declare func $drop)
        (func (export \"run\") (param $way i32) (local $h i32) {news}
          (if (local.get $way) (then (resume $c (local.get $h) (cont.new $c (ref.func $drop))))
            (else (call $drop (local.get $h))))))
      (core instance $m (instantiate $M (with \"\" (instance {exports} (export \"drop\" (func $drop{}))))))
      (func (export \"run\") (param \"way\" u32) (canon lift (core func $m \"run\"))))",
        n - 1
    )
    .unwrap();
    s
}

/// Each drop is a frame of a trampoline that calls the next: with enough of them the stack is exhausted.
#[test]
fn destructors_that_drop_each_other() {
    in_child("destructors_that_drop_each_other", || {
        for (types, fits) in [(10, true), (900, false)] {
            let text = drops(types);
            each_backend(|config| {
                let engine =
                    Engine::new(config().wasm_component_model(true).continuation_stack_size(16 << 10))
                        .unwrap();
                let component = Component::new(&engine, &text).unwrap();
                for way in [0, 1] {
                    let mut store = Store::new(&engine, ());
                    let instance = Linker::<()>::new(&engine).instantiate(&mut store, &component).unwrap();
                    let run = instance.get_typed_func::<(u32,), ()>(&mut store, "run").unwrap();
                    let result = run.call(&mut store, (way,));
                    match &result {
                        Ok(()) => assert!(fits || way == 0, "{types} {way}"),
                        Err(error) => {
                            assert!(!fits && way == 1, "{types} {way}: {error:?}");
                            assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
                        }
                    }
                    assert_eq!(store.continuation_statistics().alive, 0, "{result:?}");
                }
            });
        }
    });
}
