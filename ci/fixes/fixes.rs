//! What the patches of the group `fixes` mend, on Wasmtime as published with these patches alone: `cargo xtask patches prefixes` runs
//! this there. Each test fails on Wasmtime as published. What has no test here (references on suspended stacks: as published, a
//! collection panics while a continuation is suspended) is tested with the whole series.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::process::Command;
use wasmtime::component::{Component, Linker};
use wasmtime::*;

/// egraph: keep a trap's location when a branch to it is folded.
#[test]
fn a_trap_behind_a_branch_is_where_it_is() {
    let module = r#"(module (func (export "run") (param i32)
        (if (local.get 0) (then (nop) (nop) (unreachable)))))"#;
    let offset = |level: OptLevel| {
        let engine = Engine::new(Config::new().cranelift_opt_level(level)).unwrap();
        let module = Module::new(&engine, module).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
        let error = run.call(&mut store, 1).unwrap_err();
        let trace = error.downcast_ref::<WasmBacktrace>().unwrap();
        trace.frames()[0].func_offset().unwrap()
    };
    assert_eq!(offset(OptLevel::Speed), offset(OptLevel::None));
}

/// coredump: dump globals that hold exceptions or continuations.
#[test]
fn a_core_dump_with_a_global_that_holds_an_exception() {
    let engine = Engine::new(Config::new().coredump_on_trap(true).wasm_exceptions(true)).unwrap();
    let module = r#"(module (global (mut exnref) (ref.null exn)) (func (export "run") unreachable))"#;
    let module = Module::new(&engine, module).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    let error = run.call(&mut store, ()).unwrap_err();
    let dump = error.downcast_ref::<WasmCoreDump>().unwrap();
    assert!(!dump.serialize(&mut store, "name").is_empty());
}

/// cranelift: make stack_switch a safepoint on x64.
///
/// As published, an assertion of Cranelift fails while it compiles; without assertions, the numbers are others.
#[test]
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn references_that_a_function_keeps_across_a_switch_of_stacks() {
    const MODULE: &str = r#"(module
        (type $s (struct (field i32)))
        (type $f (func)) (type $c (cont $f))
        (import "" "collect" (func $collect))
        (elem declare func $collects)
        (func $make (param i32) (result (ref $s)) (struct.new $s (local.get 0)))
        ;; Makes other objects where those were that no root refers to: the copying collector has two places.
        (func $collects (local $n i32)
          (call $collect)
          (call $collect)
          (loop $l
            (drop (call $make (i32.const -1)))
            (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000)))))
        ;; A reference in a local, and one on the operand stack.
        (func (export "run") (result i32) (local $mine (ref $s))
          (local.set $mine (call $make (i32.const 10)))
          (call $make (i32.const 200))
          (resume $c (cont.new $c (ref.func $collects)))
          (i32.add (struct.get $s 0) (struct.get $s 0 (local.get $mine)))))"#;
    for collector in [Collector::Copying, Collector::DeferredReferenceCounting] {
        let mut config = Config::new();
        config.wasm_gc(true).wasm_function_references(true).wasm_exceptions(true).collector(collector);
        let engine = Engine::new(config.wasm_stack_switching(true)).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, ());
        let collect = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| caller.gc(None));
        let instance = Instance::new(&mut store, &module, &[collect.into()]).unwrap();
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 210, "{collector:?}");
    }
}

/// jit-debug: give sections and symbols their addresses.
#[test]
fn the_image_for_gdb_says_where_the_code_is() {
    // gdb's interface: a list of ELF images, the last one first.
    #[repr(C)]
    struct Entry {
        next: *const Entry,
        previous: *const Entry,
        image: *const u8,
        size: u64,
    }
    #[repr(C)]
    struct Descriptor {
        version: u32,
        action: u32,
        relevant: *const Entry,
        first: *const Entry,
    }
    unsafe extern "C" {
        static mut __jit_debug_descriptor: Descriptor;
    }

    let engine = Engine::new(Config::new().debug_info(true).native_unwind_info(true)).unwrap();
    let module = r#"(module (func (export "a")) (func (export "b") (param i32) (result i32) (local.get 0)))"#;
    let module = Module::new(&engine, module).unwrap();
    // SAFETY: no other test here registers an image, and the module keeps this one.
    let image = unsafe {
        let entry = (&raw const __jit_debug_descriptor.first).read().as_ref().expect("an image");
        std::slice::from_raw_parts(entry.image, entry.size as usize)
    };
    let number = |offset: usize, size: usize| {
        image[offset..][..size].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    };

    // The address, offset and size of each section, by its name.
    let header = |section: usize| number(0x28, 8) as usize + section * 64;
    let names = number(header(number(0x3e, 2) as usize) + 0x18, 8) as usize;
    let sections = HashMap::<&[u8], _>::from_iter((0..number(0x3c, 2) as usize).map(|section| {
        let [address, offset, size] = [0x10, 0x18, 0x20].map(|field| number(header(section) + field, 8));
        let name = &image[names + number(header(section), 4) as usize..];
        (name.split(|byte| *byte == 0).next().unwrap(), (address, offset as usize, size as usize))
    }));

    let code = module.text().as_ptr() as u64;
    let functions = BTreeSet::from_iter(module.functions().map(|function| code + function.offset as u64));
    assert_eq!(functions.len(), 2);

    // The rules for unwinding: each says where its function begins, counted from where it says so.
    let (address, mut at, _) = sections[&b".eh_frame"[..]];
    let loaded = address.wrapping_sub(at as u64);
    let mut unwound = BTreeSet::new();
    while number(at, 4) != 0 {
        // A zero marks what functions have in common.
        if number(at + 4, 4) != 0 {
            unwound.insert(loaded.wrapping_add(at as u64 + 8).wrapping_add(number(at + 8, 8)));
        }
        at += 4 + number(at, 4) as usize;
    }
    assert!(functions.is_subset(&unwound), "{functions:x?} {unwound:x?}");

    let (_, offset, size) = sections[&b".symtab"[..]];
    let symbols =
        BTreeSet::from_iter((offset..offset + size).step_by(24).map(|symbol| number(symbol + 8, 8)));
    assert!(unwound.is_subset(&symbols), "{unwound:x?} {symbols:x?}");
}

/// debug: tag libcalls that collect.
///
/// As published, the collector takes a number for a reference, and an assertion fails.
#[test]
fn collections_while_a_function_is_debugged() {
    const MODULE: &str = r#"(module
        (type $s (struct (field i32))) (tag $e (param i32))
        (import "" "collect" (func $collect))
        (table $t 10001 anyref) (global $i (mut i32) (i32.const 0))
        (func $one ONE)
        (func (export "run") (param $times i32) (local $n i32)
          (local.set $n (local.get $times))
          (loop $l
            (table.set $t (i32.mul (local.get $n) (i32.const 2)) (struct.new_default $s))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
          (call $collect)
          (loop $l
            (drop (call $one))
            (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))"#;
    // In each, a number is on the operand stack before the collection where a reference is after it.
    let allocates = "(result anyref) (struct.new $s (i32.const 0x77777770))";
    let throws = "(result exnref)
        (block $h (result exnref)
          (try_table (catch_all_ref $h) (throw $e (i32.const 0x77777770)))
          (unreachable))";
    // With each other reference that it reads, the collector for reference counts has more to look after.
    let reads = "(result anyref)
        (global.set $i (i32.add (global.get $i) (i32.const 2)))
        (table.get $t (global.get $i))";
    let loops = "(result anyref)
        (drop (i32.const 0x77777770))
        (loop (nop))
        (ref.null any)";
    // The same with a loop's parameter, which comes from above the number.
    let loops_with_reference = "(result anyref) (local $r anyref) (local $n i32)
        (i32.const 1)
        (ref.null any)
        (loop $l (param anyref) (result anyref)
          (drop)
          (i32.const 0x77777770)
          (struct.new_default $s)
          (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 3)))
          (local.set $r) (drop) (local.get $r))
        (local.set $r) (drop) (local.get $r)";
    for (collector, one, epochs) in [
        (Collector::Copying, allocates, false),
        (Collector::Copying, throws, false),
        (Collector::DeferredReferenceCounting, reads, false),
        (Collector::Copying, loops, true),
        (Collector::DeferredReferenceCounting, loops, true),
        (Collector::Copying, loops_with_reference, true),
        (Collector::DeferredReferenceCounting, loops_with_reference, true),
    ] {
        let mut config = Config::new();
        config.wasm_gc(true).wasm_function_references(true).wasm_exceptions(true).collector(collector);
        let engine = Engine::new(config.guest_debug(true).epoch_interruption(epochs)).unwrap();
        let module = Module::new(&engine, MODULE.replace("ONE", one)).unwrap();
        let mut store = Store::new(&engine, ());
        if epochs {
            store.epoch_deadline_callback(|mut store| {
                store.gc(None)?;
                Ok(UpdateDeadline::Continue(0))
            });
        }
        let collect = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| caller.gc(None));
        let instance = Instance::new(&mut store, &module, &[collect.into()]).unwrap();
        let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
        // So often that the allocator collects, too.
        run.call(&mut store, if epochs { 1 } else { 5_000 }).unwrap();
    }
}

/// debug: no slot of a local is uninitialized.
///
/// As published, the collector takes what an earlier call has left in the slot for a reference.
#[test]
fn locals_without_a_value_while_a_function_is_debugged() {
    const MODULE: &str = r#"(module
        (type $s (struct (field i32)))
        (import "" "collect" (func $collect))
        (func $leaves (local i64 i64 i64 i64 i64 i64 i64 i64)
          LEAVES)
        (func $waits (local (ref $s)) (local (ref $s)) (local (ref $s)) (local (ref $s))
          (call $collect)
          (local.set 0 (struct.new_default $s)))
        (func (export "run") (call $leaves) (call $waits)))"#;
    let leaves: String =
        (0..8).map(|at| format!("(local.set {at} (i64.const 0x7777777677777776))")).collect();
    for collector in [Collector::Copying, Collector::DeferredReferenceCounting] {
        let mut config = Config::new();
        config.wasm_gc(true).wasm_function_references(true).collector(collector).guest_debug(true);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, MODULE.replace("LEAVES", &leaves)).unwrap();
        let mut store = Store::new(&engine, ());
        let collect = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| caller.gc(None));
        let instance = Instance::new(&mut store, &module, &[collect.into()]).unwrap();
        instance.get_typed_func::<(), ()>(&mut store, "run").unwrap().call(&mut store, ()).unwrap();
    }
}

/// Counts the allocations of each thread.
struct Counting;

thread_local!(static ALLOCATIONS: Cell<usize> = const { Cell::new(0) });

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: the system's allocator does all else.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// debug: make no event where there is no handler.
///
/// The event itself shows nowhere without a handler; that it was made shows in what a throw allocates.
#[test]
fn a_throw_roots_no_exception_for_a_handler_that_is_not_there() {
    let mut config = Config::new();
    config.wasm_gc(true).wasm_exceptions(true).collector(Collector::Null);
    let engine = Engine::new(&config).unwrap();
    let module = r#"(module (tag $e) (func (export "run") (param $n i32)
        (loop $l
          (block $h (try_table (catch_all $h) (throw $e)))
          (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
    let module = Module::new(&engine, module).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
    let mut allocations = |throws| {
        let before = ALLOCATIONS.get();
        run.call(&mut store, throws).unwrap();
        ALLOCATIONS.get() - before
    };
    allocations(100);
    // The reason to unwind, and the error in it; a rooted reference is a third allocation.
    assert_eq!(allocations(200) - allocations(100), 2 * 100);
}

/// epoch: a function catches what the deadline callback throws in it.
#[test]
fn a_try_table_around_the_check_of_an_epoch() {
    let engine = Engine::new(Config::new().epoch_interruption(true).wasm_exceptions(true)).unwrap();
    let module = r#"(module (func (export "run") (result i32)
        (block $h (try_table (catch_all $h) (loop $l (br $l))))
        (i32.const 7)))"#;
    let module = Module::new(&engine, module).unwrap();
    let mut store = Store::new(&engine, 0);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut store| {
        *store.data_mut() += 1;
        // The first check is where the function begins.
        if *store.data() > 1 {
            let ty = TagType::new(FuncType::new(store.engine(), [], []));
            let tag = Tag::new(&mut store, &ty)?;
            let pre = ExnRefPre::new(&mut store, ExnType::from_tag_type(&ty)?);
            let exception = ExnRef::new(&mut store, &pre, &tag, &[])?;
            store.throw::<()>(exception)?;
        }
        Ok(UpdateDeadline::Continue(0))
    });
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    engine.increment_epoch();
    assert_eq!(run.call(&mut store, ()).unwrap(), 7);
}

/// component: forget deferred threads with their frames, not before.
#[test]
fn a_trap_that_an_epoch_callback_swallows() {
    const COMPONENT: &str = r#"(component
        (component $B
          (core module $M (func (export "f") (param i32) (result i32) (local.get 0)))
          (core instance $m (instantiate $M))
          (func (export "f") (param "x" u32) (result u32) (canon lift (core func $m "f"))))
        (component $A
          (import "f" (func $f (param "x" u32) (result u32)))
          (core func $lf (canon lower (func $f)))
          (core module $M
            (import "" "f" (func $f (param i32) (result i32)))
            (func (export "g") (param i32) (result i32) (call $f (local.get 0))))
          (core instance $m (instantiate $M (with "" (instance (export "f" (func $lf))))))
          (func (export "g") (param "x" u32) (result u32) (canon lift (core func $m "g"))))
        (instance $b (instantiate $B))
        (instance $a (instantiate $A (with "f" (func $b "f"))))
        (export "g" (func $a "g")))"#;
    let mut config = Config::new();
    config.epoch_interruption(true).wasm_component_model(true);
    let engine = Engine::new(&config).unwrap();
    let component = Component::new(&engine, COMPONENT).unwrap();
    let module = Module::new(&engine, r#"(module (func (export "traps") unreachable))"#).unwrap();
    engine.increment_epoch();
    for nth in 0..5_u32 {
        let mut store = Store::new(&engine, nth);
        store.set_epoch_deadline(100);
        let instance = Linker::<u32>::new(&engine).instantiate(&mut store, &component).unwrap();
        let traps = Instance::new(&mut store, &module, &[]).unwrap();
        let traps = traps.get_typed_func::<(), ()>(&mut store, "traps").unwrap();
        let run = instance.get_typed_func::<(u32,), (u32,)>(&mut store, "g").unwrap();
        store.epoch_deadline_callback(move |mut store| {
            let left = *store.data();
            *store.data_mut() = left.wrapping_sub(1);
            if left == 0 {
                store.set_epoch_deadline(100);
                traps.call(&mut store, ()).unwrap_err();
            }
            Ok(UpdateDeadline::Continue(0))
        });
        store.set_epoch_deadline(0);
        assert_eq!(run.call(&mut store, (7,)).unwrap(), (7,), "{nth}");
    }
}

/// component: compare the stack limit before a destructor runs.
///
/// As published, the stack overflows, which ends the process: this is another one.
#[test]
fn destructors_that_drop_each_other() {
    const NAME: &str = "destructors_that_drop_each_other";
    const CHILD: &str = "WASMFX_TEST_CHILD";
    if std::env::var(CHILD).is_err() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", NAME, "--nocapture"]).env(CHILD, NAME).output().unwrap();
        assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        return;
    }

    // Types of resources, each with the `resource.drop` of the one before as its destructor.
    let component = |types: usize| {
        let [mut resources, mut imports, mut calls, mut exports] = [const { String::new() }; 4];
        for i in 1..=types {
            let before = i - 1;
            resources += &format!(
                "(type $r{i} (resource (rep i32) (dtor (core func $drop{before}))))
                (core func $new{i} (canon resource.new $r{i})) (core func $drop{i} (canon resource.drop $r{i}))"
            );
            imports += &format!("(import \"\" \"{i}\" (func $new{i} (param i32) (result i32)))");
            calls += &format!("(call $new{i})");
            exports += &format!("(export \"{i}\" (func $new{i}))");
        }
        format!(
            "(component
              (core module $D (func (export \"drop\") (param i32)))
              (core instance $d (instantiate $D))
              (alias core export $d \"drop\" (core func $drop0))
              {resources}
              (core module $M
                {imports} (import \"\" \"drop\" (func $drop (param i32)))
                (func (export \"run\") (i32.const 0) {calls} (call $drop)))
              (core instance $m (instantiate $M
                (with \"\" (instance {exports} (export \"drop\" (func $drop{types}))))))
              (func (export \"run\") (canon lift (core func $m \"run\"))))"
        )
    };
    let engine = Engine::new(Config::new().wasm_component_model(true).max_wasm_stack(16 << 10)).unwrap();
    for (types, result) in [(10, None), (1_000, Some(Trap::StackOverflow))] {
        let component = Component::new(&engine, component(types)).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Linker::<()>::new(&engine).instantiate(&mut store, &component).unwrap();
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
        // A small stack, as each type takes milliseconds to compile.
        let thread = std::thread::Builder::new().stack_size(64 << 10);
        let error = thread.spawn(move || run.call(&mut store, ()).err()).unwrap().join().unwrap();
        assert_eq!(error.map(|error| error.downcast::<Trap>().unwrap()), result, "{types}");
    }
}

/// backtrace: visit each activation once, and all of them.
#[test]
fn a_host_function_that_the_host_calls() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, Vec::new());
    let inner = Func::wrap(&mut store, |mut caller: Caller<'_, Vec<String>>| {
        let trace = WasmBacktrace::capture(&caller);
        let names = trace.frames().iter().map(|frame| frame.func_name().unwrap_or("?").to_owned());
        *caller.data_mut() = names.collect();
    });
    let outer = Func::wrap(&mut store, move |mut caller: Caller<'_, Vec<String>>| {
        inner.call(&mut caller, &[], &mut [])
    });
    let module = r#"(module (import "" "host" (func $host))
        (func $leaf (call $host)) (func $run (export "run") (call $leaf)))"#;
    let module = Module::new(&engine, module).unwrap();
    let instance = Instance::new(&mut store, &module, &[outer.into()]).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    run.call(&mut store, ()).unwrap();
    assert_eq!(*store.data(), ["leaf", "run"]);
}

/// machinst: keep the debug tags of calls that end a block.
///
/// The checks of epochs are in cold blocks, one behind the other. That of the second loop calls with exception handlers: without tags of
/// its own, the call seems to be where the first loop's is.
#[test]
fn a_call_with_handlers_while_a_function_is_debugged() {
    const MODULE: &str = r#"(module
        (func (export "run")
          (i32.const 1)
          (loop (nop))
          (drop)
          (block $h (try_table (catch_all $h) (loop (nop))))))"#;
    let mut config = Config::new();
    config.wasm_exceptions(true).guest_debug(true).epoch_interruption(true);
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, MODULE).unwrap();
    let mut store = Store::new(&engine, Vec::new());
    store.epoch_deadline_callback(|mut store| {
        let frame = store.debug_exit_frames().next().unwrap();
        let operands = frame.num_stacks(&mut store)?;
        let (_, pc) = frame.wasm_function_index_and_pc(&mut store)?.unwrap();
        store.data_mut().push((operands, pc));
        Ok(UpdateDeadline::Continue(0))
    });
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    run.call(&mut store, ()).unwrap();
    let operands: Vec<_> = store.data().iter().map(|(operands, _)| *operands).collect();
    assert_eq!(operands, [0, 1, 0], "{:?}", store.data());
    assert!(store.data().is_sorted_by(|(_, one), (_, next)| one < next), "{:?}", store.data());
}

/// Counts what the type registry logs on each thread.
struct Registry;

thread_local!(static LOGGED: Cell<usize> = const { Cell::new(0) });

impl log::Log for Registry {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().ends_with("::type_registry")
    }

    fn log(&self, record: &log::Record<'_>) {
        LOGGED.set(LOGGED.get() + usize::from(self.enabled(record.metadata())));
    }

    fn flush(&self) {}
}

/// gc: trace globals and tables without the type registry.
///
/// That a collection roots types shows nowhere but in what the registry logs.
#[test]
fn a_collection_that_roots_no_types() {
    const MODULE: &str = r#"(module
        (type $s (struct)) (type $a (array i8)) (type $f (func))
        (import "" "host" (global (mut (ref null $s))))
        (global (ref $s) (struct.new $s))
        (global (mut (ref null $a)) (ref.null $a))
        (global (ref null $f) (ref.null $f))
        (table 1 (ref null $s)))"#;
    log::set_logger(&Registry).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    for collector in [Collector::Copying, Collector::DeferredReferenceCounting] {
        let engine = Engine::new(Config::new().wasm_gc(true).collector(collector)).unwrap();
        let mut store = Store::new(&engine, ());
        let ty = HeapType::ConcreteStruct(StructType::new(&engine, []).unwrap());
        let ty = GlobalType::new(RefType::new(true, ty).into(), Mutability::Var);
        let global = Global::new(&mut store, ty, Val::AnyRef(None)).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        Instance::new(&mut store, &module, &[global.into()]).unwrap();
        let logged = LOGGED.get();
        assert!(logged > 0, "the registry logs what it does");
        store.gc(None).unwrap();
        assert_eq!(LOGGED.get() - logged, 0, "{collector:?}");
    }
    log::set_max_level(log::LevelFilter::Off);
}

/// gc: count what is live in a copying heap twice.
#[test]
fn a_copying_heap_that_is_nearly_full() {
    const SIZE: usize = 1 << 20;
    // Of one half of the heap, four fifths are live.
    const LIVE: usize = SIZE / 2 / 5 * 4;
    let module = format!(
        r#"(module
        (type $a (array i8))
        (global $live (mut (ref null $a)) (ref.null $a))
        (func (export "run") (local $n i32)
          (global.set $live (array.new_default $a (i32.const {LIVE})))
          (local.set $n (i32.const 100000))
          (loop $l
            (drop (array.new_default $a (i32.const 16)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#
    );
    let mut config = Config::new();
    config.wasm_gc(true).collector(Collector::Copying).gc_heap_initial_size(SIZE as u64);
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, module).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    instance.get_typed_func::<(), ()>(&mut store, "run").unwrap().call(&mut store, ()).unwrap();
    assert_eq!(store.gc_heap_capacity(), 2 * SIZE);
}

/// Refuses memories of more than 128 KiB, and counts how often.
struct Refuses(usize);

impl ResourceLimiter for Refuses {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let refused = desired > 128 << 10;
        self.0 += usize::from(refused);
        Ok(!refused)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }
}

/// gc: count frames when a heap's growth is decided.
#[test]
fn collections_below_many_frames() {
    const MODULE: &str = r#"(module
        (type $a (array i8))
        (func $run (export "run") (param $depth i32) (result i32) (local $n i32)
          (if (local.get $depth)
            (then (return (i32.add (i32.const 1) (call $run (i32.sub (local.get $depth) (i32.const 1)))))))
          (local.set $n (i32.const 100000))
          (loop $l
            (drop (array.new_default $a (i32.const 16)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
          (i32.const 0)))"#;
    for collector in [Collector::Copying, Collector::DeferredReferenceCounting] {
        let engine = Engine::new(Config::new().wasm_gc(true).collector(collector)).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let capacity = |depth: i32| {
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
            assert_eq!(run.call(&mut store, depth).unwrap(), depth);
            store.gc_heap_capacity()
        };
        // Nothing is live.
        assert_eq!(capacity(1), 256 << 10, "{collector:?}");
        assert_eq!(capacity(4000), 1 << 20, "{collector:?}");

        // Once refused, growth is asked for only if a collection does not free enough.
        let mut store = Store::new(&engine, Refuses(0));
        store.limiter(|refuses| refuses);
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, 4000).unwrap(), 4000);
        assert!(store.gc_heap_capacity() <= 128 << 10, "{collector:?}");
        assert_eq!(store.data().0, 1, "{collector:?}");
    }
}
