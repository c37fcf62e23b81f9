//! What the backend in compiled code leaves to the runtime: to start and to end a continuation where compiled code
//! cannot, and to unwind one.
//!
//! ```text
//!   stack of f           VMContRef of g         stack of g
//!   | Wasm: f      |     +-----------------+   | VMStackHeader                      |  highest address
//!   | resume g     |<----| parent_control: |   | return address: bottom       |
//!   +--------------+     |   sp, fp, pc    |<--| frame pointer: of g's        |  <- VMStackHeader::entry_fp
//!                        | stack           |   |   parent_control             |
//!                        +-----------------+   | entry code                   |
//!                                              | Wasm: g                      |
//! ```
//!
//! `wasmfx-cranelift` makes one function of entry code for each type of function, which takes the
//! arguments from `values`, calls the function, and switches to the parent with its results. There is no
//! frame of Rust on the stack: [host calls leave it](crate::hostcall).
//!
//! While [the store's lists](crate::abi::VMContinuationContext) have what is needed, compiled code makes, starts and ends
//! continuations by itself: the entry code puts its own stack and `VMContRef` on the lists, and leaves both with its next
//! instruction, the switch. This module and [`Continuations`](crate::Continuations) serve when a list is empty, or full.
//!
//! # Invariants
//!
//! * **N1, control.** The `control` of a suspended continuation is where it goes on, and that of a fresh one with a stack is
//!   its entry. While a continuation runs, its `parent_control` is where its parent goes on. To resume stores the
//!   resumer's registers in the `parent_control` of the outermost stack; to suspend takes them from there. `switch`
//!   copies the prompt's from the captured stack's `parent_control` to the target's.
//! * **N2, frames.** The frame record of a stack's entry code, at [`entry_fp`](crate::abi::VMStackHeader::entry_fp), leads to
//!   the record that `fp` and `pc` of its `parent_control` are: active stacks form one chain of frame pointers (with N1,
//!   C2).
//! * **N3, limit.** While a continuation runs on top, the store's stack limit is its `stack_limit`. A switch changes that, which
//!   continuation is current, the `child` of a parent, which may be the initial stack, and the lists (C4). It does not change
//!   entry and trap handler: they are those of the host's entry.
//! * **N4, unwinding.** A trap goes from any stack to the host's entry at once, and the host then ends
//!   what ran ([`Continuations::abandon`](crate::Continuations::abandon)). An exception ends one stack at a time: what
//!   is not caught on it is raised again where its parent resumed it.
//! * **N5, handler caches.** While a continuation C runs and `handler_cache.revision` is its revision, `handler_cache.last` is C or
//!   one of its ancestors, L. None of the resumes that run the stacks from C up to, but without, L has a clause for
//!   `handler_cache.key`, and none of their frames is a barrier. So a search by C may begin with the resume that runs L.
//!
//! Why N5 holds. A search by C that ends at L fills the cache. It notes the revision that C will have once it is resumed:
//!
//! ```text
//!   the search      C --> B --> L --> resume with the clause      C.revision = r, cache.revision = r + 1
//!   captured        C --> B --> L                                 C.revision = r
//!   resumed         C --> B --> L --> another resume              C.revision = r + 1: the cache holds
//! ```
//!
//! The stacks from C to L are spliced back as they were. L alone gets another resume, and the next search begins with that one.
//! The cache would be wrong if a stack M from C up to, but without, L got another resume while C keeps its revision.
//!
//! 1. C itself is captured once more, or ends. Then its next resume changes its revision. If a trap ends C between its search and the
//!    capture, the runtime clears the `key`.
//! 2. M was the last stack of a capture by another continuation X, which C, or what C runs, has resumed:
//!
//!    ```text
//!      X --> ... --> C --> ... --> M --> resume with the clause for X
//!    ```
//!
//!    * X searched stack by stack. That search came through C, and clears the `key` of all that it comes to.
//!    * X began beyond C, because its own cache said so. The search that filled that cache came through C and cleared its `key`. C has
//!      not been the innermost stack since: X would have been captured or have ended in between, and its cache would not hold. So
//!      C has not filled its cache again.
//! 3. A barrier is put on the stack that runs, whose `key` is cleared then. No search goes past a barrier. It is removed before
//!    that stack is captured or ends.

use crate::abi::{Backend, UNWOUND, VMContRef, VMContState, VMStackHeader};
use crate::arch;
use crate::check;
use crate::cont::Continuation;
use crate::error::Error;
use crate::host::Host;
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
    assert_ne!(this.vm.control.pc, 0, "cont.new stores an entry");
    // SAFETY: the current stack runs.
    unsafe { check::active_chain(Backend::Native, host.current()) };
    assert!(this.vm.stack.is_null(), "what starts is resumed at once");
    let continuations = host.continuations();
    let Ok(stack) = continuations.take_stack()?.into_header() else {
        unreachable!("this build's stacks are wasmtime-fiber's: it has no native backend")
    };
    this.vm.stack = stack.as_ptr();
    // The entry code pushes the frame pointer below the return address.
    this.vm.control.sp = VMStackHeader::return_address(stack.as_ptr()).expose_provenance();
    this.vm.control.fp = (&raw mut this.vm.parent_control.fp).expose_provenance();
    this.vm.stack_limit = stack.addr().get() - continuations.context_ref().limit_below;
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
        check::active_chain(Backend::Native, host.current());
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
        debug_assert!(!(*this).stack.is_null(), "L2");
        arch::jump(&raw const (*this).parent_control, this.expose_provenance() as u64 | UNWOUND)
    }
}
