//! The header at the top of a stack.

/// The header of a stack of the native backend, or of an idle stack. It lies at the top of the stack, above the first frame.
///
/// ```text
///   | VMStackHeader             |  highest address
///   | return address: bottom    |  <- return_address: the stack pointer with which the stack is entered
///   | frame pointer             |  <- entry_fp: the record of the entry code's frame
/// ```
#[repr(C, align(16))]
#[derive(Debug)]
pub struct VMStackHeader {
    /// The next idle stack on the store's list (C4). It has a meaning while this stack is idle.
    pub next: *mut VMStackHeader,
    /// Bytes from the guard to the end of this header.
    pub size: usize,
    /// The number of the stack's slot in its pool.
    pub slot: u32,
}

impl VMStackHeader {
    /// The distance from a header to the return address below it, in words of the target.
    pub(super) const RETURN_ADDRESS: isize = -1;

    /// The frame pointer at which the frames of the stack with the header `stack` end.
    pub fn entry_fp(stack: *const VMStackHeader) -> usize {
        Self::return_address(stack.cast_mut()).addr() - size_of::<usize>()
    }

    /// The address of the word below the header `stack`. It holds the return address of the entry code, and is the stack pointer
    /// with which the stack is entered.
    pub fn return_address(stack: *mut VMStackHeader) -> *mut usize {
        stack.cast::<usize>().wrapping_offset(Self::RETURN_ADDRESS)
    }
}
