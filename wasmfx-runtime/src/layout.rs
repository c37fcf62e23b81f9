//! Every `#[repr(C)]` type that compiled code and the runtime share, and the only place that knows
//! their offsets.
//!
//! Compiled code reads and writes these types by the constants in [`offsets`]; a `const` assertion ties
//! each constant to its field. Both backends use the same types: a backend is a property of the code,
//! not of the data.
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
//!                      | waits_for                types of bound values      |
//!                      +-----------------------------------------------------+ 128
//!                      | stack                    top of its stack (native)  |
//!                      | parent_entry, entry      where its frames end       |
//!                      | far                      see N5                     |
//!                      +-----------------------------------------------------+ 208
//!                      | args                     values, if they are few    |
//!                      +-----------------------------------------------------+ 256
//!
//! VMContinuations, one per store
//! +----------+         VMContRef   parent   VMContRef
//! | free     |-------->| free    |--------->| free    |--> null
//! | stacks   |-------->| VMStack |--------->| VMStack |--> null      idle stacks, each at its own top
//! | room     |                      next
//! | created  |         VMContRef   parent   VMContRef
//! | initial  |<--------| running |<---------| running |<-- current   the stacks that run
//! |   .child |-------->|         |
//! +----------+
//! ```
//!
//! The chain of running stacks ends at `initial`: a [`VMContRef`] that stands for the stack on which the host entered Wasm,
//! and is no continuation. Its `parent` is null, and its `resume` is a frame without clauses, so that a search for a
//! handler needs no test for it.
//!
//! The first two cache lines are what a switch touches; the rest is for starting, binding and tracing.
//!
//! What a `stack_switch` of the native backend hands over, and what the libcall backend's `resume` returns: an
//! address, whose low bits a [`VMContRef`]'s alignment leaves free for an [outcome](OUTCOME).
//!
//! | to | address of | outcome | means |
//! | --- | --- | --- | --- |
//! | `resume` | what was captured | none | clause `frame.clause` was taken: the payload is at the captured `args`, or at its `values.data` if there is more of it (native), or always (libcall) |
//! | | what ended | [`RETURNED`] | its results are at `frame.values`; it is free again |
//! | | what ended | [`KEPT`] | its results are at `frame.values`; the runtime is to end it |
//! | | what ended | [`UNWOUND`] | it was unwound by an exception |
//! | `suspend`, `switch` | itself | none | the values that it waits for are there |
//! | | [`RAISE`] | | the store's pending exception is to be raised here |
//! | entry code | itself | none | its function is to be called |
//!
//! All that code of different modules and the runtime must agree on stands in this file, in `native.rs` and in
//! `arch/`, whose text is the [`FINGERPRINT`] by which old code is told from new.
//!
//! # Invariants
//!
//! * **C1, linearity.** A [`VMContObj`] is usable exactly when its revision equals that of its
//!   [`VMContRef`]. Every use increments the latter, which never decreases while the store lives. So while a reference is
//!   usable, its continuation is as the instruction left it that made the reference.
//! * **C2, permanence.** The memory of a [`VMContRef`] is not unmapped, moved or used for anything else
//!   while its store lives. A stale reference may therefore be compared at any time.
//! * **C3, capacity.** `values.data` has room for `values.capacity` slots of [`SLOT_SIZE`] bytes, of which
//!   the first `values.length` are bound. Validation bounds what compiled code writes: the parameters
//!   that a continuation's type still lists are `capacity - length` at most. Values that an instruction
//!   stored and did not live to bind or pass on stay beyond `length`.
//! * **C4, lists.** Between any two instructions of Wasm, each `VMContRef` on the `free` list is free, has no stack and
//!   no argument buffer but `args`, and is there once; each stack on the `stacks` list is idle, of this store, and there
//!   once, and `room` more may join them. Who takes from a list owns what he took.
//! * **C5, barriers.** While the frame of an adapter between two components is on a continuation's stack, and on the initial stack
//!   always, `resume` is the store's `barrier`: a search for a handler ends there. It was put there while that stack was the current
//!   one, which then knew no far handler (`native`, N5).

use core::ptr::{self, NonNull};

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

/// Changes with what compiled code and this crate share. Code that was compiled by a build with another
/// fingerprint must not run.
pub const FINGERPRINT: u64 = fingerprints(
    0,
    &[
        include_bytes!("layout.rs"),
        include_bytes!("native.rs"),
        include_bytes!("arch/x86_64.rs"),
        env!("CARGO_PKG_VERSION").as_bytes(),
    ],
);

/// [`fingerprint`] of each text, seeded with that of the one before.
pub const fn fingerprints(seed: u64, texts: &[&[u8]]) -> u64 {
    let mut hash = seed;
    let mut i = 0;
    while i < texts.len() {
        hash = fingerprint(hash, texts[i]);
        i += 1;
    }
    hash
}

/// A hash of `text`, seeded with another (64-bit FNV-1a): against mix-ups, not against malice.
pub const fn fingerprint(seed: u64, text: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed;
    let mut i = 0;
    while i < text.len() {
        hash = (hash ^ text[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

/// `prefix` and then `fingerprint` in 16 hexadecimal digits. `N` is the length of all that.
pub const fn with_fingerprint<const N: usize>(prefix: &str, fingerprint: u64) -> [u8; N] {
    let mut text = [0; N];
    let (start, digits) = text.split_at_mut(prefix.len());
    start.copy_from_slice(prefix.as_bytes());
    let mut i = 0;
    while i < 16 {
        digits[i] = b"0123456789abcdef"[(fingerprint >> (60 - 4 * i)) as usize & 15];
        i += 1;
    }
    text
}

/// Bytes of one value in a buffer of payloads: those of a `v128`, and of Wasmtime's `ValRaw`, whose
/// little-endian format the values have.
pub const SLOT_SIZE: usize = 16;

/// Values on their way into or out of a continuation that its `VMContRef` has room for. With these it takes four cache
/// lines; mostly there are fewer.
pub const INLINE_ARGS: usize = 3;

/// The largest frame of a function that compares the stack limit only once its frame is on the stack, in bytes: as it does
/// where traps are not signals. Stacks have so much more below the limit then, and the compiler refuses more.
pub const MAX_UNCHECKED_FRAME: usize = 208 << 10;

/// The largest frame of a trampoline from Wasm to the host, in bytes. It does not compare the stack limit, and may stand below
/// it; the compiler refuses more. A thousand `v128` each way take 31,808, half as much again with the single-pass register
/// allocator.
pub const MAX_HOST_CALL_FRAME: usize = 33_000;

/// The largest frame of another trampoline, and of entry code, in bytes: these begin at a stack's top. The compiler refuses
/// more. A thousand `v128` each way take 47,712, a third more with the single-pass register allocator.
pub const MAX_TRAMPOLINE_FRAME: usize = 48_000;

/// A tag's definition. Tags are compared by this address: an imported tag has its exporter's.
#[derive(Debug)]
pub enum VMTag {}

/// The address of no tag, nor null.
pub const NO_TAG: *const VMTag = ptr::without_provenance(1);

/// A reference to a continuation, as Wasm code holds it.
///
/// The fields stand so that the pair, read as one native 128-bit integer, has the pointer in its low
/// half and the revision in its high half, on hosts of either byte order.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VMContObj {
    /// The revision that the continuation had when this reference was made.
    #[cfg(target_endian = "big")]
    pub revision: usize,
    /// The continuation.
    pub contref: NonNull<VMContRef>,
    /// The revision that the continuation had when this reference was made.
    #[cfg(target_endian = "little")]
    pub revision: usize,
}

// SAFETY: a `VMContObj` is plain data; to dereference `contref` is unsafe, and needs the store (C2).
unsafe impl Send for VMContObj {}
// SAFETY: as above.
unsafe impl Sync for VMContObj {}

impl VMContObj {
    /// The reference as compiled code has it in a register pair: the pointer in the low half, the revision
    /// in the high half. A null reference has a zero in its low half.
    #[inline]
    pub fn to_bits(obj: Option<VMContObj>) -> u128 {
        obj.map_or(0, |obj| {
            let address = obj.contref.as_ptr().expose_provenance();
            address as u128 | (obj.revision as u128) << 64
        })
    }

    /// The reverse of [`VMContObj::to_bits`].
    ///
    /// The result is as trustworthy as the bits: it may be dereferenced only if [`VMContObj::to_bits`] or
    /// compiled code made them.
    pub fn from_bits(bits: u128) -> Option<VMContObj> {
        let contref = core::ptr::with_exposed_provenance_mut(bits as usize);
        Some(VMContObj { contref: NonNull::new(contref)?, revision: (bits >> 64) as usize })
    }

    /// The value of a payload slot that holds `obj`.
    #[inline]
    pub fn to_slot(obj: Option<VMContObj>) -> u128 {
        Self::to_bits(obj).to_le()
    }
}

/// The registers with which the native backend resumes a stack, as Cranelift's `stack_switch` reads and writes
/// them. `fp` and `pc` stand as a frame pointer and a return address stand on a stack, so that this is
/// a record in a chain of frame pointers.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct VMControlContext {
    /// Stack pointer.
    pub sp: usize,
    /// Frame pointer.
    pub fp: usize,
    /// Program counter.
    pub pc: usize,
}

/// A buffer of values on their way into a continuation. See C3.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct VMPayloads {
    /// The first slot.
    pub data: *mut u128,
    /// How many slots hold bound values.
    pub length: u32,
    /// How many slots there are.
    pub capacity: u32,
}

/// What a continuation is doing: see [`VMContRef::state`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VMContState {
    /// Returned, trapped or thrown: its `VMContRef` awaits reuse. Only `revision` means anything.
    Free,
    /// Made and never resumed. It has no stack; `func`, `caller_vmctx` and `values` say what will run.
    Fresh,
    /// It runs, or resumed a continuation that does, or was captured together with such a one.
    Running,
    /// The innermost stack of a capture: what a `VMContObj` may point to. `values` waits for arguments.
    Suspended,
}

/// How a stack was entered from the host and left for the host or for another stack: what the walker
/// needs of a stack that is not on top, and what the libcall backend swaps at a switch.
///
/// The fields are those of Wasmtime's `VMStoreContext`: addresses all, or all zero if there is nothing of Wasm
/// on the stack.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct VMEntryState {
    /// Frame pointer of the trampoline that entered Wasm on this stack.
    pub entry_fp: usize,
    /// Stack pointer of the same trampoline.
    pub entry_sp: usize,
    /// Where the same trampoline takes control again after a trap.
    pub entry_trap_handler: usize,
    /// Frame pointer of the trampoline that left Wasm.
    pub exit_trampoline_fp: usize,
    /// Program counter in the Wasm function that left.
    pub exit_pc: usize,
}

/// A continuation.
///
/// The module documentation draws it; each field says in which [`VMContState`] it means something.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct VMContRef {
    /// Where it goes on, native backend: see `native`, N1. Fresh, once it has a stack, and innermost of a capture. `pc` is
    /// zero with the libcall backend, and never with the native one.
    pub control: VMControlContext,
    /// Where the parent goes on: see `native`, N1. Running, native backend. With the libcall backend `sp` alone means
    /// something, and that of the outermost stack: see `hostcall`, S3.
    pub parent_control: VMControlContext,
    /// See C1. In every state.
    pub revision: usize,
    /// The frame of the `resume` that runs this stack, in `parent`'s stack, or the store's
    /// [`barrier`](VMContinuations::barrier). Running; null while free.
    pub resume: *mut VMResumeFrame,

    /// The lowest stack pointer that Wasm may have on this stack; zero while it has no stack.
    pub stack_limit: usize,
    /// The stack that resumed this one: a continuation, or the store's [`initial`](VMContinuations::initial), whose own
    /// is null. Running. Free: the next free one.
    pub parent: *mut VMContRef,
    /// The outermost stack that was captured with this one, often itself. Fresh and suspended; else null.
    pub last_ancestor: *mut VMContRef,
    /// Fresh: the function's parameters, and later its results (libcall backend). Suspended: what the instruction that
    /// suspended it will return.
    pub values: VMPayloads,
    /// The `VMFuncRef` to run. Fresh, and until it runs; else null.
    pub func: *mut u8,
    /// Fresh: the `VMContext` of the instance that made it. Running: the outermost stack of what it resumed last, see
    /// [`VMContRef::child`].
    pub caller_or_child: *mut u8,
    /// `VMSharedTypeIndex` of a function type whose parameters begin with the types of the bound values. Fresh and
    /// suspended, if there are such.
    pub waits_for: u32,
    /// Whether the instruction that suspended it raises the store's pending exception instead of
    /// returning. Set and read while it is being resumed, by the libcall backend.
    pub throws: u32,
    /// The stack that it has. Native backend: running and suspended; else null.
    pub stack: *mut VMStack,
    /// The entry state of `parent`'s stack. Running, libcall backend.
    pub parent_entry: *mut VMEntryState,

    /// This stack's own entry state while another stack is on top. Running and suspended, libcall backend.
    pub entry: VMEntryState,

    /// Where it found its last handler, if that was not the frame that runs it. Running and suspended, native backend;
    /// else anything.
    pub far: VMFarHandler,

    /// The memory of `values` if that is enough: while it is fresh, and with the native backend while it is suspended. A
    /// payload that it suspends itself with, likewise.
    pub args: [u128; INLINE_ARGS],
}

/// What a continuation knows of the handlers around it: `native`, N5.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct VMFarHandler {
    /// The tag that was searched, an address, and 1 for a `switch`; or 0.
    pub key: usize,
    /// An ancestor: no resume below the one that runs it has a clause of that kind for the tag.
    pub last: usize,
    /// The continuation's revision as long as that holds.
    pub revision: usize,
}

/// The top of a stack of the native backend, or of an idle one: what is known of it, in the memory above its first frame.
///
/// ```text
///   | VMStack                   |  highest address
///   | return address: bottom    |
///   | frame pointer             |  <- entry_fp: the record of the entry code's frame
/// ```
#[repr(C, align(16))]
#[derive(Debug)]
pub struct VMStack {
    /// The next idle stack of the store. Idle.
    pub next: *mut VMStack,
    /// Bytes from the guard to the end of this.
    pub size: usize,
    /// The stack's number in its pool.
    pub slot: u32,
}

impl VMStack {
    /// The frame pointer at which the frames of the stack below `stack` end.
    pub fn entry_fp(stack: *const VMStack) -> usize {
        Self::return_address(stack.cast_mut()).addr() - size_of::<usize>()
    }

    /// The word below `stack`: the stack pointer with which its stack is entered, and what stands there.
    pub fn return_address(stack: *mut VMStack) -> *mut usize {
        stack.cast::<usize>().wrapping_sub(1)
    }
}

/// What the continuations of a store are made of, where compiled code finds it. See C4.
#[repr(C)]
#[derive(Debug)]
pub struct VMContinuations {
    /// Free ones, linked by `parent`: the last one freed first.
    pub free: *mut VMContRef,
    /// Idle stacks, linked by `next`: the last one used first.
    pub stacks: *mut VMStack,
    /// How many stacks may join those.
    pub room: usize,
    /// How many continuations were ever made.
    pub created: u64,
    /// Bytes from a stack's `VMStack` down to the limit of Wasm that runs on it.
    pub limit_below: usize,
    /// [`VMResumeFrame::BARRIER`]. See C5.
    pub barrier: VMResumeFrame,
    /// Stands for the stack on which the host last entered Wasm of this store. See `hostcall`.
    ///
    /// | field | means |
    /// | --- | --- |
    /// | `child` | the outermost stack above it, while there is one |
    /// | `stack_limit` | the stack limit of Wasm on the initial stack |
    pub initial: VMContRef,
}

/// What an entry from the host into Wasm saves of the entry around it: which stack was the current one, and what
/// [`initial`](VMContinuations::initial) said.
#[derive(Debug, Clone, Copy)]
pub struct VMSavedEntry {
    /// The stack that was current.
    pub current: *mut VMContRef,
    child: *mut u8,
    stack_limit: usize,
}

impl VMSavedEntry {
    /// Makes the stack that the host is on the initial one, with this stack limit of Wasm. The caller makes
    /// `initial` the current stack.
    ///
    /// # Safety
    ///
    /// `lists` is a live store's, or null: of a build that does not switch stacks. `current` is that store's current stack.
    pub unsafe fn enter(
        lists: *mut VMContinuations,
        current: *mut VMContRef,
        stack_limit: usize,
    ) -> VMSavedEntry {
        let mut saved = VMSavedEntry { current, child: ptr::null_mut(), stack_limit };
        // SAFETY: the caller vouches for it. No continuation runs, so that nobody asks for the child.
        unsafe { saved.exchange(lists) };
        saved
    }

    /// Exchanges what is saved, but for the current stack, and what is in force.
    ///
    /// # Safety
    ///
    /// `lists` is what it was for [`VMSavedEntry::enter`].
    pub unsafe fn exchange(&mut self, lists: *mut VMContinuations) {
        if lists.is_null() {
            return;
        }
        // SAFETY: the caller vouches for it.
        let initial = unsafe { &mut (*lists).initial };
        core::mem::swap(&mut initial.caller_or_child, &mut self.child);
        core::mem::swap(&mut initial.stack_limit, &mut self.stack_limit);
    }
}

impl VMContRef {
    /// One that is free and has never been anything else.
    pub const FREE: VMContRef = VMContRef {
        control: VMControlContext { sp: 0, fp: 0, pc: 0 },
        parent_control: VMControlContext { sp: 0, fp: 0, pc: 0 },
        revision: 0,
        resume: ptr::null_mut(),
        stack_limit: 0,
        parent: ptr::null_mut(),
        last_ancestor: ptr::null_mut(),
        values: VMPayloads { data: ptr::null_mut(), length: 0, capacity: 0 },
        func: ptr::null_mut(),
        caller_or_child: ptr::null_mut(),
        waits_for: 0,
        throws: 0,
        stack: ptr::null_mut(),
        parent_entry: ptr::null_mut(),
        entry: VMEntryState {
            entry_fp: 0,
            entry_sp: 0,
            entry_trap_handler: 0,
            exit_trampoline_fp: 0,
            exit_pc: 0,
        },
        far: VMFarHandler { key: 0, last: 0, revision: 0 },
        args: [0; INLINE_ARGS],
    };

    /// Whether the stack that runs is a continuation's, rather than the one that the host entered Wasm on.
    ///
    /// # Safety
    ///
    /// `current` is null, which is no continuation, or what a live store has as its current stack.
    #[inline]
    pub unsafe fn is_continuation(current: *const VMContRef) -> bool {
        // SAFETY: the caller vouches for the pointer.
        !current.is_null() && unsafe { !(*current).parent.is_null() }
    }

    /// The outermost stack of what this one resumed last. It means something while that runs.
    #[inline]
    pub fn child(&self) -> *mut VMContRef {
        self.caller_or_child.cast()
    }

    /// What it is doing, as its other fields tell: a switch need not write it down.
    pub fn state(&self) -> VMContState {
        match (self.last_ancestor.is_null(), self.resume.is_null(), self.func.is_null()) {
            (true, true, _) => VMContState::Free,
            (true, false, _) => VMContState::Running,
            (false, _, false) => VMContState::Fresh,
            (false, _, true) => VMContState::Suspended,
        }
    }

    /// Whether code of the native backend made this continuation. Not for one that is free, nor for the initial stack.
    pub fn is_native(&self) -> bool {
        self.control.pc != 0
    }
}

/// What a `resume` asks for and which clause was taken, in the resuming function's own frame.
///
/// All but `clause` is the same each time that an activation of the function comes to the `resume`.
///
/// The tags of its handler clauses follow: those of `(on $tag $label)` in order, then those of
/// `(on $tag switch)` in order, a `*const VMTag` each.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct VMResumeFrame {
    /// `(on $tag $label)` clauses.
    pub suspend_count: u32,
    /// `(on $tag switch)` clauses.
    pub switch_count: u32,
    /// Where results go, if there are any.
    pub values: *mut u128,
    /// Results that the continuation's type lists. Libcall backend.
    pub result_count: u32,
    /// Out: the number of the clause that was taken, among those with labels.
    pub clause: u32,
    /// The tag of the first clause with a label, again; null if there is none; [`NO_TAG`] in a barrier.
    pub first: *const VMTag,
    /// The tag of the first clause without, again; likewise.
    pub first_switch: *const VMTag,
}

impl VMResumeFrame {
    /// No `resume`'s: where a search for a handler ends in vain.
    pub const BARRIER: VMResumeFrame = VMResumeFrame {
        suspend_count: 0,
        switch_count: 0,
        values: ptr::null_mut(),
        result_count: 0,
        clause: 0,
        first: NO_TAG,
        first_switch: NO_TAG,
    };

    /// Whether no search goes beyond this frame.
    ///
    /// # Safety
    ///
    /// `frame` must point to a live frame.
    #[inline]
    pub unsafe fn is_barrier(frame: *const Self) -> bool {
        // SAFETY: the caller vouches for the frame.
        unsafe { (*frame).first == NO_TAG }
    }

    /// The clause that takes a `suspend` to `tag`, if this frame has one.
    ///
    /// # Safety
    ///
    /// `frame` must point to a live frame with its tags behind it.
    #[inline]
    pub unsafe fn find_suspend(frame: *const Self, tag: *const VMTag) -> Option<u32> {
        // SAFETY: the caller vouches for the frame.
        unsafe { find(frame, 0, (*frame).suspend_count, tag) }
    }

    /// Whether a `switch` to `tag` ends its search here.
    ///
    /// # Safety
    ///
    /// As for [`VMResumeFrame::find_suspend`].
    #[inline]
    pub unsafe fn has_switch(frame: *const Self, tag: *const VMTag) -> bool {
        // SAFETY: the caller vouches for the frame.
        unsafe { find(frame, (*frame).suspend_count, (*frame).switch_count, tag).is_some() }
    }
}

/// The first of `count` tags from the one numbered `first` that is `tag`, counted from `first`.
///
/// # Safety
///
/// `frame` must have so many tags behind it.
unsafe fn find(frame: *const VMResumeFrame, first: u32, count: u32, tag: *const VMTag) -> Option<u32> {
    // SAFETY: the tags start where the frame's fields end, and the caller vouches for their number.
    unsafe {
        let tags = frame.add(1).cast::<*const VMTag>().add(first as usize);
        (0..count).find(|&i| *tags.add(i as usize) == tag)
    }
}

/// What compiled code adds to a pointer to reach a field: the 64-bit layout, in bytes.
pub mod offsets {
    /// Bytes of a continuation reference.
    pub const VMCONTOBJ_SIZE: u8 = 16;

    /// `VMContRef::control`
    pub const VMCONTREF_CONTROL: i32 = 0;
    /// `VMContRef::control.sp`
    pub const VMCONTREF_CONTROL_SP: i32 = 0;
    /// `VMContRef::control.fp`
    pub const VMCONTREF_CONTROL_FP: i32 = 8;
    /// `VMContRef::control.pc`
    pub const VMCONTREF_CONTROL_PC: i32 = 16;
    /// `VMContRef::parent_control`
    pub const VMCONTREF_PARENT_CONTROL: i32 = 24;
    /// `VMContRef::parent_control.fp`
    pub const VMCONTREF_PARENT_CONTROL_FP: i32 = 32;
    /// `VMContRef::revision`
    pub const VMCONTREF_REVISION: i32 = 48;
    /// `VMContRef::resume`
    pub const VMCONTREF_RESUME: i32 = 56;
    /// `VMContRef::stack_limit`
    pub const VMCONTREF_STACK_LIMIT: i32 = 64;
    /// `VMContRef::parent`
    pub const VMCONTREF_PARENT: i32 = 72;
    /// `VMContRef::last_ancestor`
    pub const VMCONTREF_LAST_ANCESTOR: i32 = 80;
    /// `VMContRef::values.data`
    pub const VMCONTREF_VALUES_DATA: i32 = 88;
    /// `VMContRef::values.length`
    pub const VMCONTREF_VALUES_LENGTH: i32 = 96;
    /// `VMContRef::values.capacity`
    pub const VMCONTREF_VALUES_CAPACITY: i32 = 100;
    /// `VMContRef::func`
    pub const VMCONTREF_FUNC: i32 = 104;
    /// `VMContRef::caller_or_child`, of a fresh one
    pub const VMCONTREF_CALLER_VMCTX: i32 = 112;
    /// `VMContRef::caller_or_child`, of one that runs
    pub const VMCONTREF_CHILD: i32 = VMCONTREF_CALLER_VMCTX;
    /// `VMContRef::waits_for`
    pub const VMCONTREF_WAITS_FOR: i32 = 120;
    /// `VMContRef::stack`
    pub const VMCONTREF_STACK: i32 = 128;
    /// `VMContRef::far.key`
    pub const VMCONTREF_FAR_KEY: i32 = 184;
    /// `VMContRef::far.last`
    pub const VMCONTREF_FAR_LAST: i32 = 192;
    /// `VMContRef::far.revision`
    pub const VMCONTREF_FAR_REVISION: i32 = 200;
    /// `VMContRef::args`
    pub const VMCONTREF_ARGS: i32 = 208;

    /// `VMContinuations::free`
    pub const VMCONTINUATIONS_FREE: i32 = 0;
    /// `VMContinuations::stacks`
    pub const VMCONTINUATIONS_STACKS: i32 = 8;
    /// `VMContinuations::room`
    pub const VMCONTINUATIONS_ROOM: i32 = 16;
    /// `VMContinuations::created`
    pub const VMCONTINUATIONS_CREATED: i32 = 24;
    /// `VMContinuations::limit_below`
    pub const VMCONTINUATIONS_LIMIT_BELOW: i32 = 32;
    /// `VMContinuations::barrier`
    pub const VMCONTINUATIONS_BARRIER: i32 = 48;

    /// `VMStack::next`
    pub const VMSTACK_NEXT: i32 = 0;
    /// From a `VMStack` to the return address below it, with which a stack is entered.
    pub const VMSTACK_RETURN_ADDRESS: i32 = -8;

    /// Bytes of a `VMControlContext`.
    pub const VMCONTROLCONTEXT_SIZE: u8 = 24;

    /// `VMResumeFrame::suspend_count`
    pub const VMRESUMEFRAME_SUSPEND_COUNT: i32 = 0;
    /// `VMResumeFrame::switch_count`
    pub const VMRESUMEFRAME_SWITCH_COUNT: i32 = 4;
    /// `VMResumeFrame::values`
    pub const VMRESUMEFRAME_VALUES: i32 = 8;
    /// `VMResumeFrame::result_count`
    pub const VMRESUMEFRAME_RESULT_COUNT: i32 = 16;
    /// `VMResumeFrame::clause`
    pub const VMRESUMEFRAME_CLAUSE: i32 = 20;
    /// `VMResumeFrame::first`
    pub const VMRESUMEFRAME_FIRST: i32 = 24;
    /// `VMResumeFrame::first_switch`
    pub const VMRESUMEFRAME_FIRST_SWITCH: i32 = 32;
    /// The first tag behind a `VMResumeFrame`, and so the frame's own size.
    pub const VMRESUMEFRAME_TAGS: i32 = 48;
}

#[cfg(target_pointer_width = "64")]
const _: () = {
    use core::mem::{align_of, offset_of, size_of};
    use offsets::*;

    const fn at(offset: i32, field: usize) {
        assert!(offset as usize == field);
    }
    at(VMCONTREF_CONTROL, offset_of!(VMContRef, control));
    at(VMCONTREF_CONTROL_SP, offset_of!(VMContRef, control.sp));
    at(VMCONTREF_CONTROL_FP, offset_of!(VMContRef, control.fp));
    at(VMCONTREF_CONTROL_PC, offset_of!(VMContRef, control.pc));
    at(VMCONTREF_PARENT, offset_of!(VMContRef, parent));
    at(VMCONTREF_PARENT_CONTROL, offset_of!(VMContRef, parent_control));
    at(VMCONTREF_PARENT_CONTROL_FP, offset_of!(VMContRef, parent_control.fp));
    at(VMCONTREF_REVISION, offset_of!(VMContRef, revision));
    at(VMCONTREF_STACK_LIMIT, offset_of!(VMContRef, stack_limit));
    at(VMCONTREF_RESUME, offset_of!(VMContRef, resume));
    at(VMCONTREF_LAST_ANCESTOR, offset_of!(VMContRef, last_ancestor));
    at(VMCONTREF_VALUES_DATA, offset_of!(VMContRef, values.data));
    at(VMCONTREF_VALUES_LENGTH, offset_of!(VMContRef, values.length));
    at(VMCONTREF_VALUES_CAPACITY, offset_of!(VMContRef, values.capacity));
    at(VMCONTREF_WAITS_FOR, offset_of!(VMContRef, waits_for));
    at(VMCONTREF_STACK, offset_of!(VMContRef, stack));
    at(VMCONTREF_FAR_KEY, offset_of!(VMContRef, far.key));
    at(VMCONTREF_FAR_LAST, offset_of!(VMContRef, far.last));
    at(VMCONTREF_FAR_REVISION, offset_of!(VMContRef, far.revision));
    at(VMCONTREF_ARGS, offset_of!(VMContRef, args));
    at(VMCONTINUATIONS_FREE, offset_of!(VMContinuations, free));
    at(VMCONTINUATIONS_STACKS, offset_of!(VMContinuations, stacks));
    at(VMCONTINUATIONS_ROOM, offset_of!(VMContinuations, room));
    at(VMCONTINUATIONS_CREATED, offset_of!(VMContinuations, created));
    at(VMCONTINUATIONS_LIMIT_BELOW, offset_of!(VMContinuations, limit_below));
    at(VMCONTINUATIONS_BARRIER, offset_of!(VMContinuations, barrier));
    at(VMSTACK_NEXT, offset_of!(VMStack, next));
    at(VMCONTREF_FUNC, offset_of!(VMContRef, func));
    at(VMCONTREF_CALLER_VMCTX, offset_of!(VMContRef, caller_or_child));
    at(VMCONTREF_CHILD, offset_of!(VMContRef, caller_or_child));
    at(VMRESUMEFRAME_SUSPEND_COUNT, offset_of!(VMResumeFrame, suspend_count));
    at(VMRESUMEFRAME_SWITCH_COUNT, offset_of!(VMResumeFrame, switch_count));
    at(VMRESUMEFRAME_RESULT_COUNT, offset_of!(VMResumeFrame, result_count));
    at(VMRESUMEFRAME_VALUES, offset_of!(VMResumeFrame, values));
    at(VMRESUMEFRAME_CLAUSE, offset_of!(VMResumeFrame, clause));
    at(VMRESUMEFRAME_FIRST, offset_of!(VMResumeFrame, first));
    at(VMRESUMEFRAME_FIRST_SWITCH, offset_of!(VMResumeFrame, first_switch));
    at(VMRESUMEFRAME_TAGS, size_of::<VMResumeFrame>());

    assert!(size_of::<VMContObj>() == VMCONTOBJ_SIZE as usize);
    assert!(size_of::<VMControlContext>() == VMCONTROLCONTEXT_SIZE as usize);
    // Cranelift's `control_context_layout`, and a frame record from `fp` on.
    assert!(offset_of!(VMControlContext, sp) == 0);
    assert!(offset_of!(VMControlContext, fp) == 8);
    assert!(offset_of!(VMControlContext, pc) == 16);
    assert!(size_of::<Option<VMContObj>>() == size_of::<VMContObj>());
    // The cache lines of the map above.
    assert!(align_of::<VMContRef>() == 64);
    assert!(align_of::<VMContRef>() as u64 > OUTCOME);
    assert!(RETURNED & OUTCOME == RETURNED && UNWOUND & OUTCOME == UNWOUND && KEPT & OUTCOME == KEPT);
    assert!(offset_of!(VMContRef, stack_limit) == 64);
    assert!(offset_of!(VMContRef, stack) == 128);
    assert!(size_of::<VMContRef>() == 256);
    // The stack pointer behind a call, where the caller's was aligned.
    assert!(size_of::<VMStack>().is_multiple_of(16) && VMSTACK_RETURN_ADDRESS == -8);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_tell_texts_and_seeds_apart() {
        let all =
            [fingerprint(0, b"one"), fingerprint(0, b"two"), fingerprint(1, b"one"), fingerprint(0, b"")];
        for (i, one) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| one != other));
        }
        assert_eq!(&with_fingerprint::<19>("48-", 0x0123_4567_89ab_cdef), b"48-0123456789abcdef");
    }
}
