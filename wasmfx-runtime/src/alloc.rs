//! Fallible allocation, for sizes that a guest chooses and for objects of which a guest can ask for many. If there is no memory,
//! the guest gets an error and the process goes on.

use std::alloc::{Layout, alloc, alloc_zeroed};
use std::mem::MaybeUninit;
use std::ptr;

/// A vector of `len` zeros. The system may provide the memory as late as the first access. `None` if there is no memory, or if
/// `len` is 0.
pub(crate) fn zeroed(len: usize) -> Option<Vec<u128>> {
    let layout = Layout::array::<u128>(len).ok().filter(|layout| layout.size() > 0)?;
    // SAFETY: the size of the layout is not 0. A vector of capacity `len` frees the memory with the same layout. Zero bytes are
    // valid numbers.
    unsafe {
        let start = alloc_zeroed(layout).cast::<u128>();
        (!start.is_null()).then(|| Vec::from_raw_parts(start, len, len))
    }
}

/// Uninitialised memory for `len` values. `None` if there is no memory, or if the size is 0.
pub(crate) fn uninit<T>(len: usize) -> Option<Box<[MaybeUninit<T>]>> {
    let layout = Layout::array::<T>(len).ok().filter(|layout| layout.size() > 0)?;
    // SAFETY: the size of the layout is not 0. The box frees the memory with the same layout. `MaybeUninit` needs no
    // initialisation.
    unsafe {
        let start = alloc(layout).cast::<MaybeUninit<T>>();
        (!start.is_null()).then(|| Box::from_raw(ptr::slice_from_raw_parts_mut(start, len)))
    }
}

/// As [`Box::new`], but `None` if there is no memory, or if the size of `T` is 0.
pub(crate) fn boxed<T>(value: T) -> Option<Box<T>> {
    let mut room = uninit::<T>(1)?;
    room[0].write(value);
    // SAFETY: the value was written just above. A value has the layout of a slice of one.
    Some(unsafe { Box::from_raw(Box::into_raw(room).cast::<T>()) })
}
