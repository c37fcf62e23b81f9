//! Every limit, with its reason.

/// Live continuations a store may hold.
///
/// A fresh continuation costs its `VMContRef` and its arguments, 300 bytes or so, and lives until its
/// store does unless it is run: without a limit, a loop over `cont.new` takes the host's memory.
pub const MAX_CONTINUATIONS: usize = 1 << 21;

/// Slots of 16 bytes that a store's fresh continuations may hold between them for arguments: 1 GiB.
///
/// For the same reason: a function may have a thousand parameters.
pub const MAX_SLOTS: usize = 1 << 26;

/// Bytes of a continuation's stack that Wasm may not use, so that a host call made with little stack
/// left, and the trampoline to it, have room. Host code does not check the stack limit.
///
/// A trampoline stores each argument in a slot: a thousand take 16 KiB.
pub const MIN_HOST_STACK: usize = 256 << 10;

/// Slots of an argument buffer that stay with a `VMContRef` for its next continuation.
pub const MAX_KEPT_SLOTS: usize = 64;

/// Idle stacks that a store keeps for its next continuations.
pub const MAX_IDLE_STACKS: usize = 64;
