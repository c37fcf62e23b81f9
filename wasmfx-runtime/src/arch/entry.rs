//! What `enter` shares with the runtime.

/// `enter` returns this if a trap has unwound Wasm. No word of a `stack_switch` is the same.
pub(crate) const TRAPPED: u64 = u64::MAX;

/// The places where a store keeps the [`VMEntryState`](crate::abi::VMEntryState) of the stack that runs, as far as it says how Wasm
/// was entered.
#[repr(C)]
#[derive(Debug)]
pub struct EntryCells {
    /// Of [`VMEntryState::entry_fp`](crate::abi::VMEntryState::entry_fp).
    pub fp: *mut usize,
    /// Of [`VMEntryState::entry_sp`](crate::abi::VMEntryState::entry_sp).
    pub sp: *mut usize,
    /// Of [`VMEntryState::entry_trap_handler`](crate::abi::VMEntryState::entry_trap_handler).
    pub trap_handler: *mut usize,
}
