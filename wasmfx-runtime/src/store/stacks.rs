//! The stacks of a store: those that its continuations have are theirs; idle ones wait here for the next.
//!
//! ```text
//!            take, put: compiled code too                 cool down: half of the list
//!   continuations  <------------->  context.stacks (hot) ------------------------------> idle (trimmed) <---> pool
//! ```

use crate::abi::{VMContinuationContext, VMStackHeader};
use crate::error::Error;
use crate::pool::StackPool;
use crate::stack::PooledStack;
use std::mem;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// A store's stacks.
#[derive(Debug)]
pub(super) struct Stacks {
    pool: Arc<StackPool>,
    /// The store's, whose list has the idle stacks that have not been trimmed (C4).
    context: NonNull<VMContinuationContext>,
    /// Stacks that nothing runs on and that have been trimmed, the one used last at the end.
    idle: Vec<PooledStack>,
    /// How many stacks may be idle: here, or on the list.
    max_idle: usize,
    /// How many may be on the list: as many as are, and `context.room`.
    max_hot: usize,
    /// Whether the pool knows of this store.
    joined: bool,
    /// Stacks in use or idle.
    count: usize,
}

impl Stacks {
    /// None yet, of a store with this context, which outlives them.
    pub(super) fn new(pool: Arc<StackPool>, context: NonNull<VMContinuationContext>) -> Stacks {
        Stacks { pool, context, idle: Vec::new(), max_idle: 0, max_hot: 0, joined: false, count: 0 }
    }

    /// The pool that they are from.
    pub(super) fn pool(&self) -> &Arc<StackPool> {
        &self.pool
    }

    /// How many are in use or idle.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// How many are on the list and may be, and how many are trimmed and idle and may be idle in all.
    #[cfg(test)]
    pub(super) fn counts(&self) -> [usize; 4] {
        [self.hot().count(), self.max_hot, self.idle.len(), self.max_idle]
    }

    fn context(&mut self) -> &mut VMContinuationContext {
        // SAFETY: it is there as long as `self`; compiled code of this store does not run while the runtime has `self`.
        unsafe { self.context.as_mut() }
    }

    /// The idle stacks on the list.
    fn hot(&self) -> impl Iterator<Item = NonNull<VMStackHeader>> + '_ {
        // SAFETY: as in `context`.
        let first = unsafe { self.context.as_ref() }.stacks;
        std::iter::successors(NonNull::new(first), |stack| {
            // SAFETY: C4.
            NonNull::new(unsafe { stack.as_ref() }.next)
        })
    }

    /// The numbers of the idle stacks in the pool.
    pub(super) fn idle_slots(&self) -> impl Iterator<Item = u32> + '_ {
        // SAFETY: C4.
        let hot = self.hot().map(|header| unsafe { header.as_ref() }.slot);
        hot.chain(self.idle.iter().map(PooledStack::slot))
    }

    /// A stack, idle or the pool's.
    #[inline]
    pub(super) fn take(&mut self) -> Result<PooledStack, Error> {
        let context = self.context();
        if let Some(header) = NonNull::new(context.stacks) {
            context.room += 1;
            // SAFETY: C4.
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

    /// A stack of the pool's, and some to keep.
    #[cold]
    fn take_from_pool(&mut self) -> Result<PooledStack, Error> {
        if !self.joined {
            self.pool.join();
            self.joined = true;
        }
        // As many as there are: a store with one continuation has no use for a batch.
        let max_idle = self.pool.take(self.count, &mut self.idle)?;
        // There were none before.
        self.count += self.idle.len();
        let stack = self.idle.pop().expect("the pool adds one at least");
        self.set_max_idle(max_idle);
        Ok(stack)
    }

    /// Notes how many idle stacks there may be, and makes the list no longer than half of that.
    fn set_max_idle(&mut self, max_idle: usize) {
        self.max_idle = max_idle;
        self.max_hot = self.pool.max_hot().min(max_idle / 2);
        let hot = self.hot().count();
        self.context().room = self.max_hot.saturating_sub(hot);
        if hot > self.max_hot {
            self.cool_down(self.max_hot);
        }
    }

    /// Takes back a stack that nothing runs on.
    #[inline]
    pub(super) fn put(&mut self, mut stack: PooledStack) {
        if self.context().room == 0 && self.max_hot > 0 {
            self.cool_down(self.max_hot / 2);
        }
        if self.context().room > 0 {
            match stack.into_header() {
                Ok(mut header) => {
                    let context = self.context();
                    // SAFETY: the header is this stack's own.
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

    /// Trims all stacks on the list but the first `keep`; there are so many.
    #[cold]
    fn cool_down(&mut self, keep: usize) {
        let mut link = &raw mut self.context().stacks;
        let mut cool = Vec::new();
        // SAFETY: C4; `link` is the list's head or one of its members' link.
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

    /// Gives the older half of the trimmed stacks back if they are too many.
    fn give_back_surplus(&mut self) {
        let (idle, max) = (self.idle.len(), self.max_idle - self.max_hot);
        if idle > max {
            let surplus = idle - max / 2;
            self.count -= surplus;
            let stacks = self.idle.drain(..surplus).collect();
            let max_idle = self.pool.give_back(stacks, surplus);
            self.set_max_idle(max_idle);
        }
    }

    /// Gives all back, for good: those that are idle, and `in_use`, which are all others.
    pub(super) fn leave(&mut self, in_use: impl Iterator<Item = PooledStack>) {
        let mut stacks = mem::take(&mut self.idle);
        let trimmed = stacks.len();
        stacks.reserve_exact(self.count - trimmed);
        stacks.extend(in_use);
        let hot: Vec<_> = self.hot().collect();
        // SAFETY: C4; the list goes with the store.
        stacks.extend(hot.into_iter().map(|header| unsafe { PooledStack::from_header(header) }));
        debug_assert_eq!(stacks.len(), self.count);
        if self.joined {
            self.pool.leave(stacks, trimmed);
        }
    }
}
