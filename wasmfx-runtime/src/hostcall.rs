//! Host calls leave a continuation's stack.
//!
//! A continuation's stack is as large as Wasm needs, and host code does not look at the stack limit. So what Wasm calls of
//! the host runs on the initial stack, the one that the host entered Wasm on, below its live frames:
//!
//! ```text
//!   initial stack                     stack of f                  stack of g, which runs
//!   | host: enters Wasm    |          | entry code           |    | entry code            |
//!   | Wasm                 |   child  | Wasm: f              |    | Wasm: g               |
//!   | resume f             |--------->| resume g             |    | trampoline to host    |
//!   +--- parent_control.sp + of f     +----------------------+    | host: on_host_stack   |
//!   | host function        |<-------------- call_on ------------- | call_on               |
//!   | enters Wasm again... |                                      +-----------------------+
//! ```
//!
//! * Where the free part of the initial stack begins is what the native backend's switch off it has stored in any case: the
//!   stack pointer in the outermost continuation's `parent_control`. Compiled code notes which continuation that is, as the
//!   `child` of whatever resumes; the libcall backend notes both in its `resume`.
//! * To go there is a call, and to come back its return ([`arch::call_on`](crate::arch)). Nothing leaves by another way: what the host function
//!   ends in, an error or a panic, is a value by then, and what raises it in Wasm runs where Wasm called.
//! * The current continuation stays what it is, so that backtraces and collections find the frames of Wasm. If the host
//!   enters Wasm again, that entry saves it, as it saves the `child` and the stack limit of the initial stack
//!   ([`VMSavedEntry`](crate::layout::VMSavedEntry)), and is the innermost until it returns: entries are last in, first out.
//! * Where there is no such call ([`arch`](crate::arch)), the libcall backend suspends fibers down to the initial stack instead, which
//!   calls for them: [`libcall`](crate::libcall).
//!
//! Builtins that switch stacks themselves stay where they are: `cont_resume`, `cont_suspend` and `cont_switch` of the libcall
//! backend, and what goes on raising an exception or a trap.
//!
//! # Invariants
//!
//! * **S1, host code.** No frame of the host stands on a continuation's stack but those of a host call's first steps, which
//!   end in [`on_host_stack`], and those of the builtins named above.
//! * **S2, compiled code only.** So a suspended stack of the native backend holds frames of compiled code only, and may be
//!   dropped at any time: nothing on it wants to be told. The engine's collections look up each frame of a suspended stack,
//!   and do not accept one that is not compiled code's.
//! * **S3, the free part.** While a continuation runs, `initial.child` is the outermost one of the chain, and the stack
//!   pointer in its `parent_control` is where the live frames of the initial stack end (N1).

use crate::arch;
use crate::check;
use crate::cont::Continuation;
use crate::layout::{VMContRef, VMContinuations};
use crate::libcall;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

/// A function that is called with what it needs.
pub(crate) type Call = extern "C" fn(*mut ());

/// Calls `f` where host code may run: on the initial stack, if the current stack is a continuation's and this is it.
///
/// A panic of `f` there ends the process.
///
/// # Safety
///
/// Called by Wasm of the store that `lists` and `current`, its current stack, are of. `f` returns on the stack
/// on which it is called.
#[inline]
pub unsafe fn on_host_stack<R>(
    lists: NonNull<VMContinuations>,
    current: *mut VMContRef,
    f: impl FnOnce() -> R,
) -> R {
    // SAFETY: the caller vouches for it.
    unsafe {
        if VMContRef::is_continuation(current) {
            leave_continuation(lists, NonNull::new_unchecked(current), f)
        } else {
            f()
        }
    }
}

/// As [`on_host_stack`], on a continuation.
///
/// # Safety
///
/// As there; `current` is a continuation.
#[inline(never)]
unsafe fn leave_continuation<R, F: FnOnce() -> R>(
    lists: NonNull<VMContinuations>,
    current: NonNull<VMContRef>,
    f: F,
) -> R {
    /// Both are the caller's: what is large is not copied.
    struct Job<R, F> {
        f: *mut F,
        result: *mut R,
    }
    extern "C" fn run<R, F: FnOnce() -> R>(job: *mut ()) {
        // SAFETY: `job` is that of the caller below, which waits; this is called once, and `f` is not used otherwise.
        unsafe {
            let job = &*job.cast::<Job<R, F>>();
            job.result.write(job.f.read()());
        }
    }
    let (mut f, mut result) = (ManuallyDrop::new(f), MaybeUninit::uninit());
    // SAFETY: the caller vouches for the pointers; a continuation that runs is one of its store's (L1).
    unsafe {
        let here = (&raw const result).addr();
        if !(*current.cast::<Continuation>().as_ptr()).stack_range().contains(&here) {
            // The host has left it already.
            return ManuallyDrop::take(&mut f)();
        }
        let mut job = Job { f: (&raw mut f).cast::<F>(), result: result.as_mut_ptr() };
        let outermost = (*lists.as_ptr()).initial.child();
        check::host_stack(current.as_ptr(), outermost);
        let job = (&raw mut job).cast();
        if arch::CALLS_ON {
            // S3.
            arch::call_on((*outermost).parent_control.sp, run::<R, F>, job);
        } else {
            libcall::call_below(current, outermost, run::<R, F>, job);
        }
        result.assume_init()
    }
}
