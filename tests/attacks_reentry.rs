//! Attacks on host calls: endless recursion through the host in every mix of sync and async entries, stores and threads; each must end
//! in a trap. Each runs in a process of its own, which a fault would end.

mod support;

use std::pin::pin;
use support::{block_on, each_backend, in_child, polled, wait};
use wasmfx::wasmtime::*;

const MODULE: &str = r#"(module
    (import "" "host" (func $host (param i32) (result i32)))
    (type $ft (func (param i32) (result i32))) (type $ct (cont $ft))
    (type $uf (func (result i32))) (type $uc (cont $uf)) (tag $t)
    (elem declare func $calls $host $waits)
    (func $calls (export "plain") (type $ft) (call $host (local.get 0)))
    (func $waits (type $ft) (suspend $t) (call $host (local.get 0)))
    (func (export "callee") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $calls))))
    (func (export "body") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $host))))
    (func (export "waited") (type $ft)
      (block $h (result (ref $uc))
        (return (resume $ct (on $t $h) (local.get 0) (cont.new $ct (ref.func $waits)))))
      (resume $uc)))"#;

/// Calls in the way that is asked for, if that is allowed here, and else by `call_async`.
fn call_somehow(
    mut store: impl AsContextMut<Data = ()>,
    func: &TypedFunc<i32, i32>,
    n: i32,
    sync: bool,
) -> Result<i32> {
    if sync {
        match func.call(&mut store, n) {
            Err(error) if error.root_cause().to_string().contains("cannot do blocking") => {}
            result => return result,
        }
    }
    block_on(func.call_async(&mut store, n))
}

const EXPORTS: [&str; 4] = ["plain", "callee", "body", "waited"];

/// A sync host function that enters Wasm again in a call that the embedder makes by `call_async`: that is refused, since
/// nothing would end it, on continuations too.
#[test]
fn sync_recursion_in_an_async_call() {
    in_child("sync_recursion_in_an_async_call", || sync_in_async(&EXPORTS));
}

fn sync_in_async(exports: &[&'static str]) {
    each_backend(|config| {
        for &export in exports {
            let engine = Engine::new(&config()).unwrap();
            let mut store = Store::new(&engine, 0);
            let host = Func::wrap(&mut store, move |mut caller: Caller<'_, u32>, n: i32| -> Result<i32> {
                *caller.data_mut() += 1;
                let again = caller.get_export(export).and_then(|e| e.into_func()).unwrap();
                again.typed::<i32, i32>(&caller)?.call(&mut caller, n)
            });
            let module = Module::new(&engine, MODULE).unwrap();
            let instance = block_on(Instance::new_async(&mut store, &module, &[host.into()])).unwrap();
            let run = instance.get_typed_func::<i32, i32>(&mut store, export).unwrap();
            let error = block_on(run.call_async(&mut store, 1)).unwrap_err();
            assert!(error.root_cause().to_string().contains("cannot do blocking"), "{export}: {error:?}");
            assert_eq!(*store.data(), 1, "{export}");
            assert_eq!(store.continuation_statistics().alive, 0);
        }
    });
}

/// Sync outside, `call_async` inside a sync host function that blocks on it, and so on; bounded by the host alone, since each
/// has a stack of its own. The references that outer levels hold are whole.
#[test]
fn async_calls_in_sync_hosts() {
    in_child("async_calls_in_sync_hosts", || {
        each_backend(|config| {
            let engine = Engine::new(&config()).unwrap();
            let mut store = Store::new(&engine, ());
            let host = Func::wrap(&mut store, |mut caller: Caller<'_, ()>, n: i32| -> Result<i32> {
                if n == 0 {
                    caller.gc(None)?;
                    return Ok(0);
                }
                let again = caller.get_export(EXPORTS[n as usize % 4]).and_then(|e| e.into_func()).unwrap();
                let again = again.typed::<i32, i32>(&caller)?;
                Ok(call_somehow(&mut caller, &again, n - 1, n % 3 == 0)? + 1)
            });
            let module = Module::new(&engine, MODULE).unwrap();
            let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
            for export in EXPORTS {
                let run = instance.get_typed_func::<i32, i32>(&mut store, export).unwrap();
                for n in 0..30 {
                    assert_eq!(run.call(&mut store, n).unwrap(), n);
                    assert_eq!(block_on(run.call_async(&mut store, n)).unwrap(), n);
                }
            }
            assert_eq!(store.continuation_statistics().alive, 0);
        });
    });
}

/// Recursion in Wasm, on the initial stack and on continuations, from each depth of mixed entries, ends in a trap; the
/// levels around it go on.
#[test]
fn overflow_at_every_level() {
    const OVERFLOWS: &str = r#"(module
        (import "" "host" (func $host (param i32) (result i32)))
        (type $ft (func (param i32) (result i32))) (type $ct (cont $ft))
        (elem declare func $calls $down)
        (func $down (type $ft) (i32.add (i32.const 1) (call $down (local.get 0))))
        (func $calls (type $ft) (call $host (local.get 0)))
        (func (export "level") (type $ft)
          (resume $ct (local.get 0) (cont.new $ct (ref.func $calls))))
        (func (export "down") (type $ft) (call $down (local.get 0)))
        (func (export "down-on") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $down)))))"#;
    in_child("overflow_at_every_level", || {
        each_backend(|config| {
            for size in [16 << 10, 512 << 10] {
                let engine = Engine::new(config().continuation_stack_size(size)).unwrap();
                let mut store = Store::new(&engine, ());
                let host = Func::wrap(&mut store, |mut caller: Caller<'_, ()>, n: i32| -> Result<i32> {
                    for export in ["down", "down-on"] {
                        let down = caller.get_export(export).and_then(|e| e.into_func()).unwrap();
                        let down = down.typed::<i32, i32>(&caller)?;
                        for asynchronous in [false, true] {
                            let error = call_somehow(&mut caller, &down, 0, !asynchronous).unwrap_err();
                            assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
                        }
                    }
                    if n == 0 {
                        return Ok(0);
                    }
                    let level = caller.get_export("level").and_then(|e| e.into_func()).unwrap();
                    let level = level.typed::<i32, i32>(&caller)?;
                    Ok(call_somehow(&mut caller, &level, n - 1, n % 2 == 0)? + 1)
                });
                let module = Module::new(&engine, OVERFLOWS).unwrap();
                let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
                let run = instance.get_typed_func::<i32, i32>(&mut store, "level").unwrap();
                for n in 0..4 {
                    assert_eq!(run.call(&mut store, n).unwrap(), n);
                    assert_eq!(block_on(run.call_async(&mut store, n)).unwrap(), n);
                }
                assert_eq!(store.continuation_statistics().alive, 0);
            }
        });
    });
}

/// Threads with as little stack as Wasm and the host need: nothing is taken from elsewhere.
#[test]
fn threads_with_small_stacks() {
    in_child("threads_with_small_stacks", || {
        each_backend(|config| {
            let engine =
                Engine::new(config().max_wasm_stack(64 << 10).continuation_stack_size(16 << 10)).unwrap();
            let module = Module::new(&engine, MODULE).unwrap();
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    let run = || {
                        let mut store = Store::new(&engine, ());
                        let host =
                            Func::wrap(&mut store, |mut caller: Caller<'_, ()>, n: i32| -> Result<i32> {
                                let again = caller
                                    .get_export(EXPORTS[n as usize % 4])
                                    .and_then(|e| e.into_func())
                                    .unwrap();
                                again.typed::<i32, i32>(&caller)?.call(&mut caller, n + 1)
                            });
                        let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
                        for export in EXPORTS {
                            let run = instance.get_typed_func::<i32, i32>(&mut store, export).unwrap();
                            let error = run.call(&mut store, 1).unwrap_err();
                            assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
                        }
                    };
                    std::thread::Builder::new().stack_size(320 << 10).spawn_scoped(scope, run).unwrap();
                }
            });
        });
    });
}

/// An async host function that enters Wasm by `call_async` and waits on each of many levels, moving between threads.
#[test]
fn deep_async_levels() {
    in_child("deep_async_levels", || {
        each_backend(|config| {
            let engine = Engine::new(config().continuation_stack_size(16 << 10)).unwrap();
            let mut store = Store::new(&engine, ());
            let mut linker = Linker::new(&engine);
            linker
                .func_wrap_async("", "host", |mut caller: Caller<'_, ()>, (n,): (i32,)| {
                    Box::new(async move {
                        wait(1).await;
                        if n == 0 {
                            return Ok(0);
                        }
                        let again =
                            caller.get_export(EXPORTS[n as usize % 4]).and_then(|e| e.into_func()).unwrap();
                        let result = again.typed::<i32, i32>(&caller)?.call_async(&mut caller, n - 1).await?;
                        wait(1).await;
                        Ok::<i32, Error>(result + 1)
                    })
                })
                .unwrap();
            let module = Module::new(&engine, MODULE).unwrap();
            let instance = block_on(linker.instantiate_async(&mut store, &module)).unwrap();
            let run = instance.get_typed_func::<i32, i32>(&mut store, "callee").unwrap();
            assert_eq!(block_on(run.call_async(&mut store, 60)).unwrap(), 60);
            // Dropped at every other poll.
            for polls in (1..120).step_by(9) {
                assert!(polled(pin!(run.call_async(&mut store, 60)), polls).is_none());
                assert_eq!(store.continuation_statistics().alive, 0);
            }
        });
    });
}
