//! One continuation stack.
//!
//! On Unix the stack is ours (`unix.rs`), elsewhere wasmtime-fiber's (`portable.rs`). A pool that hands
//! out parts of one reservation can take the place of `Stack::new` later; nothing else makes stacks.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::Stack;

#[cfg(not(unix))]
mod portable;
#[cfg(not(unix))]
pub(crate) use portable::Stack;

/// How large stacks are and how much of one Wasm may use, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct StackConfig {
    /// The most that Wasm frames may take.
    pub max_wasm_stack: usize,
    /// The whole stack, without its guard. Raised to leave [`MIN_HOST_STACK`](crate::limits::MIN_HOST_STACK).
    pub stack_size: usize,
}

impl StackConfig {
    /// The size of a stack with room for Wasm and for the host calls it makes.
    pub(crate) fn size(&self) -> usize {
        let least = self.max_wasm_stack.saturating_add(crate::limits::MIN_HOST_STACK);
        self.stack_size.max(least)
    }
}
