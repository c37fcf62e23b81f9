//! A continuation, and the references to it.

use super::frame::VMResumeFrame;
use super::stack::VMStackHeader;
use core::fmt;
use core::ptr::{self, NonNull};

/// The number of values on their way into or out of a continuation that its `VMContRef` has room for. With this number a
/// `VMContRef` takes exactly four cache lines. Most switches pass fewer values.
pub const INLINE_ARGS: usize = 4;

/// A reference to a continuation, as Wasm code holds it.
///
/// Compiled code reads the pair as one native 128-bit integer. The order of the fields depends on the host's byte order, so
/// that the pointer is always in the low half and the revision in the high half.
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

// SAFETY: another thread may own a `VMContObj`, which is plain data. To dereference `contref` is unsafe, and needs the
// store (C2).
unsafe impl Send for VMContObj {}
// SAFETY: several threads may share a `VMContObj`: `&VMContObj` gives access to plain data only. To dereference
// `contref` is unsafe, and needs the store (C2).
unsafe impl Sync for VMContObj {}

impl VMContObj {
    /// The reference as compiled code holds it in a register pair: the pointer in the low half, the revision in the high half.
    /// The low half of a null reference is zero.
    #[inline]
    pub fn to_bits(obj: Option<VMContObj>) -> u128 {
        obj.map_or(0, |obj| {
            let address = obj.contref.as_ptr().expose_provenance();
            address as u128 | (obj.revision as u128) << 64
        })
    }

    /// The reverse of [`VMContObj::to_bits`].
    ///
    /// The `contref` of the result may be dereferenced only if [`VMContObj::to_bits`] or compiled code made the bits.
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

/// The registers with which the native backend resumes a stack, as Cranelift's `stack_switch` reads and writes them.
///
/// `fp` and `pc` have the order of a saved frame pointer and a return address on a stack. Their address can therefore serve as
/// a frame record in a chain of frame pointers (N2).
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

/// A buffer for the values on their way into a continuation. See C3.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct VMPayloads {
    /// The address of the first slot.
    pub data: *mut u128,
    /// The number of slots that hold bound values.
    pub length: u32,
    /// The number of slots.
    pub capacity: u32,
}

/// What a continuation is doing: see [`VMContRef::state`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VMContState {
    /// The continuation has returned, trapped or thrown, or never was. Its `VMContRef` awaits reuse and keeps its `revision`;
    /// `parent` is the next one on the free list.
    Free,
    /// The continuation was made and never resumed. `func`, `caller_or_child` and `values` say what it will run. The native
    /// backend gives it a stack just before it is resumed for the first time (L2).
    Fresh,
    /// The continuation runs, or has resumed one that runs, or was captured while it was in this state and is not the innermost
    /// stack of the capture.
    Running,
    /// The continuation is the innermost stack of a capture. A usable `VMContObj` may point to it. `values` takes the values
    /// that it waits for.
    Suspended,
}

/// How a stack was entered from the host, and how it was left for the host or for another stack.
///
/// The walker needs this of a stack that is not on top. The libcall backend swaps it at each switch. The fields are those of
/// Wasmtime's `VMStoreContext`. All of them are addresses. All are zero if there are no frames of Wasm on the stack.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct VMEntryState {
    /// Frame pointer of the trampoline that entered Wasm on this stack.
    pub entry_fp: usize,
    /// Stack pointer of the same trampoline.
    pub entry_sp: usize,
    /// The address at which the same trampoline takes control again after a trap.
    pub entry_trap_handler: usize,
    /// Frame pointer of the trampoline that left Wasm.
    pub exit_trampoline_fp: usize,
    /// Program counter in the Wasm function that left.
    pub exit_pc: usize,
}

/// A continuation.
///
/// The documentation of the module `abi` has a drawing. Each field names the [`VMContState`] in which it has a meaning, and the
/// backend, if only one uses it.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct VMContRef {
    /// Where the continuation goes on: see `native`, N1. Suspended, native backend. Fresh: `pc` is the entry code from
    /// `cont.new` on, `sp` and `fp` follow once there is a stack. Of a stack that waits for the host, and with the libcall backend
    /// also of a suspended one, `sp` is at or below all values of Wasm on the stack: see `hostcall`, S4 and S5. After a collection, `fp`
    /// and `pc` of a suspended continuation may be those of a detour, with both backends: see `roots.rs`, W1.
    pub control: VMControlContext,
    /// Where the parent goes on: see `native`, N1. Running and captured, native backend. With the libcall backend, `sp` is an
    /// address below the parent's live frames, which host calls use (`hostcall`, S3), and `fp`, which is no frame
    /// pointer here, is an address at or below all values of Wasm on the parent's stack, from which searches read (`hostcall`, S5).
    pub parent_control: VMControlContext,
    /// How often a reference to this `VMContRef` was used: see C1. In every state.
    pub revision: usize,
    /// The frame of the `resume` that runs this stack, on the stack of `parent`, or the store's
    /// [`barrier`](super::VMContinuationContext::barrier) (C5). Running; null while free.
    pub resume: *mut VMResumeFrame,

    /// The lowest stack pointer that Wasm may have on this stack. Zero while the continuation has no stack.
    pub stack_limit: usize,
    /// The stack that resumed this one: a continuation, or the store's
    /// [`initial`](super::VMContinuationContext::initial), whose own `parent` is null. Running. Free: the next free continuation.
    pub parent: *mut VMContRef,
    /// The outermost stack that was captured with this one, often this one itself. Fresh and suspended; otherwise null.
    pub last_ancestor: *mut VMContRef,
    /// Fresh: the function's parameters, and later, with the libcall backend, its results. Suspended: the values that the
    /// instruction that suspended the continuation will return.
    pub values: VMPayloads,
    /// The `VMFuncRef` to run. Fresh, until its function runs; then null.
    pub func: *mut u8,
    /// Fresh: the `VMContext` of the instance that made the continuation. Running: the outermost stack of what the continuation
    /// resumed last, see [`VMContRef::child`].
    pub caller_or_child: *mut u8,
    /// The `VMSharedTypeIndex` of a function type whose parameters begin with the types of the bound values. Fresh and suspended,
    /// if there are bound values.
    pub bound_types: u32,
    /// Whether the instruction that suspended the continuation raises the store's pending exception instead of returning. The
    /// libcall backend sets and reads this while the continuation is being resumed.
    pub throws: u32,
    /// The header of the continuation's stack (L2). Running and suspended, native backend; otherwise null.
    pub stack: *mut VMStackHeader,
    /// The entry state of the parent's stack. Running, libcall backend.
    pub parent_entry: *mut VMEntryState,

    /// State that only one backend has. Running and suspended.
    pub backend_state: VMBackendState,

    /// The memory of `values`, if the values fit: while the continuation is fresh, and with the native backend also while it is
    /// suspended. With the native backend a payload that the continuation suspends with is here too, if it fits.
    pub args: VMInlineArgs,
}

/// The slots of [`VMContRef::args`]. Some processors, such as s390x, align `u128` to 8 bytes; offsets are the same on all.
#[repr(C, align(16))]
#[derive(Debug, Clone, Copy)]
pub struct VMInlineArgs(pub [u128; INLINE_ARGS]);

/// What a continuation knows of the handlers around it: see `native`, N5.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct VMHandlerCache {
    /// The address of the tag that was searched for last, plus 1 if the search was a `switch`'s.
    pub key: usize,
    /// As `key`, of another search that ended at `last`. Zero if there was none.
    pub other_key: usize,
    /// The continuation or one of its ancestors, L. No `resume` between the continuation and L has a clause for `key` or
    /// `other_key`. A search for these may begin with the `resume` that runs L.
    pub last: usize,
    /// The revision of the continuation for which the other fields hold. Zero if they do not: a continuation that runs has a
    /// higher one. The initial stack has revision 0, and its keys are 0, which no search looks for.
    pub revision: usize,
}

/// State that only one backend has. The states of the two backends share their memory. All fields of both are numbers, so that
/// each can be read whatever was written.
#[repr(C)]
#[derive(Clone, Copy)]
pub union VMBackendState {
    /// Libcall backend: the entry state of this stack while another stack is on top.
    pub entry: VMEntryState,
    /// Native backend: where the continuation's last searches found their handlers, if that was not the first clause of the frame
    /// that runs the continuation.
    pub handler_cache: VMHandlerCache,
}

impl VMBackendState {
    /// No frame of Wasm on the stack, and no handler known.
    pub const EMPTY: VMBackendState = VMBackendState {
        entry: VMEntryState {
            entry_fp: 0,
            entry_sp: 0,
            entry_trap_handler: 0,
            exit_trampoline_fp: 0,
            exit_pc: 0,
        },
    };
}
// `EMPTY` is both states.
const _: () = assert!(size_of::<VMHandlerCache>() <= size_of::<VMEntryState>());

impl fmt::Debug for VMBackendState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VMBackendState").finish_non_exhaustive()
    }
}

impl VMContRef {
    /// A `VMContRef` that is free and has never been anything else.
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
        bound_types: 0,
        throws: 0,
        stack: ptr::null_mut(),
        parent_entry: ptr::null_mut(),
        backend_state: VMBackendState::EMPTY,
        args: VMInlineArgs([0; INLINE_ARGS]),
    };

    /// Whether the stack that runs belongs to a continuation, rather than being the initial stack.
    ///
    /// # Safety
    ///
    /// `current` is null, which is no continuation, or a running continuation or the initial stack of a live store.
    #[inline]
    pub unsafe fn is_continuation(current: *const VMContRef) -> bool {
        // SAFETY: the read: `current` is not null here, so that this function's requirement makes it a stack of a live
        // store. C2: its `VMContRef` is valid, aligned and initialised.
        !current.is_null() && unsafe { !(*current).parent.is_null() }
    }

    /// The outermost stack of what this continuation resumed last. The value has a meaning while that stack runs.
    #[inline]
    pub fn child(&self) -> *mut VMContRef {
        self.caller_or_child.cast()
    }

    /// Whether a usable reference to the continuation may exist: it is fresh or suspended.
    #[inline]
    pub fn waits(&self) -> bool {
        !self.last_ancestor.is_null()
    }

    /// Whether the continuation is in state [`VMContState::Suspended`].
    #[inline]
    pub fn is_suspended(&self) -> bool {
        self.waits() && self.func.is_null()
    }

    /// What the continuation is doing. The state follows from fields that a switch writes anyway, so that a switch need not store
    /// it.
    pub fn state(&self) -> VMContState {
        match (self.last_ancestor.is_null(), self.resume.is_null(), self.func.is_null()) {
            (true, true, _) => VMContState::Free,
            (true, false, _) => VMContState::Running,
            (false, _, false) => VMContState::Fresh,
            (false, _, true) => VMContState::Suspended,
        }
    }
}
