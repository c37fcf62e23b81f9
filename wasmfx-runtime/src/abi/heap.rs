//! References to continuations in the heap of a garbage collector.
//!
//! A field of an object holds the continuation's number and the revision of the reference, and no address. So whatever a corrupted
//! heap holds, nothing that is read from it is taken for an address:
//!
//! ```text
//!   a field, 16 bytes             VMContinuationContext                a continuation
//!   | number, 4   |  0 if null    | known       |---> | number 1 |---->| VMContRef, 256     |
//!   | unused, 4   |               | known_count |     | number 2 |     | VMHeapIdentity, 16 |
//!   | revision, 8 |                                   | ...      |     |   number, ty       |
//!                                                     | number n |     |   revision         |
//! ```
//!
//! Numbers begin at 1, and `known_count` is the highest. `known` has the address of each `VMContRef` that the store has made; C2
//! keeps the addresses valid. Fields are little-endian, whatever the target is.
//!
//! # Invariants
//!
//! * **C6, heap types.** `VMHeapIdentity::revision` is the highest revision of a reference to this continuation that compiled
//!   code or the host has written to a field, and 0 before. `ty` is a subtype of the type of every field to which they have
//!   written a reference of that revision; fields for continuations of any type do not count, and if there are no others, `ty` is
//!   [`ANY_CONTINUATION`]. So the reference of that revision has the type `ty`.
//!
//! A read looks at the field's number first. 0 is null, and a number above `known_count` means that the heap is corrupted. For any
//! other number the read compares the field with the continuation's `VMHeapIdentity`, which is outside of the heap:
//!
//! | the field's revision is | then |
//! | --- | --- |
//! | `VMHeapIdentity::revision` | the read returns the reference if `ty` is the field's type or a subtype, or if the field takes continuations of any type. Otherwise the heap is corrupted |
//! | lower | the read returns the reference. It was consumed, since a later revision was written to the heap (C1): its type does not matter |
//! | higher | nobody has written this reference: the heap is corrupted |
//!
//! A field for no continuation (`nocont`) is corrupted if its number is not 0.
//!
//! If the heap is corrupted, compiled code ends with the engine's error for that, and a read by the host returns an error. A read
//! does not look at `VMContRef::revision`: it returns stale references too, and the instruction that uses one traps.

use super::contref::VMContRef;
#[cfg(target_pointer_width = "64")]
use core::mem::size_of;

/// The offset of the revision in a reference to a continuation in an object of the heap. The number is at 0.
pub const HEAP_REFERENCE_REVISION: i32 = 8;

/// What the heap knows of a continuation. It follows the [`VMContRef`] in memory. See C6.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct VMHeapIdentity {
    /// The continuation's number in its store, from 1 on. It never changes.
    pub number: u32,
    /// The `VMSharedTypeIndex` of the most specific type with which a reference of revision `revision` was written to a field, or
    /// [`ANY_CONTINUATION`].
    pub ty: u32,
    /// The highest revision of a reference that was written to a field.
    pub revision: usize,
}

/// The type of a reference of which nothing is known but that it refers to a continuation. No type has this number.
pub const ANY_CONTINUATION: u32 = u32::MAX;

/// The type of a field that takes no continuation, but only null (`nocont`). No type has this number.
pub const NO_CONTINUATION: u32 = u32::MAX - 1;

/// The distance from a [`VMContRef`] to its [`VMHeapIdentity`].
#[cfg(target_pointer_width = "64")]
pub(super) const IDENTITY: usize = size_of::<VMContRef>();
