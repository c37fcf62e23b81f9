//! What stands at the top of a stack of the native backend.

/// The top of a stack of the native backend, or of an idle one: what is known of it, in the memory above its first frame.
///
/// ```text
///   | VMStackHeader                   |  highest address
///   | return address: bottom    |
///   | frame pointer             |  <- entry_fp: the record of the entry code's frame
/// ```
#[repr(C, align(16))]
#[derive(Debug)]
pub struct VMStackHeader {
    /// The next idle stack of the store. Idle.
    pub next: *mut VMStackHeader,
    /// Bytes from the guard to the end of this.
    pub size: usize,
    /// The stack's number in its pool.
    pub slot: u32,
}

impl VMStackHeader {
    /// The frame pointer at which the frames of the stack below `stack` end.
    pub fn entry_fp(stack: *const VMStackHeader) -> usize {
        Self::return_address(stack.cast_mut()).addr() - size_of::<usize>()
    }

    /// The word below `stack`: the stack pointer with which its stack is entered, and what stands there.
    pub fn return_address(stack: *mut VMStackHeader) -> *mut usize {
        stack.cast::<usize>().wrapping_sub(1)
    }
}
