//! Attack: the largest trampolines from Wasm to the host that the compiler accepts, called with every amount of stack left:
//! in modules in which nothing else of their type is compiled, neither a trampoline from the host to Wasm nor entry code,
//! which would be larger, and refused first. With a signal handler that uses 8 KiB, and without.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::arch::asm;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use support::{each_backend, in_child};
use wasmfx::wasmtime::*;

/// `down` goes down in steps of a frame, then by a frame of so many vectors more, and calls the host there.
fn module(params: usize, results: usize) -> String {
    let (from, to) = ("v128 ".repeat(params), "v128 ".repeat(results));
    let zeros = "(v128.const i64x2 0 0)".repeat(params);
    let drops = "(drop)".repeat(results);
    format!(
        r#"(module
        (import "" "host" (func $host (param {from}) (result {to})))
        (import "" "done" (func $done)) (import "" "arm" (func $arm))
        (type $ft (func (param i32))) (type $ct (cont $ft))
        (elem declare func $down)
        (func $calls (call $arm) {zeros} (call $host) {drops} (call $done))
        (func $down (type $ft)
          (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1))) (call $done))
            (else (call $calls))))
        (func (export "down") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $down)))))"#
    )
}

/// Uses 8 KiB of whatever stack it is on.
extern "C" fn handler(_: libc::c_int) {
    let mut room = MaybeUninit::<[u8; 8 << 10]>::uninit();
    let start = room.as_mut_ptr().cast::<u8>();
    for at in [0, 4096, 8191] {
        // SAFETY: `add` and `write_volatile`: each byte is in `room`, which nothing else uses. A byte needs no
        // alignment.
        unsafe { start.add(at).write_volatile(0xa5) };
    }
}

fn attack(signals: bool) {
    // SAFETY: `zeroed`: zeros are a valid `sigaction`. `sigaction`: `action` is initialised, and the old one may be
    // null. The handler has the signature that goes with these flags, does what handlers may, and has no stack of its
    // own.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(libc::sigaction(libc::SIGTRAP, &action, std::ptr::null_mut()), 0);
    }
    let ran = Cell::new(0);
    for (params, results) in [(1000, 1000), (1000, 994), (994, 1000), (1000, 500)] {
        let module = module(params, results);
        each_backend(|config| {
            for allocator in [RegallocAlgorithm::Backtracking, RegallocAlgorithm::SinglePass] {
                let mut config = config();
                config.cranelift_regalloc_algorithm(allocator).wasm_backtrace_max_frames(None);
                let code = match Engine::new(&config).unwrap().precompile_module(module.as_bytes()) {
                    Ok(code) => code,
                    Err(error) => {
                        assert!(format!("{error:?}").contains("with stack switching"), "{error:?}");
                        continue;
                    }
                };
                // So that the caller's frame ends at each distance from the limit: steps of a small frame, and of sizes.
                for size in (128 << 10..(128 << 10) + 64).step_by(16) {
                    let engine = Engine::new(config.continuation_stack_size(size)).unwrap();
                    // SAFETY: `deserialize`: `code` is what `precompile_module` returned, unmodified.
                    let module = unsafe { Module::deserialize(&engine, &code) }.unwrap();
                    let mut store = Store::new(&engine, 0_u32);
                    let ty = module.imports().next().unwrap().ty().unwrap_func().clone();
                    // SAFETY: `new_unchecked`: the closure reads no argument. All results are vectors, of which any
                    // bytes are valid, so that what is in the slots will do.
                    let host = unsafe {
                        Func::new_unchecked(&mut store, ty, |mut caller: Caller<'_, u32>, _| {
                            *caller.data_mut() += 1;
                            Ok(())
                        })
                    };
                    let done = Func::wrap(&mut store, || step(false));
                    let arm = Func::wrap(&mut store, || step(STEP.load(Relaxed)));
                    let instance =
                        Instance::new(&mut store, &module, &[host.into(), done.into(), arm.into()]).unwrap();
                    let down = instance.get_typed_func::<i32, ()>(&mut store, "down").unwrap();
                    // The deepest from which the host is called.
                    let (mut low, mut high) = (0, 100_000);
                    let calls = |depth: i32, store: &mut Store<u32>| {
                        *store.data_mut() = 0;
                        match down.call(&mut *store, depth) {
                            Ok(()) => assert_eq!(*store.data(), 1),
                            Err(error) => {
                                assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}")
                            }
                        }
                        *store.data() == 1
                    };
                    if !calls(0, &mut store) {
                        continue;
                    }
                    ran.set(ran.get() + 1);
                    while low + 1 < high {
                        let middle = (low + high) / 2;
                        if calls(middle, &mut store) { low = middle } else { high = middle }
                    }
                    if signals {
                        STEP.store(true, Relaxed);
                        down.call(&mut store, low).unwrap();
                        STEP.store(false, Relaxed);
                        break;
                    }
                }
            }
        });
    }
    assert!(ran.get() >= 4, "the compiler refused nearly all: {}", ran.get());
}

static STEP: AtomicBool = AtomicBool::new(false);

/// Whether there is a signal after every instruction of this thread.
#[inline(never)]
fn step(on: bool) {
    // SAFETY: `asm!`: the instructions use the stack below its pointer, which the options allow, and put the pointer
    // back. They change the trap flag only.
    unsafe {
        if on {
            asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq")
        } else {
            asm!("pushfq", "and qword ptr [rsp], 0xfffffffffffffeff", "popfq")
        }
    }
}

#[test]
fn wide_trampolines_at_the_limit() {
    in_child("wide_trampolines_at_the_limit", || attack(false));
}

#[test]
fn wide_trampolines_at_the_limit_with_signals() {
    in_child("wide_trampolines_at_the_limit_with_signals", || attack(true));
}
