//! The outcome of a continuation, in the word that a `stack_switch` of the native backend hands over. The table in the module
//! `abi` has all values of that word.

/// The mask of the bits, in the word that `resume` gets, that say how a continuation ended. They are zero if it did not end.
pub const OUTCOME: u64 = 3;
/// Outcome: the continuation's function returned.
pub const RETURNED: u64 = 1;
/// Outcome: Wasm is to be unwound further. The reason was noted before.
pub const UNWOUND: u64 = 2;
/// Outcome: the continuation's function returned, and the runtime is to end the continuation and take its stack.
pub const KEPT: u64 = 3;
/// The word that `suspend` and `switch` get if they are to raise the store's pending exception.
pub const RAISE: u64 = 0;
