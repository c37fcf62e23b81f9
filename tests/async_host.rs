//! Async stores: host calls that wait, made on continuations.

mod support;

use std::pin::pin;
use support::{block_on, each_backend, polled, wait};
use wasmfx::wasmtime::*;

const MODULE: &str = r#"(module
    (import "" "wait" (func $wait (param i32) (result i32)))
    (import "" "recurse" (func $recurse))
    (type $ft (func (param i32) (result i32))) (type $ct (cont $ft))
    (type $uf (func)) (type $u (cont $uf)) (tag $t (param i32) (result i32))
    (func $f (type $ft)
      (local $i i32) (local $sum i32)
      (loop $l
        (local.set $sum (i32.add (local.get $sum) (suspend $t (call $wait (local.get 0)))))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3))))
      (local.get $sum))
    (elem declare func $f $nest)
    (func (export "run") (result i32)
      (local $c (ref null $ct)) (local $v i32)
      (local.set $c (cont.new $ct (ref.func $f)))
      (local.set $v (i32.const 5))
      (loop $l (result i32)
        (block $h (result i32 (ref $ct))
          (return (resume $ct (on $t $h) (local.get $v) (local.get $c))))
        (local.set $c)
        (local.set $v (i32.add (i32.const 1)))
        (br $l)))
    ;; Wasm on a continuation, host, Wasm, and so on, until the stack ends.
    (func $nest (call $recurse))
    (func (export "nest") (resume $u (cont.new $u (ref.func $nest))))
    (func (export "again") (call $nest)))"#;

/// A store whose data say how deep `recurse` may go.
fn store(config: &dyn Fn() -> Config) -> (Store<u32>, Instance) {
    let engine = Engine::new(&config()).unwrap();
    let mut store = Store::new(&engine, 0);
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap_async("", "wait", |_: Caller<'_, u32>, (n,): (i32,)| {
            Box::new(async move {
                wait(3).await;
                n
            })
        })
        .unwrap();
    linker
        .func_wrap_async("", "recurse", |mut caller: Caller<'_, u32>, (): ()| {
            Box::new(async move {
                let left = caller.data().checked_sub(1);
                *caller.data_mut() = left.ok_or_else(|| format_err!("deep enough"))?;
                let again = caller.get_export("again").and_then(|e| e.into_func()).unwrap();
                again.typed::<(), ()>(&caller)?.call_async(&mut caller, ()).await
            })
        })
        .unwrap();
    let module = Module::new(&engine, MODULE).unwrap();
    let instance = block_on(linker.instantiate_async(&mut store, &module)).unwrap();
    (store, instance)
}

#[test]
fn a_host_call_that_waits() {
    each_backend(|config| {
        let (mut store, instance) = store(config);
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        for _ in 0..3 {
            // Resumed with 6 each time, each wait gives the 5 that the function was started with.
            assert_eq!(block_on(run.call_async(&mut store, ())).unwrap(), 18);
        }
    });
}

/// Dropping the call while the host waits unwinds the continuation; its store goes on.
#[test]
fn a_call_dropped_while_the_host_waits() {
    each_backend(|config| {
        let (mut store, instance) = store(config);
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        for polls in 1..8 {
            assert!(polled(pin!(run.call_async(&mut store, ())), polls).is_none());
            assert_eq!(block_on(run.call_async(&mut store, ())).unwrap(), 18);
        }
    });
}

/// A store on another thread goes on where it waited.
#[test]
fn a_wait_that_moves_to_another_thread() {
    each_backend(|config| {
        let (mut store, instance) = store(config);
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        let mut call = Box::pin(async move { run.call_async(&mut store, ()).await });
        assert!(polled(call.as_mut(), 1).is_none());
        let result = std::thread::spawn(move || block_on(call)).join().unwrap();
        assert_eq!(result.unwrap(), 18);
    });
}

/// Recursion through the host on one continuation's stack ends at that stack's limit.
#[test]
fn recursion_through_the_host_on_one_stack() {
    each_backend(|config| {
        let engine = Engine::new(&config()).unwrap();
        let mut store = Store::new(&engine, ());
        let recurse = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| -> Result<()> {
            let again = caller.get_export("again").and_then(|e| e.into_func()).unwrap();
            again.typed::<(), ()>(&caller)?.call(&mut caller, ())
        });
        let wait = Func::wrap(&mut store, |n: i32| n);
        let module = Module::new(&engine, MODULE).unwrap();
        let instance = Instance::new(&mut store, &module, &[wait.into(), recurse.into()]).unwrap();
        let nest = instance.get_typed_func::<(), ()>(&mut store, "nest").unwrap();
        for _ in 0..2 {
            let error = nest.call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
        }
    });
}

/// The same with a stack of its own for each level, which an async call makes: these end before memory does,
/// if only the host says when.
#[test]
fn recursion_through_the_host_on_many_stacks() {
    each_backend(|config| {
        let (mut store, instance) = store(config);
        let nest = instance.get_typed_func::<(), ()>(&mut store, "nest").unwrap();
        for _ in 0..2 {
            *store.data_mut() = 100;
            let error = block_on(nest.call_async(&mut store, ())).unwrap_err();
            assert_eq!(error.root_cause().to_string(), "deep enough");
        }
    });
}
