//! How large and how many the stacks of an engine are.

use crate::abi::Backend;
use crate::error::Error;
use crate::limits::{
    DEFAULT_KEEP_RESIDENT, DEFAULT_STACKS, DEFAULT_WASM_STACK, MAX_CONTINUATIONS, MIN_WASM_STACK,
};
use crate::stack::Guards;

/// How large and how many the stacks of an engine are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PoolConfig {
    /// The most bytes that Wasm's frames may take of any stack of the engine.
    pub max_wasm_stack: usize,
    /// Bytes of a continuation's stack that Wasm's frames may take: [`MIN_WASM_STACK`] at least, and at most
    /// `max_wasm_stack`, or [`MIN_WASM_STACK`] if that is more. By default, which is `None`, the most. Each stack has
    /// [`RESERVE`](crate::limits::RESERVE) more.
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
    /// [`MAX_UNCHECKED_FRAME`](crate::abi::MAX_UNCHECKED_FRAME) more.
    pub unchecked_frames: bool,
    /// How the stacks are switched.
    pub backend: Backend,
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
    /// If it is too small, or larger than any stack may be.
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
