//! The memory of stacks: regions of equal slots, with a stack in each slot.
//!
//! A region is the memory of one `Reservation`. On Unix that is a part of the address space, reserved at once (`unix.rs`).
//! Elsewhere, where a fiber brings its own stack, and under Miri, wasmtime-fiber makes each stack (`portable.rs`). The
//! [pool](crate::pool) knows which slots are taken.
//!
//! Both files provide
//! * `slot_size`, and `Reservation`: `reserve`, `guards_are_cheap` (whether stacks take no mappings of their own), `ready`
//!   (before the first use of slots), `stack` (of a slot), `trim` and `clear` (give memory back to the system), `reset` (as if
//!   just reserved), `resident`;
//! * `PooledStack`: `slot`, `size`, `into_header` and `from_header` (to and from the header that compiled code uses),
//!   `fiber_stack`, `restore`, `abandon`, `resumer_sp`.

mod guards;
#[cfg(mapped_stacks)]
#[path = "unix.rs"]
mod imp;
#[cfg(not(mapped_stacks))]
#[path = "portable.rs"]
mod imp;

pub use guards::Guards;
#[cfg(all(test, target_os = "linux", mapped_stacks))]
pub(crate) use imp::GUARDS_LEFT;
use imp::Reservation;
pub(crate) use imp::{PooledStack, slot_size};

use crate::limits::FIRST_REGION;
use std::io;
use std::ops::Range;
use std::sync::OnceLock;

/// Regions, each of which is twice as large as the one before. Each is reserved when it is first needed, since a process may have
/// many engines and little address space.
///
/// ```text
/// slot  0        first             3 * first                         7 * first
///       | region | region          | region                          | ...
/// ```
#[derive(Debug)]
pub(crate) struct Reservations {
    /// The number of slots of the first region.
    first: u32,
    /// The number of slots of all regions together.
    limit: u32,
    size: usize,
    guards: Guards,
    zeroing: bool,
    regions: [OnceLock<Reservation>; Reservations::COUNT],
}

impl Reservations {
    /// With this many regions, each slot number has a region.
    const COUNT: usize = 32;

    /// The regions for `limit` stacks of at least `size` bytes each. The first takes about [`FIRST_REGION`] bytes.
    pub(crate) fn new(limit: u32, size: usize, guards: Guards, zeroing: bool) -> Reservations {
        let first = u32::try_from(FIRST_REGION / size.max(1)).unwrap_or(u32::MAX).max(1);
        Reservations {
            first,
            limit,
            size,
            guards,
            zeroing,
            regions: [const { OnceLock::new() }; Reservations::COUNT],
        }
    }

    /// The number of the region that has the slot.
    pub(crate) fn index(&self, slot: u32) -> usize {
        (slot / self.first + 1).ilog2() as usize
    }

    /// The slots of each region.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        (0..Reservations::COUNT).map(|index| self.slots(index)).take_while(|slots| !slots.is_empty())
    }

    /// The slots of region `index`. The range is empty if the limit is below them.
    fn slots(&self, index: usize) -> Range<u32> {
        let start = |index: usize| {
            let slots = u64::from(self.first) * ((1 << index) - 1);
            u32::try_from(slots).unwrap_or(u32::MAX).min(self.limit)
        };
        start(index)..start(index + 1)
    }

    /// The part of `slots` in each region that has some of them.
    fn parts(&self, slots: Range<u32>) -> impl Iterator<Item = Range<u32>> + '_ {
        let part = move |region: Range<u32>| region.start.max(slots.start)..region.end.min(slots.end);
        self.iter().map(part).filter(|part| !part.is_empty())
    }

    fn region(&self, slot: u32) -> &Reservation {
        self.regions[self.index(slot)].get().expect("the slot was made ready")
    }

    /// Makes the memory of `slots` usable. The slots belong to one region, and were never used, or not since they were
    /// [reset](Reservations::reset).
    ///
    /// The caller makes one call at a time. The pool's lock ensures that.
    pub(crate) fn ready(&self, slots: Range<u32>) -> Result<(), Unready> {
        let index = self.index(slots.start);
        let region = match self.regions[index].get() {
            Some(region) => region,
            None => {
                let all = self.slots(index);
                let count = all.len();
                let region = Reservation::reserve(all, self.size, self.guards, self.zeroing)
                    .map_err(|cause| Unready::Addresses { count, cause })?;
                self.regions[index].get_or_init(|| region)
            }
        };
        region.ready(slots).map_err(|cause| Unready::Memory { mappings: !region.guards_are_cheap(), cause })
    }

    /// Whether some stacks take mappings of their own.
    pub(crate) fn guarded_by_mappings(&self) -> bool {
        self.regions.iter().any(|region| region.get().is_some_and(|region| !region.guards_are_cheap()))
    }

    /// The stack of a slot. The slot is ready, and no other [`PooledStack`] of it exists (M2).
    pub(crate) fn stack(&self, slot: u32) -> io::Result<PooledStack> {
        self.region(slot).stack(slot)
    }

    /// Gives all pages of a stack back to the system, except for the highest `keep` bytes. The stack is not in use.
    pub(crate) fn trim(&self, stack: &PooledStack, keep: usize) {
        self.region(stack.slot()).trim(stack, keep);
    }

    /// Gives all pages of `slots` back to the system. The slots are ready, and their stacks are not in use.
    pub(crate) fn clear(&self, slots: Range<u32>) {
        for part in self.parts(slots) {
            self.region(part.start).clear(part);
        }
    }

    /// Gives all memory of `slots` back, page tables included. The slots belong to one region, are ready, and are not in use.
    /// Afterwards they are not ready. If the system refuses, this function returns `false` and changes nothing.
    pub(crate) fn reset(&self, slots: Range<u32>) -> bool {
        self.region(slots.start).reset(slots)
    }

    /// Bytes of memory that the stack of a slot has. `None` if the system does not tell.
    pub(crate) fn resident(&self, slot: u32) -> Option<usize> {
        self.region(slot).resident(slot)
    }
}

/// The reason why slots could not be made ready.
#[derive(Debug)]
pub(crate) enum Unready {
    /// There is no address space for a region of `count` stacks.
    Addresses { count: usize, cause: io::Error },
    /// There is no memory, or, if stacks take `mappings`, there are no more mappings.
    Memory { mappings: bool, cause: io::Error },
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Each slot below the limit is in exactly one region, and `index` finds that region.
        #[test]
        fn regions_partition_the_slots(limit: u32, size in 0usize..1 << 42, slot: u32, length: u32) {
            let regions = Reservations::new(limit, size, Guards::Auto, false);
            let all: Vec<_> = regions.parts(0..limit).collect();
            let mut next = 0;
            for (index, part) in all.iter().enumerate() {
                prop_assert_eq!(part, &regions.slots(index));
                prop_assert_eq!(part.start, next);
                next = part.end;
            }
            prop_assert_eq!(next, limit);
            if limit > 0 {
                let slot = slot % limit;
                prop_assert!(regions.slots(regions.index(slot)).contains(&slot));
                let range = slot..slot.saturating_add(length).min(limit);
                let parts: u64 = regions.parts(range.clone()).map(|part| part.len() as u64).sum();
                prop_assert_eq!(parts, range.len() as u64);
            }
        }
    }
}
