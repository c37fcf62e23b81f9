//! What compiled code and the runtime share of the continuations of a store.

use super::contref::VMContRef;
use super::frame::VMResumeFrame;
use super::stack::VMStackHeader;
use core::ptr;

/// How the stacks of a store are switched: by which backend its code was compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// By calls into this crate, on wasmtime-fiber.
    #[default]
    Libcall,
    /// In compiled code.
    Native,
}

/// What the continuations of a store are made of, where compiled code finds it. See C4.
#[repr(C)]
#[derive(Debug)]
pub struct VMContinuationContext {
    /// Free ones, linked by `parent`: the last one freed first.
    pub free: *mut VMContRef,
    /// Idle stacks, linked by `next`: the last one used first.
    pub stacks: *mut VMStackHeader,
    /// How many stacks may join those.
    pub room: usize,
    /// How many continuations were ever made.
    pub created: u64,
    /// Bytes from a stack's `VMStackHeader` down to the limit of Wasm that runs on it.
    pub limit_below: usize,
    /// [`VMResumeFrame::BARRIER`]. See C5.
    pub barrier: VMResumeFrame,
    /// Stands for the stack on which the host last entered Wasm of this store. See `hostcall`.
    ///
    /// | field | means |
    /// | --- | --- |
    /// | `child` | the outermost stack above it, while there is one |
    /// | `stack_limit` | the stack limit of Wasm on the initial stack |
    pub initial: VMContRef,
    /// Which backend compiled the store's code. For the runtime.
    pub backend: Backend,
}

/// What an entry from the host into Wasm saves of the entry around it: which stack was the current one, and what
/// [`initial`](VMContinuationContext::initial) said.
#[derive(Debug, Clone, Copy)]
pub struct VMSavedEntry {
    /// The stack that was current.
    pub current: *mut VMContRef,
    child: *mut u8,
    stack_limit: usize,
}

impl VMSavedEntry {
    /// Makes the stack that the host is on the initial one, with this stack limit of Wasm. The caller makes
    /// `initial` the current stack.
    ///
    /// # Safety
    ///
    /// `lists` is a live store's, or null: of a build that does not switch stacks. `current` is that store's current stack.
    pub unsafe fn enter(
        lists: *mut VMContinuationContext,
        current: *mut VMContRef,
        stack_limit: usize,
    ) -> VMSavedEntry {
        let mut saved = VMSavedEntry { current, child: ptr::null_mut(), stack_limit };
        // SAFETY: the caller vouches for it. No continuation runs, so that nobody asks for the child.
        unsafe { saved.exchange(lists) };
        saved
    }

    /// Exchanges what is saved, but for the current stack, and what is in force.
    ///
    /// # Safety
    ///
    /// `lists` is what it was for [`VMSavedEntry::enter`].
    pub unsafe fn exchange(&mut self, lists: *mut VMContinuationContext) {
        if lists.is_null() {
            return;
        }
        // SAFETY: the caller vouches for it.
        let initial = unsafe { &mut (*lists).initial };
        core::mem::swap(&mut initial.caller_or_child, &mut self.child);
        core::mem::swap(&mut initial.stack_limit, &mut self.stack_limit);
    }
}
