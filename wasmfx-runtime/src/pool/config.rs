//! The configuration of an engine's stacks.

use crate::abi::Backend;
use crate::error::Error;
use crate::limits::{
    DEFAULT_KEEP_RESIDENT, DEFAULT_STACKS, DEFAULT_WASM_STACK, MAX_CONTINUATIONS, MIN_WASM_STACK,
};
use crate::stack::Guards;

/// The size and the number of an engine's stacks, and how they are guarded, switched and kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PoolConfig {
    /// The most bytes that Wasm's frames may take of any stack of the engine.
    pub max_wasm_stack: usize,
    /// Bytes of a continuation's stack that Wasm's frames may take. The least is [`MIN_WASM_STACK`]. The most is the larger of
    /// `max_wasm_stack` and [`MIN_WASM_STACK`]; `None`, the default, stands for the most. Each stack has
    /// [`RESERVE`](crate::limits::RESERVE) bytes more.
    pub stack_size: Option<usize>,
    /// The most stacks at a time, including the stacks that stores keep idle.
    pub stacks: u32,
    /// The most continuations of a store at a time, with and without a stack.
    pub continuations_per_store: u32,
    /// Bytes of memory that an idle stack may keep, rounded up to pages. Unless this is 0, the idle stacks that a store used last
    /// keep all that they have, as many as [`MAX_HOT_STACKS`](crate::limits::MAX_HOT_STACKS).
    pub keep_resident: usize,
    /// How stacks are guarded.
    pub guards: Guards,
    /// Whether Wasm's functions compare the stack limit only once their frames are on the stack. If so, each stack has
    /// [`MAX_UNCHECKED_FRAME`](crate::abi::MAX_UNCHECKED_FRAME) bytes more.
    pub unchecked_frames: bool,
    /// The backend that switches the stacks.
    pub backend: Backend,
    /// Whether a stack that a store gives back is emptied before another store may have it. If so, no stack that is given back
    /// keeps memory that the system takes back.
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
            backend: Backend::default(),
            zeroing: false,
        }
    }
}

impl PoolConfig {
    /// Bytes of a stack that Wasm's frames may take.
    ///
    /// # Errors
    ///
    /// [`Error::StackSize`] if the size is too small, or larger than any stack may be.
    pub(super) fn wasm_stack(&self) -> Result<usize, Error> {
        let most = self.max_wasm_stack.max(MIN_WASM_STACK);
        let size = self.stack_size.unwrap_or(most);
        if (MIN_WASM_STACK..=most).contains(&size) && size <= isize::MAX as usize / 2 {
            Ok(size)
        } else {
            Err(Error::StackSize { size: self.stack_size, max_wasm_stack: self.max_wasm_stack })
        }
    }
}
