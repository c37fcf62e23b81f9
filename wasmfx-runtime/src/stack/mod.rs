//! The memory of stacks: a region of equal slots, a stack in each.
//!
//! On Unix the region is one reservation of address space (`unix.rs`). Elsewhere, where a fiber brings its own stack,
//! and under Miri, each stack is wasmtime-fiber's (`portable.rs`). Which slots are taken is the
//! [pool](crate::pool)'s to know.
//!
//! Each provides
//! * `Region`: `reserve`, `slots`, `ready` (before the first use of slots), `stack` (of a slot), `trim` and `clear`
//!   (give memory back to the system), `reset` (as if just reserved), `resident`;
//! * `Stack`: `slot`, `top`, `range`, `fiber_stack`, `restore`, `abandon`.

#[cfg(all(unix, not(any(miri, wasmfx_portable))))]
mod unix;
#[cfg(all(unix, not(any(miri, wasmfx_portable))))]
pub(crate) use unix::{Region, Stack};

#[cfg(not(all(unix, not(any(miri, wasmfx_portable)))))]
mod portable;
#[cfg(not(all(unix, not(any(miri, wasmfx_portable)))))]
pub(crate) use portable::{Region, Stack};

/// How stacks are kept from running into their neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Guards {
    /// As cheaply as the system can.
    #[default]
    Auto,
    /// By memory protection, which every system has.
    Mprotect,
}
