//! Checks of invariants in debug builds: L2, S1, S3, and how the stacks of a chain are linked.
//!
//! The libcall backend checks before and after each switch. The native backend checks where compiled code calls this crate to
//! start or to end a continuation. Both check at each host call.

use crate::abi::{Backend, VMContRef, VMContState, VMResumeFrame};
use crate::arch;
use crate::cont::Continuation;

/// A check looks at this many stacks of a chain at most. So the checks of n nested continuations cost time linear in n.
const DEPTH: usize = 16;

/// Panics if the chain of active stacks from `current` outwards is broken within the first [`DEPTH`] stacks.
///
/// # Safety
///
/// 1. `current` is the current stack of a live store of this backend.
/// 2. Nothing borrows a stack of the chain mutably.
#[inline]
pub(crate) unsafe fn active_chain(backend: Backend, current: *mut VMContRef) {
    if !cfg!(debug_assertions) {
        return;
    }
    let mut cont = current;
    for _ in 0..DEPTH {
        // SAFETY: of `is_continuation`: this function's 1, as the first is the current stack. Each parent of a running
        // continuation is a running continuation or the initial stack, of the same store.
        if unsafe { !VMContRef::is_continuation(cont) } {
            return;
        }
        // SAFETY: `&`: C2, L1: `cont` is a continuation of a live store, and so points to a `Continuation`: valid,
        // aligned and initialised; 2: nothing borrows it mutably.
        let this = unsafe { &*cont.cast::<Continuation>() };
        assert_eq!(this.vm.state(), VMContState::Running, "a stack on the active chain runs");
        let native = backend == Backend::Native;
        assert_eq!(this.has_fiber(), !native, "L2");
        assert_eq!(this.vm.stack.is_null(), !native, "L2");
        assert!(!this.vm.resume.is_null(), "something resumed a running stack");
        assert_eq!(this.vm.parent_entry.is_null(), native, "a parent's entry state is kept");
        assert_ne!(this.vm.parent, cont, "no stack is its own parent");
        // SAFETY: of `is_continuation`: the parent of a running continuation is a running continuation or the initial
        // stack, of the same store.
        if unsafe { VMContRef::is_continuation(this.vm.parent) } {
            // SAFETY: `&`: C2, L1: the parent is a continuation, and so points to a `Continuation`: valid, aligned and
            // initialised; 2: nothing borrows it mutably.
            let parent = unsafe { &*this.vm.parent.cast::<Continuation>() };
            let frame = this.vm.resume;
            // SAFETY: of `is_barrier`: `frame` is the live frame of the `resume` that runs the stack, or the store's
            // barrier (C5).
            let known = unsafe { VMResumeFrame::is_barrier(frame) }
                || parent.stack_range(backend).contains(&frame.addr());
            assert!(known, "a resume's frame is on the parent's stack");
        }
        cont = this.vm.parent;
    }
}

/// Panics if `outermost` is not the outermost stack of the chain from `current`, or if host code would run on a stack of that
/// chain or on live frames of wasmtime-fiber (S1, S3). Of a chain longer than [`DEPTH`], only the first stacks are looked at.
///
/// ```text
///   initial stack
///   | resume             |
///   | wasmtime-fiber     |  <- resumer_sp, if known
///   | (free)             |  <- host: outermost.parent_control.sp
/// ```
///
/// # Safety
///
/// 1. `current` is a running continuation of a live store of this backend.
/// 2. `outermost` is null or a continuation of the same store.
/// 3. Nothing borrows `outermost` or a stack of the chain mutably.
#[inline]
pub(crate) unsafe fn host_stack(backend: Backend, current: *mut VMContRef, outermost: *mut VMContRef) {
    if !cfg!(debug_assertions) {
        return;
    }
    assert!(!outermost.is_null(), "S3");
    let mut cont = current;
    // SAFETY: `&`: 2 (C2, L1): `outermost` is not null here, and so points to a `Continuation`: valid, aligned and
    // initialised; 3: nothing borrows it mutably.
    let (host, left_at) = unsafe {
        let outermost = &*outermost.cast::<Continuation>();
        (outermost.vm.parent_control.sp, outermost.resumer_sp())
    };
    assert!(
        left_at.is_none_or(|sp| host <= sp),
        "the frames of wasmtime-fiber take more than was thought: FIBER_FRAMES"
    );
    for _ in 0..DEPTH {
        // SAFETY: the read, and `stack_range`: 1 (C2, L1): `cont` points to a `Continuation`: valid, aligned and
        // initialised. The first is `current`, and the loop ends before the initial stack. 3: nothing borrows it
        // mutably.
        let (parent, stack) =
            unsafe { ((*cont).parent, (*cont.cast::<Continuation>()).stack_range(backend)) };
        assert!(host != 0 && !stack.contains(&host), "S1, S3");
        // SAFETY: of `is_continuation`: the parent of a running continuation is a running continuation or the initial
        // stack, of the same store.
        if unsafe { !VMContRef::is_continuation(parent) } {
            assert_eq!(cont, outermost, "S3");
            return;
        }
        cont = parent;
    }
}

/// Panics if the caller runs on the stack of `current` or of one of its ancestors (S1). Looks at [`DEPTH`] stacks at most.
///
/// # Safety
///
/// 1. `current` is the current stack of a live store of this backend.
/// 2. Nothing borrows a stack of the chain mutably.
#[inline]
pub(crate) unsafe fn no_continuations_stack(backend: Backend, current: *mut VMContRef) {
    if !cfg!(debug_assertions) {
        return;
    }
    let (mut cont, here) = (current, arch::stack_pointer());
    for _ in 0..DEPTH {
        // SAFETY: of `is_continuation`: this function's 1, as the first is the current stack. Each parent of a running
        // continuation is a running continuation or the initial stack, of the same store. `stack_range` and the read:
        // C2, L1: `cont` is a continuation here, and so points to a `Continuation`: valid, aligned and initialised;
        // 2: nothing borrows it mutably.
        unsafe {
            if !VMContRef::is_continuation(cont) {
                return;
            }
            assert!(!(*cont.cast::<Continuation>()).stack_range(backend).contains(&here), "S1");
            cont = (*cont).parent;
        }
    }
}

/// Panics if `cont` is not the innermost stack of a chain that ends at `last_ancestor`, or has more values than slots (C3).
/// Looks at [`DEPTH`] stacks at most.
///
/// # Safety
///
/// 1. `cont` is a suspended continuation of a live store.
/// 2. Nothing borrows it, or a stack that was captured with it, mutably.
#[inline]
pub(crate) unsafe fn captured_chain(cont: *mut VMContRef) {
    if !cfg!(debug_assertions) {
        return;
    }
    // SAFETY: the reads, and `state`: 1 (C2): `cont` is valid, aligned and initialised, and so are the stacks that were
    // captured with it, which are of the same store; 2: nothing borrows them mutably.
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
