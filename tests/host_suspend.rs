//! Functions of the host that suspend.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use support::{COLLECTORS, FREEING, block_on, each_backend, each_collector, exception, names, trap_of};
use wasmfx::wasmtime::*;

/// Functions that call the host, which suspends.
const MODULE: &str = r#"(module
    (type $s (struct (field i32)))
    (type $f (func (param i32) (result i32))) (type $k (cont $f))
    (type $many (func (param i32 i64 f64 i32 i64) (result i32 f64 i64 i32 i64)))
    (type $obj (func (param (ref $s)) (result (ref $s)))) (type $ok (cont $obj))
    (import "" "yield" (func $yield (param i32) (result i32)))
    (import "" "many" (func $host-many (type $many)))
    (import "" "object" (func $object (type $obj)))
    (import "" "gc" (func $gc))
    (tag $t (export "t") (param i32) (result i32))
    (tag $m (export "m") (param i32 i64 f64 i32 i64) (result i32 f64 i64 i32 i64))
    (tag $o (export "o") (param (ref $s)) (result (ref $s)))
    (tag $e (export "e") (param i32))
    (func $middle (param i32) (result i32) (i32.add (call $yield (local.get 0)) (i32.const 1)))
    ;; The sum of what comes back, each plus one.
    (func $count (export "count") (param $n i32) (result i32) (local $sum i32)
      (block $done
        (loop $next
          (br_if $done (i32.eqz (local.get $n)))
          (local.set $sum (i32.add (local.get $sum) (call $middle (local.get $n))))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br $next)))
      (local.get $sum))
    (elem declare func $count $through $objects $yield $catches)
    ;; A handler of Wasm, which doubles.
    (func (export "handles") (param $n i32) (result i32) (local $k (ref null $k)) (local $got i32)
      (local.set $k (cont.new $k (ref.func $count)))
      (local.set $got (local.get $n))
      (loop $next (result i32)
        (block $h (result i32 (ref $k))
          (return (resume $k (on $t $h) (local.get $got) (local.get $k))))
        (local.set $k) (local.set $got (i32.mul (i32.const 2)))
        (br $next)))
    ;; Two stacks, of which the host handles what the inner one suspends with.
    (func $through (export "through") (param i32) (result i32)
      (i32.mul (resume $k (local.get 0) (cont.new $k (ref.func $count))) (i32.const 10)))
    (func (export "many") (type $many)
      (call $host-many (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)))
    ;; Keeps an object of its own, and passes one to the host.
    (func $objects (export "objects") (param $n i32) (result i32) (local $mine (ref $s)) (local $got (ref $s))
      (local.set $mine (struct.new $s (local.get $n)))
      (local.set $got (call $object (struct.new $s (i32.mul (local.get $n) (i32.const 10)))))
      (call $gc)
      (i32.add (struct.get $s 0 (local.get $mine)) (struct.get $s 0 (local.get $got))))
    (func (export "new") (param i32) (result (ref $s)) (struct.new $s (local.get 0)))
    (func (export "get") (param (ref null $s)) (result i32) (struct.get $s 0 (local.get 0)))
    ;; The function of the host itself is what runs.
    (func (export "body") (result (ref $k)) (cont.new $k (ref.func $yield)))
    (func $catches (export "catches") (param i32) (result i32)
      (block $h (result i32)
        (try_table (result i32) (catch $e $h) (call $yield (local.get 0)))
        (return))
      (i32.add (i32.const 1000)))
    (func (export "churn") (local $n i32)
      (loop $l
        (drop (struct.new $s (i32.const -1)))
        (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 500)))))
    (func (export "throw") (param $n i32) (result i32) (local $k (ref null $k))
      (block $h (result i32 (ref $k))
        (resume $k (on $t $h) (i32.const 5) (cont.new $k (ref.func $catches))) (return))
      (local.set $k) (drop)
      (resume_throw $k $e (local.get $n) (local.get $k)))
    (func (export "direct") (param i32) (result i32) (call $middle (local.get 0)))
    (func (export "loop") (param $n i32) (local $k (ref null $k))
      (loop $again
        (block $h (result i32 (ref $k))
          (drop (resume $k (on $t $h) (i32.const 3) (cont.new $k (ref.func $count)))) (unreachable))
        (local.set $k) (drop)
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
)"#;

/// What the host's function `yield` does.
type Yields = fn(Caller<'_, Data>, i32, Tag, &mut [Val]) -> Result<Flow<Data>>;

struct Data {
    yields: Yields,
    tags: Vec<Tag>,
    dropped: Arc<AtomicU32>,
}

struct Guest {
    store: Store<Data>,
    instance: Instance,
}

fn suspends(_: Caller<'_, Data>, n: i32, tag: Tag, _: &mut [Val]) -> Result<Flow<Data>> {
    Ok(Suspend::new(tag, [Val::I32(n)]).into())
}

impl Guest {
    fn new(config: &Config) -> Guest {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        Guest::of(&module)
    }

    fn of(module: &Module) -> Guest {
        let data = Data { yields: suspends, tags: Vec::new(), dropped: Arc::default() };
        let mut store = Store::new(module.engine(), data);
        let mut linker = Linker::new(module.engine());
        let ty = |name: &str| {
            let import = module.imports().find(|import| import.name() == name).unwrap();
            import.ty().unwrap_func().clone()
        };
        linker
            .func_suspending("", "yield", ty("yield"), |caller: Caller<'_, Data>, args, results| {
                let (yields, tag) = (caller.data().yields, caller.data().tags[0]);
                yields(caller, args[0].unwrap_i32(), tag, results)
            })
            .unwrap();
        for (name, tag) in [("many", 1), ("object", 2)] {
            linker
                .func_suspending("", name, ty(name), move |caller: Caller<'_, Data>, args, _| {
                    Ok(Suspend::new(caller.data().tags[tag], args).into())
                })
                .unwrap();
        }
        linker.func_wrap("", "gc", |mut caller: Caller<'_, Data>| caller.gc(None)).unwrap();
        let instance = linker.instantiate(&mut store, module).unwrap();
        let tags = ["t", "m", "o"].map(|name| instance.get_tag(&mut store, name).unwrap());
        store.data_mut().tags = tags.to_vec();
        Guest { store, instance }
    }

    fn func(&mut self, name: &str) -> Func {
        self.instance.get_func(&mut self.store, name).unwrap()
    }

    fn cont(&mut self, name: &str) -> ContRef {
        let func = self.func(name);
        let ty = ContType::new(self.store.engine(), func.ty(&self.store)).unwrap();
        ContRef::new(&mut self.store, &ty, func).unwrap()
    }

    /// Resumes with these arguments and all tags of the host.
    fn step(&mut self, cont: ContRef, args: &[Val], results: &mut [Val]) -> Result<Option<Suspension>> {
        let tags = self.store.data().tags.clone();
        let on: Vec<On<'_>> = tags.iter().map(On::Suspend).collect();
        match cont.resume(&mut self.store, args, results, &on)? {
            Resumed::Returned => Ok(None),
            Resumed::Suspended(suspension) => Ok(Some(suspension)),
        }
    }

    /// Runs a continuation to its end. The host answers each suspend with twice its payload.
    fn run(&mut self, cont: ContRef, n: i32) -> Result<i32> {
        let (mut next, mut with, mut results) = (cont, n, [Val::I32(0)]);
        while let Some(suspension) = self.step(next, &[Val::I32(with)], &mut results)? {
            (next, with) = (suspension.cont, 2 * suspension.payload[0].unwrap_i32());
        }
        Ok(results[0].unwrap_i32())
    }

    fn call(&mut self, name: &str, n: i32) -> Result<i32> {
        let func = self.instance.get_typed_func::<i32, i32>(&mut self.store, name)?;
        func.call(&mut self.store, n)
    }

    fn alive(&self) -> usize {
        self.store.continuation_statistics().alive
    }
}

#[test]
fn the_host_suspends_to_wasm_and_to_the_host() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        // 2 * (3 + 2 + 1), each plus one.
        assert_eq!(guest.call("handles", 3).unwrap(), 15);
        let cont = guest.cont("count");
        assert_eq!(guest.run(cont, 3).unwrap(), 15);
        let cont = guest.cont("through");
        assert_eq!(guest.run(cont, 3).unwrap(), 150);
        assert_eq!(guest.alive(), 0);
    });
}

/// More values each way than a continuation has room for in itself.
#[test]
fn many_values() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let cont = guest.cont("many");
        let args = [Val::I32(1), Val::I64(2), 3.0_f64.into(), Val::I32(4), Val::I64(5)];
        let mut results = vec![Val::I32(0); 5];
        let suspension = guest.step(cont, &args, &mut results).unwrap().unwrap();
        assert_eq!(suspension.payload[1].unwrap_i64(), 2);
        assert_eq!(suspension.payload[4].unwrap_i64(), 5);
        let back = [Val::I32(6), 7.0_f64.into(), Val::I64(8), Val::I32(9), Val::I64(10)];
        assert!(guest.step(suspension.cont, &back, &mut results).unwrap().is_none());
        assert_eq!(results[1].unwrap_f64(), 7.0);
        assert_eq!(results[4].unwrap_i64(), 10);
    });
}

/// Collections while the host's function is suspended, and just before it goes on.
#[test]
fn references_to_objects() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        let [new, get] = ["new", "get"].map(|name| guest.func(name));
        let mut waiting = Vec::new();
        for n in 1..20 {
            let cont = guest.cont("objects");
            let mut results = [Val::I32(0)];
            let suspension = guest.step(cont, &[Val::I32(n)], &mut results).unwrap().unwrap();
            get.call(&mut guest.store, &suspension.payload, &mut results).unwrap();
            assert_eq!(results[0].unwrap_i32(), 10 * n);
            waiting.push((n, suspension.cont));
            guest.store.gc(None).unwrap();
        }
        for (n, cont) in waiting {
            let mut results = [Val::I32(0)];
            new.call(&mut guest.store, &[Val::I32(1000 * n)], &mut results).unwrap();
            guest.store.gc(None).unwrap();
            let back = results;
            let mut results = [Val::I32(0)];
            assert!(guest.step(cont, &back, &mut results).unwrap().is_none());
            assert_eq!(results[0].unwrap_i32(), 1001 * n);
        }
        assert_eq!(guest.alive(), 0);
    });
}

/// What the host's function does when it is resumed: it suspends again, returns, fails and panics.
#[test]
fn what_comes_next() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        // Suspends as often as its argument says, and returns the sum of what came back.
        fn again(n: i32, sum: i32, tag: Tag) -> Suspend<Data> {
            Suspend::new(tag, [Val::I32(n)]).then(move |_, got, results| {
                let sum = sum + got[0].unwrap_i32();
                match n {
                    1 => {
                        results[0] = Val::I32(sum);
                        Ok(Flow::Return)
                    }
                    13 => bail!("unlucky"),
                    14 => panic!("at fourteen"),
                    _ => Ok(again(n - 1, sum, tag).into()),
                }
            })
        }
        guest.store.data_mut().yields = |_, n, tag, _| Ok(again(n, 0, tag).into());
        let cont = guest.cont("direct");
        assert_eq!(guest.run(cont, 4).unwrap(), 2 * (4 + 3 + 2 + 1) + 1);
        let cont = guest.cont("direct");
        let error = guest.run(cont, 13).unwrap_err();
        assert_eq!(error.root_cause().to_string(), "unlucky");
        let trace = error.downcast_ref::<WasmBacktrace>().expect("a backtrace");
        assert_eq!(names(trace).len(), 2, "{trace:?}");
        let cont = guest.cont("direct");
        let payload = catch_unwind(AssertUnwindSafe(|| guest.run(cont, 14))).unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"at fourteen"));
        // The function may return at once, and fail at once.
        guest.store.data_mut().yields = |_, n, _, results| {
            ensure!(n != 3, "three");
            results[0] = Val::I32(7 * n);
            Ok(Flow::Return)
        };
        assert_eq!(guest.call("direct", 5).unwrap(), 36);
        assert_eq!(guest.call("direct", 3).unwrap_err().root_cause().to_string(), "three");
        assert_eq!(guest.alive(), 0);
    });
}

/// A tag with results that the host makes: the guest imports it, and the host suspends to it.
#[test]
fn tags_of_the_host() {
    const MODULE: &str = r#"(module
        (type $f (func (param i32) (result i32))) (type $k (cont $f))
        (import "" "ask" (func $ask (param i32) (result i32)))
        (import "" "t" (tag $t (param i32) (result i32)))
        (func $asks (export "asks") (param i32) (result i32)
          (i32.add (call $ask (local.get 0)) (suspend $t (local.get 0))))
        (elem declare func $asks)
        ;; Answers with the payload, three times as much.
        (func (export "handles") (param i32) (result i32) (local $k (ref null $k))
          (local.set $k (cont.new $k (ref.func $asks)))
          (loop $next (result i32)
            (block $h (result i32 (ref $k))
              (return (resume $k (on $t $h) (local.get 0) (local.get $k))))
            (local.set $k) (local.set 0 (i32.mul (i32.const 3)))
            (br $next))))"#;
    each_backend(|config| {
        let engine = Engine::new(&config()).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, ());
        let ty = FuncType::new(&engine, [ValType::I32], [ValType::I32]);
        let tag = Tag::new(&mut store, &TagType::new(ty.clone())).unwrap();
        let ask =
            Func::new_suspending(
                &mut store,
                ty.clone(),
                move |_, args, _| Ok(Suspend::new(tag, args).into()),
            );
        let instance = Instance::new(&mut store, &module, &[ask.into(), tag.into()]).unwrap();
        let handles = instance.get_typed_func::<i32, i32>(&mut store, "handles").unwrap();
        assert_eq!(handles.call(&mut store, 7).unwrap(), 42);
        let asks = instance.get_func(&mut store, "asks").unwrap();
        let asks = ContRef::new(&mut store, &ContType::new(&engine, ty.clone()).unwrap(), asks).unwrap();
        let (mut results, on) = ([Val::I32(0)], [On::Switch(&tag), On::Suspend(&tag)]);
        assert!(asks.resume(&mut store, &[Val::I32(7)], &mut results, &on).is_err(), "no tag for `switch`");
        let Ok(Resumed::Suspended(Suspension { clause, payload, cont, .. })) =
            asks.resume(&mut store, &[Val::I32(7)], &mut results, &on[1..])
        else {
            panic!("it asks first");
        };
        assert_eq!((clause, payload[0].unwrap_i32()), (0, 7));
        cont.discard(&mut store).unwrap();

        // No exception has such a tag, and no engine without stack switching makes one.
        assert!(ExnType::from_tag_type(&tag.ty(&store)).is_err());
        let exception = ExnType::new(&engine, [ValType::I32]).unwrap();
        let exception = ExnRefPre::new(&mut store, exception);
        assert!(ExnRef::new(&mut store, &exception, &tag, &[Val::I32(1)]).is_err());
        let without = Engine::new(Config::new().wasm_exceptions(true)).unwrap();
        let ty = FuncType::new(&without, [], [ValType::I32]);
        assert!(Tag::new(Store::new(&without, ()), &TagType::new(ty)).is_err());
    });
}

#[test]
fn without_a_handler() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        // On the host's own stack, called by Wasm and by the host.
        let error = guest.call("direct", 1).unwrap_err();
        assert_eq!(trap_of(&error), Some(Trap::UnhandledTag), "{error:?}");
        let cont = guest.cont("count");
        let mut results = [Val::I32(0)];
        let error = cont.resume(&mut guest.store, &[Val::I32(1)], &mut results, &[]).unwrap_err();
        assert_eq!(trap_of(&error), Some(Trap::UnhandledTag), "{error:?}");
        // While a module is instantiated.
        let starts = r#"(module (import "" "yield" (func $yield (param i32) (result i32)))
            (func $start (drop (call $yield (i32.const 1)))) (start $start))"#;
        let module = Module::new(guest.store.engine(), starts).unwrap();
        let tag = guest.store.data().tags[0];
        let ty = FuncType::new(guest.store.engine(), [ValType::I32], [ValType::I32]);
        let yields =
            Func::new_suspending(&mut guest.store, ty, move |_, args, _| Ok(Suspend::new(tag, args).into()));
        let error = Instance::new(&mut guest.store, &module, &[yields.into()]).unwrap_err();
        assert_eq!(trap_of(&error), Some(Trap::UnhandledTag), "{error:?}");
        let error = yields.call(&mut guest.store, &[Val::I32(1)], &mut results).unwrap_err();
        assert_eq!(trap_of(&error), Some(Trap::UnhandledTag), "{error:?}");
        // A handler of the host's that is beyond another entry of the host.
        guest.store.data_mut().yields = |mut caller, n, tag, results| {
            if n != 3 {
                return Ok(Suspend::new(tag, [Val::I32(n)]).into());
            }
            let direct = caller.get_export("direct").unwrap().into_func().unwrap();
            direct.call(&mut caller, &[Val::I32(1)], results)?;
            Ok(Flow::Return)
        };
        let cont = guest.cont("count");
        let error = guest.run(cont, 3).unwrap_err();
        assert_eq!(trap_of(&error), Some(Trap::UnhandledTag), "{error:?}");
        guest.store.data_mut().yields = suspends;
        // The store is as before.
        assert_eq!(guest.call("handles", 3).unwrap(), 15);
        assert_eq!(guest.alive(), 0);
    });
}

#[test]
fn wrong_types() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let foreign = Guest::new(&config()).store.data().tags[0];
        guest.store.data_mut().tags.push(foreign);
        let message = |guest: &mut Guest, yields: Yields| {
            guest.store.data_mut().yields = yields;
            let cont = guest.cont("count");
            let mut results = [Val::I32(0)];
            let tags = guest.store.data().tags[..3].to_vec();
            let on: Vec<On<'_>> = tags.iter().map(On::Suspend).collect();
            let resumed = cont.resume(&mut guest.store, &[Val::I32(1)], &mut results, &on);
            resumed.unwrap_err().root_cause().to_string()
        };
        let error = message(&mut guest, |_, _, tag, _| Ok(Suspend::new(tag, []).into()));
        assert!(error.contains("expected 1 values"), "{error}");
        let error = message(&mut guest, |_, _, tag, _| Ok(Suspend::new(tag, [Val::I64(1)]).into()));
        assert!(error.contains("expected i32, found i64"), "{error}");
        let error = message(&mut guest, |caller, n, _, _| {
            let many = caller.data().tags[1];
            let payload = [Val::I32(n), Val::I64(2), 3.0_f64.into(), Val::I32(4), Val::I64(5)];
            Ok(Suspend::new(many, payload).into())
        });
        assert!(error.contains("Suspend::then"), "{error}");
        let error = message(&mut guest, |caller, n, _, _| {
            let foreign = caller.data().tags[3];
            Ok(Suspend::new(foreign, [Val::I32(n)]).into())
        });
        assert!(error.contains("cross-`Store`"), "{error}");
        assert_eq!(guest.alive(), 0);
    });
}

/// The function of the host is what the continuation runs.
#[test]
fn as_a_body() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let body = guest.func("body");
        let mut results = [Val::I32(0)];
        body.call(&mut guest.store, &[], &mut results).unwrap();
        let Val::ContRef(Some(cont)) = results[0] else { panic!("a continuation") };
        assert_eq!(guest.run(cont, 21).unwrap(), 42);
        assert_eq!(guest.alive(), 0);
    });
}

#[test]
fn exceptions_into_it() {
    each_collector(&FREEING, |config| {
        let mut guest = Guest::new(&config);
        let cont = guest.cont("catches");
        let mut results = [Val::I32(0)];
        let suspension = guest.step(cont, &[Val::I32(5)], &mut results).unwrap().unwrap();
        let e = guest.instance.get_tag(&mut guest.store, "e").unwrap();
        let exn = exception(&mut guest.store, &e, 7);
        guest.store.gc(None).unwrap();
        let resumed = suspension.cont.resume_throw(&mut guest.store, exn, &mut results, &[]).unwrap();
        assert!(matches!(resumed, Resumed::Returned));
        assert_eq!(results[0].unwrap_i32(), 1007);
        assert_eq!(guest.alive(), 0);
    });
}

/// The other ways to go on: with values that were bound a collection before, and by Wasm that throws.
#[test]
fn bound_and_thrown_into() {
    each_collector(&FREEING, |config| {
        let mut guest = Guest::new(&config);
        let [new, object, throws] = ["new", "objects", "throw"].map(|name| guest.func(name));
        let mut results = [Val::I32(0)];
        let ty = ContType::new(guest.store.engine(), object.ty(&guest.store)).unwrap();
        let cont = ContRef::new(&mut guest.store, &ty, object).unwrap();
        let suspension = guest.step(cont, &[Val::I32(3)], &mut results).unwrap().unwrap();
        guest.store.gc(None).unwrap();
        new.call(&mut guest.store, &[Val::I32(70)], &mut results).unwrap();
        let ty = FuncType::new(guest.store.engine(), [], [ValType::I32]);
        let ty = ContType::new(guest.store.engine(), ty).unwrap();
        let bound = suspension.cont.bind(&mut guest.store, &ty, &results).unwrap();
        results[0] = Val::I32(0);
        guest.store.gc(None).unwrap();
        guest.func("churn").call(&mut guest.store, &[], &mut []).unwrap();
        guest.store.gc(None).unwrap();
        assert!(guest.step(bound, &[], &mut results).unwrap().is_none());
        assert_eq!(results[0].unwrap_i32(), 73);
        // The host's function is suspended when Wasm throws into it: 6, from the catch, plus 1000.
        throws.call(&mut guest.store, &[Val::I32(6)], &mut results).unwrap();
        assert_eq!(results[0].unwrap_i32(), 1006);
        assert_eq!(guest.alive(), 0);
    });
}

/// What is never resumed: the store drops what waits, some time, and all of it with itself.
#[test]
fn abandoned_and_discarded() {
    struct Counts(Arc<AtomicU32>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        guest.store.data_mut().yields = |caller, n, tag, _| {
            let counts = Counts(caller.data().dropped.clone());
            let then = move |_: Caller<'_, Data>, _: &[Val], _: &mut [Val]| {
                drop(counts);
                Ok(Flow::Return)
            };
            Ok(Suspend::new(tag, [Val::I32(n)]).then(then).into())
        };
        let dropped = guest.store.data().dropped.clone();
        for _ in 0..1000 {
            let cont = guest.cont("count");
            let mut results = [Val::I32(0)];
            let suspension = guest.step(cont, &[Val::I32(1)], &mut results).unwrap().unwrap();
            suspension.cont.discard(&mut guest.store).unwrap();
        }
        assert!(dropped.load(Relaxed) >= 1000 - 32, "{dropped:?}");
        assert_eq!(guest.alive(), 0);
        let func = guest.instance.get_typed_func::<i32, ()>(&mut guest.store, "loop").unwrap();
        func.call(&mut guest.store, 100_000).unwrap();
        let made = 1000 + 100_000;
        let kept = made - dropped.load(Relaxed);
        assert!(kept < 40_000, "{kept}");
        drop(guest);
        assert_eq!(dropped.load(Relaxed), made);
    });
}

/// Many wait at once, resumed in another order, in an asynchronous store.
#[test]
fn many_at_once() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let mut waiting = Vec::new();
        for n in 0..1000 {
            let cont = guest.cont("count");
            let tag = guest.store.data().tags[0];
            let (args, mut results) = ([Val::I32(2)], [Val::I32(0)]);
            let on = [On::Suspend(&tag)];
            let resumed = block_on(cont.resume_async(&mut guest.store, &args, &mut results, &on));
            let Ok(Resumed::Suspended(suspension)) = resumed else { panic!("{resumed:?}") };
            waiting.push((n, suspension.cont));
        }
        let mut at = 0;
        while !waiting.is_empty() {
            at = (at + 7919) % waiting.len();
            let (n, cont) = waiting.swap_remove(at);
            let mut results = [Val::I32(0)];
            match guest.step(cont, &[Val::I32(n)], &mut results).unwrap() {
                Some(suspension) => {
                    assert_eq!(suspension.payload[0].unwrap_i32(), 1);
                    let back = [Val::I32(n)];
                    assert!(guest.step(suspension.cont, &back, &mut results).unwrap().is_none());
                    assert_eq!(results[0].unwrap_i32(), 2 * n + 2);
                }
                None => unreachable!("it yields twice"),
            }
        }
        assert_eq!(guest.alive(), 0);
    });
}
