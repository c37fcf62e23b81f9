//! Host calls leave a continuation's stack.
//!
//! A continuation's stack has a fixed size: Wasm's part, which the embedder chooses, and a reserve. It has no room for host code,
//! which does not look at the stack limit. So host code that Wasm calls runs on the *initial stack*, the one on which the host's
//! innermost call into Wasm was made, below its live frames:
//!
//! ```text
//!   initial stack                         stack of f                  stack of g, which runs
//!   | host: enters Wasm       |           | entry code           |    | entry code            |
//!   | Wasm                    |  child    | Wasm: f              |    | Wasm: g               |
//!   | resume f                |---------->| resume g             |    | trampoline to host    |
//!   +-------------------------+ <- f's    +----------------------+    | host: on_host_stack   |
//!   | host function           |    parent_control.sp                  | call_on               |
//!   | ...                     |<----------------------------------------------+
//!   +-------------------------+                                       +-----------------------+
//! ```
//!
//! * The free part of the initial stack begins at the `parent_control.sp` of the outermost running continuation. The switch of
//!   the native backend stores it there; the libcall backend's `resume` stores its own stack pointer less
//!   [`FIBER_FRAMES`](crate::limits::FIBER_FRAMES). `initial.child` says which continuation is the outermost: `resume` writes it,
//!   and so does `switch`, in the prompt's stack.
//! * To go to the initial stack is a call, and to come back its return ([`arch::call_on`](crate::arch)). It pushes the frame
//!   pointer, and the old stack pointer is in the frame pointer's register meanwhile, which the called code preserves. Nothing
//!   leaves by another way: the engine's closure catches panics itself and returns errors as values, and what raises them in Wasm
//!   runs where Wasm called.
//! * The store's stack limit stays the continuation's until a nested entry replaces it.
//! * The current continuation stays what it is, so that backtraces and collections find the frames of Wasm.
//! * The host function may enter Wasm again. The new entry saves the current continuation, `initial.child` and the initial stack's
//!   limit ([`VMSavedEntry`](crate::abi::VMSavedEntry)), and makes `initial` the current stack, so that a `suspend` inside it
//!   finds no handler outside. If its Wasm traps, that entry alone is unwound: it restores what it saved, and the host function
//!   gets the error. If the host function returns the error, the Wasm that called it raises it on its own stack.
//! * Only x86-64 Unix has `call_on`. Elsewhere there is the libcall backend alone, and the continuation's fiber suspends with
//!   `Signal::Call`. Each `resume` on the way out suspends its own fiber with the same signal. The outermost `resume`, whose frame
//!   is on the initial stack, makes the call, and then resumes its fiber, as does each on the way back in. A host call n stacks
//!   deep costs 2n switches of fibers there.
//!
//! Builtins that switch stacks themselves stay where they are: `cont_resume`, `cont_suspend` and `cont_switch` of the libcall
//! backend, and `raise`, which does not return. What `raise` has to find out, it finds out on the initial stack.
//!
//! # Invariants
//!
//! * **S1, host code.** On a continuation's stack the host has no frames but these: with both backends the first steps of a host
//!   call, and those of `raise`; with the libcall backend also those that start its fiber, and those of its three builtins.
//! * **S2, compiled code only.** So a suspended stack of the native backend holds frames of compiled code only, and may be
//!   dropped at any time: nothing on it wants to be told. The engine's collections, and in debug builds the end of a store,
//!   look up each frame of a suspended stack, and do not accept one that is not compiled code's.
//! * **S3, the free part.** While a continuation runs, `initial.child` is the outermost running continuation, and its
//!   `parent_control.sp` is an address at or below the end of the initial stack's live frames: the end itself with the native
//!   backend (N1). The libcall backend uses nothing else of that `parent_control`.

use crate::abi::{VMContRef, VMContinuationContext};
use crate::arch;
use crate::check;
use crate::cont::Continuation;
use crate::fiber::HostCall;
use crate::libcall;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

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
/// `f` must not panic: a panic of it ends the process. The engine's `f` catches the panics of host functions, and the engine
/// raises them again where the host entered Wasm.
///
/// # Safety
///
/// Called by Wasm of the store that `lists` and `current`, its current stack, are of. `f` returns on the stack
/// on which it is called.
#[inline]
pub unsafe fn on_host_stack<R, F: FnOnce() -> R>(
    lists: NonNull<VMContinuationContext>,
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
    lists: NonNull<VMContinuationContext>,
    current: NonNull<VMContRef>,
    call: HostCall,
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
