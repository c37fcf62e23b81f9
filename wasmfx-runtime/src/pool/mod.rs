//! The stacks of an engine, handed out to its stores in batches.
//!
//! ```text
//!                    take: up to half                           take, put: no lock, no atomics
//!   StackPool  ----------------------------->  store's idle stacks  <------>  continuations
//!   (a lock)   <-----------------------------  (128, or its part)
//!                    give back: the older half
//! ```
//!
//! What memory idle stacks keep:
//!
//! | where | how many | each keeps |
//! | --- | --- | --- |
//! | hot in a store | `MAX_HOT_STACKS` per store, none if `keep_resident` is 0 | what it touched |
//! | else in a store | `MAX_IDLE_STACKS` per store, or its part: `IDLE_PART` | `keep_resident` |
//! | warm in the pool | `MAX_WARM_STACKS` per engine, none if `zeroing` | `keep_resident` |
//! | else in the pool | the rest | page tables, until all stacks of its region are back, if that is not one of the first |

mod index;

use crate::Error;
use crate::layout::MAX_UNCHECKED_FRAME;
use crate::limits::{
    DEFAULT_KEEP_RESIDENT, DEFAULT_STACKS, DEFAULT_WASM_STACK, IDLE_PART, MAX_CONTINUATIONS, MAX_HOT_STACKS,
    MAX_IDLE_STACKS, MAX_WARM_STACKS, MIN_WASM_STACK, RESERVE, RESET_STACKS,
};
use crate::stack::{Guards, Regions, Stack, Unready, slot_size};
pub(crate) use index::Indices;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How large and how many the stacks of an engine are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PoolConfig {
    /// The most bytes that Wasm's frames may take of any stack of the engine.
    pub max_wasm_stack: usize,
    /// Bytes of a continuation's stack that Wasm's frames may take: [`MIN_WASM_STACK`] at least, and at most
    /// `max_wasm_stack`, or [`MIN_WASM_STACK`] if that is more. By default, which is `None`, the most. Each stack has
    /// [`RESERVE`] more.
    pub stack_size: Option<usize>,
    /// The most stacks at a time, those included that stores keep idle.
    pub stacks: u32,
    /// The most continuations at a time of a store, whether they have a stack or not.
    pub continuations_per_store: u32,
    /// Bytes of memory that an idle stack may keep, rounded up to pages. A store's last few keep what they have, unless
    /// this is 0.
    pub keep_resident: usize,
    /// How stacks are guarded.
    pub guards: Guards,
    /// Whether Wasm's functions look at the stack limit only after they have touched their frames. Then each stack has
    /// [`MAX_UNCHECKED_FRAME`] more.
    pub unchecked_frames: bool,
    /// Whether a stack that a store gives back is emptied before another store may have it. Then none that is given back
    /// keeps memory.
    pub zeroing: bool,
}

impl Default for PoolConfig {
    fn default() -> PoolConfig {
        PoolConfig {
            max_wasm_stack: DEFAULT_WASM_STACK,
            stack_size: None,
            stacks: DEFAULT_STACKS,
            continuations_per_store: MAX_CONTINUATIONS,
            keep_resident: DEFAULT_KEEP_RESIDENT,
            guards: Guards::Auto,
            unchecked_frames: false,
            zeroing: false,
        }
    }
}

impl PoolConfig {
    /// Bytes of a stack that Wasm's frames may take.
    fn wasm_stack(&self) -> Result<usize, Error> {
        let most = self.max_wasm_stack.max(MIN_WASM_STACK);
        let size = self.stack_size.unwrap_or(most);
        if (MIN_WASM_STACK..=most).contains(&size) && size <= isize::MAX as usize / 2 {
            Ok(size)
        } else {
            Err(Error::StackSize { size: self.stack_size, max_wasm_stack: self.max_wasm_stack })
        }
    }
}

/// The stacks of an engine.
///
/// It reserves address space when the first stack is asked for, and frees all when it is dropped: after the stores whose
/// [`Continuations`](crate::Continuations) share it.
#[derive(Debug)]
pub struct StackPool {
    config: PoolConfig,
    wasm_stack: usize,
    /// Bytes of address space of a stack, its guard included.
    slot_size: usize,
    /// Regions that begin below this slot keep their page tables.
    reset_from: u32,
    regions: Regions,
    slots: Mutex<Slots>,
}

/// The slots of the regions.
#[derive(Debug)]
struct Slots {
    /// Of each region that there may be.
    regions: Vec<RegionSlots>,
    /// Free slots whose stacks have memory. To their region they are taken.
    warm: Vec<u32>,
    /// Places in `warm` that are free and promised to no one.
    room: usize,
    /// Stores that share the pool.
    stores: usize,
}

/// The slots of one region.
#[derive(Debug)]
struct RegionSlots {
    start: u32,
    /// Counted from `start`.
    indices: Indices,
    /// How many stores have.
    out: u32,
}

impl StackPool {
    /// A pool without stacks yet.
    ///
    /// # Errors
    ///
    /// If there can be no stacks of such a size.
    pub fn new(config: PoolConfig) -> Result<StackPool, Error> {
        let wasm_stack = config.wasm_stack()?;
        let unchecked = if config.unchecked_frames { MAX_UNCHECKED_FRAME } else { 0 };
        let stack_size = wasm_stack + unchecked + RESERVE;
        let overflow = Error::StackSize { size: config.stack_size, max_wasm_stack: config.max_wasm_stack };
        let slot_size = slot_size(stack_size).ok_or(overflow)?;
        let regions = Regions::new(config.stacks, stack_size, config.guards, config.zeroing);
        let slots = Slots {
            regions: regions.iter().map(RegionSlots::new).collect(),
            warm: Vec::new(),
            room: if config.keep_resident == 0 || config.zeroing { 0 } else { MAX_WARM_STACKS },
            stores: 0,
        };
        let slots = Mutex::new(slots);
        Ok(StackPool { config, wasm_stack, slot_size, reset_from: RESET_STACKS, regions, slots })
    }

    /// What the pool was made with.
    pub fn config(&self) -> &PoolConfig {
        &self.config
    }

    /// Bytes of a stack that Wasm's frames may take.
    pub(crate) fn wasm_stack(&self) -> usize {
        self.wasm_stack
    }

    /// Bytes of address space that a stack takes, its guard included.
    pub(crate) fn slot_size(&self) -> usize {
        self.slot_size
    }

    /// Idle stacks of a store that are not to be [trimmed](StackPool::trim), at most.
    pub(crate) fn max_hot(&self) -> usize {
        if self.config.keep_resident == 0 { 0 } else { MAX_HOT_STACKS }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        // What panics under the lock has changed nothing, or breaks off an allocation that only loses free slots.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Idle stacks that a store may keep from now on.
    fn max_idle(&self, slots: &Slots) -> usize {
        MAX_IDLE_STACKS.min(self.config.stacks as usize / (IDLE_PART * slots.stores.max(1)))
    }

    /// Notes that one more store shares the pool, until it [leaves](StackPool::leave).
    pub(crate) fn join(&self) {
        self.lock().stores += 1;
    }

    /// Adds stacks to `stacks`: one at least, and up to half of what a store may keep if that many are `wanted`.
    /// Returns how many it may keep.
    pub(crate) fn take(&self, wanted: usize, stacks: &mut Vec<Stack>) -> Result<usize, Error> {
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
        // The best last, as those who take them pop.
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
        Ok(max_idle)
    }

    /// Takes slots that were never used: `wanted`, or one if there is no memory for so many.
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

    /// Gives the memory of a stack that nothing runs on back to the system, but what it may keep.
    pub(crate) fn trim(&self, stack: &Stack) {
        self.regions.trim(stack, self.config.keep_resident);
    }

    /// Takes stacks back that nothing runs on. The first `trimmed` of them have been. Returns how many a store may keep.
    pub(crate) fn give_back(&self, stacks: Vec<Stack>, trimmed: usize) -> usize {
        let warm = {
            let mut slots = self.lock();
            let warm = stacks.len().min(slots.room);
            slots.room -= warm;
            warm
        };
        // Memory first: once a slot is free its memory may be another's.
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
        // The lowest are taken first, so that those in use stay close together.
        for slot in cold {
            let region = &mut slots.regions[self.regions.index(slot)];
            region.out -= 1;
            region.put(slot);
        }
        slots.reset_idle_regions(&self.regions, self.reset_from);
        self.max_idle(&slots)
    }

    /// As [`StackPool::give_back`], of a store that had [joined](StackPool::join) and is no more.
    pub(crate) fn leave(&self, stacks: Vec<Stack>, trimmed: usize) {
        self.give_back(stacks, trimmed);
        self.lock().stores -= 1;
    }

    /// Whether some stacks take mappings of their own for their guards.
    pub(crate) fn guarded_by_mappings(&self) -> bool {
        self.regions.guarded_by_mappings()
    }

    /// Bytes of memory that the stacks of `slots` have; `None` if the system does not tell.
    pub(crate) fn resident(&self, slots: impl Iterator<Item = u32>) -> Option<usize> {
        slots.map(|slot| self.regions.resident(slot)).sum()
    }
}

impl Slots {
    /// A slot that is ready.
    fn take_free(&mut self) -> Option<u32> {
        if let Some(slot) = self.warm.pop() {
            self.room += 1;
            return Some(slot);
        }
        self.regions.iter_mut().find_map(|region| Some(region.start + region.indices.take()?))
    }

    /// Gives page tables back too where a region is idle that begins at slot `from` or above.
    fn reset_idle_regions(&mut self, regions: &Regions, from: u32) {
        for region in self.regions.iter_mut().rev().take_while(|region| region.start >= from) {
            let reached = region.indices.reached();
            let slots = region.start..region.start + reached;
            // What another thread is giving back counts as out until its memory is settled.
            if region.out == 0 && reached > 0 && regions.reset(slots.clone()) {
                let before = self.warm.len();
                self.warm.retain(|slot| !slots.contains(slot));
                self.room += before - self.warm.len();
                region.indices.reset();
            }
        }
    }
}

impl RegionSlots {
    fn new(slots: Range<u32>) -> RegionSlots {
        RegionSlots { start: slots.start, indices: Indices::new(slots.end - slots.start), out: 0 }
    }

    fn put(&mut self, slot: u32) {
        self.indices.put(slot - self.start);
    }
}

/// The runs of numbers in a row in `numbers`, which fall.
fn runs(numbers: &[u32]) -> impl Iterator<Item = Range<u32>> {
    numbers.chunk_by(|a, b| a - 1 == *b).map(|run| run[run.len() - 1]..run[0] + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn config() -> PoolConfig {
        PoolConfig { max_wasm_stack: 64 << 10, ..PoolConfig::default() }
    }

    fn take(pool: &StackPool, count: usize) -> Vec<Stack> {
        let mut stacks = Vec::new();
        while stacks.len() < count {
            pool.take(count - stacks.len(), &mut stacks).unwrap();
        }
        stacks
    }

    fn both_guards(test: impl Fn(PoolConfig)) {
        for guards in [Guards::Auto, Guards::Mprotect] {
            test(PoolConfig { guards, ..config() });
        }
    }

    #[test]
    fn runs_are_found() {
        let found: Vec<_> = runs(&[9, 8, 7, 5, 3, 2]).collect();
        assert_eq!(found, [7..10, 5..6, 2..4]);
        assert_eq!(runs(&[]).count(), 0);
    }

    #[test]
    fn sizes_that_are_too_small_or_overflow_are_errors() {
        for max_wasm_stack in [usize::MAX, usize::MAX - 4096, isize::MAX as usize] {
            for stack_size in [None, Some(0), Some(usize::MAX), Some(isize::MAX as usize)] {
                let config = PoolConfig { max_wasm_stack, stack_size, ..config() };
                assert!(matches!(StackPool::new(config), Err(Error::StackSize { .. })));
            }
        }
        for stack_size in [0, 1, MIN_WASM_STACK - 1, (64 << 10) + 1, usize::MAX, usize::MAX - 4095] {
            let config = PoolConfig { stack_size: Some(stack_size), ..config() };
            assert!(matches!(StackPool::new(config), Err(Error::StackSize { .. })), "{stack_size}");
        }
        for stack_size in [None, Some(MIN_WASM_STACK), Some(20_000), Some(64 << 10)] {
            let config = PoolConfig { stack_size, ..config() };
            let stack = take(&StackPool::new(config).unwrap(), 1).pop().unwrap();
            assert!(stack.size() >= stack_size.unwrap_or(64 << 10) + RESERVE);
        }
    }

    #[test]
    fn the_limit_on_stacks_is_exact() {
        both_guards(|config| {
            let pool = StackPool::new(PoolConfig { stacks: 21, ..config }).unwrap();
            let mut stacks = take(&pool, 21);
            let error = pool.take(1, &mut Vec::new()).unwrap_err();
            assert!(matches!(error, Error::TooManyStacks { limit: 21 }));
            pool.give_back(stacks.split_off(20), 0);
            stacks.extend(take(&pool, 1));
            let slots: BTreeSet<_> = stacks.iter().map(Stack::slot).collect();
            assert_eq!(slots, (0..21).collect());
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        /// Whoever takes and gives back, a stack has one owner.
        #[test]
        fn a_stack_has_one_owner(
            limit in prop_oneof![1u32..60, Just(1000u32)],
            keep_resident in prop_oneof![Just(0usize), Just(4096)],
            steps in prop::collection::vec((any::<bool>(), 0usize..20), 0..60),
        ) {
            let config = PoolConfig { stacks: limit, keep_resident, ..config() };
            let pool = StackPool::new(config).unwrap();
            let mut stacks = Vec::new();
            for (give, count) in steps {
                if give {
                    let rest = stacks.len().saturating_sub(count);
                    pool.give_back(stacks.split_off(rest), 0);
                } else {
                    let before = stacks.len();
                    match pool.take(count, &mut stacks) {
                        Ok(_) => prop_assert!(stacks.len() > before),
                        Err(_) => prop_assert_eq!(before, limit as usize),
                    }
                }
                let slots: BTreeSet<_> = stacks.iter().map(Stack::slot).collect();
                prop_assert_eq!(slots.len(), stacks.len());
                prop_assert!(slots.iter().all(|&slot| slot < limit));
            }
        }
    }

    /// What needs stacks whose memory this crate knows.
    #[cfg(all(unix, not(any(miri, wasmfx_portable))))]
    mod memory {
        use super::*;
        use std::sync::Arc;

        #[test]
        fn stacks_that_do_not_fit_are_an_error() {
            for stack_size in [1 << 47, isize::MAX as usize / 2] {
                let pool = StackPool::new(PoolConfig { max_wasm_stack: stack_size, ..config() }).unwrap();
                for _ in 0..2 {
                    let error = pool.take(1, &mut Vec::new()).unwrap_err();
                    assert!(matches!(error, Error::NoAddresses { .. }), "{error}");
                }
            }
            // As many as there are addresses for.
            let pool = StackPool::new(PoolConfig { max_wasm_stack: 1 << 42, ..config() }).unwrap();
            let mut stacks = Vec::new();
            let error = loop {
                if let Err(error) = pool.take(1, &mut stacks) {
                    break error;
                }
            };
            assert!(matches!(error, Error::NoAddresses { .. }), "{error}");
            assert!(stacks.len() < 32);
            pool.give_back(stacks, 0);
        }

        /// Whether the highest 40 KB of a stack have anything but zeros.
        fn is_dirty(stack: &Stack) -> bool {
            // SAFETY: the stack is this test's.
            unsafe { std::slice::from_raw_parts(stack.top().sub(40_000), 40_000) }
                .iter()
                .any(|&byte| byte != 0)
        }

        #[test]
        fn what_is_given_back_is_empty_if_it_must_be() {
            both_guards(|config| {
                for zeroing in [false, true] {
                    for keep_resident in [0, 16 << 10] {
                        let config = PoolConfig { zeroing, keep_resident, ..config.clone() };
                        let pool = StackPool::new(config).unwrap();
                        for trimmed in [0, 1, 3] {
                            let stacks = take(&pool, 3);
                            assert!(!zeroing || !stacks.iter().any(is_dirty));
                            for stack in &stacks {
                                // SAFETY: as above.
                                unsafe { stack.top().sub(40_000).write_bytes(0xaa, 40_000) };
                            }
                            stacks[..trimmed].iter().for_each(|stack| pool.trim(stack));
                            pool.give_back(stacks, trimmed);
                            let stacks = take(&pool, 3);
                            let kept = !zeroing && keep_resident > 0;
                            assert_eq!(
                                stacks.iter().any(is_dirty),
                                kept,
                                "{zeroing} {keep_resident} {trimmed}"
                            );
                            pool.give_back(stacks, 0);
                        }
                    }
                }
            });
        }

        /// Writes a number of the stack's own near both ends.
        fn mark(stack: &Stack) {
            for at in [8, stack.size()] {
                // SAFETY: the words lie on the stack, which is this test's.
                unsafe { stack.top().wrapping_sub(at).cast::<u64>().write(u64::from(stack.slot()) + 1) };
            }
        }

        /// What [`mark`] wrote, near the guard and near the top.
        fn marks(stack: &Stack) -> [u64; 2] {
            // SAFETY: as above.
            [stack.size(), 8].map(|at| unsafe { stack.top().wrapping_sub(at).cast::<u64>().read() })
        }

        #[test]
        fn stacks_are_writable_from_guard_to_top_and_apart() {
            both_guards(|config| {
                let pool = StackPool::new(config).unwrap();
                let stacks = take(&pool, 100);
                stacks.iter().for_each(mark);
                for stack in &stacks {
                    assert_eq!(marks(stack), [u64::from(stack.slot()) + 1; 2]);
                    assert!(stack.size() >= pool.wasm_stack + RESERVE);
                    assert_eq!(stack.top().addr() % 64, 0);
                }
                let offsets: BTreeSet<_> = stacks.iter().map(|stack| stack.top().addr() % 4096).collect();
                assert_eq!(offsets.len(), 16, "tops are spread over cache lines");
            });
        }

        #[test]
        #[cfg(target_os = "linux")]
        fn guards_fault_and_outlive_reuse() {
            both_guards(|config| {
                let pool = StackPool::new(config).unwrap();
                for _ in 0..3 {
                    let stacks = take(&pool, 40);
                    for stack in &stacks {
                        mark(stack);
                        let guard = stack.top().wrapping_sub(stack.size() + 8);
                        assert!(faults(guard), "below stack {}", stack.slot());
                        assert!(!faults(guard.wrapping_add(8)));
                    }
                    pool.give_back(stacks, 0);
                }
            });
        }

        /// Guards that are refused from some moment on: those that were there stay, and the others are as good, also after all
        /// slots have been given back, or have been begun anew. An error that may pass takes no other guards.
        #[test]
        #[cfg(target_os = "linux")]
        fn guards_that_are_refused() {
            use crate::stack::GUARDS_LEFT;
            let unlimited = (usize::MAX, 0);
            let pool = StackPool::new(config()).unwrap();
            pool.give_back(take(&pool, 1), 0);
            if pool.guarded_by_mappings() {
                eprintln!("left out: this kernel has no guards that take no mappings");
                return;
            }
            for error in [libc::EINVAL, libc::EPERM] {
                for left in [0, 1, 5, 30] {
                    let mut pool = StackPool::new(config()).unwrap();
                    pool.reset_from = 0;
                    GUARDS_LEFT.set((left, error));
                    let mut stacks = take(&pool, 40);
                    GUARDS_LEFT.set(unlimited);
                    for _ in 0..3 {
                        for stack in &stacks {
                            mark(stack);
                            let guard = stack.top().wrapping_sub(stack.size() + 8);
                            assert!(faults(guard), "{left} left, below stack {}", stack.slot());
                            assert!(!faults(guard.wrapping_add(8)));
                        }
                        assert!(pool.guarded_by_mappings());
                        pool.give_back(stacks, 0);
                        stacks = take(&pool, 40);
                    }
                    pool.give_back(stacks, 0);
                }
            }
            let pool = StackPool::new(config()).unwrap();
            GUARDS_LEFT.set((0, libc::ENOMEM));
            assert!(matches!(pool.take(1, &mut Vec::new()), Err(Error::NoStack { .. })));
            GUARDS_LEFT.set(unlimited);
            let stacks = take(&pool, 3);
            assert!(stacks.iter().all(|stack| faults(stack.top().wrapping_sub(stack.size() + 8))));
            assert!(!pool.guarded_by_mappings());
            pool.give_back(stacks, 0);
        }

        /// Whether the kernel, asked to read a word there, reports a fault.
        #[cfg(target_os = "linux")]
        fn faults(address: *mut u8) -> bool {
            let (_reader, writer) = rustix::pipe::pipe().unwrap();
            // SAFETY: the kernel checks the address itself.
            let word = unsafe { libc::write(std::os::fd::AsRawFd::as_raw_fd(&writer), address.cast(), 8) };
            word < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
        }

        #[test]
        fn idle_stacks_keep_no_more_than_they_may() {
            both_guards(|config| {
                let keep = config.keep_resident;
                let count = MAX_WARM_STACKS + 50;
                let pool = StackPool::new(config).unwrap();
                let stacks = take(&pool, count);
                let other = take(&pool, 1);
                stacks.iter().for_each(mark);
                let before = pool.resident(stacks.iter().map(Stack::slot)).unwrap();
                assert!(before >= count * 2 * rustix::param::page_size());
                pool.give_back(stacks, 0);
                let stacks = take(&pool, count);
                assert!(
                    stacks.iter().all(|stack| pool.resident(std::iter::once(stack.slot())).unwrap() <= keep)
                );
                assert!(pool.resident(stacks.iter().map(Stack::slot)).unwrap() <= MAX_WARM_STACKS * keep);
                let warm =
                    stacks.iter().filter(|stack| marks(stack) == [0, u64::from(stack.slot()) + 1]).count();
                let cold = stacks.iter().filter(|stack| marks(stack) == [0, 0]).count();
                assert_eq!((warm, cold), (MAX_WARM_STACKS, 50));
                pool.give_back(stacks, 0);
                pool.give_back(other, 0);
            });
        }

        #[test]
        fn idle_regions_start_anew() {
            both_guards(|config| {
                let mut pool = StackPool::new(config).unwrap();
                pool.reset_from = 1000;
                let mut other = take(&pool, 1);
                for _ in 0..2 {
                    let mut stacks = take(&pool, 3 * 4096);
                    stacks.iter().for_each(mark);
                    assert!(
                        pool.lock()
                            .regions
                            .iter()
                            .filter(|region| region.start >= pool.reset_from && region.out > 0)
                            .count()
                            > 1
                    );
                    // One of the last region, and with the first one above one of the first.
                    other.push(stacks.pop().unwrap());
                    other.iter().for_each(mark);
                    pool.give_back(stacks, 0);
                    let slots = pool.lock();
                    let reset: Vec<_> =
                        slots.regions.iter().filter(|region| region.start >= pool.reset_from).collect();
                    assert!(reset.iter().any(|region| region.out > 0));
                    for region in reset {
                        assert_eq!(region.indices.reached() > 0, region.out > 0);
                        let all = region.start..region.start + region.indices.limit();
                        assert!(region.out > 0 || !slots.warm.iter().any(|slot| all.contains(slot)));
                    }
                    assert_eq!(slots.warm.len() + slots.room, MAX_WARM_STACKS);
                    drop(slots);
                    let stacks = take(&pool, 3 * 4096 - 1);
                    let distinct: BTreeSet<_> = stacks.iter().chain(&other).map(Stack::slot).collect();
                    assert_eq!(distinct.len(), stacks.len() + other.len());
                    for stack in &stacks {
                        let mark = u64::from(stack.slot()) + 1;
                        assert!([[0, 0], [0, mark]].contains(&marks(stack)));
                    }
                    pool.give_back(stacks, 0);
                }
                for stack in &other {
                    assert_eq!(marks(stack), [u64::from(stack.slot()) + 1; 2]);
                }
                pool.give_back(other, 0);
            });
        }

        /// The first stores do not take what the last ones need.
        #[test]
        fn what_stores_may_keep_is_less_than_all() {
            for limit in [1, 10, 100, 1000, 100_000] {
                let pool = StackPool::new(PoolConfig { stacks: limit, ..config() }).unwrap();
                let kept: usize = (0..10_000)
                    .map(|_| {
                        pool.join();
                        pool.max_idle(&pool.lock())
                    })
                    .sum();
                assert!(kept < limit as usize, "{kept} of {limit}");
            }
        }

        #[test]
        fn threads_share_a_pool() {
            let mut pool = StackPool::new(PoolConfig { keep_resident: 4096, ..config() }).unwrap();
            // So that regions are reset all the time.
            pool.reset_from = 0;
            let pool = Arc::new(pool);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for round in 0..200 {
                            let stacks = take(&pool, 1 + round % 70);
                            stacks.iter().for_each(mark);
                            std::thread::yield_now();
                            for stack in &stacks {
                                assert_eq!(marks(stack), [u64::from(stack.slot()) + 1; 2]);
                            }
                            pool.give_back(stacks, 0);
                        }
                    });
                }
            });
            let slots = pool.lock();
            let taken: u32 = slots.regions.iter().map(|region| region.indices.taken()).sum();
            assert_eq!(taken as usize, slots.warm.len());
            assert!(slots.regions.iter().all(|region| region.out == 0));
        }
    }
}
