//! Attacks on host calls: async host functions of every kind on continuations, nested and re-entering by `call_async`; futures dropped
//! at every poll with references live; stores that wait in turn; what panics when it is dropped.

#[path = "support/levels.rs"]
mod levels;
mod support;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use support::{COLLECTORS, block_on, each_backend, each_collector, names, polled, wait};
use wasmfx::wasmtime::*;

/// An async host function, which gets a reference and gives it back.
const WAIT: &str = r#"
    (import "" "wait" (func $wait (param i32 i32 (ref null $s)) (result (ref null $s))))
    (type $wf (func (param i32 i32 (ref null $s)) (result (ref null $s)))) (type $wc (cont $wf))
    (elem declare func $wait)"#;

/// That function as body.
const WAITS: &str = r#"
    (call $check
      (resume $wc (i32.const 1) (i32.const 2) (struct.new $s (i32.const 77)) (cont.new $wc (ref.func $wait)))
      (i32.const 77))"#;

/// Counts those that are alive.
struct Guard(Arc<AtomicUsize>);

impl Guard {
    fn new(count: &Arc<AtomicUsize>) -> Guard {
        count.fetch_add(1, Relaxed);
        Guard(count.clone())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[derive(Default)]
struct Data {
    trace: Vec<String>,
    guards: Arc<AtomicUsize>,
}

fn linker(engine: &Engine) -> Linker<Data> {
    let mut linker = Linker::new(engine);
    linker
        .func_wrap_async("", "host", |mut caller: Caller<'_, Data>, (how,): (i32,)| {
            Box::new(async move {
                let _guard = Guard::new(&caller.data().guards);
                wait(1).await;
                let level = caller.get_export("level").and_then(|e| e.into_func()).unwrap();
                let result = level.typed::<i32, ()>(&caller)?.call_async(&mut caller, how).await;
                wait(1).await;
                result
            })
        })
        .unwrap();
    linker
        .func_wrap_async("", "collect", |mut caller: Caller<'_, Data>, (): ()| {
            Box::new(async move {
                let _guard = Guard::new(&caller.data().guards);
                let churn = caller.get_export("churn").and_then(|e| e.into_func()).unwrap();
                for _ in 0..2 {
                    wait(1).await;
                    caller.gc_async(None).await?;
                    churn.typed::<(), ()>(&caller)?.call_async(&mut caller, ()).await?;
                }
                caller.data_mut().trace = names(&WasmBacktrace::force_capture(&caller));
                Ok(())
            })
        })
        .unwrap();
    let s = StructType::new(engine, [FieldType::new(Mutability::Const, StorageType::ValType(ValType::I32))])
        .unwrap();
    let s = ValType::Ref(RefType::new(true, HeapType::ConcreteStruct(s)));
    let ty = FuncType::new(engine, [ValType::I32, ValType::I32, s.clone()], [s]);
    linker
        .func_new_async("", "wait", ty, |mut caller, args, results| {
            Box::new(async move {
                let _guard = Guard::new(&caller.data().guards);
                wait(args[0].unwrap_i32() as u32).await;
                caller.gc_async(None).await?;
                assert_eq!(args[1].unwrap_i32(), 2);
                results[0] = args[2];
                Ok(())
            })
        })
        .unwrap();
    linker
}

struct Setup {
    store: Store<Data>,
    run: TypedFunc<i32, ()>,
    wrong: Global,
}

fn module(engine: &Engine) -> Module {
    Module::new(engine, levels::module(WAIT, WAITS)).unwrap()
}

fn setup(engine: &Engine, module: &Module) -> Setup {
    let mut store = Store::new(engine, Data::default());
    let instance = block_on(linker(engine).instantiate_async(&mut store, module)).unwrap();
    let run = instance.get_typed_func::<i32, ()>(&mut store, "level").unwrap();
    let wrong = instance.get_global(&mut store, "wrong").unwrap();
    Setup { store, run, wrong }
}

impl Setup {
    fn check(&mut self, how: i32, what: &str) {
        assert_eq!(self.wrong.get(&mut self.store).unwrap_i32(), 0, "{what}, way {how:#x}");
        assert_eq!(self.store.continuation_statistics().alive, 0, "{what}, way {how:#x}");
        assert_eq!(self.store.data().guards.load(Relaxed), 0, "{what}, way {how:#x}");
    }

    fn run(&mut self, how: i32) {
        block_on(self.run.call_async(&mut self.store, how)).unwrap();
        self.check(how, "run");
        let expected = levels::names(how);
        let most = expected.len().min(20);
        assert_eq!(self.store.data().trace[..most], expected[..most], "way {how:#x}");
    }
}

/// All of up to three levels, and some of four and five.
fn ways() -> impl Iterator<Item = i32> {
    let mut state = 12345_u32;
    let random = std::iter::repeat_with(move || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        let levels = 4 + (state >> 30) as i32 % 2;
        1 << (2 * levels) | (state >> 8) as i32 & ((1 << (2 * levels)) - 1)
    });
    levels::ways(3).chain(random.take(40))
}

#[test]
fn async_hosts_one_to_five_deep() {
    each_collector(&COLLECTORS, |config| {
        let engine = Engine::new(&config).unwrap();
        let mut setup = setup(&engine, &module(&engine));
        ways().for_each(|how| setup.run(how));
    });
}

/// The future of a call is dropped after each number of polls; then there is a collection, and the store goes on.
#[test]
fn futures_dropped_at_every_poll() {
    each_collector(&COLLECTORS, |config| {
        let engine = Engine::new(&config).unwrap();
        let mut setup = setup(&engine, &module(&engine));
        for how in
            [0x1, 0x4, 0x5, 0x6, 0x7, 0x10 | 0x4, 0x1d, 0x1f, 0x13, 0x40 | 0x1b, 0x100 | 0x4e, 0x400 | 0x0d3]
        {
            for polls in 1.. {
                let done = polled(pin!(setup.run.call_async(&mut setup.store, how)), polls).is_some();
                setup.check(how, "dropped");
                block_on(setup.store.gc_async(None)).unwrap();
                if polls % 3 == 0 {
                    setup.run(how);
                }
                if done {
                    assert!(polls > 3);
                    break;
                }
            }
            setup.run(how);
        }
    });
}

/// A store and its call in one future that is dropped, or forgotten, while it waits.
#[test]
fn stores_dropped_with_their_futures() {
    each_backend(|config| {
        let engine = Engine::new(config().continuation_stack_size(16 << 10)).unwrap();
        let module = module(&engine);
        for polls in 1..30 {
            for how in [0x1d, 0x400 | 0x0d3] {
                let mut setup = setup(&engine, &module);
                let guards = setup.store.data().guards.clone();
                let mut call = Box::pin(async move { setup.run.call_async(&mut setup.store, how).await });
                if polled(call.as_mut(), polls).is_some() {
                    continue;
                }
                if polls % 7 == 0 {
                    std::mem::forget(call);
                } else {
                    drop(call);
                    assert_eq!(guards.load(Relaxed), 0);
                }
            }
        }
    });
}

/// Many stores wait in turn, on one thread and moving from one to another.
#[test]
fn stores_that_wait_in_turn() {
    type Call = Pin<Box<dyn Future<Output = Setup> + Send>>;
    each_backend(|config| {
        let engine = Engine::new(config().continuation_stack_size(16 << 10)).unwrap();
        let module = module(&engine);
        let hows: Vec<i32> = ways().collect();
        let mut calls: Vec<Call> = (0..24)
            .map(|i| {
                let mut setup = setup(&engine, &module);
                let hows: Vec<i32> = hows.iter().copied().skip(i).step_by(24).collect();
                Box::pin(async move {
                    for how in hows {
                        setup.run.call_async(&mut setup.store, how).await.unwrap();
                    }
                    setup
                }) as Call
            })
            .collect();
        let mut ended = 0;
        while !calls.is_empty() {
            // A round on each of two threads, of all that are left.
            let half = calls.split_off(calls.len() / 2);
            let round = |calls: Vec<Call>| {
                std::thread::spawn(move || {
                    let mut context = Context::from_waker(Waker::noop());
                    let (mut left, mut ended) = (Vec::new(), 0);
                    for mut call in calls {
                        match call.as_mut().poll(&mut context) {
                            Poll::Ready(mut setup) => {
                                setup.check(0, "in turn");
                                ended += 1;
                            }
                            Poll::Pending => left.push(call),
                        }
                    }
                    (left, ended)
                })
            };
            let threads = [round(std::mem::take(&mut calls)), round(half)];
            // Swapped, so that calls change threads.
            for thread in threads.into_iter().rev() {
                let (left, more) = thread.join().unwrap();
                calls.extend(left);
                ended += more;
            }
        }
        assert_eq!(ended, 24);
    });
}

/// Futures of host functions that panic: when polled, and when dropped.
#[test]
fn futures_that_panic() {
    const MODULE: &str = r#"(module
        (import "" "host" (func $host (param i32)))
        (type $ft (func (param i32))) (type $ct (cont $ft))
        (elem declare func $host $calls $nests)
        (func $calls (type $ft) (call $host (local.get 0)))
        (func $nests (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $calls))))
        (func (export "body") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $host))))
        (func (export "callee") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $calls))))
        (func (export "nested") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $nests)))))"#;
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("dropped");
            }
        }
    }
    each_backend(|config| {
        let engine = Engine::new(config().continuation_stack_size(16 << 10)).unwrap();
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        linker
            .func_wrap_async("", "host", |_: Caller<'_, ()>, (how,): (i32,)| {
                Box::new(async move {
                    wait(1).await;
                    match how {
                        1 => panic!("polled"),
                        2 => {
                            let _bomb = Bomb;
                            wait(5).await;
                        }
                        _ => wait(1).await,
                    }
                })
            })
            .unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let instance = block_on(linker.instantiate_async(&mut store, &module)).unwrap();
        for export in ["body", "callee", "nested"] {
            let run = instance.get_typed_func::<i32, ()>(&mut store, export).unwrap();
            for _ in 0..3 {
                let panic =
                    catch_unwind(AssertUnwindSafe(|| block_on(run.call_async(&mut store, 1)))).unwrap_err();
                assert_eq!(panic.downcast_ref(), Some(&"polled"), "{export}");
                assert_eq!(store.continuation_statistics().alive, 0, "{export}");
                // Dropped while the bomb is alive, and by the end of the wait.
                for polls in [2, 3, 10] {
                    let panic = catch_unwind(AssertUnwindSafe(|| {
                        let _ = polled(Box::pin(run.call_async(&mut store, 2)).as_mut(), polls);
                    }))
                    .unwrap_err();
                    assert_eq!(panic.downcast_ref(), Some(&"dropped"), "{export}");
                    assert_eq!(store.continuation_statistics().alive, 0, "{export}");
                }
                block_on(run.call_async(&mut store, 0)).unwrap();
                assert_eq!(store.continuation_statistics().alive, 0, "{export}");
            }
        }
    });
}
