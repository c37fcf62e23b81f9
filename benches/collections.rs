//! What a collection costs for each suspended continuation: the first one, which walks the stacks that no search has walked while the
//! store grew; the second one, which also searches, because the first one has counted what waits; and later ones, which look at
//! what the walks found.
//!
//! `cargo bench --bench collections` prints a table in Markdown; `cargo test --bench collections` runs 1,000 continuations, and
//! checks what they return afterwards. The time of a collection is that of the allocations which cause it, less the
//! time of a later collection in a store that has the same objects in an array and no continuations. An object of the host that is garbage tells when
//! there was a collection.

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use support::{FREEING, each_collector};
use wasmfx::wasmtime::*;

/// Continuations ten frames deep, the innermost of which holds three objects.
const MODULE: &str = r#"(module
    (type $f (func (param i32) (result i32))) (type $k (cont $f))
    (type $object (struct (field i32)))
    (type $objects (array (mut (ref null $object))))
    (tag $t (result i32))
    (type $bytes (array (mut i64)))
    (table $all 0 (ref null $k))
    (global $kept (mut (ref null $objects)) (ref.null $objects))
    (func $deep (param $depth i32) (param $n i32) (result i32)
      (local $a (ref null $object)) (local $b (ref null $object)) (local $c (ref null $object))
      (if (local.get $depth) (then
        (return (i32.add (call $deep (i32.sub (local.get $depth) (i32.const 1)) (local.get $n)) (i32.const 0)))))
      (local.set $a (struct.new $object (local.get $n)))
      (local.set $b (struct.new $object (i32.add (local.get $n) (i32.const 1))))
      (local.set $c (struct.new $object (i32.add (local.get $n) (i32.const 2))))
      (drop (suspend $t))
      (i32.add (struct.get $object 0 (local.get $a))
        (i32.add (struct.get $object 0 (local.get $b)) (struct.get $object 0 (local.get $c)))))
    (func $body (type $f) (call $deep (i32.const 9) (local.get 0)))
    (elem declare func $body)
    (func $start (param i32) (result (ref $k))
      (block $h (result (ref $k)) (resume $k (on $t $h) (local.get 0) (cont.new $k (ref.func $body))) (unreachable)))
    (func (export "suspend") (param $n i32)
      (loop $next
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (drop (table.grow $all (call $start (local.get $n)) (i32.const 1)))
        (br_if $next (local.get $n))))
    (func (export "keep") (param $n i32)
      (local.set $n (i32.mul (local.get $n) (i32.const 3)))
      (global.set $kept (array.new_default $objects (local.get $n)))
      (loop $next
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (array.set $objects (global.get $kept) (local.get $n) (struct.new $object (local.get $n)))
        (br_if $next (local.get $n))))
    ;; Garbage of 64 KiB.
    (func (export "garbage") (drop (array.new $bytes (i64.const 1) (i32.const 8192))))
    ;; The sum of what all return.
    (func (export "finish") (result i64) (local $i i32) (local $sum i64)
      (loop $next
        (local.set $sum (i64.add (local.get $sum)
          (i64.extend_i32_u (resume $k (i32.const 0) (table.get $all (local.get $i))))))
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (table.size $all))))
      (local.get $sum)))"#;

struct Guest {
    store: Store<()>,
    instance: Instance,
}

impl Guest {
    fn new(module: &Module, export: &str, count: i32) -> Guest {
        let mut store = Store::new(module.engine(), ());
        let instance = Instance::new(&mut store, module, &[]).expect("no imports");
        let fill = instance.get_typed_func::<i32, ()>(&mut store, export).expect("an export");
        fill.call(&mut store, count).expect("there is room");
        Guest { store, instance }
    }

    /// Makes garbage until there were so many collections, and returns the time for each.
    fn collect(&mut self, times: u32) -> Duration {
        let garbage = self.instance.get_typed_func::<(), ()>(&mut self.store, "garbage").expect("an export");
        let (mut time, collections) = (Duration::ZERO, Arc::new(AtomicU32::new(0)));
        for collection in 0..times {
            {
                let mut scope = RootScope::new(&mut self.store);
                ExternRef::new(&mut scope, Garbage(collections.clone())).expect("there is room");
            }
            while collections.load(Relaxed) == collection {
                let start = Instant::now();
                garbage.call(&mut self.store, ()).expect("collections succeed");
                time += start.elapsed();
            }
        }
        time / times
    }
}

/// Bytes of the heap: a few times as much as the objects of all continuations take.
const HEAP: u64 = 64 << 20;

/// Counts when it is collected.
struct Garbage(Arc<AtomicU32>);

impl Drop for Garbage {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn main() {
    let args = libtest_mimic::Arguments::from_args();
    let (count, times) = if args.bench { (100_000, 20) } else { (1000, 3) };
    if args.bench {
        println!("| collector | first | second | later |\n| --- | ---: | ---: | ---: |");
    }
    each_collector(&FREEING, |mut config| {
        // A heap of one size: both stores fill as much of it before each collection, and none grows meanwhile.
        config.gc_heap_initial_size(HEAP).gc_heap_reservation(HEAP).gc_heap_may_move(false);
        let engine = Engine::new(&config).expect("a valid configuration");
        let module = Module::new(&engine, MODULE).expect("a valid module");
        let (mut suspended, mut kept) =
            (Guest::new(&module, "suspend", count), Guest::new(&module, "keep", count));
        let [first, second] = [suspended.collect(1), suspended.collect(1)];
        kept.collect(2);
        let (with, without) = (suspended.collect(times), kept.collect(times));
        let each = |with: Duration, without: Duration| {
            (with.as_nanos() as f64 - without.as_nanos() as f64) / f64::from(count)
        };
        if args.bench {
            let backend = engine.get_stack_switching_backend();
            let [first, second, later] = [first, second, with].map(|with| each(with, without));
            let collector = engine.get_collector().expect("a collector");
            println!("| {collector:?}, {backend:?} | {first:.0} ns | {second:.0} ns | {later:.0} ns |");
        }
        let finish = suspended.instance.get_typed_func::<(), i64>(&mut suspended.store, "finish");
        let sum = finish.expect("an export").call(&mut suspended.store, ()).expect("all are usable");
        assert_eq!(sum, (0..i64::from(count)).map(|n| 3 * n + 3).sum::<i64>());
        assert_eq!(suspended.store.continuation_statistics().alive, 0);
    });
}
