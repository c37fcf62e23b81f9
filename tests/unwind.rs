//! What unwinding leaves behind: nothing. Traps, exceptions and panics out of nested continuations, from Wasm
//! and from the host, on stacks with little room, and across the host.

mod support;

use support::each_backend;
use wasmfx::wasmtime::*;

fn instantiate<T: 'static>(store: &mut Store<T>, module: &str, imports: &[Extern]) -> Instance {
    let module = Module::new(store.engine(), module).unwrap();
    Instance::new(store, &module, imports).unwrap()
}

/// Three stacks, on the innermost of which `end` says how it ends.
const ENDS: &str = r#"(module
    (import "" "host" (func $host (param i32)))
    (tag $e (export "e") (param i32)) (tag $t)
    (type $ft (func (param i32))) (type $ct (cont $ft)) (type $uf (func)) (type $u (cont $uf))
    (func $inner (type $ft)
      (if (i32.eq (local.get 0) (i32.const 1)) (then (unreachable)))
      (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $e (i32.const 42))))
      (if (i32.eq (local.get 0) (i32.const 3)) (then (call $inner (local.get 0))))
      (if (i32.eq (local.get 0) (i32.const 4)) (then (suspend $t)))
      (if (i32.eq (local.get 0) (i32.const 5)) (then (drop (i32.div_u (local.get 0) (i32.const 0)))))
      (call $host (local.get 0)))
    (func $middle (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $inner))))
    (func $outer (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $middle))))
    (elem declare func $inner $middle $outer)
    (func (export "run") (param i32) (resume $ct (local.get 0) (cont.new $ct (ref.func $outer))))
    (func (export "catch") (param i32) (result i32)
      (block $h (result i32)
        (try_table (catch $e $h)
          (resume $ct (local.get 0) (cont.new $ct (ref.func $outer))))
        (i32.const -1))))"#;

/// Each way to end is taken so often that a stack lost each time would exhaust the system's mappings.
#[test]
fn nothing_is_lost_however_continuations_end() {
    const TIMES: usize = 15_000;
    each_backend(|config| {
        let engine = Engine::new(&config()).unwrap();
        let mut store = Store::new(&engine, ());
        let host = Func::wrap(&mut store, |mut caller: Caller<'_, ()>, how: i32| -> Result<()> {
            match how {
                6 => bail!("the host says no"),
                7 => {
                    let tag = caller.get_export("e").and_then(|e| e.into_tag()).unwrap();
                    let exn = support::exception(&mut caller, &tag, 43);
                    caller.as_context_mut().throw(exn)?
                }
                _ => Ok(()),
            }
        });
        let instance = instantiate(&mut store, ENDS, &[host.into()]);
        let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
        let catch = instance.get_typed_func::<i32, i32>(&mut store, "catch").unwrap();
        for (how, trap) in [
            (1, Some(Trap::UnreachableCodeReached)),
            (4, Some(Trap::UnhandledTag)),
            (5, Some(Trap::IntegerDivisionByZero)),
            (6, None),
        ] {
            for _ in 0..TIMES {
                let error = run.call(&mut store, how).unwrap_err();
                assert_eq!(error.downcast_ref::<Trap>(), trap.as_ref(), "{how}: {error:?}");
            }
        }
        // Overflows take longer.
        for _ in 0..50 {
            let error = run.call(&mut store, 3).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow));
        }
        for (how, payload) in [(2, 42), (7, 43)] {
            for _ in 0..TIMES {
                assert_eq!(catch.call(&mut store, how).unwrap(), payload);
            }
            for _ in 0..TIMES {
                let error = run.call(&mut store, how).unwrap_err();
                assert!(error.is::<ThrownException>(), "{how}: {error:?}");
            }
        }
        for _ in 0..TIMES {
            run.call(&mut store, 0).unwrap();
            assert_eq!(catch.call(&mut store, 0).unwrap(), -1);
        }
    });
}

/// A function that recurses for ever, calls the host each time, and keeps so many vectors in its frame.
fn recursion(vectors: usize) -> String {
    let each = |text: &str| (0..vectors).map(|i| text.replace('#', &i.to_string())).collect::<String>();
    format!(
        r#"(module
            (import "" "host" (func $host (param i32) (result i32)))
            (type $ft (func (param i32) (result i32))) (type $ct (cont $ft))
            (func $use (param v128))
            (func $recurse (type $ft)
              {locals} {set}
              (drop (call $host (local.get 0)))
              (drop (call $recurse (i32.add (local.get 0) (i32.const 1))))
              {used}
              (i32.const 1))
            (elem declare func $recurse)
            (func (export "run") (type $ft)
              (resume $ct (local.get 0) (cont.new $ct (ref.func $recurse)))))"#,
        locals = each("(local $v# v128)"),
        set = each("(local.set $v# (i32x4.splat (call $host (local.get 0))))"),
        used = each("(call $use (local.get $v#))"),
    )
}

/// Host calls made wherever on the stack there is just enough left, with frames of every size, and a host that
/// uses a good part of what is its own.
#[test]
fn a_host_call_with_little_stack_left() {
    each_backend(|config| {
        for stack in [4 << 10, 64 << 10, 512 << 10] {
            let engine = Engine::new(config().max_wasm_stack(stack)).unwrap();
            for vectors in [0, 10, 100, 1000] {
                let mut store = Store::new(&engine, 0_u32);
                let host = Func::wrap(&mut store, |mut caller: Caller<'_, u32>, n: i32| {
                    *caller.data_mut() += 1;
                    let room = std::hint::black_box([n as u8; 96 << 10]);
                    i32::from(room[n as usize % room.len()])
                });
                let instance = instantiate(&mut store, &recursion(vectors), &[host.into()]);
                let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
                for _ in 0..2 {
                    let error = run.call(&mut store, 0).unwrap_err();
                    assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
                }
                assert!(stack < 64 << 10 || *store.data() > 2, "{} calls", store.data());
            }
        }
    });
}

/// Host and Wasm in turn, each turn on a continuation of its own that also suspends: what is below is not
/// disturbed, whether the innermost returns, traps or throws.
#[test]
fn turns_of_host_and_wasm() {
    const MODULE: &str = r#"(module
        (import "" "host" (func $host (param i32 i32) (result i32)))
        (tag $t (param i32) (result i32)) (tag $e)
        (type $ft (func (param i32 i32) (result i32))) (type $ct (cont $ft))
        (type $rf (func (param i32) (result i32))) (type $rc (cont $rf))
        ;; Suspends, goes down a level by way of the host, and suspends again.
        (func $body (type $ft)
          (local $sum i32)
          (local.set $sum (suspend $t (local.get 0)))
          (if (i32.eqz (local.get 0))
            (then
              (if (i32.eq (local.get 1) (i32.const 1)) (then (unreachable)))
              (if (i32.eq (local.get 1) (i32.const 2)) (then (throw $e)))
              (return (local.get $sum))))
          (local.set $sum (i32.add (local.get $sum)
            (call $host (i32.sub (local.get 0) (i32.const 1)) (local.get 1))))
          (i32.add (local.get $sum) (suspend $t (i32.const 1000))))
        (elem declare func $body)
        ;; Answers each suspend with what it was told.
        (func (export "level") (type $ft)
          (local $k (ref null $rc)) (local $v i32)
          (block $h (result i32 (ref $rc))
            (return (resume $ct (on $t $h) (local.get 0) (local.get 1) (cont.new $ct (ref.func $body)))))
          (local.set $k) (local.set $v)
          (loop $l (result i32)
            (block $h (result i32 (ref $rc))
              (return (resume $rc (on $t $h) (local.get $v) (local.get $k))))
            (local.set $k) (local.set $v) (br $l))))"#;
    each_backend(|config| {
        let engine = Engine::new(&config()).unwrap();
        let mut store = Store::new(&engine, ());
        let host =
            Func::wrap(&mut store, |mut caller: Caller<'_, ()>, level: i32, how: i32| -> Result<i32> {
                let func = caller.get_export("level").and_then(|e| e.into_func()).unwrap();
                func.typed::<(i32, i32), i32>(&caller)?.call(&mut caller, (level, how))
            });
        let instance = instantiate(&mut store, MODULE, &[host.into()]);
        let run = instance.get_typed_func::<(i32, i32), i32>(&mut store, "level").unwrap();
        for levels in [0, 1, 2, 40] {
            // Each level above the last gets its number and 1000; the last its number, which is 0.
            let expected = (1..=levels).map(|level| level + 1000).sum::<i32>();
            assert_eq!(run.call(&mut store, (levels, 0)).unwrap(), expected);
            let error = run.call(&mut store, (levels, 1)).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::UnreachableCodeReached));
            let frames = error.downcast_ref::<WasmBacktrace>().unwrap().frames().len();
            assert_eq!(frames, (2 * (levels + 1)).min(20) as usize, "body and level on each turn");
            let error = run.call(&mut store, (levels, 2)).unwrap_err();
            assert!(error.is::<ThrownException>(), "{error:?}");
            assert_eq!(run.call(&mut store, (levels, 0)).unwrap(), expected);
        }
    });
}

/// Two stores on two threads, of one engine.
#[test]
fn two_stores_on_two_threads() {
    each_backend(|config| {
        let engine = Engine::new(&config()).unwrap();
        let module = Module::new(&engine, ENDS).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut store = Store::new(&engine, ());
                    let host = Func::wrap(&mut store, |_: i32| {});
                    let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
                    let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
                    let catch = instance.get_typed_func::<i32, i32>(&mut store, "catch").unwrap();
                    for _ in 0..2_000 {
                        run.call(&mut store, 0).unwrap();
                        assert_eq!(catch.call(&mut store, 2).unwrap(), 42);
                        assert!(run.call(&mut store, 1).is_err());
                    }
                });
            }
        });
    });
}

/// What has been on a stack, or was resumed from it, does not change how deep functions on it may recurse: neither where
/// the host entered, nor on a continuation, nor where a host call has come back to.
#[test]
fn every_stack_stays_as_deep() {
    const MODULE: &str = r#"(module
        (import "" "host" (func $host (param i32)))
        (type $ft (func)) (type $ct (cont $ft))
        (type $pf (func (param i32))) (type $pc (cont $pf))
        (type $sf (func (param (ref null $ct)))) (type $sc (cont $sf))
        (tag $t) (tag $w) (tag $e) (tag $none)
        (global $depth (export "depth") (mut i32) (i32.const 0))
        (elem declare func $return $suspend $throw $nest $trap $back $away $turn $continued)
        (func $recurse (global.set $depth (i32.add (global.get $depth) (i32.const 1))) (call $recurse) (call $note))
        (func $note)

        (func $return)
        (func $suspend (suspend $t))
        (func $throw (suspend $t) (throw $e))
        (func $trap (unreachable))
        (func $nest (resume $ct (cont.new $ct (ref.func $throw))))
        (func $back (type $sf) (resume $ct (local.get 0)))
        (func $away (switch $sc $w (cont.new $sc (ref.func $back))))
        (func $turn (type $pf) (call $do (local.get 0)) (suspend $t) (call $recurse))
        (func $start (param (ref $ct)) (result (ref $ct))
          (block $on (result (ref $ct)) (resume $ct (on $none $on) (on $t $on) (local.get 0)) (unreachable)))
        (func $catch (param $k (ref null $ct))
          (block $caught (try_table (catch $e $caught)
            (loop $l
              (block $on (result (ref $ct)) (resume $ct (on $t $on) (on $w switch) (local.get $k)) (return))
              (local.set $k) (br $l)))))

        (func $do (export "do") (param i32)
          (block $b9 (block $b8 (block $b7 (block $b6 (block $b5 (block $b4 (block $b3 (block $b2 (block $b1 (block $b0
            (br_table $b0 $b1 $b2 $b3 $b4 $b5 $b6 $b7 $b8 $b9 (local.get 0)))
            (return))
            (return (call $catch (cont.new $ct (ref.func $return)))))
            (return (call $catch (cont.new $ct (ref.func $suspend)))))
            (return (call $catch (cont.new $ct (ref.func $throw)))))
            (return (call $catch (cont.new $ct (ref.func $nest)))))
            (return (call $catch (cont.new $ct (ref.func $away)))))
            (drop (call $start (cont.new $ct (ref.func $nest))))
            (return))
            ;; The host calls Wasm that traps, or throws, on a continuation of its own; and it looks away.
            (return (call $host (i32.const 0))))
            (return (call $host (i32.const 1))))
          ;; All of it.
          (loop $l
            (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
            (call $do (local.get 0))
            (br_if $l (local.get 0))))
        (func (export "nested") (param i32)
          (if (local.get 0) (then (call $nested-throw)) (else (resume $ct (cont.new $ct (ref.func $trap))))))
        (func $nested-throw (resume_throw $ct $e (cont.new $ct (ref.func $return))))

        (func (export "on-host") (param i32) (call $do (local.get 0)) (call $recurse))
        ;; On a continuation, before it is captured and resumed from another stack. That one's is as deep as before, too.
        (func (export "on-continuation") (param i32) (local $k (ref $ct))
          (local.set $k (block $on (result (ref $ct))
            (resume $pc (on $t $on) (local.get 0) (cont.new $pc (ref.func $turn))) (unreachable)))
          (call $catch (local.get $k)))
        (func $continued (type $sf) (resume $ct (local.get 0)))
        (func (export "on-another") (param i32) (local $k (ref $ct))
          (local.set $k (block $on (result (ref $ct))
            (resume $pc (on $t $on) (local.get 0) (cont.new $pc (ref.func $turn))) (unreachable)))
          (resume $sc (local.get $k) (cont.new $sc (ref.func $continued))))
        (func (export "after-another") (param i32) (local $k (ref $ct))
          (local.set $k (block $on (result (ref $ct))
            (resume $pc (on $t $on) (local.get 0) (cont.new $pc (ref.func $turn))) (unreachable)))
          (block $caught (try_table (catch $e $caught) (resume_throw $ct $e (local.get $k))))
          (call $recurse)))"#;
    each_backend(|config| {
        for signals in [true, false] {
            let mut config = config();
            // No size that another stack has.
            config.signals_based_traps(signals).max_wasm_stack(200 << 10);
            let engine = Engine::new(&config).unwrap();
            let mut store = Store::new(&engine, ());
            let host = Func::wrap(&mut store, |mut caller: Caller<'_, ()>, how: i32| {
                let nested = caller.get_export("nested").and_then(|e| e.into_func()).unwrap();
                let error = nested.call(&mut caller, &[Val::I32(how)], &mut []).unwrap_err();
                assert_eq!(error.is::<ThrownException>(), how == 1, "{error:?}");
            });
            let instance = instantiate(&mut store, MODULE, &[host.into()]);
            let depth = instance.get_global(&mut store, "depth").unwrap();
            for place in ["on-host", "on-continuation", "on-another", "after-another"] {
                let run = instance.get_typed_func::<i32, ()>(&mut store, place).unwrap();
                let mut depths = Vec::new();
                for how in 0..=9 {
                    depth.set(&mut store, Val::I32(0)).unwrap();
                    let error = run.call(&mut store, how).unwrap_err();
                    assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{place} {how}: {error:?}");
                    depths.push(depth.get(&mut store).unwrap_i32());
                }
                assert!(depths[0] > 1000, "{place}: {depths:?}");
                assert!(depths.iter().all(|depth| depth.abs_diff(depths[0]) < 10), "{place}: {depths:?}");
            }
        }
    });
}
