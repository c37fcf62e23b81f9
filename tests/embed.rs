//! What a `.wast` file cannot say: backtraces, host calls, values that the host holds, stores.

mod support;

use std::sync::{Arc, Mutex};
use support::{COLLECTORS, FREEING, each_backend, each_collector, names};
use wasmfx::wasmtime::*;

fn engine(config: &dyn Fn() -> Config) -> Engine {
    Engine::new(&config()).unwrap()
}

fn instantiate<T: 'static>(
    store: &mut Store<T>,
    module: &str,
    imports: &[Extern],
) -> wasmfx::wasmtime::Result<Instance> {
    let module = Module::new(store.engine(), module)?;
    Instance::new(store, &module, imports)
}

/// The names of the functions in an error's backtrace, innermost first.
fn frames(error: &Error) -> Vec<String> {
    let trace = error.downcast_ref::<WasmBacktrace>().expect("a trap has a backtrace");
    names(trace)
}

/// Three stacks: `outer` on the host's, `middle` and `inner` on continuations of their own; each calls a
/// function in between. `inner` calls `host`.
const NESTED: &str = r#"(module
    (import "" "host" (func $host))
    (type $ft (func)) (type $ct (cont $ft)) (tag $t)
    (func $inner (call $inner2))
    (func $inner2 (call $host))
    (func $middle (call $middle2))
    (func $middle2 (resume $ct (cont.new $ct (ref.func $inner))))
    (elem declare func $inner $middle)
    (func $outer (export "run")
      (block $h (result (ref $ct))
        (resume $ct (on $t $h) (cont.new $ct (ref.func $middle))) (return))
      (drop)))"#;
const NESTED_FRAMES: [&str; 5] = ["inner2", "inner", "middle2", "middle", "outer"];

#[test]
fn a_trap_has_one_backtrace_through_every_active_stack() {
    each_backend(|config| {
        for signals in [true, false] {
            let engine = Engine::new(config().signals_based_traps(signals)).unwrap();
            let mut store = Store::new(&engine, ());
            let module = NESTED.replace("(func $inner2 (call $host))", "(func $inner2 unreachable)");
            let host = Func::wrap(&mut store, || {});
            let instance = instantiate(&mut store, &module, &[host.into()]).unwrap();
            let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
            for _ in 0..3 {
                let error = run.call(&mut store, ()).unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&Trap::UnreachableCodeReached));
                assert_eq!(frames(&error), NESTED_FRAMES);
            }
        }
    });
}

#[test]
fn a_host_error_and_a_capture_have_the_same_frames() {
    each_backend(|config| {
        let engine = engine(config);
        let mut store = Store::new(&engine, Vec::new());
        let host = Func::wrap(&mut store, |mut caller: Caller<'_, Vec<String>>| -> Result<()> {
            *caller.data_mut() = names(&WasmBacktrace::capture(&caller));
            bail!("the host says no")
        });
        let instance = instantiate(&mut store, NESTED, &[host.into()]).unwrap();
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        let error = run.call(&mut store, ()).unwrap_err();
        assert_eq!(error.root_cause().to_string(), "the host says no");
        assert_eq!(frames(&error), NESTED_FRAMES);
        assert_eq!(*store.data(), NESTED_FRAMES);
    });
}

#[test]
fn a_host_panic_crosses_every_stack_and_leaves_the_store_usable() {
    each_backend(|config| {
        let engine = engine(config);
        let mut store = Store::new(&engine, true);
        let host = Func::wrap(&mut store, |caller: Caller<'_, bool>| {
            assert!(!*caller.data(), "as asked");
        });
        let instance = instantiate(&mut store, NESTED, &[host.into()]).unwrap();
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.call(&mut store, ())));
        assert!(panic.is_err());
        *store.data_mut() = false;
        run.call(&mut store, ()).unwrap();
    });
}

/// Captured stacks are not in the backtrace, and those resumed again are.
#[test]
fn a_backtrace_after_suspending_and_resuming() {
    each_backend(|config| {
        let engine = engine(config);
        let mut store = Store::new(&engine, ());
        let module = r#"(module
        (type $ft (func)) (type $ct (cont $ft)) (tag $t)
        (func $inner (suspend $t) (unreachable))
        (func $middle (resume $ct (cont.new $ct (ref.func $inner))))
        (elem declare func $inner $middle)
        (func $first (result (ref $ct))
          (block $h (result (ref $ct))
            (resume $ct (on $t $h) (cont.new $ct (ref.func $middle))) (unreachable)))
        (func $second (param (ref $ct)) (resume $ct (local.get 0)))
        (func $outer (export "run") (call $second (call $first))))"#;
        let instance = instantiate(&mut store, module, &[]).unwrap();
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        let error = run.call(&mut store, ()).unwrap_err();
        assert_eq!(frames(&error), ["inner", "middle", "second", "outer"]);
    });
}

/// Wasm -> host -> Wasm: the handler beyond the host is out of reach, whatever stack the host is on; what
/// is inside works.
#[test]
fn a_suspend_does_not_cross_the_host() {
    each_backend(|config| {
        let engine = engine(config);
        let mut store = Store::new(&engine, ());
        let host = Func::wrap(&mut store, |mut caller: Caller<'_, ()>, kind: i32| -> Result<i32> {
            let name = ["suspends", "own-handler", "switches"][kind as usize];
            let func = caller.get_export(name).and_then(|e| e.into_func()).unwrap();
            func.typed::<(), i32>(&caller)?.call(&mut caller, ())
        });
        let module = r#"(module
        (import "" "host" (func $host (param i32) (result i32)))
        (type $ft (func (result i32))) (type $ct (cont $ft)) (tag $t)
        (type $pf (func (param i32) (result i32))) (type $pc (cont $pf))
        (func $suspends (export "suspends") (type $ft) (suspend $t) (i32.const 1))
        (rec (type $sf (func (param (ref null $sc)) (result i32))) (type $sc (cont $sf)))
        (tag $w (result i32))
        (func $target (type $sf) (i32.const 2))
        (func (export "switches") (type $ft)
          (switch $sc $w (cont.new $sc (ref.func $target))) (drop) (i32.const 3))
        (elem declare func $target)
        (func $via-host (type $pf) (call $host (local.get 0)))
        (elem declare func $suspends $via-host)
        (func (export "own-handler") (type $ft)
          (block $h (result (ref $ct))
            (return (resume $ct (on $t $h) (cont.new $ct (ref.func $suspends)))))
          (return (i32.add (resume $ct) (i32.const 40))))
        (func (export "run") (param i32) (result i32)
          (block $h (result (ref $ct))
            (return
              (resume $pc (on $t $h) (on $w switch) (local.get 0) (cont.new $pc (ref.func $via-host)))))
          (drop) (i32.const -1)))"#;
        let instance = instantiate(&mut store, module, &[host.into()]).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        for _ in 0..3 {
            for kind in [0, 2] {
                let error = run.call(&mut store, kind).unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&Trap::UnhandledTag));
            }
            assert_eq!(run.call(&mut store, 1).unwrap(), 41);
        }
    });
}

/// A continuation whose body is a host function leaves no trace of Wasm on its stack, and must not show what the
/// one that had its `VMContRef` before left there.
#[test]
fn a_host_body_after_a_wasm_body() {
    each_backend(|config| {
        let engine = engine(config);
        let mut store = Store::new(&engine, ());
        let body = Func::wrap(&mut store, |mut caller: Caller<'_, ()>, n: i32| -> Result<i32> {
            let names = names(&WasmBacktrace::capture(&caller));
            ensure!(names == ["run"], "{names:?}");
            caller.gc(None)?;
            // Wasm again, on this stack, with a collection and a trap of its own.
            let func = caller.get_export("again").and_then(|e| e.into_func()).unwrap();
            let again = func.typed::<i32, i32>(&caller)?;
            let error = again.call(&mut caller, 0).unwrap_err();
            ensure!(frames(&error) == ["again", "run"], "{error:?}");
            again.call(&mut caller, n)
        });
        let gc = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| caller.gc(None));
        let module = r#"(module
        (type $ft (func (param i32) (result i32))) (type $ct (cont $ft))
        (import "" "body" (func $body (type $ft)))
        (import "" "gc" (func $gc))
        (type $s (struct (field i32)))
        (type $rf (func (result i32))) (type $rc (cont $rf)) (tag $t)
        (func $again (export "again") (type $ft) (local $x (ref $s))
          (local.set $x (struct.new $s (local.get 0)))
          (call $gc)
          (if (i32.eqz (local.get 0)) (then (unreachable)))
          (struct.get $s 0 (local.get $x)))
        (func $deep (type $ft)
          (if (i32.eqz (local.get 0)) (then (suspend $t) (return (i32.const 0))))
          (call $deep (i32.sub (local.get 0) (i32.const 1))))
        (elem declare func $body $deep)
        (func $run (export "run") (param $depth i32) (param $n i32) (result i32) (local $x (ref $s))
          (local.set $x (struct.new $s (i32.const 1000)))
          ;; The first life: it suspends at some depth, and ends.
          (block $h (result (ref $rc))
            (drop (resume $ct (on $t $h) (local.get $depth) (cont.new $ct (ref.func $deep))))
            (unreachable))
          (drop (resume $rc))
          (i32.add
            (resume $ct (local.get $n) (cont.new $ct (ref.func $body)))
            (struct.get $s 0 (local.get $x)))))"#;
        let instance = instantiate(&mut store, module, &[body.into(), gc.into()]).unwrap();
        let run = instance.get_typed_func::<(i32, i32), i32>(&mut store, "run").unwrap();
        for depth in [0, 1, 10, 100, 1000] {
            assert_eq!(run.call(&mut store, (depth, 7)).unwrap(), 1007);
        }
    });
}

/// A host function that the host calls, with no Wasm in between, sees the frames that its caller sees, once each; and
/// what those hold survives a collection.
#[test]
fn a_host_function_called_by_the_host() {
    each_backend(|config| {
        let engine = engine(config);
        let mut store = Store::new(&engine, Vec::new());
        let inner = Func::wrap(&mut store, |mut caller: Caller<'_, Vec<String>>| -> Result<()> {
            *caller.data_mut() = names(&WasmBacktrace::capture(&caller));
            caller.gc(None)
        });
        let outer = Func::wrap(&mut store, move |mut caller: Caller<'_, Vec<String>>| {
            inner.call(&mut caller, &[], &mut [])
        });
        let module = r#"(module
            (import "" "host" (func $host (type $ft)))
            (type $ft (func)) (type $ct (cont $ft))
            (type $s (struct (field i32)))
            (func $leaf (type $ft) (local $x (ref $s))
              (local.set $x (struct.new $s (i32.const 42)))
              (call $host)
              (if (i32.ne (struct.get $s 0 (local.get $x)) (i32.const 42)) (then (unreachable))))
            (elem declare func $leaf $host)
            (func $run (param $body (ref $ft)) (result i32) (local $x (ref $s))
              (local.set $x (struct.new $s (i32.const 7)))
              (resume $ct (cont.new $ct (local.get $body)))
              (struct.get $s 0 (local.get $x)))
            (func $wasm (export "wasm") (result i32) (call $run (ref.func $leaf)))
            (func $body (export "host") (result i32) (call $run (ref.func $host)))
            (func $direct (export "direct") (result i32) (call $leaf) (i32.const 7)))"#;
        let instance = instantiate(&mut store, module, &[outer.into()]).unwrap();
        for (name, expected) in [
            ("direct", ["leaf", "direct"].as_slice()),
            ("wasm", &["leaf", "run", "wasm"]),
            ("host", &["run", "body"]),
        ] {
            let run = instance.get_typed_func::<(), i32>(&mut store, name).unwrap();
            assert_eq!(run.call(&mut store, ()).unwrap(), 7, "{name}");
            assert_eq!(*store.data(), expected, "{name}");
        }
    });
}

#[test]
fn a_host_function_can_be_the_body() {
    each_backend(|config| {
        let engine = engine(config);
        let mut store = Store::new(&engine, ());
        let body = Func::wrap(&mut store, |caller: Caller<'_, ()>, n: i32, x: f64| -> Result<(i32, f64)> {
            ensure!(n != 0, "zero");
            // Nothing of Wasm is on this stack, but the resumer is below it.
            let trace = WasmBacktrace::capture(&caller);
            assert_eq!(trace.frames().len(), 1);
            Ok((n + 1, x * 2.0))
        });
        let module = r#"(module
        (type $ft (func (param i32 f64) (result i32 f64))) (type $ct (cont $ft))
        (import "" "body" (func $body (type $ft)))
        (elem declare func $body)
        (func $run (export "run") (param i32 f64) (result i32 f64)
          (resume $ct (local.get 0) (local.get 1) (cont.new $ct (ref.func $body)))))"#;
        let instance = instantiate(&mut store, module, &[body.into()]).unwrap();
        let run = instance.get_typed_func::<(i32, f64), (i32, f64)>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, (1, 2.5)).unwrap(), (2, 5.0));
        let error = run.call(&mut store, (0, 0.0)).unwrap_err();
        assert_eq!(error.root_cause().to_string(), "zero");
        assert_eq!(run.call(&mut store, (5, 0.5)).unwrap(), (6, 1.0));
    });
}

/// A module whose exports make, take and use continuations of two types.
const HELD: &str = r#"(module
    (type $ft (func (result i32))) (type $ct (cont $ft))
    (type $gt (func (param i64))) (type $cg (cont $gt))
    (func $f (type $ft) (i32.const 7))
    (func $g (type $gt))
    (elem declare func $f $g)
    (global (export "global") (mut (ref null $ct)) (ref.null $ct))
    (func (export "make") (result (ref null $ct)) (cont.new $ct (ref.func $f)))
    (func (export "make-other") (result (ref $cg)) (cont.new $cg (ref.func $g)))
    (func (export "make-any") (result contref) (cont.new $ct (ref.func $f)))
    (func (export "null") (result (ref null $ct)) (ref.null $ct))
    (func (export "use") (param (ref null $ct)) (result i32) (resume $ct (local.get 0))))"#;

fn call(store: &mut Store<()>, instance: Instance, name: &str, args: &[Val]) -> Result<Val> {
    let func = instance.get_func(&mut *store, name).unwrap();
    let mut results = [Val::I32(0)];
    func.call(store, args, &mut results)?;
    Ok(results[0])
}

#[test]
fn the_host_can_hold_a_continuation_and_pass_it_back() {
    each_backend(|config| {
        let engine = engine(config);
        let mut store = Store::new(&engine, ());
        let instance = instantiate(&mut store, HELD, &[]).unwrap();
        let cont = call(&mut store, instance, "make", &[]).unwrap();
        assert!(matches!(cont, Val::ContRef(Some(_))));
        assert!(cont.ty(&store).unwrap().unwrap_ref().heap_type().is_concrete_cont());
        assert_eq!(call(&mut store, instance, "use", &[cont]).unwrap().unwrap_i32(), 7);
        // It is as one-shot as any reference.
        let error = call(&mut store, instance, "use", &[cont]).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::ContinuationAlreadyConsumed));

        let null = call(&mut store, instance, "null", &[]).unwrap();
        assert!(matches!(null, Val::ContRef(None)));
        let error = call(&mut store, instance, "use", &[null]).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::NullReference));

        // A continuation of another type, or of a type that is not known, is refused.
        for maker in ["make-other", "make-any"] {
            let cont = call(&mut store, instance, maker, &[]).unwrap();
            let error = call(&mut store, instance, "use", &[cont]).unwrap_err();
            assert!(error.to_string().contains("type mismatch"), "{error:?}");
        }
    });
}

#[test]
fn another_stores_continuation_is_refused() {
    each_backend(|config| {
        let engine = engine(config);
        let mut one = Store::new(&engine, ());
        let mut two = Store::new(&engine, ());
        let in_one = instantiate(&mut one, HELD, &[]).unwrap();
        let in_two = instantiate(&mut two, HELD, &[]).unwrap();
        let cont = call(&mut one, in_one, "make", &[]).unwrap();
        let error = call(&mut two, in_two, "use", &[cont]).unwrap_err();
        assert!(error.root_cause().to_string().contains("wrong store"), "{error:?}");
        drop(one);
        let error = call(&mut two, in_two, "use", &[cont]).unwrap_err();
        assert!(error.root_cause().to_string().contains("wrong store"), "{error:?}");
    });
}

#[test]
fn the_host_can_read_and_write_a_global_with_a_continuation() {
    each_backend(|config| {
        let engine = engine(config);
        let mut store = Store::new(&engine, ());
        let instance = instantiate(&mut store, HELD, &[]).unwrap();
        let global = instance.get_global(&mut store, "global").unwrap();
        assert!(matches!(global.get(&mut store), Val::ContRef(None)));
        let cont = call(&mut store, instance, "make", &[]).unwrap();
        global.set(&mut store, cont).unwrap();
        let held = global.get(&mut store);
        assert_eq!(call(&mut store, instance, "use", &[held]).unwrap().unwrap_i32(), 7);
        let other = call(&mut store, instance, "make-other", &[]).unwrap();
        assert!(global.set(&mut store, other).is_err());
    });
}

#[test]
fn the_host_can_use_a_table_of_continuations() {
    each_backend(|config| {
        let engine = engine(config);
        let mut store = Store::new(&engine, ());
        let module =
            HELD.replace("(global (export", "(table (export \"table\") 2 9 (ref null $ct)) (global (export");
        let instance = instantiate(&mut store, &module, &[]).unwrap();
        let table = instance.get_table(&mut store, "table").unwrap();
        assert!(matches!(table.get(&mut store, 0), Some(Ref::Cont(None))));
        assert!(table.get(&mut store, 2).is_none());
        let cont = call(&mut store, instance, "make", &[]).unwrap();
        table.set(&mut store, 1, cont.ref_().unwrap()).unwrap();
        let null = Ref::null(table.ty(&store).element().heap_type());
        table.grow(&mut store, 2, null.clone()).unwrap();
        let held = table.get(&mut store, 1).unwrap();
        assert!(held.is_non_null());
        assert_eq!(call(&mut store, instance, "use", &[held.into()]).unwrap().unwrap_i32(), 7);
        table.set(&mut store, 1, null).unwrap();
        assert!(table.get(&mut store, 1).unwrap().is_null());

        let other = call(&mut store, instance, "make-other", &[]).unwrap().ref_().unwrap();
        let error = table.set(&mut store, 1, other).unwrap_err();
        assert!(format!("{error:?}").contains("type mismatch"), "{error:?}");
        let mut elsewhere = Store::new(&engine, ());
        let there = instantiate(&mut elsewhere, HELD, &[]).unwrap();
        let foreign = call(&mut elsewhere, there, "make", &[]).unwrap().ref_().unwrap();
        let error = table.set(&mut store, 1, foreign).unwrap_err();
        assert!(format!("{error:?}").contains("wrong store"), "{error:?}");
    });
}

#[test]
fn a_host_function_takes_and_returns_continuations() {
    each_backend(|config| {
        let engine = engine(config);
        let mut store = Store::new(&engine, ());
        let module = Module::new(
            &engine,
            r#"(module
            (type $ft (func (result i32))) (type $ct (cont $ft))
            (import "" "echo" (func $echo (param (ref null $ct)) (result (ref null $ct))))
            (func $f (type $ft) (i32.const 9)) (elem declare func $f)
            (func (export "run") (result i32)
              (resume $ct (call $echo (cont.new $ct (ref.func $f))))))"#,
        )
        .unwrap();
        let ty = module.imports().next().unwrap().ty().unwrap_func().clone();
        let seen = Arc::new(Mutex::new(0));
        let count = seen.clone();
        let echo = Func::new(&mut store, ty, move |_, args, results| {
            *count.lock().unwrap() += 1;
            results[0] = args[0];
            Ok(())
        });
        let instance = Instance::new(&mut store, &module, &[echo.into()]).unwrap();
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 9);
        assert_eq!(*seen.lock().unwrap(), 1);
    });
}

/// Collections while continuations are suspended, with references everywhere they can be.
#[test]
fn collections_find_what_suspended_stacks_hold() {
    each_backend(|config| {
        for collector in COLLECTORS {
            let engine = Engine::new(config().collector(collector)).unwrap();
            let mut store = Store::new(&engine, ());
            let gc = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| caller.gc(None));
            let module = r#"(module
            (import "" "gc" (func $gc))
            (type $s (struct (field (mut i32))))
            (type $ft (func (param (ref $s)) (result i32))) (type $ct (cont $ft))
            (type $f2 (func (param (ref $s) (ref $s)) (result i32))) (type $c2 (cont $f2))
            (type $rf (func (result i32))) (type $rc (cont $rf))
            (type $kf (func (param (ref $s) i32) (result i32))) (type $kc (cont $kf))
            (tag $t (param (ref $s)) (result (ref $s) i32))

            (func $make (param i32) (result (ref $s)) (struct.new $s (local.get 0)))
            ;; Collects, and makes garbage over what is not a root.
            (func $churn (local $n i32)
              (loop $l
                (drop (call $make (i32.const -1)))
                (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000))))
              (call $gc))

            ;; A reference in a local and one on the operand stack, across a suspend and a collection.
            (func $deep (type $ft)
              (local $mine (ref $s)) (local $got (ref $s)) (local $n i32)
              (local.set $mine (call $make (i32.const 20)))
              (call $make (i32.const 300))
              (suspend $t (call $make (i32.const 4000)))
              (local.set $n) (local.set $got)
              (call $churn)
              (struct.get $s 0)
              (i32.add (struct.get $s 0 (local.get 0)))
              (i32.add (struct.get $s 0 (local.get $mine)))
              (i32.add (struct.get $s 0 (local.get $got)))
              (i32.add (local.get $n)))
            ;; The same in a parent's frame while its child suspends through it.
            (func $middle (type $f2)
              (local $mine (ref $s))
              (local.set $mine (call $make (i32.const 50000)))
              (call $make (i32.const 600000))
              (resume $ct (local.get 0) (cont.new $ct (ref.func $deep)))
              (i32.add (struct.get $s 0 (local.get $mine)))
              (i32.add (struct.get $s 0 (local.get 1)))
              (local.set 1 (call $make))
              (struct.get $s 0)
              (i32.add (struct.get $s 0 (local.get 1))))
            (elem declare func $deep $middle)

            (func (export "run") (result i32)
              (local $fresh (ref $rc)) (local $k (ref $kc)) (local $bound (ref $rc)) (local $payload (ref $s))
              ;; Bound to a fresh continuation.
              (local.set $fresh (cont.bind $c2 $rc
                (call $make (i32.const 1)) (call $make (i32.const 7000000)) (cont.new $c2 (ref.func $middle))))
              (call $churn)
              (block $h (result (ref $s) (ref $kc))
                (return (resume $rc (on $t $h) (local.get $fresh))))
              (local.set $k) (local.set $payload)
              (call $churn)
              ;; Bound to a suspended one.
              (local.set $bound (cont.bind $kc $rc
                (call $make (i32.const 80000000)) (i32.const 100000000) (local.get $k)))
              (call $churn)
              (i32.add (resume $rc (local.get $bound)) (struct.get $s 0 (local.get $payload)))))"#;
            let instance = instantiate(&mut store, module, &[gc.into()]).unwrap();
            let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
            for _ in 0..3 {
                assert_eq!(run.call(&mut store, ()).unwrap(), 187_654_321, "{collector:?}");
            }
        }
    });
}

/// A frame of a function that resumes and suspends takes what its values need: 1,000 of them fit.
#[test]
fn frames_are_small() {
    each_backend(|config| {
        let engine = engine(config);
        let mut store = Store::new(&engine, ());
        let module = r#"(module
        (type $ft (func (param i32) (result i32))) (type $ct (cont $ft)) (tag $t)
        (type $gt (func (result i32))) (type $rest (cont $gt))
        (func $leaf (type $ft) (local.get 0)) (elem declare func $leaf)
        (func $f (export "run") (param i32) (result i32)
          (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
          (if (i32.eq (local.get 0) (i32.const -1)) (then (suspend $t)))
          (block $h (result (ref $rest))
            (drop (resume $ct (on $t $h) (local.get 0) (cont.new $ct (ref.func $leaf))))
            (return (i32.add (i32.const 1) (call $f (i32.sub (local.get 0) (i32.const 1))))))
          (drop) (unreachable)))"#;
        let instance = instantiate(&mut store, module, &[]).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, 1000).unwrap(), 1000);
    });
}

/// A store with suspended continuations can be dropped, and sent to another thread and resumed there.
#[test]
fn stores_with_suspended_continuations_move_and_drop() {
    each_backend(|config| {
        let engine = engine(config);
        let module = r#"(module
        (type $ft (func (result i32))) (type $ct (cont $ft)) (tag $t)
        (global $c (mut (ref null $ct)) (ref.null $ct))
        (func $f (type $ft) (suspend $t) (i32.const 5)) (elem declare func $f)
        (func (export "park")
          (block $h (result (ref $ct))
            (drop (resume $ct (on $t $h) (cont.new $ct (ref.func $f)))) (unreachable))
          (global.set $c))
        (func (export "go") (result i32) (resume $ct (global.get $c))))"#;
        for resume in [true, false] {
            let mut store = Store::new(&engine, ());
            let instance = instantiate(&mut store, module, &[]).unwrap();
            let park = instance.get_typed_func::<(), ()>(&mut store, "park").unwrap();
            park.call(&mut store, ()).unwrap();
            park.call(&mut store, ()).unwrap();
            std::thread::spawn(move || {
                if resume {
                    let go = instance.get_typed_func::<(), i32>(&mut store, "go").unwrap();
                    assert_eq!(go.call(&mut store, ()).unwrap(), 5);
                }
            })
            .join()
            .unwrap();
        }
    });
}

/// Recursion to the end of stacks of every size, and arguments larger than the smallest: an error at worst.
#[test]
fn small_stacks() {
    each_backend(|config| {
        let many = |n: usize, text: &str| vec![text; n].join(" ");
        let module = format!(
            r#"(module
            (type $ft (func (param i32) (result i32))) (type $ct (cont $ft))
            (type $mt (func (param {params}) (result i32))) (type $mc (cont $mt))
            (func $recurse (type $ft)
              (i32.add (i32.const 1) (call $recurse (i32.add (local.get 0) (i32.const 1)))))
            (func $nest (type $ft)
              (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
              (i32.add (i32.const 1)
                (resume $ct (i32.sub (local.get 0) (i32.const 1)) (cont.new $ct (ref.func $nest)))))
            (func $first (type $mt) (local.get 0))
            (elem declare func $recurse $nest $first)
            (func (export "recurse") (param i32) (result i32)
              (resume $ct (local.get 0) (cont.new $ct (ref.func $recurse))))
            (func (export "nest") (param i32) (result i32)
              (resume $ct (local.get 0) (cont.new $ct (ref.func $nest))))
            (func (export "many") (param i32) (result i32)
              (resume $mc {args} (cont.new $mc (ref.func $first)))))"#,
            params = many(600, "i32"),
            args = many(600, "(local.get 0)"),
        );
        for size in [1, 4 << 10, 8 << 10, 16 << 10, 64 << 10, 512 << 10, 1 << 20] {
            let engine = Engine::new(config().max_wasm_stack(size)).unwrap();
            let mut store = Store::new(&engine, ());
            let instance = instantiate(&mut store, &module, &[]).unwrap();
            for (name, argument) in [("recurse", 0), ("many", 7), ("nest", 100), ("many", 8)] {
                let run = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
                match run.call(&mut store, argument) {
                    Ok(result) => assert_eq!(result, argument, "{name} with {size} bytes"),
                    Err(error) => assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}"),
                }
                assert!(name != "recurse" || size < 64 << 10 || run.call(&mut store, 0).is_err());
            }
        }
    });
}

/// What globals and tables hold survives collections, whatever their types, and whether this instance, another one or
/// the host made them.
#[test]
fn collections_find_what_globals_and_tables_hold() {
    const EXPORTS: &str = r#"(module
        (type $s (struct (field i32)))
        (global (export "global") (mut (ref null $s)) (struct.new $s (i32.const 1)))
        (table (export "table") 3 (ref null $s) (struct.new $s (i32.const 2))))"#;
    const MODULE: &str = r#"(module
        (type $s (struct (field i32)))
        (type $a (array (mut i32)))
        (type $ft (func)) (type $ct (cont $ft))
        (tag $t (export "tag") (param i32))
        (import "there" "global" (global $there (mut (ref null $s))))
        (import "there" "table" (table $there 3 (ref null $s)))
        (import "host" "struct" (global $host_struct (mut (ref null $s))))
        (import "host" "any" (global $host_any (mut anyref)))
        (import "host" "table" (table $host 3 anyref))
        (import "host" "collect" (func $collect))
        ;; Non-references in between: an index of one kind must not be taken for one of another.
        (global i32 (i32.const -1))
        (global v128 (v128.const i64x2 -1 -1))
        (global $struct (ref $s) (struct.new $s (i32.const 3)))
        (global funcref (ref.func $collect))
        (global $array (mut (ref null $a)) (array.new $a (i32.const 4) (i32.const 2)))
        (global $any (mut anyref) (struct.new $s (i32.const 5)))
        (global $eq eqref (struct.new $s (i32.const 6)))
        (global $i31 (mut (ref i31)) (ref.i31 (i32.const 7)))
        (global $any_i31 anyref (ref.i31 (i32.const 8)))
        (global nullref (ref.null none))
        (global nullexternref (ref.null noextern))
        (global nullexnref (ref.null noexn))
        (global $extern externref (extern.convert_any (struct.new $s (i32.const 9))))
        (global $exn (mut exnref) (ref.null exn))
        (global $cont (mut (ref null $ct)) (ref.null $ct))
        (table 1 funcref (ref.func $collect))
        (table $i31s 2 (ref null i31) (ref.i31 (i32.const 10)))
        (table $anys 2 anyref (struct.new $s (i32.const 11)))
        (table $exns 1 exnref)
        (table $conts 1 (ref null $ct))
        (table 1 nullref)
        (func $throw (param i32) (result exnref)
          (block $h (result i32 exnref) (try_table (catch_ref $t $h) (throw $t (local.get 0))) (unreachable))
          (return))
        (func $caught (param exnref) (result i32)
          (block $h (result i32) (try_table (catch $t $h) (throw_ref (local.get 0))) (unreachable)))
        (func $s (param anyref) (result i32) (struct.get $s 0 (ref.cast (ref $s) (local.get 0))))
        (func (export "run") (result i32) (local $n i32)
          (global.set $exn (call $throw (i32.const 12)))
          (table.set $exns (i32.const 0) (call $throw (i32.const 13)))
          (global.set $host_struct (struct.new $s (i32.const 14)))
          (global.set $host_any (struct.new $s (i32.const 15)))
          (table.set $host (i32.const 2) (struct.new $s (i32.const 16)))
          (global.set $cont (cont.new $ct (ref.func $collect)))
          (table.set $conts (i32.const 0) (cont.new $ct (ref.func $collect)))
          (resume $ct (global.get $cont))
          (call $collect)
          ;; Other objects where those were that no root refers to.
          (loop $l
            (drop (struct.new $s (i32.const -1)))
            (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 10000))))
          (resume $ct (table.get $conts (i32.const 0)))
          (call $s (global.get $there))
          (i32.add (call $s (table.get $there (i32.const 2))))
          (i32.add (call $s (global.get $struct)))
          (i32.add (array.get $a (global.get $array) (i32.const 1)))
          (i32.add (call $s (global.get $any)))
          (i32.add (call $s (global.get $eq)))
          (i32.add (i31.get_s (global.get $i31)))
          (i32.add (i31.get_s (ref.cast (ref i31) (global.get $any_i31))))
          (i32.add (call $s (any.convert_extern (global.get $extern))))
          (i32.add (i31.get_s (table.get $i31s (i32.const 1))))
          (i32.add (call $s (table.get $anys (i32.const 1))))
          (i32.add (call $caught (global.get $exn)))
          (i32.add (call $caught (table.get $exns (i32.const 0))))
          (i32.add (call $s (global.get $host_struct)))
          (i32.add (call $s (global.get $host_any)))
          (i32.add (call $s (table.get $host (i32.const 2))))))"#;
    each_collector(&FREEING, |mut config| {
        let engine = Engine::new(config.wasm_gc(true).wasm_exceptions(true)).unwrap();
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        let field = FieldType::new(Mutability::Const, StorageType::ValType(ValType::I32));
        let ty = HeapType::ConcreteStruct(StructType::new(&engine, [field]).unwrap());
        for (name, ty) in [("struct", ty), ("any", HeapType::Any)] {
            let ty = GlobalType::new(RefType::new(true, ty).into(), Mutability::Var);
            let global = Global::new(&mut store, ty, Val::AnyRef(None)).unwrap();
            linker.define(&store, "host", name, global).unwrap();
        }
        let ty = TableType::new(RefType::ANYREF, 3, None);
        let table = Table::new(&mut store, ty, Ref::Any(None)).unwrap();
        linker.define(&store, "host", "table", table).unwrap();
        let collect = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| caller.gc(None));
        linker.define(&store, "host", "collect", collect).unwrap();
        let there = Module::new(&engine, EXPORTS).unwrap();
        linker.module(&mut store, "there", &there).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), (1..=16).sum::<i32>());
    });
}
