//! The host makes, binds, resumes and ends continuations.

mod support;

use std::pin::pin;
use support::{COLLECTORS, block_on, each_backend, each_collector, exception, names, trap_of};
use wasmfx::wasmtime::*;

/// Functions that suspend, with and without handlers of their own.
const MODULE: &str = r#"(module $m
    (type $f (func (param i32) (result i32)))
    (type $k (cont $f))
    (type $g (func (param i32 i64 f64 i32 i32) (result f64 i32 i64 i32)))
    (type $n (func))
    (type $nk (cont $n))
    (tag $yield (export "yield") (param i32) (result i32))
    (tag $other (export "other") (param i64 i32 i32 i64) (result i64 i64 i64 i64))
    (tag $e (export "e") (param i32))
    (import "" "host" (func $host (param i32) (result i32)))
    (global $log (export "log") (mut i32) (i32.const 0))

    ;; Yields n, n - 1, ... 1, and adds what comes back.
    (func $count (export "count") (param $n i32) (result i32) (local $sum i32)
      (block $done
        (loop $next
          (br_if $done (i32.eqz (local.get $n)))
          (local.set $sum (i32.add (local.get $sum) (suspend $yield (local.get $n))))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br $next)))
      (local.get $sum))
    ;; More values than a continuation has room for in itself, each way.
    (func (export "many") (param i32 i64 f64 i32 i32) (result f64 i32 i64 i32)
      (local $a i64) (local $b i64) (local $c i64) (local $d i64)
      (suspend $other (local.get 1) (local.get 0) (local.get 3) (i64.extend_i32_u (local.get 4)))
      (local.set $d) (local.set $c) (local.set $b) (local.set $a)
      (f64.add (local.get 2) (f64.convert_i64_s (local.get $a)))
      (i32.wrap_i64 (local.get $b)) (local.get $c) (i32.wrap_i64 (local.get $d)))
    (func (export "trap") (param i32) (result i32) (drop (suspend $yield (i32.const 1))) (unreachable))
    (func (export "throw") (param i32) (result i32) (throw $e (local.get 0)))
    ;; Cleans up after an exception, and throws it again.
    (func (export "clean") (param i32) (result i32)
      (block $h (result exnref)
        (try_table (result i32) (catch_all_ref $h) (suspend $yield (local.get 0)))
        (return))
      (global.set $log (i32.add (global.get $log) (i32.const 1)))
      (throw_ref))
    ;; Catches the exception, and goes on.
    (func (export "catch") (param i32) (result i32)
      (block $h (result i32)
        (try_table (result i32) (catch $e $h) (suspend $yield (local.get 0)))
        (return))
      (drop)
      (i32.add (suspend $yield (i32.const 77)) (i32.const 1)))
    ;; Runs `$count` and handles nothing, so that the host does, two stacks out.
    (elem declare func $count $deep $other-body $hosts)
    (func $deep (export "deep") (param i32) (result i32)
      (i32.mul (resume $k (local.get 0) (cont.new $k (ref.func $count))) (i32.const 10)))
    ;; Handles `$yield` itself.
    (func (export "handles") (param $n i32) (result i32) (local $k (ref null $k)) (local $got i32)
      (local.set $k (cont.new $k (ref.func $count)))
      (local.set $got (local.get $n))
      (loop $next (result i32)
        (block $h (result i32 (ref $k))
          (return (resume $k (on $yield $h) (local.get $got) (local.get $k))))
        (local.set $k) (local.set $got)
        (br $next)))
    ;; Calls the host, which resumes another, or yields.
    (func $hosts (export "hosts") (param i32) (result i32)
      (i32.add (call $host (local.get 0)) (suspend $yield (local.get 0))))
    ;; Switches to another continuation and back.
    (rec (type $sf (func (param (ref null $sk)) (result i32))) (type $sk (cont $sf)))
    (tag $swap (export "swap") (result i32))
    (func $other-body (type $sf)
      (global.set $log (i32.const 5))
      (switch $sk $swap (local.get 0)) (drop)
      (i32.const 9))
    (func (export "switches") (param i32) (result i32) (local $k (ref null $sk))
      (local.set $k (switch $sk $swap (cont.new $sk (ref.func $other-body))))
      (i32.add (global.get $log) (local.get 0)))
    (func (export "empty"))
    (func (export "forever") (loop $l (br $l)))
    (func (export "overflow") (call $over)) (func $over (call $over))
    (func (export "take") (param (ref null $k)) (result i32)
      (block $h (result i32 (ref $k))
        (return (resume $k (on $yield $h) (i32.const 3) (local.get 0))))
      (drop))
    (func (export "gives") (param i32) (result (ref $k)) (cont.new $k (ref.func $count)))
    (func (export "abstract") (param i32) (result (ref cont)) (cont.new $k (ref.func $count)))
)"#;

/// What the host function does.
struct Data(fn(Caller<'_, Data>, i32) -> Result<i32>);

struct Guest {
    store: Store<Data>,
    instance: Instance,
    i32_to_i32: ContType,
}

impl Guest {
    fn new(config: &Config) -> Guest {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        Guest::of(&module)
    }

    fn of(module: &Module) -> Guest {
        let engine = module.engine();
        let mut store = Store::new(engine, Data(|_, n| Ok(n)));
        let host = Func::wrap(&mut store, |caller: Caller<'_, Data>, n: i32| (caller.data().0)(caller, n));
        let instance = Instance::new(&mut store, module, &[host.into()]).unwrap();
        let ty = FuncType::new(engine, [ValType::I32], [ValType::I32]);
        let i32_to_i32 = ContType::new(engine, ty).unwrap();
        Guest { store, instance, i32_to_i32 }
    }

    fn func(&mut self, name: &str) -> Func {
        self.instance.get_func(&mut self.store, name).unwrap()
    }

    fn tag(&mut self, name: &str) -> Tag {
        self.instance.get_tag(&mut self.store, name).unwrap()
    }

    fn log(&mut self) -> i32 {
        let log = self.instance.get_global(&mut self.store, "log").unwrap();
        log.get(&mut self.store).unwrap_i32()
    }

    /// A continuation of an exported function from `i32` to `i32`.
    fn cont(&mut self, name: &str) -> ContRef {
        let func = self.func(name);
        ContRef::new(&mut self.store, &self.i32_to_i32, func).unwrap()
    }

    /// Resumes with one `i32` and handles `yield`. What it has yielded, or what it has returned.
    fn step(&mut self, cont: ContRef, value: i32) -> Result<Step> {
        let tag = self.tag("yield");
        let mut results = [Val::I32(-1)];
        let resumed = cont.resume(&mut self.store, &[Val::I32(value)], &mut results, &[On::Suspend(&tag)])?;
        Ok(Step::of(resumed, &results))
    }

    fn alive(&self) -> usize {
        self.store.continuation_statistics().alive
    }
}

enum Step {
    Yielded(i32, ContRef),
    Returned(i32),
}

impl Step {
    fn of(resumed: Resumed, results: &[Val]) -> Step {
        match resumed {
            Resumed::Returned => Step::Returned(results[0].unwrap_i32()),
            Resumed::Suspended(Suspension { payload, cont, .. }) => {
                assert_eq!(payload.len(), 1);
                Step::Yielded(payload[0].unwrap_i32(), cont)
            }
        }
    }

    fn yielded(self) -> (i32, ContRef) {
        match self {
            Step::Yielded(value, cont) => (value, cont),
            Step::Returned(value) => panic!("returned {value}"),
        }
    }

    fn returned(self) -> i32 {
        match self {
            Step::Returned(value) => value,
            Step::Yielded(value, _) => panic!("yielded {value}"),
        }
    }
}

/// A generator, from its first value to its last.
#[test]
fn generators() {
    each_backend(|config| {
        for name in ["count", "deep"] {
            let mut guest = Guest::new(&config());
            let mut cont = guest.cont(name);
            assert_eq!(cont.status(&guest.store), ContStatus::Fresh);
            let mut value = 3;
            for expected in [3, 2, 1] {
                let (yielded, next) = guest.step(cont, value).unwrap().yielded();
                assert_eq!(yielded, expected);
                // The first one of `deep` was captured together with what it has resumed.
                let is_outer = name == "deep" && expected == 3;
                let expected = if is_outer { ContStatus::Active } else { ContStatus::Consumed };
                assert_eq!(cont.status(&guest.store), expected);
                assert_eq!(next.status(&guest.store), ContStatus::Suspended);
                (cont, value) = (next, yielded * 100);
            }
            let sum = guest.step(cont, 100).unwrap().returned();
            assert_eq!(sum, if name == "deep" { 6000 } else { 600 });
            assert_eq!(guest.alive(), 0);
        }
    });
}

/// A reference that was consumed says so, whatever consumed it, and harms nothing.
#[test]
fn consumed_references() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let fresh = guest.cont("count");
        let (_, suspended) = guest.step(fresh, 1).unwrap().yielded();
        let stale = |guest: &mut Guest, cont: ContRef| {
            let error = guest.step(cont, 1).err().unwrap();
            assert_eq!(trap_of(&error), Some(Trap::ContinuationAlreadyConsumed), "{error:?}");
            let ty = guest.i32_to_i32.clone();
            let error = cont.bind(&mut guest.store, &ty, &[]).unwrap_err();
            assert_eq!(trap_of(&error), Some(Trap::ContinuationAlreadyConsumed));
            let error = cont.discard(&mut guest.store).unwrap_err();
            assert_eq!(trap_of(&error), Some(Trap::ContinuationAlreadyConsumed));
        };
        stale(&mut guest, fresh);
        assert_eq!(guest.step(suspended, 8).unwrap().returned(), 8);
        stale(&mut guest, fresh);
        stale(&mut guest, suspended);
        // Another one at the same place.
        let again = guest.cont("count");
        stale(&mut guest, fresh);
        stale(&mut guest, suspended);
        again.discard(&mut guest.store).unwrap();
        stale(&mut guest, again);
        assert_eq!(guest.alive(), 0);
    });
}

/// More values than fit into a continuation, and two tags.
#[test]
fn many_values_and_tags() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let func = guest.func("many");
        let ty = ContType::new(guest.store.engine(), func.ty(&guest.store)).unwrap();
        assert!(FuncType::eq(&ty.func(), &func.ty(&guest.store)));
        let cont = ContRef::new(&mut guest.store, &ty, func).unwrap();
        let (yields, other) = (guest.tag("yield"), guest.tag("other"));
        let on = [On::Suspend(&yields), On::Suspend(&other)];
        let args = [Val::I32(1), Val::I64(2), Val::from(3.5), Val::I32(4), Val::I32(5)];
        let mut results = [const { Val::I32(0) }; 4];
        let resumed = cont.resume(&mut guest.store, &args, &mut results, &on).unwrap();
        let Resumed::Suspended(suspension) = resumed else { panic!("{resumed:?}") };
        assert!(Tag::eq(&suspension.tag, &other, &guest.store));
        assert_eq!(suspension.clause, 1);
        let payload: Vec<i64> = suspension
            .payload
            .iter()
            .map(|value| match value {
                Val::I64(value) => *value,
                Val::I32(value) => (*value).into(),
                _ => panic!("{value:?}"),
            })
            .collect();
        assert_eq!(payload, [2, 1, 4, 5]);
        let args = [Val::I64(10), Val::I64(20), Val::I64(30), Val::I64(40)];
        let resumed = suspension.cont.resume(&mut guest.store, &args, &mut results, &on).unwrap();
        assert!(matches!(resumed, Resumed::Returned));
        let [Val::F64(a), Val::I32(20), Val::I64(30), Val::I32(40)] = results else { panic!("{results:?}") };
        assert_eq!(f64::from_bits(a), 13.5);
        assert_eq!(guest.alive(), 0);
    });
}

/// `cont.bind` of the host: of what is fresh and of what is suspended, at once and one after the other.
#[test]
fn bound_arguments() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let engine = guest.store.engine().clone();
        let func = guest.func("many");
        let full = func.ty(&guest.store);
        let ty = |skip: usize| {
            let ty = FuncType::new(&engine, full.params().skip(skip), full.results());
            ContType::new(&engine, ty).unwrap()
        };
        let cont = ContRef::new(&mut guest.store, &ty(0), func).unwrap();
        let wrong = cont.bind(&mut guest.store, &ty(3), &[Val::I32(1)]).unwrap_err();
        assert!(wrong.to_string().contains("type mismatch"), "{wrong}");
        let wrong = cont.bind(&mut guest.store, &ty(1), &[Val::I64(1)]).unwrap_err();
        assert!(wrong.to_string().contains("type mismatch"), "{wrong}");
        let one = cont.bind(&mut guest.store, &ty(1), &[Val::I32(1)]).unwrap();
        assert_eq!(cont.status(&guest.store), ContStatus::Consumed);
        let same = one.bind(&mut guest.store, &ty(1), &[]).unwrap();
        assert_eq!(one.status(&guest.store), ContStatus::Consumed);
        let args = [Val::I64(2), Val::from(3.5), Val::I32(4)];
        let four = same.bind(&mut guest.store, &ty(4), &args).unwrap();
        let other = guest.tag("other");
        let mut results = [const { Val::I32(0) }; 4];
        let resumed =
            four.resume(&mut guest.store, &[Val::I32(5)], &mut results, &[On::Suspend(&other)]).unwrap();
        let Resumed::Suspended(Suspension { payload, cont, .. }) = resumed else { panic!("{resumed:?}") };
        assert_eq!([payload[1].unwrap_i32(), payload[2].unwrap_i32()], [1, 4]);

        let rest = FuncType::new(&engine, [ValType::I64], full.results());
        let rest = ContType::new(&engine, rest).unwrap();
        let args = [Val::I64(10), Val::I64(20), Val::I64(30)];
        let cont = cont.bind(&mut guest.store, &rest, &args).unwrap();
        assert_eq!(cont.status(&guest.store), ContStatus::Suspended);
        let resumed = cont.resume(&mut guest.store, &[Val::I64(40)], &mut results, &[]).unwrap();
        assert!(matches!(resumed, Resumed::Returned));
        assert_eq!((results[1].unwrap_i32(), results[2].unwrap_i64()), (20, 30));
    });
}

/// Continuations with Rust types: to the end, with no values, with many, and what they refuse.
#[test]
fn typed() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let yields = guest.tag("yield").typed::<i32, i32>(&guest.store).unwrap();
        let mut cont = guest.cont("count").typed::<i32, i32>(&mut guest.store).unwrap();
        let (mut value, mut seen) = (3, Vec::new());
        let sum = loop {
            match cont.resume(&mut guest.store, value, &yields).unwrap() {
                TypedResumed::Returned(sum) => break sum,
                TypedResumed::Suspended { payload, cont: next } => {
                    assert_eq!(next.cont().status(&guest.store), ContStatus::Suspended);
                    seen.push(payload);
                    (value, cont) = (10 * payload, next);
                }
            }
        };
        assert_eq!((sum, seen), (60, vec![3, 2, 1]));
        assert_eq!(guest.alive(), 0);

        let many = guest.func("many");
        let ty = ContType::new(guest.store.engine(), many.ty(&guest.store)).unwrap();
        let cont = ContRef::new(&mut guest.store, &ty, many).unwrap();
        type Four = (i64, i64, i64, i64);
        let cont = cont.typed::<(i32, i64, f64, i32, i32), (f64, i32, i64, i32)>(&mut guest.store).unwrap();
        let other = guest.tag("other").typed::<(i64, i32, i32, i64), Four>(&guest.store).unwrap();
        let resumed = cont.resume(&mut guest.store, (1, 2, 3.5, 4, 5), &other).unwrap();
        let TypedResumed::Suspended { payload, cont } = resumed else { panic!("it suspends") };
        assert_eq!(payload, (2, 1, 4, 5));
        let resumed = cont.resume(&mut guest.store, (10, 20, 30, 40), &other).unwrap();
        let TypedResumed::Returned(results) = resumed else { panic!("it returns") };
        assert_eq!(results, (13.5, 20, 30, 40));

        let empty = guest.func("empty");
        let ty = ContType::new(guest.store.engine(), empty.ty(&guest.store)).unwrap();
        let cont = ContRef::new(&mut guest.store, &ty, empty).unwrap();
        let cont = cont.typed::<(), ()>(&mut guest.store).unwrap();
        let resumed = cont.resume(&mut guest.store, (), &yields).unwrap();
        assert!(matches!(resumed, TypedResumed::Returned(())));

        // A trap, and a tag that nobody handles.
        let cont = guest.cont("trap").typed::<i32, i32>(&mut guest.store).unwrap();
        let resumed = cont.resume(&mut guest.store, 1, &yields).unwrap();
        let TypedResumed::Suspended { cont, .. } = resumed else { panic!("it suspends") };
        let error = cont.resume(&mut guest.store, 1, &yields).err().unwrap();
        assert_eq!(trap_of(&error), Some(Trap::UnreachableCodeReached));
        let cont = guest.cont("count").typed::<i32, i32>(&mut guest.store).unwrap();
        let error = cont.resume(&mut guest.store, 1, &other).err().unwrap();
        assert_eq!(trap_of(&error), Some(Trap::UnhandledTag));
        assert_eq!(guest.alive(), 0);

        // What is refused leaves the reference usable, unless it was consumed.
        let cont = guest.cont("count");
        for error in [
            cont.typed::<i64, i32>(&mut guest.store).err().unwrap(),
            cont.typed::<i32, ()>(&mut guest.store).err().unwrap(),
            guest.tag("yield").typed::<(), i32>(&guest.store).err().unwrap(),
            guest.tag("yield").typed::<i32, f32>(&guest.store).err().unwrap(),
        ] {
            assert!(error.to_string().contains("type mismatch"), "{error}");
        }
        let mut other = Guest::new(&config());
        assert!(cont.typed::<i32, i32>(&mut other.store).is_err());
        assert!(guest.tag("yield").typed::<i32, i32>(&other.store).is_err());
        let typed = cont.typed::<i32, i32>(&mut guest.store).unwrap();
        let foreign = other.tag("yield").typed::<i32, i32>(&other.store).unwrap();
        assert!(typed.resume(&mut guest.store, 1, &foreign).is_err());
        assert_eq!(cont.status(&guest.store), ContStatus::Fresh);
        let typed = cont.typed::<i32, i32>(&mut guest.store).unwrap();
        cont.discard(&mut guest.store).unwrap();
        let error = typed.resume(&mut guest.store, 1, &yields).err().unwrap();
        assert_eq!(trap_of(&error), Some(Trap::ContinuationAlreadyConsumed));
        assert_eq!(guest.alive(), 0);
    });
}

/// A trap is an error with a backtrace, and ends what ran. The store goes on.
#[test]
fn traps() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let cont = guest.cont("trap");
        let (_, cont) = guest.step(cont, 0).unwrap().yielded();
        let error = guest.step(cont, 0).err().unwrap();
        assert_eq!(trap_of(&error), Some(Trap::UnreachableCodeReached));
        assert_eq!(error.downcast_ref::<WasmBacktrace>().unwrap().frames().len(), 1);
        assert_eq!(cont.status(&guest.store), ContStatus::Consumed);
        assert_eq!(guest.alive(), 0);

        // Nobody handles the tag: not even a handler of the host's other entry.
        let cont = guest.cont("deep");
        let error = cont.resume(&mut guest.store, &[Val::I32(1)], &mut [Val::I32(0)], &[]).unwrap_err();
        assert_eq!(trap_of(&error), Some(Trap::UnhandledTag));
        let frames = error.downcast_ref::<WasmBacktrace>().unwrap().frames().len();
        assert_eq!(frames, 2, "{error:?}");
        assert_eq!(guest.alive(), 0);

        let empty = ContType::new(guest.store.engine(), FuncType::new(guest.store.engine(), [], [])).unwrap();
        let overflow = guest.func("overflow");
        let cont = ContRef::new(&mut guest.store, &empty, overflow).unwrap();
        let error = cont.resume(&mut guest.store, &[], &mut [], &[]).unwrap_err();
        assert_eq!(trap_of(&error), Some(Trap::StackOverflow));
        let cont = guest.cont("count");
        let (_, cont) = guest.step(cont, 1).unwrap().yielded();
        assert_eq!(guest.step(cont, 5).unwrap().returned(), 5);
        assert_eq!(guest.alive(), 0);
    });
}

/// Exceptions out of a continuation, and into one.
#[test]
fn exceptions() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        let cont = guest.cont("throw");
        let error = guest.step(cont, 42).err().unwrap();
        assert!(error.is::<ThrownException>(), "{error:?}");
        let exn = guest.store.take_pending_exception().unwrap();
        assert_eq!(exn.field(&mut guest.store, 0).unwrap().unwrap_i32(), 42);
        assert_eq!(guest.alive(), 0);

        let throw = |guest: &mut Guest, cont: ContRef| {
            let (e, yields) = (guest.tag("e"), guest.tag("yield"));
            let exn = exception(&mut guest.store, &e, 7);
            let mut results = [Val::I32(-1)];
            let on = [On::Suspend(&yields)];
            let resumed = cont.resume_throw(&mut guest.store, exn, &mut results, &on)?;
            Ok::<_, Error>(Step::of(resumed, &results))
        };
        // Its clean-up runs, and the exception comes out.
        let cont = guest.cont("clean");
        let (_, cont) = guest.step(cont, 1).unwrap().yielded();
        let error = throw(&mut guest, cont).err().unwrap();
        assert!(error.is::<ThrownException>(), "{error:?}");
        let exn = guest.store.take_pending_exception().unwrap();
        assert_eq!(exn.field(&mut guest.store, 0).unwrap().unwrap_i32(), 7);
        assert_eq!(guest.log(), 1);
        // It catches the exception and goes on.
        let cont = guest.cont("catch");
        let (_, cont) = guest.step(cont, 1).unwrap().yielded();
        let (value, cont) = throw(&mut guest, cont).unwrap().yielded();
        assert_eq!(value, 77);
        assert_eq!(guest.step(cont, 1).unwrap().returned(), 2);
        // What never ran throws at once.
        let cont = guest.cont("clean");
        let error = throw(&mut guest, cont).err().unwrap();
        assert!(error.is::<ThrownException>(), "{error:?}");
        assert!(guest.store.take_pending_exception().is_some());
        assert_eq!((guest.log(), guest.alive()), (1, 0));
        assert_eq!(cont.status(&guest.store), ContStatus::Consumed);
        // A reference that was consumed throws nothing.
        let error = throw(&mut guest, cont).err().unwrap();
        assert_eq!(trap_of(&error), Some(Trap::ContinuationAlreadyConsumed));
        assert!(guest.store.take_pending_exception().is_none());
    });
}

/// Handlers in Wasm come first. Those of the host's outer resume are out of reach of the inner one.
#[test]
fn handlers_and_nesting() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let cont = guest.cont("handles");
        assert_eq!(guest.step(cont, 3).unwrap().returned(), 6);

        // The host, called by a continuation that the host runs, runs another one.
        *guest.store.data_mut() = Data(|mut caller, n| {
            let count = caller.get_export("count").unwrap().into_func().unwrap();
            let tag = caller.get_export("yield").unwrap().into_tag().unwrap();
            let ty = ContType::new(caller.engine(), count.ty(&caller)).unwrap();
            let mut cont = ContRef::new(&mut caller, &ty, count).unwrap();
            let unhandled = cont.resume(&mut caller, &[Val::I32(n)], &mut [Val::I32(0)], &[]).unwrap_err();
            assert_eq!(trap_of(&unhandled), Some(Trap::UnhandledTag));
            let count = caller.get_export("count").unwrap().into_func().unwrap();
            cont = ContRef::new(&mut caller, &ty, count).unwrap();
            let (mut sum, mut results) = (0, [Val::I32(0)]);
            let mut value = n;
            loop {
                match cont.resume(&mut caller, &[Val::I32(value)], &mut results, &[On::Suspend(&tag)])? {
                    Resumed::Returned => return Ok(sum + results[0].unwrap_i32()),
                    Resumed::Suspended(suspension) => {
                        value = suspension.payload[0].unwrap_i32();
                        (sum, cont) = (sum + value, suspension.cont);
                    }
                }
            }
        });
        let cont = guest.cont("hosts");
        let (value, cont) = guest.step(cont, 4).unwrap().yielded();
        assert_eq!(value, 4);
        assert_eq!(guest.step(cont, 100).unwrap().returned(), 120);
        assert_eq!(guest.alive(), 0);

        // A host function's error ends what called it.
        *guest.store.data_mut() = Data(|_, _| bail!("no"));
        let cont = guest.cont("hosts");
        let error = guest.step(cont, 4).err().unwrap();
        assert_eq!(error.root_cause().to_string(), "no");
        assert_eq!(guest.alive(), 0);
        // What runs says so. Nobody can resume it.
        *guest.store.data_mut() = Data(|caller, _| {
            let trace = WasmBacktrace::capture(&caller);
            assert_eq!(names(&trace), ["hosts"]);
            Ok(0)
        });
        let cont = guest.cont("hosts");
        let (_, cont) = guest.step(cont, 4).unwrap().yielded();
        assert_eq!(guest.step(cont, 1).unwrap().returned(), 1);
    });
}

/// The continuation that runs is active, and can neither be resumed nor ended by what it calls.
#[test]
fn active_continuations() {
    each_backend(|config| {
        let engine = Engine::new(&config()).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store: Store<Option<ContRef>> = Store::new(&engine, None);
        let host = Func::wrap(&mut store, |mut caller: Caller<'_, Option<ContRef>>, n: i32| {
            let cont = caller.data().unwrap();
            assert_eq!(cont.status(&caller), ContStatus::Active);
            let error = cont.resume(&mut caller, &[Val::I32(n)], &mut [Val::I32(0)], &[]).unwrap_err();
            assert_eq!(trap_of(&error), Some(Trap::ContinuationAlreadyConsumed));
            assert!(cont.discard(&mut caller).is_err());
            n
        });
        let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
        let func = instance.get_func(&mut store, "hosts").unwrap();
        let tag = instance.get_tag(&mut store, "yield").unwrap();
        let ty = ContType::new(&engine, func.ty(&store)).unwrap();
        let cont = ContRef::new(&mut store, &ty, func).unwrap();
        *store.data_mut() = Some(cont);
        let mut results = [Val::I32(0)];
        let resumed = cont.resume(&mut store, &[Val::I32(6)], &mut results, &[On::Suspend(&tag)]).unwrap();
        let Resumed::Suspended(suspension) = resumed else { panic!("{resumed:?}") };
        assert_eq!(cont.status(&store), ContStatus::Consumed);
        suspension.cont.discard(&mut store).unwrap();
        assert_eq!(store.continuation_statistics().alive, 0);
    });
}

/// A host that resumes what calls it again and again: the stack on which it runs ends, and not the process.
#[test]
fn recursion_of_the_host() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        *guest.store.data_mut() = Data(|mut caller, n| {
            let hosts = caller.get_export("hosts").unwrap().into_func().unwrap();
            let ty = ContType::new(caller.engine(), hosts.ty(&caller))?;
            let cont = ContRef::new(&mut caller, &ty, hosts)?;
            let mut results = [Val::I32(0)];
            let resumed = cont.resume(&mut caller, &[Val::I32(n + 1)], &mut results, &[]);
            if cont.status(&caller) == ContStatus::Fresh {
                // There is no room for an exception either, and nobody has got it.
                let e = caller.get_export("e").unwrap().into_tag().unwrap();
                let exn = exception(&mut caller, &e, 7);
                let error = cont.resume_throw(&mut caller, exn, &mut results, &[]).unwrap_err();
                assert_eq!(trap_of(&error), Some(Trap::StackOverflow), "{error:?}");
                assert!(caller.as_context_mut().take_pending_exception().is_none());
                cont.discard(&mut caller)?;
            }
            resumed.map(|_| n)
        });
        let cont = guest.cont("hosts");
        let error = guest.step(cont, 0).err().unwrap();
        assert_eq!(trap_of(&error), Some(Trap::StackOverflow), "{error:?}");
        assert_eq!(guest.alive(), 0);
    });
}

/// A function of the host as what a continuation runs, made before any module was there.
#[test]
fn functions_of_the_host() {
    each_backend(|config| {
        let engine = Engine::new(&config()).unwrap();
        let mut store = Store::new(&engine, ());
        let double = Func::wrap(&mut store, |n: i32| 2 * n);
        let fails = Func::wrap(&mut store, |_: i32| -> Result<i32> { bail!("no") });
        let ty = ContType::new(&engine, double.ty(&store)).unwrap();
        let mut results = [Val::I32(0)];
        if engine.get_stack_switching_backend() == StackSwitchingBackend::Native {
            let error = ContRef::new(&mut store, &ty, double).unwrap_err();
            assert!(error.to_string().contains("no module in the store has the code"), "{error}");
        }
        let module =
            Module::new(&engine, r#"(module (func (export "f") (param i32) (result i32) (unreachable)))"#);
        Instance::new(&mut store, &module.unwrap(), &[]).unwrap();
        let cont = ContRef::new(&mut store, &ty, double).unwrap();
        let resumed = cont.resume(&mut store, &[Val::I32(21)], &mut results, &[]).unwrap();
        assert!(matches!(resumed, Resumed::Returned));
        assert_eq!(results[0].unwrap_i32(), 42);
        let cont = ContRef::new(&mut store, &ty, fails).unwrap();
        let error = cont.resume(&mut store, &[Val::I32(1)], &mut results, &[]).unwrap_err();
        assert_eq!(error.to_string(), "no");
        assert_eq!(store.continuation_statistics().alive, 0);
    });
}

/// An argument stays the host's if the resume fails at a limit.
#[test]
fn arguments_of_a_failed_resume() {
    const MODULE: &str = r#"(module
        (type $f (func)) (type $k (cont $f)) (tag $t (export "t"))
        (func (export "waits") (suspend $t))
        (func (export "takes") (param (ref $k)) (suspend $t)))"#;
    each_backend(|config| {
        let mut config = config();
        config.continuation_stacks(1);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let tag = instance.get_tag(&mut store, "t").unwrap();
        let on = [On::Suspend(&tag)];
        let cont = |store: &mut Store<()>, name: &str| {
            let func = instance.get_func(&mut *store, name).unwrap();
            let ty = ContType::new(&engine, func.ty(&*store)).unwrap();
            ContRef::new(&mut *store, &ty, func).unwrap()
        };
        let first = cont(&mut store, "waits");
        let Resumed::Suspended(first) = first.resume(&mut store, &[], &mut [], &on).unwrap() else {
            panic!("it suspends")
        };
        let argument = cont(&mut store, "waits");
        let taker = cont(&mut store, "takes");
        let error = taker.resume(&mut store, &[Val::ContRef(Some(argument))], &mut [], &on).unwrap_err();
        assert_eq!(trap_of(&error), Some(Trap::ContinuationLimit));
        store.gc(None).unwrap();
        assert_eq!(argument.status(&store), ContStatus::Fresh);
        assert_eq!(taker.status(&store), ContStatus::Fresh);
        first.cont.discard(&mut store).unwrap();
        let resumed = taker.resume(&mut store, &[Val::ContRef(Some(argument))], &mut [], &on).unwrap();
        assert!(matches!(resumed, Resumed::Suspended(_)));
        store.gc(None).unwrap();
        assert_eq!(store.continuation_statistics().alive, 1 + usize::from(!support::SEARCHES));
    });
}

/// `(on $tag switch)` of the host.
#[test]
fn switches() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let cont = guest.cont("switches");
        let (swap, yields) = (guest.tag("swap"), guest.tag("yield"));
        let wrong = cont
            .resume(&mut guest.store, &[Val::I32(1)], &mut [Val::I32(0)], &[On::Switch(&yields)])
            .unwrap_err();
        assert!(wrong.to_string().contains("type mismatch"), "{wrong}");
        let mut results = [Val::I32(0)];
        let resumed =
            cont.resume(&mut guest.store, &[Val::I32(1)], &mut results, &[On::Switch(&swap)]).unwrap();
        assert!(matches!(resumed, Resumed::Returned));
        assert_eq!(results[0].unwrap_i32(), 6);
        // A clause of the other kind is none for it.
        let cont = guest.cont("switches");
        let on = [On::Suspend(&swap)];
        let error = cont.resume(&mut guest.store, &[Val::I32(1)], &mut results, &on).unwrap_err();
        assert_eq!(trap_of(&error), Some(Trap::UnhandledTag));
    });
}

/// What is checked before anything is consumed.
#[test]
fn wrong_operands() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let mut other = Guest::new(&config());
        let engine = guest.store.engine().clone();
        let foreign = other.tag("yield");
        let cont = guest.cont("count");
        let mut results = [Val::I32(0)];
        let one = [Val::I32(1)];
        let store = &mut guest.store;
        let errors = [
            cont.resume(&mut *store, &[], &mut results, &[]).unwrap_err(),
            cont.resume(&mut *store, &[Val::I64(1)], &mut results, &[]).unwrap_err(),
            cont.resume(&mut *store, &one, &mut [], &[]).unwrap_err(),
            cont.resume(&mut *store, &one, &mut results, &[On::Suspend(&foreign)]).unwrap_err(),
            cont.resume(&mut other.store, &one, &mut results, &[]).unwrap_err(),
            cont.bind(&mut other.store, &other.i32_to_i32, &[]).unwrap_err(),
            cont.bind(&mut *store, &other.i32_to_i32, &[]).unwrap_err(),
        ];
        let texts = [
            "expected 1 arguments for a continuation of type",
            "argument type mismatch",
            "expected room for 1 results",
            "cross-`Store`",
            "cross-`Store`",
            "cross-`Store`",
            "another engine",
        ];
        for (error, text) in errors.iter().zip(texts) {
            assert!(error.to_string().contains(text), "{error} is not {text}");
        }
        let typed = cont.typed::<i32, i32>(&mut guest.store).unwrap();
        let tag = foreign.typed::<i32, i32>(&other.store).unwrap();
        let error = typed.resume(&mut other.store, 1, &tag).err().unwrap();
        assert!(error.to_string().contains("cross-`Store`"), "{error}");
        assert_eq!(cont.status(&guest.store), ContStatus::Fresh);
        cont.discard(&mut guest.store).unwrap();

        let count = guest.func("count");
        let empty = ContType::new(&engine, FuncType::new(&engine, [], [])).unwrap();
        let error = ContRef::new(&mut guest.store, &empty, count).unwrap_err();
        assert!(error.to_string().contains("type mismatch"), "{error}");
        let error = ContRef::new(&mut other.store, &other.i32_to_i32, count).unwrap_err();
        assert!(error.to_string().contains("cross-`Store`"), "{error}");
        let error = ContRef::new(&mut guest.store, &other.i32_to_i32, count).unwrap_err();
        assert!(error.to_string().contains("another engine"), "{error}");
        let error = ContType::new(&engine, FuncType::new(other.store.engine(), [], [])).unwrap_err();
        assert!(error.to_string().contains("another engine"), "{error}");

        let without = Engine::new(&Config::new()).unwrap();
        let error = ContType::new(&without, FuncType::new(&without, [], [])).unwrap_err();
        assert!(error.to_string().contains("Config::wasm_stack_switching"), "{error}");

        // A value of the abstract type says nothing of what it takes.
        let func = guest.func("abstract");
        let mut given = [Val::ContRef(None)];
        func.call(&mut guest.store, &one, &mut given).unwrap();
        let Val::ContRef(Some(cont)) = given[0] else { panic!() };
        let error = cont.resume(&mut guest.store, &one, &mut results, &[]).unwrap_err();
        assert!(error.to_string().contains("abstract type"), "{error}");
        cont.discard(&mut guest.store).unwrap();
        assert_eq!(guest.alive(), 0);
    });
}

/// Continuations go back and forth between Wasm and the host.
#[test]
fn given_and_taken() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let gives = guest.instance.get_func(&mut guest.store, "gives").unwrap();
        let mut given = [Val::ContRef(None)];
        gives.call(&mut guest.store, &[Val::I32(0)], &mut given).unwrap();
        let Val::ContRef(Some(cont)) = given[0] else { panic!() };
        let (value, cont) = guest.step(cont, 2).unwrap().yielded();
        assert_eq!(value, 2);
        let take = guest.func("take");
        let mut results = [Val::I32(0)];
        take.call(&mut guest.store, &[Val::ContRef(Some(cont))], &mut results).unwrap();
        assert_eq!(results[0].unwrap_i32(), 1, "the next value that it yields");
        assert_eq!(cont.status(&guest.store), ContStatus::Consumed);
        guest.store.gc(None).unwrap();
        if support::SEARCHES {
            assert_eq!(guest.alive(), 0, "Wasm has dropped it");
        }
        // A fresh one of the host's.
        let cont = guest.cont("count");
        take.call(&mut guest.store, &[Val::ContRef(Some(cont))], &mut results).unwrap();
        assert_eq!(results[0].unwrap_i32(), 3);
    });
}

/// A limit leaves the reference usable.
#[test]
fn limits() {
    each_backend(|config| {
        let mut config = config();
        config.continuations_per_store(3).continuation_stacks(2);
        let mut guest = Guest::new(&config);
        let conts: Vec<ContRef> = (0..3).map(|_| guest.cont("count")).collect();
        let func = guest.func("count");
        let error = ContRef::new(&mut guest.store, &guest.i32_to_i32, func).unwrap_err();
        assert_eq!(trap_of(&error), Some(Trap::ContinuationLimit), "{error:?}");
        let (_, first) = guest.step(conts[0], 1).unwrap().yielded();
        let (_, second) = guest.step(conts[1], 1).unwrap().yielded();
        let error = guest.step(conts[2], 1).err().unwrap();
        assert_eq!(trap_of(&error), Some(Trap::ContinuationLimit), "{error:?}");
        assert_eq!(conts[2].status(&guest.store), ContStatus::Fresh);
        first.discard(&mut guest.store).unwrap();
        let (_, third) = guest.step(conts[2], 1).unwrap().yielded();
        assert_eq!(guest.step(third, 3).unwrap().returned(), 3);
        assert_eq!(guest.step(second, 4).unwrap().returned(), 4);
    });
}

/// Many that are made and ended take no memory, whether they ran or not.
#[test]
fn made_and_ended() {
    each_backend(|config| {
        let mut config = config();
        config.continuation_stack_size(16 << 10);
        let mut guest = Guest::new(&config);
        for n in 0..20_000 {
            let mut cont = guest.cont("count");
            if n % 4 == 0 {
                (_, cont) = guest.step(cont, 1).unwrap().yielded();
            }
            cont.discard(&mut guest.store).unwrap();
        }
        let statistics = guest.store.continuation_statistics();
        assert_eq!((statistics.alive, statistics.peak), (0, 1), "{statistics}");
        assert_eq!(statistics.created, 20_000);
        // A store that ends with some suspended.
        let cont = guest.cont("count");
        guest.step(cont, 1).unwrap().yielded();
    });
}

/// On fibers: the host resumes, and the guest calls asynchronous host functions and suspends. `attacks_host.rs` drops such futures.
#[test]
fn fibers() {
    each_backend(|config| {
        let engine = Engine::new(&config()).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, ());
        let host = Func::wrap_async(&mut store, |_: Caller<'_, ()>, (n,): (i32,)| {
            Box::new(async move {
                support::wait(2).await;
                n + 1
            })
        });
        let run = async |store: &mut Store<()>| {
            let instance = Instance::new_async(&mut *store, &module, &[host.into()]).await.unwrap();
            let func = instance.get_func(&mut *store, "hosts").unwrap();
            let tag = instance.get_tag(&mut *store, "yield").unwrap();
            let ty = ContType::new(&engine, func.ty(&*store)).unwrap();
            let cont = ContRef::new_async(&mut *store, &ty, func).await.unwrap();
            let mut results = [Val::I32(0)];
            let on = [On::Suspend(&tag)];
            let resumed = cont.resume_async(&mut *store, &[Val::I32(5)], &mut results, &on).await.unwrap();
            let (value, cont) = Step::of(resumed, &results).yielded();
            assert_eq!(value, 5);
            let resumed = cont.resume_async(&mut *store, &[Val::I32(10)], &mut results, &on).await.unwrap();
            assert_eq!(Step::of(resumed, &results).returned(), 16);
        };
        block_on(pin!(run(&mut store)));
        assert_eq!(store.continuation_statistics().alive, 0);
    });
}

/// A module that was compiled before. `ci/embedder.sh` runs one in an engine without a compiler.
#[test]
fn precompiled() {
    each_backend(|config| {
        let engine = Engine::new(&config()).unwrap();
        let bytes = engine.precompile_module(MODULE.as_bytes()).unwrap();
        // SAFETY: the bytes are what this engine has compiled just now.
        let module = unsafe { Module::deserialize(&engine, &bytes) }.unwrap();
        let mut guest = Guest::of(&module);
        let cont = guest.cont("count");
        let (_, cont) = guest.step(cont, 1).unwrap().yielded();
        assert_eq!(guest.step(cont, 9).unwrap().returned(), 9);
    });
}

/// References to objects on their way in and out, while collections move objects.
#[test]
fn references() {
    const MODULE: &str = r#"(module
        (type $o (struct (field $n (mut i32))))
        (tag $t (export "t") (param anyref externref) (result anyref externref))
        (import "" "gc" (func $gc))
        (func (export "f") (param anyref externref) (result anyref externref)
          (local $own (ref null $o))
          (local.set $own (struct.new $o (i32.const 40)))
          (call $gc)
          (suspend $t (local.get 0) (local.get 1))
          (call $gc)
          (struct.set $o $n (local.get $own) (i32.add (struct.get $o $n (local.get $own)) (i32.const 2)))
          (local.set 1) (drop)
          (local.get $own) (local.get 1))
        (func (export "g") (result anyref) (struct.new $o (i32.const 7))))"#;
    each_collector(&COLLECTORS, |config| {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, ());
        let gc = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| caller.gc(None).unwrap());
        let instance = Instance::new(&mut store, &module, &[gc.into()]).unwrap();
        let func = instance.get_func(&mut store, "f").unwrap();
        let make = instance.get_func(&mut store, "g").unwrap();
        let tag = instance.get_tag(&mut store, "t").unwrap();
        let ty = ContType::new(&engine, func.ty(&store)).unwrap();
        for round in 0..50 {
            let mut scope = RootScope::new(&mut store);
            let mut object = [Val::AnyRef(None)];
            make.call(&mut scope, &[], &mut object).unwrap();
            let external = ExternRef::new(&mut scope, round).unwrap();
            let cont = ContRef::new(&mut scope, &ty, func).unwrap();
            let mut results = [Val::AnyRef(None), Val::ExternRef(None)];
            // Bound in between, so that a collection has to find what is bound.
            let rest = FuncType::new(&engine, [ValType::EXTERNREF], ty.func().results());
            let rest = ContType::new(&engine, rest).unwrap();
            let cont = cont.bind(&mut scope, &rest, &object).unwrap();
            scope.as_context_mut().gc(None).unwrap();
            let args = [Val::ExternRef(Some(external))];
            let resumed = cont.resume(&mut scope, &args, &mut results, &[On::Suspend(&tag)]).unwrap();
            let Resumed::Suspended(Suspension { payload, cont, .. }) = resumed else { panic!("{resumed:?}") };
            scope.as_context_mut().gc(None).unwrap();
            let resumed = cont.resume(&mut scope, &payload, &mut results, &[]).unwrap();
            assert!(matches!(resumed, Resumed::Returned));
            scope.as_context_mut().gc(None).unwrap();
            let external = results[1].unwrap_externref().unwrap();
            assert_eq!(external.data(&scope).unwrap().unwrap().downcast_ref(), Some(&round));
            let object = results[0].unwrap_anyref().unwrap().unwrap_struct(&scope).unwrap();
            assert_eq!(object.field(&mut scope, 0).unwrap().unwrap_i32(), 42);
        }
        assert_eq!(store.continuation_statistics().alive, 0);
    });
}
