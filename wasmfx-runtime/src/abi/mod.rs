//! The binary interface between compiled code and the runtime.
//!
//! Every `#[repr(C)]` type that compiled code and the runtime share is here. Compiled code reads and writes these types with the
//! constants in [`offsets`]. An assertion ties each constant to its field. Both backends use the same types.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `contref.rs` | a continuation, and the references to it |
//! | `frame.rs` | what a `resume` leaves in its own frame for a search for a handler |
//! | `stack.rs` | the header at the top of a stack |
//! | `context.rs` | what all continuations of a store share |
//! | `heap.rs` | references in the heap of a garbage collector, invariant C6 |
//! | `isa.rs` | what differs between processors |
//! | `outcome.rs` | how a continuation ended, as a `stack_switch` hands it over |
//! | `offsets.rs` | the offset of each field |
//! | `fingerprint.rs` | the hash that tells code of different builds apart |
//!
//! ```text
//! VMContObj            VMContRef, 64-bit, aligned to a cache line
//! +----------+         +-----------------------------------------------------+ 0
//! | contref  |-------->| control: sp, fp, pc      where it goes on,          |
//! | revision |         | parent_control           where its parent does: N1  |
//! +----------+         | revision                 see C1                     |
//!                      | resume                   frame of the resume that   |
//!                      |                          runs it, or null           |
//!                      +-----------------------------------------------------+ 64
//!                      | stack_limit              once it has a stack        |
//!                      | parent                   the stack that resumed it  |
//!                      | last_ancestor            outermost stack captured   |
//!                      | values                   where it takes its values  |
//!                      | func, caller_or_child    what a fresh one will run; |
//!                      |                          what a running one resumed |
//!                      | bound_types              types of bound values      |
//!                      +-----------------------------------------------------+ 128
//!                      | stack                    top of its stack (native)  |
//!                      | parent_entry             where its parent's frames  |
//!                      |                          end (libcall)              |
//!                      | backend_state: entry     where its frames end, or   |
//!                      |   handler_cache          see N5 (native)            |
//!                      +-----------------------------------------------------+ 192
//!                      | args                     values, if they are few    |
//!                      +-----------------------------------------------------+ 256
//!
//! VMContinuationContext, one per store
//! +----------+         VMContRef         parent      VMContRef
//! | free     |-------->| free          |------------>| free          |--> null
//! | stacks   |-------->| VMStackHeader |------------>| VMStackHeader |--> null    idle stacks, each at its own top
//! | room     |                            next
//! | created  |         VMContRef         parent      VMContRef
//! | initial  |<--------| running       |<------------| running       |<-- current   the stacks that run
//! |   .child |-------->|               |
//! +----------+
//! ```
//!
//! A switch without values reads and writes the first two cache lines. Payloads that fit lie in `args`, in the last one. The
//! handler cache is in the third, and a search reads it only if the first clause does not match. The rest of the third line is for
//! starting a continuation, for host calls, which look up the stack, and for tracing.
//!
//! The chain of running stacks ends at `initial`: a [`VMContRef`] that stands for the stack on which the host entered Wasm.
//! `initial` is no continuation. Its `parent` is null. Its `resume` is the store's barrier, so that a search for a handler ends
//! there.
//!
//! A `stack_switch` of the native backend hands over one word: an address. The alignment of a [`VMContRef`] leaves the low bits
//! of the address free for an [outcome](OUTCOME). With the libcall backend, compiled code gets the same word from its `resume`.
//! [`KEPT`] and [`UNWOUND`] do not occur there: the runtime ends a continuation before `resume` returns, and unwinds by itself.
//!
//! | to | address of | outcome | means |
//! | --- | --- | --- | --- |
//! | `resume` | what was captured | none | clause `frame.clause` was taken: the payload is at the captured `args`, or at its `values.data` if there is more of it (native), or always (libcall) |
//! | | what ended (libcall: nothing) | [`RETURNED`] | its results are at `frame.values`; it is free again |
//! | | what ended | [`KEPT`] | its results are at `frame.values`; the runtime is to end it |
//! | | what ended | [`UNWOUND`] | it was unwound by an exception |
//! | `suspend`, `switch` | itself | none | the values that it waits for are there |
//! | | [`RAISE`] | | the store's pending exception is to be raised here |
//! | entry code | itself | none | its function is to be called |
//!
//! Compiled code of different modules and the runtime must agree on what is in this folder, in each file of this crate that reads
//! or writes what compiled code writes or reads, and in the translation of the instructions by `wasmfx-cranelift`. The
//! [`FINGERPRINT`] covers all of those: `fingerprint.rs` lists the files.
//!
//! # Invariants
//!
//! * **C1, linearity.** A [`VMContObj`] is usable exactly when its revision equals that of its
//!   [`VMContRef`]. Every use increments the revision of the [`VMContRef`], and the revision never decreases while the store
//!   lives. So nothing has happened to the continuation of a usable reference since the instruction that made the reference.
//! * **C2, permanence.** The memory of a [`VMContRef`] is not unmapped, moved or used for anything else
//!   while its store lives. A stale reference may therefore be compared at any time.
//! * **C3, capacity.** `values.data` has room for `values.capacity` slots of [`SLOT_SIZE`] bytes, of which
//!   the first `values.length` are bound. Validation bounds what compiled code writes: a continuation's type lists
//!   `capacity - length` parameters at most. If an instruction stores values and then fails, the values stay beyond `length`.
//! * **C4, lists.** This holds between any two instructions of Wasm. Each `VMContRef` on the `free` list is free, has no stack
//!   and no argument buffer but `args`, and is on the list once. Each stack on the `stacks` list is idle, belongs to this store,
//!   and is on the list once. `room` more stacks may join that list. Popping an entry transfers its ownership to the caller.
//! * **C5, barriers.** A search for a handler ends at a stack whose `resume` is the store's `barrier`. The `resume` of the
//!   initial stack is always the barrier. That of a continuation is the barrier while the frame of an adapter between two
//!   components, or of a call to a resource's destructor, is on its stack. Compiled code puts the barrier on the current stack,
//!   and clears the handler cache of that stack (N5). With the libcall backend this clears a part of the stack's `backend_state.entry`, which
//!   has no meaning while the stack is on top.

mod context;
mod contref;
mod fingerprint;
mod frame;
mod heap;
mod isa;
pub mod offsets;
mod outcome;
mod stack;

pub use self::context::{Backend, VMContinuationContext, VMSavedEntry};
pub use self::contref::{
    INLINE_ARGS, VMBackendState, VMContObj, VMContRef, VMContState, VMControlContext, VMEntryState,
    VMHandlerCache, VMInlineArgs, VMPayloads,
};
pub use self::fingerprint::{
    FINGERPRINT, TRANSLATION, fingerprint, fingerprint_of_sources, fingerprints, with_fingerprint,
};
pub use self::frame::{NO_TAG, VMResumeFrame, VMTag};
pub use self::heap::{ANY_CONTINUATION, HEAP_REFERENCE_REVISION, NO_CONTINUATION, VMHeapIdentity};
pub use self::isa::Isa;
pub use self::outcome::{KEPT, OUTCOME, RAISE, RETURNED, UNWOUND};
pub use self::stack::VMStackHeader;

/// The largest frame, in bytes, of a function that compares the stack limit only once its frame is on the stack. Functions do so
/// where traps are not signals. Stacks then have this many more bytes below the limit. The compiler refuses larger frames.
pub const MAX_UNCHECKED_FRAME: usize = 208 << 10;

/// The largest frame of a trampoline from Wasm to the host, in bytes. Such a trampoline does not compare the stack limit, so
/// that its frame may lie below the limit. The compiler refuses larger frames. A thousand `v128` each way take 31,808 bytes, and
/// half as much again with the single-pass register allocator.
pub const MAX_HOST_CALL_FRAME: usize = 33_000;

/// The largest frame of any other trampoline, and of entry code, in bytes. These frames begin at the top of a stack. The
/// compiler refuses larger ones. A thousand `v128` each way take 47,712 bytes, and a third more with the single-pass register
/// allocator.
pub const MAX_TRAMPOLINE_FRAME: usize = 48_000;

/// Bytes of one value in a buffer of payloads: the size of a `v128`, and of Wasmtime's `ValRaw`. Values have the little-endian
/// format of `ValRaw`.
pub const SLOT_SIZE: usize = 16;
