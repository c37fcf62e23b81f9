//! Targets without a native backend. No code that a native backend compiled runs on them.

use super::entry::EntryCells;
use crate::abi::VMControlContext;

pub(crate) const CALLS_ON: bool = false;

pub(crate) unsafe fn call_on(_sp: usize, _f: unsafe extern "C" fn(*mut ()), _data: *mut ()) {
    unreachable!("`CALLS_ON` is false: no caller may use `call_on` on this target")
}

pub(crate) const SAVES_REGISTERS: bool = false;

/// Nothing: where registers are not saved, no search asks for them.
#[derive(Debug)]
pub(crate) struct SavedRegisters;

impl SavedRegisters {
    pub(crate) const EMPTY: SavedRegisters = SavedRegisters;

    #[inline]
    pub(crate) fn save(&mut self) {}
}

/// An address in the frame of the caller, or of a function that it calls.
#[inline]
pub(crate) fn stack_pointer() -> usize {
    let here = 0_u8;
    std::hint::black_box(&raw const here).addr()
}

/// Does not look for a shadow stack: on these targets only wasmtime-fiber switches stacks.
pub(crate) fn has_shadow_stack() -> bool {
    false
}

#[cfg(mapped_stacks)]
pub(crate) fn bottom() -> usize {
    0
}

/// The address of no code.
pub(crate) fn write_back_address() -> usize {
    usize::MAX
}

/// Does nothing: stable Rust has no such function for these targets.
#[inline]
pub(crate) fn prefetch(_address: *const u8) {}

pub(crate) unsafe fn enter(
    _cells: &EntryCells,
    _store: *mut VMControlContext,
    _load: *const VMControlContext,
    _payload: u64,
) -> u64 {
    unreachable!("this target has no native backend")
}

pub(crate) fn resumed_address() -> usize {
    usize::MAX
}

pub(crate) unsafe fn suspend(
    _own: *mut VMControlContext,
    _left: *const usize,
    _load: *const VMControlContext,
    _payload: u64,
) -> u64 {
    unreachable!("this target has no native backend")
}

pub(crate) unsafe fn jump(_control: *const VMControlContext, _code: u64) -> ! {
    unreachable!("this target has no native backend")
}
