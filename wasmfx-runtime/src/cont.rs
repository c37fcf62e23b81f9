//! The continuations of a store, and the life of each.
//!
//! ```text
//!                allocate                resume                  suspend, switch
//!      Free  ------------------> Fresh ----------> Running -------------------------> Suspended
//!        ^                                          |   ^                                |
//!        |  release: returned, trapped or thrown    |   |      resume, switch            |
//!        +------------------------------------------+   +--------------------------------+
//! ```
//!
//! # Invariants
//!
//! * **L1.** The `VMContRef` of a [`Continuation`] is its first field, so that a pointer to one is a
//!   pointer to the other. They are allocated in chunks and freed only with their [`Continuations`] (C2).
//! * **L2.** A continuation has a stack exactly while it is running or suspended: `vm.stack` with the native backend, from
//!   just before it is resumed for the first time; that of its [`FiberPart`], and a fiber too, with the libcall backend.
//! * **L3.** In state `Free` no reference to a continuation is usable (C1): the last one was consumed
//!   when it was resumed, and only a capture, which is of a running one, makes another.
//! * **L4.** A fiber is resumed only by the `resume` that runs its continuation, and suspends only to it.

use crate::Error;
use crate::layout::{
    INLINE_ARGS, VMContObj, VMContRef, VMContState, VMContinuations, VMControlContext, VMEntryState,
    VMFarHandler, VMPayloads, VMResumeFrame, VMStack,
};
use crate::libcall::{Fiber, Switch};
use crate::limits::{MAX_KEPT_SLOTS, MAX_SLOTS};
use crate::pool::StackPool;
use crate::stack::Stack;
use std::fmt;
use std::mem::{self, MaybeUninit};
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// A continuation with what only the runtime knows of it. See L1.
#[repr(C)]
pub(crate) struct Continuation {
    pub(crate) vm: VMContRef,
    /// Its place in its [`Continuations`].
    index: u32,
    /// The memory of `vm.values` while fresh, and of the function's results, if `vm.args` is too small. Not while free.
    slots: Vec<u128>,
    /// What the libcall backend has of it besides, from its first start on: the next continuation uses it too.
    fiber: Option<Box<FiberPart>>,
}

/// A continuation as a fiber. A field means something while the continuation is running or suspended.
pub(crate) struct FiberPart {
    pub(crate) stack: Option<Stack>,
    pub(crate) fiber: Option<Fiber>,
    /// How the fiber suspends itself, once it has started.
    pub(crate) switch: *mut Switch,
    /// The most that Wasm's frames may take on its stack, in bytes.
    pub(crate) wasm_stack: usize,
    /// Where on its stack the fiber starts, once it has: an address that has all of its frames below.
    pub(crate) start: usize,
}

/// Continuations that are allocated at a time.
const CHUNK: usize = 64;

/// All continuations that a store has made.
///
/// Dropping it gives all stacks back, those of suspended continuations without running what is left on them: those
/// frames are Wasm's and this crate's, and own nothing.
#[derive(Debug)]
pub struct Continuations {
    pool: Arc<StackPool>,
    /// Allocations of [`CHUNK`] continuations each, of which the first `reached` in all are initialised (L1).
    chunks: Vec<NonNull<MaybeUninit<Continuation>>>,
    /// How many were ever alive at a time.
    reached: u32,
    /// What compiled code shares: the free ones, and stacks that have not been trimmed (C4). An allocation of its own.
    lists: NonNull<VMContinuations>,
    /// Those that the engine's embedder was asked about, or need not be.
    permitted: usize,
    /// Stacks that nothing runs on and that have been trimmed, the one used last at the end.
    idle_stacks: Vec<Stack>,
    /// How many stacks may be idle: here, or on the list.
    max_idle: usize,
    /// How many may be on the list: as many as are, and `room`.
    max_hot: usize,
    /// Whether the pool knows of this store.
    joined: bool,
    /// Stacks in use or idle.
    stacks: usize,
    /// Slots of the argument buffers that continuations have besides their own.
    slots: usize,
}

/// What a store's continuations are and take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Continuations that are fresh, running or suspended.
    pub alive: usize,
    /// The most that were alive at a time.
    pub peak: usize,
    /// Continuations that were ever made.
    pub created: u64,
    /// Stacks in use by continuations, or idle and kept for the next.
    pub stacks: usize,
    /// Bytes of address space that those stacks have, with their guards.
    pub bytes_reserved: usize,
    /// Bytes of memory that those stacks have; `None` if the system does not tell.
    pub bytes_resident: Option<usize>,
    /// Whether the engine guards stacks by memory protection, and not by what is cheaper: because it is configured so, or
    /// the system has nothing else, or has refused it, as Linux does once the process locks its memory. Each of those stacks
    /// takes two of the process's mappings.
    pub guards_by_mprotect: bool,
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Statistics { alive, peak, created, stacks, bytes_reserved, bytes_resident, guards_by_mprotect } =
            self;
        write!(
            f,
            "continuations: {alive} alive, {peak} at most, {created} made; \
             stacks: {stacks}, {bytes_reserved} bytes of addresses, "
        )?;
        match bytes_resident {
            Some(bytes) => write!(f, "{bytes} bytes of memory")?,
            None => f.write_str("unknown bytes of memory")?,
        }
        if *guards_by_mprotect {
            f.write_str("; guarded by mprotect, which takes two mappings for each")?;
        }
        Ok(())
    }
}

// SAFETY: the pointers are to allocations that this value owns. Fibers and stacks are bound to no thread: what
// is on them across a switch are frames of Wasm, of the engine's libcalls and of this crate, which keep nothing
// of a thread, and, where an async call waits, what the engine lets cross threads on its own fibers.
unsafe impl Send for Continuations {}
// SAFETY: `&Continuations` gives out addresses and what the owner of the store may read.
unsafe impl Sync for Continuations {}

impl Continuations {
    /// No continuations yet, which will have stacks of `pool`.
    pub fn new(pool: Arc<StackPool>) -> Continuations {
        let lists = Box::leak(Box::new(VMContinuations {
            free: ptr::null_mut(),
            stacks: ptr::null_mut(),
            room: 0,
            created: 0,
            limit_below: pool.wasm_stack() - size_of::<VMStack>(),
            barrier: VMResumeFrame::BARRIER,
            initial: VMContRef::FREE,
        }));
        lists.initial.resume = &raw mut lists.barrier;
        Continuations {
            pool,
            chunks: Vec::new(),
            reached: 0,
            lists: NonNull::from(lists),
            permitted: 0,
            idle_stacks: Vec::new(),
            max_idle: 0,
            max_hot: 0,
            joined: false,
            stacks: 0,
            slots: 0,
        }
    }

    /// What compiled code shares. It is there as long as `self`.
    pub fn lists(&self) -> NonNull<VMContinuations> {
        self.lists
    }

    /// What stands for the stack that the host enters Wasm on: the current stack whenever it does. It is there as long
    /// as `self`.
    pub fn initial(&self) -> NonNull<VMContRef> {
        // SAFETY: `new` allocated it.
        unsafe { NonNull::new_unchecked(&raw mut (*self.lists.as_ptr()).initial) }
    }

    /// As [`Continuations::lists`], to read while no compiled code runs.
    pub(crate) fn seen(&self) -> &VMContinuations {
        // SAFETY: `new` allocated it; compiled code of this store does not run while the runtime has `self`.
        unsafe { self.lists.as_ref() }
    }

    /// As [`Continuations::lists`], for use while no compiled code runs.
    fn shared(&mut self) -> &mut VMContinuations {
        // SAFETY: as above.
        unsafe { self.lists.as_mut() }
    }

    /// The pool that its stacks are from.
    pub(crate) fn pool(&self) -> &Arc<StackPool> {
        &self.pool
    }

    /// How many continuations would be alive if the next [`Continuations::allocate`] succeeded, if that is more than
    /// ever and nobody has been asked whether so many may be: ask, then [`Continuations::permit`].
    pub fn growing(&self) -> Option<usize> {
        let next = self.reached as usize + 1;
        (self.seen().free.is_null() && next > self.permitted).then_some(next)
    }

    /// Notes that `count` continuations may be alive.
    pub fn permit(&mut self, count: usize) {
        self.permitted = self.permitted.max(count);
    }

    /// Makes a fresh continuation that will call `func`, with room for its parameters and results.
    ///
    /// It has no stack yet. `func` and `caller_vmctx` are what [`crate::Host::call`] will be given.
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
            match memory::zeroed(needed) {
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
        self.shared().created += 1;
        Ok(cont.cast())
    }

    /// Takes the continuation that was freed last.
    fn take_free(&mut self) -> Option<NonNull<Continuation>> {
        let lists = self.shared();
        let free = NonNull::new(lists.free)?;
        // SAFETY: C4.
        lists.free = unsafe { free.as_ref() }.parent;
        Some(free.cast())
    }

    /// The free continuations (C4).
    fn free(&self) -> impl Iterator<Item = NonNull<VMContRef>> + '_ {
        std::iter::successors(NonNull::new(self.seen().free), |free| {
            // SAFETY: C4.
            NonNull::new(unsafe { free.as_ref() }.parent)
        })
    }

    /// The idle stacks that have not been trimmed (C4).
    fn hot_stacks(&self) -> impl Iterator<Item = NonNull<VMStack>> + '_ {
        std::iter::successors(NonNull::new(self.seen().stacks), |stack| {
            // SAFETY: C4.
            NonNull::new(unsafe { stack.as_ref() }.next)
        })
    }

    /// The continuation at an index below `reached`.
    #[inline]
    fn at(&self, index: u32) -> NonNull<Continuation> {
        let (chunk, place) = (index as usize / CHUNK, index as usize % CHUNK);
        // SAFETY: a chunk has so many places.
        unsafe { self.chunks[chunk].add(place).cast() }
    }

    /// Initialises one more continuation.
    #[cold]
    fn grow(&mut self) -> Result<NonNull<Continuation>, Error> {
        let index = self.reached;
        let limit = self.pool.config().continuations_per_store;
        if index >= limit {
            return Err(Error::TooManyContinuations { limit });
        }
        if index as usize == self.chunks.len() * CHUNK {
            self.chunks.try_reserve(1).map_err(|_| Error::NoMemory)?;
            let chunk = memory::uninit::<Continuation>(CHUNK).ok_or(Error::NoMemory)?;
            self.chunks.push(NonNull::from(Box::leak(chunk)).cast());
        }
        // SAFETY: nothing refers to this place of the chunk yet.
        unsafe { self.at(index).write(Continuation::new(index)) };
        self.reached += 1;
        Ok(self.at(index))
    }

    /// A stack, idle or the pool's.
    #[inline]
    pub(crate) fn take_stack(&mut self) -> Result<Stack, Error> {
        let lists = self.shared();
        if let Some(record) = NonNull::new(lists.stacks) {
            lists.room += 1;
            // SAFETY: C4.
            unsafe {
                lists.stacks = record.as_ref().next;
                return Ok(Stack::from_record(record));
            }
        }
        match self.idle_stacks.pop() {
            Some(stack) => Ok(stack),
            None => self.take_stacks(),
        }
    }

    /// A stack of the pool's, and some to keep.
    #[cold]
    fn take_stacks(&mut self) -> Result<Stack, Error> {
        if !self.joined {
            self.pool.join();
            self.joined = true;
        }
        // As many as there are: a store with one continuation has no use for a batch.
        let max_idle = self.pool.take(self.stacks, &mut self.idle_stacks)?;
        // Those were none.
        self.stacks += self.idle_stacks.len();
        let stack = self.idle_stacks.pop().expect("the pool adds one at least");
        self.set_max_idle(max_idle);
        Ok(stack)
    }

    /// Notes how many idle stacks there may be, and makes the list no longer than half of that.
    fn set_max_idle(&mut self, max_idle: usize) {
        self.max_idle = max_idle;
        self.max_hot = self.pool.max_hot().min(max_idle / 2);
        let hot = self.hot_stacks().count();
        self.shared().room = self.max_hot.saturating_sub(hot);
        if hot > self.max_hot {
            self.cool_down(self.max_hot);
        }
    }

    /// Takes back a stack that nothing runs on.
    #[inline]
    pub(crate) fn put_stack(&mut self, mut stack: Stack) {
        if self.shared().room == 0 && self.max_hot > 0 {
            self.cool_down(self.max_hot / 2);
        }
        if self.shared().room > 0 {
            match stack.into_record() {
                Ok(mut record) => {
                    let lists = self.shared();
                    // SAFETY: the record is this stack's own.
                    unsafe { record.as_mut() }.next = lists.stacks;
                    lists.stacks = record.as_ptr();
                    lists.room -= 1;
                    return;
                }
                Err(same) => stack = same,
            }
        }
        self.pool.trim(&stack);
        self.idle_stacks.push(stack);
        self.give_back_surplus();
    }

    /// Trims all stacks on the list but the first `keep`; there are so many.
    #[cold]
    fn cool_down(&mut self, keep: usize) {
        let mut link = &raw mut self.shared().stacks;
        let mut cool = Vec::new();
        // SAFETY: C4; `link` is the list's head or one of its members' link.
        unsafe {
            for _ in 0..keep {
                link = &raw mut (**link).next;
            }
            let mut next = mem::replace(&mut *link, ptr::null_mut());
            while let Some(record) = NonNull::new(next) {
                next = record.as_ref().next;
                cool.push(Stack::from_record(record));
            }
        }
        self.shared().room = self.max_hot - keep;
        cool.iter().for_each(|stack| self.pool.trim(stack));
        self.idle_stacks.extend(cool.into_iter().rev());
        self.give_back_surplus();
    }

    /// Gives the older half of the trimmed stacks back if they are too many.
    fn give_back_surplus(&mut self) {
        let (idle, max) = (self.idle_stacks.len(), self.max_idle - self.max_hot);
        if idle > max {
            let surplus = idle - max / 2;
            self.stacks -= surplus;
            let stacks = self.idle_stacks.drain(..surplus).collect();
            let max_idle = self.pool.give_back(stacks, surplus);
            self.set_max_idle(max_idle);
        }
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
        let stack = match NonNull::new(mem::replace(&mut this.vm.stack, ptr::null_mut())) {
            // SAFETY: L2; it was this continuation's.
            Some(record) => unsafe { Stack::from_record(record) },
            None => {
                let part = this.fiber.as_mut().expect("L2");
                let mut stack = part.stack.take().expect("L2: a running continuation has a stack");
                let fiber = part.fiber.take().expect("L2: and a fiber");
                stack.restore(fiber.into_stack());
                stack
            }
        };
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
        assert!(!this.has_fiber() && this.vm.stack.is_null(), "L2");
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
                assert!(current.as_ref().is_native(), "the libcall backend unwinds stack by stack");
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
        let lists = self.shared();
        this.vm.parent = lists.free;
        lists.free = cont.as_ptr().cast();
    }

    /// How many continuations are not free. This takes longer the more are.
    pub fn alive(&self) -> usize {
        self.reached as usize - self.free().count()
    }

    /// What there is, counted. To find the resident memory takes a system call for each stack.
    pub fn statistics(&self) -> Statistics {
        // SAFETY: they are initialised, and who changes a stack has `self` to itself; its record is that of a stack (L2, C4).
        let in_use = (0..self.reached).filter_map(|index| unsafe {
            let this = self.at(index).as_ptr();
            let native = NonNull::new((*this).vm.stack).map(|record| record.as_ref().slot);
            native.or_else(|| (*this).fiber.as_ref()?.stack.as_ref().map(Stack::slot))
        });
        // SAFETY: C4.
        let hot = self.hot_stacks().map(|record| unsafe { record.as_ref() }.slot);
        let idle = self.idle_stacks.iter().map(Stack::slot);
        Statistics {
            alive: self.alive(),
            peak: self.reached as usize,
            created: self.seen().created,
            stacks: self.stacks,
            bytes_reserved: self.stacks * self.pool.slot_size(),
            bytes_resident: self.pool.resident(in_use.chain(hot).chain(idle)),
            guards_by_mprotect: self.pool.guarded_by_mappings(),
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
        debug_assert_eq!(self.at(index).cast(), obj.contref);
        index
    }

    /// The reference with this revision to the continuation at `index`, whether usable or not.
    pub fn get(&self, index: u32, revision: usize) -> Option<VMContObj> {
        let known = index < self.reached;
        known.then(|| VMContObj { contref: self.at(index).cast(), revision })
    }

    /// Every continuation, in any state.
    pub fn iter(&self) -> impl Iterator<Item = NonNull<VMContRef>> + '_ {
        (0..self.reached).map(|index| self.at(index).cast())
    }
}

impl Drop for Continuations {
    fn drop(&mut self) {
        let mut stacks = mem::take(&mut self.idle_stacks);
        let trimmed = stacks.len();
        stacks.reserve_exact(self.stacks - trimmed);
        for index in 0..self.reached {
            // SAFETY: it is initialised, and with the store gone nothing refers to it any more.
            let mut cont = unsafe { self.at(index).read() };
            if let Some(part) = &mut cont.fiber {
                part.fiber.take().map(Stack::abandon);
                stacks.extend(part.stack.take());
            }
            // SAFETY: L2; it was this continuation's.
            stacks.extend(NonNull::new(cont.vm.stack).map(|record| unsafe { Stack::from_record(record) }));
        }
        let hot: Vec<_> = self.hot_stacks().collect();
        // SAFETY: C4; the list goes with `self`.
        stacks.extend(hot.into_iter().map(|record| unsafe { Stack::from_record(record) }));
        debug_assert_eq!(stacks.len(), self.stacks);
        if self.joined {
            self.pool.leave(stacks, trimmed);
        }
        // SAFETY: `new` leaked it.
        drop(unsafe { Box::from_raw(self.lists.as_ptr()) });
        for chunk in self.chunks.drain(..) {
            let chunk = NonNull::slice_from_raw_parts(chunk, CHUNK);
            // SAFETY: `grow` leaked it; what was initialised in it has been read out.
            drop(unsafe { Box::from_raw(chunk.as_ptr()) });
        }
    }
}

impl FiberPart {
    fn new() -> FiberPart {
        FiberPart { stack: None, fiber: None, switch: ptr::null_mut(), wasm_stack: 0, start: 0 }
    }
}

impl Continuation {
    fn new(index: u32) -> Continuation {
        Continuation { vm: VMContRef::FREE, index, slots: Vec::new(), fiber: None }
    }

    /// What the libcall backend has of it besides.
    pub(crate) fn fiber_part(&mut self) -> Result<&mut FiberPart, Error> {
        if self.fiber.is_none() {
            self.fiber = Some(memory::boxed(FiberPart::new()).ok_or(Error::NoMemory)?);
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
        self.fiber.as_ref().is_some_and(|part| {
            assert_eq!(part.stack.is_some(), part.fiber.is_some(), "L2");
            part.fiber.is_some()
        })
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
    #[inline]
    pub(crate) fn stack_range(&self) -> Range<usize> {
        match NonNull::new(self.vm.stack) {
            Some(record) => {
                let top = record.addr().get() + size_of::<VMStack>();
                // SAFETY: L2.
                top - unsafe { record.as_ref() }.size..top
            }
            None => self.fiber.as_ref().map_or(0..0, |part| {
                let size = part.stack.as_ref().map_or(0, Stack::size);
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
    fn forget(&mut self) {
        self.vm.control = VMControlContext::default();
        self.vm.parent = ptr::null_mut();
        self.vm.stack_limit = 0;
        self.vm.resume = ptr::null_mut();
        self.vm.last_ancestor = ptr::null_mut();
        self.vm.parent_entry = ptr::null_mut();
        // What `enter` installs next time: nothing of Wasm is on that stack yet, and if the body is a host
        // function nothing will be.
        self.vm.entry = VMEntryState::default();
        // One that a trap ended in the middle of a `switch` expects another resume (`native`, N5).
        self.vm.far = VMFarHandler::default();
        self.vm.func = ptr::null_mut();
        self.vm.caller_or_child = ptr::null_mut();
        self.vm.values = VMPayloads { data: ptr::null_mut(), length: 0, capacity: 0 };
        self.slots.clear();
        if let Some(part) = &mut self.fiber {
            part.switch = ptr::null_mut();
            part.start = 0;
        }
    }
}

/// Memory of the size that a guest asks for, or which it asks for often: without it the guest gets an error, and the process
/// goes on.
mod memory {
    use std::alloc::{Layout, alloc, alloc_zeroed};
    use std::mem::MaybeUninit;
    use std::ptr;

    /// So many zeros, whose memory need not have been touched.
    pub(super) fn zeroed(len: usize) -> Option<Vec<u128>> {
        let layout = Layout::array::<u128>(len).ok().filter(|layout| layout.size() > 0)?;
        // SAFETY: the layout has a size; a vector of that capacity frees it with the same layout, and zeros are numbers.
        unsafe {
            let start = alloc_zeroed(layout).cast::<u128>();
            (!start.is_null()).then(|| Vec::from_raw_parts(start, len, len))
        }
    }

    /// Room for so many.
    pub(super) fn uninit<T>(len: usize) -> Option<Box<[MaybeUninit<T>]>> {
        let layout = Layout::array::<T>(len).ok().filter(|layout| layout.size() > 0)?;
        // SAFETY: the layout has a size; the box frees it with the same layout, and what is in it need not be initialised.
        unsafe {
            let start = alloc(layout).cast::<MaybeUninit<T>>();
            (!start.is_null()).then(|| Box::from_raw(ptr::slice_from_raw_parts_mut(start, len)))
        }
    }

    /// As [`Box::new`].
    pub(super) fn boxed<T>(value: T) -> Option<Box<T>> {
        let mut room = uninit::<T>(1)?;
        room[0].write(value);
        // SAFETY: it has been written; a box of one has the layout of a slice of one.
        Some(unsafe { Box::from_raw(Box::into_raw(room).cast::<T>()) })
    }
}

#[cfg(test)]
mod tests;
