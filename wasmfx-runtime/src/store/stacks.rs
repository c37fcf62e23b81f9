//! The idle stacks of a store, which wait here for the next continuations. A stack in use belongs to its continuation.
//!
//! ```text
//!            take, put: compiled code too                 cool down: half of the list
//!   continuations  <------------->  context.stacks (hot) ------------------------------> idle (trimmed) <---> pool
//! ```

use crate::abi::{VMContinuationContext, VMStackHeader};
use crate::error::Error;
use crate::limits::{MAX_IDLE_STACKS, MAX_RECLAIMED_STACKS};
use crate::pool::StackPool;
use crate::stack::PooledStack;
use std::mem;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// A store's stacks.
#[derive(Debug)]
pub(super) struct Stacks {
    pool: Arc<StackPool>,
    /// The store's context. Its list has the hot stacks: those that are idle and have not been trimmed (C4).
    context: NonNull<VMContinuationContext>,
    /// Idle stacks that have been trimmed or come from the pool. The one used last is at the end.
    idle: Vec<PooledStack>,
    /// The most stacks that may be idle, in `idle` and on the list together.
    max_idle: usize,
    /// The most stacks that may be on the list: those that are there, and `context.room` more.
    max_hot: usize,
    /// How many more stacks may be on the list, and idle in all, than the pool says, because so many were reclaimed at a time.
    /// They were in use until then, and the store is about to use as many again.
    reclaimed: usize,
    /// Whether the pool counts this store among those that share the pool.
    joined: bool,
    /// The number of stacks in use or idle.
    count: usize,
}

impl Stacks {
    /// The stacks of a store that has none yet. `context` is that store's context, and outlives the result.
    pub(super) fn new(pool: Arc<StackPool>, context: NonNull<VMContinuationContext>) -> Stacks {
        Stacks {
            pool,
            context,
            idle: Vec::new(),
            max_idle: 0,
            max_hot: 0,
            reclaimed: 0,
            joined: false,
            count: 0,
        }
    }

    /// The pool that the stacks come from.
    pub(super) fn pool(&self) -> &Arc<StackPool> {
        &self.pool
    }

    /// The number of stacks in use or idle.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The number of stacks on the list, the most that may be there, the number in `idle`, and the most that may be idle in all.
    #[cfg(test)]
    pub(super) fn counts(&self) -> [usize; 4] {
        [self.hot().count(), self.max_hot, self.idle.len(), self.max_idle]
    }

    fn context(&mut self) -> &mut VMContinuationContext {
        // SAFETY: `as_mut`: the context outlives `self`: valid, aligned and initialised. Nothing else uses it while
        // `self` is borrowed mutably: H6, as `self` is a part of the store's `Continuations`.
        unsafe { self.context.as_mut() }
    }

    /// The idle stacks on the list.
    fn hot(&self) -> impl Iterator<Item = NonNull<VMStackHeader>> + '_ {
        // SAFETY: `as_ref`: the context outlives `self`: valid, aligned and initialised. Nothing writes it during the
        // read: H6, as `self` is a part of the store's `Continuations`.
        let first = unsafe { self.context.as_ref() }.stacks;
        std::iter::successors(NonNull::new(first), |stack| {
            // SAFETY: `as_ref`: C4: a stack on the list is idle and of this store, so that its header is as
            // `into_header` made it: valid, aligned and initialised. Nothing writes it while `self` is borrowed.
            NonNull::new(unsafe { stack.as_ref() }.next)
        })
    }

    /// The slots, in the pool, of the idle stacks.
    pub(super) fn idle_slots(&self) -> impl Iterator<Item = u32> + '_ {
        // SAFETY: `as_ref`: C4: a stack on the list is idle and of this store, so that its header is as `into_header`
        // made it: valid, aligned and initialised. Nothing writes it while `self` is borrowed.
        let hot = self.hot().map(|header| unsafe { header.as_ref() }.slot);
        hot.chain(self.idle.iter().map(PooledStack::slot))
    }

    /// Takes an idle stack, or one from the pool.
    ///
    /// # Errors
    ///
    /// If the pool has none to give.
    #[inline]
    pub(super) fn take(&mut self) -> Result<PooledStack, Error> {
        let context = self.context();
        if let Some(header) = NonNull::new(context.stacks) {
            context.room += 1;
            // SAFETY: `as_ref`: C4: the stack is idle and of this store, so that its header is valid, aligned and
            // initialised, and nothing else uses it. Of `from_header`: 1: only `into_header` makes headers; 2: C4: the
            // stack was on the list once, and is off it; 3: C4: it is idle.
            unsafe {
                context.stacks = header.as_ref().next;
                return Ok(PooledStack::from_header(header));
            }
        }
        match self.idle.pop() {
            Some(stack) => Ok(stack),
            None => self.take_from_pool(),
        }
    }

    /// Takes a batch of stacks from the pool, keeps all but one as idle, and returns that one.
    #[cold]
    fn take_from_pool(&mut self) -> Result<PooledStack, Error> {
        if !self.joined {
            self.pool.join();
            self.joined = true;
        }
        // The store asks for as many stacks as it has already: a store with one continuation has no use for a large batch.
        let share = self.pool.take(self.count, &mut self.idle)?;
        // `idle` was empty before, so that all stacks in it are new.
        self.count += self.idle.len();
        let stack = self.idle.pop().expect("the pool adds one at least");
        self.set_share(share);
        Ok(stack)
    }

    /// Notes how many stacks the store may keep idle at most so that enough are left for other stores, and makes the list no longer
    /// than the store may have from here on.
    fn set_share(&mut self, share: usize) {
        let max_idle = MAX_IDLE_STACKS.min(share);
        let max_hot = self.pool.max_hot().min(max_idle / 2);
        let more = if max_hot > 0 { self.reclaimed.min(share - max_idle) } else { 0 };
        self.max_idle = max_idle + more;
        self.max_hot = max_hot + more;
        let hot = self.hot().count();
        self.context().room = self.max_hot.saturating_sub(hot);
        if hot > self.max_hot {
            self.cool_down(self.max_hot);
        }
    }

    /// Prepares for `count` stacks that are put back at a time, of continuations that are reclaimed. The store keeps more idle stacks
    /// from here on, as far as that leaves enough for other stores: see [`IDLE_PART`](crate::limits::IDLE_PART).
    pub(super) fn expect_reclaimed(&mut self, count: usize) {
        if self.joined {
            self.reclaimed = count.min(MAX_RECLAIMED_STACKS);
            self.set_share(self.pool.current_share());
        }
    }

    /// Takes back a stack that nothing runs on, and keeps it as idle or gives it to the pool.
    #[inline]
    pub(super) fn put(&mut self, mut stack: PooledStack) {
        if self.context().room == 0 && self.max_hot > 0 {
            self.cool_down(self.max_hot / 2);
        }
        if self.context().room > 0 {
            match stack.into_header() {
                Ok(mut header) => {
                    let context = self.context();
                    // SAFETY: `as_mut`: `into_header` has just made the header: valid, aligned and initialised. M2: it
                    // is in the memory of this stack, which nothing else uses.
                    unsafe { header.as_mut() }.next = context.stacks;
                    context.stacks = header.as_ptr();
                    context.room -= 1;
                    return;
                }
                Err(same) => stack = same,
            }
        }
        self.pool.trim(&stack);
        self.idle.push(stack);
        self.give_back_surplus();
    }

    /// Trims all stacks on the list but the first `keep`. The list has `keep` stacks or more.
    ///
    /// ```text
    ///   before   stacks --> 1 --> 2 --> 3 --> 4     idle: 5
    ///   keep 2   stacks --> 1 --> 2                 idle: 5, 4, 3
    /// ```
    #[cold]
    fn cool_down(&mut self, keep: usize) {
        let mut link = &raw mut self.context().stacks;
        let mut cool = Vec::new();
        // SAFETY: `**link`, `replace` and `as_ref`: C4: the stacks on the list are idle and of this store, so that
        // their headers are valid, aligned and initialised, and nothing else uses them. `link` is the head of the list,
        // or the `next` of one of its first `keep` stacks, which are there, as the callers say. Of `from_header`:
        // 1: only `into_header` makes headers; 2: C4: each stack was on the list once, and is off it; 3: C4: it is
        // idle.
        unsafe {
            for _ in 0..keep {
                link = &raw mut (**link).next;
            }
            let mut next = mem::replace(&mut *link, ptr::null_mut());
            while let Some(header) = NonNull::new(next) {
                next = header.as_ref().next;
                cool.push(PooledStack::from_header(header));
            }
        }
        self.context().room = self.max_hot - keep;
        cool.iter().for_each(|stack| self.pool.trim(stack));
        self.idle.extend(cool.into_iter().rev());
        self.give_back_surplus();
    }

    /// If `idle` has too many stacks, gives the oldest back to the pool, so that half as many remain as `idle` may have.
    fn give_back_surplus(&mut self) {
        let (idle, max) = (self.idle.len(), self.max_idle - self.max_hot);
        if idle > max {
            let surplus = idle - max / 2;
            self.count -= surplus;
            let stacks = self.idle.drain(..surplus).collect();
            let share = self.pool.give_back(stacks, surplus);
            self.set_share(share);
        }
    }

    /// Gives all stacks back to the pool when the store ends: the idle ones, and `in_use`, which are all others.
    pub(super) fn leave(&mut self, in_use: impl Iterator<Item = PooledStack>) {
        let mut stacks = mem::take(&mut self.idle);
        let trimmed = stacks.len();
        stacks.reserve_exact(self.count - trimmed);
        stacks.extend(in_use);
        let hot: Vec<_> = self.hot().collect();
        // SAFETY: of `from_header`: 1: only `into_header` makes headers; 2: C4: each stack is on the list once, and the
        // store ends, so that nothing takes from the list again; 3: C4: the stack is idle.
        stacks.extend(hot.into_iter().map(|header| unsafe { PooledStack::from_header(header) }));
        debug_assert_eq!(stacks.len(), self.count);
        if self.joined {
            self.pool.leave(stacks, trimmed);
        }
    }
}
