//! The runtime's part of the native backend: this module starts and ends a continuation where compiled code cannot, and unwinds
//! one.
//!
//! ```text
//!   stack of f           VMContRef of g        stack of g
//!   | Wasm: f      |     +-----------------+   | VMStackHeader          |  highest address
//!   | resume g     |<----| parent_control: |   | return address: bottom |
//!   +--------------+     |   sp, fp, pc    |<--| frame pointer: of g's  |  <- VMStackHeader::entry_fp
//!                        | stack           |   |   parent_control       |
//!                        +-----------------+   | entry code             |
//!                                              | Wasm: g                |
//! ```
//!
//! `wasmfx-cranelift` makes one function of entry code for each type of function. Entry code takes the arguments from the
//! `VMContRef` or its buffer, calls the function, stores the results, and switches to the parent. A suspended stack holds no
//! frame of Rust, because [host calls leave the stack](crate::hostcall) (S2).
//!
//! Compiled code makes, starts and ends continuations by itself while [the store's lists](crate::abi::VMContinuationContext) have
//! what is needed. At the end, entry code puts its own stack and `VMContRef` on the lists, and then leaves both with a switch.
//! Compiled code leaves the rest to this module and to [`Continuations`](crate::Continuations): if a list is empty or has no
//! room, if a continuation has an argument buffer of its own, or if the engine has to know of each end.
//!
//! # Invariants
//!
//! * **N1, control.** The `control` of a suspended continuation is where that continuation goes on, or its detour (W1). The `control` of a fresh one
//!   with a stack is its entry. While a continuation runs, its `parent_control` is where its parent goes on. A `resume` stores
//!   the resumer's registers in the `parent_control` of the outermost stack that it puts on top, and a `suspend` loads the
//!   registers from there. A `switch` copies the prompt's registers from the `parent_control` of the outermost captured stack
//!   to the `parent_control` of the target's outermost stack.
//! * **N2, frames.** The frame record of a stack's entry code is at [`entry_fp`](crate::abi::VMStackHeader::entry_fp). Its frame
//!   pointer leads to another record: `fp` and `pc` of the continuation's `parent_control`. So active stacks form one chain of
//!   frame pointers (with N1, C2).
//! * **N3, limit.** While a continuation is the current stack, the store's stack limit is the continuation's `stack_limit`. A
//!   switch changes the stack limit, the current continuation, the `child` of a parent, which may be the initial stack, and the
//!   lists (C4). A switch does not change entry and trap handler: they are those of the host's entry.
//! * **N4, unwinding.** A trap goes from any stack to the host's entry at once, and the host then ends the continuations that ran
//!   ([`Continuations::abandon`](crate::Continuations::abandon)). An exception ends one stack at a time: if nothing on a stack
//!   catches the exception, the parent raises the exception again at the `resume` that runs that stack.
//! * **N5, handler caches.** While a continuation C runs and `handler_cache.revision` is its revision, `handler_cache.last` is
//!   C or one of its ancestors, L. None of the resumes that run the stacks from C up to, but without, L has a clause for
//!   `handler_cache.key` or for `handler_cache.other_key`, and none of their frames is a barrier. So a search by C for one of these
//!   may begin with the resume that runs L.
//!
//! Why N5 holds. A search by C that ends at L fills the cache, and notes the revision that C will have once C is resumed:
//!
//! ```text
//!   the search for $t    C --> B --> L --> resume with the clause      C.revision = r,     cache: $t, L, r + 1
//!   captured             C --> B --> L                                 C.revision = r
//!   resumed              C --> B --> L --> another resume              C.revision = r + 1: the cache holds
//!   the search for $u    C --> B --> L --> the same resume             C.revision = r + 1, cache: $u, other $t, L, r + 2
//! ```
//!
//! If the cache held before the search and named the same L, the one of the two keys that was not searched for stays, as
//! `other_key`; otherwise `other_key` is zero. The key may stay, because the stacks from C up to, but without, L have the same
//! resumes before the capture and after it.
//!
//! The stacks from C to L are spliced back as they were. L alone gets another resume, and the next search begins with that one.
//! The cache would be wrong if a stack M from C up to, but without, L got another resume while C keeps its revision.
//!
//! 1. C itself is captured once more, or ends. Then its next resume changes its revision. A trap may end C between its search and
//!    the capture. Then the runtime clears the cache.
//! 2. M was the last stack of a capture by another continuation X, which C, or what C runs, has resumed:
//!
//!    ```text
//!      X --> ... --> C --> ... --> M --> resume with the clause for X
//!    ```
//!
//!    * X searched stack by stack. That search came through C, and a search clears the `revision` of the cache of each stack that
//!      it comes to.
//!    * X began beyond C, because the cache of X said so. The cache of X has been filled again and again since a search by X came
//!      to C and cleared the cache of C; each time X was captured, and then resumed, with C in between. C has not been the
//!      innermost stack since: X would have been captured without C, or have ended, and the cache of X would not hold. So C
//!      has not filled its cache again.
//! 3. Compiled code puts a barrier on the current stack, and clears the cache of that stack. No search goes past a barrier.
//!    Compiled code removes the barrier before that stack is captured or ends.

use crate::abi::{
    Backend, KEPT, OUTCOME, RAISE, RETURNED, UNWOUND, VMContRef, VMContState, VMResumeFrame, VMStackHeader,
};
use crate::arch;
use crate::check;
use crate::cont::Continuation;
use crate::error::Error;
use crate::host::{self, Host};
use crate::libcall::UNWIND;
use std::ptr::{self, NonNull};

/// Gives a fresh continuation a stack, and sets `control` so that a switch enters its entry code. The continuation stays fresh.
///
/// # Errors
///
/// If the engine has as many stacks as it may, or the system has no memory or addresses for one.
///
/// # Safety
///
/// 1. `cont` is a fresh continuation of the host's store, without a stack. The store's backend is native.
/// 2. Compiled code has stored its entry in `control.pc`.
/// 3. Requirement 2 of [`Host::reclaim`] holds.
pub unsafe fn start<H: Host>(host: &mut H, cont: NonNull<VMContRef>) -> Result<(), Error> {
    // SAFETY: `&mut`: 1 (C2, L1): `cont` points to a `Continuation`: valid, aligned and initialised. A fresh
    // continuation does not run, so that nothing else borrows it.
    let this = unsafe { &mut *cont.cast::<Continuation>().as_ptr() };
    assert_eq!(this.vm.state(), VMContState::Fresh, "C1: only these have usable references and no stack");
    assert_ne!(this.vm.control.pc, 0, "cont.new stores an entry");
    // SAFETY: of `active_chain`: 1: H2, and this function's 1; 2: only `this` is borrowed, which is fresh and so not on
    // the chain.
    unsafe { check::active_chain(Backend::Native, host.current()) };
    assert!(this.vm.stack.is_null(), "what starts is resumed at once");
    // SAFETY: of `take_stack`: 1: this function's 1; 2: this function's 3.
    let stack = unsafe { host::take_stack(host, cont) }?;
    let Ok(stack) = stack.into_header() else {
        unreachable!("this build's stacks are wasmtime-fiber's: it has no native backend")
    };
    // SAFETY: `&mut`: as above: `take_stack` has ended other continuations, and not this one.
    let this = unsafe { &mut *cont.cast::<Continuation>().as_ptr() };
    let continuations = host.continuations();
    this.vm.stack = stack.as_ptr();
    stack.as_ptr().expose_provenance();
    this.vm.control.sp = VMStackHeader::entry_sp(stack.as_ptr());
    this.vm.control.fp = (&raw mut this.vm.parent_control.fp).expose_provenance();
    this.vm.stack_limit = stack.addr().get() - continuations.context_ref().limit_below;
    Ok(())
}

/// Resumes `cont` from the host. `raise` says whether the instruction that suspended `cont` raises the store's pending exception.
/// Returns as [`libcall::resume`](crate::libcall::resume) does.
///
/// This does what compiled code does for a `resume`: see `resume.rs` of `wasmfx-cranelift`. The frame of `arch::enter` stands for
/// that of the function which resumes, and for that of the trampoline which enters Wasm.
///
/// # Safety
///
/// 1. The host has entered Wasm of the host's store, whose backend is native, and makes this call there.
/// 2. `cont` belongs to that store, and its reference is usable: it is suspended, or fresh with a stack. All its arguments are bound
///    or stored. If `raise`, it is suspended.
/// 3. `frame` lives until this returns, with its tags behind it and with room for the results at its `values`.
pub(crate) unsafe fn resume<H: Host>(
    host: &mut H,
    cont: NonNull<VMContRef>,
    frame: NonNull<VMResumeFrame>,
    raise: bool,
) -> u64 {
    let (parent, parent_limit) = (host.current(), host.stack_limit());
    let this = cont.as_ptr();
    // SAFETY: the accesses: 2, H2 (C2): `cont`, the stacks that were captured with it, and `parent`, the initial stack, are
    // valid, aligned and initialised. No borrow of a `VMContRef` lasts across `enter`.
    // * Of `active_chain`: 1: H2; 2: no continuation is borrowed.
    // * Of `enter`: 1: 1; 2: N1, C1: `control` is where `cont` goes on, which expects its own address or `RAISE`; 3: N1: it is the
    //   `parent_control` of the outermost stack that this puts on top.
    // * Of `finish`: 1: 1: this is the parent's stack; 2 and 3: the word says what ended, and how.
    unsafe {
        check::active_chain(Backend::Native, parent);
        (*this).revision += 1;
        let last = std::mem::replace(&mut (*this).last_ancestor, ptr::null_mut());
        assert!(!last.is_null(), "a continuation to resume has an ancestor");
        (*last).parent = parent;
        (*last).resume = frame.as_ptr();
        (*parent).caller_or_child = last.cast();
        host.set_current(this);
        host.set_stack_limit((*this).stack_limit);
        let payload = if raise { RAISE } else { this.expose_provenance() as u64 };
        let word = arch::enter(
            &host.entry_cells(),
            &raw mut (*last).parent_control,
            &raw const (*this).control,
            payload,
        );
        if word == arch::TRAPPED {
            // The engine ends what ran (N4).
            return UNWIND;
        }
        host.set_current(parent);
        host.set_stack_limit(parent_limit);
        check::active_chain(Backend::Native, parent);
        let outcome = word & OUTCOME;
        if outcome == KEPT || outcome == UNWOUND {
            let ended = ptr::with_exposed_provenance_mut((word & !OUTCOME) as usize);
            finish(host, NonNull::new(ended).expect("what ended has an address"));
        }
        match outcome {
            RETURNED | KEPT => RETURNED,
            UNWOUND => UNWIND,
            _ => word,
        }
    }
}

/// Ends a continuation that has switched to its parent for the last time.
///
/// # Safety
///
/// 1. Wasm of the host's store makes this call, on the parent's stack. The store's backend is native.
/// 2. `cont` is a continuation of that store. It ran just before.
/// 3. Its function has returned or was unwound.
pub unsafe fn finish<H: Host>(host: &mut H, cont: NonNull<VMContRef>) {
    // SAFETY: of `active_chain`: 1: H2, and this function's 1; 2: this function borrows no continuation. Of `release`:
    // 1: this function's 2, since what ran is in state `Running` until it is released; 2: this function's 3.
    unsafe {
        check::active_chain(Backend::Native, host.current());
        host.continuations().release(cont.cast());
    }
}

/// Leaves the stack of `current` for the stack of its parent. There compiled code of the `resume` ends `current`, and raises the
/// exception again.
///
/// # Safety
///
/// 1. `current` is the current stack of a live store of the native backend, and a continuation. This call is made on
///    its stack.
/// 2. Nothing on its stack needs to be dropped.
/// 3. The reason of the unwinding has been noted.
pub unsafe fn leave(current: NonNull<VMContRef>) -> ! {
    // SAFETY: the read of `stack`, and the place: 1 (C2): `*this` is valid, aligned and initialised. Of `jump`: 1: N1:
    // `parent_control` is where the parent goes on: the `stack_switch` that resumed this stack stored it, or a `switch`
    // copied it there; 2: the parent's `resume` expects the address of what ended, with `UNWOUND`, and 3 of this
    // function gives the reason; 3: 1 and 2: the frames of this stack are abandoned, as `current` ends.
    unsafe {
        let this = current.as_ptr();
        debug_assert!(!(*this).stack.is_null(), "L2");
        arch::jump(&raw const (*this).parent_control, this.expose_provenance() as u64 | UNWOUND)
    }
}
