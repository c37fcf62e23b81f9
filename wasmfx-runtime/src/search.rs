//! The search for the continuations that something can still resume. All others are [reclaimed](crate::Continuations::reclaim).
//!
//! ```text
//!   engine: active stacks, globals, tables, objects        runtime: what the host holds
//!                      |                                            |
//!                      v                                            v
//!             references, words  ------->  found  <------- references on the stacks and among the bound values
//!                      ^                     |                                     ^
//!                      |                     v  next                               |
//!   engine: objects that the continuation's stacks hold <----- a continuation -----+
//! ```
//!
//! The engine decides when to search, and begins each search (`store/continuations.rs` there).
//!
//! References in globals, tables, element segments and objects are exact: a continuation and a revision. Such a reference counts
//! if it is usable. On stacks and among bound values, each word that is the address of a [`VMContRef`] counts, whatever the
//! revision. So references to continuations need no stack maps. (The engine uses stack maps to find the objects that stacks refer
//! to.) A word that only looks like such an address keeps a continuation that could have been reclaimed.
//!
//! A reference that the search misses does no harm to the host: the continuation is ended like one that was consumed, and the
//! reference is stale (C1). The exception is a continuation that compiled code has checked and not used yet: the search finds it
//! by S4, or the engine [keeps](Search::keep) it.

use crate::abi::{Backend, SLOT_SIZE, VMContObj, VMContRef, VMContState};
use crate::cont::Continuation;
use crate::heap::HeapReference;
use crate::limits::CHUNK;
use crate::walk;
use std::ops::Range;
use std::ptr::NonNull;

/// A search through the references to the continuations of one store.
///
/// * **R1.** While the search is used, the store lives, no compiled code of the store runs, and no continuation of the store is
///   made, resumed or ended. Between calls of the search, a continuation may get a detour or lose it (W1). The caller of [`Continuations::search`](crate::Continuations::search) promises this.
#[derive(Debug)]
pub struct Search {
    backend: Backend,
    /// Each continuation of the store, by index.
    known: Vec<NonNull<Continuation>>,
    /// Where each chunk of continuations begins, and the chunk's place among all, in the order of addresses.
    chunks: Vec<(usize, usize)>,
    /// The addresses from the first chunk to the end of the last.
    all: Range<usize>,
    /// Whether a reference to the continuation with this index was found.
    found: Vec<bool>,
    /// Those that were found and not returned by [`Search::next`] yet.
    work: Vec<NonNull<Continuation>>,
}

/// What a [`Search`] found: for each continuation of the store, by index, whether something can resume it.
#[derive(Debug)]
pub struct Found(pub(crate) Vec<bool>);

impl Search {
    /// A search that has found nothing. `known` are all continuations of a store of this backend, by index. `None` if there is no
    /// memory for the search.
    pub(crate) fn new(backend: Backend, known: &[NonNull<Continuation>]) -> Option<Search> {
        let chunk = |(place, first): (usize, &NonNull<Continuation>)| (first.addr().get(), place);
        let mut chunks = room(known.len().div_ceil(CHUNK))?;
        chunks.extend(known.iter().step_by(CHUNK).enumerate().map(chunk));
        chunks.sort_unstable();
        let end = |&(start, _): &(usize, usize)| start + CHUNK * size_of::<Continuation>();
        let all = chunks.first().map_or(0, |&(start, _)| start)..chunks.last().map_or(0, end);
        // Each continuation is at most once among those to look at.
        let (mut found, mut all_known, work) = (room(known.len())?, room(known.len())?, room(known.len())?);
        found.resize(known.len(), false);
        all_known.extend_from_slice(known);
        Some(Search { backend, known: all_known, chunks, all, found, work })
    }

    /// Notes that something refers to `cont`, which belongs to the store.
    fn found(&mut self, cont: NonNull<Continuation>) {
        // SAFETY: `as_ref`: C2, L1: `cont` is of the store: valid, aligned and initialised. R1: nothing writes it.
        let this = unsafe { cont.as_ref() };
        if matches!(this.vm.state(), VMContState::Fresh | VMContState::Suspended) {
            let found = &mut self.found[this.identity.number as usize - 1];
            if !std::mem::replace(found, true) {
                self.work.push(cont);
            }
        }
    }

    /// Notes that something refers to `cont`, whatever its revision, and what is in its buffer, bound or not.
    ///
    /// # Safety
    ///
    /// `cont` is a fresh continuation of the store.
    pub unsafe fn keep(&mut self, cont: NonNull<VMContRef>) {
        self.found(cont.cast());
        // SAFETY: the read: C2: valid, aligned and initialised. R1: nothing writes it. Of `words`: C3: the slots are memory of
        // the continuation.
        unsafe {
            let values = cont.as_ref().values;
            let first = values.data.expose_provenance();
            self.words(first..first + values.capacity as usize * SLOT_SIZE);
        }
    }

    /// Notes the reference `obj`, which counts if it is usable.
    ///
    /// # Safety
    ///
    /// `obj` is a reference that the store made, usable or not.
    pub unsafe fn reference(&mut self, obj: VMContObj) {
        // SAFETY: the read: C2: valid, aligned and initialised. R1: nothing writes it.
        if unsafe { obj.contref.as_ref() }.revision == obj.revision {
            self.found(obj.contref.cast());
        }
    }

    /// Notes the reference with this index and revision, which counts if it is usable.
    pub(crate) fn indexed(&mut self, index: u32, revision: usize) {
        if let Some(&cont) = self.known.get(index as usize) {
            // SAFETY: the read: C2, L1: `cont` is of the store: valid, aligned and initialised. R1: nothing writes it.
            if unsafe { cont.as_ref() }.vm.revision == revision {
                self.found(cont);
            }
        }
    }

    /// Notes a reference that a field of an object holds.
    pub fn heap_reference(&mut self, reference: HeapReference) {
        if let (Some(index), Ok(revision)) =
            (reference.number.checked_sub(1), usize::try_from(reference.revision))
        {
            self.indexed(index, revision);
        }
    }

    /// Notes each word at these addresses that is the address of a `VMContRef` of the store.
    ///
    /// # Safety
    ///
    /// The addresses are readable memory, aligned to a word, to which nothing writes meanwhile.
    pub unsafe fn words(&mut self, addresses: Range<usize>) {
        for address in addresses.step_by(size_of::<usize>()) {
            let word = std::ptr::with_exposed_provenance::<usize>(address);
            // SAFETY: the read: this function's requirement. It is volatile, because the word may belong to a place that
            // no value of the language initialised.
            self.word(unsafe { word.read_volatile() });
        }
    }

    /// Notes the word if it is the address of a `VMContRef` of the store.
    #[inline]
    fn word(&mut self, word: usize) {
        if word.is_multiple_of(align_of::<VMContRef>()) && self.all.contains(&word) {
            self.address(word);
        }
    }

    /// As [`Search::word`], for an aligned address between the first chunk and the end of the last.
    fn address(&mut self, address: usize) {
        let after = self.chunks.partition_point(|&(start, _)| start <= address);
        let (start, chunk) = self.chunks[after - 1];
        let offset = address - start;
        if offset.is_multiple_of(size_of::<Continuation>()) && offset < CHUNK * size_of::<Continuation>() {
            let index = chunk * CHUNK + offset / size_of::<Continuation>();
            if let Some(&cont) = self.known.get(index) {
                self.found(cont);
            }
        }
    }

    /// What was found.
    ///
    /// # Panics
    ///
    /// If [`Search::next`] would return another continuation.
    pub fn finish(self) -> Found {
        assert!(self.work.is_empty(), "the search is not over");
        Found(self.found)
    }
}

/// The index of each continuation that was found, once. References on its stacks and among its bound values are noted as it is returned. The
/// engine notes those in the objects to which they refer.
impl Iterator for Search {
    type Item = usize;

    fn next(&mut self) -> Option<Self::Item> {
        let cont = self.work.pop()?;
        // SAFETY: `as_ref`: C2, L1: `cont` is of the store: valid, aligned and initialised. R1: nothing writes it. Of `words`:
        // C3: the bound values are in memory of the continuation, or of its stack. Of `suspended_values`: 1: its state,
        // 2: R1; what it returns are addresses of stacks, on which nothing runs.
        let number = unsafe {
            let number = cont.as_ref().identity.number;
            let this = &cont.as_ref().vm;
            let (first, suspended) =
                (this.values.data.expose_provenance(), this.state() == VMContState::Suspended);
            self.words(first..first + this.values.length as usize * SLOT_SIZE);
            if suspended {
                for values in walk::suspended_values(self.backend, cont.cast()) {
                    self.words(values);
                }
            }
            number
        };
        Some(number as usize - 1)
    }
}

/// A vector with room for `len` values. `None` if there is no memory.
fn room<T>(len: usize) -> Option<Vec<T>> {
    let mut room = Vec::new();
    room.try_reserve_exact(len).ok()?;
    Some(room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Continuations;
    use crate::pool::{PoolConfig, StackPool};
    use std::ptr;
    use std::sync::Arc;

    /// As many as two chunks have, and three more.
    const COUNT: usize = 2 * CHUNK + 3;

    fn empty_store() -> Continuations {
        let pool = StackPool::new(PoolConfig::default()).expect("the sizes fit");
        Continuations::new(Arc::new(pool))
    }

    /// A reference to a fresh continuation with two slots.
    fn make(all: &mut Continuations) -> VMContObj {
        // SAFETY: of `allocate`: nothing resumes it.
        let made = unsafe { all.allocate(ptr::dangling_mut(), ptr::dangling_mut(), 2, 0) };
        let contref = made.expect("there is room");
        // SAFETY: the read: C2: valid, aligned and initialised.
        VMContObj { contref, revision: unsafe { contref.as_ref() }.revision }
    }

    /// A store of [`COUNT`] fresh continuations, and their references.
    fn store() -> (Continuations, Vec<VMContObj>) {
        let mut all = empty_store();
        let made = (0..COUNT).map(|_| make(&mut all)).collect();
        (all, made)
    }

    /// Which of the references `made` a search finds, by index, that begins with `notes`.
    fn find(all: &mut Continuations, made: &[VMContObj], notes: impl FnOnce(&mut Search)) -> Vec<usize> {
        // SAFETY: of `search`: there is no compiled code, and nothing changes a continuation until the search ends.
        let mut search = unsafe { all.search() }.expect("there is memory");
        notes(&mut search);
        let returned: Vec<_> = search.by_ref().collect();
        let found: Vec<usize> = (0..COUNT).filter(|&at| search.found[at]).collect();
        let mut sorted: Vec<usize> = returned
            .iter()
            .map(|&index| {
                let VMContObj { contref, .. } = all.get(index as u32, 0).expect("one of the store");
                made.iter().position(|obj| obj.contref == contref).expect("one that was made")
            })
            .collect();
        sorted.sort_unstable();
        assert_eq!(sorted, found, "each is returned once");
        found
    }

    fn words(words: &[usize]) -> impl FnOnce(&mut Search) {
        // SAFETY: of `words`: a slice, which is borrowed.
        move |search| unsafe {
            search.words(words.as_ptr().expose_provenance()..words.as_ptr_range().end.addr())
        }
    }

    #[test]
    fn an_address_counts_if_it_is_exact() {
        let (mut all, made) = store();
        let address = |at: usize| made[at].contref.addr().get();
        let edges = [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK, COUNT - 1];
        for at in edges {
            assert_eq!(find(&mut all, &made, words(&[address(at)])), [at]);
        }
        assert_eq!(find(&mut all, &made, words(&edges.map(address))), edges);
        assert_eq!(find(&mut all, &made, words(&[address(3); 4])), [3]);
        assert_eq!(find(&mut all, &made, words(&[])), []);

        // Addresses inside of one, of places that no continuation has had yet, and around the chunks.
        let size = size_of::<Continuation>();
        let first = edges.map(|at| address(at) + 1);
        let middle = edges.map(|at| address(at) + align_of::<VMContRef>());
        let last = edges.map(|at| address(at) + size - 1);
        let unused = [1, CHUNK - 4, CHUNK - 3].map(|more| address(COUNT - 1) + more * size);
        let around: Vec<usize> = [0, CHUNK, 2 * CHUNK]
            .into_iter()
            .filter(|at| made.iter().all(|obj| obj.contref.addr().get() + size != address(*at)))
            .map(|at| address(at) - size)
            .collect();
        for none in [&first[..], &middle, &last, &unused, &around, &[0, 1, 8, usize::MAX, usize::MAX & !7]] {
            assert_eq!(find(&mut all, &made, words(none)), []);
        }
    }

    #[test]
    fn a_store_without_continuations() {
        let mut all = empty_store();
        // SAFETY: as in `find`.
        let mut search = unsafe { all.search() }.expect("there is memory");
        words(&[0, 8, usize::MAX & !7])(&mut search);
        search.heap_reference(HeapReference { number: 1, revision: 0 });
        assert!(search.next().is_none());
        // SAFETY: of `reclaim`: 1: the search of this store; 2: there are no stacks.
        assert_eq!(unsafe { all.reclaim(search.finish()) }, 0);
    }

    #[test]
    fn a_reference_counts_if_it_is_usable() {
        let (mut all, made) = store();
        // SAFETY: of `discard`: both are fresh.
        unsafe {
            all.discard(made[5].contref);
            all.discard(made[7].contref);
        }
        // A continuation takes the place of the one that was discarded last.
        let usable = make(&mut all);
        assert_eq!(usable.contref, made[7].contref);

        let exact = |objs: &'static [usize]| {
            let objs: Vec<VMContObj> = objs.iter().map(|&at| made[at]).collect();
            move |search: &mut Search| {
                for obj in objs {
                    // SAFETY: of `reference`: the store made it.
                    unsafe { search.reference(obj) };
                }
            }
        };
        assert_eq!(find(&mut all, &made, exact(&[4, 5, 6, 7])), [4, 6]);
        // SAFETY: of `reference`: the store made it.
        assert_eq!(find(&mut all, &made, |search| unsafe { search.reference(usable) }), [7]);
        // A word has no revision.
        let addresses = [made[5].contref.addr().get(), made[7].contref.addr().get()];
        assert_eq!(find(&mut all, &made, words(&addresses)), [7]);

        let heap = |number: u32, revision: u64| {
            move |search: &mut Search| search.heap_reference(HeapReference { number, revision })
        };
        let revision = |obj: VMContObj| obj.revision as u64;
        assert_eq!(find(&mut all, &made, heap(8, revision(usable))), [7]);
        assert_eq!(find(&mut all, &made, heap(8, revision(made[7]))), []);
        assert_eq!(find(&mut all, &made, heap(COUNT as u32, revision(made[COUNT - 1]))), [COUNT - 1]);
        // A heap that the guest has corrupted: no number, numbers that no continuation has, revisions that none has yet.
        let wild =
            [(0, 0), (0, 1), (COUNT as u32 + 1, 0), (u32::MAX, 0), (1, revision(made[0]) + 1), (1, u64::MAX)];
        for (number, revision) in wild {
            assert_eq!(find(&mut all, &made, heap(number, revision)), []);
        }
    }

    #[test]
    fn what_is_bound_counts_if_its_continuation_does() {
        let (mut all, made) = store();
        let bind = |to: usize, value: usize| {
            let mut contref = made[to].contref;
            // SAFETY: `as_mut`, `write`: C2, C3: a fresh continuation with two slots, which nothing else uses.
            unsafe {
                let values = &mut contref.as_mut().values;
                values.data.write(made[value].contref.addr().get() as u128);
                values.length = 1;
            }
        };
        // A chain, and a cycle at its end.
        for (to, value) in [(10, 20), (20, 30), (30, 40), (40, 20)] {
            bind(to, value);
        }
        let address = |at: usize| made[at].contref.addr().get();
        assert_eq!(find(&mut all, &made, words(&[address(10)])), [10, 20, 30, 40]);
        assert_eq!(find(&mut all, &made, words(&[address(30)])), [20, 30, 40]);

        // What is behind the bound values is not one, unless compiled code is about to bind it.
        let mut contref = made[50].contref;
        // SAFETY: as in `bind`.
        unsafe { contref.as_mut().values.data.write(address(60) as u128) };
        assert_eq!(find(&mut all, &made, words(&[address(50)])), [50]);
        // SAFETY: of `keep`: it is fresh.
        assert_eq!(find(&mut all, &made, |search| unsafe { search.keep(made[50].contref) }), [50, 60]);
    }

    #[test]
    fn what_the_host_holds() {
        if !Continuations::SEARCHES {
            return;
        }
        let (mut all, made) = store();
        let index = |at: usize| at as u32;
        let times = all.hold(index(2), made[2].revision);
        all.hold(index(4), made[4].revision);
        // A stale reference keeps nothing.
        all.hold(index(6), made[6].revision.wrapping_sub(1));
        assert_eq!(find(&mut all, &made, |_| {}), [2, 4]);
        // The host has got it again since.
        all.hold(index(2), made[2].revision);
        all.let_go(index(2), made[2].revision, Some(times));
        assert_eq!(find(&mut all, &made, |_| {}), [2, 4]);
        // SAFETY: of `discard`: it is fresh.
        unsafe { all.discard(made[4].contref) };
        assert_eq!(find(&mut all, &made, |_| {}), [2]);
        all.let_go(index(2), made[2].revision, None);
        assert_eq!(find(&mut all, &made, |_| {}), []);
    }
}
