//! One continuation, and its life.
//!
//! ```text
//!                allocate                resume                  suspend, switch
//!      Free  ------------------> Fresh ----------> Running -------------------------> Suspended
//!        ^                                          |   ^                                |
//!        |  release: returned, trapped or thrown    |   |      resume, switch            |
//!        +------------------------------------------+   +--------------------------------+
//! ```
//!
//! What a continuation has of stacks, by its state (`-->` is `parent`, towards the host):
//!
//! ```text
//!   Free         no stack, on the store's list
//!   Fresh        no stack; its function, and the arguments that are bound
//!   Running      [ g ] --> [ f ] --> [ initial ]      g is current; each was resumed by the next
//!   Suspended    [ g ] --> [ f ]                      captured as a chain: g.last_ancestor is f; g alone is `Suspended`,
//!                                                     and f is in the state that it had when it was captured, `Running`
//! ```
//!
//! # Invariants
//!
//! * **L1.** The `VMContRef` of a [`Continuation`] is its first field, so that a pointer to one is a
//!   pointer to the other. A store allocates them in chunks, and frees them only when it ends (C2).
//! * **L2.** A continuation has a stack exactly while it is running or suspended: `vm.stack` with the native backend, from
//!   just before it is resumed for the first time; that of its [`FiberPart`], and a fiber too, with the libcall backend.
//! * **L3.** In state `Free` no reference to a continuation is usable (C1): the last one was consumed
//!   when it was resumed, and only a capture, which is of a running one, makes another.
//! * **L4.** A fiber is resumed only by the `resume` that runs its continuation, and suspends only to it.

use crate::abi::{
    Backend, INLINE_ARGS, VMContRef, VMControlContext, VMEntryState, VMHandlerCache, VMPayloads,
    VMStackHeader,
};
use crate::alloc;
use crate::error::Error;
use crate::fiber::FiberPart;
use crate::stack::PooledStack;
use std::ops::Range;
use std::ptr::{self, NonNull};

/// A continuation with what only the runtime knows of it. See L1.
#[repr(C)]
pub(crate) struct Continuation {
    pub(crate) vm: VMContRef,
    /// Its place in its store.
    pub(crate) index: u32,
    /// The memory of `vm.values` while fresh, and of the function's results, if `vm.args` is too small. Not while free.
    pub(crate) slots: Vec<u128>,
    /// What the libcall backend has of it besides, from its first start on: the next continuation uses it too.
    pub(crate) fiber: Option<Box<FiberPart>>,
}

impl Continuation {
    /// A free one.
    pub(crate) fn new(index: u32) -> Continuation {
        Continuation { vm: VMContRef::FREE, index, slots: Vec::new(), fiber: None }
    }

    /// What the libcall backend has of it besides.
    ///
    /// # Errors
    ///
    /// If there is no memory for that.
    pub(crate) fn fiber_part(&mut self) -> Result<&mut FiberPart, Error> {
        if self.fiber.is_none() {
            self.fiber = Some(alloc::boxed(FiberPart::new()).ok_or(Error::NoMemory)?);
        }
        Ok(self.fiber.as_mut().expect("as of now"))
    }

    /// As [`Continuation::fiber_part`], of one that has been started, without a borrow of the rest.
    ///
    /// # Safety
    ///
    /// `this` is running or suspended, of the libcall backend.
    pub(crate) unsafe fn fiber_of(this: *mut Continuation) -> *mut FiberPart {
        // SAFETY: the caller vouches for it; the box is not borrowed, only its address is taken.
        unsafe { &raw mut **(*this).fiber.as_mut().expect("L2") }
    }

    /// Whether it has a stack and a fiber of the libcall backend.
    pub(crate) fn has_fiber(&self) -> bool {
        self.fiber.as_ref().is_some_and(|part| part.is_started())
    }

    /// Takes the stack of one that is running, and on which nothing runs any more (L2).
    pub(crate) fn take_stack(&mut self, backend: Backend) -> PooledStack {
        match backend {
            Backend::Native => self.take_header().expect("L2: a running continuation has a stack"),
            Backend::Libcall => self.fiber.as_mut().expect("L2").take_finished(),
        }
    }

    /// Takes its stack, if it has one, whatever is left on it. It will not be used again.
    pub(crate) fn take_abandoned_stack(&mut self, backend: Backend) -> Option<PooledStack> {
        match backend {
            Backend::Native => self.take_header(),
            Backend::Libcall => self.fiber.as_mut()?.take_abandoned(),
        }
    }

    fn take_header(&mut self) -> Option<PooledStack> {
        let header = NonNull::new(std::mem::replace(&mut self.vm.stack, ptr::null_mut()))?;
        // SAFETY: L2; it was this continuation's, which does not have it any more.
        Some(unsafe { PooledStack::from_header(header) })
    }

    /// The number of its stack in the pool, if it has one.
    pub(crate) fn slot(&self, backend: Backend) -> Option<u32> {
        match backend {
            // SAFETY: L2.
            Backend::Native => Some(unsafe { NonNull::new(self.vm.stack)?.as_ref() }.slot),
            Backend::Libcall => self.fiber.as_ref()?.stack.as_ref().map(PooledStack::slot),
        }
    }

    /// The memory of `vm.values` while it is fresh, and of the function's results: the first slot, and how many.
    ///
    /// # Safety
    ///
    /// `this` is not free, and nothing borrows these fields.
    pub(crate) unsafe fn buffer(this: *mut Continuation) -> (*mut u128, usize) {
        // SAFETY: the caller vouches for it.
        let slots = unsafe { &mut (*this).slots };
        match slots.len() {
            // SAFETY: as above.
            0 => (unsafe { &raw mut (*this).vm.args }.cast(), INLINE_ARGS),
            len => (slots.as_mut_ptr(), len),
        }
    }

    /// The addresses of its stack. Running and suspended, once it has started.
    ///
    /// A field tells the backend here: this is on the path of every host call, and the store's backend is farther away.
    #[inline]
    pub(crate) fn stack_range(&self) -> Range<usize> {
        match NonNull::new(self.vm.stack) {
            Some(header) => {
                let top = header.addr().get() + size_of::<VMStackHeader>();
                // SAFETY: L2.
                top - unsafe { header.as_ref() }.size..top
            }
            None => self.fiber.as_ref().map_or(0..0, |part| {
                let size = part.stack.as_ref().map_or(0, PooledStack::size);
                part.start.saturating_sub(size)..part.start
            }),
        }
    }

    /// The stack pointer with which its fiber was resumed, if this build knows where wasmtime-fiber keeps that. Running, libcall
    /// backend, and its fiber is the one that runs.
    pub(crate) fn resumer_sp(&self) -> Option<usize> {
        let part = self.fiber.as_ref().filter(|part| part.fiber.is_some())?;
        part.stack.as_ref()?.resumer_sp()
    }

    /// Forgets everything but the revision (C1).
    pub(crate) fn forget(&mut self) {
        self.vm.control = VMControlContext::default();
        self.vm.parent = ptr::null_mut();
        self.vm.stack_limit = 0;
        self.vm.resume = ptr::null_mut();
        self.vm.last_ancestor = ptr::null_mut();
        self.vm.parent_entry = ptr::null_mut();
        // What `enter` installs next time: nothing of Wasm is on that stack yet, and if the body is a host
        // function nothing will be.
        self.vm.entry = VMEntryState::default();
        // A continuation that a trap ended in the middle of a `switch` expects another resume (`native`, N5).
        self.vm.handler_cache = VMHandlerCache::default();
        self.vm.func = ptr::null_mut();
        self.vm.caller_or_child = ptr::null_mut();
        self.vm.values = VMPayloads { data: ptr::null_mut(), length: 0, capacity: 0 };
        self.slots.clear();
        if let Some(part) = &mut self.fiber {
            part.forget();
        }
    }
}
