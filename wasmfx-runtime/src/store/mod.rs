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
use crate::arch;
use crate::cont::Continuation;
use crate::error::Error;
use crate::heap::HeapReference;
use crate::limits::{
    MAX_KEPT_SLOTS, MAX_SLOTS, MIN_SEARCHED, MIN_SEARCHED_OBJECTS, OBJECTS_PER_CONTINUATION,
};
use crate::pool::StackPool;
use crate::search::{Found, Search};
use crate::stack::PooledStack;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, PoisonError};

/// All continuations that a store has made.
///
/// A drop gives all stacks back. The frames on stacks of suspended continuations are not run and not unwound. Nothing is lost by
/// that: those frames belong to Wasm, and with the libcall backend also to the engine's libcalls, to wasmtime-fiber and to this
/// crate, and own nothing (S1, S2).
#[derive(Debug)]
pub struct Continuations {
    arena: Arena,
    stacks: Stacks,
    /// The object that compiled code shares. It has an allocation of its own, so that its address never changes.
    context: NonNull<VMContinuationContext>,
    /// The number of continuations that may be alive without a question to the engine's embedder.
    permitted: usize,
    /// How many continuations there are when the store next searches for those that nothing can resume any more.
    search_at: usize,
    /// How many continuations something could resume after the last search.
    found: usize,
    /// How many continuations waited to be resumed in the last collection.
    waiting: usize,
    /// The objects that the first collection after the last search has left.
    objects: Objects,
    /// Continuations that searches have ended.
    reclaimed: u64,
    /// Which references the host holds, by the index of the continuation, up to the last one that it has ever held. A host call that
    /// reads a reference borrows the store only shared.
    held: Mutex<Vec<Held>>,
    /// Slots in all argument buffers of continuations, without the slots in `VMContRef::args`.
    slots: usize,
}

/// The objects that the first collection after a search, or after the store was made, has left.
#[derive(Debug, Clone, Copy)]
enum Objects {
    /// There was no collection since the search.
    NotCollected,
    /// There was one. [`Continuations::search_before_heap_growth`] will be told how much it has left.
    Collected,
    /// So many bytes.
    Left(usize),
}

/// What the host has had of the references to a continuation.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    /// Whether the host holds the reference with this revision.
    is_held: bool,
    revision: usize,
    /// Grows whenever the host gets the reference again.
    last: u64,
}

impl Held {
    /// See [`Continuations::hold`].
    #[inline]
    fn hold(held: &mut Vec<Held>, index: u32, revision: usize) -> u64 {
        let index = index as usize;
        if index >= held.len() {
            held.resize(index + 1, Held::default());
        }
        let entry = &mut held[index];
        // A stale reference holds nothing.
        if revision >= entry.revision {
            (entry.revision, entry.is_held) = (revision, true);
            entry.last += 1;
        }
        entry.last
    }
}

// SAFETY: another thread may own the value: the pointers are to allocations that the value owns. Fibers and stacks are
// bound to no thread. Across a switch a stack holds frames of Wasm, of the engine's libcalls and of this crate, which
// keep nothing of a thread. While an async call waits, a stack also holds frames that the engine lets cross threads on
// the engine's own fibers.
unsafe impl Send for Continuations {}
// SAFETY: several threads may share the value: `&Continuations` only reads, and gives out addresses. Compiled code
// of this store, which writes, does not run while the runtime has the value.
unsafe impl Sync for Continuations {}

impl Continuations {
    /// A store's continuations, of which there are none yet. They take their stacks from `pool`, and the backend of `pool`
    /// switches them.
    pub fn new(pool: Arc<StackPool>) -> Continuations {
        let context = NonNull::from(Box::leak(Box::new(VMContinuationContext {
            free: ptr::null_mut(),
            stacks: ptr::null_mut(),
            room: 0,
            created: 0,
            limit_below: pool.wasm_stack() - size_of::<VMStackHeader>(),
            barrier: VMResumeFrame::BARRIER,
            known: ptr::dangling(),
            known_count: 0,
            initial: VMContRef::FREE,
            backend: pool.config().backend,
        })));
        // SAFETY: the write, and the place: `context` has just been allocated: valid and aligned. Nothing borrows it.
        unsafe { (*context.as_ptr()).initial.resume = &raw mut (*context.as_ptr()).barrier };
        Continuations {
            arena: Arena::default(),
            stacks: Stacks::new(pool, context),
            context,
            permitted: 0,
            search_at: MIN_SEARCHED,
            found: 0,
            waiting: 0,
            objects: Objects::NotCollected,
            reclaimed: 0,
            held: Mutex::default(),
            slots: 0,
        }
    }

    /// The backend that switches the store's stacks.
    #[inline]
    pub fn backend(&self) -> Backend {
        self.context_ref().backend
    }

    /// The object that compiled code shares. The address is valid as long as `self`.
    pub fn context(&self) -> NonNull<VMContinuationContext> {
        self.context
    }

    /// The `VMContRef` that stands for the initial stack. It is the current stack when the host enters Wasm (H2). The address is
    /// valid as long as `self`.
    pub fn initial(&self) -> NonNull<VMContRef> {
        // SAFETY: the place: `new` allocated the context, which lasts as long as `self`. `new_unchecked`: the address
        // of a field of an allocation is not null.
        unsafe { NonNull::new_unchecked(&raw mut (*self.context.as_ptr()).initial) }
    }

    /// As [`Continuations::context`], for reading while no compiled code runs.
    pub(crate) fn context_ref(&self) -> &VMContinuationContext {
        // SAFETY: `as_ref`: `new` allocated the context, which lasts as long as `self`: valid, aligned and initialised.
        // Nothing writes it while `self` is borrowed: H6.
        unsafe { self.context.as_ref() }
    }

    /// As [`Continuations::context`], for writing while no compiled code runs.
    fn context_mut(&mut self) -> &mut VMContinuationContext {
        // SAFETY: `as_mut`: `new` allocated the context, which lasts as long as `self`: valid, aligned and initialised.
        // Nothing else uses it while `self` is borrowed mutably: H6.
        unsafe { self.context.as_mut() }
    }

    /// The pool of the stacks.
    pub(crate) fn pool(&self) -> &Arc<StackPool> {
        self.stacks.pool()
    }

    /// Whether the next [`Continuations::allocate`] has to be permitted. If so, returns how many continuations would be alive
    /// after it: more than ever, and more than the embedder has permitted. The engine asks the embedder, and then calls
    /// [`Continuations::permit`].
    pub fn growing(&self) -> Option<usize> {
        let next = self.arena.len() as usize + 1;
        (self.context_ref().free.is_null() && next > self.permitted).then_some(next)
    }

    /// Notes that `count` continuations may be alive.
    pub fn permit(&mut self, count: usize) {
        self.permitted = self.permitted.max(count);
    }

    /// Makes a fresh continuation that will call `func`, with room for `params` parameters and `results` results.
    ///
    /// The continuation has no stack yet. The libcall backend passes `func` and `caller_vmctx` to
    /// [`Host::call`](crate::Host::call), and the native backend's entry code uses them likewise.
    ///
    /// # Errors
    ///
    /// If the store has as many continuations or slots for arguments as it may have, or if there is no memory.
    ///
    /// # Safety
    ///
    /// When the continuation is resumed, requirement 1 of [`Host::call`](crate::Host::call) holds for `func` and `caller_vmctx`.
    pub unsafe fn allocate(
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
        // SAFETY: `&mut`: C2, L1: valid, aligned and initialised. L3, C4: the continuation is free and on no list, so
        // that nothing else borrows it.
        let this = unsafe { &mut *cont.as_ptr() };
        debug_assert_eq!(this.vm.state(), VMContState::Free);
        debug_assert!(this.slots.is_empty());
        if this.slots.capacity() < needed {
            match alloc::zeroed(needed) {
                Some(slots) => this.slots = slots,
                None => {
                    // SAFETY: of `recycle`: 1: `take_free` or `grow` of `self` returned `cont`, which is free: L2, C4;
                    // 2: L3, and `this` is not used afterwards.
                    unsafe { self.recycle(cont) };
                    return Err(Error::NoMemory);
                }
            }
        } else {
            this.slots.resize(needed, 0);
        }
        self.slots += needed;
        this.vm.func = func;
        this.vm.caller_or_child = caller_vmctx;
        this.vm.last_ancestor = cont.as_ptr().cast();
        // The address is valid longer than the borrow of `this`, which ends here.
        // SAFETY: of `buffer`: 1: it is fresh now; 2: nothing borrows it. The write: as of `this`.
        unsafe {
            let (data, _) = Continuation::buffer(cont.as_ptr());
            (*cont.as_ptr()).vm.values = VMPayloads { data, length: 0, capacity };
        }
        self.context_mut().created += 1;
        Ok(cont.cast())
    }

    /// Takes the continuation that was freed last, if one is free.
    fn take_free(&mut self) -> Option<NonNull<Continuation>> {
        let context = self.context_mut();
        let free = NonNull::new(context.free)?;
        // SAFETY: `as_ref`: C4, C2: `free` is a free continuation of this store: valid, aligned and initialised.
        // Nothing else uses it.
        context.free = unsafe { free.as_ref() }.parent;
        Some(free.cast())
    }

    /// The free continuations (C4).
    fn free(&self) -> impl Iterator<Item = NonNull<VMContRef>> + '_ {
        std::iter::successors(NonNull::new(self.context_ref().free), |free| {
            // SAFETY: `as_ref`: C4, C2: `free` is a free continuation of this store: valid, aligned and initialised.
            // Nothing writes it while `self` is borrowed.
            NonNull::new(unsafe { free.as_ref() }.parent)
        })
    }

    /// Allocates one more continuation.
    ///
    /// # Errors
    ///
    /// If the store has as many as it may have, or if there is no memory.
    #[cold]
    fn grow(&mut self) -> Result<NonNull<Continuation>, Error> {
        let limit = self.pool().config().continuations_per_store;
        if self.arena.len() >= limit {
            return Err(Error::TooManyContinuations { limit });
        }
        let cont = self.arena.grow()?;
        let known = self.arena.known();
        // L1: the address of a `Continuation` is that of its `VMContRef`.
        let (known, count) = (known.as_ptr().cast(), known.len());
        let context = self.context_mut();
        (context.known, context.known_count) = (known, count);
        Ok(cont)
    }

    /// Takes an idle stack of this store, or one from the pool.
    ///
    /// # Errors
    ///
    /// If the engine has as many stacks as it may have, or if the system has no memory or addresses for one.
    #[inline]
    pub(crate) fn take_stack(&mut self) -> Result<PooledStack, Error> {
        self.stacks.take()
    }

    /// Takes back a stack that nothing runs on.
    #[inline]
    pub(crate) fn put_stack(&mut self, stack: PooledStack) {
        self.stacks.put(stack);
    }

    /// Ends a continuation that has run. Its stack and its `VMContRef` become free for other continuations.
    ///
    /// # Safety
    ///
    /// 1. `cont` is a running continuation of `self`.
    /// 2. Its function has returned or was unwound, so that nothing runs on its stack, and nothing borrows `cont`.
    pub(crate) unsafe fn release(&mut self, cont: NonNull<Continuation>) {
        // SAFETY: `&mut`: 1 (C2, L1): `cont` is valid, aligned and initialised; 2: nothing else borrows it.
        let this = unsafe { &mut *cont.as_ptr() };
        assert_eq!(this.vm.state(), VMContState::Running, "only what runs can end");
        // SAFETY: of `take_stack`: 1: this function's 1; 2: this function's 2, and no reference to `cont` is usable
        // (L3).
        let stack = unsafe { this.take_stack(self.backend()) };
        self.put_stack(stack);
        // SAFETY: of `recycle`: 1: this function's 1, and `take_stack` took the stack; it is not on the list, as it was
        // not free; 2: L3: its resume consumed the last reference. `this` is not used afterwards.
        unsafe { self.recycle(cont) };
    }

    /// Ends a fresh continuation, which will never run. No reference to the continuation stays usable (C1).
    ///
    /// # Safety
    ///
    /// `cont` is a fresh continuation of `self`.
    pub(crate) unsafe fn discard(&mut self, cont: NonNull<VMContRef>) {
        let cont = cont.cast::<Continuation>();
        // SAFETY: `&mut`: C2, L1: `cont` is a continuation of `self`, as this function requires: valid, aligned and
        // initialised. A fresh one does not run, so that nothing else borrows it.
        let this = unsafe { &mut *cont.as_ptr() };
        assert_eq!(this.vm.state(), VMContState::Fresh, "only a fresh continuation has run nothing");
        assert!(this.slot(self.backend()).is_none(), "L2");
        this.vm.revision += 1;
        // SAFETY: of `recycle`: 1: `cont` is a continuation of `self`, as this function requires; the assertions: it
        // has no stack, and is not free; 2: no reference has the new revision (C1). `this` is not used afterwards.
        unsafe { self.recycle(cont) };
    }

    /// Ends every continuation from `current` outwards to the host's entry, because a trap unwound Wasm past all of them (N4). If
    /// `current` is the initial stack, there is nothing to end.
    ///
    /// ```text
    ///   current --parent--> ... --parent--> the outermost continuation --parent--> initial
    ///   |<------------------------ these end ----------------------->|
    /// ```
    ///
    /// # Safety
    ///
    /// 1. `current` is the stack of `self` that ran when Wasm was unwound.
    /// 2. Control is back with the host.
    pub unsafe fn abandon(&mut self, mut current: NonNull<VMContRef>) {
        // SAFETY: `as_ref`: 1 (C2): the stacks from `current` to the initial one are valid, aligned and initialised;
        // 2: nothing borrows them. Of `release`: 1: what has a parent here is a running continuation; 2: N4, and this
        // function's 2: Wasm was unwound past it. `release` overwrites `parent`, so that the loop reads `parent` first.
        unsafe {
            while let Some(parent) = NonNull::new(current.as_ref().parent) {
                assert_eq!(self.backend(), Backend::Native, "the libcall backend unwinds stack by stack");
                self.release(current.cast());
                current = parent;
            }
        }
    }

    /// Notes that the host holds the reference with this index and revision. The continuation is not reclaimed until it is consumed
    /// or the host [lets it go](Continuations::let_go). Returns how often the host has got it since it last let it go.
    pub fn hold(&self, index: u32, revision: usize) -> u64 {
        if !Self::SEARCHES {
            return 0;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        Held::hold(&mut held, index, revision)
    }

    /// As [`Continuations::hold`], in less time.
    #[inline]
    pub fn hold_exclusive(&mut self, index: u32, revision: usize) {
        if Self::SEARCHES {
            let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
            Held::hold(held, index, revision);
        }
    }

    /// Notes that the host does not hold the reference with this index and revision any more. With `last`, only if
    /// no [`Continuations::hold`] of it has come after the one that returned this number.
    pub fn let_go(&self, index: u32, revision: usize, last: Option<u64>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_last = |held: &Held| held.revision == revision && last.is_none_or(|last| held.last == last);
        if let Some(held) = held.get_mut(index as usize).filter(|held| is_last(held)) {
            held.is_held = false;
        }
    }

    /// As [`Continuations::let_go`] without `last`, in less time.
    #[inline]
    pub fn let_go_exclusive(&mut self, index: u32, revision: usize) {
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = held.get_mut(index as usize).filter(|held| held.revision == revision) {
            held.is_held = false;
        }
    }

    /// Whether it is time to search for continuations that nothing can resume any more, before another one is made. `objects` are
    /// the bytes of the objects that the search has to look at.
    ///
    /// That is so if none is free and the number of continuations has doubled since the last search. So all searches together
    /// take time in proportion to the continuations that were made.
    pub fn search_before_growth(&self, objects: usize) -> bool {
        let count = self.arena.len() as usize;
        if !Self::SEARCHES {
            return false;
        }
        let due = count >= self.search_at && count >= objects / OBJECTS_PER_CONTINUATION;
        due && self.context_ref().free.is_null()
    }

    /// Notes how many continuations are fresh or suspended, of which a collection looks at each.
    pub fn note_waiting(&mut self, count: usize) {
        self.waiting = count;
        if let Objects::NotCollected = self.objects {
            self.objects = Objects::Collected;
        }
    }

    /// As [`Continuations::search_before_growth`], for a collection of the objects, of which the last one has left so many bytes.
    ///
    /// It is time to search if so many more continuations waited to be resumed in the last collection, than could be resumed after
    /// the last search, that a search is worth the time; or if it is time [before the heap
    /// grows](Continuations::search_before_heap_growth).
    pub fn search_at_collection(&mut self, objects: usize) -> bool {
        let more = self.waiting.saturating_sub(self.found);
        let many = more > self.found / 4 && more > objects / OBJECTS_PER_CONTINUATION;
        self.search_before_heap_growth(objects) || Self::SEARCHES && many
    }

    /// As [`Continuations::search_before_growth`], for the heap of objects, of which the last collection has left so many bytes:
    /// whether continuations wait, and the objects take twice as much as what the first collection after the last search has left.
    pub fn search_before_heap_growth(&mut self, objects: usize) -> bool {
        if let Objects::Collected = self.objects {
            self.objects = Objects::Left(objects);
        }
        let Objects::Left(after_search) = self.objects else {
            return false;
        };
        Self::SEARCHES && self.waiting > 0 && objects / 2 > after_search.max(MIN_SEARCHED_OBJECTS)
    }

    /// Whether a search can find all references: those in registers, too.
    pub const SEARCHES: bool = arch::SAVES_REGISTERS;

    /// Begins a search for the continuations that something can resume. Those that the host holds have been found. `None` if there
    /// is no memory for the search.
    ///
    /// # Safety
    ///
    /// R1 of [`Search`] holds for this store until [`Continuations::reclaim`].
    pub unsafe fn search(&mut self) -> Option<Search> {
        let mut search = Search::new(self.backend(), self.arena.known())?;
        let known = self.arena.known();
        // SAFETY: `as_ref`: C2, L1: valid, aligned and initialised. H6: nothing writes it meanwhile.
        let revision = |index: u32| unsafe { known[index as usize].as_ref() }.vm.revision;
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (index, held) in (0..).zip(held).filter(|(_, held)| held.is_held) {
            if revision(index) == held.revision {
                search.indexed(index, held.revision);
            } else {
                held.is_held = false;
            }
        }
        Some(search)
    }

    /// Ends each fresh or suspended continuation that is not in `found`, without running any of its code. Its stack and its
    /// `VMContRef` become free for other continuations. Returns how many were ended. References to them are stale (C1).
    ///
    /// # Safety
    ///
    /// 1. `found` is what the last [`Continuations::search`] of this store found. R1 has held since.
    /// 2. Frames on the stacks of these continuations need not be unwound (S1, S2).
    pub unsafe fn reclaim(&mut self, found: Found) -> usize {
        // SAFETY: `as_ref`: C2, L1: valid, aligned and initialised. H6: nothing writes it meanwhile.
        let state = |cont: NonNull<Continuation>| unsafe { cont.as_ref() }.vm.state();
        let (mut lost, mut alive, mut stacks, mut others) = (Vec::new(), 0, 0, 0);
        if lost.try_reserve_exact(found.0.iter().filter(|found| !**found).count()).is_err() {
            return 0;
        }
        for (&cont, found) in self.arena.known().iter().zip(&found.0) {
            match state(cont) {
                VMContState::Free => {}
                VMContState::Running => alive += 1,
                VMContState::Fresh | VMContState::Suspended if *found => alive += 1,
                VMContState::Fresh => lost.push(cont),
                VMContState::Suspended => {
                    lost.push(cont);
                    // Those that were captured with it were counted as alive, before or after it.
                    // SAFETY: of `captured`: `cont` is a suspended continuation of `self`.
                    let captured = unsafe { Self::captured(cont) }.count();
                    stacks += captured;
                    others += captured - 1;
                }
            }
        }
        let alive = alive - others;
        if stacks > 0 {
            self.stacks.expect_reclaimed(stacks);
        }
        for &cont in &lost {
            // SAFETY: 1: `cont` is of this store, and in one of these states; 2: this function's 2.
            unsafe { self.end(cont.cast()) };
        }
        let ended = lost.len() + others;
        self.reclaimed += ended as u64;
        (self.found, self.waiting) = (alive, alive);
        self.objects = Objects::NotCollected;
        self.search_at = MIN_SEARCHED.max(2 * alive);
        ended
    }

    /// Ends a continuation that was not resumed since a usable reference to it was made, and those that were captured with it.
    /// None of their code runs. Their stacks serve the next continuations.
    ///
    /// # Safety
    ///
    /// 1. `cont` is a fresh or suspended continuation of `self`.
    /// 2. Frames on these stacks need not be unwound (S1, S2).
    pub unsafe fn end(&mut self, cont: NonNull<VMContRef>) {
        // SAFETY: `as_ref`: 1 (C2): valid, aligned and initialised. Of `discard` and `abandon_suspended`: 1: 1, and the state;
        // 2: 2.
        unsafe {
            match cont.as_ref().state() {
                VMContState::Fresh => self.discard(cont),
                _ => self.abandon_suspended(cont.cast()),
            }
        }
    }

    /// The suspended continuation `cont`, and those whose stacks were captured with it. The iterator has moved on before it returns
    /// one, which may be ended then.
    ///
    /// # Safety
    ///
    /// `cont` is a suspended continuation of a live store.
    unsafe fn captured(cont: NonNull<Continuation>) -> impl Iterator<Item = NonNull<Continuation>> {
        // SAFETY: the reads: C2, L1: `cont` and those that were captured with it are valid, aligned and initialised. None of
        // them runs.
        unsafe {
            let last = (*cont.as_ptr()).vm.last_ancestor;
            let mut next = Some(cont);
            std::iter::from_fn(move || {
                let this = next?;
                let parent = NonNull::new((*this.as_ptr()).vm.parent.cast::<Continuation>());
                next = if this.as_ptr().cast() == last { None } else { parent };
                Some(this)
            })
        }
    }

    /// Ends a suspended continuation, which will never be resumed, and the stacks that were captured with it. No reference to it
    /// stays usable (C1).
    ///
    /// # Safety
    ///
    /// 1. `cont` is a suspended continuation of `self`.
    /// 2. The frames on its stacks need not be unwound.
    unsafe fn abandon_suspended(&mut self, cont: NonNull<Continuation>) {
        let backend = self.backend();
        // SAFETY: of `captured`: 1. The accesses: 1 (C2, L1): `cont` and the stacks that were captured with it are valid, aligned and
        // initialised. None of them runs, so that nothing else borrows them.
        // * Of `take_abandoned_stack`: 1: `self` is of this backend; 2: this function's 2, and nothing resumes it: the
        //   revision has changed (C1), and no reference to the other stacks exists while they are captured (L3).
        // * Of `recycle`: 1: of `self`, without a stack now, and not on the list, as none of them is free; 2: as above.
        unsafe {
            (*cont.as_ptr()).vm.revision += 1;
            for cont in Self::captured(cont) {
                let stack =
                    (*cont.as_ptr()).take_abandoned_stack(backend).expect("L2: what is captured has a stack");
                self.put_stack(stack);
                self.recycle(cont);
            }
        }
    }

    /// Puts a continuation on the `free` list, where the next `cont.new` finds it (C4).
    ///
    /// # Safety
    ///
    /// 1. `cont` is a continuation of `self`. It has no stack, and is not on the list.
    /// 2. No reference to `cont` is usable (C1), and nothing borrows it.
    unsafe fn recycle(&mut self, cont: NonNull<Continuation>) {
        // SAFETY: `&mut`: 1 (C2, L1): `cont` is valid, aligned and initialised; 2: nothing else borrows it.
        let this = unsafe { &mut *cont.as_ptr() };
        self.slots -= this.slots.len();
        if this.slots.capacity() > MAX_KEPT_SLOTS {
            this.slots = Vec::new();
        }
        this.forget();
        (this.walked_at, this.kept) = (0, None);
        let context = self.context_mut();
        this.vm.parent = context.free;
        context.free = cont.as_ptr().cast();
    }

    /// How many continuations are not free. Cost: linear in the number of free ones.
    pub fn alive(&self) -> usize {
        self.arena.len() as usize - self.free().count()
    }

    /// Counts the continuations and their memory. Cost: a system call or more for each stack, to find the resident memory, and
    /// linear in the number of continuations that the store has made.
    pub fn statistics(&self) -> Statistics {
        // SAFETY: `as_ref`: C2, L1: valid, aligned and initialised. A change of a continuation needs `&mut self` or
        // compiled code, which does not run while the runtime has `self`.
        let in_use = self.arena.iter().filter_map(|cont| unsafe { cont.as_ref() }.slot(self.backend()));
        Statistics {
            alive: self.alive(),
            peak: self.arena.len() as usize,
            created: self.context_ref().created,
            reclaimed: self.reclaimed,
            stacks: self.stacks.count(),
            bytes_reserved: self.stacks.count() * self.pool().slot_size(),
            bytes_resident: self.pool().resident(in_use.chain(self.stacks.idle_slots())),
            guards_by_mprotect: self.pool().guarded_by_mappings(),
        }
    }

    /// The index of a continuation in this store. [`Continuations::get`] finds the continuation by this index.
    ///
    /// # Safety
    ///
    /// `obj` is a reference that this store made, usable or not.
    #[inline]
    pub unsafe fn index(&self, obj: VMContObj) -> u32 {
        // SAFETY: the read: C2, L1: a reference that this store made, as this function requires, points to a
        // `Continuation`, even if it is stale: valid, aligned and initialised. Nothing writes `number` after
        // `Continuation::new`.
        let number = unsafe { (*obj.contref.as_ptr().cast::<Continuation>()).identity.number };
        debug_assert_eq!(self.arena.known()[number as usize - 1].cast(), obj.contref);
        number - 1
    }

    /// The reference with this revision to the continuation at `index`, whether usable or not (C1). Returns `None` if the store
    /// has made no continuation with that index.
    #[inline]
    pub fn get(&self, index: u32, revision: usize) -> Option<VMContObj> {
        let contref = self.arena.known().get(index as usize)?.cast();
        Some(VMContObj { contref, revision })
    }

    /// What a field of the type `ty` in an object of a garbage collector holds if `obj` is written to it (C6). `ty` is the number
    /// of a type or [`ANY_CONTINUATION`](crate::abi::ANY_CONTINUATION). `is_subtype(a, b)` says whether the type with the number
    /// `a` is `b` or a subtype of `b`.
    ///
    /// # Safety
    ///
    /// 1. `obj` is a reference that this store made, usable or not, or `None`.
    /// 2. `ty` is a type that `obj` has, if it is usable.
    pub unsafe fn to_heap(
        &mut self,
        obj: Option<VMContObj>,
        ty: u32,
        is_subtype: impl FnOnce(u32, u32) -> bool,
    ) -> HeapReference {
        let Some(VMContObj { contref, revision }) = obj else {
            return HeapReference::NULL;
        };
        // SAFETY: `&mut`: 1 (C2, L1): `contref` points to a `Continuation`: valid, aligned and initialised. H6: no
        // compiled code runs meanwhile, and nothing of this crate borrows `identity` for longer than a call.
        let identity = unsafe { &mut (*contref.cast::<Continuation>().as_ptr()).identity };
        HeapReference::write(identity, revision, ty, is_subtype)
    }

    /// The reference in a field of the type `ty`, whether usable or not. The parameters are those of
    /// [`Continuations::to_heap`].
    ///
    /// # Errors
    ///
    /// [`Error::CorruptHeap`] if nobody can have written `found` to such a field.
    pub fn from_heap(
        &self,
        found: HeapReference,
        ty: u32,
        is_subtype: impl FnOnce(u32, u32) -> bool,
    ) -> Result<Option<VMContObj>, Error> {
        let Some(index) = found.number.checked_sub(1) else {
            return Ok(None);
        };
        let cont = self.arena.known().get(index as usize).ok_or(Error::CorruptHeap)?;
        // SAFETY: `as_ref`: C2, L1: valid, aligned and initialised. H6: no compiled code runs meanwhile, and a change by
        // the runtime needs `&mut self`.
        let identity = unsafe { cont.as_ref() }.identity;
        let revision = found.read(identity, ty, is_subtype)?;
        Ok(Some(VMContObj { contref: cont.cast(), revision }))
    }

    /// The address of each continuation of the store, by index.
    #[inline]
    pub(crate) fn known(&self) -> &[NonNull<Continuation>] {
        self.arena.known()
    }

    /// Every continuation, in any state.
    pub fn iter(&self) -> impl Iterator<Item = NonNull<VMContRef>> + '_ {
        self.arena.iter().map(NonNull::cast)
    }
}

impl Drop for Continuations {
    fn drop(&mut self) {
        let backend = self.backend();
        // SAFETY: `as_mut`: C2, L1: valid, aligned and initialised. The store ends, so that nothing else uses a
        // continuation. Of `take_abandoned_stack`: 1: the arena has the continuations of `self`; 2: the store ends:
        // none of its stacks runs, and none is resumed.
        let take = |mut cont: NonNull<Continuation>| unsafe { cont.as_mut().take_abandoned_stack(backend) };
        self.stacks.leave(self.arena.iter().filter_map(take));
        // SAFETY: `from_raw`: `new` leaked a box of this type, which nothing frees besides this. `stacks` has the
        // address too, and does not use it after `leave`. The addresses that `context` and `initial` gave out are valid
        // only as long as `self`.
        drop(unsafe { Box::from_raw(self.context.as_ptr()) });
    }
}
