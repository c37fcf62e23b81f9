//! Where a store's stacks have frames, values and roots.
//!
//! A walk of frames begins where the stack left Wasm and ends where it entered Wasm. A [`VMEntryState`] holds both places. The
//! engine walks the frames of the current stack by itself, and this module finds those of the others. A search for continuations
//! reads words and no frames: [`active_values`] and [`suspended_values`] say where, the current stack included.
//!
//! ```text
//! libcall   active:     current --parent_entry--> its parent's --parent_entry--> ... the entry from the host
//!           suspended:  innermost.entry, innermost --parent_entry--> ... up to and without last_ancestor's
//! native    active:     current.parent_control: where the parent was left, parent.parent_control: where its parent was left, ...
//!           suspended:  innermost.control or that of its detour (W1), innermost.parent_control, ... up to and without last_ancestor's
//! ```

use crate::abi::{Backend, VMContRef, VMContState, VMControlContext, VMEntryState, VMStackHeader};
use crate::arch::{self, Detour};
use crate::cont::Continuation;
use std::ops::Range;
use std::ptr::NonNull;

/// The frame pointer at which the frames on the stack of `current` end. `last_entry_fp` is the frame pointer of the trampoline
/// that entered Wasm last.
///
/// # Safety
///
/// `current` is null, or a running continuation or the initial stack of a live store of this backend.
pub unsafe fn entry_fp(backend: Backend, current: *mut VMContRef, last_entry_fp: usize) -> usize {
    match backend {
        // SAFETY: of `is_continuation`: this function's requirement.
        Backend::Native if unsafe { VMContRef::is_continuation(current) } => {
            // SAFETY: the read: C2: `current` is a continuation here: valid, aligned and initialised. L2: a running
            // continuation has a stack, so that the result means something.
            VMStackHeader::entry_fp(unsafe { (*current).stack })
        }
        Backend::Native | Backend::Libcall => last_entry_fp,
    }
}

/// The stacks that `current` runs on top of, from its parent's to the initial stack. With the native backend the frames of the
/// initial stack end at `last_entry_fp`. The libcall backend does not use `last_entry_fp`. If the host has resumed the outermost
/// continuation, the initial stack has no frames of Wasm, and its entry state is all zero.
///
/// # Safety
///
/// 1. `current` is null, or the current stack of a live store of this backend, or the stack that was current when the
///    host entered that store, for an entry that has not ended.
/// 2. While the iterator is used, the store lives, and no stack is switched.
pub unsafe fn active_parents(
    backend: Backend,
    current: *mut VMContRef,
    last_entry_fp: usize,
) -> impl Iterator<Item = VMEntryState> {
    let mut cont = current;
    std::iter::from_fn(move || {
        // SAFETY: of `is_continuation` and `entry_fp`: this function's 1, as the first is `current`. Each parent of a
        // running continuation is a running continuation or the initial stack, of the same store.
        // * The reads: C2, 2: `this` is a running continuation: valid, aligned and initialised. With the libcall
        //   backend, so is what `parent_entry` points to: the kept entry state of the parent's stack.
        // * Of `left_at`: C2: `parent_control` is in the memory of `this`.
        unsafe {
            if !VMContRef::is_continuation(cont) {
                return None;
            }
            let this = cont;
            cont = (*this).parent;
            Some(match backend {
                Backend::Native => {
                    let entry_fp = entry_fp(backend, (*this).parent, last_entry_fp);
                    if (*this).parent_control.fp == entry_fp {
                        // The host resumed `this`: the frame that was left is that of the entry.
                        return Some(VMEntryState::default());
                    }
                    left_at(&raw const (*this).parent_control, entry_fp)
                }
                Backend::Libcall => *(*this).parent_entry,
            })
        }
    })
}

/// The stacks that were captured in the suspended continuation `cont`, from the innermost to the outermost.
///
/// # Safety
///
/// 1. `cont` is a suspended continuation of a live store of this backend.
/// 2. While the iterator is used, the store lives, and `cont` is not resumed.
pub unsafe fn suspended_stacks(
    backend: Backend,
    cont: NonNull<VMContRef>,
) -> impl Iterator<Item = VMEntryState> {
    // SAFETY: the reads: 1, 2 (C2): `cont` and the stacks that were captured with it are valid, aligned and
    // initialised, and none of them runs. L2: each has a stack. With the libcall backend, `parent_entry` of each but
    // the last points to `entry` of the next. Of `left_by_wasm`: 1. Of `left_at`: C2: the control contexts are in the memory of these
    // stacks' `VMContRef`s, or of the detour of the innermost (W1).
    unsafe {
        let last = (*cont.as_ptr()).last_ancestor;
        let innermost = match backend {
            Backend::Native => {
                let entry_fp = VMStackHeader::entry_fp((*cont.as_ptr()).stack);
                left_at(left_by_wasm(cont.as_ref()), entry_fp)
            }
            Backend::Libcall => (*cont.as_ptr()).backend_state.entry,
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

/// Ranges of addresses that hold all live values of Wasm, and other words, on the stacks of one entry from the host. The first
/// range is on the current stack, which Wasm left for the host. The others are on the stacks of its ancestors. `left_at` is where
/// Wasm has left the current stack (S4), or `None` if there is no frame of Wasm on it. `last_entry_fp` is as for [`entry_fp`].
/// The ranges are readable memory, to which nothing writes while 2 holds.
///
/// ```text
///   current                     parent
///   | Wasm                |     | Wasm                   |  <- entry_fp
///   | trampoline to host  |     | resume current         |
///   | host: on_host_stack |     +------------------------+  <- current.parent_control.sp
///   +---------------------+  <- left_at
/// ```
///
/// The drawing is of the native backend. With the libcall backend a `resume` is a builtin, and the range of the ancestor begins at
/// `current.parent_control.fp`, in the frame of that builtin (S5).
///
/// # Safety
///
/// 1. Requirement 1 of [`active_parents`].
/// 2. Requirement 2 of [`active_parents`].
/// 3. `left_at` is as S4 says.
pub unsafe fn active_values(
    backend: Backend,
    current: *mut VMContRef,
    left_at: Option<usize>,
    last_entry_fp: usize,
) -> impl Iterator<Item = Range<usize>> {
    let top = left_at.map(|left_at| {
        // SAFETY: of `entry_fp` and `is_continuation`: 1. `stack_range`: C2, L1: a continuation: valid, aligned and
        // initialised.
        unsafe {
            let known = !VMContRef::is_continuation(current)
                || (*current.cast::<Continuation>()).stack_range(backend).contains(&left_at);
            assert!(known, "S4: a continuation's stack was left on that stack");
            left_at..entry_fp(backend, current, last_entry_fp)
        }
    });
    let mut cont = current;
    let parents = std::iter::from_fn(move || {
        // SAFETY: as in `active_parents`: `this` is a running continuation: valid, aligned and initialised, as is what
        // `parent_entry` points to with the libcall backend. Of `entry_fp`: the parent is a stack of the same store. Of `parent_left_at`: `this` runs.
        unsafe {
            if !VMContRef::is_continuation(cont) {
                return None;
            }
            let this = cont;
            cont = (*this).parent;
            let left_at = parent_left_at(backend, this);
            Some(match backend {
                Backend::Native => left_at..entry_fp(backend, cont, last_entry_fp),
                Backend::Libcall => left_at..(*(*this).parent_entry).entry_fp.max(left_at),
            })
        }
    });
    top.into_iter().chain(parents)
}

/// Ranges of addresses that hold all live values of Wasm, and other words, on the stacks that were captured in the suspended
/// continuation `cont` (S5 with the libcall backend). The ranges are readable memory, to which nothing writes while 2 holds.
///
/// # Safety
///
/// 1 and 2 of [`suspended_stacks`].
pub unsafe fn suspended_values(
    backend: Backend,
    cont: NonNull<VMContRef>,
) -> impl Iterator<Item = Range<usize>> {
    // SAFETY: as in `suspended_stacks`: `this` is `cont` or was captured with it: valid, aligned and initialised. L2: each
    // has a stack. With the libcall backend, `parent_entry` of each but the last points to `entry` of the next.
    // Of `parent_left_at`: `this` was captured.
    unsafe {
        let last = (*cont.as_ptr()).last_ancestor;
        let mut next = Some((cont.as_ptr(), (*cont.as_ptr()).control.sp));
        std::iter::from_fn(move || {
            let (this, left_at) = next?;
            next = (this != last).then_some(((*this).parent, parent_left_at(backend, this)));
            Some(match backend {
                Backend::Native => left_at..VMStackHeader::entry_fp((*this).stack),
                Backend::Libcall => left_at..(*this).backend_state.entry.entry_fp.max(left_at),
            })
        })
    }
}

/// An address at or below all values of Wasm on the stack of the parent of `this` (N1, S5).
///
/// # Safety
///
/// `this` is a running or captured continuation of a live store of this backend.
unsafe fn parent_left_at(backend: Backend, this: *mut VMContRef) -> usize {
    // SAFETY: the read: C2: valid, aligned and initialised. The walk runs nothing meanwhile.
    let control = unsafe { (*this).parent_control };
    match backend {
        Backend::Native => control.sp,
        Backend::Libcall => control.fp,
    }
}

/// The detour that the continuation is to take. `None` if it has none.
///
/// # Safety
///
/// `this` is a continuation of a live store. W1 holds for that store.
pub(crate) unsafe fn detour(this: &VMContRef) -> Option<NonNull<Detour>> {
    // What runs may have an old `pc` of a detour.
    let has_one = this.control.pc == arch::write_back_address() && this.is_suspended();
    has_one.then(|| Detour::at(this.control.fp))
}

/// Where Wasm has left the innermost stack of a suspended continuation of the native backend.
///
/// # Safety
///
/// `this` is a suspended continuation of a live store, of the native backend. W1 and W2 hold for that store.
unsafe fn left_by_wasm(this: &VMContRef) -> *const VMControlContext {
    let mut control = &raw const this.control;
    // SAFETY: the reads: W1, W2: at each of these addresses the frame pointer is that of a detour's control context, which is
    // valid, aligned and initialised.
    unsafe {
        while [arch::write_back_address(), arch::resumed_address()].contains(&(*control).pc) {
            control = &raw const (*Detour::at((*control).fp).as_ptr()).control;
        }
    }
    control
}

/// The entry state of a stack of the native backend. The stack was left at `control`, and its frames end at `entry_fp`.
///
/// # Safety
///
/// `control` points to a control context that is in memory.
unsafe fn left_at(control: *const VMControlContext, entry_fp: usize) -> VMEntryState {
    // SAFETY: the read and the place: `control` is valid, aligned and initialised, as this function requires.
    let (record, exit_pc) = unsafe { (&raw const (*control).fp, (*control).pc) };
    // `fp` and `pc` serve as the frame record of an exit trampoline: the first word is the frame pointer of the function that
    // left.
    VMEntryState { entry_fp, exit_trampoline_fp: record.addr(), exit_pc, ..VMEntryState::default() }
}

/// The values that are bound to `cont`: the first slot, their number, and the `VMSharedTypeIndex` of a function type. The
/// parameters of that type begin with the types of the bound values. Returns `None` if no values are bound, or if `cont`
/// neither is fresh nor suspended.
pub fn bound_values(cont: &VMContRef) -> Option<(NonNull<u128>, usize, u32)> {
    match cont.state() {
        VMContState::Fresh | VMContState::Suspended if cont.values.length > 0 => {
            Some((NonNull::new(cont.values.data)?, cont.values.length as usize, cont.bound_types))
        }
        _ => None,
    }
}
