//! The host's reads and writes of references to continuations in the objects of a garbage collector (C6 in `abi/heap.rs`).
//! `wasmfx-cranelift` emits the same for Wasm.

use crate::abi::{ANY_CONTINUATION, NO_CONTINUATION, VMHeapIdentity};
use crate::error::Error;

/// A reference to a continuation as a field of an object holds it: see C6 in `abi/heap.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeapReference {
    /// The number of the continuation, or 0 if the reference is null.
    pub number: u32,
    /// The revision of the reference.
    pub revision: u64,
}

impl HeapReference {
    /// A null reference.
    pub const NULL: HeapReference = HeapReference { number: 0, revision: 0 };

    /// The reference in the bytes of a field.
    pub fn from_field(field: u128) -> HeapReference {
        HeapReference { number: field as u32, revision: (field >> 64) as u64 }
    }

    /// The bytes of a field that holds the reference.
    pub fn to_field(self) -> u128 {
        u128::from(self.number) | u128::from(self.revision) << 64
    }

    /// Notes that a reference with this revision is written to a field of the type `ty` (C6), and returns what the field holds.
    pub(crate) fn write(
        identity: &mut VMHeapIdentity,
        revision: usize,
        ty: u32,
        is_subtype: impl FnOnce(u32, u32) -> bool,
    ) -> HeapReference {
        let known = |ty| ty != ANY_CONTINUATION;
        if revision > identity.revision {
            (identity.revision, identity.ty) = (revision, ty);
        } else if revision == identity.revision
            && known(ty)
            && !(known(identity.ty) && is_subtype(identity.ty, ty))
        {
            // Both types are supertypes of the reference's own, and a type has one direct supertype at most. So one of the two
            // is a subtype of the other: `ty`, since `identity.ty` is not.
            identity.ty = ty;
        }
        HeapReference { number: identity.number, revision: revision as u64 }
    }

    /// The revision of this reference to the continuation with this identity, in a field of the type `ty` (C6).
    ///
    /// # Errors
    ///
    /// [`Error::CorruptHeap`] if nobody can have written the reference to such a field.
    pub(crate) fn read(
        self,
        identity: VMHeapIdentity,
        ty: u32,
        is_subtype: impl FnOnce(u32, u32) -> bool,
    ) -> Result<usize, Error> {
        if ty == NO_CONTINUATION {
            return Err(Error::CorruptHeap);
        }
        let known = |ty| ty != ANY_CONTINUATION;
        let revision = usize::try_from(self.revision).map_err(|_| Error::CorruptHeap)?;
        let has_type = || !known(ty) || known(identity.ty) && is_subtype(identity.ty, ty);
        if revision < identity.revision || revision == identity.revision && has_type() {
            Ok(revision)
        } else {
            Err(Error::CorruptHeap)
        }
    }
}
