//! Which slots of a pool are taken. This is safe code that handles numbers only.

use std::ops::Range;

/// The numbers below a limit, each of which is taken or free.
///
/// ```text
/// 0                      fresh                    limit
/// | taken, or in `free`  | were never taken       |
/// ```
///
/// [`Indices::take`] returns the number that was put back last: the memory that this number stands for is the likeliest to be in
/// a cache. A caller that prefers `take` to [`Indices::take_fresh`] keeps the numbers in use low.
#[derive(Debug)]
pub(crate) struct Indices {
    limit: u32,
    fresh: u32,
    free: Vec<u32>,
}

impl Indices {
    /// All numbers below `limit`, all of them free.
    pub(crate) fn new(limit: u32) -> Indices {
        Indices { limit, fresh: 0, free: Vec::new() }
    }

    /// Takes the number that was put back last. `None` if every free number is fresh.
    pub(crate) fn take(&mut self) -> Option<u32> {
        self.free.pop()
    }

    /// Takes up to `count` consecutive numbers that were never taken. The range is empty if there are none.
    pub(crate) fn take_fresh(&mut self, count: u32) -> Range<u32> {
        let start = self.fresh;
        self.fresh = start.saturating_add(count).min(self.limit);
        start..self.fresh
    }

    /// Undoes the [`Indices::take_fresh`] that returned `range`. It must be the last one that took a number.
    pub(crate) fn untake_fresh(&mut self, range: Range<u32>) {
        assert_eq!(range.end, self.fresh, "only the last ones can be fresh again");
        self.fresh = range.start;
    }

    /// Puts back a number that was taken.
    pub(crate) fn put(&mut self, number: u32) {
        self.free.push(number);
        debug_assert!(self.free.len() <= self.fresh as usize, "a number is put back as often as taken");
    }

    /// The number of taken numbers.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> u32 {
        self.fresh - u32::try_from(self.free.len()).expect("no more than there are numbers")
    }

    /// The limit, which is the number of numbers.
    #[cfg(all(test, mapped_stacks))]
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// The lowest fresh number. Each number below it is taken, or was taken before.
    pub(crate) fn reached(&self) -> u32 {
        self.fresh
    }

    /// Makes all numbers fresh.
    pub(crate) fn reset(&mut self) {
        *self = Indices::new(self.limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Debug, Clone)]
    enum Step {
        Take,
        Fresh(u32),
        Undo,
        Put(usize),
        Reset,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Take),
            2 => (0u32..8).prop_map(Step::Fresh),
            1 => Just(Step::Undo),
            4 => any::<usize>().prop_map(Step::Put),
            1 => Just(Step::Reset),
        ]
    }

    proptest! {
        /// In any sequence of operations, no number is taken twice at the same time, and no number is lost.
        #[test]
        fn numbers_are_taken_once_at_a_time(limit in 0u32..40, steps in prop::collection::vec(step(), 0..200)) {
            let mut indices = Indices::new(limit);
            let mut taken = Vec::new();
            let mut last_fresh = None;
            for step in steps {
                let mut fresh = None;
                match step {
                    Step::Take => taken.extend(indices.take()),
                    Step::Fresh(count) => {
                        let range = indices.take_fresh(count);
                        prop_assert!(range.len() == count as usize || range.end == limit);
                        taken.extend(range.clone());
                        fresh = Some(range);
                    }
                    Step::Undo => if let Some(range) = last_fresh.clone() {
                        let range: Range<u32> = range;
                        taken.retain(|n| !range.contains(n));
                        indices.untake_fresh(range);
                    }
                    Step::Put(which) => if !taken.is_empty() {
                        let number = taken.swap_remove(which % taken.len());
                        indices.put(number);
                        prop_assert_eq!(indices.take(), Some(number));
                        indices.put(number);
                    }
                    Step::Reset => {
                        indices.reset();
                        taken.clear();
                    }
                }
                last_fresh = fresh;
                let distinct: BTreeSet<_> = taken.iter().copied().collect();
                prop_assert_eq!(distinct.len(), taken.len());
                prop_assert_eq!(indices.taken() as usize, taken.len());
                prop_assert!(taken.iter().all(|&n| n < indices.reached()));
                prop_assert!(indices.reached() <= limit);
            }
            // Every number that is not taken can be taken.
            while let Some(number) = indices.take() {
                taken.push(number);
            }
            taken.extend(indices.take_fresh(u32::MAX));
            taken.sort_unstable();
            prop_assert_eq!(taken, (0..limit).collect::<Vec<_>>());
        }
    }
}
