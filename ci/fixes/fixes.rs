//! What the patches of the group `fixes` mend, on Wasmtime as published with these patches alone: `cargo xtask patches prefixes` runs
//! this there. Each test fails on Wasmtime as published. What has no test here (safepoints of `stack_switch`, gdb, debugging) is
//! tested with the whole series.

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
