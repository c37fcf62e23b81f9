//! The header at the top of a stack.

use super::isa::Isa;

/// The header of a stack of the native backend, or of an idle stack. It lies at the top of the stack, above the first frame.
///
/// ```text
///   | VMStackHeader             |  highest address
///   | return address: bottom    |  <- return_address
///   | frame pointer             |  <- entry_fp: the record of the entry code's frame
/// ```
///
/// The stack is entered with the stack pointer at [`VMStackHeader::entry_sp`]. Where a call stores its return address on the stack,
/// that is at the return address, which is there for as long as the stack lasts. Where a call leaves it in a register, that is at
/// the header: the entry code's prologue then stores both words of the record, and the entry code replaces the return address by
/// `bottom` ([`Isa::links_in_register`]).
#[repr(C, align(16))]
#[derive(Debug)]
pub struct VMStackHeader {
    /// The next idle stack on the store's list (C4). It has a meaning while this stack is idle.
    pub next: *mut VMStackHeader,
    /// Bytes from the guard to the end of this header.
    pub size: usize,
    /// The number of the stack's slot in its pool.
    pub slot: u32,
    /// The return address of the entry code: nothing returns there.
    pub bottom: usize,
}

impl VMStackHeader {
    /// The distance from a header to the return address below it, in words of the target.
    pub(super) const RETURN_ADDRESS: isize = -1;

    /// The frame pointer at which the frames of the stack with the header `stack` end.
    pub fn entry_fp(stack: *const VMStackHeader) -> usize {
        Self::return_address(stack.cast_mut()).addr() - size_of::<usize>()
    }

    /// The address of the word below the header `stack`. It holds the return address of the entry code.
    pub fn return_address(stack: *mut VMStackHeader) -> *mut usize {
        stack.cast::<usize>().wrapping_offset(Self::RETURN_ADDRESS)
    }

    /// The stack pointer with which the stack with the header `stack` is entered.
    ///
    /// # Panics
    ///
    /// If the native backend does not know this processor.
    pub fn entry_sp(stack: *const VMStackHeader) -> usize {
        let isa =
            Isa::HOST.expect("a stack that compiled code enters is for a processor with a native backend");
        stack.addr().wrapping_add_signed(isa.entry_sp() as isize)
    }
}
