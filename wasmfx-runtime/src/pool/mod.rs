//! The stacks of an engine, handed out to its stores in batches.
//!
//! ```text
//!                    take: up to half                           take, put: no lock, no atomics
//!   StackPool  ----------------------------->  store's idle stacks  <------>  continuations
//!   (a lock)   <-----------------------------  (128, or its part)
//!                    give back: the older half
//! ```
//!
//! Idle stacks keep this much memory:
//!
//! | where the stack is | how many stacks | each keeps |
//! | --- | --- | --- |
//! | hot in a store | `MAX_HOT_STACKS` per store, none if `keep_resident` is 0 | all that it touched |
//! | trimmed in a store | with the hot ones `MAX_IDLE_STACKS` per store, or its part: `IDLE_PART` | `keep_resident` |
//! | warm in the pool | `MAX_WARM_STACKS` per engine, none if `zeroing` | `keep_resident` |
//! | cold in the pool | the rest | page tables |
//!
//! A region loses the page tables too once all of its stacks are back, unless it is one of the first (`RESET_STACKS`).

mod config;
mod index;

pub use self::config::PoolConfig;
use self::index::Indices;
use crate::abi::MAX_UNCHECKED_FRAME;
use crate::error::Error;
use crate::limits::{IDLE_PART, MAX_HOT_STACKS, MAX_IDLE_STACKS, MAX_WARM_STACKS, RESERVE, RESET_STACKS};
use crate::stack::{PooledStack, Reservations, Unready, slot_size};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The stacks of an engine.
///
/// The pool reserves address space when a store first asks for a stack, and frees all address space when it is dropped. Each
/// [`Continuations`](crate::Continuations) holds a reference to its pool, so that the pool outlives the stores that share it.
#[derive(Debug)]
pub struct StackPool {
    config: PoolConfig,
    wasm_stack: usize,
    /// Bytes of address space of a stack, its guard included.
    slot_size: usize,
    /// Regions that begin below this slot keep their page tables. See [`RESET_STACKS`].
    reset_from: u32,
    regions: Reservations,
    slots: Mutex<Slots>,
}

/// The state of all slots.
#[derive(Debug)]
struct Slots {
    /// The slots of each region that the pool may reserve.
    regions: Vec<ReservationSlots>,
    /// Free slots whose stacks keep memory. For the `indices` of their region these slots are taken.
    warm: Vec<u32>,
    /// The number of slots that `warm` may still get. Those that a `give_back` has claimed are subtracted already.
    room: usize,
    /// The number of stores that share the pool.
    stores: usize,
}

/// The slots of one region.
#[derive(Debug)]
struct ReservationSlots {
    start: u32,
    /// Which slots are taken, as numbers counted from `start`.
    indices: Indices,
    /// The number of slots whose stacks stores have, in use or idle.
    out: u32,
}

impl StackPool {
    /// A pool that has no stacks yet.
    ///
    /// # Errors
    ///
    /// [`Error::StackSize`] if there can be no stacks of the configured size.
    pub fn new(config: PoolConfig) -> Result<StackPool, Error> {
        let wasm_stack = config.wasm_stack()?;
        let unchecked = if config.unchecked_frames { MAX_UNCHECKED_FRAME } else { 0 };
        let stack_size = wasm_stack + unchecked + RESERVE;
        let overflow = Error::StackSize { size: config.stack_size, max_wasm_stack: config.max_wasm_stack };
        let slot_size = slot_size(stack_size).ok_or(overflow)?;
        let regions = Reservations::new(config.stacks, stack_size, config.guards, config.zeroing);
        let slots = Slots {
            regions: regions.iter().map(ReservationSlots::new).collect(),
            warm: Vec::new(),
            room: if config.keep_resident == 0 || config.zeroing { 0 } else { MAX_WARM_STACKS },
            stores: 0,
        };
        let slots = Mutex::new(slots);
        Ok(StackPool { config, wasm_stack, slot_size, reset_from: RESET_STACKS, regions, slots })
    }

    /// The configuration that the pool was made with.
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// Bytes of a stack that Wasm's frames may take.
    pub(crate) fn wasm_stack(&self) -> usize {
        self.wasm_stack
    }

    /// Bytes of address space of a stack, its guard included.
    pub(crate) fn slot_size(&self) -> usize {
        self.slot_size
    }

    /// The most idle stacks of a store that need not be [trimmed](StackPool::trim).
    pub(crate) fn max_hot(&self) -> usize {
        if self.config.keep_resident == 0 { 0 } else { MAX_HOT_STACKS }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        // A panic under the lock leaves the slots sound: either nothing has changed, or an allocation breaks off, which only
        // loses free slots.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The most idle stacks that a store may keep from here on.
    fn max_idle(&self, slots: &Slots) -> usize {
        MAX_IDLE_STACKS.min(self.share(slots))
    }

    /// The idle stacks of a store that leave enough for the other stores.
    fn share(&self, slots: &Slots) -> usize {
        self.config.stacks as usize / (IDLE_PART * slots.stores.max(1))
    }

    /// The idle stacks of a store that leave enough for the other stores, from here on.
    pub(crate) fn current_share(&self) -> usize {
        self.share(&self.lock())
    }

    /// Notes that one more store shares the pool. The store [leaves](StackPool::leave) when it ends.
    pub(crate) fn join(&self) {
        self.lock().stores += 1;
    }

    /// Adds at least one stack to `stacks`, and up to `wanted` stacks, but no more than half of what a store may keep idle.
    /// Returns how many idle stacks a store may keep.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyStacks`], [`Error::NoStack`] or [`Error::NoAddresses`]. `stacks` is then unchanged.
    pub(crate) fn take(&self, wanted: usize, stacks: &mut Vec<PooledStack>) -> Result<usize, Error> {
        let mut slots = self.lock();
        let max_idle = self.max_idle(&slots);
        let wanted = wanted.min(max_idle / 2).max(1);
        let mut taken = Vec::with_capacity(wanted);
        while taken.len() < wanted
            && let Some(slot) = slots.take_free()
        {
            taken.push(slot);
        }
        if taken.is_empty() {
            taken.extend(self.take_fresh(&mut slots, wanted)?);
        }
        // `taken` begins with the slot that was put back last. A store pops the last of its stacks first, so that the order is
        // reversed here.
        let before = stacks.len();
        while let Some(slot) = taken.pop() {
            match self.regions.stack(slot) {
                Ok(stack) => {
                    slots.regions[self.regions.index(slot)].out += 1;
                    stacks.push(stack);
                }
                Err(cause) => {
                    for slot in taken.into_iter().chain([slot]) {
                        slots.regions[self.regions.index(slot)].put(slot);
                    }
                    if stacks.len() > before {
                        break;
                    }
                    let unready = Unready::Memory { mappings: false, cause };
                    return Err(self.no_stack(&slots, unready));
                }
            }
        }
        Ok(self.share(&slots))
    }

    /// Takes slots that were never used, or not since their region was reset: up to `wanted` consecutive ones of one region, or a
    /// single one if there is no memory for so many.
    fn take_fresh(&self, slots: &mut Slots, wanted: usize) -> Result<Range<u32>, Error> {
        let mut wanted = u32::try_from(wanted).expect("a few");
        for region in &mut slots.regions {
            loop {
                let fresh = region.indices.take_fresh(wanted);
                if fresh.is_empty() {
                    break;
                }
                let numbers = region.start + fresh.start..region.start + fresh.end;
                match self.regions.ready(numbers.clone()) {
                    Ok(()) => return Ok(numbers),
                    Err(unready) => {
                        region.indices.untake_fresh(fresh);
                        if numbers.len() == 1 {
                            return Err(self.no_stack(slots, unready));
                        }
                        wanted = 1;
                    }
                }
            }
        }
        Err(Error::TooManyStacks { limit: self.config.stacks })
    }

    #[cold]
    fn no_stack(&self, slots: &Slots, unready: Unready) -> Error {
        let size = self.slot_size;
        match unready {
            Unready::Addresses { count, cause } => Error::NoAddresses { size, count, cause: cause.into() },
            Unready::Memory { mappings, cause } => {
                let held = slots.regions.iter().map(|region| region.out).sum();
                Error::NoStack { size, held, mappings, cause: cause.into() }
            }
        }
    }

    /// Gives the memory of a stack that nothing runs on back to the system, except for the highest `keep_resident` bytes.
    pub(crate) fn trim(&self, stack: &PooledStack) {
        self.regions.trim(stack, self.config.keep_resident);
    }

    /// Takes stacks back that nothing runs on. The first `trimmed` of them were [trimmed](StackPool::trim). Returns how many idle
    /// stacks a store may keep.
    pub(crate) fn give_back(&self, stacks: Vec<PooledStack>, trimmed: usize) -> usize {
        let warm = {
            let mut slots = self.lock();
            let warm = stacks.len().min(slots.room);
            slots.room -= warm;
            warm
        };
        // The memory goes first. Once a slot is free, another thread may take it and use its memory:
        //
        //   this thread     claim room | trim, clear: no lock | lock: free the slots
        //   other threads                                     | take the slots
        let mut numbers = Vec::with_capacity(stacks.len());
        for (i, stack) in stacks.into_iter().enumerate() {
            if (trimmed..warm).contains(&i) {
                self.trim(&stack);
            }
            numbers.push(stack.slot());
        }
        let mut cold = numbers.split_off(warm);
        cold.sort_unstable_by(|a, b| b.cmp(a));
        for run in runs(&cold) {
            self.regions.clear(run);
        }
        let mut slots = self.lock();
        for &slot in &numbers {
            slots.regions[self.regions.index(slot)].out -= 1;
        }
        slots.warm.extend(numbers);
        // `cold` falls, so that the lowest slot is put back last and taken first. The slots in use stay close together.
        for slot in cold {
            let region = &mut slots.regions[self.regions.index(slot)];
            region.out -= 1;
            region.put(slot);
        }
        slots.reset_idle_regions(&self.regions, self.reset_from);
        self.share(&slots)
    }

    /// As [`StackPool::give_back`], for a store that had [joined](StackPool::join) and ends.
    pub(crate) fn leave(&self, stacks: Vec<PooledStack>, trimmed: usize) {
        self.give_back(stacks, trimmed);
        self.lock().stores -= 1;
    }

    /// Whether some stacks take mappings of their own for their guards.
    pub(crate) fn guarded_by_mappings(&self) -> bool {
        self.regions.guarded_by_mappings()
    }

    /// Bytes of memory that the stacks of `slots` have. `None` if the system does not tell.
    pub(crate) fn resident(&self, slots: impl Iterator<Item = u32>) -> Option<usize> {
        slots.map(|slot| self.regions.resident(slot)).sum()
    }
}

impl Slots {
    /// Takes a free slot whose memory is ready: a warm one, if there is one.
    fn take_free(&mut self) -> Option<u32> {
        if let Some(slot) = self.warm.pop() {
            self.room += 1;
            return Some(slot);
        }
        self.regions.iter_mut().find_map(|region| Some(region.start + region.indices.take()?))
    }

    /// Gives back all memory, page tables included, of each idle region that begins at slot `from` or above.
    fn reset_idle_regions(&mut self, regions: &Reservations, from: u32) {
        for region in self.regions.iter_mut().rev().take_while(|region| region.start >= from) {
            let reached = region.indices.reached();
            let slots = region.start..region.start + reached;
            // A slot that another thread is giving back counts in `out` until that thread is done with its memory.
            if region.out == 0 && reached > 0 && regions.reset(slots.clone()) {
                let before = self.warm.len();
                self.warm.retain(|slot| !slots.contains(slot));
                self.room += before - self.warm.len();
                region.indices.reset();
            }
        }
    }
}

impl ReservationSlots {
    fn new(slots: Range<u32>) -> ReservationSlots {
        ReservationSlots { start: slots.start, indices: Indices::new(slots.end - slots.start), out: 0 }
    }

    fn put(&mut self, slot: u32) {
        self.indices.put(slot - self.start);
    }
}

/// The runs of consecutive numbers in `numbers`. `numbers` must fall strictly.
fn runs(numbers: &[u32]) -> impl Iterator<Item = Range<u32>> {
    numbers.chunk_by(|a, b| a - 1 == *b).map(|run| run[run.len() - 1]..run[0] + 1)
}

#[cfg(test)]
mod tests;
