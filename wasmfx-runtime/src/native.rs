//! What the backend in compiled code leaves to the runtime: to start and to end a continuation where compiled code
//! cannot, and to unwind one.
//!
//! ```text
//!   stack of f           VMContRef of g         stack of g
//!   | Wasm: f      |     +-----------------+   | VMStack                      |  highest address
//!   | resume g     |<----| parent_control: |   | return address: bottom       |
//!   +--------------+     |   sp, fp, pc    |<--| frame pointer: of g's        |  <- VMStack::entry_fp
//!                        | stack           |   |   parent_control             |
//!                        +-----------------+   | entry code                   |
//!                                              | Wasm: g                      |
//! ```
//!
//! `wasmfx-cranelift` makes one function of entry code for each type of function, which takes the
//! arguments from `values`, calls the function, and switches to the parent with its results. There is no
//! frame of Rust on the stack: [host calls leave it](crate::hostcall).
//!
//! While [the store's lists](crate::layout::VMContinuations) have what is needed, compiled code makes, starts and ends
//! continuations by itself: the entry code puts its own stack and `VMContRef` on the lists, and leaves both with its next
//! instruction, the switch. This module and [`Continuations`](crate::Continuations) serve when a list is empty, or full.
//!
//! # Invariants
//!
//! * **N1, control.** The `control` of a suspended continuation is where it goes on, and that of a fresh one with a stack is
//!   its entry. While a continuation runs, its `parent_control` is where its parent goes on. To resume stores the
//!   resumer's registers in the `parent_control` of the outermost stack; to suspend takes them from there. `switch`
//!   copies the prompt's from the captured stack's `parent_control` to the target's.
//! * **N2, frames.** The frame record of a stack's entry code, at [`entry_fp`](crate::layout::VMStack::entry_fp), leads to
//!   the record that `fp` and `pc` of its `parent_control` are: active stacks form one chain of frame pointers (with N1,
//!   C2).
//! * **N3, limit.** While a continuation runs on top, the store's stack limit is its `stack_limit`. A switch changes that, which
//!   continuation is current, the `child` of a parent, which may be the initial stack, and the lists (C4). It does not change
//!   entry and trap handler: they are those of the host's entry.
//! * **N4, unwinding.** A trap goes from any stack to the host's entry at once, and the host then ends
//!   what ran ([`Continuations::abandon`](crate::Continuations::abandon)). An exception ends one stack at a time: what
//!   is not caught on it is raised again where its parent resumed it.
//! * **N5, far handlers.** While a continuation runs and `far.revision` is its revision, `far.last` is itself or one of its
//!   ancestors, and none of the resumes that run the stacks from its own up to, but without, `far.last` has a clause for
//!   `far.key`, nor is one a barrier: a search may begin with the one that runs `far.last`.
//!
//! Why N5 holds. A search by C that ends at L sets `far` to expect the revision that C will have once it is resumed, and so
//! it holds at first: what was captured from C to L is spliced back as it was, and only L gets another resume. The revision
//! is another as soon as C is captured once more, or ends and is used again; if a trap ends it between its search and the
//! capture, the runtime clears the `key`. So `far` could go wrong only while C has not been captured since, when a stack M
//! from C up to, but without, L gets another resume: if M was the last of a capture by some X that C, or what C runs, has
//! resumed. The search that led to M came to C or through it, and clears the `key` of all that it comes to; or it began
//! beyond C because `far` of X said so, whose own search had come through C and cleared it, and C has not been the innermost
//! stack since then, or X would have been captured or have ended in between. A barrier is put on the stack that runs, whose
//! `key` is cleared then, and taken away before that stack is captured or ends: no search comes past it meanwhile.

use crate::Error;
use crate::arch;
use crate::check;
use crate::cont::Continuation;
use crate::host::Host;
use crate::layout::{UNWOUND, VMContRef, VMContState, VMStack};
use std::ptr::NonNull;

/// Gives a fresh continuation a stack on which its entry code can be switched to. It stays fresh.
///
/// # Safety
///
/// `cont` is of the host's store, and fresh. Compiled code has stored its entry in `control.pc`.
pub unsafe fn start<H: Host>(host: &mut H, cont: NonNull<VMContRef>) -> Result<(), Error> {
    // SAFETY: the caller vouches for `cont`; it does not run, so that nothing else borrows it.
    let this = unsafe { &mut *cont.cast::<Continuation>().as_ptr() };
    assert_eq!(this.vm.state(), VMContState::Fresh, "C1: only these have usable references and no stack");
    assert!(this.vm.is_native(), "cont.new stores an entry");
    // SAFETY: the current stack runs.
    unsafe { check::active_chain(host.current()) };
    assert!(this.vm.stack.is_null(), "what starts is resumed at once");
    let continuations = host.continuations();
    let Ok(stack) = continuations.take_stack()?.into_record() else {
        unreachable!("this build's stacks are wasmtime-fiber's: it has no native backend")
    };
    this.vm.stack = stack.as_ptr();
    // The entry code pushes the frame pointer below the return address.
    this.vm.control.sp = VMStack::return_address(stack.as_ptr()).expose_provenance();
    this.vm.control.fp = (&raw mut this.vm.parent_control.fp).expose_provenance();
    this.vm.stack_limit = stack.addr().get() - continuations.seen().limit_below;
    Ok(())
}

/// Ends a continuation that switched to its parent for the last time.
///
/// # Safety
///
/// Called from Wasm of the host's store, on the parent's stack. `cont` ran just before.
pub unsafe fn finish<H: Host>(host: &mut H, cont: NonNull<VMContRef>) {
    // SAFETY: the caller vouches for it.
    unsafe {
        check::active_chain(host.current());
        host.continuations().release(cont.cast());
    }
}

/// Leaves the stack of `current` for its parent's, where `resume` will end `current` and raise again.
///
/// # Safety
///
/// `current` is a running continuation of the native backend, and the one that runs. Nothing on its stack
/// needs to be dropped. The reason of the unwinding has been noted.
pub unsafe fn leave(current: NonNull<VMContRef>) -> ! {
    // SAFETY: the caller vouches for it; N1 says where the parent goes on.
    unsafe {
        let this = current.as_ptr();
        debug_assert!((*this).is_native());
        arch::jump(&raw const (*this).parent_control, this.expose_provenance() as u64 | UNWOUND)
    }
}
