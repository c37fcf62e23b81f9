//! Where a store's continuations live: in chunks, which stay until the store ends (C2).

use crate::alloc;
use crate::cont::Continuation;
use crate::error::Error;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// Continuations that are allocated at a time.
const CHUNK: usize = 64;

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
    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// The continuation at an index below [`Arena::len`].
    #[inline]
    pub(super) fn at(&self, index: u32) -> NonNull<Continuation> {
        let (chunk, place) = (index as usize / CHUNK, index as usize % CHUNK);
        // SAFETY: a chunk has so many places.
        unsafe { self.chunks[chunk].add(place).cast() }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = NonNull<Continuation>> + '_ {
        (0..self.len).map(|index| self.at(index))
    }

    /// Adds a free one.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    pub(super) fn grow(&mut self) -> Result<NonNull<Continuation>, Error> {
        let index = self.len;
        if index as usize == self.chunks.len() * CHUNK {
            self.chunks.try_reserve(1).map_err(|_| Error::NoMemory)?;
            let chunk = alloc::uninit::<Continuation>(CHUNK).ok_or(Error::NoMemory)?;
            self.chunks.push(NonNull::from(Box::leak(chunk)).cast());
        }
        // SAFETY: nothing refers to this place of the chunk yet.
        unsafe { self.at(index).write(Continuation::new(index)) };
        self.len += 1;
        Ok(self.at(index))
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        for cont in self.iter() {
            // SAFETY: it is initialised, and with the store gone nothing refers to it any more.
            unsafe { cont.drop_in_place() };
        }
        for chunk in self.chunks.drain(..) {
            let chunk = NonNull::slice_from_raw_parts(chunk, CHUNK);
            // SAFETY: `grow` leaked it; what was initialised in it has been dropped.
            drop(unsafe { Box::from_raw(chunk.as_ptr()) });
        }
    }
}
