//! The offsets of fields in bytes, which compiled code adds to a pointer. They are those of 64-bit targets, whatever the host is.

use super::context::VMContinuationContext;
use super::contref::{VMContObj, VMContRef, VMControlContext};
use super::frame::VMResumeFrame;
#[cfg(target_pointer_width = "64")]
use super::heap::{IDENTITY, VMHeapIdentity};
#[cfg(target_pointer_width = "64")]
use super::isa::Isa;
use super::outcome::{KEPT, OUTCOME, RETURNED, UNWOUND};
use super::stack::VMStackHeader;
use core::mem::{align_of, offset_of, size_of};

/// Makes a constant of each line, and an assertion that the constant is the offset of the field.
macro_rules! offsets {
    ($($name:ident: $ty:ident, $($field:ident).+ = $offset:literal;)*) => {$(
        #[doc = concat!("`", stringify!($ty), "::", stringify!($($field).+), "`")]
        pub const $name: i32 = $offset;
        #[cfg(target_pointer_width = "64")]
        const _: () = assert!(offset_of!($ty, $($field).+) == $offset);
    )*};
}

offsets! {
    VMCONTREF_CONTROL: VMContRef, control = 0;
    VMCONTREF_CONTROL_SP: VMContRef, control.sp = 0;
    VMCONTREF_CONTROL_FP: VMContRef, control.fp = 8;
    VMCONTREF_CONTROL_PC: VMContRef, control.pc = 16;
    VMCONTREF_PARENT_CONTROL: VMContRef, parent_control = 24;
    VMCONTREF_PARENT_CONTROL_FP: VMContRef, parent_control.fp = 32;
    VMCONTREF_REVISION: VMContRef, revision = 48;
    VMCONTREF_RESUME: VMContRef, resume = 56;
    VMCONTREF_STACK_LIMIT: VMContRef, stack_limit = 64;
    VMCONTREF_PARENT: VMContRef, parent = 72;
    VMCONTREF_LAST_ANCESTOR: VMContRef, last_ancestor = 80;
    VMCONTREF_VALUES_DATA: VMContRef, values.data = 88;
    VMCONTREF_VALUES_LENGTH: VMContRef, values.length = 96;
    VMCONTREF_VALUES_CAPACITY: VMContRef, values.capacity = 100;
    VMCONTREF_FUNC: VMContRef, func = 104;
    // One field with two meanings, and a constant for each: a fresh continuation has a caller, a running one has a child.
    VMCONTREF_CALLER_VMCTX: VMContRef, caller_or_child = 112;
    VMCONTREF_CHILD: VMContRef, caller_or_child = 112;
    VMCONTREF_BOUND_TYPES: VMContRef, bound_types = 120;
    VMCONTREF_STACK: VMContRef, stack = 128;
    VMCONTREF_HANDLER_CACHE_KEY: VMContRef, backend_state.handler_cache.key = 144;
    VMCONTREF_HANDLER_CACHE_OTHER_KEY: VMContRef, backend_state.handler_cache.other_key = 152;
    VMCONTREF_HANDLER_CACHE_LAST: VMContRef, backend_state.handler_cache.last = 160;
    VMCONTREF_HANDLER_CACHE_REVISION: VMContRef, backend_state.handler_cache.revision = 168;
    VMCONTREF_ARGS: VMContRef, args = 192;

    VMCONTINUATIONCONTEXT_FREE: VMContinuationContext, free = 0;
    VMCONTINUATIONCONTEXT_STACKS: VMContinuationContext, stacks = 8;
    VMCONTINUATIONCONTEXT_ROOM: VMContinuationContext, room = 16;
    VMCONTINUATIONCONTEXT_CREATED: VMContinuationContext, created = 24;
    VMCONTINUATIONCONTEXT_LIMIT_BELOW: VMContinuationContext, limit_below = 32;
    VMCONTINUATIONCONTEXT_BARRIER: VMContinuationContext, barrier = 48;
    VMCONTINUATIONCONTEXT_KNOWN: VMContinuationContext, known = 88;
    VMCONTINUATIONCONTEXT_KNOWN_COUNT: VMContinuationContext, known_count = 96;

    VMSTACKHEADER_NEXT: VMStackHeader, next = 0;
    VMSTACKHEADER_BOTTOM: VMStackHeader, bottom = 24;

    VMRESUMEFRAME_SUSPEND_COUNT: VMResumeFrame, suspend_count = 0;
    VMRESUMEFRAME_SWITCH_COUNT: VMResumeFrame, switch_count = 4;
    VMRESUMEFRAME_VALUES: VMResumeFrame, values = 8;
    VMRESUMEFRAME_RESULT_COUNT: VMResumeFrame, result_count = 16;
    VMRESUMEFRAME_CLAUSE: VMResumeFrame, clause = 20;
    VMRESUMEFRAME_FIRST: VMResumeFrame, first = 24;
    VMRESUMEFRAME_FIRST_SWITCH: VMResumeFrame, first_switch = 32;
}

/// `VMHeapIdentity::number`, from the `VMContRef` on.
pub const VMCONTREF_HEAP_NUMBER: i32 = 256;
/// `VMHeapIdentity::ty`, from the `VMContRef` on.
pub const VMCONTREF_HEAP_TYPE: i32 = 260;
/// `VMHeapIdentity::revision`, from the `VMContRef` on.
pub const VMCONTREF_HEAP_REVISION: i32 = 264;
/// The offset of the first tag behind a `VMResumeFrame`, which is the size of the `VMResumeFrame`.
pub const VMRESUMEFRAME_TAGS: i32 = 40;
/// The offset from a `VMStackHeader` to the return address of the entry code, below it.
pub const VMSTACKHEADER_RETURN_ADDRESS: i32 = 8 * VMStackHeader::RETURN_ADDRESS as i32;
/// The offset from the entry code's frame record to the `VMStackHeader`.
pub const ENTRY_FP_TO_VMSTACKHEADER: i32 = 16;
/// Bytes of a `VMControlContext`.
pub const VMCONTROLCONTEXT_SIZE: u8 = 24;

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<VMResumeFrame>() == VMRESUMEFRAME_TAGS as usize);
    assert!(size_of::<VMControlContext>() == VMCONTROLCONTEXT_SIZE as usize);
    // The layout that Cranelift's `control_context_layout` expects. From `fp` on it is also a frame record.
    assert!(offset_of!(VMControlContext, sp) == 0);
    assert!(offset_of!(VMControlContext, fp) == 8);
    assert!(offset_of!(VMControlContext, pc) == 16);
    // A reference is two words. `Option` uses the null pointer for `None`, so that a nullable reference is no larger.
    assert!(size_of::<VMContObj>() == 16);
    assert!(size_of::<Option<VMContObj>>() == size_of::<VMContObj>());
    // The cache lines in the drawing of the module `abi`.
    assert!(align_of::<VMContRef>() == 64);
    assert!(offset_of!(VMContRef, stack_limit) == 64);
    assert!(offset_of!(VMContRef, stack) == 128);
    assert!(size_of::<VMContRef>() == 256);
    assert!(IDENTITY + offset_of!(VMHeapIdentity, number) == VMCONTREF_HEAP_NUMBER as usize);
    assert!(IDENTITY + offset_of!(VMHeapIdentity, ty) == VMCONTREF_HEAP_TYPE as usize);
    assert!(IDENTITY + offset_of!(VMHeapIdentity, revision) == VMCONTREF_HEAP_REVISION as usize);
    // An outcome fits into the bits that the alignment leaves free.
    assert!(align_of::<VMContRef>() as u64 > OUTCOME);
    assert!(RETURNED & OUTCOME == RETURNED && UNWOUND & OUTCOME == UNWOUND && KEPT & OUTCOME == KEPT);
    // At its entry, a function expects a stack pointer that is a multiple of 16, or one word below, where a call has stored the
    // return address.
    assert!(align_of::<VMStackHeader>().is_multiple_of(16) && Isa::Aarch64.entry_sp() == 0);
    assert!(Isa::X86_64.entry_sp() == VMSTACKHEADER_RETURN_ADDRESS && VMSTACKHEADER_RETURN_ADDRESS == -8);
    // A frame record is two words.
    assert!(ENTRY_FP_TO_VMSTACKHEADER == 8 - VMSTACKHEADER_RETURN_ADDRESS);
};
