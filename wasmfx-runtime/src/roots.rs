//! What collections and searches remember of each continuation that waits. A continuation waits while it is fresh or suspended.
//!
//! ```text
//!   Continuation
//!     | vm: VMContRef
//!     |   control                 sp; fp = &detour.control.fp; pc = arch::write_back
//!     | walked_at                 the revision at which it was walked, plus 1
//!     | kept --.
//!              v
//!     Kept:    roots -----------+->  | slot | reference | slot | reference | ...
//!              detour           |       |       `-- what a collection reads, and updates
//!                control        |       `---------> a place on a stack, which a collection leaves alone
//!                  |            |
//!                  |  roots ----'    what to write back first
//!                  |  count          how many
//!                  v
//!              where the stack was left: sp, fp, pc
//! ```
//!
//! Each stack has its frames on pages of its own. A visit of a slot waits for the translation of the page's address and for the cache
//! line, and 100,000 visits push everything else out of the caches. So a collection updates the remembered references, and leaves
//! the slots of a suspended continuation alone. A stack gets its references back before it goes on. With the native backend,
//! `control` leads to `arch::write_back`, which writes them. With the libcall backend, `libcall::link` calls [`write_back`]. `sp`
//! stays, because a search begins there.
//!
//! The code of a `resume` has no instruction for this. A stack takes the detour only if a collection or a search has walked it since
//! the suspend. A fresh continuation has no detour, since compiled code sets `fp` when it gives the continuation a stack. Its bound
//! values are in memory of its own, and a collection reads and updates them there.
//!
//! # Invariant
//!
//! * **W1, detours.** `control.pc` of a suspended continuation is the address of `arch::write_back` only if the continuation has
//!   a detour. Then `control.fp` is the address of `control.fp` in that detour, and `control.sp` is as the suspend left it.
//!   `count` is at least one. The slots of its roots are places on the continuation's stacks, or of its bound values. Until the
//!   references were written back or the continuation has ended, nothing else writes these slots, also if more is bound, and only a
//!   search reads them, as words. With the libcall backend, `pc` and `fp` have no other use.
//!
//! Why W1 holds. Only `remember_roots` makes detours, and only for suspended continuations. A detour has one address as long as it is
//! taken: it is in the allocation of what is kept. `recycle` and `known_roots` drop what is kept of a continuation that does not wait. If a continuation
//! waits with another revision, as after `cont.bind`, `known_roots` writes the references back before the next walk replaces what is
//! kept. While a continuation runs, `fp` and `pc` of its `control` may be old ones of a detour, and nothing reads them. The capture
//! that suspends it next writes all of `control`.

use crate::abi::VMContRef;
use crate::alloc;
use crate::arch::{self, Detour, Kept, KeptRoot};
use crate::store::Continuations;
use crate::walk;
use std::ptr::{self, NonNull};
use std::slice;

/// What a collection needs to know of a continuation.
pub enum ContRoots<'a> {
    /// It does not wait: it has ended, or its stack is active, or was captured with another one.
    None,
    /// It waits, and these are the addresses of the references that it holds. The collection may change what is there.
    Known(KnownRoots<'a>),
    /// It waits, and its stacks and its bound values have to be walked. The slots have their references. See [`Continuations::remember_roots`].
    Unknown(NonNull<VMContRef>),
}

/// The addresses of references that a continuation holds. They are valid until the continuation is resumed, bound or ended.
pub struct KnownRoots<'a> {
    roots: slice::IterMut<'a, KeptRoot>,
    /// Whether the slots have the references: the continuation has no detour.
    in_place: bool,
}

impl Iterator for KnownRoots<'_> {
    type Item = NonNull<u32>;

    #[inline]
    fn next(&mut self) -> Option<NonNull<u32>> {
        let root = self.roots.next()?;
        Some(if self.in_place { root.slot } else { NonNull::from(&mut root.value) })
    }
}

/// How far ahead of a visit [`Continuations::known_roots`] asks for memory.
const AHEAD: usize = 16;

impl Continuations {
    /// The number of continuations that the store has made, free or not: their indices are below it.
    pub fn count(&self) -> usize {
        self.known().len()
    }

    /// What is remembered of the references that the continuation at `index` holds while it waits. If the walk is out of date, this
    /// first writes the references back.
    ///
    /// A caller that asks for all continuations goes by index: the prefetches are for the next ones.
    ///
    /// # Panics
    ///
    /// If the store has made no continuation with that index.
    #[inline]
    pub fn known_roots(&mut self, index: usize) -> ContRoots<'_> {
        let known = self.known();
        // SAFETY: the places and the read: C2, L1: the continuations of `self` are valid, aligned and initialised. H6: nothing writes
        // them meanwhile.
        unsafe {
            if let Some(ahead) = known.get(index + AHEAD) {
                arch::prefetch((&raw const (*ahead.as_ptr()).vm.revision).cast());
                arch::prefetch((&raw const (*ahead.as_ptr()).walked_at).cast());
            }
            let kept = |ahead: usize| known.get(index + ahead).and_then(|cont| cont.as_ref().kept.as_deref());
            if let Some(kept) = kept(AHEAD / 2) {
                arch::prefetch(ptr::from_ref(kept).cast());
            }
            if let Some(kept) = kept(AHEAD / 4) {
                arch::prefetch(kept.roots.as_ptr().cast());
            }
        }
        let cont = known[index];
        // SAFETY: `&mut`: C2, L1: `cont` is of `self`: valid, aligned and initialised. H6: nothing else uses it meanwhile.
        let this = unsafe { &mut *cont.as_ptr() };
        // C1: each resume, bind and end increments the revision. So the continuation still waits.
        if this.walked_at == this.vm.revision + 1 {
            let (roots, in_place) = match &mut this.kept {
                Some(kept) => (&mut kept.roots[..], kept.detour.is_none()),
                None => (&mut [][..], true),
            };
            ContRoots::Known(KnownRoots { roots: roots.iter_mut(), in_place })
        } else if this.vm.waits() {
            let cont = cont.cast();
            // SAFETY: of `write_back`: `cont` is of `self`, and waits.
            unsafe { write_back(cont) };
            ContRoots::Unknown(cont)
        } else {
            (this.walked_at, this.kept) = (0, None);
            ContRoots::None
        }
    }

    /// Remembers the slots in which a walk has found references of the continuation at `index`, whose roots were
    /// [unknown](ContRoots::Unknown). If it is suspended, a collection reads and updates copies from now on. If there is no memory for
    /// that, nothing changes, and this returns `false`.
    ///
    /// # Safety
    ///
    /// 1. The continuation is fresh or suspended. Nothing writes these slots until it is resumed or has ended, also if more is bound.
    /// 2. Each is in the memory of its stacks or of its `values`, and holds an initialised reference.
    pub unsafe fn remember_roots(
        &mut self,
        index: usize,
        slots: impl ExactSizeIterator<Item = NonNull<u32>>,
    ) -> bool {
        // SAFETY: `&mut`: C2, L1: valid, aligned and initialised. 1: it does not run, so that nothing else borrows it.
        let this = unsafe { &mut *self.known()[index].as_ptr() };
        this.walked_at = 0;
        let mut roots = this.kept.take().map(|kept| kept.roots).unwrap_or_default();
        roots.clear();
        // A buffer is kept that is filled at least to the half.
        if slots.len() < roots.capacity() / 2 {
            roots = Vec::new();
        }
        if roots.try_reserve_exact(slots.len()).is_err() {
            return false;
        }
        // SAFETY: the read: 2: valid, aligned and initialised.
        roots.extend(slots.map(|slot| KeptRoot { slot, value: unsafe { slot.read() } }));
        if !roots.is_empty() {
            let Some(kept) = alloc::boxed(Kept { roots, detour: None }) else { return false };
            // Its address is taken where it stays.
            let kept = this.kept.insert(kept);
            if this.vm.is_suspended() {
                let (control, roots, count) = (this.vm.control, kept.roots.as_ptr(), kept.roots.len());
                let detour = kept.detour.insert(Detour { control, roots, count });
                this.vm.control.fp = (&raw mut detour.control.fp).expose_provenance();
                this.vm.control.pc = arch::write_back_address();
            }
        }
        this.walked_at = this.vm.revision + 1;
        true
    }
}

/// Writes the references of a continuation with a detour to their slots, and restores `control`. `arch::write_back` writes the same
/// references when a switch enters the stack.
///
/// # Safety
///
/// `cont` is a fresh or suspended continuation of a live store, of which nothing is borrowed.
pub(crate) unsafe fn write_back(cont: NonNull<VMContRef>) {
    // SAFETY: of `detour`: W1. The places: C2, W1: `cont` and its detour are valid, aligned and initialised. Neither is borrowed while
    // the slots are written, which may be in `cont`. The slice and the writes: W1: so many roots are kept,
    // whose slots are valid and aligned, and used by nothing else.
    unsafe {
        let Some(detour) = walk::detour(cont.as_ref()) else { return };
        let &Detour { control, roots, count } = detour.as_ref();
        for root in slice::from_raw_parts(roots, count) {
            root.slot.write(root.value);
        }
        (*cont.as_ptr()).control = control;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::VMControlContext;
    use crate::pool::{PoolConfig, StackPool};
    use std::sync::Arc;

    const LEFT: VMControlContext = VMControlContext { sp: 16, fp: 32, pc: 48 };

    /// A continuation with the references 7 and 8 among its bound values, and the slots of these.
    fn bound(all: &mut Continuations) -> (NonNull<VMContRef>, [NonNull<u32>; 2]) {
        // SAFETY: of `allocate`: nothing resumes it. The accesses: C2: valid, aligned and initialised.
        unsafe {
            let cont = all.allocate(ptr::dangling_mut(), ptr::dangling_mut(), 2, 0).expect("there is room");
            let data = (*cont.as_ptr()).values.data.cast::<u32>();
            let slots = [data, data.add(4)].map(|slot| NonNull::new(slot).expect("it has slots"));
            slots[0].write(7);
            slots[1].write(8);
            (*cont.as_ptr()).values.length = 2;
            (cont, slots)
        }
    }

    /// The references that a collection would find, which it then moves by one.
    fn collect(all: &mut Continuations, index: usize, slots: [NonNull<u32>; 2]) -> Vec<u32> {
        if let ContRoots::Unknown(_) = all.known_roots(index) {
            // SAFETY: 1 and 2: the slots are among the bound values of this continuation, which nothing resumes.
            assert!(unsafe { all.remember_roots(index, slots.into_iter()) }, "there is memory");
        }
        let ContRoots::Known(roots) = all.known_roots(index) else { panic!("it was remembered") };
        // SAFETY: the accesses: nothing else uses what these point to.
        let visit = |root: NonNull<u32>| unsafe {
            let found = root.read();
            root.write(found + 1);
            found
        };
        roots.map(visit).collect()
    }

    #[test]
    fn references_are_written_back() {
        let mut all = Continuations::new(Arc::new(StackPool::new(PoolConfig::default()).expect("it fits")));
        let all_of_them: Vec<_> = (0..40).map(|_| bound(&mut all)).collect();
        for (index, &(cont, slots)) in all_of_them.iter().enumerate() {
            let this = cont.as_ptr();
            // SAFETY: the accesses: C2: valid, aligned and initialised; the slots are in its memory. Of `write_back`: it waits.
            unsafe {
                // Fresh: the slots are visited.
                assert_eq!(collect(&mut all, index, slots), [7, 8]);
                assert_eq!((slots[0].read(), walk::detour(&*this)), (8, None));
                // As if it was resumed, and suspended again with values bound.
                (*this).revision += 1;
                (*this).func = ptr::null_mut();
                (*this).control = LEFT;
                assert_eq!(collect(&mut all, index, slots), [8, 9]);
                assert_eq!(collect(&mut all, index, slots), [9, 10]);
                assert_eq!(slots[0].read(), 8, "nobody has written it");
                assert_eq!((*this).control.pc, arch::write_back_address());
                assert_eq!((*this).control.sp, LEFT.sp);
                // As by `cont.bind`.
                (*this).revision += 1;
                assert_eq!(collect(&mut all, index, slots), [10, 11]);
                write_back(cont);
                assert_eq!((slots[0].read(), slots[1].read()), (11, 12));
                assert_eq!(((*this).control.fp, (*this).control.pc), (LEFT.fp, LEFT.pc));
                write_back(cont);
                // As if it was resumed, and has ended.
                (*this).revision += 1;
                (*this).last_ancestor = ptr::null_mut();
                assert!(matches!(all.known_roots(index), ContRoots::None));
            }
        }
    }
}
