//! A stack of its own mapping, with a guard page.
//!
//! ```text
//! base                                                                       top
//! | guard, 1 page | host calls: size - max_wasm_stack | Wasm: max_wasm_stack |
//! | PROT_NONE     | read and write, touched on demand                        |
//!                                                     ^ stack limit       <- grows
//! ```
//!
//! Price: two system calls to make, one to free, two mappings of the kernel's while it lives; a page of
//! memory for each page touched.

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use std::ffi::c_void;
use std::io;
use std::ptr;
use wasmtime_internal_fiber::FiberStack;

/// A mapping that serves as a stack.
#[derive(Debug)]
pub(crate) struct Stack {
    base: *mut c_void,
    guard: usize,
    size: usize,
}

// SAFETY: the mapping belongs to this value alone.
unsafe impl Send for Stack {}
// SAFETY: `&Stack` gives out addresses only.
unsafe impl Sync for Stack {}

impl Stack {
    /// Maps a stack of at least `size` bytes.
    pub(crate) fn new(size: usize) -> io::Result<Stack> {
        let page = rustix::param::page_size();
        let too_large = || io::Error::new(io::ErrorKind::OutOfMemory, "the stack size overflows");
        let size = size.checked_next_multiple_of(page).ok_or_else(too_large)?;
        let length = size.checked_add(page).ok_or_else(too_large)?;
        // SAFETY: a fresh private mapping touches no memory that exists.
        let base = unsafe {
            rustix::mm::mmap_anonymous(ptr::null_mut(), length, ProtFlags::empty(), MapFlags::PRIVATE)?
        };
        let stack = Stack { base, guard: page, size };
        // SAFETY: the range lies in the mapping just made, above its first page.
        unsafe {
            rustix::mm::mprotect(base.byte_add(page), size, MprotectFlags::READ | MprotectFlags::WRITE)?;
        }
        Ok(stack)
    }

    /// The address above the stack's highest word. A multiple of the page size.
    pub(crate) fn top(&self) -> *mut u8 {
        self.base.cast::<u8>().wrapping_add(self.guard + self.size)
    }

    /// What wasmtime-fiber runs a fiber on. It must be gone before `self` is.
    pub(crate) fn fiber_stack(&mut self) -> Result<FiberStack, Box<dyn std::error::Error + Send + Sync>> {
        // SAFETY: base, guard and size describe the mapping, page-aligned, guard unreadable.
        let stack = unsafe { FiberStack::from_raw_parts(self.base.cast(), self.guard, self.size) };
        stack.map_err(|e| e.to_string().into())
    }

    /// Takes back what [`Stack::fiber_stack`] gave.
    pub(crate) fn restore(&mut self, _stack: FiberStack) {}

    /// Frees what a fiber that did not finish holds: nothing, its frames go with the mapping.
    pub(crate) fn abandon<A, B, C>(fiber: wasmtime_internal_fiber::Fiber<'_, A, B, C>) {
        std::mem::forget(fiber);
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping belongs to this value, whose owner vouches that nothing runs on it.
        let unmapped = unsafe { rustix::mm::munmap(self.base, self.guard + self.size) };
        debug_assert!(unmapped.is_ok(), "cannot unmap a stack");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_up_to_pages() {
        let stack = Stack::new(1).unwrap();
        assert_eq!(stack.size, rustix::param::page_size());
    }

    #[test]
    fn sizes_that_overflow_are_errors() {
        for size in [usize::MAX, usize::MAX - 4096, isize::MAX as usize] {
            assert!(Stack::new(size).is_err());
        }
    }

    #[test]
    fn the_whole_stack_is_writable() {
        let stack = Stack::new(64 << 10).unwrap();
        let bottom = stack.base.cast::<u8>().wrapping_add(stack.guard);
        for byte in [bottom, bottom.wrapping_add(stack.size - 1)] {
            // SAFETY: both addresses lie on the stack, which nothing else uses.
            unsafe {
                byte.write(42);
                assert_eq!(byte.read(), 42);
            }
        }
    }
}
