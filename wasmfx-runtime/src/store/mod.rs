//! The continuations of a store.
//!
//! ```text
//!   Continuations
//!     | arena       every continuation that the store has made, free or not        (arena.rs)
//!     | stacks      the store's stacks, idle ones and those in use                 (stacks.rs)
//!     | context --> VMContinuationContext, which compiled code uses too
//! ```
//!
//! `cont.rs` has the states of a continuation, and invariants L1 to L4.

mod arena;
mod stacks;
mod statistics;
#[cfg(test)]
mod tests;

use self::arena::Arena;
use self::stacks::Stacks;
pub use self::statistics::Statistics;
use crate::abi::{
    Backend, INLINE_ARGS, VMContObj, VMContRef, VMContState, VMContinuationContext, VMPayloads,
    VMResumeFrame, VMStackHeader,
};
use crate::alloc;
use crate::cont::Continuation;
use crate::error::Error;
use crate::limits::{MAX_KEPT_SLOTS, MAX_SLOTS};
use crate::pool::StackPool;
use crate::stack::PooledStack;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// All continuations that a store has made.
///
/// Dropping it gives all stacks back, those of suspended continuations without running what is left on them: those
/// frames are Wasm's and this crate's, and own nothing.
#[derive(Debug)]
pub struct Continuations {
    backend: Backend,
    arena: Arena,
    stacks: Stacks,
    /// What compiled code shares. An allocation of its own.
    context: NonNull<VMContinuationContext>,
    /// How many the engine's embedder was asked about, or need not be.
    permitted: usize,
    /// Slots of the argument buffers that continuations have besides their own.
    slots: usize,
}

// SAFETY: the pointers are to allocations that this value owns. Fibers and stacks are bound to no thread: what
// is on them across a switch are frames of Wasm, of the engine's libcalls and of this crate, which keep nothing
// of a thread, and, where an async call waits, what the engine lets cross threads on its own fibers.
unsafe impl Send for Continuations {}
// SAFETY: `&Continuations` gives out addresses and what the owner of the store may read.
unsafe impl Sync for Continuations {}

impl Continuations {
    /// No continuations yet. They will have stacks of `pool`, and be switched by its backend.
    pub fn new(pool: Arc<StackPool>) -> Continuations {
        let backend = pool.config().backend;
        let context = Box::leak(Box::new(VMContinuationContext {
            free: ptr::null_mut(),
            stacks: ptr::null_mut(),
            room: 0,
            created: 0,
            limit_below: pool.wasm_stack() - size_of::<VMStackHeader>(),
            barrier: VMResumeFrame::BARRIER,
            initial: VMContRef::FREE,
            backend,
        }));
        context.initial.resume = &raw mut context.barrier;
        let context = NonNull::from(context);
        Continuations {
            backend,
            arena: Arena::default(),
            stacks: Stacks::new(pool, context),
            context,
            permitted: 0,
            slots: 0,
        }
    }

    /// How the store's stacks are switched.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// What compiled code shares. It is there as long as `self`.
    pub fn context(&self) -> NonNull<VMContinuationContext> {
        self.context
    }

    /// What stands for the stack that the host enters Wasm on: the current stack whenever it does. It is there as long
    /// as `self`.
    pub fn initial(&self) -> NonNull<VMContRef> {
        // SAFETY: `new` allocated it.
        unsafe { NonNull::new_unchecked(&raw mut (*self.context.as_ptr()).initial) }
    }

    /// As [`Continuations::context`], to read while no compiled code runs.
    pub(crate) fn context_ref(&self) -> &VMContinuationContext {
        // SAFETY: `new` allocated it; compiled code of this store does not run while the runtime has `self`.
        unsafe { self.context.as_ref() }
    }

    /// As [`Continuations::context`], for use while no compiled code runs.
    fn context_mut(&mut self) -> &mut VMContinuationContext {
        // SAFETY: as above.
        unsafe { self.context.as_mut() }
    }

    /// The pool that its stacks are from.
    pub(crate) fn pool(&self) -> &Arc<StackPool> {
        self.stacks.pool()
    }

    /// How many continuations would be alive if the next [`Continuations::allocate`] succeeded, if that is more than
    /// ever and nobody has been asked whether so many may be: ask, then [`Continuations::permit`].
    pub fn growing(&self) -> Option<usize> {
        let next = self.arena.len() as usize + 1;
        (self.context_ref().free.is_null() && next > self.permitted).then_some(next)
    }

    /// Notes that `count` continuations may be alive.
    pub fn permit(&mut self, count: usize) {
        self.permitted = self.permitted.max(count);
    }

    /// Makes a fresh continuation that will call `func`, with room for its parameters and results.
    ///
    /// It has no stack yet. `func` and `caller_vmctx` are what [`Host::call`](crate::Host::call) will be given.
    ///
    /// # Errors
    ///
    /// If the store has as many continuations as it may, or arguments, or there is no memory.
    pub fn allocate(
        &mut self,
        func: *mut u8,
        caller_vmctx: *mut u8,
        params: u32,
        results: u32,
    ) -> Result<NonNull<VMContRef>, Error> {
        let capacity = params.max(results);
        let needed = if capacity as usize > INLINE_ARGS { capacity as usize } else { 0 };
        if self.slots + needed > MAX_SLOTS {
            return Err(Error::TooManyArguments { limit: MAX_SLOTS });
        }
        let cont = match self.take_free() {
            Some(cont) => cont,
            None => self.grow()?,
        };
        // SAFETY: the continuation is free, so that nothing but `self` refers to it usefully (L3).
        let this = unsafe { &mut *cont.as_ptr() };
        debug_assert_eq!(this.vm.state(), VMContState::Free);
        debug_assert!(this.slots.is_empty());
        if this.slots.capacity() < needed {
            match alloc::zeroed(needed) {
                Some(slots) => this.slots = slots,
                None => {
                    self.recycle(cont);
                    return Err(Error::NoMemory);
                }
            }
        } else {
            this.slots.resize(needed, 0);
        }
        self.slots += needed;
        let data = if needed > 0 { this.slots.as_mut_ptr() } else { this.vm.args.as_mut_ptr() };
        this.vm.values = VMPayloads { data, length: 0, capacity };
        this.vm.func = func;
        this.vm.caller_or_child = caller_vmctx;
        this.vm.last_ancestor = cont.as_ptr().cast();
        self.context_mut().created += 1;
        Ok(cont.cast())
    }

    /// Takes the continuation that was freed last.
    fn take_free(&mut self) -> Option<NonNull<Continuation>> {
        let context = self.context_mut();
        let free = NonNull::new(context.free)?;
        // SAFETY: C4.
        context.free = unsafe { free.as_ref() }.parent;
        Some(free.cast())
    }

    /// The free continuations (C4).
    fn free(&self) -> impl Iterator<Item = NonNull<VMContRef>> + '_ {
        std::iter::successors(NonNull::new(self.context_ref().free), |free| {
            // SAFETY: C4.
            NonNull::new(unsafe { free.as_ref() }.parent)
        })
    }

    /// One more continuation.
    #[cold]
    fn grow(&mut self) -> Result<NonNull<Continuation>, Error> {
        let limit = self.pool().config().continuations_per_store;
        if self.arena.len() >= limit {
            return Err(Error::TooManyContinuations { limit });
        }
        self.arena.grow()
    }

    /// A stack, idle or the pool's.
    ///
    /// # Errors
    ///
    /// If the engine has as many as it may, or the system has no memory or addresses for one.
    #[inline]
    pub(crate) fn take_stack(&mut self) -> Result<PooledStack, Error> {
        self.stacks.take()
    }

    /// Takes back a stack that nothing runs on.
    #[inline]
    pub(crate) fn put_stack(&mut self, stack: PooledStack) {
        self.stacks.put(stack);
    }

    /// Ends a continuation of which nothing runs any more: its stack and its `VMContRef` are for others now.
    ///
    /// # Safety
    ///
    /// `cont` is one of `self`'s, it is running, and its function has returned or was unwound.
    pub(crate) unsafe fn release(&mut self, cont: NonNull<Continuation>) {
        // SAFETY: the caller vouches for it; nothing runs on its stack any more.
        let this = unsafe { &mut *cont.as_ptr() };
        assert_eq!(this.vm.state(), VMContState::Running, "only what runs can end");
        let stack = this.take_stack(self.backend);
        self.put_stack(stack);
        self.recycle(cont);
    }

    /// Ends a fresh continuation, which will never run. No reference to it stays usable.
    ///
    /// # Safety
    ///
    /// `cont` is one of `self`'s, and fresh.
    pub unsafe fn discard(&mut self, cont: NonNull<VMContRef>) {
        let cont = cont.cast::<Continuation>();
        // SAFETY: the caller vouches for it.
        let this = unsafe { &mut *cont.as_ptr() };
        assert_eq!(this.vm.state(), VMContState::Fresh, "only a fresh continuation has run nothing");
        assert!(this.slot(self.backend).is_none(), "L2");
        this.vm.revision += 1;
        self.recycle(cont);
    }

    /// Ends every continuation from `current`, which may be the initial stack, outwards to the host's entry: Wasm was
    /// unwound past them all.
    ///
    /// # Safety
    ///
    /// `current` is the stack that ran when Wasm was unwound, and control is back with the host.
    pub unsafe fn abandon(&mut self, mut current: NonNull<VMContRef>) {
        // SAFETY: the caller vouches for it: these are running continuations of this store, and nothing goes on on their
        // stacks. A parent is read before its child is free.
        unsafe {
            while let Some(parent) = NonNull::new(current.as_ref().parent) {
                assert_eq!(self.backend, Backend::Native, "the libcall backend unwinds stack by stack");
                self.release(current.cast());
                current = parent;
            }
        }
    }

    /// Puts a continuation without a stack where the next `cont.new` finds it.
    fn recycle(&mut self, cont: NonNull<Continuation>) {
        // SAFETY: it is of this store, and nothing refers to it usefully (L3).
        let this = unsafe { &mut *cont.as_ptr() };
        self.slots -= this.slots.len();
        if this.slots.capacity() > MAX_KEPT_SLOTS {
            this.slots = Vec::new();
        }
        this.forget();
        let context = self.context_mut();
        this.vm.parent = context.free;
        context.free = cont.as_ptr().cast();
    }

    /// How many continuations are not free. Cost: linear in the number of free ones.
    pub fn alive(&self) -> usize {
        self.arena.len() as usize - self.free().count()
    }

    /// What there is, counted. To find the resident memory takes a system call for each stack.
    pub fn statistics(&self) -> Statistics {
        // SAFETY: they are initialised, and who changes a stack has `self` to itself.
        let in_use = self.arena.iter().filter_map(|cont| unsafe { cont.as_ref() }.slot(self.backend));
        Statistics {
            alive: self.alive(),
            peak: self.arena.len() as usize,
            created: self.context_ref().created,
            stacks: self.stacks.count(),
            bytes_reserved: self.stacks.count() * self.pool().slot_size(),
            bytes_resident: self.pool().resident(in_use.chain(self.stacks.idle_slots())),
            guards_by_mprotect: self.pool().guarded_by_mappings(),
        }
    }

    /// The place of a continuation in this store, from which [`Continuations::get`] finds it again.
    ///
    /// # Safety
    ///
    /// `obj` is a reference that this store made, usable or not.
    pub unsafe fn index(&self, obj: VMContObj) -> u32 {
        // SAFETY: every reference that a store made points to one of its continuations (C2, L1).
        let index = unsafe { (*obj.contref.as_ptr().cast::<Continuation>()).index };
        debug_assert_eq!(self.arena.at(index).cast(), obj.contref);
        index
    }

    /// The reference with this revision to the continuation at `index`, whether usable or not.
    pub fn get(&self, index: u32, revision: usize) -> Option<VMContObj> {
        let known = index < self.arena.len();
        known.then(|| VMContObj { contref: self.arena.at(index).cast(), revision })
    }

    /// Every continuation, in any state.
    pub fn iter(&self) -> impl Iterator<Item = NonNull<VMContRef>> + '_ {
        self.arena.iter().map(NonNull::cast)
    }
}

impl Drop for Continuations {
    fn drop(&mut self) {
        let backend = self.backend;
        // SAFETY: they are initialised, and with the store gone nobody else refers to them.
        self.stacks.leave(
            self.arena.iter().filter_map(|mut cont| unsafe { cont.as_mut() }.take_abandoned_stack(backend)),
        );
        // SAFETY: `new` leaked it. Only `stacks` has its address, and does not use it any more.
        drop(unsafe { Box::from_raw(self.context.as_ptr()) });
    }
}
