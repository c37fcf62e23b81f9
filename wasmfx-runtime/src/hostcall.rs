//! Host calls leave a continuation's stack.
//!
//! A continuation's stack has a fixed size: Wasm's part, which the embedder chooses, and a reserve. Host code does not look at
//! the stack limit, and a continuation's stack has no room for host code. So host code that Wasm calls runs on the *initial
//! stack*: the stack on which the host made its innermost call into Wasm. Host code runs there below the live frames:
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
//! * A call goes to the initial stack, and its return comes back ([`arch::call_on`](crate::arch)). `call_on` pushes the frame
//!   pointer, and keeps the old stack pointer in the frame pointer's register, which the called code preserves. Nothing leaves
//!   the initial stack by another way: the engine's closure catches panics and returns errors as values. The code that raises
//!   those errors in Wasm runs on the stack from which Wasm called.
//! * The store's stack limit stays that of the continuation until a nested entry replaces the limit.
//! * The continuation stays the store's current one, so that backtraces and collections find the frames of Wasm.
//! * The host function may enter Wasm again. The new entry saves the current continuation, `initial.child` and the initial
//!   stack's limit ([`VMSavedEntry`](crate::abi::VMSavedEntry)), and makes `initial` the current stack. So a `suspend` inside
//!   the new entry finds no handler outside. If the Wasm of the new entry traps, only that entry is unwound: the entry restores
//!   what was saved, and the host function gets the error. If the host function returns the error, the calling Wasm raises the
//!   error on the stack of that Wasm.
//!
//!   ```text
//!     initial stack                          current     child of `initial`
//!     | Wasm, resume f, ...     |
//!     | host function           |            g           f
//!     | host: enters Wasm again |            initial     null      saved: g, f
//!     | Wasm, resume h          |            h           h
//!   ```
//!
//! * Only Unix on x86-64 and aarch64 has `call_on`. Elsewhere there is only the libcall backend, and the continuation's fiber suspends with
//!   `Signal::Call`. Each `resume` on the way out suspends its own fiber with the same signal. The outermost `resume`, whose
//!   frame is on the initial stack, makes the call and then resumes its fiber. Each `resume` on the way back in does so, too. A
//!   host call from n stacks deep costs 2n switches of fibers there.
//!
//! The builtins that switch stacks stay on the continuation's stack: `cont_resume`, `cont_suspend` and `cont_switch` of the
//! libcall backend, and `raise`, which does not return. `raise` looks up on the initial stack where Wasm goes on.
//!
//! # Invariants
//!
//! * **S1, host code.** On a continuation's stack the host has only these frames. With both backends: the first steps of a host
//!   call, the function of a host call that suspends ([`HostSuspend`](crate::HostSuspend)), and `raise`. With the libcall backend also: the frames that start the fiber, and the frames of the three builtins.
//! * **S2, compiled code only.** It follows from S1 that a suspended stack of the native backend holds only frames of compiled
//!   code, and below them perhaps the frames of a host call that suspends, which own nothing. Such a stack may be dropped at any
//!   time, because no frame on it has a destructor to run. The engine's collections, and
//!   in debug builds the end of a store, look up each frame of a suspended stack, and fail if a frame is not compiled code's.
//! * **S3, the free part.** While a continuation runs, `initial.child` is the outermost running continuation, and the
//!   `parent_control.sp` of that continuation is an address at or below the end of the initial stack's live frames. With the
//!   native backend it is that end (N1). With the libcall backend it is further down.
//! * **S4, values.** While a stack waits for the host, all values that Wasm keeps on that stack are at or above the `control.sp`
//!   of its `VMContRef`. Wasm may also keep values in registers that its callees preserve. Each such register is saved at or
//!   above `control.sp`: in a frame between Wasm and `on_host_stack`, or in [`Job::registers`]. The builtins of the libcall
//!   backend stay on the stack. Where they search for continuations, `host::take_stack` sees to S4. What the host has in its own
//!   variables may lie below: a host call that searches, and has a continuation of which Wasm has no reference any more, says so
//!   to the search, as `host::take_stack` does for the one that it starts.
//! * **S5, values under a builtin.** With the libcall backend, a stack also waits in the builtin `resume` for the stacks that it
//!   runs, and in the builtin `suspend` or `switch` until it is resumed. The builtin's function has stored the registers that Wasm
//!   leaves to its callees to preserve ([`SavedRegisters`]) in its own frame. All values of Wasm on that stack are at or above
//!   these registers: a value in such a register is there, or was pushed by that function or by one further out, and a function
//!   pushes registers above its variables. The address of the registers is the `parent_control.fp` of the continuation that the
//!   stack runs, or the `control.sp` of the suspended continuation.
//!
//!   ```text
//!     | Wasm                         |
//!     | trampoline to the builtin    |
//!     | builtin: pushed registers    |
//!     |          SavedRegisters      |  <- a search reads from here on upwards
//!     | wasmtime-fiber: the switch   |
//!     +------------------------------+
//!   ```
//!
//!   The frames of wasmtime-fiber hold what earlier switches have left, and a search does not read them. The frame of the builtin
//!   may hold such leftovers too.

use crate::abi::{VMContRef, VMContinuationContext};
use crate::arch::{self, SavedRegisters};
use crate::check;
use crate::cont::Continuation;
use crate::fiber::HostCall;
use crate::libcall;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

/// The closure that [`on_host_stack`] calls, and the place for its result. A job must not move, because the code on the initial
/// stack has the job's address.
#[repr(C)]
struct Job<R, F> {
    /// The registers that Wasm has left to the host to preserve (S4). The first field, so that all that was saved before lies
    /// above.
    registers: SavedRegisters,
    f: ManuallyDrop<F>,
    result: MaybeUninit<R>,
}

impl<R, F: FnOnce() -> R> Job<R, F> {
    /// Calls the closure of the job at `this`, and stores the result. A panic ends the process, because a panic cannot leave an
    /// `extern "C"` function.
    ///
    /// # Safety
    ///
    /// 1. `this` is the address of a job of this type, which nothing else uses during the call.
    /// 2. This is called once for each job, and nothing drops the closure.
    unsafe extern "C" fn run(this: *mut ()) {
        // SAFETY: `&mut`: 1: valid, aligned and initialised, as `result` needs no initialisation.
        let job = unsafe { &mut *this.cast::<Job<R, F>>() };
        // SAFETY: `take`: 2: nothing uses `f` again.
        let f = unsafe { ManuallyDrop::take(&mut job.f) };
        job.result.write(f());
    }
}

/// Calls `f` where host code may run. If the caller is on the stack of `current`, a continuation, that is the initial stack.
/// Otherwise that is the caller's stack.
///
/// A panic of `f` ends the process. The engine's `f` catches the panics of host functions, and the engine raises those panics
/// again where the host entered Wasm.
///
/// # Safety
///
/// 1. Wasm of a live store has called the host, and the host makes this call.
/// 2. `context` is the context of that store.
/// 3. `current` is the current stack of that store.
/// 4. `f` returns on the stack on which `f` is called.
//
// This is as little as depends on `f`, so that it becomes a part of the function that makes `f`. Else `f` would be copied, two words
// at once that were stored one by one a moment before, and the processor would wait until both are in the cache.
#[inline(always)]
pub unsafe fn on_host_stack<R, F: FnOnce() -> R>(
    context: NonNull<VMContinuationContext>,
    current: *mut VMContRef,
    f: F,
) -> R {
    let mut job =
        Job { registers: SavedRegisters::EMPTY, f: ManuallyDrop::new(f), result: MaybeUninit::uninit() };
    job.registers.save();
    // SAFETY: of `call`: 1: this function's 1 to 3; 2: as of `run`, which returns where `f` does: this function's 4. Of `run`: 1:
    // `this` is a job of the same type, which nothing uses meanwhile; 2: one call is made, and `f` is in a `ManuallyDrop`.
    // `assume_init`: `run` has written the result.
    unsafe {
        call(context, current, Job::<R, F>::run, (&raw mut job).cast());
        job.result.assume_init()
    }
}

/// Calls `call(data)` where host code may run: see [`on_host_stack`]. `data` is on the caller's stack, and notes as S4 says where
/// Wasm has left the stack of `current`.
///
/// # Safety
///
/// 1. Requirements 1 to 3 of [`on_host_stack`].
/// 2. `call` may be called with `data`, once. It returns on the stack on which it is called.
unsafe fn call(
    context: NonNull<VMContinuationContext>,
    current: *mut VMContRef,
    call: HostCall,
    data: *mut (),
) {
    // SAFETY: of `is_continuation`: 1, as the current stack is a running continuation or the initial stack. `new_unchecked`: a
    // continuation is not null. Of `leave_continuation`: 1: this function's 1; 2: this function's 2. `call`: 2. The write: 1 (C2):
    // `current` is a stack of the store: valid and aligned. Nothing borrows it while Wasm runs.
    unsafe {
        if VMContRef::is_continuation(current) {
            leave_continuation(context, NonNull::new_unchecked(current), call, data);
        } else {
            (*current).control.sp = data.expose_provenance();
            call(data);
        }
    }
}

/// Calls `call(data)` on the initial stack if the caller is on the stack of `current`, and otherwise on the caller's stack.
/// `data` is on the caller's stack, and notes as S4 says where Wasm has left the stack of `current`.
///
/// # Safety
///
/// 1. Requirements 1 to 3 of [`on_host_stack`]. Moreover, `current` is a continuation.
/// 2. `call` may be called with `data`, once. It returns on the stack on which it is called.
#[inline]
unsafe fn leave_continuation(
    context: NonNull<VMContinuationContext>,
    current: NonNull<VMContRef>,
    call: HostCall,
    data: *mut (),
) {
    // SAFETY: `backend`, `stack_range` and `child`: 1 (C2, L1): `current` points to a `Continuation`, and `context` to a
    // context: valid, aligned and initialised. Nothing borrows either mutably while Wasm runs. `call`: 2.
    // * Of `no_continuations_stack`: 1: this function's 1; 2: nothing borrows a continuation mutably while Wasm runs.
    // * Of `host_stack`: 1: this function's 1; 2: S3; 3: nothing borrows a continuation mutably while Wasm runs.
    // * `control`: 1 (C2): as above. `parent_control`: S3, C2: `outermost` is a running continuation: valid, aligned and
    //   initialised.
    // * Of `call_on`: 1: S3, N1: below `parent_control.sp` the initial stack is free, down to its guard, until the
    //   parent of `outermost` goes on; 2: this function's 2.
    // * Of `call_below`: 1: this function's 1, as the stack pointer is in the stack of `current`, and without `call_on`
    //   there is no native backend; 2: S3; 3: this function's 2.
    unsafe {
        let backend = (*context.as_ptr()).backend;
        let stack = (*current.cast::<Continuation>().as_ptr()).stack_range(backend);
        if !stack.contains(&arch::stack_pointer()) {
            // The host has left the continuation's stack already.
            check::no_continuations_stack(backend, current.as_ptr());
            return call(data);
        }
        (*current.as_ptr()).control.sp = data.expose_provenance();
        let outermost = (*context.as_ptr()).initial.child();
        check::host_stack(backend, current.as_ptr(), outermost);
        if arch::CALLS_ON {
            arch::call_on((*outermost).parent_control.sp, call, data);
        } else {
            libcall::call_below(current, outermost, call, data);
        }
    }
}
