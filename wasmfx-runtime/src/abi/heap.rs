//! References to continuations in the heap of a garbage collector.
//!
//! A field of an object holds the continuation's number and the revision of the reference, and no address. So whatever a corrupted
//! heap holds, nothing that is read from it is taken for an address:
//!
//! ```text
//!   a field, 16 bytes             VMContinuationContext        a continuation
//!   | number, 4 |  0 if null      | known       |---> 0        | VMContRef, 256      |
//!   | 0, 4      |                 | known_count |     1 ------>| VMHeapIdentity: 16  |
//!   | revision, 8 |                                   ...      |   number            |
//!                                                     n        |   ty, revision      |
//! ```
//!
//! Numbers begin at 1. `known` has the address of each continuation that the store has made; C2 keeps the addresses valid. Fields
//! are little-endian, whatever the target is.
//!
//! # Invariants
//!
//! * **C6, heap types.** If compiled code or the host writes a reference that may be usable into a field, then
//!   `VMHeapIdentity::revision` is the reference's revision or a later one, and if it is the reference's, `ty` is the type of a
//!   field to which the reference was written, or a subtype of that. So `ty` says what the reference is known to refer to.
//!
//! A read of a field compares what it finds with the continuation's `VMHeapIdentity`, which no object of the heap holds:
//!
//! | the field's revision is | then |
//! | --- | --- |
//! | `VMHeapIdentity::revision` | `ty` must be the field's type or a subtype, or the heap is corrupted |
//! | lower | the reference was consumed, since a later revision was written to the heap (C1): its type does not matter |
//! | higher | nobody has written this reference: the heap is corrupted |

use super::contref::VMContRef;
use core::mem::size_of;

/// Bytes of a reference to a continuation in an object of the heap.
pub const HEAP_REFERENCE_SIZE: u32 = 16;
/// The offset of the revision in such a reference. The number is at 0.
pub const HEAP_REFERENCE_REVISION: i32 = 8;

/// What the heap knows of a continuation. It follows the [`VMContRef`] in memory. See C6.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct VMHeapIdentity {
    /// The continuation's number in its store, from 1 on. It never changes.
    pub number: u32,
    /// The `VMSharedTypeIndex` of the most special type with which a reference of revision `revision` was written to a field, or
    /// [`ANY_CONTINUATION`].
    pub ty: u32,
    /// The highest revision of a reference that was written to a field.
    pub revision: usize,
}

/// The type of a reference of which nothing is known but that it refers to a continuation. No type has this number.
pub const ANY_CONTINUATION: u32 = u32::MAX;

/// The distance from a [`VMContRef`] to its [`VMHeapIdentity`].
pub(super) const IDENTITY: usize = size_of::<VMContRef>();
