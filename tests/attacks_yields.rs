//! Attacks on host calls: epochs, fuel and limiters that yield, trap or panic while a continuation runs, at every place, and futures
//! dropped there; with references live that a collection must find.

#[path = "support/limiter.rs"]
mod limiter;
mod support;

use limiter::Limiter;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use support::{FREEING, block_on, each_collector, polled, wait};
use wasmfx::wasmtime::*;

/// Work on stacks one to five deep, with suspends, switches and captured chains; each function has references in locals.
const MODULE: &str = r#"(module
    (type $s (struct (field i32)))
    (type $ft (func (param i32) (result i32))) (type $ct (cont $ft))
    (type $uf (func (result i32))) (type $uc (cont $uf)) (tag $t) (tag $w (result i32))
    (rec (type $sf (func (param (ref null $sc)) (result i32))) (type $sc (cont $sf)))
    (elem declare func $deep $other $switches)
    (memory (export "m") 1 100) (table $tab 1 100 (ref null $ct))
    (func $work (param $n i32) (result i32) (local $a (ref null $s)) (local $b (ref null $s))
      (local.set $a (struct.new $s (i32.const 5)))
      (loop $l
        (local.set $b (struct.new $s (local.get $n)))
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (i32.add (struct.get $s 0 (local.get $a)) (struct.get $s 0 (local.get $b))))
    (func $other (type $sf) (local $a (ref null $s))
      (local.set $a (struct.new $s (i32.const 100)))
      (drop (call $work (i32.const 10)))
      (drop (resume $sc (ref.null $sc) (local.get 0)))
      (struct.get $s 0 (local.get $a)))
    (func $switches (type $ft) (local $a (ref null $s))
      (local.set $a (struct.new $s (i32.const 1000)))
      (drop (call $work (i32.const 10)))
      (drop (switch $sc $w (cont.new $sc (ref.func $other))))
      (drop (call $work (i32.const 10)))
      (struct.get $s 0 (local.get $a)))
    ;; 6 for each level, the innermost suspends in the middle.
    (func $deep (type $ft) (local $a (ref null $s))
      (local.set $a (call $new (local.get 0)))
      (if (local.get 0)
        (then (drop (call $work (i32.const 10)))
              (drop (resume $ct (i32.sub (local.get 0) (i32.const 1)) (cont.new $ct (ref.func $deep)))))
        (else (drop (call $work (i32.const 10))) (suspend $t) (drop (call $work (i32.const 10)))))
      (if (i32.ne (struct.get $s 0 (local.get $a)) (local.get 0)) (then (unreachable)))
      (call $work (i32.const 20)))
    (func $new (param i32) (result (ref $s)) (struct.new $s (local.get 0)))
    (func (export "run") (param $n i32) (result i32) (local $k (ref null $uc)) (local $a (ref null $s))
      (local.set $a (struct.new $s (i32.const 3)))
      (local.set $k
        (block $h (result (ref $uc))
          (drop (resume $ct (on $t $h) (local.get $n) (cont.new $ct (ref.func $deep)))) (unreachable)))
      (drop (call $work (i32.const 10)))
      (i32.add (struct.get $s 0 (local.get $a))
        (i32.add (resume $uc (local.get $k))
          (resume $ct (on $w switch) (i32.const 0) (cont.new $ct (ref.func $switches))))))
    (func $grows (type $ft) (local $a (ref null $s))
      (local.set $a (struct.new $s (i32.const 4)))
      (drop (memory.grow (i32.const 1)))
      (drop (table.grow $tab (cont.new $ct (ref.func $deep)) (i32.const 1)))
      (drop (struct.new $s (i32.const 9)))
      (if (local.get 0)
        (then (drop (resume $ct (i32.sub (local.get 0) (i32.const 1)) (cont.new $ct (ref.func $grows))))))
      (struct.get $s 0 (local.get $a)))
    (elem declare func $grows)
    (func (export "grow") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $grows)))))"#;

const RESULT: i32 = 3 + 6 + 100;

/// Polls a call so often, or until it is ready: says how often, and the result.
fn counted(call: impl Future<Output = Result<i32>>, most: usize) -> (usize, Option<Result<i32>>) {
    let mut call = pin!(call);
    let ready = (1..=most).find_map(|polls| Some((polls, polled(call.as_mut(), 1)?)));
    ready.map_or((most, None), |(polls, result)| (polls, Some(result)))
}

/// Fuel that yields every few units, so that it does in every function and builtin; the future is dropped at each.
#[test]
fn fuel_that_yields() {
    each_collector(&FREEING, |mut config| {
        let engine = Engine::new(config.consume_fuel(true)).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        for interval in [1, 7, 100] {
            let mut store = Store::new(&engine, ());
            store.set_fuel(u64::MAX).unwrap();
            store.fuel_async_yield_interval(Some(interval)).unwrap();
            let instance = block_on(Instance::new_async(&mut store, &module, &[])).unwrap();
            let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
            for depth in 0..5 {
                let (polls, result) = counted(run.call_async(&mut store, depth), usize::MAX);
                assert_eq!(result.unwrap().unwrap(), RESULT);
                assert!(polls > 2, "{polls}");
                let step = (polls / 40).max(1);
                for most in (1..polls).step_by(step) {
                    let alive = store.continuation_statistics().alive;
                    let (_, result) = counted(run.call_async(&mut store, depth), most);
                    // Fuel that is left from before moves the yields.
                    assert!(result.is_none() || most + 2 >= polls, "{most} of {polls}");
                    block_on(store.gc_async(None)).unwrap();
                    // What had switched away, or been captured, may be left.
                    assert!(store.continuation_statistics().alive <= alive + 1 + depth as usize + 1);
                }
                let (_, result) = counted(run.call_async(&mut store, depth), usize::MAX);
                assert_eq!(result.unwrap().unwrap(), RESULT);
            }
        }
    });
}

/// Epochs that pass at every check: yields, callbacks that continue, yield, fail or panic.
#[test]
fn epochs_at_every_check() {
    each_collector(&FREEING, |mut config| {
        let engine = Engine::new(config.epoch_interruption(true)).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, 0_u32);
        store.set_epoch_deadline(0);
        // Always at the deadline: a delta of zero.
        store.epoch_deadline_async_yield_and_update(0);
        engine.increment_epoch();
        let instance = block_on(Instance::new_async(&mut store, &module, &[])).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        for depth in 0..5 {
            let (polls, result) = counted(run.call_async(&mut store, depth), usize::MAX);
            assert_eq!(result.unwrap().unwrap(), RESULT);
            assert!(polls > 50, "{polls}");
            for most in (1..polls).step_by(19) {
                assert!(counted(run.call_async(&mut store, depth), most).1.is_none());
                block_on(store.gc_async(None)).unwrap();
            }
        }
        // Callbacks, each kind at each of the first checks.
        for kind in 0..4 {
            for at in (1..100).step_by(7) {
                *store.data_mut() = 0;
                store.epoch_deadline_callback(move |mut store| {
                    *store.data_mut() += 1;
                    store.gc(None)?;
                    if *store.data() != at {
                        return Ok(UpdateDeadline::Continue(0));
                    }
                    match kind {
                        0 => Ok(UpdateDeadline::Yield(0)),
                        1 => Err(Trap::Interrupt.into()),
                        2 => panic!("in the callback"),
                        _ => Ok(UpdateDeadline::YieldCustom(0, Box::pin(wait(3)))),
                    }
                });
                let result = catch_unwind(AssertUnwindSafe(|| block_on(run.call_async(&mut store, 3))));
                match (kind, result) {
                    (0 | 3, Ok(Ok(RESULT))) => {}
                    (1, Ok(Err(error))) => assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt)),
                    (2, Err(panic)) => assert_eq!(panic.downcast_ref(), Some(&"in the callback")),
                    (_, result) => panic!("{kind}, {at}: {result:?}"),
                }
                store.gc(None).unwrap();
            }
        }
    });
}

/// Limiters of memories, tables and continuations that wait, refuse, fail, panic and are dropped, on nested continuations.
#[test]
fn limiters_that_wait() {
    each_collector(&FREEING, |config| {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        for how in 0..4 {
            for at in 1..40 {
                let mut store = Store::new(&engine, Limiter::new(how));
                store.limiter_async(|limiter| limiter);
                let instance = block_on(Instance::new_async(&mut store, &module, &[])).unwrap();
                let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow").unwrap();
                store.data_mut().choose(at);
                let call = || counted(grow.call_async(&mut store, 4), 900).1;
                let result = catch_unwind(AssertUnwindSafe(call));
                let asked = store.data().came();
                match (how, result) {
                    (0, Ok(Some(Err(error)))) => {
                        let heap = error.is::<GcHeapOutOfMemory<()>>();
                        assert!(heap || error.downcast_ref() == Some(&Trap::ContinuationLimit), "{error:?}")
                    }
                    // Why the heap of references could not grow is not told.
                    (1, Ok(Some(Err(error)))) if error.is::<GcHeapOutOfMemory<()>>() => {}
                    (1, Ok(Some(Err(error)))) => {
                        assert!(format!("{error:?}").contains("the limiter says no"), "{error:?}")
                    }
                    (2, Err(panic)) => assert_eq!(panic.downcast_ref(), Some(&"the limiter panics")),
                    (3, Ok(None)) => {}
                    (_, Ok(Some(Ok(4)))) => assert!(how == 0 || !asked, "{how} {at}"),
                    (_, result) => panic!("{how}, {at}: {result:?}"),
                }
                store.data_mut().allow();
                block_on(store.gc_async(None)).unwrap();
                assert_eq!(block_on(grow.call_async(&mut store, 4)).unwrap(), 4);
            }
        }
    });
}
