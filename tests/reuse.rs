//! What serves one continuation after another: references, stacks, and both on many threads.

#[path = "support/parked.rs"]
mod parked;
mod support;

use parked::{Wasm, each_setup, limited, module, trapped};
use std::collections::VecDeque;
use std::sync::Mutex;
use wasmfx::wasmtime::*;

/// Three types, each the one before with an argument bound. `@` is the type's name.
fn stale_module() -> String {
    const EACH: &str = r#"
    (table $all@ (export "table@") 0 (ref null $@)) (global $held@ (export "global@") (mut (ref null $@)) (ref.null $@))
    (func $keep@ (param (ref null $@)) (drop (table.grow $all@ (local.get 0) (i32.const 1))))
    (func $last@ (result (ref null $@)) (table.get $all@ (i32.sub (table.size $all@) (i32.const 1))))
    ;; From the table, or with -1 from the global.
    (func $get@ (param i32) (result (ref null $@))
      (if (result (ref null $@)) (i32.eq (local.get 0) (i32.const -1))
        (then (global.get $held@)) (else (table.get $all@ (local.get 0)))))
    (func (export "resume@") (param i32) (result i32) (resume $@ ARGS (call $get@ (local.get 0))))
    (func (export "throw@") (param i32) (result i32) (resume_throw $@ $e (call $get@ (local.get 0))))
    (func (export "bind@") (param i32) (result i32) (drop (cont.bind $@ $r ARGS (call $get@ (local.get 0)))) (i32.const 0))"#;
    const SWITCH: &str = r#"
    (func $switch@ (type $af) (drop (switch $@ $w ARGS (call $get@ (local.get 0)))) (i32.const 0))
    (elem declare func $switch@)
    (func (export "switch@") (param i32) (result i32)
      (resume $a (on $w switch) (local.get 0) (ref.null $s) (cont.new $a (ref.func $switch@))))"#;
    let mut each = String::new();
    for (name, args, switch_args) in [
        ("a", "(i32.const 1) (ref.null $s)", Some("(i32.const 1)")),
        ("s", "(ref.null $s)", Some("")),
        ("r", "", None),
    ] {
        each += &EACH.replace('@', name).replace("ARGS", args);
        if let Some(args) = switch_args {
            each += &SWITCH.replace('@', name).replace("ARGS", args);
        }
    }
    format!(
        r#"(module
        (rec (type $sf (func (param (ref null $s)) (result i32))) (type $s (cont $sf)))
        (type $af (func (param i32 (ref null $s)) (result i32))) (type $a (cont $af))
        (type $rf (func (result i32))) (type $r (cont $rf))
        (tag $t) (tag $e) (tag $w (result i32))
        {each}
        (func $body (type $af)
          (suspend $t)
          (drop (switch $s $w (cont.new $s (ref.func $receive))))
          (local.get 0))
        (func $receive (type $sf) (call $keeps (local.get 0)) (i32.const 0))
        (elem declare func $body $receive)
        ;; A continuation that has been bound, suspended and switched away from. The last reference is usable.
        (func (export "life") (param i32)
          (call $keepa (cont.new $a (ref.func $body)))
          (call $keeps (cont.bind $a $s (local.get 0) (call $lasta)))
          (call $keepr (cont.bind $s $r (ref.null $s) (call $lasts)))
          (block $h (result (ref $r)) (drop (resume $r (on $t $h) (call $lastr))) (unreachable))
          (call $keepr)
          (drop (resume $r (on $w switch) (call $lastr)))
          (call $keepr (cont.bind $s $r (ref.null $s) (call $lasts)))))"#
    )
}

/// References of every age to a `VMContRef` and a stack that have served others since, at each type that they may have.
#[test]
fn stale_references_of_every_age() {
    const USES: [(&str, &[&str]); 3] = [
        ("a", &["resume", "throw", "bind", "switch"]),
        ("s", &["resume", "throw", "bind", "switch"]),
        ("r", &["resume", "throw", "bind"]),
    ];
    each_setup(|config| {
        let engine = Engine::new(&config()).unwrap();
        let module = Module::new(&engine, stale_module()).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let mut wasm = Wasm { store, instance };
        // What the host holds of each type: all that was ever in the table.
        let mut held = [const { Vec::<Val>::new() }; 3];
        for life in 1..=101 {
            wasm.call("life", &[Val::I32(life)]).unwrap();
            for ((name, _), held) in USES.iter().zip(&mut held) {
                let table = wasm.instance.get_table(&mut wasm.store, &format!("table{name}")).unwrap();
                for at in held.len() as u64..table.size(&wasm.store) {
                    held.push(table.get(&mut wasm.store, at).unwrap().into());
                }
            }
            // The last of this type is usable.
            let live = held[2].len() - 1;
            for ((name, uses), held) in USES.iter().zip(&held) {
                let global = wasm.instance.get_global(&mut wasm.store, &format!("global{name}")).unwrap();
                let stale = if *name == "r" { live } else { held.len() };
                for (at, val) in held[..stale].iter().enumerate().filter(|_| [1, 2, 3, 101].contains(&life)) {
                    global.set(&mut wasm.store, *val).unwrap();
                    for name in uses.iter().map(|kind| format!("{kind}{name}")) {
                        for place in [at as i32, -1] {
                            trapped(wasm.call(&name, &[Val::I32(place)]), Trap::ContinuationAlreadyConsumed);
                        }
                    }
                }
            }
            // After all that it works, and ends in one way or another.
            let live = [Val::I32(live as i32)];
            if life % 3 == 0 {
                assert!(wasm.call("throwr", &live).unwrap_err().is::<ThrownException>());
            } else {
                assert_eq!(wasm.call("resumer", &live).unwrap().unwrap_i32(), life);
            }
            trapped(wasm.call("resumer", &live), Trap::ContinuationAlreadyConsumed);
        }
        // They were the same two all the time, but for one that switches: or the ages would say nothing.
        let ContinuationStatistics { alive, peak, stacks, .. } = wasm.statistics();
        assert_eq!((alive, peak), (0, 2));
        assert!(stacks <= 2, "{stacks} stacks");
    });
}

#[test]
fn two_engines() {
    each_setup(|config| {
        let small = module(config().max_wasm_stack(64 << 10));
        let large = module(config().max_wasm_stack(2 << 20).continuation_stack_size(1 << 20));
        let (mut small, mut large) = (Wasm::new(&small), Wasm::new(&large));
        for _ in 0..3 {
            // 5,000 calls take more than 64 KiB and less than 1 MiB.
            small.fill(50, 100).unwrap();
            large.fill(50, 5_000).unwrap();
            trapped(small.fill(1, 5_000), Trap::StackOverflow);
            let (mine, theirs) = (small.park(1).unwrap(), large.park(2).unwrap());
            for (wasm, foreign) in [(&mut small, theirs), (&mut large, mine)] {
                let error = wasm.go(foreign).unwrap_err();
                assert!(error.root_cause().to_string().contains("wrong store"), "{error:?}");
                let place = wasm.instance.get_global(&mut wasm.store, "place").unwrap();
                assert!(place.set(&mut wasm.store, foreign).is_err());
            }
            assert_eq!((small.go(mine).unwrap(), large.go(theirs).unwrap()), (1, 2));
            small.drain();
            large.drain();
        }
        let per_stack = |wasm: &Wasm| wasm.statistics().bytes_reserved / wasm.statistics().stacks;
        assert!(per_stack(&small) < 512 << 10 && per_stack(&large) >= 1 << 20);
    });
}

/// Stores with suspended continuations, of many depths and many stacks, go from thread to thread, while others make and
/// end theirs; then their engine is dropped first.
#[test]
fn stores_that_move_between_threads() {
    type Moving = (Wasm, VecDeque<(Val, i32)>);
    fn suspend(wasm: &mut Wasm, value: i32) -> (Val, i32) {
        let name = if value % 2 == 0 { "park" } else { "nest" };
        (wasm.call(name, &[Val::I32(value), Val::I32(value % 40)]).unwrap(), value)
    }
    each_setup(|config| {
        let module = module(&config());
        let stores = (0..4).map(|_| {
            let mut wasm = Wasm::new(&module);
            let held = (0..80).map(|n| suspend(&mut wasm, n)).collect();
            (wasm, held)
        });
        let queue: Mutex<VecDeque<Moving>> = Mutex::new(stores.collect());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for round in 0..300 {
                        let (mut wasm, mut held) = queue.lock().unwrap().pop_front().unwrap();
                        let (cont, value) = held.pop_front().unwrap();
                        assert_eq!(wasm.go(cont).unwrap(), value);
                        held.push_back(suspend(&mut wasm, round));
                        queue.lock().unwrap().push_back((wasm, held));
                    }
                });
            }
            for _ in 0..2 {
                scope.spawn(|| {
                    for round in 0..20 {
                        let mut wasm = Wasm::new(&module);
                        for _ in 0..3 {
                            wasm.fill(150, round).unwrap();
                            wasm.drain();
                        }
                        wasm.fill(100, 0).unwrap();
                    }
                });
            }
        });
        drop(module);
        let ends = queue.into_inner().unwrap().into_iter().enumerate().map(|(n, (mut wasm, held))| {
            std::thread::spawn(move || {
                // One store is dropped with everything suspended.
                for (cont, value) in held.into_iter().filter(|_| n > 0) {
                    assert_eq!(wasm.go(cont).unwrap(), value);
                }
                assert_eq!(wasm.alive() == 0, n > 0);
            })
        });
        ends.for_each(|thread| thread.join().unwrap());
    });
}

/// The last stack of a region to come back makes the pool forget them, while other threads take some.
#[test]
fn many_stacks_come_and_go_on_many_threads() {
    each_setup(|config| {
        let module = module(config().continuation_keep_resident(0));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let module = &module;
                scope.spawn(move || {
                    for round in 0..8 {
                        let mut wasm = Wasm::new(module);
                        wasm.fill(2000 + 100 * round, thread).unwrap();
                        wasm.drain();
                    }
                });
            }
        });
    });
}

/// More threads than there are stacks for: each gets a clear trap or its results, and no stack is lost.
#[test]
fn threads_that_fight_for_stacks() {
    each_setup(|config| {
        let module = module(config().continuation_stacks(300));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let mut wasm = Wasm::new(&module);
                        for _ in 0..3 {
                            limited(wasm.call("exhaust", &[]), "continuation-stacks");
                            wasm.drain();
                        }
                    }
                });
            }
        });
        let mut wasm = Wasm::new(&module);
        wasm.fill(300, 0).unwrap();
        limited(wasm.fill(1, 0), "continuation-stacks");
    });
}

/// Recursion to the end of stacks of any size.
#[test]
fn overflow_on_stacks_of_every_size() {
    let each = |text: &str| (0..100).map(|i| text.replace('#', &i.to_string())).collect::<String>();
    let text = format!(
        r#"(module
        (import "" "host" (func $host))
        (type $ft (func (result i32))) (type $ct (cont $ft))
        (type $mf (func (param {params}) (result i32))) (type $mc (cont $mf))
        (func $plain (type $ft) (i32.add (i32.const 1) (call $plain)))
        (func $through (type $ft) (call $host) (i32.const 1))
        (func $use (param v128))
        (func $vectors (type $ft) {locals}
          {set} (drop (call $vectors)) {used} (i32.const 1))
        (func $many (type $mf) (i32.add (local.get 0) (local.get 999)))
        (elem declare func $plain $through $vectors $many)
        (func (export "through") (drop (call $through)))
        (func (export "run") (param i32) (result i32)
          (if (i32.eq (local.get 0) (i32.const 0)) (then (return (resume $ct (cont.new $ct (ref.func $plain))))))
          (if (i32.eq (local.get 0) (i32.const 1)) (then (return (resume $ct (cont.new $ct (ref.func $through))))))
          (if (i32.eq (local.get 0) (i32.const 2)) (then (return (resume $ct (cont.new $ct (ref.func $vectors))))))
          (resume $mc {args} (cont.new $mc (ref.func $many)))))"#,
        params = "i32 ".repeat(1000),
        args = "(local.get 0) ".repeat(1000),
        locals = each("(local $v# v128)"),
        set = each("(local.set $v# (i32x4.splat (i32.const #)))"),
        used = each("(call $use (local.get $v#))"),
    );
    each_setup(|config| {
        let code = Engine::new(&config()).unwrap().precompile_module(text.as_bytes()).unwrap();
        let mut size = 16 << 10;
        let mut ran = 0;
        while size <= 1 << 20 {
            let engine = Engine::new(config().max_wasm_stack(1 << 20).continuation_stack_size(size)).unwrap();
            // SAFETY: `deserialize`: `code` is what `precompile_module` returned, unmodified.
            let module = unsafe { Module::deserialize(&engine, &code) }.unwrap();
            let mut store = Store::new(&engine, ());
            let host = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| -> Result<()> {
                std::hint::black_box([0_u8; 8 << 10]);
                let again = caller.get_export("through").and_then(|e| e.into_func()).unwrap();
                again.typed::<(), ()>(&caller)?.call(&mut caller, ())
            });
            let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
            let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
            for how in [0, 1, 2, 3, 2, 1, 0] {
                match run.call(&mut store, how) {
                    // A thousand parameters take 8 KB and, in debug builds, not much more.
                    Ok(result) => assert!(how == 3 && result == 6, "{how}: {result}"),
                    Err(error) => {
                        assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
                        assert!(how != 3 || size < 64 << 10, "{size}");
                    }
                }
            }
            assert_eq!(store.continuation_statistics().alive, 0);
            ran += 1;
            size += size / 9 + 1237;
        }
        assert!(ran > 30, "{ran} sizes");
    });
}

/// A `switch` that has found its prompt and gets no stack for its target: what it knew of the handlers around it is not
/// for whoever has its `VMContRef` next.
#[test]
fn a_switch_without_a_stack_leaves_nothing_behind() {
    const MODULE: &str = r#"(module
        (type $cf (func (result i32))) (type $c (cont $cf))
        (type $tf (func (param (ref null $c)) (result i32))) (type $t (cont $tf))
        (type $rf (func (param i32) (result i32))) (type $r (cont $rf))
        (tag $w (result i32)) (tag $other (result i32)) (tag $park) (tag $e)
        (global $parked (mut (ref null $c)) (ref.null $c))
        (func $parks (type $cf) (suspend $park) (i32.const 7))
        (func (export "park")
          (block $h (result (ref $c)) (drop (resume $c (on $park $h) (cont.new $c (ref.func $parks)))) (unreachable))
          (global.set $parked))
        ;; It leaves a stack. Its `VMContRef` is that of a fresh one then: the next is one of those that were in `run`.
        (func (export "unpark") (result i32)
          (resume $c (global.get $parked))
          (global.set $parked (cont.new $c (ref.func $parks))))

        ;; Ends what came here.
        (func $target (type $tf)
          (block $ended (try_table (catch $e $ended) (drop (resume_throw $c $e (local.get 0)))))
          (i32.const 5))
        (func $switches (type $cf) (switch $t $w (cont.new $t (ref.func $target))) (unreachable))
        ;; Adds 100 to what its own prompt gets, if it has one.
        (func $between (type $rf)
          (if (i32.eqz (local.get 0)) (then (return (resume $c (cont.new $c (ref.func $switches))))))
          (i32.add (i32.const 100)
            (resume $c (on $other switch) (on $w switch) (cont.new $c (ref.func $switches)))))
        (elem declare func $parks $target $switches $between)
        (func (export "run") (param i32) (result i32)
          (i32.add (i32.const 1000)
            (resume $r (on $w switch) (local.get 0) (cont.new $r (ref.func $between))))))"#;
    each_setup(|config| {
        let engine = Engine::new(config().continuation_stacks(3)).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let mut wasm = Wasm { store, instance };
        for _ in 0..3 {
            wasm.call("park", &[]).unwrap();
            limited(wasm.call("run", &[Val::I32(0)]), "continuation-stacks");
            assert_eq!(wasm.call("unpark", &[]).unwrap().unwrap_i32(), 7);
            assert_eq!(wasm.call("run", &[Val::I32(1)]).unwrap().unwrap_i32(), 1105);
            assert_eq!(wasm.call("run", &[Val::I32(0)]).unwrap().unwrap_i32(), 1005);
        }
    });
}

/// Function references of instances whose memory was another's, of another module, a moment ago: compiled code takes them
/// without a call if they are there already.
#[test]
fn function_references_are_those_of_the_instance() {
    fn text(number: i32) -> String {
        format!(
            r#"(module
            (type $ft (func (result i32))) (type $ct (cont $ft))
            (table (export "table") 2 funcref)
            (func $f (export "f") (type $ft) (i32.const {f}))
            (func $g (type $ft) (i32.const {g}))
            (elem declare func $f $g)
            (func (export "keep") (table.set (i32.const 0) (ref.func $f)) (table.set (i32.const 1) (ref.func $g)))
            (func (export "run") (result i32)
              (i32.add (resume $ct (cont.new $ct (ref.func $f))) (call_ref $ft (ref.func $g))))
            (func (export "run-another") (param (ref null $ft)) (result i32)
              (resume $ct (cont.new $ct (local.get 0)))))"#,
            f = number * 100,
            g = number,
        )
    }
    each_setup(|config| {
        for pooling in [false, true] {
            let mut config = config();
            if pooling {
                let mut pool = PoolingAllocationConfig::default();
                pool.total_core_instances(2).total_memories(0).total_tables(2).total_gc_heaps(1);
                config.allocation_strategy(pool);
            }
            let engine = Engine::new(&config).unwrap();
            let modules = [1, 2, 3].map(|number| (number, Module::new(&engine, text(number)).unwrap()));
            for round in 0..12 {
                let (number, module) = &modules[round % 3];
                let mut store = Store::new(&engine, ());
                let pair = [(); 2].map(|()| Instance::new(&mut store, module, &[]).unwrap());
                let mut held = Vec::new();
                for (turn, instance) in pair.into_iter().enumerate() {
                    let mut wasm = Wasm { store, instance };
                    // Who asks for one first differs.
                    for what in (0..4).map(|what| (what + round + turn) % 4) {
                        match what {
                            0 => assert_eq!(wasm.call("run", &[]).unwrap().unwrap_i32(), number * 101),
                            1 => assert_eq!(wasm.call("f", &[]).unwrap().unwrap_i32(), number * 100),
                            2 => drop(wasm.call("keep", &[]).unwrap()),
                            _ => held.push(Val::FuncRef(instance.get_func(&mut wasm.store, "f"))),
                        }
                    }
                    let table = instance.get_table(&mut wasm.store, "table").unwrap();
                    held.extend((0..2).map(|at| Val::from(table.get(&mut wasm.store, at).unwrap())));
                    for (at, func) in held.iter().enumerate() {
                        let expected = number * if at % 3 == 2 { 1 } else { 100 };
                        assert_eq!(wasm.call("run-another", &[*func]).unwrap().unwrap_i32(), expected);
                    }
                    store = wasm.store;
                }
            }
        }
    });
}
