//! Host code that continuations call: it runs on the stack that the host entered Wasm on, whatever it does, and from
//! stacks of every size.

#[path = "support/levels.rs"]
mod levels;
mod support;

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use support::{COLLECTORS, FREEING, each_backend, each_collector, names};
use wasmfx::wasmtime::*;

/// The smallest stack that a continuation can have, and some more.
const SIZES: [usize; 3] = [16 << 10, 64 << 10, 512 << 10];

fn instantiate<T: 'static>(store: &mut Store<T>, module: &str, imports: &[Extern]) -> Instance {
    let module = Module::new(store.engine(), module).unwrap();
    Instance::new(store, &module, imports).unwrap()
}

/// Uses `pages` of stack, each by a call of its own.
#[inline(never)]
fn eat(pages: usize) -> usize {
    let page = black_box([pages as u8; 4096]);
    if pages == 0 { page[7].into() } else { eat(pages - 1) + usize::from(page[pages % 4096]) }
}

/// Calls the host, or has it as body: on one stack, on the third, after a suspend, after a switch.
const PLACES: &str = r#"(module
    (import "" "host" (func $host (param i32) (result i32)))
    (type $ft (func (param i32) (result i32))) (type $ct (cont $ft))
    (tag $t) (tag $w (result i32))
    (rec (type $sf (func (param i32 (ref null $sc)) (result i32))) (type $sc (cont $sf)))
    (type $uf (func (result i32))) (type $uc (cont $uf))
    (elem declare func $host $calls $nests $nests-host $waits $switches $switched)
    (func $calls (type $ft) (call $host (local.get 0)))
    (func $nests (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $calls))))
    (func $nests-host (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $host))))
    (func $waits (type $ft)
      (drop (call $host (local.get 0))) (suspend $t) (call $host (local.get 0)))
    (func $switched (type $sf) (call $host (local.get 0)))
    (func $switches (type $ft) (switch $sc $w (local.get 0) (cont.new $sc (ref.func $switched))) (unreachable))
    (func (export "callee") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $calls))))
    (func (export "body") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $host))))
    (func (export "nested") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $nests))))
    (func (export "nested-body") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $nests-host))))
    (func (export "switched") (type $ft)
      (resume $ct (on $w switch) (local.get 0) (cont.new $ct (ref.func $switches))))
    (func (export "waited") (type $ft)
      (block $h (result (ref $uc))
        (return (resume $ct (on $t $h) (local.get 0) (cont.new $ct (ref.func $waits)))))
      (resume $uc)))"#;

const PLACE_NAMES: [&str; 6] = ["callee", "body", "nested", "nested-body", "waited", "switched"];

/// Those after which no continuation is left; what switched away is suspended for good.
const LEAVING_NOTHING: &[&str] = PLACE_NAMES.split_at(5).0;

/// Calls `f` on a stack as large as that of a program's first thread usually is.
fn on_a_large_stack(f: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(8 << 20).spawn_scoped(scope, f).unwrap();
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

#[test]
fn the_host_may_use_a_megabyte() {
    each_backend(|config| {
        for size in SIZES {
            let engine = Engine::new(config().continuation_stack_size(size)).unwrap();
            let mut store = Store::new(&engine, 0);
            let host = Func::wrap(&mut store, |mut caller: Caller<'_, u32>, pages: i32| {
                *caller.data_mut() += 1;
                black_box(eat(pages as usize));
                pages + 1
            });
            let instance = instantiate(&mut store, PLACES, &[host.into()]);
            for place in PLACE_NAMES {
                let run = instance.get_typed_func::<i32, i32>(&mut store, place).unwrap();
                for pages in [0, 300] {
                    on_a_large_stack(|| {
                        assert_eq!(run.call(&mut store, pages).unwrap(), pages + 1, "{place} {size}")
                    });
                }
            }
            assert_eq!(*store.data(), 14, "one place calls twice");
            assert_eq!(store.continuation_statistics().alive, 2, "what switched away");
        }
    });
}

/// Where it stands, as an address.
fn here() -> usize {
    (&raw const *black_box(&0_u8)).addr()
}

/// The host is on the stack that it entered on, however deep; and what it enters there has that stack's limit.
#[test]
fn the_host_runs_below_its_own_frames() {
    each_backend(|config| {
        for size in SIZES {
            let engine = Engine::new(config().continuation_stack_size(size)).unwrap();
            let mut store = Store::new(&engine, here());
            let host = Func::wrap(&mut store, |mut caller: Caller<'_, usize>, left: i32| -> Result<i32> {
                let below = *caller.data() - here();
                assert!(below < 512 << 10, "{below} bytes below the host that entered");
                if left == 0 {
                    return Ok(0);
                }
                let place = PLACE_NAMES[left as usize % PLACE_NAMES.len()];
                let place = caller.get_export(place).and_then(|e| e.into_func()).unwrap();
                Ok(place.typed::<i32, i32>(&caller)?.call(&mut caller, left - 1)? + 1)
            });
            let instance = instantiate(&mut store, PLACES, &[host.into()]);
            for place in PLACE_NAMES {
                let run = instance.get_typed_func::<i32, i32>(&mut store, place).unwrap();
                *store.data_mut() = here();
                assert_eq!(run.call(&mut store, 13).unwrap(), 13, "{place} {size}");
            }
        }
    });
}

/// Endless recursion through the host ends at the entry stack's limit, as it does without continuations; frames of the
/// host count as much as Wasm's.
#[test]
fn recursion_through_the_host_ends() {
    each_backend(|config| {
        for size in SIZES {
            let engine = Engine::new(config().continuation_stack_size(size)).unwrap();
            let mut store = Store::new(&engine, 0);
            let host = Func::wrap(&mut store, |mut caller: Caller<'_, u32>, pages: i32| -> Result<i32> {
                *caller.data_mut() += 1;
                black_box(eat(pages as usize));
                let again = LEAVING_NOTHING[*caller.data() as usize % LEAVING_NOTHING.len()];
                let again = caller.get_export(again).and_then(|e| e.into_func()).unwrap();
                again.typed::<i32, i32>(&caller)?.call(&mut caller, pages)
            });
            let instance = instantiate(&mut store, PLACES, &[host.into()]);
            // What switches away is suspended for good, and comes last.
            for (place, pages) in LEAVING_NOTHING.iter().chain(&["switched"]).zip([0, 1, 50, 0, 1, 50]) {
                *store.data_mut() = 0;
                let run = instance.get_typed_func::<i32, i32>(&mut store, place).unwrap();
                let error = run.call(&mut store, pages).unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{place} {size}: {error:?}");
                assert!(*store.data() > 10, "{place}: {} levels", store.data());
                assert!(*place == "switched" || store.continuation_statistics().alive == 0);
            }
        }
    });
}

/// A store that is entered while a continuation of another runs, with much or little of the latter's stack left, stops in
/// time, on stacks of its own too; the other store goes on.
#[test]
fn a_second_store_stops_in_time() {
    const DEEP: &str = r#"(module
        (import "" "host" (func $host))
        (type $ft (func (param i32))) (type $ct (cont $ft)) (elem declare func $down)
        (func $down (export "down") (param i32)
          (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1)))) (else (call $host))))
        (func (export "run") (param i32) (resume $ct (local.get 0) (cont.new $ct (ref.func $down)))))"#;
    const ENDLESS: &str = r#"(module
        (type $ft (func (result i32))) (type $ct (cont $ft)) (elem declare func $down $on)
        (func $down (export "down") (result i32) (i32.add (i32.const 1) (call $down)))
        (func (export "on") (result i32) (resume $ct (cont.new $ct (ref.func $down))))
        (func $on (export "each") (result i32) (i32.add (i32.const 1) (resume $ct (cont.new $ct (ref.func $on))))))"#;
    each_backend(|config| {
        let engine = Engine::new(config().continuations_per_store(1000)).unwrap();
        let endless = Module::new(&engine, ENDLESS).unwrap();
        // From the entry's stack to the end of the continuation's: the last but few depths that reach the host use all of it.
        let reaches = |depth: i32| {
            let mut store = Store::new(&engine, ());
            let host = Func::wrap(&mut store, || ());
            let instance = instantiate(&mut store, DEEP, &[host.into()]);
            let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
            run.call(&mut store, depth).is_ok()
        };
        let (mut most, mut too_deep) = (0, 1 << 20);
        while too_deep - most > 1 {
            let depth = (most + too_deep) / 2;
            if reaches(depth) { most = depth } else { too_deep = depth }
        }
        assert!(most > 1000);
        for depth in [0, most / 2, most - 10, most - 1, most, too_deep] {
            let mut store = Store::new(&engine, 0);
            let module = endless.clone();
            let host = Func::wrap(&mut store, move |mut caller: Caller<'_, u32>| {
                *caller.data_mut() += 1;
                let mut store = Store::new(caller.engine(), ());
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                for export in ["down", "on", "each"] {
                    let run = instance.get_typed_func::<(), i32>(&mut store, export).unwrap();
                    let error = run.call(&mut store, ()).unwrap_err();
                    if export == "each" {
                        assert!(error.root_cause().to_string().contains("continuations"), "{error:?}");
                    } else {
                        assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
                    }
                }
            });
            let instance = instantiate(&mut store, DEEP, &[host.into()]);
            let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
            match run.call(&mut store, depth) {
                Ok(()) => assert!(depth <= most),
                Err(error) => {
                    assert!(depth > most);
                    assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
                }
            }
            assert_eq!(*store.data(), u32::from(depth <= most), "depth {depth} of {most}");
        }
    });
}

#[test]
fn collections_and_backtraces_find_every_activation() {
    each_collector(&COLLECTORS, |config| {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, levels::module("", "")).unwrap();
        let mut store = Store::new(&engine, Vec::new());
        let host = Func::wrap(&mut store, |mut caller: Caller<'_, Vec<String>>, how: i32| -> Result<()> {
            let level = caller.get_export("level").and_then(|e| e.into_func()).unwrap();
            level.typed::<i32, ()>(&caller)?.call(&mut caller, how)
        });
        let collect = Func::wrap(&mut store, |mut caller: Caller<'_, Vec<String>>| -> Result<()> {
            let churn = caller.get_export("churn").and_then(|e| e.into_func()).unwrap();
            for _ in 0..2 {
                caller.gc(None)?;
                churn.typed::<(), ()>(&caller)?.call(&mut caller, ())?;
            }
            *caller.data_mut() = names(&WasmBacktrace::force_capture(&caller));
            Ok(())
        });
        let instance = Instance::new(&mut store, &module, &[host.into(), collect.into()]).unwrap();
        let run = instance.get_typed_func::<i32, ()>(&mut store, "level").unwrap();
        let wrong = instance.get_global(&mut store, "wrong").unwrap();
        for how in levels::ways(5) {
            run.call(&mut store, how).unwrap();
            assert_eq!(wrong.get(&mut store).unwrap_i32(), 0, "way {how:#x}");
            let expected = levels::names(how);
            let most = expected.len().min(20);
            assert_eq!(store.data()[..most], expected[..most], "way {how:#x}");
        }
        assert_eq!(store.continuation_statistics().alive, 0);
    });
}

/// What host functions end in, from every place: an error, a panic, an exception. The store goes on.
#[test]
fn hosts_that_fail() {
    each_backend(|config| {
        let engine = Engine::new(config().continuation_stack_size(16 << 10)).unwrap();
        let mut store = Store::new(&engine, ());
        let host = Func::wrap(&mut store, |mut caller: Caller<'_, ()>, how: i32| -> Result<i32> {
            let _dropped = Vec::<u8>::with_capacity(100);
            black_box(eat(100));
            match how {
                0 => Ok(1),
                1 => Err(Error::msg("the host says no")),
                2 => panic!("the host panics"),
                3 => Err(Trap::IntegerOverflow.into()),
                _ => {
                    let ty = FuncType::new(caller.engine(), [], []);
                    let tag = Tag::new(&mut caller, &TagType::new(ty))?;
                    let ty = ExnType::from_tag_type(&tag.ty(&caller))?;
                    let allocator = ExnRefPre::new(&mut caller, ty);
                    let exception = ExnRef::new(&mut caller, &allocator, &tag, &[])?;
                    caller.as_context_mut().throw(exception)?
                }
            }
        });
        let instance = instantiate(&mut store, PLACES, &[host.into()]);
        for place in PLACE_NAMES {
            let run = instance.get_typed_func::<i32, i32>(&mut store, place).unwrap();
            for how in [1, 2, 3, 4, 0] {
                let result = catch_unwind(AssertUnwindSafe(|| run.call(&mut store, how)));
                match (how, result) {
                    (0, Ok(Ok(1))) => {}
                    (1, Ok(Err(error))) => {
                        assert!(format!("{error:?}").contains("the host says no"), "{place}: {error:?}")
                    }
                    (2, Err(panic)) => assert_eq!(panic.downcast_ref(), Some(&"the host panics"), "{place}"),
                    (3, Ok(Err(error))) => assert_eq!(error.downcast_ref(), Some(&Trap::IntegerOverflow)),
                    (4, Ok(Err(error))) => {
                        assert!(error.is::<ThrownException>(), "{place}: {error:?}");
                        store.take_pending_exception().unwrap();
                    }
                    (_, result) => panic!("{place}, {how}: {result:?}"),
                }
                assert!(place == "switched" || store.continuation_statistics().alive == 0, "{place}, {how}");
            }
        }
    });
}

/// A host function that makes, runs and drops another store, whose continuations are suspended, on other threads as well.
#[test]
fn stores_that_come_and_go_inside() {
    const PARKS: &str = r#"(module
        (type $ft (func)) (type $ct (cont $ft)) (tag $t) (elem declare func $b)
        (import "" "inside" (func $inside (param i32)))
        (table $parked 100 (ref null $ct))
        (func $b (call $inside (i32.const 0)) (suspend $t))
        (func (export "park") (param $n i32)
          (loop $l
            (table.set $parked (local.get $n)
              (block $h (result (ref $ct)) (resume $ct (on $t $h) (cont.new $ct (ref.func $b))) (unreachable)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
    fn fill(engine: &Engine, module: &Module, levels: u32) {
        let mut store = Store::new(engine, levels);
        let again = module.clone();
        let inside = Func::wrap(&mut store, move |caller: Caller<'_, u32>, _: i32| {
            if *caller.data() > 0 {
                fill(caller.engine(), &again, *caller.data() - 1);
            }
        });
        let instance = Instance::new(&mut store, module, &[inside.into()]).unwrap();
        let park = instance.get_typed_func::<i32, ()>(&mut store, "park").unwrap();
        park.call(&mut store, if levels == 0 { 20 } else { 3 }).unwrap();
    }
    each_backend(|config| {
        let engine = Engine::new(config().continuation_stack_size(16 << 10)).unwrap();
        let module = Module::new(&engine, PARKS).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5).for_each(|_| fill(&engine, &module, 3)));
            }
        });
    });
}

/// Builtins, which are host code as well, near the end of small stacks: what collects, grows, and is slow.
#[test]
fn builtins_with_little_stack_left() {
    const MODULE: &str = r#"(module
        (type $ft (func (param i32) (result i32))) (type $ct (cont $ft))
        (type $s (struct (field i32) (field (ref null $s)))) (type $a (array (mut i8)))
        (memory 1 10) (table $t 1 10 funcref) (data $d "data") (elem $e func $down)
        (elem declare func $down)
        (func $down (type $ft) (local $s (ref null $s)) (local $a (ref null $a))
          (local.set $s (struct.new $s (local.get 0) (ref.null $s)))
          (local.set $a (array.new $a (i32.const 7) (i32.const 100)))
          (drop (memory.grow (i32.const 1)))
          (drop (table.grow $t (ref.null func) (i32.const 1)))
          (memory.copy (i32.const 0) (i32.const 100) (i32.const 1000))
          (memory.fill (i32.const 0) (i32.const 1) (i32.const 1000))
          (memory.init $d (i32.const 0) (i32.const 0) (i32.const 4))
          (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))
          (table.fill $t (i32.const 0) (ref.func $down) (i32.const 1))
          (array.copy $a $a (local.get $a) (i32.const 0) (local.get $a) (i32.const 50) (i32.const 50))
          (i32.add (struct.get $s 0 (local.get $s)) (call $down (i32.add (local.get 0) (i32.const 1)))))
        (func (export "run") (result i32) (resume $ct (i32.const 0) (cont.new $ct (ref.func $down)))))"#;
    each_backend(|config| {
        for size in [16 << 10, (16 << 10) + 16, (16 << 10) + 1008, 20_000, 64 << 10] {
            for collector in FREEING {
                let mut config = config();
                config.collector(collector).continuation_stack_size(size);
                let engine = Engine::new(&config).unwrap();
                let mut store = Store::new(&engine, ());
                let instance = instantiate(&mut store, MODULE, &[]);
                let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
                for _ in 0..5 {
                    let error = run.call(&mut store, ()).unwrap_err();
                    assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
                }
            }
        }
    });
}

/// Functions with as many values as there can be, whose trampolines take more than the smallest stack, as bodies and called
/// wherever on a stack: a trap or a result, and nothing else.
#[test]
fn a_thousand_values_each_way_on_small_stacks() {
    for ty in ["i32", "v128"] {
        let many = format!("{ty} ").repeat(1000);
        let gets: String = (0..1000).map(|i| format!("(local.get {i})")).collect();
        let zero = if ty == "i32" { "(i32.const 0)" } else { "(v128.const i64x2 0 0)" };
        let module = format!(
            r#"(module
            (type $ft (func (param {many}) (result {many}))) (type $ct (cont $ft))
            (type $df (func (param i32))) (type $dc (cont $df))
            (import "" "host" (func $host (type $ft)))
            (elem declare func $host $wasm $down)
            (func $wasm (type $ft) {gets} (call $host))
            (func $none (param {many}))
            ;; Goes down by little and little, so that the host is called with every amount of stack left.
            (func $down (type $df)
              (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1))))
                (else {zeros} (call $host) (call $none))))
            (func (export "deep") (param i32) (resume $dc (local.get 0) (cont.new $dc (ref.func $down))))
            (func (export "host") {zeros} (resume $ct (cont.new $ct (ref.func $host))) (call $none))
            (func (export "wasm") {zeros} (resume $ct (cont.new $ct (ref.func $wasm))) (call $none)))"#,
            zeros = zero.repeat(1000),
        );
        each_backend(|config| {
            let allocators = [RegallocAlgorithm::Backtracking, RegallocAlgorithm::SinglePass];
            for (signals, allocator) in [true, false].into_iter().flat_map(|s| allocators.map(|a| (s, a))) {
                let config = || {
                    let mut config = config();
                    config.signals_based_traps(signals).cranelift_regalloc_algorithm(allocator);
                    config
                };
                let code = Engine::new(&config()).unwrap().precompile_module(module.as_bytes());
                let code = match code {
                    Ok(code) => code,
                    Err(error) => {
                        let text = format!("{error:?}");
                        assert!(ty == "v128" && matches!(allocator, RegallocAlgorithm::SinglePass), "{text}");
                        assert!(text.contains("pass fewer values, or use the backtracking"), "{text}");
                        continue;
                    }
                };
                assert!(ty == "i32" || matches!(allocator, RegallocAlgorithm::Backtracking));
                for size in (16 << 10..26 << 10).step_by(1008).chain([64 << 10, 128 << 10, 512 << 10]) {
                    let mut config = config();
                    config.continuation_stack_size(size);
                    let engine = Engine::new(&config).unwrap();
                    // SAFETY: the bytes come from `precompile_module`.
                    let module = unsafe { Module::deserialize(&engine, &code) }.unwrap();
                    let mut store = Store::new(&engine, 0_u32);
                    let func = module.imports().next().unwrap().ty().unwrap_func().clone();
                    let host = Func::new(&mut store, func, |mut caller, args, results| {
                        *caller.data_mut() += 1;
                        black_box(eat(20));
                        results.clone_from_slice(args);
                        Ok(())
                    });
                    let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
                    let ended = |result: Result<()>| match result {
                        Ok(()) => true,
                        Err(error) => {
                            assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
                            false
                        }
                    };
                    for export in ["host", "wasm"] {
                        let run = instance.get_typed_func::<(), ()>(&mut store, export).unwrap();
                        let ended = ended(run.call(&mut store, ()));
                        assert!(ended || size < 128 << 10, "{export} {size}");
                    }
                    let deep = instance.get_typed_func::<i32, ()>(&mut store, "deep").unwrap();
                    let mut depth = 0;
                    while depth < 60 && ended(deep.call(&mut store, depth)) {
                        depth += 1;
                    }
                    assert!(size < 512 << 10 || *store.data() > 10, "{size}: {}", store.data());
                    assert_eq!(store.continuation_statistics().alive, 0);
                }
            }
        });
    }
}

/// A trampoline to the host that is too large for what is below the limit is refused, also where no larger one is compiled.
#[test]
fn a_trampoline_that_is_too_large() {
    let many = "v128 ".repeat(1000);
    let module = format!(
        r#"(module
        (type $ft (func (param {many}) (result {many})))
        (import "" "host" (func $host (type $ft)))
        (func $none (param {many}))
        (func (export "run") {zeros} (call $host) (call $none)))"#,
        zeros = "(v128.const i64x2 0 0)".repeat(1000),
    );
    each_backend(|config| {
        let mut config = config();
        Module::new(&Engine::new(&config).unwrap(), &module).unwrap();
        config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
        let error = Module::new(&Engine::new(&config).unwrap(), &module).unwrap_err();
        let text = format!("{error:?}");
        assert!(text.contains("wasm_to_array_trampoline") && text.contains("33000 at most"), "{text}");
    });
}

/// Recursion with a frame of each size, small and larger than the stack itself, from each depth, ends in a trap; where the
/// limit is checked behind a frame, one that is too large for that is refused by the compiler.
#[test]
fn frames_of_every_size() {
    each_backend(|config| {
        for signals in [true, false] {
            for locals in [0, 1, 10, 60, 250, 1000, 4000, 13_250, 13_500] {
                let numbered =
                    |text: &str| (0..locals).map(|i| text.replace('#', &i.to_string())).collect::<String>();
                let module = format!(
                    r#"(module
                    (type $ft (func (param i32) (result i32))) (type $ct (cont $ft))
                    (elem declare func $down $small) (memory 4)
                    (func $use (param v128))
                    (func $down (type $ft) {declared} {set}
                      (local.set 0 (call $down (local.get 0)))
                      {used} (i32.const 1))
                    (func $small (type $ft)
                      (if (result i32) (local.get 0)
                        (then (call $small (i32.sub (local.get 0) (i32.const 1)))) (else (call $down (i32.const 0)))))
                    (func (export "run") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $small)))))"#,
                    declared = numbered("(local v128)"),
                    set = (1..=locals)
                        .map(|i| format!("(local.set {i} (v128.load offset={} (i32.const 0)))", 16 * i))
                        .collect::<String>(),
                    used = (1..=locals).map(|i| format!("(call $use (local.get {i}))")).collect::<String>(),
                );
                let mut config = config();
                config
                    .signals_based_traps(signals)
                    .cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
                let code = match Engine::new(&config).unwrap().precompile_module(module.as_bytes()) {
                    Ok(code) => code,
                    Err(error) => {
                        let text = format!("{error:?}");
                        assert!(
                            !signals && locals >= 13_500 && text.contains("signals-based traps"),
                            "{text}"
                        );
                        continue;
                    }
                };
                assert!(
                    signals || locals < 13_500,
                    "a frame of {locals} vectors is more than there is room for"
                );
                for size in [16 << 10, (16 << 10) + 48, 20_000, 40_000, 512 << 10] {
                    let engine = Engine::new(config.continuation_stack_size(size)).unwrap();
                    // SAFETY: the bytes come from `precompile_module`.
                    let module = unsafe { Module::deserialize(&engine, &code) }.unwrap();
                    let mut store = Store::new(&engine, ());
                    let instance = Instance::new(&mut store, &module, &[]).unwrap();
                    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
                    for depth in (0..40).chain([100, 200, 300, 400, 500]) {
                        let error = run.call(&mut store, depth).unwrap_err();
                        assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{locals}: {error:?}");
                    }
                    assert_eq!(store.continuation_statistics().alive, 0);
                }
            }
        }
    });
}

/// Signal handlers that use 8 KiB of whatever stack is there: near the end of Wasm's part, in trampolines, in switches.
#[test]
#[cfg(target_os = "linux")]
fn signals_without_a_stack_of_their_own() {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
    static HANDLED: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn handle(_: libc::c_int) {
        black_box([1_u8; 8 << 10]);
        HANDLED.fetch_add(1, Relaxed);
    }
    const MODULE: &str = r#"(module
        (import "" "host" (func $host (param i32) (result i32)))
        (type $ft (func (param i32) (result i32))) (type $ct (cont $ft))
        (type $uf (func (result i32))) (type $uc (cont $uf)) (tag $t)
        (elem declare func $down $waits)
        (func $waits (type $ft) (suspend $t) (call $host (local.get 0)))
        (func $down (type $ft) (local $k (ref null $uc))
          (block $h (result (ref $uc))
            (return (resume $ct (on $t $h) (local.get 0) (cont.new $ct (ref.func $waits)))))
          (local.set $k)
          (drop (call $host (local.get 0)))
          (i32.add (resume $uc (local.get $k)) (call $down (local.get 0))))
        (func (export "run") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $down)))))"#;
    // SAFETY: the handler does nothing that a signal handler may not.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()), 0);
    }
    each_backend(|config| {
        let engine = Engine::new(config().continuation_stack_size(16 << 10)).unwrap();
        let mut store = Store::new(&engine, ());
        let host = Func::wrap(&mut store, |n: i32| n);
        let instance = instantiate(&mut store, MODULE, &[host.into()]);
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        let (done, before) = (AtomicBool::new(false), HANDLED.load(Relaxed));
        // SAFETY: this asks for a number.
        let this = unsafe { libc::pthread_self() };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    // SAFETY: the thread waits for this one before it ends.
                    unsafe { libc::pthread_kill(this, libc::SIGUSR1) };
                    std::thread::yield_now();
                }
            });
            for _ in 0..2_000 {
                let error = run.call(&mut store, 1).unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
            }
            done.store(true, Relaxed);
        });
        assert!(HANDLED.load(Relaxed) > before + 10, "signals came");
    });
}
