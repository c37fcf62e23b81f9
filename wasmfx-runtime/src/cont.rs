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
//! * **L2.** A continuation has a stack exactly while it is running or suspended, and with the libcall backend
//!   a fiber too. Native backend: a stack from just before, when [`native::start`](crate::native::start) readies it.
//! * **L3.** In state `Free` no reference to a continuation is usable (C1): the last one was consumed
//!   when it was resumed, and only a capture, which is of a running one, makes another.
//! * **L4.** A fiber is resumed only by the `resume` that runs its continuation, and suspends only to it.

use crate::Error;
use crate::layout::{VMContObj, VMContRef, VMContState, VMControlContext, VMEntryState, VMPayloads};
use crate::libcall::{Fiber, Switch};
use crate::limits::{MAX_KEPT_SLOTS, MAX_SLOTS};
use crate::pool::{Indices, StackPool};
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
    /// The memory of `vm.values` while fresh, and of the function's results.
    pub(crate) slots: Vec<u128>,
    /// Running and suspended.
    pub(crate) stack: Option<Stack>,
    /// Running and suspended, libcall backend.
    pub(crate) fiber: Option<Fiber>,
    /// How the fiber suspends itself. Running and suspended, once it has started.
    pub(crate) switch: *mut Switch,
    /// The most that Wasm's frames may take on its stack, in bytes. Running and suspended, libcall backend.
    pub(crate) max_wasm_stack: usize,
    /// The addresses of the stack, from where its fiber starts down. Running and suspended, once it has
    /// started.
    pub(crate) stack_range: Range<usize>,
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
    /// Allocations of [`CHUNK`] continuations each, of which the first [`Indices::reached`] in all are
    /// initialised (L1).
    chunks: Vec<NonNull<MaybeUninit<Continuation>>>,
    /// Those not in state `Free` are taken.
    indices: Indices,
    /// Those that the engine's embedder was asked about, or need not be.
    permitted: usize,
    /// Stacks that nothing runs on, the one used last at the end.
    idle_stacks: Vec<Stack>,
    /// How many of the first idle stacks have been trimmed.
    cool: usize,
    /// How many may be idle.
    max_idle: usize,
    /// How many idle ones may not have been trimmed.
    max_hot: usize,
    /// Whether the pool knows of this store.
    joined: bool,
    /// Stacks in use or idle.
    stacks: usize,
    /// Slots of the argument buffers of all that are not free.
    slots: usize,
    /// How many were ever made.
    created: u64,
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
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Statistics { alive, peak, created, stacks, bytes_reserved, bytes_resident } = self;
        write!(
            f,
            "continuations: {alive} alive, {peak} at most, {created} made; \
             stacks: {stacks}, {bytes_reserved} bytes of addresses, "
        )?;
        match bytes_resident {
            Some(bytes) => write!(f, "{bytes} bytes of memory"),
            None => f.write_str("unknown bytes of memory"),
        }
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
        Continuations {
            indices: Indices::new(pool.config().continuations_per_store),
            max_hot: pool.max_hot(),
            pool,
            chunks: Vec::new(),
            permitted: 0,
            idle_stacks: Vec::new(),
            cool: 0,
            max_idle: 0,
            joined: false,
            stacks: 0,
            slots: 0,
            created: 0,
        }
    }

    /// The pool that its stacks are from.
    pub(crate) fn pool(&self) -> &Arc<StackPool> {
        &self.pool
    }

    /// How many continuations would be alive if the next [`Continuations::allocate`] succeeded, if that is more than
    /// ever and nobody has been asked whether so many may be: ask, then [`Continuations::permit`].
    pub fn growing(&self) -> Option<usize> {
        let next = self.indices.taken() as usize + 1;
        (next > self.permitted).then_some(next)
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
        if self.slots + capacity as usize > MAX_SLOTS {
            return Err(Error::TooManyArguments { limit: MAX_SLOTS });
        }
        let index = match self.indices.take() {
            Some(index) => index,
            None => self.grow()?,
        };
        let cont = self.at(index);
        self.slots += capacity as usize;
        // SAFETY: the continuation is free, so that nothing but `self` refers to it usefully (L3).
        let this = unsafe { &mut *cont.as_ptr() };
        debug_assert_eq!(this.vm.state(), VMContState::Free);
        this.slots.clear();
        if this.slots.capacity() < capacity as usize {
            // Unlike `resize`, this need not touch the memory.
            this.slots = vec![0; capacity as usize];
        } else {
            this.slots.resize(capacity as usize, 0);
        }
        this.vm.values = VMPayloads { data: this.slots.as_mut_ptr(), length: 0, capacity };
        this.vm.func = func;
        this.vm.caller_vmctx = caller_vmctx;
        this.vm.last_ancestor = cont.as_ptr().cast();
        self.created += 1;
        Ok(cont.cast())
    }

    /// The continuation at an index that [`Indices::reached`] is above.
    #[inline]
    fn at(&self, index: u32) -> NonNull<Continuation> {
        let (chunk, place) = (index as usize / CHUNK, index as usize % CHUNK);
        // SAFETY: a chunk has so many places.
        unsafe { self.chunks[chunk].add(place).cast() }
    }

    /// Initialises one more continuation, and takes it.
    #[cold]
    fn grow(&mut self) -> Result<u32, Error> {
        let Some(index) = self.indices.take_fresh(1).next() else {
            return Err(Error::TooManyContinuations { limit: self.indices.limit() });
        };
        if index as usize == self.chunks.len() * CHUNK {
            let chunk = Box::<[Continuation]>::new_uninit_slice(CHUNK);
            self.chunks.push(NonNull::from(Box::leak(chunk)).cast());
        }
        // SAFETY: nothing refers to this place of the chunk yet.
        unsafe { self.at(index).write(Continuation::new(index)) };
        Ok(index)
    }

    /// A stack, idle or the pool's.
    #[inline]
    pub(crate) fn take_stack(&mut self) -> Result<Stack, Error> {
        if self.idle_stacks.is_empty() {
            self.take_stacks()?;
        }
        let stack = self.idle_stacks.pop().expect("the pool adds one at least");
        self.cool = self.cool.min(self.idle_stacks.len());
        Ok(stack)
    }

    #[cold]
    fn take_stacks(&mut self) -> Result<(), Error> {
        if !self.joined {
            self.pool.join();
            self.joined = true;
        }
        // As many as there are: a store with one continuation has no use for a batch.
        self.max_idle = self.pool.take(self.stacks, &mut self.idle_stacks)?;
        self.stacks += self.idle_stacks.len();
        self.cool = self.idle_stacks.len();
        Ok(())
    }

    /// Takes back a stack that nothing runs on.
    #[inline]
    pub(crate) fn put_stack(&mut self, stack: Stack) {
        self.idle_stacks.push(stack);
        let idle = self.idle_stacks.len();
        if idle > self.max_idle || idle - self.cool > self.max_hot {
            self.tidy();
        }
    }

    /// Gives the older half of the idle stacks back if they are too many, or the older half of the hot ones' memory.
    #[cold]
    fn tidy(&mut self) {
        let idle = self.idle_stacks.len();
        if idle > self.max_idle {
            let surplus = idle - self.max_idle / 2;
            let trimmed = self.cool.min(surplus);
            self.cool -= trimmed;
            self.stacks -= surplus;
            let stacks = self.idle_stacks.drain(..surplus).collect();
            self.max_idle = self.pool.give_back(stacks, trimmed);
        }
        let idle = self.idle_stacks.len();
        if idle - self.cool > self.max_hot {
            let cool = idle - self.max_hot / 2;
            self.idle_stacks[self.cool..cool].iter().for_each(|stack| self.pool.trim(stack));
            self.cool = cool;
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
        let mut stack = this.stack.take().expect("L2: a running continuation has a stack");
        if let Some(fiber) = this.fiber.take() {
            stack.restore(fiber.into_stack());
        }
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
        assert!(this.stack.is_none(), "L2");
        this.vm.revision += 1;
        self.recycle(cont);
    }

    /// Ends every continuation from `current`, which may be null, outwards to the host's entry: Wasm was
    /// unwound past them all.
    ///
    /// # Safety
    ///
    /// `current` is what ran when Wasm was unwound, and control is back with the host.
    pub unsafe fn abandon(&mut self, current: *mut VMContRef) {
        let mut next = NonNull::new(current);
        while let Some(cont) = next {
            // SAFETY: the caller vouches for it: these are running continuations of this store, and nothing
            // goes on on their stacks.
            unsafe {
                next = NonNull::new((*cont.as_ptr()).parent);
                assert!((*cont.as_ptr()).is_native(), "the libcall backend unwinds stack by stack");
                self.release(cont.cast());
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
        self.indices.put(this.index);
    }

    /// How many continuations are not free.
    pub fn alive(&self) -> usize {
        self.indices.taken() as usize
    }

    /// What there is, counted. To find the resident memory takes a system call for each stack.
    pub fn statistics(&self) -> Statistics {
        let in_use = (0..self.indices.reached()).filter_map(|index| {
            // SAFETY: it is initialised, and who changes its stack has `self` to itself.
            unsafe { (*self.at(index).as_ptr()).stack.as_ref() }
        });
        Statistics {
            alive: self.alive(),
            peak: self.indices.reached() as usize,
            created: self.created,
            stacks: self.stacks,
            bytes_reserved: self.stacks * self.pool.slot_size(),
            bytes_resident: self.pool.resident(in_use.chain(&self.idle_stacks)),
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
        let known = index < self.indices.reached();
        known.then(|| VMContObj { contref: self.at(index).cast(), revision })
    }

    /// Every continuation, in any state.
    pub fn iter(&self) -> impl Iterator<Item = NonNull<VMContRef>> + '_ {
        (0..self.indices.reached()).map(|index| self.at(index).cast())
    }
}

impl Drop for Continuations {
    fn drop(&mut self) {
        let mut stacks = mem::take(&mut self.idle_stacks);
        stacks.reserve_exact(self.stacks - stacks.len());
        for index in 0..self.indices.reached() {
            // SAFETY: it is initialised, and with the store gone nothing refers to it any more.
            let mut cont = unsafe { self.at(index).read() };
            if let Some(fiber) = cont.fiber.take() {
                Stack::abandon(fiber);
            }
            stacks.extend(cont.stack.take());
        }
        debug_assert_eq!(stacks.len(), self.stacks);
        if self.joined {
            self.pool.leave(stacks, self.cool);
        }
        for chunk in self.chunks.drain(..) {
            let chunk = NonNull::slice_from_raw_parts(chunk, CHUNK);
            // SAFETY: `grow` leaked it; what was initialised in it has been read out.
            drop(unsafe { Box::from_raw(chunk.as_ptr()) });
        }
    }
}

impl Continuation {
    fn new(index: u32) -> Continuation {
        Continuation {
            vm: VMContRef {
                control: VMControlContext::default(),
                parent: ptr::null_mut(),
                revision: 0,
                stack_limit: 0,
                resume: ptr::null_mut(),
                last_ancestor: ptr::null_mut(),
                values: VMPayloads { data: ptr::null_mut(), length: 0, capacity: 0 },
                func: ptr::null_mut(),
                caller_vmctx: ptr::null_mut(),
                waits_for: 0,
                throws: 0,
                parent_entry: ptr::null_mut(),
                entry: VMEntryState::default(),
            },
            index,
            slots: Vec::new(),
            stack: None,
            fiber: None,
            switch: ptr::null_mut(),
            max_wasm_stack: 0,
            stack_range: 0..0,
        }
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
        self.vm.func = ptr::null_mut();
        self.vm.caller_vmctx = ptr::null_mut();
        self.vm.values = VMPayloads { data: ptr::null_mut(), length: 0, capacity: 0 };
        self.switch = ptr::null_mut();
        self.stack_range = 0..0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PoolConfig;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[derive(Debug, Clone)]
    enum Step {
        New(u32, u32),
        /// Of the nth reference that is usable: is it resumed for the first time, or again?
        Resume(usize),
        /// Of the nth that runs: is it captured, or does it end?
        Leave(usize, bool),
        Discard(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0u32..40, 0u32..40).prop_map(|(params, results)| Step::New(params, results)),
            4 => any::<usize>().prop_map(Step::Resume),
            4 => (any::<usize>(), any::<bool>()).prop_map(|(which, ends)| Step::Leave(which, ends)),
            1 => any::<usize>().prop_map(Step::Discard),
        ]
    }

    /// Takes the nth, if there are any.
    fn nth<T>(all: &mut Vec<T>, n: usize) -> Option<T> {
        (!all.is_empty()).then(|| all.swap_remove(n % all.len()))
    }

    proptest! {
        /// Whatever is made, resumed, captured and ended, references are usable once, counts are right, and nothing is
        /// lost. What resumes and captures do to a `VMContRef` is done here by hand.
        #[test]
        fn a_reference_is_usable_once(
            limit in prop_oneof![0u32..50, Just(1000)],
            stacks in prop_oneof![0u32..50, Just(2000)],
            keep_resident in prop_oneof![Just(0usize), Just(4096)],
            start in prop_oneof![3 => Just(0u32), 1 => 60u32..150],
            steps in prop::collection::vec(step(), 0..300),
        ) {
            let config = PoolConfig {
                continuations_per_store: limit,
                stacks,
                keep_resident,
                ..PoolConfig::default()
            };
            let pool = Arc::new(StackPool::new(config).unwrap());
            let mut all = Continuations::new(pool.clone());
            // Usable references, those to fresh ones with their slots; what runs; and every reference ever.
            let (mut usable, mut running) = (Vec::<(VMContObj, Option<u32>)>::new(), Vec::new());
            let mut ever: HashMap<(usize, usize), VMContObj> = HashMap::new();
            let (mut slots, mut created, mut peak) = (0, 0, 0);
            // Many at first, so that there are batches to give back.
            let many = (0..start).flat_map(|_| [Step::New(1, 1), Step::Resume(usize::MAX)]);
            let end = (0..start).map(|_| Step::Leave(0, true));
            for step in many.chain(end).chain(steps) {
                match step {
                    Step::New(params, results) => {
                        let full = usable.len() + running.len() == limit as usize;
                        match all.allocate(ptr::dangling_mut(), ptr::dangling_mut(), params, results) {
                            Err(_) => prop_assert!(full),
                            Ok(contref) => {
                                prop_assert!(!full);
                                // SAFETY: it has just been made.
                                let revision = unsafe { contref.as_ref() }.revision;
                                let obj = VMContObj { contref, revision };
                                prop_assert!(ever.insert((contref.addr().get(), revision), obj).is_none());
                                usable.push((obj, Some(params.max(results))));
                                created += 1;
                                slots += params.max(results) as usize;
                            }
                        }
                    }
                    Step::Resume(n) => if let Some((obj, fresh)) = nth(&mut usable, n) {
                        let stack = if fresh.is_some() { all.take_stack().map(Some) } else { Ok(None) };
                        let Ok(stack) = stack else {
                            prop_assert!(all.stacks == stacks as usize);
                            usable.push((obj, fresh));
                            continue;
                        };
                        // SAFETY: it is alive, and nothing else borrows it.
                        let this = unsafe { &mut *obj.contref.cast::<Continuation>().as_ptr() };
                        this.stack = stack.or(this.stack.take());
                        this.vm.revision += 1;
                        this.vm.last_ancestor = ptr::null_mut();
                        this.vm.resume = ptr::dangling_mut();
                        running.push(obj.contref);
                    }
                    Step::Leave(n, ends) => if let Some(contref) = nth(&mut running, n) {
                        // SAFETY: it runs, as far as `all` knows, and has a stack.
                        unsafe {
                            let this = contref.cast::<Continuation>().as_ptr();
                            if ends {
                                slots -= (*this).slots.len();
                                all.release(contref.cast());
                            } else {
                                (*this).vm.func = ptr::null_mut();
                                (*this).vm.last_ancestor = this.cast();
                                let obj = VMContObj { contref, revision: (*this).vm.revision };
                                prop_assert!(ever.insert((contref.addr().get(), obj.revision), obj).is_none());
                                usable.push((obj, None));
                            }
                        }
                    }
                    Step::Discard(n) => if !usable.is_empty() {
                        let n = n % usable.len();
                        if let (obj, Some(capacity)) = usable[n] {
                            usable.swap_remove(n);
                            slots -= capacity as usize;
                            // SAFETY: it is fresh.
                            unsafe { all.discard(obj.contref) };
                        }
                    }
                }
                peak = peak.max(usable.len() + running.len());
                let (alive, reached) = (all.alive(), all.indices.reached() as usize);
                prop_assert_eq!((alive, reached, all.created), (usable.len() + running.len(), peak, created));
                prop_assert_eq!(all.slots, slots);
                let idle = all.idle_stacks.len();
                prop_assert!(all.cool <= idle && idle - all.cool <= all.max_hot && idle <= all.max_idle.max(1));
                // SAFETY: they are all of `all` (C2).
                let fit = ever.values().filter(|obj| unsafe { obj.contref.as_ref() }.revision == obj.revision);
                // Those that are usable, and of those that are free the next one's, which nobody has yet.
                for obj in fit {
                    // SAFETY: as above.
                    let state = unsafe { obj.contref.as_ref() }.state();
                    let has = usable.iter().any(|(other, _)| other == obj);
                    prop_assert_eq!(has, matches!(state, VMContState::Fresh | VMContState::Suspended));
                    prop_assert!(has, "a reference that was used up is as good as new");
                }
            }
            drop(all);
            // All stacks are back.
            let mut next = Continuations::new(pool);
            let mut taken = Vec::new();
            while let Ok(stack) = next.take_stack() {
                taken.push(stack);
            }
            prop_assert_eq!(taken.len(), stacks as usize);
            taken.into_iter().for_each(|stack| next.put_stack(stack));
        }
    }
}
