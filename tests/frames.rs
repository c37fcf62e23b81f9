//! Frame pointers: on the native backend, active stacks are one chain, which any walker can follow.

#![cfg(all(target_arch = "x86_64", any(target_os = "linux", target_os = "macos"), feature = "native"))]

use std::arch::asm;
use std::ops::Range;
use wasmfx::StackSwitchingBackend;
use wasmfx::wasmtime::*;

const MODULE: &str = r#"(module
    (import "" "host" (func $host))
    (type $ft (func)) (type $ct (cont $ft)) (tag $t)
    (func $inner (call $inner2))
    (func $inner2 (call $host))
    (func $middle (resume $ct (cont.new $ct (ref.func $inner))) (call $nothing))
    ;; What is captured here is resumed by `again`: its frames are spliced in.
    (func $outer (suspend $t) (resume $ct (cont.new $ct (ref.func $middle))) (call $nothing))
    ;; What the prompt's stack is left for twice: by $first, and by what that switches to.
    (rec (type $sf (func (param (ref null $sc)))) (type $sc (cont $sf)))
    (func $first (switch $sc $t (cont.new $sc (ref.func $second))) (drop))
    (func $second (type $sf)
      ;; Caught where the continuation was suspended, which then goes on.
      (block $k (result (ref $ct))
        (resume $ct (on $t $k) (cont.new $ct (ref.func $catches))) (return))
      (resume_throw $ct $e))
    (tag $e)
    (func $catches
      (block $h (try_table (catch $e $h) (suspend $t)))
      (resume $ct (cont.new $ct (ref.func $inner))) (call $nothing))
    (elem declare func $first $second $catches)
    (func $switch (export "switch") (call $run2) (call $nothing))
    (func $run2 (resume $ct (on $t switch) (cont.new $ct (ref.func $first))) (call $nothing))
    (func $nothing)
    (elem declare func $inner $middle $outer)
    (func $again (param (ref $ct)) (resume $ct (local.get 0)) (call $nothing))
    (func $run (export "run")
      (block $h (result (ref $ct))
        (resume $ct (on $t $h) (cont.new $ct (ref.func $outer))) (return))
      (call $again)))"#;

/// A module's code, by address.
struct Code {
    text: Range<usize>,
    functions: Vec<(Range<usize>, String)>,
    /// What a walk of frame pointers meets.
    found: Vec<String>,
    /// What the engine's own backtrace has.
    traced: Vec<String>,
}

impl Code {
    fn of(module: &Module) -> Code {
        let text = module.text().as_ptr_range();
        let text = text.start.addr()..text.end.addr();
        let function = |f: ModuleFunction| {
            let start = text.start + f.offset;
            (start..start + f.len, f.name.unwrap_or_default())
        };
        Code {
            functions: module.functions().map(function).collect(),
            text,
            found: Vec::new(),
            traced: Vec::new(),
        }
    }

    fn function(&self, pc: usize) -> Option<&str> {
        Some(&self.functions.iter().find(|(range, _)| range.contains(&pc))?.1)
    }
}

/// The names of the functions from the one that called the host outwards, down to the
/// trampoline by which the host entered Wasm, where the walk ends.
///
/// # Safety
///
/// Called from a host function that Wasm called on a stack which has made no other call out of Wasm: above the
/// stack pointer, nothing else looks like the frame of a trampoline that `inner2` called.
unsafe fn walk(code: &Code) -> Vec<String> {
    let sp: usize;
    // SAFETY: this only reads a register.
    unsafe { asm!("mov {}, rsp", out(reg) sp) };
    let word = |address: usize| {
        // SAFETY: the caller vouches for the words up to the trampoline's frame; from there on, they are
        // frame records of compiled code.
        unsafe { std::ptr::with_exposed_provenance::<usize>(address).read() }
    };
    // The host's frames may have no frame pointers: the walk starts at the first frame that has.
    let mut record = (0..100_000)
        .map(|i| sp + 8 * i)
        .find(|record| code.function(word(record + 8)) == Some("inner2") && word(*record) > *record)
        .expect("`inner2` called the host");
    let mut names = Vec::new();
    for _ in 0..100 {
        let pc = word(record + 8);
        match code.function(pc) {
            Some(name) => names.push(name.to_string()),
            None if names.last().is_some_and(|name| name == "run" || name == "switch") => {
                assert!(code.text.contains(&pc), "what is exported was called by compiled code");
                record = word(record);
                assert!(!code.text.contains(&word(record + 8)), "which the host called");
                return names;
            }
            // The code that starts a stack, and what stands for its caller.
            None => {}
        }
        record = word(record);
        assert_ne!(record, 0, "the chain ends after {names:?}");
    }
    panic!("the chain does not end: {names:?}");
}

#[test]
fn a_walk_meets_every_function_down_to_the_host() {
    for opt_level in [OptLevel::None, OptLevel::Speed] {
        let mut config = wasmfx::config();
        config.stack_switching_backend(StackSwitchingBackend::Native).cranelift_opt_level(opt_level);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, Code::of(&module));
        let host = Func::wrap(&mut store, |mut caller: Caller<'_, Code>| {
            // SAFETY: `inner2` calls the host first thing on a stack of its own.
            let found = unsafe { walk(caller.data()) };
            let trace = WasmBacktrace::capture(&caller);
            let traced = trace.frames().iter().map(|f| f.func_name().unwrap_or("?").to_string()).collect();
            caller.data_mut().found = found;
            caller.data_mut().traced = traced;
        });
        let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
        for (name, expected) in [
            ("run", ["inner2", "inner", "middle", "outer", "again", "run"].as_slice()),
            ("switch", &["inner2", "inner", "catches", "second", "run2", "switch"]),
        ] {
            let run = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
            run.call(&mut store, ()).unwrap();
            assert_eq!(store.data().found, expected);
            assert_eq!(store.data().traced, expected);
        }
    }
}
