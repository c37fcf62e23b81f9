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
//!   dropped at any time: nothing on it wants to be told. The engine's collections, and in debug builds the end of a store,
//!   look up each frame of a suspended stack, and do not accept one that is not compiled code's.
//! * **S3, the free part.** While a continuation runs, `initial.child` is the outermost one of the chain, and the stack
//!   pointer in its `parent_control` is where the live frames of the initial stack end: N1, with the native backend. The
//!   libcall backend stores an address below them, and nothing else of that `parent_control`.

use crate::arch;
use crate::check;
use crate::cont::Continuation;
use crate::layout::{VMContRef, VMContinuations};
use crate::libcall;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

/// A function that is called with what it needs.
pub(crate) type Call = extern "C" fn(*mut ());

/// What [`on_host_stack`] calls, and where its result goes. It stays where it is: whoever is on another stack has its address.
struct Job<R, F> {
    f: ManuallyDrop<F>,
    result: MaybeUninit<R>,
}

impl<R, F: FnOnce() -> R> Job<R, F> {
    /// Does the job at `this`, of this type. A panic ends the process.
    extern "C" fn run(this: *mut ()) {
        // SAFETY: `on_host_stack` has such a job there, calls this once, and does not use it meanwhile.
        let job = unsafe { &mut *this.cast::<Job<R, F>>() };
        // SAFETY: as above: nobody else takes it.
        let f = unsafe { ManuallyDrop::take(&mut job.f) };
        job.result.write(f());
    }
}

/// Calls `f` where host code may run: on the initial stack, if the current stack is a continuation's and this is it.
///
/// A panic of `f` ends the process.
///
/// # Safety
///
/// Called by Wasm of the store that `lists` and `current`, its current stack, are of. `f` returns on the stack
/// on which it is called.
#[inline]
pub unsafe fn on_host_stack<R, F: FnOnce() -> R>(
    lists: NonNull<VMContinuations>,
    current: *mut VMContRef,
    f: F,
) -> R {
    let mut job = Job { f: ManuallyDrop::new(f), result: MaybeUninit::uninit() };
    let this = (&raw mut job).cast();
    // SAFETY: the caller vouches for the pointers.
    unsafe {
        if VMContRef::is_continuation(current) {
            leave_continuation(lists, NonNull::new_unchecked(current), Job::<R, F>::run, this);
        } else {
            Job::<R, F>::run(this);
        }
        // `run` has written it.
        job.result.assume_init()
    }
}

/// Calls `call(data)` on the initial stack if this is the stack of `current`, a continuation, and else here.
///
/// # Safety
///
/// As for [`on_host_stack`].
#[inline]
unsafe fn leave_continuation(
    lists: NonNull<VMContinuations>,
    current: NonNull<VMContRef>,
    call: Call,
    data: *mut (),
) {
    // SAFETY: the caller vouches for the pointers; a continuation that runs is one of its store's (L1).
    unsafe {
        if !(*current.cast::<Continuation>().as_ptr()).stack_range().contains(&arch::stack_pointer()) {
            // The host has left the continuation's stack already.
            check::no_continuations_stack(current.as_ptr());
            return call(data);
        }
        let outermost = (*lists.as_ptr()).initial.child();
        check::host_stack(current.as_ptr(), outermost);
        if arch::CALLS_ON {
            // 1: S3. The outermost continuation is alive while one that it resumed runs (C2), and what lies below its parent's
            // stack pointer is free until its parent goes on. 2: `Job::run` returns, or ends the process.
            arch::call_on((*outermost).parent_control.sp, call, data);
        } else {
            libcall::call_below(current, outermost, call, data);
        }
    }
}
