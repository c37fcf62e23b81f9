//! Every limit, with its reason.

/// Continuations a store may hold, unless the engine's configuration says otherwise.
///
/// A fresh continuation costs its `VMContRef` and its arguments, 450 bytes or so, and lives until its
/// store does unless it is run: without a limit, a loop over `cont.new` takes the host's memory.
pub const MAX_CONTINUATIONS: u32 = 1 << 21;

/// Slots of 16 bytes that a store's fresh continuations may hold between them for arguments: 1 GiB.
///
/// For the same reason: a function may have a thousand parameters.
pub const MAX_SLOTS: usize = 1 << 26;

/// Slots of an argument buffer that stay with a `VMContRef` for its next continuation: as much as that has itself.
pub const MAX_KEPT_SLOTS: usize = 16;

/// Stacks of an engine, unless its configuration says otherwise.
pub const DEFAULT_STACKS: u32 = 1 << 20;

/// Bytes of address space that the first stacks of an engine reserve; each further reservation doubles that.
///
/// A million stacks take 0.75 TiB of the 128 that x86-64 has; an engine with a few should not.
pub const FIRST_REGION: usize = 128 << 20;

/// Bytes of a stack for Wasm, as Wasmtime's default has it.
pub const DEFAULT_WASM_STACK: usize = 512 << 10;

/// Bytes of a stack for host calls, unless the engine's configuration says otherwise.
///
/// Half would do for the host functions that we know. With this the page tables of a stack stay below
/// 1.6 KiB, so that one that touched one page costs 6 KiB in all.
pub const HOST_STACK: usize = 256 << 10;

/// Bytes of a continuation's stack that Wasm may not use, so that a host call made with little stack
/// left, and the trampoline to it, have room. Host code does not check the stack limit.
///
/// A trampoline stores each argument in a slot: a thousand take 16 KiB.
pub const MIN_HOST_STACK: usize = 128 << 10;

/// Idle stacks that a store keeps for its next continuations.
///
/// Half of them come from the engine, and go back, at a time, so that going up and down by one does not ask it
/// each time.
pub const MAX_IDLE_STACKS: usize = 128;

/// A store keeps no more idle stacks than the engine's stacks divided by this and by the number of stores, as
/// of when it last asked: other stores may want them. If all do so in turn, from the first to the millionth, the
/// sum stays below the engine's stacks (1 + ln(1,000,000) is less than this).
pub const IDLE_PART: usize = 16;

/// Idle stacks of a store that keep all memory that they touched: to find out how much that is takes a system
/// call, which this number saves who goes up and down by less. A tree of tasks, ten children each and six levels deep, goes
/// up and down by 60.
pub const MAX_HOT_STACKS: usize = 64;

/// Bytes that an idle stack of the engine's keeps, unless the engine's configuration says otherwise.
pub const DEFAULT_KEEP_RESIDENT: usize = 16 << 10;

/// Idle stacks of an engine that keep memory: with the default above they keep 64 MiB.
pub const MAX_WARM_STACKS: usize = 4096;

/// Regions that begin below this slot keep their page tables, those of some more stacks than this: 8 MiB with stacks
/// of the default size. They are worth keeping for warm stacks.
pub const RESET_STACKS: u32 = 4096;
