//! Attacks on host calls: what looks at stacks from within host calls on nested continuations: guest profilers, core dumps, backtraces
//! with details; and the pooling allocator beneath async calls that are dropped.

#[path = "support/levels.rs"]
mod levels;
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::time::Duration;
use support::{block_on, each_backend, polled, wait};
use wasmfx::wasmtime::*;

/// `how` has a digit of base four for each level, below a 1; the last one does what the number after it says.
const MODULE: &str = r#"(module
    (import "" "host" (func $host (param i32 i32)))
    (import "" "end" (func $end (param i32)))
    (type $s (struct (field i32)))
    (type $ft (func (param i32 i32))) (type $ct (cont $ft))
    (type $uf (func)) (type $uc (cont $uf)) (tag $t) (tag $e)
    (global (export "g") (mut i32) (i32.const 5)) (memory (export "m") 1) (table funcref (elem $work))
    (elem declare func $host $called $waits)
    (func $work (param $n i32) (loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func $called (type $ft) (local $a (ref null $s))
      (local.set $a (struct.new $s (i32.const 11)))
      (call $work (i32.const 3))
      (call $host (local.get 0) (local.get 1))
      (drop (struct.get $s 0 (local.get $a))))
    (func $waits (type $ft) (suspend $t) (call $work (i32.const 3)) (call $host (local.get 0) (local.get 1)))
    (func $level (export "level") (param $how i32) (param $end i32) (local $way i32) (local $k (ref null $uc))
      (if (i32.eq (local.get $how) (i32.const 1)) (then
        (if (i32.eq (local.get $end) (i32.const 1)) (then (unreachable)))
        (if (i32.eq (local.get $end) (i32.const 2)) (then (drop (i32.load (i32.const -1)))))
        (if (i32.eq (local.get $end) (i32.const 3)) (then (call $level (local.get $how) (local.get $end)) (unreachable)))
        (if (i32.eq (local.get $end) (i32.const 4)) (then (suspend $e)))
        (if (i32.eq (local.get $end) (i32.const 5)) (then (throw $e)))
        (call $end (local.get $end)) (return)))
      (local.set $way (i32.and (local.get $how) (i32.const 3)))
      (local.set $how (i32.shr_u (local.get $how) (i32.const 2)))
      (block $done
        (block $3 (block $2 (block $1 (block $0
          (br_table $0 $1 $2 $3 (local.get $way)))
          (resume $ct (local.get $how) (local.get $end) (cont.new $ct (ref.func $host))) (br $done))
          (resume $ct (local.get $how) (local.get $end) (cont.new $ct (ref.func $called))) (br $done))
          (call $host (local.get $how) (local.get $end)) (br $done))
        (block $h (result (ref $uc))
          (resume $ct (on $t $h) (local.get $how) (local.get $end) (cont.new $ct (ref.func $waits))) (unreachable))
        (local.set $k)
        (resume $uc (local.get $k)))))"#;

fn hows() -> impl Iterator<Item = i32> {
    levels::ways(3).chain([0x1b5, 0x7fe, 0x555, 0x4ff])
}

#[test]
fn core_dumps_of_every_trap() {
    each_backend(|config| {
        for signals in [true, false] {
            let mut config = config();
            config.coredump_on_trap(true).signals_based_traps(signals).continuation_stack_size(16 << 10);
            config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, MODULE).unwrap();
            let mut store = Store::new(&engine, ());
            let host =
                Func::wrap(&mut store, |mut caller: Caller<'_, ()>, how: i32, end: i32| -> Result<()> {
                    let level = caller.get_export("level").and_then(|e| e.into_func()).unwrap();
                    level.typed::<(i32, i32), ()>(&caller)?.call(&mut caller, (how, end))
                });
            let end = Func::wrap(&mut store, |end: i32| -> Result<()> {
                match end {
                    6 => bail!("the host says no"),
                    7 => panic!("the host panics"),
                    _ => Err(Trap::Interrupt.into()),
                }
            });
            let instance = Instance::new(&mut store, &module, &[host.into(), end.into()]).unwrap();
            let level = instance.get_typed_func::<(i32, i32), ()>(&mut store, "level").unwrap();
            for how in hows() {
                for end in 1..9 {
                    let Ok(result) = catch_unwind(AssertUnwindSafe(|| level.call(&mut store, (how, end))))
                    else {
                        assert_eq!(end, 7);
                        assert_eq!(store.continuation_statistics().alive, 0);
                        continue;
                    };
                    let error = result.unwrap_err();
                    store.take_pending_exception();
                    let dump = error
                        .downcast_ref::<WasmCoreDump>()
                        .unwrap_or_else(|| panic!("{how:#x} {end}: {error:?}"));
                    let levels = (32 - how.leading_zeros() as usize).div_ceil(2);
                    assert!(dump.frames().len() >= levels.min(20), "{how:#x} {end}: {}", dump.frames().len());
                    assert!(dump.serialize(&mut store, "attack").len() > 100);
                    assert_eq!(store.continuation_statistics().alive, 0, "{how:#x} {end}");
                }
            }
        }
    });
}

/// A sample at each check of the epoch, and in each host call.
#[test]
fn guest_profilers() {
    each_backend(|config| {
        let mut config = config();
        config.epoch_interruption(true).continuation_stack_size(16 << 10);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let profiler = GuestProfiler::new(
            &engine,
            "attack",
            Duration::from_millis(1),
            [("module".to_string(), module.clone())],
        )
        .unwrap();
        let mut store = Store::new(&engine, (Some(profiler), 0));
        fn sample(mut store: StoreContextMut<'_, (Option<GuestProfiler>, u32)>) {
            let mut profiler = store.data_mut().0.take().unwrap();
            profiler.sample(&store, Duration::from_millis(1));
            store.data_mut().0 = Some(profiler);
            store.data_mut().1 += 1;
        }
        store.set_epoch_deadline(0);
        store.epoch_deadline_callback(|store| {
            sample(store);
            Ok(UpdateDeadline::Continue(0))
        });
        engine.increment_epoch();
        let host = Func::wrap(
            &mut store,
            |mut caller: Caller<'_, (Option<GuestProfiler>, u32)>, how: i32, end: i32| -> Result<()> {
                sample(caller.as_context_mut());
                let level = caller.get_export("level").and_then(|e| e.into_func()).unwrap();
                level.typed::<(i32, i32), ()>(&caller)?.call(&mut caller, (how, end))
            },
        );
        let end = Func::wrap(&mut store, |mut caller: Caller<'_, (Option<GuestProfiler>, u32)>, _: i32| {
            sample(caller.as_context_mut())
        });
        let instance = Instance::new(&mut store, &module, &[host.into(), end.into()]).unwrap();
        let level = instance.get_typed_func::<(i32, i32), ()>(&mut store, "level").unwrap();
        for how in hows() {
            level.call(&mut store, (how, 0)).unwrap();
            assert_eq!(store.continuation_statistics().alive, 0);
        }
        assert!(store.data().1 > 1000, "{}", store.data().1);
        let mut out = Vec::new();
        store.data_mut().0.take().unwrap().finish(&mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains("called"));
    });
}

/// Stacks of fibers that the pool hands to other stores, which drop their calls on continuations.
#[test]
fn pooled_instances_and_fibers() {
    each_backend(|config| {
        for zeroing in [false, true] {
            let mut pool = PoolingAllocationConfig::default();
            pool.total_stacks(8)
                .total_core_instances(20)
                .total_memories(20)
                .total_tables(20)
                .total_gc_heaps(20);
            pool.max_memory_size(1 << 20).async_stack_keep_resident(4096);
            let mut config = config();
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
            config.async_stack_zeroing(zeroing).continuation_stack_size(16 << 10).continuation_stacks(64);
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, MODULE).unwrap();
            let mut linker = Linker::<()>::new(&engine);
            linker
                .func_wrap_async("", "host", |mut caller: Caller<'_, ()>, (how, end): (i32, i32)| {
                    Box::new(async move {
                        let level = caller.get_export("level").and_then(|e| e.into_func()).unwrap();
                        level.typed::<(i32, i32), ()>(&caller)?.call_async(&mut caller, (how, end)).await
                    })
                })
                .unwrap();
            linker
                .func_wrap_async("", "end", |mut caller: Caller<'_, ()>, _: (i32,)| {
                    Box::new(async move {
                        wait(2).await;
                        caller.gc_async(None).await
                    })
                })
                .unwrap();
            let linker = &linker;
            let (engine, module) = (&engine, &module);
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(move || {
                        for how in hows().filter(|how| *how < 0x40) {
                            for polls in [1, 2, 3, usize::MAX] {
                                let mut store = Store::new(engine, ());
                                let Ok(instance) = block_on(linker.instantiate_async(&mut store, module))
                                else {
                                    continue;
                                };
                                let level =
                                    instance.get_typed_func::<(i32, i32), ()>(&mut store, "level").unwrap();
                                // It may fail: the pool has only so many stacks of fibers.
                                let _ = polled(pin!(level.call_async(&mut store, (how, 0))), polls);
                                assert_eq!(store.continuation_statistics().alive, 0);
                            }
                        }
                    });
                }
            });
        }
    });
}
