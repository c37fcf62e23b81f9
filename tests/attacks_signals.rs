//! Attacks on host calls: a signal handler that uses 8 KiB, without a stack of its own, at every instruction (the processor's single
//! step) and at random times, while Wasm uses the smallest stacks up, calls the host, switches, starts, ends and traps.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::arch::asm;
use std::mem::MaybeUninit;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use support::{each_backend, in_child};
use wasmfx::wasmtime::*;

static STEPPING: AtomicBool = AtomicBool::new(false);
static HANDLED: AtomicU64 = AtomicU64::new(0);
/// The tests share the signals of the process.
static ONE: Mutex<()> = Mutex::new(());

const EFLAGS_TF: i64 = 0x100;

/// Touches 8 KiB of whatever stack it is on.
extern "C" fn handler(signal: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let mut room = MaybeUninit::<[u8; 8 << 10]>::uninit();
    let start = room.as_mut_ptr().cast::<u8>();
    for at in [0, 1000, 4096, 8191] {
        // SAFETY: `add` and `write_volatile`: each byte is in `room`, which nothing else uses. A byte needs no
        // alignment.
        unsafe { start.add(at).write_volatile(0xa5) };
    }
    HANDLED.fetch_add(1, Relaxed);
    if signal == libc::SIGTRAP && !STEPPING.load(Relaxed) {
        // SAFETY: `&mut`: with `SA_SIGINFO`, which `install` sets, the kernel passes a `ucontext_t`: valid, aligned and
        // initialised. It is the handler's alone during the call.
        let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
        context.uc_mcontext.gregs[libc::REG_EFL as usize] &= !EFLAGS_TF;
    }
}

fn install(signal: libc::c_int) {
    // SAFETY: `zeroed`: zeros are a valid `sigaction`. `sigaction`: `action` is initialised, and the old one may be
    // null. The handler has the signature that goes with these flags, and does what handlers may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

/// Calls `f` with a signal after every instruction. Returns how many there were.
fn stepped<R>(f: impl FnOnce() -> R) -> (R, u64) {
    install(libc::SIGTRAP);
    let before = HANDLED.load(Relaxed);
    STEPPING.store(true, Relaxed);
    // SAFETY: `asm!`: the instructions use the stack below its pointer, which the options allow, and put the pointer
    // back. They change the trap flag only.
    unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
    let result = f();
    STEPPING.store(false, Relaxed);
    (result, HANDLED.load(Relaxed) - before)
}

fn overflowed<T: std::fmt::Debug>(result: Result<T>) {
    let error = result.unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
}

const MODULE: &str = r#"(module
    (import "" "host" (func $host (param i32) (result i32)))
    (type $ft (func (param i32) (result i32))) (type $ct (cont $ft))
    (type $uf (func (result i32))) (type $uc (cont $uf)) (tag $t) (tag $w (result i32)) (tag $e)
    (rec (type $sf (func (param i32 (ref null $sc)) (result i32))) (type $sc (cont $sf)))
    (type $s (struct (field i32)))
    (elem declare func $down $host $waits $switches $other $throws $nests $traps)
    (memory 1 1000)
    (global $deepest (export "deepest") (mut i32) (i32.const 0))
    (func $down (type $ft)
      (global.set $deepest (local.get 0))
      (if (i32.gt_s (local.get 0) (i32.const 7)) (then
        (drop (call $host (local.get 0)))))
      (i32.add (i32.const 1) (call $down (i32.add (local.get 0) (i32.const 1)))))
    (func (export "down") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $down))))
    (func $waits (type $ft) (suspend $t) (drop (struct.new $s (i32.const 1))) (call $host (local.get 0)))
    (func $nests (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $waits))))
    (func $other (type $sf) (call $host (i32.const 1)))
    (func $switches (type $ft)
      (switch $sc $w (i32.const 0) (cont.new $sc (ref.func $other))) (drop) (drop) (i32.const 0))
    (func $throws (type $ft) (throw $e))
    (func $traps (type $ft) (unreachable))
    ;; Every way to switch, each a few times.
    (func (export "switches") (type $ft) (local $k (ref null $uc)) (local $n i32)
      (local.set $n (i32.const 1))
      (loop $l
        (block $h (result (ref $uc))
          (drop (resume $ct (on $t $h) (i32.const 1) (cont.new $ct (ref.func $nests)))) (unreachable))
        (local.set $k)
        (drop (resume $uc (local.get $k)))
        (drop (resume $ct (on $w switch) (i32.const 1) (cont.new $ct (ref.func $switches))))
        (drop (resume $ct (i32.const 1) (cont.new $ct (ref.func $host))))
        (block $c (try_table (catch $e $c) (drop (resume $ct (i32.const 1) (cont.new $ct (ref.func $throws))))))
        (drop (memory.grow (i32.const 1)))
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (i32.const 7))
    (func (export "traps") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $traps)))))"#;

#[test]
fn a_signal_at_every_instruction() {
    in_child("a_signal_at_every_instruction", || {
        let _one = ONE.lock();
        each_backend(|config| {
            for signals in [true, false] {
                let mut config = config();
                config
                    .signals_based_traps(signals)
                    .continuation_stack_size(16 << 10)
                    .wasm_backtrace_max_frames(None);
                let engine = Engine::new(&config).unwrap();
                let module = Module::new(&engine, MODULE).unwrap();
                let mut store = Store::new(&engine, ());
                let host = Func::wrap(&mut store, |n: i32| n);
                let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
                let mut run = |name: &str, n: i32| {
                    let run = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
                    stepped(|| run.call(&mut store, n))
                };
                let (result, steps) = run("switches", 0);
                assert_eq!(result.unwrap(), 7);
                assert!(steps > 1000, "{steps}");
                assert_eq!(
                    run("traps", 0).0.unwrap_err().downcast_ref(),
                    Some(&Trap::UnreachableCodeReached)
                );
                // The host is called on the last levels alone: stepping through it takes long.
                let down = instance.get_typed_func::<i32, i32>(&mut store, "down").unwrap();
                overflowed(down.call(&mut store, -1_000_000));
                let deepest =
                    instance.get_global(&mut store, "deepest").unwrap().get(&mut store).unwrap_i32();
                let start = 7 + 3 - (deepest + 1_000_000);
                let (result, steps) = stepped(|| down.call(&mut store, start));
                overflowed(result);
                assert!(steps > 1000, "{steps}");
            }
        });
    });
}

/// As deep as trampolines go: a thousand vectors each way, as body and called with each amount of stack left.
#[test]
fn a_signal_at_every_instruction_of_wide_calls() {
    in_child("a_signal_at_every_instruction_of_wide_calls", || {
        let _one = ONE.lock();
        let many = "v128 ".repeat(1000);
        let gets: String = (0..1000).map(|i| format!("(local.get {i})")).collect();
        let module = format!(
            r#"(module
                (type $ft (func (param {many}) (result {many}))) (type $ct (cont $ft))
                (type $df (func (param i32))) (type $dc (cont $df))
                (import "" "host" (func $host (type $ft)))
                (elem declare func $host $wasm $tail $leaf $down $down-tail)
                (func $wasm (type $ft) {gets} (call $host))
                (func $tail (type $ft) {gets} (return_call $host))
                (func $leaf (type $ft) {gets})
                (func $none (param {many}))
                (func $down (type $df)
                  (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1))))
                    (else {zeros} (call $host) (call $none))))
                (func $tails (param i32) (result {many}) {zeros} (return_call $host))
                (func $down-tail (type $df)
                  (if (local.get 0) (then (call $down-tail (i32.sub (local.get 0) (i32.const 1))))
                    (else (call $tails (i32.const 0)) (call $none))))
                (func (export "deep") (param i32) (resume $dc (local.get 0) (cont.new $dc (ref.func $down))))
                (func (export "deep-tail") (param i32) (resume $dc (local.get 0) (cont.new $dc (ref.func $down-tail))))
                (func (export "host") (param i32) {zeros} (resume $ct (cont.new $ct (ref.func $host))) (call $none))
                (func (export "wasm") (param i32) {zeros} (resume $ct (cont.new $ct (ref.func $wasm))) (call $none))
                (func (export "tail") (param i32) {zeros} (resume $ct (cont.new $ct (ref.func $tail))) (call $none))
                (func (export "leaf") (param i32) {zeros} (resume $ct (cont.new $ct (ref.func $leaf))) (call $none)))"#,
            zeros = "(v128.const i64x2 0 0)".repeat(1000),
        );
        each_backend(|config| {
            for signals in [true, false] {
                let code = Engine::new(config().signals_based_traps(signals)).unwrap();
                let code = code.precompile_module(module.as_bytes()).unwrap();
                let mut called = 0;
                for size in [16 << 10, 82 << 10] {
                    if size > 16 << 10 && !signals {
                        continue;
                    }
                    let mut config = config();
                    config
                        .signals_based_traps(signals)
                        .continuation_stack_size(size)
                        .wasm_backtrace_max_frames(None);
                    let engine = Engine::new(&config).unwrap();
                    // SAFETY: `deserialize`: `code` is what `precompile_module` returned, unmodified.
                    let module = unsafe { Module::deserialize(&engine, &code) }.unwrap();
                    let mut store = Store::new(&engine, 0);
                    let func = module.imports().next().unwrap().ty().unwrap_func().clone();
                    // SAFETY: `new_unchecked`: the closure reads no argument. Results have the types of the arguments,
                    // which it leaves in the slots, so that arguments come back as results.
                    let host = unsafe {
                        Func::new_unchecked(&mut store, func, |mut caller: Caller<'_, u32>, _| {
                            *caller.data_mut() += 1;
                            Ok(())
                        })
                    };
                    let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
                    for (export, depths) in [
                        ("host", 0..1),
                        ("wasm", 0..1),
                        ("tail", 0..1),
                        ("leaf", 0..1),
                        ("deep", 0..1),
                        ("deep-tail", 0..1),
                    ] {
                        let run = instance.get_typed_func::<i32, ()>(&mut store, export).unwrap();
                        for depth in depths {
                            if let (Err(error), _) = stepped(|| run.call(&mut store, depth)) {
                                assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
                            }
                        }
                    }
                    called += *store.data();
                }
                assert!(called > 0 || !signals);
            }
        });
    });
}

/// A thread sends signals as fast as it can, to four others.
#[test]
fn signals_at_random_times() {
    in_child("signals_at_random_times", || {
        let _one = ONE.lock();
        install(libc::SIGUSR1);
        let threads = Mutex::new(Vec::new());
        let done = AtomicBool::new(false);
        each_backend(|config| {
            done.store(false, Relaxed);
            let engine = Engine::new(config().continuation_stack_size(16 << 10)).unwrap();
            let module = Module::new(&engine, MODULE).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !done.load(Relaxed) {
                        // The lock is held meanwhile: a thread that is listed is alive.
                        for &thread in threads.lock().unwrap().iter() {
                            // SAFETY: `pthread_kill`: the thread is alive, since it is listed and the lock is held. The
                            // process has a handler for the signal.
                            unsafe { libc::pthread_kill(thread, libc::SIGUSR1) };
                        }
                        std::thread::yield_now();
                    }
                });
                let workers: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            // SAFETY: `pthread_self`: it has no requirements.
                            let this = unsafe { libc::pthread_self() };
                            threads.lock().unwrap().push(this);
                            let mut store = Store::new(&engine, ());
                            let host = Func::wrap(&mut store, |n: i32| n);
                            let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
                            let down = instance.get_typed_func::<i32, i32>(&mut store, "down").unwrap();
                            let switches =
                                instance.get_typed_func::<i32, i32>(&mut store, "switches").unwrap();
                            for _ in 0..300 {
                                overflowed(down.call(&mut store, 0));
                                assert_eq!(switches.call(&mut store, 0).unwrap(), 7);
                            }
                            threads.lock().unwrap().retain(|&thread| thread != this);
                        })
                    })
                    .collect();
                let results: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
                done.store(true, Relaxed);
                results.into_iter().for_each(|result| result.unwrap());
            });
        });
        assert!(HANDLED.load(Relaxed) > 20, "{}", HANDLED.load(Relaxed));
    });
}
