//! What a `stack_switch` of the native backend hands over.

/// The bits of what `resume` gets that say how a continuation ended, if it did.
pub const OUTCOME: u64 = 3;
/// Outcome: its function returned.
pub const RETURNED: u64 = 1;
/// Outcome: Wasm is to be unwound further; the reason has been noted.
pub const UNWOUND: u64 = 2;
/// Outcome: its function returned, and its stack is for the runtime to take.
pub const KEPT: u64 = 3;
/// To `suspend` and `switch`: the store's pending exception is to be raised.
pub const RAISE: u64 = 0;
