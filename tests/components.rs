//! Components whose core modules switch stacks: lowered functions of the host, and adapters' calls of `realloc`, from
//! continuations of the smallest size.

mod support;

use std::hint::black_box;
use support::each_backend;
use wasmfx::wasmtime::component::{Component, Linker};
use wasmfx::wasmtime::{AsContextMut, Engine, Result, Store, StoreContextMut, Trap};

/// `run` calls the host's `greet` on a continuation, two stacks deep: it passes a string, and gets one, for which the host
/// calls `realloc`. `deep` does so with little stack left, and `endless` recurses.
const COMPONENT: &str = r#"(component
    (import "greet" (func $greet (param "name" string) (result string)))
    (core module $memory
      (memory (export "memory") 1) (global $next (mut i32) (i32.const 1024))
      (func (export "realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (global.get $next))
        (global.set $next (i32.add (global.get $next) (local.get 3)))
        (local.get $at))
      (data (i32.const 16) "stacks"))
    (core instance $memory (instantiate $memory))
    (alias core export $memory "memory" (core memory $mem))
    (alias core export $memory "realloc" (core func $realloc))
    (core func $lowered (canon lower (func $greet) (memory $mem) (realloc $realloc)))
    (core module $main
      (import "" "greet" (func $greet (param i32 i32 i32)))
      (import "" "memory" (memory 1))
      (type $ft (func (param i32) (result i32))) (type $ct (cont $ft))
      (elem declare func $calls $outer $down)
      ;; Passes as many of the six letters, and returns the length of what came.
      (func $calls (type $ft)
        (call $greet (i32.const 16) (local.get 0) (i32.const 512))
        (i32.load (i32.const 516)))
      (func $outer (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $calls))))
      (func $down (type $ft)
        (drop (call $calls (i32.const 1)))
        (i32.add (i32.const 1) (call $down (local.get 0))))
      (func (export "run") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $outer))))
      (func (export "endless") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $down)))))
    (core instance $main (instantiate $main
      (with "" (instance (export "greet" (func $lowered)) (export "memory" (memory $mem))))))
    (func (export "run") (param "n" u32) (result u32) (canon lift (core func $main "run")))
    (func (export "endless") (param "n" u32) (result u32) (canon lift (core func $main "endless"))))"#;

#[test]
fn lowered_functions_run_on_the_initial_stack() {
    each_backend(|config| {
        let engine = Engine::new(config().continuation_stack_size(16 << 10)).unwrap();
        let component = Component::new(&engine, COMPONENT).unwrap();
        let mut linker = Linker::<u32>::new(&engine);
        linker
            .root()
            .func_wrap(
                "greet",
                |mut store: StoreContextMut<'_, u32>, (name,): (String,)| -> Result<(String,)> {
                    // More than the continuation's stack has in all.
                    let room = black_box([name.len() as u8; 256 << 10]);
                    *store.as_context_mut().data_mut() += 1;
                    match name.len() {
                        0 => Err(Trap::IntegerOverflow.into()),
                        n => Ok((format!("hello {name} {}", room[n]),)),
                    }
                },
            )
            .unwrap();
        let mut store = Store::new(&engine, 0);
        let instance = linker.instantiate(&mut store, &component).unwrap();
        let run = instance.get_typed_func::<(u32,), (u32,)>(&mut store, "run").unwrap();
        for n in 1..=6 {
            assert_eq!(run.call(&mut store, (n,)).unwrap().0, 8 + n, "a space, a digit, and `hello `");
        }
        assert_eq!(*store.data(), 6);
        // A component that trapped is not entered again.
        let error = run.call(&mut store, (0,)).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::IntegerOverflow), "{error:?}");
        let mut store = Store::new(&engine, 0);
        let instance = linker.instantiate(&mut store, &component).unwrap();
        let endless = instance.get_typed_func::<(u32,), (u32,)>(&mut store, "endless").unwrap();
        let error = endless.call(&mut store, (1,)).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
        assert!(*store.data() > 50, "{} calls, with less and less stack left", store.data());
    });
}
