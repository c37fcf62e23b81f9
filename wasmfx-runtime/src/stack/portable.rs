//! Stacks that wasmtime-fiber makes, for targets where a fiber brings its own stack, and for Miri.
//!
//! A region here reserves no memory. Slots are only numbers. The memory of a stack comes and goes with its [`PooledStack`].

use super::guards::Guards;
use crate::abi::VMStackHeader;
use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use wasmtime_internal_fiber::{Fiber, FiberStack};

/// A region: the slots of the stacks that may exist, and the size of each stack.
#[derive(Debug)]
pub(crate) struct Reservation {
    slots: Range<u32>,
    size: usize,
}

/// Bytes of address space for a stack of `size` bytes, as far as this crate knows: wasmtime-fiber may take more.
pub(crate) fn slot_size(size: usize) -> Option<usize> {
    Some(size)
}

/// A stack that wasmtime-fiber made. `stack` is `None` while a fiber has the stack.
#[derive(Debug)]
pub(crate) struct PooledStack {
    slot: u32,
    stack: Option<FiberStack>,
    size: usize,
}

impl Reservation {
    pub(crate) fn reserve(
        slots: Range<u32>,
        size: usize,
        _guards: Guards,
        _zeroing: bool,
    ) -> io::Result<Reservation> {
        match size.checked_mul(slots.len()) {
            Some(length) if isize::try_from(length).is_ok() => Ok(Reservation { slots, size }),
            _ => Err(io::Error::new(io::ErrorKind::OutOfMemory, "the size overflows the address space")),
        }
    }

    pub(crate) fn guards_are_cheap(&self) -> bool {
        true
    }

    pub(crate) fn ready(&self, _slots: Range<u32>) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn stack(&self, slot: u32) -> io::Result<PooledStack> {
        assert!(self.slots.contains(&slot), "a slot of this region");
        let stack = FiberStack::new(self.size, false).map_err(|e| io::Error::other(e.to_string()))?;
        Ok(PooledStack { slot, stack: Some(stack), size: self.size })
    }

    pub(crate) fn trim(&self, _stack: &PooledStack, _keep: usize) {}

    pub(crate) fn clear(&self, _slots: Range<u32>) {}

    pub(crate) fn reset(&self, _slots: Range<u32>) -> bool {
        true
    }

    pub(crate) fn resident(&self, _slot: u32) -> Option<usize> {
        None
    }
}

impl PooledStack {
    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    /// Refuses: wasmtime-fiber owns the memory, and no code of the native backend runs in this build.
    pub(crate) fn into_header(self) -> Result<NonNull<VMStackHeader>, PooledStack> {
        Err(self)
    }

    /// The reverse of [`PooledStack::into_header`], which makes no header here. So nothing can call this function.
    ///
    /// # Safety
    ///
    /// 1. [`PooledStack::into_header`] made the header.
    /// 2. No other call takes it.
    /// 3. Nothing runs on the stack.
    pub(crate) unsafe fn from_header(_header: NonNull<VMStackHeader>) -> PooledStack {
        unreachable!("no stack has a header here")
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Takes the stack for a fiber of wasmtime-fiber.
    pub(crate) fn fiber_stack(&mut self) -> Result<FiberStack, Box<dyn std::error::Error + Send + Sync>> {
        self.stack.take().ok_or_else(|| "the stack is in use".into())
    }

    /// The stack pointer with which the fiber was resumed. This build does not know where wasmtime-fiber keeps it.
    pub(crate) fn resumer_sp(&self) -> Option<usize> {
        None
    }

    /// Takes back the stack that [`PooledStack::fiber_stack`] gave.
    pub(crate) fn restore(&mut self, stack: FiberStack) {
        self.stack = Some(stack);
    }

    /// Frees what a fiber that did not finish holds. In debug builds the fiber leaks, because wasmtime-fiber asserts there that a
    /// fiber has finished when it is dropped.
    pub(crate) fn abandon<A, B, C>(fiber: Fiber<'_, A, B, C>) {
        if cfg!(debug_assertions) {
            std::mem::forget(fiber);
        }
    }
}
