//! Fallible allocation: of the sizes that a guest asks for, and of what it asks for often. If there is no memory, the guest gets an
//! error and the process goes on.

use std::alloc::{Layout, alloc, alloc_zeroed};
use std::mem::MaybeUninit;
use std::ptr;

/// So many zeros, whose memory need not have been touched.
pub(crate) fn zeroed(len: usize) -> Option<Vec<u128>> {
    let layout = Layout::array::<u128>(len).ok().filter(|layout| layout.size() > 0)?;
    // SAFETY: the layout has a size; a vector of that capacity frees it with the same layout, and zeros are numbers.
    unsafe {
        let start = alloc_zeroed(layout).cast::<u128>();
        (!start.is_null()).then(|| Vec::from_raw_parts(start, len, len))
    }
}

/// Room for so many.
pub(crate) fn uninit<T>(len: usize) -> Option<Box<[MaybeUninit<T>]>> {
    let layout = Layout::array::<T>(len).ok().filter(|layout| layout.size() > 0)?;
    // SAFETY: the layout has a size; the box frees it with the same layout, and what is in it need not be initialised.
    unsafe {
        let start = alloc(layout).cast::<MaybeUninit<T>>();
        (!start.is_null()).then(|| Box::from_raw(ptr::slice_from_raw_parts_mut(start, len)))
    }
}

/// As [`Box::new`].
pub(crate) fn boxed<T>(value: T) -> Option<Box<T>> {
    let mut room = uninit::<T>(1)?;
    room[0].write(value);
    // SAFETY: it has been written; a box of one has the layout of a slice of one.
    Some(unsafe { Box::from_raw(Box::into_raw(room).cast::<T>()) })
}
