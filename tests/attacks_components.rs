//! Attacks: components whose core modules use continuations, and call lowered imports, other components and `realloc` from
//! them; tasks that wait on continuations in turn; stores dropped meanwhile.

mod support;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use support::{FREEING, block_on, each_backend, polled, wait};
use wasmfx::wasmtime::component::{Component, Linker};
use wasmfx::wasmtime::*;

/// Imports `f`, with a string each way, and exports functions that call it, with continuations all around: to be filled in
/// with what comes before the core module, and `async` or nothing.
fn component(asynchronous: bool) -> String {
    const CORE: &str = r#"
    (core module $Mem
      (type $ft (func (param i32) (result i32))) (type $ct (cont $ft)) (elem declare func $bump)
      (memory (export "m") 1 100)
      (global $end (mut i32) (i32.const 4096))
      (func $bump (type $ft)
        (global.get $end)
        (global.set $end (i32.and (i32.const 0x7fff) (i32.add (global.get $end) (i32.add (local.get 0) (i32.const 16)))))
        (if (i32.lt_u (global.get $end) (i32.const 4096)) (then (global.set $end (i32.const 4096)))))
      ;; On a continuation of its own.
      (func (export "realloc") (param i32 i32 i32 i32) (result i32)
        (resume $ct (local.get 3) (cont.new $ct (ref.func $bump)))))
    (core instance $mem (instantiate $Mem))
    (core func $lf (canon lower (func $f) (memory (core memory $mem "m")) (realloc (core func $mem "realloc"))))
    (core module $M
      (import "" "f" (func $f (param i32 i32 i32)))
      (import "" "m" (memory 1))
      (type $s (struct (field i32)))
      (type $ft (func (param i32) (result i32))) (type $ct (cont $ft))
      (type $bf (func (param i32 i32 i32))) (type $bc (cont $bf))
      (type $uf (func (result i32))) (type $uc (cont $uf)) (tag $t)
      (elem declare func $calls $nests $waits $f $down $traps)
      (data (i32.const 100) "hello")
      (func $churn (local $i i32)
        (local.set $i (i32.const 200))
        (loop $l (drop (struct.new $s (i32.const 9)))
          (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
      ;; The length of what came back, and its first byte times 1000.
      (func $value (result i32)
        (i32.add (i32.load (i32.const 12)) (i32.mul (i32.const 1000) (i32.load8_u (i32.load (i32.const 8))))))
      (func $calls (type $ft) (local $a (ref null $s))
        (local.set $a (struct.new $s (local.get 0)))
        (call $f (i32.const 100) (local.get 0) (i32.const 8))
        (call $churn)
        (if (i32.ne (struct.get $s 0 (local.get $a)) (local.get 0)) (then (unreachable)))
        (call $value))
      (func $nests (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $calls))))
      (func $waits (type $ft) (drop (call $calls (local.get 0))) (suspend $t) (call $nests (local.get 0)))
      (func $down (type $ft) (drop (call $calls (local.get 0))) (i32.add (i32.const 1) (call $down (local.get 0))))
      (func $traps (type $ft) (unreachable))
      (func (export "run") (param $how i32) (param $n i32) (result i32)
        (block $4 (block $3 (block $2 (block $1 (block $0
          (br_table $0 $1 $2 $3 $4 (local.get $how)))
          (return (resume $ct (local.get $n) (cont.new $ct (ref.func $calls)))))
          (return (resume $ct (local.get $n) (cont.new $ct (ref.func $nests)))))
          (resume $bc (i32.const 100) (local.get $n) (i32.const 8) (cont.new $bc (ref.func $f)))
          (return (call $value)))
          (block $h (result (ref $uc))
            (return (resume $ct (on $t $h) (local.get $n) (cont.new $ct (ref.func $waits)))))
          (return (resume $uc)))
        (resume $ct (local.get $n) (cont.new $ct (ref.func $down)))))
    (core instance $m (instantiate $M (with "" (instance (export "f" (func $lf)) (export "m" (memory $mem "m"))))))
    (func (export "run") @async (param "how" u32) (param "n" u32) (result u32) (canon lift (core func $m "run")))
    ;; As `f` itself, by way of a continuation.
    (core module $G
      (import "" "f" (func $f (param i32 i32 i32)))
      (import "" "m" (memory 1))
      (type $bf (func (param i32 i32 i32))) (type $bc (cont $bf)) (elem declare func $f)
      (func (export "g") (param i32 i32) (result i32)
        (resume $bc (local.get 0) (local.get 1) (i32.const 16) (cont.new $bc (ref.func $f)))
        (i32.const 16)))
    (core instance $g (instantiate $G (with "" (instance (export "f" (func $lf)) (export "m" (memory $mem "m"))))))
    (func (export "g") @async (param "s" string) (result string)
      (canon lift (core func $g "g") (memory (core memory $mem "m")) (realloc (core func $mem "realloc"))))"#;
    let text = format!(
        r#"(component
        (import "f" (func $host @async (param "s" string) (result string)))
        (component $C (import "f" (func $f @async (param "s" string) (result string))) {CORE})
        (instance $c1 (instantiate $C (with "f" (func $host))))
        (instance $c2 (instantiate $C (with "f" (func $c1 "g"))))
        (instance $c3 (instantiate $C (with "f" (func $c2 "g"))))
        (export "one" (func $c1 "run")) (export "two" (func $c2 "run")) (export "three" (func $c3 "run")))"#
    );
    text.replace("@async", if asynchronous { "async" } else { "" })
}

const EXPORTS: [&str; 3] = ["one", "two", "three"];

fn configured(config: Config, collector: Collector, concurrency: bool) -> Engine {
    let mut config = config;
    config.wasm_component_model(true).collector(collector).continuation_stack_size(16 << 10);
    config.concurrency_support(concurrency);
    Engine::new(&config).unwrap()
}

#[test]
fn lowered_imports_and_adapters() {
    each_backend(|config| {
        for (collector, concurrency) in FREEING.into_iter().flat_map(|c| [(c, true), (c, false)]) {
            let engine = configured(config(), collector, concurrency);
            let component = Component::new(&engine, component(false)).unwrap();
            let mut linker = Linker::<u32>::new(&engine);
            let inner = component.clone();
            linker
                .root()
                .func_wrap("f", move |mut store: StoreContextMut<'_, u32>, (s,): (String,)| {
                    store.gc(None)?;
                    let deeper = store.data_mut();
                    if *deeper > 0 {
                        // Another instance of it, in the same store.
                        *deeper -= 1;
                        let mut linker = Linker::<u32>::new(store.engine());
                        linker.root().func_wrap(
                            "f",
                            |mut store: StoreContextMut<'_, u32>, (s,): (String,)| {
                                store.gc(None)?;
                                Ok((s + "!",))
                            },
                        )?;
                        let instance = linker.instantiate(&mut store, &inner)?;
                        let run = instance.get_typed_func::<(u32, u32), (u32,)>(&mut store, "two")?;
                        assert_eq!(run.call(&mut store, (3, 4))?.0, u32::from(b'h') * 1000 + 5);
                    }
                    match s.len() {
                        0 => bail!("the host says no"),
                        1 => panic!("the host panics"),
                        _ => Ok((s + "!",)),
                    }
                })
                .unwrap();
            for export in EXPORTS {
                for how in 0..5 {
                    for n in 0..6 {
                        let mut store = Store::new(&engine, 2);
                        let instance = linker.instantiate(&mut store, &component).unwrap();
                        let run = instance.get_typed_func::<(u32, u32), (u32,)>(&mut store, export).unwrap();
                        for _ in 0..2 {
                            let result = catch_unwind(AssertUnwindSafe(|| run.call(&mut store, (how, n))));
                            match (n, result) {
                                (0, Ok(Err(error))) => {
                                    assert!(format!("{error:?}").contains("the host says no"), "{error:?}");
                                    break;
                                }
                                (1, Err(panic)) => {
                                    assert_eq!(panic.downcast_ref(), Some(&"the host panics"));
                                    break;
                                }
                                (_, Ok(Err(error))) if how == 4 => {
                                    assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
                                    break;
                                }
                                (_, Ok(Ok((value,)))) if n > 1 && how < 4 => {
                                    assert_eq!(value, u32::from(b'h') * 1000 + n + 1);
                                }
                                (_, result) => panic!("{export}, {how}, {n}: {result:?}"),
                            }
                        }
                        assert_eq!(store.continuation_statistics().alive, 0, "{export}, {how}, {n}");
                    }
                }
            }
        }
    });
}

/// Async host functions, dropped at every poll.
#[test]
fn async_lowered_imports() {
    each_backend(|config| {
        for (collector, concurrency) in FREEING.into_iter().flat_map(|c| [(c, true), (c, false)]) {
            let engine = configured(config(), collector, concurrency);
            let component = Component::new(&engine, component(false)).unwrap();
            let mut linker = Linker::<()>::new(&engine);
            linker
                .root()
                .func_wrap_async("f", |mut store: StoreContextMut<'_, ()>, (s,): (String,)| {
                    Box::new(async move {
                        wait(1).await;
                        store.gc_async(None).await?;
                        wait(1).await;
                        Ok((s + "!",))
                    })
                })
                .unwrap();
            for export in EXPORTS {
                for how in 0..4 {
                    for polls in 1.. {
                        let mut store = Store::new(&engine, ());
                        let instance = block_on(linker.instantiate_async(&mut store, &component)).unwrap();
                        let run = instance.get_typed_func::<(u32, u32), (u32,)>(&mut store, export).unwrap();
                        let result = polled(pin!(run.call_async(&mut store, (how, 4))), polls);
                        let _ = block_on(store.gc_async(None));
                        // With concurrency a task goes on, if the store is asked to, after its future is gone.
                        assert!(concurrency || store.continuation_statistics().alive == 0);
                        if let Some(result) = result {
                            assert_eq!(result.unwrap().0, u32::from(b'h') * 1000 + 5);
                            assert_eq!(store.continuation_statistics().alive, 0);
                            break;
                        }
                    }
                }
            }
        }
    });
}

/// Tasks of one store that wait in turn, each on continuations, and collect meanwhile; the store goes in the middle of it.
#[test]
fn tasks_that_wait_in_turn() {
    each_backend(|config| {
        for collector in FREEING {
            let mut config = config();
            config.wasm_component_model_async(true);
            let engine = configured(config, collector, true);
            let component = Component::new(&engine, component(true)).unwrap();
            let mut linker = Linker::<u32>::new(&engine);
            linker
                .root()
                .func_wrap_concurrent("f", |accessor, (s,): (String,)| {
                    Box::pin(async move {
                        let turns = accessor.with(|mut access| {
                            let data = access.data_mut();
                            *data = data.wrapping_mul(1664525).wrapping_add(1013904223);
                            *data >> 29
                        });
                        wait(turns).await;
                        accessor.with(|mut access| access.as_context_mut().gc(None))?;
                        wait(turns / 2).await;
                        Ok((s + "!",))
                    })
                })
                .unwrap();
            for dropped in [usize::MAX, 1, 2, 3, 5, 8, 13, 21] {
                let mut store = Store::new(&engine, 1);
                let instances: Vec<_> = (0..3)
                    .map(|_| block_on(linker.instantiate_async(&mut store, &component)).unwrap())
                    .collect();
                let funcs: Vec<_> = instances
                    .iter()
                    .flat_map(|instance| {
                        EXPORTS.map(|export| {
                            instance.get_typed_func::<(u32, u32), (u32,)>(&mut store, export).unwrap()
                        })
                    })
                    .collect();
                let future = async {
                    store
                        .run_concurrent(async |accessor| {
                            let calls = funcs.iter().enumerate().map(|(i, func)| async move {
                                for how in 0..4 {
                                    let n = 2 + i as u32 % 3;
                                    let (value,) = func.call_concurrent(accessor, (how, n)).await.unwrap();
                                    assert_eq!(value, u32::from(b'h') * 1000 + n + 1, "{how}");
                                }
                            });
                            let mut calls: Vec<_> = calls.map(Box::pin).map(Some).collect();
                            std::future::poll_fn(|context| {
                                for call in &mut calls {
                                    if call
                                        .as_mut()
                                        .is_some_and(|call| call.as_mut().poll(context).is_ready())
                                    {
                                        *call = None;
                                    }
                                }
                                if calls.iter().all(Option::is_none) {
                                    std::task::Poll::Ready(())
                                } else {
                                    std::task::Poll::Pending
                                }
                            })
                            .await
                        })
                        .await
                        .unwrap();
                };
                if polled(Box::pin(future).as_mut(), dropped).is_some() {
                    assert_eq!(store.continuation_statistics().alive, 0);
                }
                store.gc(None).unwrap();
                drop(store);
            }
        }
    });
}
