//! A continuation and the references to it.

use super::frame::VMResumeFrame;
use super::stack::VMStackHeader;
use core::ptr::{self, NonNull};

/// Values on their way into or out of a continuation that its `VMContRef` has room for. With these it takes four cache
/// lines; mostly there are fewer.
pub const INLINE_ARGS: usize = 3;

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
    /// It has returned, trapped or thrown, and its `VMContRef` awaits reuse. `revision` stays; `parent` is the next free one.
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
    /// Where it goes on, native backend: see `native`, N1. Fresh, once it has a stack, and innermost of a capture.
    pub control: VMControlContext,
    /// Where the parent goes on: see `native`, N1. Running, native backend. With the libcall backend `sp` alone means
    /// something, and that of the outermost stack: see `hostcall`, S3.
    pub parent_control: VMControlContext,
    /// See C1. In every state.
    pub revision: usize,
    /// The frame of the `resume` that runs this stack, in `parent`'s stack, or the store's
    /// [`barrier`](VMStoreShared::barrier). Running; null while free.
    pub resume: *mut VMResumeFrame,

    /// The lowest stack pointer that Wasm may have on this stack; zero while it has no stack.
    pub stack_limit: usize,
    /// The stack that resumed this one: a continuation, or the store's [`initial`](VMStoreShared::initial), whose own
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
    pub bound_types: u32,
    /// Whether the instruction that suspended it raises the store's pending exception instead of
    /// returning. Set and read while it is being resumed, by the libcall backend.
    pub throws: u32,
    /// The stack that it has. Native backend: running and suspended; else null.
    pub stack: *mut VMStackHeader,
    /// The entry state of `parent`'s stack. Running, libcall backend.
    pub parent_entry: *mut VMEntryState,

    /// This stack's own entry state while another stack is on top. Running and suspended, libcall backend.
    pub entry: VMEntryState,

    /// Where it found its last handler, if that was not the frame that runs it. Running and suspended, native backend;
    /// else anything.
    pub handler_cache: VMHandlerCache,

    /// The memory of `values` if that is enough: while it is fresh, and with the native backend while it is suspended. A
    /// payload that it suspends itself with, likewise.
    pub args: [u128; INLINE_ARGS],
}

/// What a continuation knows of the handlers around it: `native`, N5.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct VMHandlerCache {
    /// The tag that was searched, an address, and 1 for a `switch`; or 0.
    pub key: usize,
    /// An ancestor: no resume below the one that runs it has a clause of that kind for the tag.
    pub last: usize,
    /// The continuation's revision as long as that holds.
    pub revision: usize,
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
        bound_types: 0,
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
        handler_cache: VMHandlerCache { key: 0, last: 0, revision: 0 },
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
}
