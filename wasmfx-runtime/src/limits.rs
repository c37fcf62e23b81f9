//! The limits and sizes of the runtime, each with its reason. Those that the compiler knows too are in `abi/`.

use crate::abi::{MAX_HOST_CALL_FRAME, SLOT_SIZE};

/// The most continuations that a store may hold, unless the engine's configuration says otherwise.
///
/// A fresh continuation costs 320 bytes (`cont.rs` asserts this), and 8 to 16 in a table. If its function has more than four
/// parameters or results, the continuation costs 16 bytes more for each of them, whichever are more. Without a limit, a program
/// that keeps continuations takes all memory of the host.
pub const MAX_CONTINUATIONS: u32 = 1 << 21;

/// The most slots of 16 bytes that the argument buffers of a store's live continuations may have together: 1 GiB. The slots in
/// each `VMContRef` do not count.
///
/// The reason is that of [`MAX_CONTINUATIONS`]: a function may have a thousand parameters.
pub const MAX_SLOTS: usize = 1 << 26;
const _: () = assert!(SLOT_SIZE == 16 && MAX_SLOTS as u64 * SLOT_SIZE as u64 == 1 << 30);

/// The most slots of an argument buffer that a `VMContRef` keeps for its next continuation. They take 256 bytes, less than the
/// continuation itself.
pub const MAX_KEPT_SLOTS: usize = 16;
const _: () = assert!(MAX_KEPT_SLOTS * SLOT_SIZE == 256);

/// The fewest continuations that a store has when it searches, without being asked, for those that nothing can resume any more.
///
/// A search takes a few microseconds besides what it takes for each continuation: with fewer, this would be the larger part.
pub const MIN_SEARCHED: usize = 512;

/// The most stacks of reclaimed continuations that a store keeps, with all memory that they touched, besides its [other idle
/// stacks](MAX_IDLE_STACKS). A store that abandons continuations takes about [`MIN_SEARCHED`] stacks and gets them back by the
/// next search, again and again.
pub const MAX_RECLAIMED_STACKS: usize = 2 * MIN_SEARCHED;

/// A store searches, without being asked, only if it has a continuation for each so many bytes of objects, or if the objects [have
/// become many](MIN_SEARCHED_OBJECTS). The bytes are those of the heap: with a copying collector an object takes twice its size.
/// Before a `cont.new` all continuations count that it has room for; before a collection, only those that wait and were not found
/// by the last search. A suspended continuation takes about as many bytes of memory. So the stacks of what waits to be reclaimed
/// take about as much memory as those objects, at most.
pub const OBJECTS_PER_CONTINUATION: usize = 4 << 10;

/// A store searches before a collection, however few continuations it has, if its objects take twice as many bytes as after its last
/// search, and more than twice this. So the objects that only abandoned continuations hold take about as much memory as all others
/// at most, or this.
pub const MIN_SEARCHED_OBJECTS: usize = 1 << 20;

/// The number of continuations in one allocation of a store.
pub const CHUNK: usize = 64;

/// The most stacks of an engine, unless its configuration says otherwise.
pub const DEFAULT_STACKS: u32 = 1 << 20;

/// Bytes of address space, about, of the first region that an engine reserves for stacks. Each further region is twice as large
/// as the one before.
///
/// A million stacks of the default size take 0.56 TiB of the 128 TiB that x86-64 has. An engine with a few stacks should not take
/// that much.
pub const FIRST_REGION: usize = 128 << 20;

/// Bytes of a stack for Wasm: the default of Wasmtime.
pub const DEFAULT_WASM_STACK: usize = 512 << 10;

/// The least bytes of a stack for Wasm. With less, the frames of many functions would not fit.
pub const MIN_WASM_STACK: usize = 16 << 10;

/// Bytes of address space of a stack below the stack limit of Wasm, for code that does not check the limit:
///
/// | what | bytes, at most |
/// | --- | --- |
/// | a trampoline from Wasm to the host: [`MAX_HOST_CALL_FRAME`], which the compiler enforces | 33,000 |
/// | the first frames of a host call, before it leaves the stack | 3 KiB |
/// | a signal handler that has no stack of its own and uses 8 KiB, and the registers that the system saves for it | 12,896 |
/// | together | 48,968 of 49,152 |
///
/// aarch64 Linux saves the most registers: 4,704 bytes, with vectors of 64 bytes or less (`struct rt_sigframe` in
/// `arch/arm64/kernel/signal.c`).
///
/// Other code may be there in place of the first two rows, and takes 16 KiB: the routines of the libcall backend, with an error
/// that captures a backtrace of the host; or, on macOS, where another thread sees a trap, the code that notes the trap.
///
/// A trampoline from the host to Wasm, and entry code, begin at the top of a stack. The code that they call checks the limit, or
/// was checked for in advance. They have Wasm's part and the reserve together:
///
/// ```text
/// | guard | reserve                                        | Wasm's part                    |
///           <- signal handler <- host call <- trampoline     <- frames of Wasm <- entry code
///                                                          ^ stack limit
/// ```
///
/// Wasm's frames are seldom deep enough to touch the reserve. Pages that were never touched take no memory but eight bytes of
/// page table each.
pub const RESERVE: usize = 48 << 10;
const _: () = assert!(MAX_HOST_CALL_FRAME == 33_000 && RESERVE == 49_152);
const _: () = assert!(MAX_HOST_CALL_FRAME + (3 << 10) + (8 << 10) + 4_704 == 48_968);

/// Bytes of a cache line. The tops of stacks have [`COLOURS`] different distances from the end of a page, this many bytes apart:
/// see `stack/unix.rs`.
pub const COLOUR: usize = 64;

/// The number of cache lines over which the tops of stacks are spread. With this number, a stack whose frames take three quarters
/// of a page of 4 KiB touches one page only.
pub const COLOURS: usize = 16;
const _: () = assert!(COLOUR * COLOURS * 4 == 4 << 10);

/// Bytes between the frame of a `resume` of the libcall backend and the host code that runs below it. They are room for the
/// frames of wasmtime-fiber between the two, which take some hundred bytes.
pub const FIBER_FRAMES: usize = 4 << 10;

/// The most idle stacks that a store keeps for its next continuations.
///
/// Up to half of this number come from the engine at a time, and about half of what a store keeps goes back at a time. A store
/// whose number of stacks goes up and down by one therefore does not ask the engine each time.
pub const MAX_IDLE_STACKS: usize = 128;

/// A store keeps no more idle stacks than the engine's stacks divided by this number and by the number of stores, since other
/// stores may want them. The number of stores is that at the time when the store last asked the engine. Even if a million stores
/// ask one after another, and each keeps as many as it may, the sum stays below the engine's stacks: 1 + ln(1,000,000) is less
/// than this number.
pub const IDLE_PART: usize = 16;

/// The most idle stacks of a store that keep all memory that they touched. To find out how much they touched takes a system call
/// for each stack. A store whose number of stacks goes up and down by less than this number saves those calls. A tree of tasks
/// with ten children each, six levels deep, goes up and down by 60.
pub const MAX_HOT_STACKS: usize = 64;

/// Bytes of memory that an idle stack of the engine keeps, unless the engine's configuration says otherwise.
pub const DEFAULT_KEEP_RESIDENT: usize = 16 << 10;

/// The most idle stacks of an engine's pool that keep memory. With [`DEFAULT_KEEP_RESIDENT`] they keep 64 MiB together.
pub const MAX_WARM_STACKS: usize = 4096;
const _: () = assert!(DEFAULT_KEEP_RESIDENT * MAX_WARM_STACKS == 64 << 20);

/// Regions that begin below this slot keep their page tables, since warm stacks use them again. As the last of these regions ends
/// above this slot, the page tables are those of more stacks than this: 8 MiB with stacks of the default size.
pub const RESET_STACKS: u32 = 4096;
