//! Attacks on host calls: exceptions that the host raises on a continuation, with references as payload, caught on another one at each
//! distance, through suspended and resumed stacks, and through entries of the host that pass them on; what the host calls
//! directly, which are host functions again; sync limiters that refuse, fail and panic.

#[path = "support/limiter.rs"]
mod limiter;
mod support;

use limiter::Limiter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use support::{COLLECTORS, block_on, each_collector, wait};
use wasmfx::wasmtime::*;

/// `levels` stacks, of which number `catch`, counted from the innermost, catches; at `via` the next is entered through the
/// host; `parked` ones are suspended before they go on.
const MODULE: &str = r#"(module
    (type $s (struct (field i32)))
    (tag $e (export "e") (param i32 anyref)) (tag $t) (tag $none (param i32 anyref))
    (import "" "throw" (func $throw (param i32)))
    (import "" "level" (func $enter (param i32 i32 i32 i32) (result i32)))
    (type $ft (func (param i32 i32 i32 i32) (result i32))) (type $ct (cont $ft))
    (type $uf (func (result i32))) (type $uc (cont $uf))
    (elem declare func $level $enter)
    (func (export "churn") (local $i i32)
      (local.set $i (i32.const 200))
      (loop $l (drop (struct.new $s (i32.const 9)))
        (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
    (func $level (export "level") (param $levels i32) (param $catch i32) (param $via i32) (param $parked i32) (result i32)
      (local $a (ref null $s)) (local $x anyref) (local $k (ref null $uc)) (local $r i32)
      (local.set $a (struct.new $s (local.get $levels)))
      (block $caught (result i32 anyref)
        (local.set $r
          (if (result i32) (i32.eq (local.get $levels) (local.get $catch))
            (then
              (try_table (result i32) (catch $none $caught) (catch $e $caught)
                (call $next (local.get $levels) (local.get $catch) (local.get $via) (local.get $parked))))
            (else (call $next (local.get $levels) (local.get $catch) (local.get $via) (local.get $parked)))))
        (if (i32.ne (struct.get $s 0 (local.get $a)) (local.get $levels)) (then (unreachable)))
        (return (local.get $r)))
      (local.set $x) (local.set $r)
      (call $throw (i32.const 0))
      (if (i32.ne (struct.get $s 0 (local.get $a)) (local.get $levels)) (then (unreachable)))
      (i32.add (i32.mul (local.get $levels) (i32.const 1000))
        (i32.add (local.get $r) (struct.get $s 0 (ref.cast (ref $s) (local.get $x))))))
    (func $next (param $levels i32) (param $catch i32) (param $via i32) (param $parked i32) (result i32)
      (local $a (ref null $s)) (local $k (ref null $uc)) (local $r i32)
      (local.set $a (struct.new $s (i32.const 55)))
      (if (i32.eqz (local.get $levels)) (then
        (if (local.get $parked) (then (suspend $t)))
        (call $throw (i32.const 7)) (return (i32.const -1))))
      (local.set $levels (i32.sub (local.get $levels) (i32.const 1)))
      (local.set $r (block $done (result i32)
        (if (i32.and (local.get $via) (i32.const 1)) (then
          ;; As a body, and as a callee.
          (if (i32.and (local.get $levels) (i32.const 1))
            (then (br $done (resume $ct (local.get $levels) (local.get $catch) (i32.shr_u (local.get $via) (i32.const 1))
              (i32.const 0) (cont.new $ct (ref.func $enter)))))
            (else (br $done (call $enter (local.get $levels) (local.get $catch) (i32.shr_u (local.get $via) (i32.const 1))
              (i32.const 0)))))))
        (if (i32.eq (local.get $parked) (i32.add (local.get $levels) (i32.const 1))) (then
          (block $h (result (ref $uc))
            (drop (resume $ct (on $t $h) (local.get $levels) (local.get $catch) (i32.shr_u (local.get $via) (i32.const 1))
              (local.get $parked) (cont.new $ct (ref.func $level))))
            (unreachable))
          (local.set $k)
          (br $done (resume $uc (local.get $k)))))
        (resume $ct (local.get $levels) (local.get $catch) (i32.shr_u (local.get $via) (i32.const 1))
          (local.get $parked) (cont.new $ct (ref.func $level)))))
      (if (i32.ne (struct.get $s 0 (local.get $a)) (i32.const 55)) (then (unreachable)))
      (local.get $r))
    (memory (export "m") 1 100) (table $tab 0 100 (ref null $ct))
    (func $grows (param $n i32) (param i32 i32 i32) (result i32) (local $a (ref null $s))
      (local.set $a (struct.new $s (i32.const 4)))
      (drop (memory.grow (i32.const 1)))
      (drop (table.grow $tab (ref.null $ct) (i32.const 1)))
      (if (local.get $n) (then
        (drop (resume $ct (i32.sub (local.get 0) (i32.const 1)) (i32.const 0) (i32.const 0) (i32.const 0) (cont.new $ct (ref.func $grows))))))
      (struct.get $s 0 (local.get $a)))
    (elem declare func $grows)
    (func (export "grow") (param i32) (result i32)
      (resume $ct (local.get 0) (i32.const 0) (i32.const 0) (i32.const 0) (cont.new $ct (ref.func $grows)))))"#;

/// What makes structs of one number, and exceptions with the tag `e`, which is the third.
fn allocators<T>(caller: &mut Caller<'_, T>) -> Result<(StructRefPre, ExnRefPre, Tag)> {
    let number = FieldType::new(Mutability::Const, StorageType::ValType(ValType::I32));
    let structs = StructType::new(caller.engine(), [number])?;
    let structs = StructRefPre::new(&mut *caller, structs);
    let tag = caller.get_export("e").and_then(|e| e.into_tag()).unwrap();
    let exceptions = ExnType::from_tag_type(&tag.ty(&*caller))?;
    Ok((structs, ExnRefPre::new(caller, exceptions), tag))
}

fn throw<T: 'static>(mut caller: Caller<'_, T>, n: i32) -> Result<()> {
    let churn = caller.get_export("churn").and_then(|e| e.into_func()).unwrap();
    // Before and after what it makes.
    for _ in 0..2 {
        caller.gc(None)?;
        churn.call(&mut caller, &[], &mut [])?;
    }
    if n == 0 {
        return Ok(());
    }
    let (structs, exceptions, tag) = allocators(&mut caller)?;
    let payload = StructRef::new(&mut caller, &structs, &[Val::I32(n * 10)])?;
    let exception = ExnRef::new(&mut caller, &exceptions, &tag, &[Val::I32(n), payload.into()])?;
    caller.gc(None)?;
    caller.as_context_mut().throw(exception)?
}

/// As [`throw`], where sync calls are refused.
fn throw_in_async(mut caller: Caller<'_, ()>, n: i32) -> Result<()> {
    block_on(caller.gc_async(None))?;
    let churn = caller.get_export("churn").and_then(|e| e.into_func()).unwrap();
    block_on(churn.call_async(&mut caller, &[], &mut []))?;
    if n == 0 {
        return Ok(());
    }
    let (structs, exceptions, tag) = allocators(&mut caller)?;
    let payload = block_on(StructRef::new_async(&mut caller, &structs, &[Val::I32(n * 10)]))?;
    let values = [Val::I32(n), payload.into()];
    let exception = block_on(ExnRef::new_async(&mut caller, &exceptions, &tag, &values))?;
    block_on(caller.gc_async(None))?;
    caller.as_context_mut().throw(exception)?
}

type Level = TypedFunc<(i32, i32, i32, i32), i32>;

fn each_way(
    store: &mut Store<()>,
    instance: &Instance,
    run: impl Fn(&Level, &mut Store<()>, (i32, i32, i32, i32)) -> Result<i32>,
) {
    let level = instance.get_typed_func(&mut *store, "level").unwrap();
    for levels in 0..6 {
        for catch in -1..=levels {
            for via in [0, 1, 2, 5, 10, 0b10101, 0b11111, 0b1110] {
                for parked in [0, 1, levels] {
                    if parked > levels || (via != 0 && parked != 0) {
                        continue;
                    }
                    let result = run(&level, store, (levels, catch, via, parked));
                    store.take_pending_exception();
                    match result {
                        Ok(value) => assert_eq!(value, catch * 1000 + 77, "{levels} {catch} {via} {parked}"),
                        Err(error) => {
                            assert!(
                                catch < 0 && error.is::<ThrownException>(),
                                "{levels} {catch} {via} {parked}: {error:?}"
                            )
                        }
                    }
                    assert_eq!(store.continuation_statistics().alive, 0, "{levels} {catch} {via} {parked}");
                }
            }
        }
    }
}

#[test]
fn exceptions_of_sync_hosts() {
    each_collector(&COLLECTORS, |config| {
        let engine = Engine::new(&config).unwrap();
        let mut store = Store::new(&engine, ());
        let throw = Func::wrap(&mut store, throw::<()>);
        let enter = Func::wrap(
            &mut store,
            |mut caller: Caller<'_, ()>, levels: i32, catch: i32, via: i32, parked: i32| -> Result<i32> {
                let level = caller.get_export("level").and_then(|e| e.into_func()).unwrap();
                level
                    .typed::<(i32, i32, i32, i32), i32>(&caller)?
                    .call(&mut caller, (levels, catch, via, parked))
            },
        );
        let module = Module::new(&engine, MODULE).unwrap();
        let instance = Instance::new(&mut store, &module, &[throw.into(), enter.into()]).unwrap();
        each_way(&mut store, &instance, |level, store, way| level.call(store, way));
    });
}

#[test]
fn exceptions_of_async_hosts() {
    each_collector(&COLLECTORS, |config| {
        let engine = Engine::new(&config).unwrap();
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        linker.func_wrap("", "throw", |caller: Caller<'_, ()>, n: i32| throw_in_async(caller, n)).unwrap();
        linker
            .func_wrap_async(
                "",
                "level",
                |mut caller: Caller<'_, ()>, (levels, catch, via, parked): (i32, i32, i32, i32)| {
                    Box::new(async move {
                        wait(1).await;
                        let level = caller.get_export("level").and_then(|e| e.into_func()).unwrap();
                        let level = level.typed::<(i32, i32, i32, i32), i32>(&caller)?;
                        let result = level.call_async(&mut caller, (levels, catch, via, parked)).await;
                        wait(1).await;
                        result
                    })
                },
            )
            .unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let instance = block_on(linker.instantiate_async(&mut store, &module)).unwrap();
        each_way(&mut store, &instance, |level, store, way| block_on(level.call_async(store, way)));
    });
}

/// Host functions that the host calls directly, from a continuation's host call, which fail, panic or throw, and call on.
#[test]
fn host_functions_that_the_host_calls() {
    const CALLS: &str = r#"(module
        (import "" "host" (func $host (param i32) (result i32)))
        (type $s (struct (field i32)))
        (type $ft (func (param i32) (result i32))) (type $ct (cont $ft)) (elem declare func $calls $host)
        (func $calls (type $ft) (local $a (ref null $s)) (local $r i32)
          (local.set $a (struct.new $s (local.get 0)))
          (local.set $r (call $host (local.get 0)))
          (if (i32.ne (struct.get $s 0 (local.get $a)) (local.get 0)) (then (unreachable)))
          (local.get $r))
        (func (export "callee") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $calls))))
        (func (export "body") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $host)))))"#;
    each_collector(&[Collector::Copying], |config| {
        let engine = Engine::new(&config).unwrap();
        let mut store = Store::new(&engine, None::<(Func, Func)>);
        let host =
            Func::wrap(&mut store, |mut caller: Caller<'_, Option<(Func, Func)>>, n: i32| -> Result<i32> {
                caller.gc(None)?;
                let (host, wasm) = caller.data().unwrap();
                if n < 10 {
                    return match n {
                        0 => Ok(0),
                        1 => bail!("the host says no"),
                        2 => panic!("the host panics"),
                        _ => Err(Trap::IntegerOverflow.into()),
                    };
                }
                // Itself, or Wasm, in turn: `n` has the digits.
                let next = if n % 2 == 0 { host } else { wasm };
                let next = next.typed::<i32, i32>(&caller)?;
                let result = catch_unwind(AssertUnwindSafe(|| next.call(&mut caller, n / 10)));
                caller.gc(None)?;
                let trace = WasmBacktrace::force_capture(&caller);
                assert!(!trace.frames().is_empty());
                match result {
                    Ok(Ok(n)) => Ok(n + 1),
                    Ok(Err(_)) if n % 10 > 5 => Ok(100),
                    Ok(Err(error)) => Err(error),
                    Err(_) if n % 10 > 5 => Ok(200),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            });
        let module = Module::new(&engine, CALLS).unwrap();
        let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
        for export in ["callee", "body"] {
            let wasm = instance.get_func(&mut store, export).unwrap();
            *store.data_mut() = Some((host, wasm));
            let run = wasm.typed::<i32, i32>(&store).unwrap();
            for end in 0..4 {
                for digits in 0..256 {
                    // Four digits of 4, 5, 6 or 7, and the end in front.
                    let n = (0..4).fold(end, |n, i| n * 10 + 4 + (digits >> (2 * i) & 3));
                    let result = catch_unwind(AssertUnwindSafe(|| run.call(&mut store, n)));
                    let looks_away =
                        n.to_string().bytes().skip(usize::from(end != 0)).any(|digit| digit > b'5');
                    match (end, result) {
                        (1 | 3, Ok(Err(_))) | (2, Err(_)) => assert!(!looks_away, "{n}"),
                        (1..=3, Ok(Ok(_))) => assert!(looks_away, "{n}"),
                        (0, _) => {}
                        (_, result) => panic!("{n}: {result:?}"),
                    }
                    assert_eq!(store.continuation_statistics().alive, 0);
                }
            }
        }
    });
}

#[test]
fn sync_limiters() {
    each_collector(&COLLECTORS, |config| {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        for how in 0..3 {
            for at in 1..25 {
                let mut store = Store::new(&engine, Limiter::new(how));
                store.limiter(|limiter| limiter);
                let throw = Func::wrap(&mut store, throw::<Limiter>);
                let enter = Func::wrap(&mut store, |n: i32, _: i32, _: i32, _: i32| n);
                let instance = Instance::new(&mut store, &module, &[throw.into(), enter.into()]).unwrap();
                let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow").unwrap();
                store.data_mut().choose(at);
                let result = catch_unwind(AssertUnwindSafe(|| grow.call(&mut store, 5)));
                let asked = store.data().came();
                match (how, result) {
                    (0 | 1, Ok(Err(_))) => assert!(asked),
                    (2, Err(panic)) => assert_eq!(panic.downcast_ref(), Some(&"the limiter panics")),
                    (_, Ok(Ok(4))) => assert!(how == 0 || !asked, "{how} {at}"),
                    (_, result) => panic!("{how}, {at}: {result:?}"),
                }
                assert_eq!(store.continuation_statistics().alive, 0);
                store.data_mut().allow();
                assert_eq!(grow.call(&mut store, 5).unwrap(), 4);
            }
        }
    });
}
