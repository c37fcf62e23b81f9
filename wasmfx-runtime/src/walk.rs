//! Frames and roots of stacks that are not on top.
//!
//! A stack is walked from where it left Wasm to where it entered it: a [`VMEntryState`] has both. The
//! stack on top is the engine's to walk; this module finds the others.
//!
//! ```text
//! active:     current --parent_entry--> its parent's --parent_entry--> ... --> the entry from the host
//! suspended:  innermost.entry, innermost --parent_entry--> ... up to and without last_ancestor's
//! ```

use crate::cont::Continuation;
use crate::layout::{VMContRef, VMContState, VMEntryState};
use std::ptr::NonNull;

/// The stacks below `current`, from its parent's to the one that the host entered Wasm on.
///
/// # Safety
///
/// `current` is null or a running continuation, and no stack is switched while the iterator is used.
pub unsafe fn active_parents(current: *mut VMContRef) -> impl Iterator<Item = VMEntryState> {
    let mut cont = NonNull::new(current);
    std::iter::from_fn(move || {
        // SAFETY: each parent of a running continuation is running, and so has a `parent_entry`.
        unsafe {
            let this = cont?.as_ptr();
            cont = NonNull::new((*this).parent);
            Some(*(*this).parent_entry)
        }
    })
}

/// The stacks captured in the suspended continuation `cont`, from the innermost to the outermost.
///
/// # Safety
///
/// `cont` is suspended, and it is not resumed while the iterator is used.
pub unsafe fn suspended_stacks(cont: NonNull<VMContRef>) -> impl Iterator<Item = VMEntryState> {
    // SAFETY: the caller vouches for `cont`; what it was captured with is as suspended as itself.
    unsafe {
        let mut next = Some(((*cont.as_ptr()).entry, cont.as_ptr()));
        let last = (*cont.as_ptr()).last_ancestor;
        std::iter::from_fn(move || {
            let (entry, this) = next?;
            next = if this == last { None } else { Some((*(*this).parent_entry, (*this).parent)) };
            Some(entry)
        })
    }
}

/// The values bound to `cont`: the first slot, how many, and the type that lists theirs, as
/// `VMSharedTypeIndex` and whether its results. `None` if it waits for none, or has none yet.
pub fn bound_values(cont: &VMContRef) -> Option<(NonNull<u128>, usize, u32, bool)> {
    match cont.state {
        VMContState::Fresh | VMContState::Suspended if cont.values.length > 0 => Some((
            NonNull::new(cont.values.data)?,
            cont.values.length as usize,
            cont.waits_for,
            cont.waits_for_results != 0,
        )),
        _ => None,
    }
}

/// Whether `address` lies on the stack of `current`, a running continuation or null.
///
/// # Safety
///
/// `current` is null or one of a live store's continuations.
pub unsafe fn is_on_stack(current: *mut VMContRef, address: usize) -> bool {
    // SAFETY: L1, and the caller vouches for the pointer.
    !current.is_null() && unsafe { (*current.cast::<Continuation>()).stack_range.contains(&address) }
}
