//! The state of a store's continuations that compiled code and the runtime share.

use super::contref::VMContRef;
use super::frame::VMResumeFrame;
use super::stack::VMStackHeader;
use core::ptr;

/// The backend that compiled a store's code. It decides how the store's stacks are switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// Each switch is a call into the runtime, which switches fibers of wasmtime-fiber.
    #[default]
    Libcall,
    /// Compiled code switches stacks itself.
    Native,
}

/// The free continuations and idle stacks of a store, and what else compiled code needs to know of its continuations. See C4.
#[repr(C)]
#[derive(Debug)]
pub struct VMContinuationContext {
    /// The list of free continuations, linked by `parent`. The continuation that was freed last is first.
    pub free: *mut VMContRef,
    /// The list of idle stacks, linked by `next`. The stack that was used last is first.
    pub stacks: *mut VMStackHeader,
    /// The number of stacks that may still join the list `stacks`.
    pub room: usize,
    /// The number of continuations that the store has ever made.
    pub created: u64,
    /// Bytes from a stack's `VMStackHeader` down to the stack limit of Wasm that runs on the stack.
    pub limit_below: usize,
    /// The backend that compiled the store's code. Only the runtime reads this, at each host call among others: it shares a cache
    /// line with the lists.
    pub backend: Backend,
    /// A copy of [`VMResumeFrame::BARRIER`]. See C5.
    pub barrier: VMResumeFrame,
    /// The address of each continuation that the store has made, by its number less 1. Dangles while there is none.
    pub known: *const *mut VMContRef,
    /// How many continuations the store has made: the length of `known`.
    pub known_count: usize,
    /// Stands for the initial stack: the stack on which the host last entered Wasm of this store. See `hostcall`.
    ///
    /// | field | means |
    /// | --- | --- |
    /// | `child` | the outermost running continuation, while one runs (S3) |
    /// | `stack_limit` | the stack limit of Wasm on the initial stack |
    /// | `control.sp` | where Wasm on the initial stack has left the stack for the host (S4) |
    pub initial: VMContRef,
}

/// What an entry from the host into Wasm saves of the entry around it: the current stack, and the fields of
/// [`initial`](VMContinuationContext::initial).
///
/// ```text
///   initial stack
///   | host                                       |
///   | Wasm: outer entry                          |  initial.child = f while f runs
///   | host function that f called                |
///   | inner entry: saves current = f, child = f, |
///   |   and the outer entry's stack limit        |  initial.child = null
///   | Wasm: inner entry                          |
/// ```
#[derive(Debug, Clone, Copy)]
pub struct VMSavedEntry {
    /// The stack that was current before the entry.
    pub current: *mut VMContRef,
    child: *mut u8,
    stack_limit: usize,
    left_at: usize,
}

impl VMSavedEntry {
    /// Makes the stack on which the host runs the initial stack. `stack_limit` becomes its stack limit for Wasm. The caller
    /// makes `initial` the current stack.
    ///
    /// # Safety
    ///
    /// 1. `context` is the context of a live store, or null in a build that does not switch stacks.
    /// 2. `current` is the current stack of that store.
    pub unsafe fn enter(
        context: *mut VMContinuationContext,
        current: *mut VMContRef,
        stack_limit: usize,
    ) -> VMSavedEntry {
        let mut saved = VMSavedEntry { current, child: ptr::null_mut(), stack_limit, left_at: 0 };
        // SAFETY: of `exchange`: 1: the pointer is the same; 2: this function's 1. The null `child` is never read:
        // nobody asks for the child of the initial stack until a continuation runs, and its `resume` writes the field
        // first (S3).
        unsafe { saved.exchange(context) };
        saved
    }

    /// Exchanges the saved fields of `initial` with those in force. `current` stays as it is.
    ///
    /// # Safety
    ///
    /// 1. `context` is the pointer that [`VMSavedEntry::enter`] got.
    /// 2. If `context` is not null, its store is still alive.
    pub unsafe fn exchange(&mut self, context: *mut VMContinuationContext) {
        if context.is_null() {
            return;
        }
        // SAFETY: `&mut`: 1, 2: `context` is not null here, and so the context of a live store: valid, aligned and
        // initialised. No other reference to it exists: this crate's own end in the functions that make them.
        let initial = unsafe { &mut (*context).initial };
        core::mem::swap(&mut initial.caller_or_child, &mut self.child);
        core::mem::swap(&mut initial.stack_limit, &mut self.stack_limit);
        core::mem::swap(&mut initial.control.sp, &mut self.left_at);
    }

    /// Where Wasm of the saved entry has left [`current`](VMSavedEntry::current) for the host (S4).
    ///
    /// # Safety
    ///
    /// `current` is a stack of a live store.
    pub unsafe fn left_at(&self) -> usize {
        // SAFETY: of `is_continuation`, and the read: this function's requirement (C2).
        unsafe {
            if VMContRef::is_continuation(self.current) { (*self.current).control.sp } else { self.left_at }
        }
    }
}
