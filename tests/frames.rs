//! Frames: on the native backend, active stacks are one chain, which any walker can follow, by frame pointers or by tables.

#![cfg(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    any(target_os = "linux", target_os = "macos"),
    feature = "native"
))]

use std::ffi::{c_int, c_void};
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

/// What the system's unwinder says of a frame.
#[repr(C)]
struct UnwindContext {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn _Unwind_Backtrace(
        each: extern "C" fn(*mut UnwindContext, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(frame: *mut UnwindContext) -> usize;
    fn _Unwind_GetCFA(frame: *mut UnwindContext) -> usize;
}

/// The frames that the system's unwinder finds from a host function outwards, by the tables that compiled code and the
/// runtime's assembly have for it: where each goes on, and the stack pointer there.
#[derive(Default)]
struct Walked(Vec<(usize, usize)>);

impl Walked {
    fn by_tables() -> Walked {
        extern "C" fn each(frame: *mut UnwindContext, walked: *mut c_void) -> c_int {
            // SAFETY: `&mut`: the unwinder passes the pointer that `by_tables` gave it, to a value that nothing else
            // uses meanwhile. `_Unwind_GetIP` and `_Unwind_GetCFA`: `frame` is a frame that the unwinder passes to this
            // call.
            unsafe { (*walked.cast::<Walked>()).0.push((_Unwind_GetIP(frame), _Unwind_GetCFA(frame))) };
            0
        }
        let mut walked = Walked::default();
        // SAFETY: `_Unwind_Backtrace`: `each` takes the pointer that is passed, does not unwind, and returns 0, which
        // is the code for going on. `walked` outlives the call.
        unsafe { _Unwind_Backtrace(each, (&raw mut walked).cast()) };
        walked
    }

    fn names(&self, code: &Code) -> Vec<String> {
        // A return address may be behind its function.
        self.0.iter().filter_map(|(pc, _)| code.function(pc.wrapping_sub(1))).map(str::to_owned).collect()
    }
}

/// The names of the functions from the one that called the host outwards, down to the trampoline by which the host entered
/// Wasm, where the walk ends. `walked` says where that function is called from: the host's own frames may have no frame
/// pointers.
///
/// # Safety
///
/// 1. This is called from a host function that Wasm called. `code` is the code of that Wasm's module.
/// 2. `walked` is of the same call of the host function.
unsafe fn walk(code: &Code, walked: &Walked) -> Vec<String> {
    let word = |address: usize| {
        // SAFETY: `read`: 1, 2, N2: from compiled code's first frame to the host's, records form a chain. Each address
        // is of a word in a record: valid, aligned and initialised. The stacks do not change during the walk.
        unsafe { std::ptr::with_exposed_provenance::<usize>(address).read() }
    };
    // The stack pointer where Wasm made the call: below are a return address and a frame pointer, the callee's record.
    let first = walked
        .0
        .iter()
        .position(|(pc, _)| code.function(pc.wrapping_sub(1)).is_some())
        .expect("Wasm called the host");
    let mut record = walked.0[first].1 - 2 * size_of::<usize>();
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
            let walked = Walked::by_tables();
            // SAFETY: of `walk`: 1: this is a host function that Wasm called, of the module in the store's data;
            // 2: `walked` was made just above.
            let found = unsafe { walk(caller.data(), &walked) };
            assert_eq!(walked.names(caller.data()), found, "the tables say the same");
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
