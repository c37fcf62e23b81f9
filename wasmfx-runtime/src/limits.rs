//! Every limit, with its reason. Those that the compiler knows too are in `abi/`.

/// Continuations a store may hold, unless the engine's configuration says otherwise.
///
/// A fresh continuation costs 320 bytes, and 16 for each argument or result if there are more than three, and lives until its
/// store does unless it is run: without a limit, a loop over `cont.new` takes the host's memory.
pub const MAX_CONTINUATIONS: u32 = 1 << 21;

/// Slots of 16 bytes that a store's fresh continuations may hold between them for arguments: 1 GiB.
///
/// For the same reason: a function may have a thousand parameters.
pub const MAX_SLOTS: usize = 1 << 26;

/// Slots of an argument buffer that stay with a `VMContRef` for its next continuation: 256 bytes, less than a `VMContRef` has.
pub const MAX_KEPT_SLOTS: usize = 16;

/// Stacks of an engine, unless its configuration says otherwise.
pub const DEFAULT_STACKS: u32 = 1 << 20;

/// Bytes of address space that the first stacks of an engine reserve; each further reservation doubles that.
///
/// A million stacks of the default size take 0.53 TiB of the 128 that x86-64 has; an engine with a few should not.
pub const FIRST_REGION: usize = 128 << 20;

/// Bytes of a stack for Wasm, as Wasmtime's default has it.
pub const DEFAULT_WASM_STACK: usize = 512 << 10;

/// The least bytes of a stack for Wasm. With less, the frames of many a function would not fit.
pub const MIN_WASM_STACK: usize = 16 << 10;

/// Bytes of address space of a stack below the limit of Wasm, for what does not check the limit:
///
/// | what | bytes, at most |
/// | --- | --- |
/// | a trampoline from Wasm to the host: [`MAX_HOST_CALL_FRAME`](crate::abi::MAX_HOST_CALL_FRAME), which the compiler holds to | 33,000 |
/// | the first frames of a host call, before it leaves the stack | 3 KiB |
/// | a signal handler that has no stack of its own and uses 8 KiB, and the registers that the system saves for it | 12 KiB |
/// | together | 48,360 of 49,152 |
///
/// In place of the first two, there may be the libcall backend's routines, with an error that captures a backtrace of the host,
/// or on macOS, where another thread sees a trap, what notes the trap: 16 KiB each.
///
/// A trampoline from the host to Wasm, and entry code, begin at a stack's top, and what they call checks the limit, or has been
/// checked for: they have Wasm's part and this together.
///
/// Wasm's frames are seldom so deep that any of this is touched. What is not touched takes no memory but eight bytes of
/// page table for each page.
pub const RESERVE: usize = 48 << 10;

/// Bytes between the frame of a `resume` of the libcall backend and host code that runs below it: room for the frames of
/// wasmtime-fiber that stand between, which take some hundred bytes.
pub const FIBER_FRAMES: usize = 4 << 10;

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
