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
///   chunks[0]  | 0 | 1 | ... | 63 |
///   chunks[1]  | 64 | ... | len - 1 | uninitialised ... |
/// ```
#[derive(Debug, Default)]
pub(super) struct Arena {
    /// Allocations of [`CHUNK`] continuations each, of which the first `len` in all are initialised (L1).
    chunks: Vec<NonNull<MaybeUninit<Continuation>>>,
    len: u32,
}

impl Arena {
    /// The number of continuations that the store has made.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// The address of the continuation at `index`. The continuation is initialised if `index` is below [`Arena::len`].
    ///
    /// # Panics
    ///
    /// If no chunk has a place for `index`.
    #[inline]
    pub(super) fn at(&self, index: u32) -> NonNull<Continuation> {
        let (chunk, place) = (index as usize / CHUNK, index as usize % CHUNK);
        // SAFETY: `add`: L1: each chunk is an allocation of `CHUNK` places, and `place` is below `CHUNK`: the result is
        // in the same allocation.
        unsafe { self.chunks[chunk].add(place).cast() }
    }

    /// All continuations of the store, in the order of their indices.
    pub(super) fn iter(&self) -> impl Iterator<Item = NonNull<Continuation>> + '_ {
        (0..self.len).map(|index| self.at(index))
    }

    /// Adds a free continuation.
    ///
    /// # Errors
    ///
    /// If there is no memory for a further chunk.
    pub(super) fn grow(&mut self) -> Result<NonNull<Continuation>, Error> {
        let index = self.len;
        if index as usize == self.chunks.len() * CHUNK {
            self.chunks.try_reserve(1).map_err(|_| Error::NoMemory)?;
            let chunk = alloc::uninit::<Continuation>(CHUNK).ok_or(Error::NoMemory)?;
            self.chunks.push(NonNull::from(Box::leak(chunk)).cast());
        }
        // SAFETY: `write`: L1: the last chunk has a place for `index`: valid and aligned. The place is not initialised,
        // so that nothing refers to it, and `write` overwrites no value.
        unsafe { self.at(index).write(Continuation::new(index)) };
        self.len += 1;
        Ok(self.at(index))
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for cont in self.iter() {
            // SAFETY: `drop_in_place`: L1: `cont` is valid, aligned and, as its index is below `len`, initialised. The
            // store ends, so that nothing uses `cont` any more (C2).
            unsafe { cont.drop_in_place() };
        }
        for chunk in self.chunks.drain(..) {
            let chunk = NonNull::slice_from_raw_parts(chunk, CHUNK);
            // SAFETY: `from_raw`: `grow` leaked a box of a slice of `CHUNK` places, which is this one, and `drain`
            // yields each chunk once. The loop above has dropped the initialised places.
            drop(unsafe { Box::from_raw(chunk.as_ptr()) });
        }
    }
}
