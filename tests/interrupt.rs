//! Fuel and epochs: a guest cannot hide from them on other stacks, and the store goes on afterwards.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::each_backend;
use wasmfx::wasmtime::*;

/// Endless loops on stacks of every kind, and a function that ends.
const LOOPS: &str = r#"(module
    (type $ft (func)) (type $ct (cont $ft)) (tag $t) (tag $e)
    (rec (type $sf (func (param (ref null $sc)))) (type $sc (cont $sf)))
    (func $nothing)
    (func $suspends (loop $l (suspend $t) (br $l)))
    (func $spins (loop $l (br $l)))
    (func $middle (resume $ct (cont.new $ct (ref.func $spins))))
    (func $outer (resume $ct (cont.new $ct (ref.func $middle))))
    (func $pong (type $sf) (loop $l (local.set 0 (switch $sc $t (local.get 0))) (br $l)))
    (func $ping
      (local $c (ref null $sc))
      (local.set $c (cont.new $sc (ref.func $pong)))
      (loop $l (local.set $c (switch $sc $t (local.get $c))) (br $l)))
    (func $one (suspend $t) (unreachable))
    (func $two (resume $ct (cont.new $ct (ref.func $one))))
    (elem declare func $nothing $suspends $spins $middle $outer $pong $ping $two $one)

    (func (export "create") (loop $l (resume $ct (cont.new $ct (ref.func $nothing))) (br $l)))
    (func (export "suspend") (local $c (ref $ct))
      (local.set $c (cont.new $ct (ref.func $suspends)))
      (loop $l
        (block $h (result (ref $ct)) (resume $ct (on $t $h) (local.get $c)) (unreachable))
        (local.set $c) (br $l)))
    (func (export "nested") (resume $ct (cont.new $ct (ref.func $outer))))
    (func (export "switch") (resume $ct (on $t switch) (cont.new $ct (ref.func $ping))))
    ;; Suspends through two stacks, which an exception then unwinds.
    (func (export "throw")
      (loop $l
        (block $caught
          (try_table (catch $e $caught)
            (block $h (result (ref $ct))
              (resume $ct (on $t $h) (cont.new $ct (ref.func $two))) (unreachable))
            (resume_throw $ct $e)))
        (br $l)))
    (func (export "ends") (result i32)
      (resume $ct (cont.new $ct (ref.func $nothing))) (i32.const 7))

    ;; Known work on both sides of n switches of each kind: `$work` burns more than 20 units.
    (func $work (param $n i32)
      (loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func $side (loop $l (call $work (i32.const 5)) (suspend $t) (br $l)))
    (func $other (type $sf)
      (loop $l (call $work (i32.const 5)) (local.set 0 (switch $sc $t (local.get 0))) (br $l)))
    (func $turns (param $n i32) (local $c (ref null $sc))
      (local.set $c (cont.new $sc (ref.func $other)))
      (loop $l
        (call $work (i32.const 5))
        (local.set $c (switch $sc $t (local.get $c)))
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (type $nf (func (param i32))) (type $nc (cont $nf))
    (elem declare func $side $other $turns)
    (func (export "suspends") (param $n i32) (local $c (ref $ct))
      (local.set $c (cont.new $ct (ref.func $side)))
      (loop $l
        (call $work (i32.const 5))
        (block $h (result (ref $ct)) (resume $ct (on $t $h) (local.get $c)) (unreachable))
        (local.set $c)
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "switches") (param $n i32)
      (resume $nc (on $t switch) (local.get $n) (cont.new $nc (ref.func $turns))))
    (func (export "throws") (param $n i32)
      (loop $l
        (block $caught
          (try_table (catch $e $caught)
            (block $h (result (ref $ct))
              (resume $ct (on $t $h) (cont.new $ct (ref.func $side))) (unreachable))
            (call $work (i32.const 5))
            (resume_throw $ct $e)))
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;

const ENDLESS: [&str; 5] = ["create", "suspend", "nested", "switch", "throw"];

fn instance(engine: &Engine) -> (Store<()>, Instance) {
    let mut store = Store::new(engine, ());
    store.epoch_deadline_trap();
    store.set_epoch_deadline(1_000_000);
    // Without fuel there is none to set.
    let _ = store.set_fuel(1_000);
    let module = Module::new(engine, LOOPS).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    (store, instance)
}

/// Also if an assertion fails: the other thread must end.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Both sides' fuel counts, to the unit, at each switch.
#[test]
fn fuel_is_the_same_on_each_backend() {
    let burnt = std::sync::Mutex::new(Vec::new());
    each_backend(|config| {
        let engine = Engine::new(config().consume_fuel(true)).unwrap();
        let (mut store, instance) = instance(&engine);
        for name in ["suspends", "switches", "throws"] {
            let run = instance.get_typed_func::<i32, ()>(&mut store, name).unwrap();
            let mut fuel = |n: i32| {
                store.set_fuel(1_000_000).unwrap();
                run.call(&mut store, n).unwrap();
                1_000_000 - store.get_fuel().unwrap()
            };
            let (once, twice) = (fuel(100), fuel(200));
            assert!(twice - once >= 100 * (20 + 20), "{name}: work on both sides, {once} and {twice}");
            burnt.lock().unwrap().push((name, once, twice));
        }
    });
    let burnt = burnt.into_inner().unwrap();
    let (first, rest) = burnt.split_at(3);
    assert!(rest.chunks(3).all(|chunk| chunk == first), "{burnt:?}");
}

/// Each instruction's own traps, at the end of straight-line code that uses 20 units.
const TRAPS: &str = r#"(module
    (type $ft (func)) (type $ct (cont $ft)) (tag $t) (tag $e)
    (rec (type $sf (func (param (ref null $sc)))) (type $sc (cont $sf)))
    (elem declare func $nothing $target $suspend $switch)
    (func $nothing) (func $target (type $sf))
    (func $suspend (export "suspend") {work} (suspend $t))
    (func $switch (export "switch") {work} (switch $sc $t (cont.new $sc (ref.func $target))) (drop))
    (func (export "suspend-inside") {work} (resume $ct (on $e switch) (cont.new $ct (ref.func $suspend))))
    (func (export "switch-inside") {work}
      (block $h (result (ref $ct)) (resume $ct (on $e $h) (cont.new $ct (ref.func $switch))) (return)) (drop))
    (func (export "resume-null") {work} (resume $ct (ref.null $ct)))
    (func (export "resume-consumed") (local $k (ref null $ct))
      (local.set $k (cont.new $ct (ref.func $nothing))) (resume $ct (local.get $k)) {work} (resume $ct (local.get $k)))
    (func (export "switch-null") {work} (switch $sc $t (ref.null $sc)) (drop))
    (func (export "bind-null") {work} (drop (cont.bind $ct $ct (ref.null $ct))))
    (func (export "new-null") {work} (drop (cont.new $ct (ref.null $ft))))
    (func (export "throw-null") {work} (resume_throw $ct $e (ref.null $ct)))
    (func (export "divide") {work} (drop (i32.div_u (i32.const 1) (i32.const 0)))))"#;

/// What a trap of an instruction costs is the same on each backend, at each opt-level. Where no handler was found, that is
/// all of it; what compiled code checks first, such as null references, loses what its straight-line code has used, as plain
/// Wasm's traps do.
#[test]
fn fuel_at_a_trap() {
    const WORK: u64 = 20;
    let module = TRAPS.replace("{work}", &"(drop (i32.const 1))".repeat(WORK as usize));
    let costs = std::sync::Mutex::new(Vec::new());
    each_backend(|config| {
        for opt_level in [OptLevel::None, OptLevel::Speed] {
            for signals in [true, false] {
                let mut config = config();
                config.consume_fuel(true).cranelift_opt_level(opt_level).signals_based_traps(signals);
                let engine = Engine::new(&config).unwrap();
                let module = Module::new(&engine, &module).unwrap();
                let mut store = Store::new(&engine, ());
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                let exports: Vec<_> = module.exports().map(|export| export.name().to_owned()).collect();
                let mut cost = |export: &String| {
                    let run = instance.get_typed_func::<(), ()>(&mut store, export).unwrap();
                    store.set_fuel(1_000).unwrap();
                    run.call(&mut store, ()).unwrap_err();
                    (export.clone(), 1_000 - store.get_fuel().unwrap())
                };
                costs.lock().unwrap().push(exports.iter().map(&mut cost).collect::<Vec<_>>());
            }
        }
    });
    let costs = costs.into_inner().unwrap();
    assert!(costs.iter().all(|other| *other == costs[0]), "{costs:#?}");
    for (export, cost) in &costs[0] {
        let work = match export.as_str() {
            "suspend" | "switch" => WORK,
            "suspend-inside" | "switch-inside" => 2 * WORK,
            _ => 0,
        };
        assert!((work..work + 10).contains(cost), "{export}: {cost}");
    }
}

#[test]
fn fuel_ends_every_loop() {
    each_backend(|config| {
        let engine = Engine::new(config().consume_fuel(true)).unwrap();
        let (mut store, instance) = instance(&engine);
        let ends = instance.get_typed_func::<(), i32>(&mut store, "ends").unwrap();
        for name in ENDLESS {
            let run = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            store.set_fuel(10_000).unwrap();
            let error = run.call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::OutOfFuel), "{name}: {error:?}");
            assert_eq!(store.get_fuel().unwrap(), 0, "{name}");
            store.set_fuel(1_000).unwrap();
            assert_eq!(ends.call(&mut store, ()).unwrap(), 7);
        }
    });
}

#[test]
fn an_epoch_ends_every_loop() {
    each_backend(|config| {
        let engine = Engine::new(config().epoch_interruption(true)).unwrap();
        let (mut store, instance) = instance(&engine);
        let ends = instance.get_typed_func::<(), i32>(&mut store, "ends").unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(2));
                    engine.increment_epoch();
                }
            });
            let _guard = SetAtEnd(&done);
            for name in ENDLESS {
                let run = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
                store.set_epoch_deadline(2);
                let error = run.call(&mut store, ()).unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt), "{name}: {error:?}");
                store.set_epoch_deadline(1_000_000);
                assert_eq!(ends.call(&mut store, ()).unwrap(), 7);
            }
        });
    });
}
