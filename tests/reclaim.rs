//! Continuations that nothing can resume any more give their stacks back, and all others work on.

mod support;

use std::pin::pin;
use support::{COLLECTORS, FREEING, block_on, each_backend, each_collector, polled, process_memory, wait};
use wasmfx::wasmtime::*;

/// Generators, and every place that can hold one.
const MODULE: &str = r#"(module
    (type $f (func (result i32))) (type $c (cont $f))
    (type $g (func (param i32) (result i32))) (type $k (cont $g))
    (tag $t (param i32) (result i32))
    (tag $e (param (ref null $k)))
    (type $box (struct (field $next (mut (ref null eq))) (field $k (mut (ref null $k)))))
    (type $many (array (mut (ref null $k))))
    (import "" "host" (func $host))
    (import "" "external" (global $external (mut externref)))
    (import "" "again" (func $again))
    (global $g (export "g") (mut (ref null $k)) (ref.null $k))
    (global $object (mut (ref null eq)) (ref.null eq))
    (global $exception (mut exnref) (ref.null exn))
    (table $table 10 (ref null $k))

    ;; Suspends for ever, with what it was resumed with plus one.
    (func $body (type $g)
      (loop $again
        (local.set 0 (suspend $t (i32.add (local.get 0) (i32.const 1))))
        (br $again))
      (unreachable))
    ;; As `$body`, with a generator of its own, which it steps.
    (func $holds (type $g) (local $k (ref null $k))
      (local.set $k (call $start))
      (loop $again
        (local.set 0 (suspend $t (i32.add (local.get 0) (i32.const 1))))
        (call $step (local.get $k) (i32.const 7)) (local.set $k) (drop)
        (br $again))
      (unreachable))
    ;; As `$body`, with an object that holds itself and the continuation's own reference.
    (func $cycle (type $g) (local $box (ref $box))
      (local.set $box (struct.new $box (ref.null eq) (ref.null $k)))
      (struct.set $box $next (local.get $box) (local.get $box))
      (loop $again
        (global.set $object (local.get $box))
        (local.set 0 (suspend $t (i32.add (local.get 0) (i32.const 1))))
        (if (ref.is_null (struct.get $box $next (local.get $box))) (then (unreachable)))
        (br $again))
      (unreachable))
    (elem declare func $body $holds $cycle $calls $runs $nested)
    (func $step (param $k (ref null $k)) (param i32) (result i32 (ref $k))
      (block $h (result i32 (ref $k)) (resume $k (on $t $h) (local.get 1) (local.get $k)) (unreachable)))
    (func $start (export "start") (result (ref $k)) (local $k (ref $k))
      (call $step (cont.new $k (ref.func $body)) (i32.const 0)) (local.set $k) (drop) (local.get $k))
    (func $started-holder (result (ref $k)) (local $k (ref $k))
      (call $step (cont.new $k (ref.func $holds)) (i32.const 0)) (local.set $k) (drop) (local.get $k))

    ;; Each makes a continuation and puts it somewhere; the step of the same name uses it.
    (func (export "in-global") (global.set $g (call $start)))
    (func (export "step-global") (result i32) (local $k (ref $k))
      (call $step (global.get $g) (i32.const 5)) (local.set $k) (global.set $g (local.get $k)))
    (func (export "drop-global") (global.set $g (ref.null $k)))
    (func (export "fresh") (global.set $g (cont.new $k (ref.func $body))))
    (func (export "in-table") (table.set $table (i32.const 3) (call $start)))
    (func (export "step-table") (result i32) (local $k (ref $k))
      (call $step (table.get $table (i32.const 3)) (i32.const 5))
      (local.set $k) (table.set $table (i32.const 3) (local.get $k)))
    (func (export "drop-table") (table.set $table (i32.const 3) (ref.null $k)))
    (func (export "in-struct") (global.set $object
      (struct.new $box (struct.new $box (ref.null eq) (call $start)) (ref.null $k))))
    (func (export "step-struct") (result i32) (local $box (ref $box)) (local $k (ref $k))
      (local.set $box (ref.cast (ref $box) (struct.get $box $next (ref.cast (ref $box) (global.get $object)))))
      (call $step (struct.get $box $k (local.get $box)) (i32.const 5))
      (local.set $k) (struct.set $box $k (local.get $box) (local.get $k)))
    (func (export "drop-struct") (global.set $object (ref.null eq)))
    (func (export "in-array") (global.set $object (array.new $many (call $start) (i32.const 5))))
    (func (export "step-array") (result i32) (local $k (ref $k))
      (call $step (array.get $many (ref.cast (ref $many) (global.get $object)) (i32.const 4)) (i32.const 5))
      (local.set $k)
      (array.set $many (ref.cast (ref $many) (global.get $object)) (i32.const 4) (local.get $k)))
    (func (export "drop-array") (global.set $object (ref.null eq)))
    (func (export "in-exception")
      (block $h (result (ref null $k) exnref) (try_table (catch_ref $e $h) (throw $e (call $start))) (unreachable))
      (global.set $exception) (drop))
    (func (export "step-exception") (result i32) (local $k (ref $k))
      (block $h (result (ref null $k)) (try_table (catch $e $h) (throw_ref (global.get $exception))) (unreachable))
      (call $step (i32.const 5)) (local.set $k)
      (block $h (result (ref null $k) exnref) (try_table (catch_ref $e $h) (throw $e (local.get $k))) (unreachable))
      (global.set $exception) (drop))
    (func (export "drop-exception") (global.set $exception (ref.null exn)))
    ;; On the stack of another continuation, and bound to one.
    (func (export "in-stack") (global.set $g (call $started-holder)))
    (func (export "step-stack") (result i32) (local $k (ref $k))
      (call $step (global.get $g) (i32.const 5)) (local.set $k) (global.set $g (local.get $k)))
    (func (export "drop-stack") (global.set $g (ref.null $k)))
    (type $bf (func (param (ref null $k)) (result i32))) (type $bc (cont $bf))
    (global $bound (mut (ref null $c)) (ref.null $c))
    (func $takes (type $bf) (call $step (local.get 0) (i32.const 5)) (drop)) (elem declare func $takes)
    (func (export "in-bound") (global.set $bound (cont.bind $bc $c (call $start) (cont.new $bc (ref.func $takes)))))
    (func (export "step-bound") (result i32) (resume $c (global.get $bound)))
    (func (export "drop-bound") (global.set $bound (ref.null $c)))

    ;; What nothing refers to: an object, its continuation, its stack and the object again.
    (func (export "in-cycle") (local $k (ref $k))
      (call $step (cont.new $k (ref.func $cycle)) (i32.const 0)) (local.set $k) (drop)
      (struct.set $box $k (ref.cast (ref $box) (global.get $object)) (local.get $k)))
    (func (export "step-cycle") (result i32) (local $box (ref $box)) (local $k (ref $k))
      (local.set $box (ref.cast (ref $box) (global.get $object)))
      (call $step (struct.get $box $k (local.get $box)) (i32.const 5))
      (local.set $k) (struct.set $box $k (local.get $box) (local.get $k)))
    (func (export "drop-cycle") (global.set $object (ref.null eq)))

    ;; In locals, while the host collects: on the initial stack, on a continuation's, and below another one.
    (func $calls (export "local") (result i32) (local $k (ref $k)) (local $n i32)
      (local.set $k (call $start))
      (call $host)
      (call $step (local.get $k) (i32.const 5)) (local.set $k) (local.set $n)
      (call $host)
      (call $step (local.get $k) (local.get $n)) (drop))
    (func $runs (export "continuation") (result i32) (resume $c (cont.new $c (ref.func $calls))))
    (func $nested (export "nested") (result i32) (local $k (ref $k))
      (local.set $k (call $start))
      (drop (resume $c (cont.new $c (ref.func $runs))))
      (call $step (local.get $k) (i32.const 6)) (drop))

    ;; An object that went through the host's type, in a global of the host.
    (func (export "in-external") (global.set $external
      (extern.convert_any (struct.new $box (ref.null eq) (call $start)))))
    (func (export "step-external") (result i32) (local $box (ref $box)) (local $k (ref $k))
      (local.set $box (ref.cast (ref $box) (any.convert_extern (global.get $external))))
      (call $step (struct.get $box $k (local.get $box)) (i32.const 5))
      (local.set $k) (struct.set $box $k (local.get $box) (local.get $k)))
    (func (export "drop-external") (global.set $external (ref.null extern)))
    ;; A chain: each continuation of five resumes the next one, and the last one suspends through all.
    (func $deep (type $g) (local $d i32)
      (if (result i32) (i32.eqz (local.get 0))
        (then (i32.add (i32.const 100) (suspend $t (i32.const 50))))
        (else (resume $k (i32.sub (local.get 0) (i32.const 1)) (cont.new $k (ref.func $deep))))))
    (elem declare func $deep)
    (func $chain (result (ref $k)) (local $k (ref $k))
      (call $step (cont.new $k (ref.func $deep)) (i32.const 4)) (local.set $k) (drop) (local.get $k))
    (func (export "in-chain") (global.set $g (call $chain)))
    (func (export "step-chain") (result i32) (local $n i32)
      (local.set $n (resume $k (i32.const 1) (global.get $g)))
      (global.set $g (call $chain))
      (i32.sub (local.get $n) (i32.const 95)))
    (func (export "drop-chain") (global.set $g (ref.null $k)))
    (func (export "abandon-chains") (param $n i32)
      (loop $again (drop (call $chain))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    ;; In a local, while the host enters Wasm again.
    (func (export "enters-again") (result i32) (local $k (ref $k)) (local $n i32)
      (local.set $k (call $start))
      (call $again)
      (call $step (local.get $k) (i32.const 6)) (drop))
    (func (export "inner") (param $deep i32) (local $k (ref $k))
      (local.set $k (call $start))
      (if (local.get $deep) (then (call $again)) (else (call $host)))
      (call $step (local.get $k) (i32.const 6)) (drop) (drop))
    ;; What a fresh continuation is resumed with when there is no stack for it: an object that alone holds a continuation.
    (type $of (func (param (ref null $box)) (result i32))) (type $oc (cont $of))
    (func $takes-object (type $of) (call $step (struct.get $box $k (local.get 0)) (i32.const 5)) (drop))
    (elem declare func $takes-object)
    (func (export "argument") (result i32)
      (resume $oc (struct.new $box (ref.null eq) (call $start)) (cont.new $oc (ref.func $takes-object))))
    ;; Garbage, so that the heap is collected, and a generator for each piece.
    (type $bytes (array (mut i64)))
    (func (export "litter") (param $n i32)
      (loop $again
        (drop (array.new $bytes (i64.const 1) (i32.const 1000)))
        (drop (call $start))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))

    ;; Abandons generators after their first value, each of which holds an array of 16 KiB.
    (func $hoards (type $g) (local $own (ref $bytes))
      (local.set $own (array.new $bytes (i64.const 1) (i32.const 2048)))
      (drop (suspend $t (i32.const 0)))
      (i32.wrap_i64 (array.get $bytes (local.get $own) (i32.const 0)))) (elem declare func $hoards)
    (func (export "hoard") (param $n i32)
      (loop $again
        (call $step (cont.new $k (ref.func $hoards)) (i32.const 0)) (drop) (drop)
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))

    ;; Abandons generators after their first value.
    (func (export "abandon") (param $n i32) (local $k (ref null $k))
      (loop $again
        (local.set $k (call $start))
        (global.set $g (local.get $k))
        (table.set $table (i32.rem_u (local.get $n) (i32.const 10)) (local.get $k))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (table.fill $table (i32.const 0) (ref.null $k) (i32.const 10))
      (global.set $g (ref.null $k)))
    (func (export "step") (param (ref null $k)) (result i32) (call $step (local.get 0) (i32.const 5)) (drop)))"#;

struct Guest {
    /// How often the host has entered Wasm again.
    store: Store<u32>,
    module: Module,
    instance: Instance,
}

impl Guest {
    fn new(config: &Config) -> Guest {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, 0);
        let host = Func::wrap(&mut store, |mut caller: Caller<'_, u32>| caller.gc(None));
        let instance = Self::instance(&mut store, &module, host);
        Guest { store, module, instance }
    }

    /// Instantiates the module once more, with this function as its `host`.
    fn import(&mut self, host: Func) {
        self.instance = Self::instance(&mut self.store, &self.module, host);
    }

    fn instance(store: &mut Store<u32>, module: &Module, host: Func) -> Instance {
        let again = Func::wrap(&mut *store, |mut caller: Caller<'_, u32>| -> Result<()> {
            let inner = caller.get_export("inner").unwrap().into_func().unwrap();
            let inner = inner.typed::<i32, ()>(&caller)?;
            let depth = caller.data_mut();
            *depth += 1;
            let deeper = i32::from(*depth < 3);
            inner.call(&mut caller, deeper)?;
            *caller.data_mut() -= 1;
            Ok(())
        });
        let ty = GlobalType::new(ValType::EXTERNREF, Mutability::Var);
        let external = Global::new(&mut *store, ty, Val::ExternRef(None)).unwrap();
        let imports = [host.into(), external.into(), again.into()];
        block_on(Instance::new_async(store, module, &imports)).unwrap()
    }

    fn call(&mut self, name: &str, args: &[Val]) -> Result<Option<Val>> {
        let func = self.instance.get_func(&mut self.store, name).unwrap();
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        func.call(&mut self.store, args, &mut results)?;
        Ok(results.first().copied())
    }

    /// A table of the host with so many elements, all null, and a suspended continuation that fits in.
    fn table(&mut self, size: u32) -> (Table, Option<ContRef>) {
        let cont = self.call("start", &[]).unwrap().unwrap();
        let ty = cont.ty(&self.store).unwrap().unwrap_ref().clone();
        let ty = TableType::new(RefType::new(true, ty.heap_type().clone()), size, None);
        let table = Table::new(&mut self.store, ty, Ref::Cont(None)).unwrap();
        let Val::ContRef(cont @ Some(_)) = cont else { panic!("a continuation") };
        (table, cont)
    }

    fn number(&mut self, name: &str) -> i32 {
        self.call(name, &[]).unwrap_or_else(|error| panic!("{name}: {error:?}")).unwrap().unwrap_i32()
    }

    fn alive(&self) -> usize {
        self.store.continuation_statistics().alive
    }

    fn gc(&mut self) {
        self.store.gc(None).unwrap();
    }
}

#[test]
fn what_something_refers_to_stays_and_the_rest_goes() {
    each_collector(&COLLECTORS, |config| {
        for (place, own) in [
            ("global", 1),
            ("table", 1),
            ("struct", 1),
            ("array", 1),
            ("exception", 1),
            ("stack", 2),
            ("cycle", 1),
            ("external", 1),
            ("chain", 5),
        ] {
            let mut guest = Guest::new(&config);
            guest.call(&format!("in-{place}"), &[]).unwrap();
            for _ in 0..3 {
                guest.gc();
                assert_eq!(guest.alive(), own, "{place}");
                assert_eq!(guest.number(&format!("step-{place}")), 6, "{place}");
            }
            guest.call(&format!("drop-{place}"), &[]).unwrap();
            guest.gc();
            assert_eq!(guest.alive(), 0, "{place}");
            assert_eq!(guest.store.continuation_statistics().reclaimed, own as u64, "{place}");
            // All is as it was: the memory serves others.
            guest.call(&format!("in-{place}"), &[]).unwrap();
            assert_eq!(guest.number(&format!("step-{place}")), 6, "{place}");
            assert_eq!(guest.store.continuation_statistics().peak, own, "{place}");
        }
    });
}

#[test]
fn what_is_bound_stays() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        guest.call("in-bound", &[]).unwrap();
        guest.gc();
        assert_eq!(guest.alive(), 2);
        assert_eq!(guest.number("step-bound"), 6);
        guest.call("in-bound", &[]).unwrap();
        guest.call("drop-bound", &[]).unwrap();
        guest.gc();
        assert_eq!(guest.alive(), 0);
    });
}

#[test]
fn fresh_ones_go_too() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        guest.call("fresh", &[]).unwrap();
        guest.gc();
        assert_eq!(guest.number("step-global"), 6);
        guest.call("fresh", &[]).unwrap();
        guest.call("drop-global", &[]).unwrap();
        guest.gc();
        assert_eq!(guest.alive(), 0);
    });
}

#[test]
fn what_frames_hold_stays() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        assert_eq!(guest.number("local"), 7);
        assert_eq!(guest.number("continuation"), 7);
        assert_eq!(guest.number("nested"), 7);
        guest.gc();
        assert_eq!(guest.alive(), 0);
    });
}

/// Each entry from the host into Wasm, and what lies between them, on one stack.
#[test]
fn what_frames_of_outer_entries_hold_stays() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        assert_eq!(guest.number("enters-again"), 7);
        guest.gc();
        assert_eq!(guest.alive(), 0);
    });
}

/// The same while the host waits, and after a call that was dropped while it did.
#[test]
fn what_frames_on_fibers_hold_stays() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        let waits = Func::wrap_async(&mut guest.store, |mut caller: Caller<'_, u32>, (): ()| {
            Box::new(async move {
                wait(1).await;
                caller.gc_async(None).await?;
                wait(1).await;
                Ok(())
            })
        });
        guest.import(waits);
        for name in ["local", "continuation", "nested"] {
            for polls in 1.. {
                let run = guest.instance.get_typed_func::<(), i32>(&mut guest.store, name).unwrap();
                let result = polled(pin!(run.call_async(&mut guest.store, ())), polls);
                block_on(guest.store.gc_async(None)).unwrap();
                assert_eq!(guest.alive(), 0, "{name}, {polls}");
                if let Some(result) = result {
                    assert_eq!(result.unwrap(), 7, "{name}");
                    assert!(polls > 2, "{name} waits");
                    break;
                }
            }
        }
    });
}

/// A store has a few stacks more than the program keeps in use: each further one needs a search, which finds the arguments of the
/// continuation that is about to start. Leftovers on stacks may keep two or three.
#[test]
fn what_is_being_resumed_keeps_its_arguments() {
    each_collector(&COLLECTORS, |mut config| {
        config.continuation_stacks(6);
        let mut guest = Guest::new(&config);
        for _ in 0..100 {
            // Leaves a stack with nobody who could resume its continuation.
            guest.call("in-global", &[]).unwrap();
            guest.call("drop-global", &[]).unwrap();
            assert_eq!(guest.number("argument"), 6);
        }
    });
}

/// Chains of several stacks count, each stack of them.
#[test]
fn abandoned_chains_take_no_memory() {
    each_backend(|config| {
        let mut config = config();
        config.continuation_stack_size(16 << 10);
        let mut guest = Guest::new(&config);
        guest.call("abandon-chains", &[Val::I32(20_000)]).unwrap();
        let statistics = guest.store.continuation_statistics();
        assert!(statistics.peak <= 3000, "{statistics}");
        assert_eq!(statistics.reclaimed + statistics.alive as u64, statistics.created, "{statistics}");
    });
}

/// A collection that an allocation causes, after which fewer are alive than were made.
#[test]
fn collections_of_the_heap_reclaim() {
    each_collector(&FREEING, |mut config| {
        // So many that no growth of their number causes a search.
        config.gc_heap_reservation(1 << 20).gc_heap_may_move(false);
        let mut guest = Guest::new(&config);
        guest.call("litter", &[Val::I32(400)]).unwrap();
        let statistics = guest.store.continuation_statistics();
        assert_eq!(statistics.created, 400);
        assert!(statistics.reclaimed > 100, "{statistics}");
    });
}

/// A few continuations that hold many objects: in a heap that can grow, and in one that cannot.
#[test]
fn what_the_abandoned_hold_is_freed() {
    each_collector(&FREEING, |config| {
        let mut guest = Guest::new(&config);
        // Fewer than a search needs without a collection.
        for _ in 0..8 {
            guest.call("hoard", &[Val::I32(500)]).unwrap();
        }
        let capacity = guest.store.gc_heap_capacity();
        assert!(capacity <= 16 << 20, "{capacity}");

        let mut config = config;
        config.gc_heap_reservation(2 << 20).gc_heap_may_move(false);
        let mut guest = Guest::new(&config);
        guest.call("hoard", &[Val::I32(1000)]).unwrap();
        let statistics = guest.store.continuation_statistics();
        assert!(statistics.peak < 200, "{statistics}");
    });
}

/// A continuation is resumed for the first time while the one before is still in a local of the function that resumes. The stack of
/// the new one does not keep the one before alive.
#[test]
fn what_starts_keeps_nothing_of_what_resumes() {
    const MODULE: &str = r#"(module
        (type $f (func (param i32) (result i32))) (type $k (cont $f))
        (tag $t (param i32) (result i32))
        (type $box (struct (field $k (mut (ref null $k))) (field $n (mut i32))))
        (global $last (mut (ref null $box)) (ref.null $box))
        (func $body (type $f) (local $box (ref $box))
          (local.set $box (struct.new $box (ref.null $k) (local.get 0)))
          (i32.add (suspend $t (i32.const 1)) (struct.get $box $n (local.get $box))))
        (elem declare func $body)
        (func $step (param $k (ref null $k)) (result i32 (ref null $k))
          (block $h (result i32 (ref $k))
            (resume $k (on $t $h) (i32.const 0) (local.get $k)) (ref.null $k) (return)))
        (func (export "run") (param $n i32) (result i32) (local $sum i32) (local $k (ref null $k))
          (loop $l
            (call $step (cont.new $k (ref.func $body))) (local.set $k)
            (local.set $sum (i32.add (local.get $sum)))
            (global.set $last (struct.new $box (local.get $k) (i32.const 0)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
          (local.get $sum)))"#;
    each_collector(&COLLECTORS, |config| {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, 20_000).unwrap(), 20_000);
        let statistics = store.continuation_statistics();
        assert!(statistics.peak <= 4096, "{statistics}");
    });
}

/// What a collection remembers of a deep stack takes memory no longer than until the next collection.
#[test]
fn what_collections_remember_is_forgotten() {
    const ROOTS: usize = 100;
    let locals = "(local (ref null $o)) ".repeat(ROOTS);
    let set: String =
        (2..2 + ROOTS).map(|at| format!("(local.set {at} (struct.new $o (local.get 1)))")).collect();
    let get: String = (2..2 + ROOTS)
        .map(|at| format!("(local.set 1 (i32.add (local.get 1) (struct.get $o 0 (local.get {at}))))"))
        .collect();
    let module = format!(
        r#"(module
        (import "" "gc" (func $gc))
        (type $o (struct (field i32)))
        (type $f (func)) (type $k (cont $f)) (tag $t)
        (table $all 1000 (ref null $k))
        (func $deep (param $depth i32) (param i32) {locals}
          {set}
          (if (local.get $depth)
            (then (call $deep (i32.sub (local.get $depth) (i32.const 1)) (local.get 1)))
            (else (suspend $t)))
          {get}
          (if (i32.ne (local.get 1) (i32.const {sum})) (then (unreachable))))
        (func $body (type $f) (call $deep (i32.const 50) (i32.const 1))) (elem declare func $body)
        ;; All are there before the first one runs, so that each has a place of its own.
        (func (export "run") (local $i i32) (local $k (ref null $k))
          (loop $l
            (table.set $all (local.get $i) (cont.new $k (ref.func $body)))
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
          (local.set $i (i32.const 0))
          (loop $l
            (block $h (result (ref $k))
              (resume $k (on $t $h) (table.get $all (local.get $i))) (unreachable))
            (local.set $k)
            (call $gc)
            (resume $k (local.get $k))
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))))"#,
        sum = ROOTS + 1
    );
    each_collector(&FREEING, |mut config| {
        config.continuation_stack_size(512 << 10);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, &module).unwrap();
        let mut store = Store::new(&engine, ());
        let gc = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| caller.gc(None));
        let instance = Instance::new(&mut store, &module, &[gc.into()]).unwrap();
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        let before = process_memory().0;
        run.call(&mut store, ()).unwrap_or_else(|error| panic!("{error:?}"));
        let after = process_memory().0;
        // 51 frames with 100 roots each, of 8 bytes, 1,000 times.
        assert!(after.saturating_sub(before) < 20 << 20, "{before} {after}");
        assert_eq!(store.continuation_statistics().alive, 0);
    });
}

/// Tables and globals of the host.
#[test]
fn what_the_hosts_objects_hold_stays() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        let (table, cont) = guest.table(3);
        table.set(&mut guest.store, 1, Ref::Cont(cont)).unwrap();
        guest.gc();
        let Some(Ref::Cont(cont)) = table.get(&mut guest.store, 1) else { panic!("a continuation") };
        table.set(&mut guest.store, 1, Ref::Cont(None)).unwrap();
        let ty = table.ty(&guest.store).element().clone().into();
        let ty = GlobalType::new(ty, Mutability::Var);
        let global = Global::new(&mut guest.store, ty, Val::ContRef(cont)).unwrap();
        guest.gc();
        assert_eq!(guest.alive(), 1);
        let cont = global.get(&mut guest.store);
        assert_eq!(guest.call("step", &[cont]).unwrap().unwrap().unwrap_i32(), 6);
        guest.gc();
        assert_eq!(guest.alive(), 0);
    });
}

/// Objects in the host's hands, and an exception that nobody has taken yet.
#[test]
fn what_the_hosts_references_to_objects_hold_stays() {
    const MODULE: &str = r#"(module
        (type $f (func (param i32) (result i32))) (type $c (cont $f))
        (type $box (struct (field (mut (ref null $c)))))
        (tag $e (param (ref null $box)))
        (func $body (type $f) (local.get 0)) (elem declare func $body)
        (func $box (export "box") (result (ref $box)) (struct.new $box (cont.new $c (ref.func $body))))
        (func (export "throw") (throw $e (call $box)))
        (func (export "run") (param (ref null $box) i32) (result i32)
          (resume $c (local.get 1) (struct.get $box 0 (local.get 0)))))"#;
    let run = |config: Config, freeing: bool| {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let func = |store: &mut Store<()>, name| instance.get_func(store, name).unwrap();
        let [box_, throw, run] = ["box", "throw", "run"].map(|name| func(&mut store, name));
        let mut results = [Val::I32(0)];
        for thrown in [false, true] {
            {
                let mut scope = RootScope::new(&mut store);
                let object = if thrown {
                    let error = throw.call(&mut scope, &[], &mut []).unwrap_err();
                    assert!(error.is::<ThrownException>());
                    scope.as_context_mut().gc(None).unwrap();
                    assert_eq!(scope.as_context().continuation_statistics().alive, 1, "it is pending");
                    let exception = scope.as_context_mut().take_pending_exception().unwrap();
                    scope.as_context_mut().gc(None).unwrap();
                    assert_eq!(scope.as_context().continuation_statistics().alive, 1, "the host has it");
                    exception.field(&mut scope, 0).unwrap()
                } else {
                    box_.call(&mut scope, &[], &mut results).unwrap();
                    results[0]
                };
                scope.as_context_mut().gc(None).unwrap();
                assert_eq!(scope.as_context().continuation_statistics().alive, 1);
                run.call(&mut scope, &[object, Val::I32(6)], &mut results).unwrap();
                assert_eq!(results[0].unwrap_i32(), 6);
                // Once more, and nobody runs it.
                box_.call(&mut scope, &[], &mut results).unwrap();
                scope.as_context_mut().gc(None).unwrap();
                assert_eq!(scope.as_context().continuation_statistics().alive, 1);
            }
            store.gc(None).unwrap();
            store.gc(None).unwrap();
            // The null collector never frees an object.
            if freeing {
                assert_eq!(store.continuation_statistics().alive, 0, "{thrown}");
            }
        }
    };
    each_collector(&FREEING, |config| run(config, true));
    each_collector(&[Collector::Null], |config| run(config, false));
}

/// References that come out of element segments. Only constant globals can put them there, which last as long as the store.
#[test]
fn references_in_segments() {
    const TYPES: &str = "(type $f (func (param i32) (result i32))) (type $c (cont $f))";
    let maker = format!(
        r#"(module {TYPES} (func $body (type $f) (local.get 0)) (elem declare func $body)
        (func (export "make") (result (ref null $c)) (cont.new $c (ref.func $body))))"#
    );
    let module = format!(
        r#"(module {TYPES} (type $many (array (mut (ref null $c))))
        (import "" "k" (global $k (ref null $c)))
        (elem $passive (ref null $c) (item (ref.null $c)) (item (global.get $k)))
        (table $table 1 (ref null $c))
        (func (export "array.new_elem") (result i32)
          (resume $c (i32.const 6)
            (array.get $many (array.new_elem $many $passive (i32.const 1) (i32.const 1)) (i32.const 0))))
        (func (export "array.init_elem") (result i32) (local $many (ref $many))
          (local.set $many (array.new_default $many (i32.const 1)))
          (array.init_elem $many $passive (local.get $many) (i32.const 0) (i32.const 1) (i32.const 1))
          (resume $c (i32.const 6) (array.get $many (local.get $many) (i32.const 0))))
        (func (export "table.init") (result i32)
          (table.init $table $passive (i32.const 0) (i32.const 1) (i32.const 1))
          (resume $c (i32.const 6) (table.get $table (i32.const 0))))
        (func (export "drop") (result i32) (elem.drop $passive) (i32.const 6)))"#
    );
    each_collector(&COLLECTORS, |config| {
        let engine = Engine::new(&config).unwrap();
        let [maker, module] = [&maker, &module].map(|text| Module::new(&engine, text).unwrap());
        for name in ["array.new_elem", "array.init_elem", "table.init", "drop"] {
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &maker, &[]).unwrap();
            let make = instance.get_func(&mut store, "make").unwrap();
            let mut results = [Val::I32(0)];
            make.call(&mut store, &[], &mut results).unwrap();
            let ty = make.ty(&store).result(0).unwrap();
            let held = Global::new(&mut store, GlobalType::new(ty, Mutability::Const), results[0]).unwrap();
            let instance = Instance::new(&mut store, &module, &[held.into()]).unwrap();
            store.gc(None).unwrap();
            let func = instance.get_func(&mut store, name).unwrap();
            func.call(&mut store, &[], &mut results).unwrap();
            assert_eq!(results[0].unwrap_i32(), 6, "{name}");
            store.gc(None).unwrap();
            assert_eq!(store.continuation_statistics().alive, usize::from(name == "drop"), "{name}");
        }
    });
}

/// A call that fails has not passed its arguments back.
#[test]
fn what_a_failed_call_got_stays() {
    each_collector(&COLLECTORS, |mut config| {
        config.continuation_stacks(1);
        let mut guest = Guest::new(&config);
        guest.call("fresh", &[]).unwrap();
        let global = guest.instance.get_global(&mut guest.store, "g").unwrap();
        let fresh = global.get(&mut guest.store);
        guest.call("drop-global", &[]).unwrap();
        // This takes the stack.
        guest.call("in-table", &[]).unwrap();
        for _ in 0..3 {
            guest.call("step", &[fresh]).unwrap_err();
            guest.gc();
        }
        guest.call("drop-table", &[]).unwrap();
        assert_eq!(guest.call("step", &[fresh]).unwrap().unwrap().unwrap_i32(), 6);
    });
}

#[test]
fn what_the_host_holds_stays() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        // Until it is consumed ...
        let cont = guest.call("start", &[]).unwrap().unwrap();
        guest.gc();
        assert_eq!(guest.call("step", &[cont]).unwrap().unwrap().unwrap_i32(), 6);
        guest.gc();
        assert_eq!(guest.alive(), 0);
        let stale = guest.call("step", &[cont]).unwrap_err();
        assert_eq!(stale.downcast_ref(), Some(&Trap::ContinuationAlreadyConsumed));
        // ... or dropped.
        let Some(Val::ContRef(Some(cont))) = guest.call("start", &[]).unwrap() else {
            panic!("a continuation")
        };
        let copy = cont;
        guest.gc();
        assert_eq!(guest.alive(), 1);
        cont.unroot(&guest.store);
        guest.gc();
        assert_eq!(guest.alive(), 0);
        let stale = guest.call("step", &[Val::ContRef(Some(copy))]).unwrap_err();
        assert_eq!(stale.downcast_ref(), Some(&Trap::ContinuationAlreadyConsumed));
    });
}

/// A table that refuses a reference leaves it to the host, and so does a copy of the same reference from table to table.
#[test]
fn what_a_table_refuses_or_copies_stays_the_hosts() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        let (table, cont) = guest.table(2);
        table.set(&mut guest.store, 2, Ref::Cont(cont)).unwrap_err();
        table.set(&mut guest.store, u64::MAX, Ref::Cont(cont)).unwrap_err();
        table.fill(&mut guest.store, 1, Ref::Cont(cont), 2).unwrap_err();
        guest.gc();
        assert_eq!(guest.alive(), 1);

        table.set(&mut guest.store, 0, Ref::Cont(cont)).unwrap();
        let Some(Ref::Cont(again @ Some(_))) = table.get(&mut guest.store, 0) else {
            panic!("the continuation")
        };
        Table::copy(&mut guest.store, &table, 1, &table, 0, 1).unwrap();
        table.fill(&mut guest.store, 0, Ref::Cont(None), 1).unwrap();
        guest.gc();
        assert_eq!(guest.alive(), 1);
        let Some(Ref::Cont(Some(_))) = table.get(&mut guest.store, 1) else { panic!("its copy") };
        Table::copy(&mut guest.store, &table, 1, &table, 0, 1).unwrap();
        guest.gc();
        assert_eq!(guest.call("step", &[Val::ContRef(again)]).unwrap().unwrap().unwrap_i32(), 6);
        guest.gc();
        assert_eq!(guest.alive(), 0);
    });
}

/// A host function whose results are refused has passed nothing back.
#[test]
fn what_a_host_function_may_not_return_stays() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        let cont = guest.call("start", &[]).unwrap().unwrap();
        let ty = cont.ty(&guest.store).unwrap();
        let ty = FuncType::new(guest.store.engine(), [], [ty, ValType::I32]);
        let host = Func::new(&mut guest.store, ty, move |_, _, results| {
            results.copy_from_slice(&[cont, Val::I64(0)]);
            Ok(())
        });
        let mut results = [Val::I32(0); 2];
        host.call(&mut guest.store, &[], &mut results).unwrap_err();
        guest.gc();
        assert_eq!(guest.call("step", &[cont]).unwrap().unwrap().unwrap_i32(), 6);
    });
}

/// Without a request, and without new objects: the number of continuations decides.
#[test]
fn abandoned_generators_take_no_memory() {
    let inlinings = [Inlining::No, Inlining::Yes];
    each_backend(|config| {
        for inlining in inlinings {
            let mut config = config();
            config.continuation_stack_size(16 << 10).compiler_inlining(inlining);
            let mut guest = Guest::new(&config);
            let times = if guest.store.engine().get_stack_switching_backend() == StackSwitchingBackend::Native
            {
                1_000_000
            } else {
                100_000
            };
            guest.call("abandon", &[Val::I32(2000)]).unwrap();
            let (before, _) = process_memory();
            guest.call("abandon", &[Val::I32(times)]).unwrap();
            let (after, _) = process_memory();
            let statistics = guest.store.continuation_statistics();
            assert!(statistics.peak <= 2000, "{statistics}");
            assert!(statistics.reclaimed + 2000 >= statistics.created, "{statistics}");
            // Other tests of this process run meanwhile.
            assert!(after.saturating_sub(before) < 64 << 20, "{} bytes", after - before);
        }
    });
}

/// Before a limit ends the program, what nobody can resume gives way.
#[test]
fn limits_count_what_can_be_resumed() {
    each_backend(|config| {
        // Eleven can be resumed. A search leaves the addresses of a dozen more on the host's stack, for the next one to find.
        for (continuations, stacks) in [(60, 1000), (1000, 60)] {
            let mut config = config();
            config
                .continuation_stack_size(16 << 10)
                .continuations_per_store(continuations)
                .continuation_stacks(stacks);
            let mut guest = Guest::new(&config);
            guest
                .call("abandon", &[Val::I32(5000)])
                .unwrap_or_else(|error| panic!("{continuations} continuations, {stacks} stacks: {error:?}"));
        }
    });
}
