//! The memory of a store's continuations: chunks, which stay until the store ends (C2).

use crate::alloc;
use crate::cont::Continuation;
use crate::error::Error;
use crate::limits::CHUNK;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// All continuations that a store has made, by index.
///
/// ```text
///   a chunk         | 0 | 1 | ... | 63 |
///   the next chunk  | 64 | ... | len - 1 | uninitialised ... |
/// ```
#[derive(Debug, Default)]
pub(super) struct Arena {
    /// The address of each continuation. Every [`CHUNK`]th begins an allocation of that many places, of which the first `len` in
    /// all are initialised (L1).
    known: Vec<NonNull<Continuation>>,
}

impl Arena {
    /// The number of continuations that the store has made.
    pub(super) fn len(&self) -> u32 {
        self.known.len() as u32
    }

    /// The address of each continuation of the store, by index.
    #[inline]
    pub(super) fn known(&self) -> &[NonNull<Continuation>] {
        &self.known
    }

    /// All continuations of the store, in the order of their indices.
    pub(super) fn iter(&self) -> impl Iterator<Item = NonNull<Continuation>> + '_ {
        self.known.iter().copied()
    }

    /// Adds a free continuation.
    ///
    /// # Errors
    ///
    /// If there is no memory for a further chunk.
    pub(super) fn grow(&mut self) -> Result<NonNull<Continuation>, Error> {
        let index = self.known.len();
        self.known.try_reserve(1).map_err(|_| Error::NoMemory)?;
        let place = match index % CHUNK {
            0 => {
                let chunk = alloc::uninit::<Continuation>(CHUNK).ok_or(Error::NoMemory)?;
                NonNull::from(Box::leak(chunk)).cast()
            }
            // SAFETY: `add`: L1: the last continuation is not the last place of its chunk, so that the next place is in
            // the same allocation.
            _ => unsafe { self.known[index - 1].add(1) },
        };
        // SAFETY: `write`: L1: `place` is in a chunk: valid and aligned. The place is not initialised, so that nothing
        // refers to it, and `write` overwrites no value.
        unsafe { place.write(Continuation::new(index as u32)) };
        self.known.push(place);
        Ok(place)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for cont in self.iter() {
            // SAFETY: `drop_in_place`: L1: `cont` is valid, aligned and initialised. The store ends, so that nothing
            // uses `cont` any more (C2).
            unsafe { cont.drop_in_place() };
        }
        for first in self.known.iter().step_by(CHUNK) {
            let chunk = NonNull::slice_from_raw_parts(first.cast::<MaybeUninit<Continuation>>(), CHUNK);
            // SAFETY: `from_raw`: `grow` leaked a box of a slice of `CHUNK` places, which is this one: the first of the
            // chunk is at an index that `CHUNK` divides. The loop above has dropped the initialised places.
            drop(unsafe { Box::from_raw(chunk.as_ptr()) });
        }
    }
}
