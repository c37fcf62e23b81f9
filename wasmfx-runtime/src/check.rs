//! A second opinion on the chain of stacks: L2, and how a chain hangs together, as seen from outside.
//!
//! In debug builds the libcall backend asks for it before and after each switch, the native one where it calls
//! into this crate.

use crate::abi::{Backend, VMContRef, VMContState, VMResumeFrame};
use crate::arch;
use crate::cont::Continuation;

/// Longer chains are checked only this far, so that nested continuations stay linear in their number.
const DEPTH: usize = 16;

/// Panics if the chain of active stacks from `current` outwards is not sound.
///
/// # Safety
///
/// `current` is the current stack of a live store of this backend.
#[inline]
pub(crate) unsafe fn active_chain(backend: Backend, current: *mut VMContRef) {
    if !cfg!(debug_assertions) {
        return;
    }
    let mut cont = current;
    for _ in 0..DEPTH {
        // SAFETY: the caller vouches for the first; parents are of the same store.
        if unsafe { !VMContRef::is_continuation(cont) } {
            return;
        }
        // SAFETY: the caller vouches for the first; parents are of the same store.
        let this = unsafe { &*cont.cast::<Continuation>() };
        assert_eq!(this.vm.state(), VMContState::Running, "a stack on the active chain runs");
        let native = backend == Backend::Native;
        assert_eq!(this.has_fiber(), !native, "L2");
        assert_eq!(this.vm.stack.is_null(), !native, "L2");
        assert!(!this.vm.resume.is_null(), "something resumed a running stack");
        assert_eq!(this.vm.parent_entry.is_null(), native, "a parent's entry state is kept");
        assert_ne!(this.vm.parent, cont, "no stack is its own parent");
        // SAFETY: as above.
        if unsafe { VMContRef::is_continuation(this.vm.parent) } {
            // SAFETY: as above.
            let parent = unsafe { &*this.vm.parent.cast::<Continuation>() };
            let frame = this.vm.resume;
            // SAFETY: it is a live `resume`'s, or the store's barrier.
            let known =
                unsafe { VMResumeFrame::is_barrier(frame) } || parent.stack_range().contains(&frame.addr());
            assert!(known, "a resume's frame is on the parent's stack");
        }
        cont = this.vm.parent;
    }
}

/// Panics if `outermost` is not the outermost stack of the chain from `current`, or what runs below it is not on another stack
/// than those of the chain (S1, S3).
///
/// # Safety
///
/// `current` is a running continuation of a live store.
#[inline]
pub(crate) unsafe fn host_stack(current: *mut VMContRef, outermost: *mut VMContRef) {
    if !cfg!(debug_assertions) {
        return;
    }
    assert!(!outermost.is_null(), "S3");
    let mut cont = current;
    // SAFETY: the caller vouches for `current`, whose chain has an outermost stack.
    let (host, left_at) = unsafe {
        let outermost = &*outermost.cast::<Continuation>();
        (outermost.vm.parent_control.sp, outermost.resumer_sp())
    };
    assert!(
        left_at.is_none_or(|sp| host <= sp),
        "the frames of wasmtime-fiber take more than was thought: FIBER_FRAMES"
    );
    for _ in 0..DEPTH {
        // SAFETY: the caller vouches for the first; parents are of the same store.
        let (parent, stack) = unsafe { ((*cont).parent, (*cont.cast::<Continuation>()).stack_range()) };
        assert!(host != 0 && !stack.contains(&host), "S1, S3");
        // SAFETY: as above.
        if unsafe { !VMContRef::is_continuation(parent) } {
            assert_eq!(cont, outermost, "S3");
            return;
        }
        cont = parent;
    }
}

/// Panics if this is the stack of `current` or of a continuation below it.
///
/// # Safety
///
/// As for [`active_chain`].
#[inline]
pub(crate) unsafe fn no_continuations_stack(current: *mut VMContRef) {
    if !cfg!(debug_assertions) {
        return;
    }
    let (mut cont, here) = (current, arch::stack_pointer());
    for _ in 0..DEPTH {
        // SAFETY: the caller vouches for the first; parents are of the same store.
        unsafe {
            if !VMContRef::is_continuation(cont) {
                return;
            }
            assert!(!(*cont.cast::<Continuation>()).stack_range().contains(&here), "S1");
            cont = (*cont).parent;
        }
    }
}

/// Panics if what `cont` was captured with is not a chain from it to its last ancestor.
///
/// # Safety
///
/// `cont` is one of a live store's continuations, and suspended.
#[inline]
pub(crate) unsafe fn captured_chain(cont: *mut VMContRef) {
    if !cfg!(debug_assertions) {
        return;
    }
    // SAFETY: the caller vouches for `cont`; what it was captured with is of the same store.
    unsafe {
        assert_eq!((*cont).state(), VMContState::Suspended);
        assert!((*cont).values.length <= (*cont).values.capacity, "C3");
        let last = (*cont).last_ancestor;
        let mut cont = cont;
        for _ in 0..DEPTH {
            if cont == last {
                return;
            }
            cont = (*cont).parent;
            assert!(!cont.is_null(), "a captured chain ends at its last ancestor");
            assert_eq!((*cont).state(), VMContState::Running, "only the innermost is suspended");
        }
    }
}
