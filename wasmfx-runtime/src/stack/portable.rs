//! A stack that wasmtime-fiber makes, for systems where a fiber brings its own.

use std::io;
use wasmtime_internal_fiber::{Fiber, FiberStack};

/// A stack of wasmtime-fiber's, here while no fiber has it.
#[derive(Debug)]
pub(crate) struct Stack(Option<FiberStack>);

impl Stack {
    /// Makes a stack of at least `size` bytes.
    pub(crate) fn new(size: usize) -> io::Result<Stack> {
        let stack = FiberStack::new(size, false).map_err(|e| io::Error::other(e.to_string()))?;
        Ok(Stack(Some(stack)))
    }

    /// The address above the stack's highest word: unknown here, where no code of the native backend runs.
    pub(crate) fn top(&self) -> *mut u8 {
        unreachable!("the native backend is for Unix")
    }

    /// What wasmtime-fiber runs a fiber on.
    pub(crate) fn fiber_stack(&mut self) -> Result<FiberStack, Box<dyn std::error::Error + Send + Sync>> {
        self.0.take().ok_or_else(|| "the stack is in use".into())
    }

    /// Takes back what [`Stack::fiber_stack`] gave.
    pub(crate) fn restore(&mut self, stack: FiberStack) {
        self.0 = Some(stack);
    }

    /// Frees what a fiber that did not finish holds. wasmtime-fiber asserts in debug builds that a fiber
    /// finished: there it leaks.
    pub(crate) fn abandon<A, B, C>(fiber: Fiber<'_, A, B, C>) {
        if cfg!(debug_assertions) {
            std::mem::forget(fiber);
        }
    }
}
