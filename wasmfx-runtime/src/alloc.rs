//! Fallible allocation, for sizes that a guest chooses and for objects of which a guest can ask for many. If there is no memory,
//! the guest gets an error and the process goes on.

use std::alloc::{Layout, alloc, alloc_zeroed};
use std::mem::MaybeUninit;
use std::ptr;

/// A vector of `len` zeros. The system may provide the memory as late as the first access. `None` if there is no memory, or if
/// `len` is 0.
pub(crate) fn zeroed(len: usize) -> Option<Vec<u128>> {
    let layout = Layout::array::<u128>(len).ok().filter(|layout| layout.size() > 0)?;
    // SAFETY: `alloc_zeroed`: the size of the layout is not 0. `from_raw_parts`: the global allocator has made the
    // block, with the layout of a vector of capacity `len`. Nothing else owns the block. Zero bytes are `len`
    // initialised numbers.
    unsafe {
        let start = alloc_zeroed(layout).cast::<u128>();
        (!start.is_null()).then(|| Vec::from_raw_parts(start, len, len))
    }
}

/// Uninitialised memory for `len` values. `None` if there is no memory, or if the size is 0.
pub(crate) fn uninit<T>(len: usize) -> Option<Box<[MaybeUninit<T>]>> {
    let layout = Layout::array::<T>(len).ok().filter(|layout| layout.size() > 0)?;
    // SAFETY: `alloc`: the size of the layout is not 0. `from_raw`: the global allocator has made the block, with the
    // layout of the slice. Nothing else owns the block. `MaybeUninit` needs no initialisation.
    unsafe {
        let start = alloc(layout).cast::<MaybeUninit<T>>();
        (!start.is_null()).then(|| Box::from_raw(ptr::slice_from_raw_parts_mut(start, len)))
    }
}

/// As [`Box::new`], but `None` if there is no memory, or if the size of `T` is 0.
pub(crate) fn boxed<T>(value: T) -> Option<Box<T>> {
    let mut room = uninit::<T>(1)?;
    room[0].write(value);
    // SAFETY: `from_raw`: the block was a box of a slice of one, which has the layout of one value. Nothing else owns
    // the block. The value was written just above.
    Some(unsafe { Box::from_raw(Box::into_raw(room).cast::<T>()) })
}
