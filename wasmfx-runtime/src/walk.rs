//! Frames and roots of stacks that are not on top.
//!
//! A stack is walked from where it left Wasm to where it entered it: a [`VMEntryState`] has both. The
//! stack on top is the engine's to walk; this module finds the others.
//!
//! ```text
//! libcall   active:     current --parent_entry--> its parent's --parent_entry--> ... the entry from the host
//!           suspended:  innermost.entry, innermost --parent_entry--> ... up to and without last_ancestor's
//! native    active:     current.parent_control is where its parent was left, that one's where its own was, ...
//!           suspended:  innermost.control, innermost.parent_control, ... up to and without last_ancestor's
//! ```

use crate::abi::{Backend, VMContRef, VMContState, VMControlContext, VMEntryState, VMStackHeader};
use std::ptr::NonNull;

/// The frame pointer at which the frames end on the stack of `current`. `last_entry_fp` is that of the trampoline that
/// entered Wasm last.
///
/// # Safety
///
/// `current` is null, or what a live store of this backend has as its current stack.
pub unsafe fn entry_fp(backend: Backend, current: *mut VMContRef, last_entry_fp: usize) -> usize {
    match backend {
        // SAFETY: the caller vouches for `current`; a running continuation has a stack (L2).
        Backend::Native if unsafe { VMContRef::is_continuation(current) } => {
            // SAFETY: as above.
            VMStackHeader::entry_fp(unsafe { (*current).stack })
        }
        Backend::Native | Backend::Libcall => last_entry_fp,
    }
}

/// The stacks below `current`, from its parent's to the initial one, whose frames end at `last_entry_fp`.
///
/// # Safety
///
/// `current` is null, or what a live store of this backend has as its current stack, or had when it was last entered from the
/// host. No stack is switched while the iterator is used.
pub unsafe fn active_parents(
    backend: Backend,
    current: *mut VMContRef,
    last_entry_fp: usize,
) -> impl Iterator<Item = VMEntryState> {
    let mut cont = current;
    std::iter::from_fn(move || {
        // SAFETY: each parent of a running continuation is running, or the initial stack.
        unsafe {
            if !VMContRef::is_continuation(cont) {
                return None;
            }
            let this = cont;
            cont = (*this).parent;
            Some(match backend {
                Backend::Native => {
                    let entry_fp = entry_fp(backend, (*this).parent, last_entry_fp);
                    left_at(&raw const (*this).parent_control, entry_fp)
                }
                Backend::Libcall => *(*this).parent_entry,
            })
        }
    })
}

/// The stacks captured in the suspended continuation `cont`, from the innermost to the outermost.
///
/// # Safety
///
/// `cont` is a suspended continuation of a store of this backend, and it is not resumed while the iterator is used.
pub unsafe fn suspended_stacks(
    backend: Backend,
    cont: NonNull<VMContRef>,
) -> impl Iterator<Item = VMEntryState> {
    // SAFETY: the caller vouches for `cont`; what it was captured with does not run either, and has stacks (L2).
    unsafe {
        let last = (*cont.as_ptr()).last_ancestor;
        let innermost = match backend {
            Backend::Native => {
                let entry_fp = VMStackHeader::entry_fp((*cont.as_ptr()).stack);
                left_at(&raw const (*cont.as_ptr()).control, entry_fp)
            }
            Backend::Libcall => (*cont.as_ptr()).entry,
        };
        let mut next = Some((innermost, cont.as_ptr()));
        std::iter::from_fn(move || {
            let (entry, this) = next?;
            next = (this != last).then(|| {
                let parent = (*this).parent;
                let left = match backend {
                    Backend::Native => {
                        let entry_fp = VMStackHeader::entry_fp((*parent).stack);
                        left_at(&raw const (*this).parent_control, entry_fp)
                    }
                    Backend::Libcall => *(*this).parent_entry,
                };
                (left, parent)
            });
            Some(entry)
        })
    }
}

/// A stack of the native backend that was left at `control`, and whose frames end at `entry_fp`.
///
/// # Safety
///
/// `control` is valid.
unsafe fn left_at(control: *const VMControlContext, entry_fp: usize) -> VMEntryState {
    // SAFETY: the caller vouches for it.
    let (record, exit_pc) = unsafe { (&raw const (*control).fp, (*control).pc) };
    // The record is as good as that of an exit trampoline's frame: the first word is the frame pointer of the
    // function that left.
    VMEntryState { entry_fp, exit_trampoline_fp: record.addr(), exit_pc, ..VMEntryState::default() }
}

/// The values bound to `cont`: the first slot, how many, and the `VMSharedTypeIndex` of a function type whose
/// parameters begin with theirs. `None` if it waits for none, or has none yet.
pub fn bound_values(cont: &VMContRef) -> Option<(NonNull<u128>, usize, u32)> {
    match cont.state() {
        VMContState::Fresh | VMContState::Suspended if cont.values.length > 0 => {
            Some((NonNull::new(cont.values.data)?, cont.values.length as usize, cont.bound_types))
        }
        _ => None,
    }
}
