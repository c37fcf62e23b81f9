//! A debugger in the host, which looks at frames on continuations' stacks. `cargo test --features debug --test debugger`.

#![cfg(feature = "debug")]

mod support;

use std::sync::{Arc, Mutex};
use support::{block_on, each_backend};
use wasmfx::wasmtime::*;

/// An exception leaves three continuations, one after another: each stack is given back before the next event. `run` catches it,
/// `lose` does not.
const MODULE: &str = r#"(module
    (type $ft (func (param i32))) (type $ct (cont $ft))
    (tag $e)
    (func $level (type $ft)
      (if (i32.eqz (local.get 0)) (then (throw $e)))
      (resume $ct (i32.sub (local.get 0) (i32.const 1)) (cont.new $ct (ref.func $level))))
    (elem declare func $level)
    (func (export "run")
      (block $caught
        (try_table (catch $e $caught)
          (resume $ct (i32.const 2) (cont.new $ct (ref.func $level))))))
    (func (export "lose")
      (resume $ct (i32.const 2) (cont.new $ct (ref.func $level)))))"#;

/// Keeps the frames of every event, and says what becomes of them.
#[derive(Clone, Default)]
struct Debugger(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    events: u32,
    frames: Vec<FrameHandle>,
    /// Frames of an event, whether each was valid then.
    fresh: Vec<bool>,
    /// Frames of earlier events, whether each was still valid at a later one.
    stale: Vec<bool>,
}

impl DebugHandler for Debugger {
    type Data = ();

    async fn handle(&self, mut store: StoreContextMut<'_, ()>, event: DebugEvent<'_>) {
        let DebugEvent::Exception(_) = event else { return };
        let mut seen = self.0.lock().unwrap();
        seen.events += 1;
        let old: Vec<_> = seen.frames.iter().map(|frame| frame.is_valid(&mut store)).collect();
        seen.stale.extend(old);
        let frames: Vec<_> = store.debug_exit_frames().collect();
        let new: Vec<_> = frames.iter().map(|frame| frame.is_valid(&mut store)).collect();
        seen.fresh.extend(new);
        seen.frames.extend(frames);
    }
}

#[test]
fn frame_handles_are_stale_once_a_stack_was_given_back() {
    each_backend(|config| {
        let engine = Engine::new(config().guest_debug(true)).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, ());
        let debugger = Debugger::default();
        store.set_debug_handler(debugger.clone());
        let instance = block_on(Instance::new_async(&mut store, &module, &[])).unwrap();
        for (name, catches) in [("run", true), ("lose", false)] {
            *debugger.0.lock().unwrap() = Seen::default();
            let run = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            assert_eq!(block_on(run.call_async(&mut store, ())).is_ok(), catches);
            let seen = debugger.0.lock().unwrap();
            assert_eq!(seen.events, 4, "{name}: one for each stack");
            assert!(
                !seen.fresh.is_empty() && seen.fresh.iter().all(|valid| *valid),
                "{name}: {:?}",
                seen.fresh
            );
            assert!(
                !seen.stale.is_empty() && seen.stale.iter().all(|valid| !valid),
                "{name}: {:?}",
                seen.stale
            );
            // After `run` one frame is valid, that of `run` itself: the host's stack is still there, and Wasm has not run since, as
            // in Wasmtime as published. After `lose` none is: the entry has ended the continuations.
            let valid = seen.frames.iter().filter(|frame| frame.is_valid(&mut store)).count();
            assert_eq!(valid, usize::from(catches), "{name}: valid after the call");
        }
    });
}
