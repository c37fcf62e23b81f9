//! Hooks of an embedder that run where the host enters Wasm: they may collect, wherever the Wasm is that called the host. `cargo test --features call-hook --test hooks`.

#![cfg(feature = "call-hook")]

mod support;

use support::{FREEING, block_on, each_backend, wait};
use wasmfx::wasmtime::*;

/// References in locals of functions on the host's stack and on continuations', with the host called in between.
const MODULE: &str = r#"(module
    (import "" "host" (func $host (param i32)))
    (type $ft (func (param i32))) (type $ct (cont $ft)) (type $s (struct (field i32)))
    (elem declare func $host $level)
    (global $wrong (export "wrong") (mut i32) (i32.const 0))
    (func (export "churn") (local $i i32)
      (local.set $i (i32.const 50))
      (loop $l (drop (struct.new $s (i32.const 9)))
        (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
    (func $level (export "level") (type $ft) (local $a (ref null $s)) (local $b (ref null $s))
      (local.set $a (struct.new $s (i32.const 111)))
      (local.set $b (struct.new $s (i32.const 222)))
      (if (local.get 0)
        (then
          (if (i32.and (local.get 0) (i32.const 1))
            (then (resume $ct (local.get 0) (cont.new $ct (ref.func $host))))
            (else (if (i32.and (local.get 0) (i32.const 2))
              (then (resume $ct (i32.sub (local.get 0) (i32.const 1)) (cont.new $ct (ref.func $level))))
              (else (call $host (local.get 0))))))))
      (global.set $wrong (i32.add (global.get $wrong)
        (i32.add (i32.ne (struct.get $s 0 (local.get $a)) (i32.const 111))
          (i32.ne (struct.get $s 0 (local.get $b)) (i32.const 222)))))))"#;

#[derive(Default)]
struct State {
    churn: Option<TypedFunc<(), ()>>,
    inside: bool,
    collections: u32,
    /// Whether the hook at an entry has failed.
    entry_fails: bool,
}

/// Collects, and makes objects where those were that were lost. Not in the calls that this makes.
fn collect(mut store: StoreContextMut<'_, State>) -> Result<()> {
    let Some(churn) = store.data().churn.clone().filter(|_| !store.data().inside) else { return Ok(()) };
    store.data_mut().inside = true;
    store.data_mut().collections += 1;
    store.gc(None)?;
    churn.call(&mut store, ())?;
    store.gc(None)?;
    store.data_mut().inside = false;
    Ok(())
}

#[test]
fn hooks_that_collect() {
    each_backend(|config| {
        for collector in FREEING {
            let engine = Engine::new(config().collector(collector)).unwrap();
            let mut store = Store::new(&engine, State::default());
            // Not where a builtin returns what it has just made: nothing has that yet.
            store.call_hook(
                |store, hook| if matches!(hook, CallHook::CallingWasm) { collect(store) } else { Ok(()) },
            );
            let host = Func::wrap(&mut store, |mut caller: Caller<'_, State>, n: i32| -> Result<()> {
                let level = caller.get_export("level").and_then(|e| e.into_func()).unwrap();
                level.typed::<i32, ()>(&caller)?.call(&mut caller, n - 1)
            });
            let module = Module::new(&engine, MODULE).unwrap();
            let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
            let churn = instance.get_typed_func(&mut store, "churn").unwrap();
            let level = instance.get_typed_func::<i32, ()>(&mut store, "level").unwrap();
            store.data_mut().churn = Some(churn);
            for n in 0..10 {
                level.call(&mut store, n).unwrap();
                let wrong = instance.get_global(&mut store, "wrong").unwrap();
                assert_eq!(wrong.get(&mut store).unwrap_i32(), 0, "{collector:?}, {n}");
            }
            assert!(store.data().collections > 20, "{}", store.data().collections);
        }
    });
}

/// A hook that waits before it collects, in a call that waits as well.
#[test]
fn hooks_that_wait() {
    struct Waits;
    impl CallHookHandler<State> for Waits {
        fn handle_call_event<'life0, 'life1, 'async_trait>(
            &'life0 self,
            mut store: StoreContextMut<'life1, State>,
            hook: CallHook,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send + 'async_trait>>
        where
            'life0: 'async_trait,
            'life1: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async move {
                wait(1).await;
                if store.data().inside || !matches!(hook, CallHook::CallingWasm) {
                    return Ok(());
                }
                let Some(churn) = store.data().churn.clone() else { return Ok(()) };
                store.data_mut().inside = true;
                store.data_mut().collections += 1;
                store.gc_async(None).await?;
                churn.call_async(&mut store, ()).await?;
                store.gc_async(None).await?;
                store.data_mut().inside = false;
                Ok(())
            })
        }
    }
    each_backend(|config| {
        let engine = Engine::new(&config()).unwrap();
        let mut store = Store::new(&engine, State::default());
        store.call_hook_async(Waits);
        let mut linker = Linker::new(&engine);
        linker
            .func_wrap_async("", "host", |mut caller: Caller<'_, State>, (n,): (i32,)| {
                Box::new(async move {
                    let level = caller.get_export("level").and_then(|e| e.into_func()).unwrap();
                    wait(1).await;
                    level.typed::<i32, ()>(&caller)?.call_async(&mut caller, n - 1).await
                })
            })
            .unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let instance = block_on(linker.instantiate_async(&mut store, &module)).unwrap();
        let churn = instance.get_typed_func(&mut store, "churn").unwrap();
        let level = instance.get_typed_func::<i32, ()>(&mut store, "level").unwrap();
        store.data_mut().churn = Some(churn);
        for n in 0..10 {
            block_on(level.call_async(&mut store, n)).unwrap();
            let wrong = instance.get_global(&mut store, "wrong").unwrap();
            assert_eq!(wrong.get(&mut store).unwrap_i32(), 0, "{n}");
        }
        assert!(store.data().collections > 20, "{}", store.data().collections);
    });
}

/// References that are on their way into a continuation while the runtime gives it a stack: in its `VMContRef`, in the function's
/// slots, by `resume` and by `switch`.
const ARGUMENTS: &str = r#"(module
    (type $s (struct (field i32)))
    (type $f (func (param i32 (ref $s)) (result i32))) (type $c (cont $f))
    (type $wf (func (param i32 (ref $s) (ref $s) (ref $s) (ref $s)) (result i32))) (type $wc (cont $wf))
    (type $f0 (func (param i32) (result i32))) (type $c0 (cont $f0))
    (type $f1 (func (result i32))) (type $c1 (cont $f1))
    (type $f2 (func (param (ref $s) (ref null $c1)) (result i32))) (type $c2 (cont $f2))
    (tag $t (result i32))
    (elem declare func $narrow $wide $from $to)
    (func (export "churn") (local $i i32)
      (local.set $i (i32.const 50))
      (loop $l (drop (struct.new $s (i32.const 9)))
        (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
    (func $narrow (export "narrow") (type $f)
      (i32.add (struct.get $s 0 (local.get 1))
        (if (result i32) (local.get 0)
          (then (resume $c (i32.sub (local.get 0) (i32.const 1)) (struct.new $s (local.get 0))
            (cont.new $c (ref.func $narrow))))
          (else (i32.const 0)))))
    (func $wide (export "wide") (type $wf)
      (i32.add (i32.add (struct.get $s 0 (local.get 1)) (struct.get $s 0 (local.get 2)))
        (i32.add (i32.add (struct.get $s 0 (local.get 3)) (struct.get $s 0 (local.get 4)))
          (if (result i32) (local.get 0)
            (then (resume $wc (i32.sub (local.get 0) (i32.const 1)) (struct.new $s (local.get 0))
              (struct.new $s (i32.const 10)) (struct.new $s (i32.const 100)) (struct.new $s (i32.const 1000))
              (cont.new $wc (ref.func $wide))))
            (else (i32.const 0))))))
    (func $to (type $f2) (struct.get $s 0 (local.get 0)))
    (func $from (type $f0)
      (switch $c2 $t (struct.new $s (local.get 0)) (cont.new $c2 (ref.func $to)))
      (unreachable))
    (func (export "resumes") (param i32) (result i32)
      (call $narrow (local.get 0) (struct.new $s (i32.const 0))))
    (func (export "wide_resumes") (param i32) (result i32)
      (call $wide (local.get 0) (struct.new $s (i32.const 0)) (struct.new $s (i32.const 0))
        (struct.new $s (i32.const 0)) (struct.new $s (i32.const 0))))
    (func (export "switches") (param i32) (result i32)
      (resume $c0 (on $t switch) (local.get 0) (cont.new $c0 (ref.func $from)))))"#;

#[test]
fn arguments_are_in_no_hooks_way() {
    each_backend(|config| {
        for collector in FREEING {
            let engine = Engine::new(config().collector(collector)).unwrap();
            let module = Module::new(&engine, ARGUMENTS).unwrap();
            for (name, expected) in [("resumes", 15), ("wide_resumes", 15 + 5 * 1110), ("switches", 5)] {
                // A store of its own: none of its continuations' stacks is idle.
                let mut store = Store::new(&engine, State::default());
                store.call_hook(
                    |store, hook| {
                        if matches!(hook, CallHook::CallingHost) { collect(store) } else { Ok(()) }
                    },
                );
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                let churn = instance.get_typed_func(&mut store, "churn").unwrap();
                store.data_mut().churn = Some(churn);
                let func = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
                assert_eq!(func.call(&mut store, 5).unwrap(), expected, "{collector:?}, {name}");
                assert!(store.data().collections > 0, "{collector:?}, {name}");
            }
        }
    });
}

/// What a hook does to the continuation that the host is about to resume, or has just captured.
#[test]
fn hooks_around_a_resume() {
    const MODULE: &str = r#"(module
        (type $s (struct (field i32)))
        (tag $t (export "t") (param anyref) (result anyref))
        (func (export "f") (param anyref) (result anyref) (suspend $t (local.get 0)))
        (func (export "other") (param funcref) (result i64 i64 i64 i64 i64 i64)
          (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6))
        (func (export "make") (param i32) (result anyref) (struct.new $s (local.get 0)))
        (func (export "get") (param anyref) (result i32) (struct.get $s 0 (ref.cast (ref $s) (local.get 0)))))"#;
    /// What to do at which hook, once.
    type What = Option<(bool, Box<dyn FnOnce(StoreContextMut<'_, State>) -> Result<()> + Send>)>;
    #[derive(Default)]
    struct State(What);
    each_backend(|config| {
        for collector in FREEING {
            let engine = Engine::new(config().collector(collector)).unwrap();
            let module = Module::new(&engine, MODULE).unwrap();
            let mut store = Store::new(&engine, State::default());
            store.call_hook(|mut store, hook| {
                let now = match hook {
                    CallHook::CallingWasm => true,
                    CallHook::ReturningFromWasm => false,
                    _ => return Ok(()),
                };
                match store.data_mut().0.take_if(|(before, _)| *before == now) {
                    Some((_, what)) => what(store),
                    None => Ok(()),
                }
            });
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let func = |store: &mut Store<State>, name: &str| instance.get_func(&mut *store, name).unwrap();
            let (f, other) = (func(&mut store, "f"), func(&mut store, "other"));
            let (make, get) = (func(&mut store, "make"), func(&mut store, "get"));
            let tag = instance.get_tag(&mut store, "t").unwrap();
            let on = [On::Suspend(&tag)];
            let ty = ContType::new(&engine, f.ty(&store)).unwrap();
            let other_ty = ContType::new(&engine, other.ty(&store)).unwrap();
            let mut object = [Val::AnyRef(None)];
            make.call(&mut store, &[Val::I32(7)], &mut object).unwrap();
            let mut results = [Val::AnyRef(None)];

            // It ends the continuation, and makes another one in the same place.
            let cont = ContRef::new(&mut store, &ty, f).unwrap();
            let made = other_ty.clone();
            store.data_mut().0 = Some((
                true,
                Box::new(move |mut store| {
                    cont.discard(&mut store)?;
                    ContRef::new(&mut store, &made, other).map(drop)
                }),
            ));
            let error = cont.resume(&mut store, &object, &mut results, &on).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::ContinuationAlreadyConsumed));
            store.gc(None).unwrap();

            // It collects before the arguments are on their way, and before the payload is the host's.
            for before in [true, false] {
                let cont = ContRef::new(&mut store, &ty, f).unwrap();
                store.data_mut().0 = Some((
                    before,
                    Box::new(move |mut store| {
                        store.gc(None)?;
                        make.call(&mut store, &[Val::I32(9)], &mut [Val::AnyRef(None)])?;
                        store.gc(None)
                    }),
                ));
                let resumed = cont.resume(&mut store, &object, &mut results, &on).unwrap();
                let Resumed::Suspended(suspension) = resumed else { panic!("{resumed:?}") };
                let mut number = [Val::I32(0)];
                get.call(&mut store, &suspension.payload, &mut number).unwrap();
                assert_eq!(number[0].unwrap_i32(), 7);
                suspension.cont.discard(&mut store).unwrap();
            }

            // It fails: before, the reference stays usable; after, what was captured has ended.
            let cont = ContRef::new(&mut store, &ty, f).unwrap();
            for (before, status) in [(true, ContStatus::Fresh), (false, ContStatus::Consumed)] {
                store.data_mut().0 = Some((before, Box::new(|_| bail!("no"))));
                let error = cont.resume(&mut store, &object, &mut results, &on).unwrap_err();
                assert_eq!(error.to_string(), "no");
                assert_eq!(cont.status(&store), status);
            }
            store.gc(None).unwrap();
            // The one that the first hook made is held for ever where nothing searches.
            assert!(store.continuation_statistics().alive <= 1);
        }
    });
}

/// A function of the host suspends, with hooks around it that collect: what it suspends with, what comes back, and what Wasm keeps
/// meanwhile. A hook that fails before the suspend, or after the resume, ends the call.
#[test]
fn hooks_around_a_suspend() {
    const MODULE: &str = r#"(module
        (type $s (struct (field i32)))
        (import "" "ask" (func $ask (param i32) (result anyref)))
        (tag $t (export "t") (param anyref) (result anyref))
        (func (export "churn") (local $i i32)
          (local.set $i (i32.const 50))
          (loop $l (drop (struct.new $s (i32.const 9)))
            (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
        (func (export "make") (param i32) (result anyref) (struct.new $s (local.get 0)))
        (func (export "f") (param $n i32) (result i32) (local $mine (ref $s)) (local $got anyref)
          (local.set $mine (struct.new $s (local.get $n)))
          (local.set $got (call $ask (i32.mul (local.get $n) (i32.const 10))))
          (i32.add (struct.get $s 0 (local.get $mine)) (struct.get $s 0 (ref.cast (ref $s) (local.get $got))))))"#;
    each_backend(|config| {
        for collector in FREEING {
            let engine = Engine::new(config().collector(collector)).unwrap();
            let module = Module::new(&engine, MODULE).unwrap();
            let ty = module.imports().next().unwrap().ty().unwrap_func().clone();
            // The hook that fails, counted from 1: into Wasm, to the host and out of Wasm, before the suspend and after it. An
            // allocation may be a call of the host, too.
            let mut entries = 0;
            for fails in 0..10 {
                let mut store = Store::new(&engine, State::default());
                let mut linker = Linker::new(&engine);
                linker
                    .func_suspending("", "ask", ty.clone(), |mut caller: Caller<'_, State>, args, _| {
                        let tag = caller.get_export("t").unwrap().into_tag().unwrap();
                        // What is just passed to a function of the host is where no collection looks, as in Wasmtime as
                        // published. So this makes the object.
                        let make = caller.get_export("make").unwrap().into_func().unwrap();
                        let mut object = [Val::AnyRef(None)];
                        caller.data_mut().inside = true;
                        make.call(&mut caller, args, &mut object)?;
                        caller.data_mut().inside = false;
                        let then = |_: Caller<'_, State>, answers: &[Val], results: &mut [Val]| {
                            results.copy_from_slice(answers);
                            Ok(Flow::Return)
                        };
                        Ok(Suspend::new(tag, object).then(then).into())
                    })
                    .unwrap();
                let instance = linker.instantiate(&mut store, &module).unwrap();
                let churn = instance.get_typed_func(&mut store, "churn").unwrap();
                let f = instance.get_func(&mut store, "f").unwrap();
                let tag = instance.get_tag(&mut store, "t").unwrap();
                let ty = ContType::new(&engine, f.ty(&store)).unwrap();
                let mut hooks = 0;
                store.call_hook(move |mut store, hook| {
                    // A result that is just returned is where no collection looks, as in Wasmtime as published.
                    if store.data().inside || matches!(hook, CallHook::ReturningFromHost) {
                        return Ok(());
                    }
                    hooks += 1;
                    store.data_mut().entry_fails = hooks == fails && matches!(hook, CallHook::CallingWasm);
                    ensure!(hooks != fails, "a hook fails");
                    collect(store)
                });
                store.data_mut().churn = Some(churn);
                let cont = ContRef::new(&mut store, &ty, f).unwrap();
                let mut results = [Val::I32(0)];
                let on = [On::Suspend(&tag)];
                let mut last = cont;
                let ran = cont.resume(&mut store, &[Val::I32(7)], &mut results, &on).and_then(|resumed| {
                    let Resumed::Suspended(suspension) = resumed else { panic!("it suspends first") };
                    last = suspension.cont;
                    suspension.cont.resume(&mut store, &suspension.payload, &mut results, &on)
                });
                match ran {
                    Ok(Resumed::Returned) => {
                        assert_eq!(results[0].unwrap_i32(), 77, "{collector:?}, {fails}");
                        assert!(fails == 0 || fails > 6, "{collector:?}: hook {fails} was not called");
                    }
                    Ok(Resumed::Suspended(_)) => panic!("it suspends once"),
                    Err(error) => assert!(format!("{error:?}").contains("a hook fails"), "{error:?}"),
                }
                assert!(fails == 1 || store.data().collections > 0);
                entries += i32::from(store.data().entry_fails);
                store.call_hook(|_, _| Ok(()));
                store.gc(None).unwrap();
                let alive = store.continuation_statistics().alive;
                // A hook that fails before Wasm goes on leaves the reference usable.
                let left = usize::from(last.status(&store) != ContStatus::Consumed);
                assert_eq!(alive, left, "{collector:?}, {fails}");
                assert_eq!(left == 1, store.data().entry_fails, "{collector:?}, {fails}");
            }
            assert_eq!(entries, 2, "{collector:?}");
        }
    });
}
