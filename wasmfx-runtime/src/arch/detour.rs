//! What `write_back` shares with the runtime. `roots.rs` draws both records.

use crate::abi::VMControlContext;
use std::ptr::NonNull;

/// A reference that a continuation holds while it waits.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct KeptRoot {
    /// The place on the stack, or among the bound values.
    pub(crate) slot: NonNull<u32>,
    /// The reference that belongs there. It means nothing without a detour.
    pub(crate) value: u32,
}

/// What a suspended continuation does before its Wasm goes on: see W1 in `roots.rs`, and W2 in `suspend.rs`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Detour {
    /// Where the stack was left. `fp` and `pc` form a frame record. While `write_back` runs, the frame pointer points to it.
    pub(crate) control: VMControlContext,
    /// The first of the references to write to their slots, and their number, which is not zero: `write_back` tests it after the
    /// first.
    pub(crate) roots: *const KeptRoot,
    pub(crate) count: usize,
}

/// What a walk of a continuation has found.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) roots: Vec<KeptRoot>,
    /// If the continuation is suspended.
    pub(crate) detour: Option<Detour>,
}

impl Detour {
    /// The detour whose control context has its `fp` at this address.
    pub(crate) fn at(fp: usize) -> NonNull<Detour> {
        let fp = std::ptr::with_exposed_provenance_mut::<u8>(fp);
        let this = fp.wrapping_sub(std::mem::offset_of!(Detour, control.fp)).cast();
        NonNull::new(this).expect("a detour has an address")
    }
}
