//! Stacks in a region of the address space, which is reserved at once.
//!
//! ```text
//! base                                                                                  base + count * slot
//! | slot           | slot           | ... | slot           | never used: reserved, inaccessible |
//!
//! slot:
//! | guard: 1 page | RESERVE at least            | Wasm's part | colour |
//! | faults        | read and write, touched on demand                  | next slot
//!                                               ^ stack limit   ^ top  <- grows
//! ```
//!
//! A region costs nothing but addresses until its slots are used. A slot gets its guard when it is first used, or first used after a reset:
//!
//! * On Linux 6.13 and later the guard is `madvise(MADV_GUARD_INSTALL)`. All slots in use are one mapping, however many there
//!   are. The price is one system call per stack, and one per batch of stacks to make the batch accessible.
//! * Elsewhere only the rest of the slot is made accessible, by `mprotect`. The same happens once the advice was refused, as it
//!   is when the process locks its memory. The price is two mappings per stack. Linux allows a process `vm.max_map_count`
//!   mappings.
//!
//! A stack costs a page of memory for each page that it has touched. It also costs page tables: 8 bytes for each page of the
//! slot, once neighbouring slots are in use.
//!
//! Colour: without it, the first frames of all stacks would have the same distance from a page boundary, and would compete for
//! the same few sets of a cache. The tops of stacks are therefore spread over cache lines (`COLOURS`). This pays with 10,000 live
//! continuations that are resumed in turn (the benchmark `live`): see `docs/tuning.md`.

use super::guards::Guards;
use crate::abi::VMStackHeader;
use crate::arch;
use crate::limits::{COLOUR, COLOURS};
#[cfg(target_os = "linux")]
use rustix::mm::Advice;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use std::ffi::c_void;
use std::io;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use wasmtime_internal_fiber::FiberStack;

/// Since Linux 5.18: `include/uapi/asm-generic/mman-common.h`.
#[cfg(target_os = "linux")]
const MADV_DONTNEED_LOCKED: std::ffi::c_int = 24;

#[cfg(all(test, target_os = "linux"))]
pub(crate) use guard_advice::LEFT as GUARDS_LEFT;

/// A region of the address space, in slots of equal size.
///
/// # Invariants
///
/// * **M1.** The address space of the region belongs to this value alone, for as long as the value lives. Slots that were made
///   [ready](Reservation::ready) are readable and writable above their guard. Nothing else of the region is.
/// * **M2.** At most one [`PooledStack`] of a slot exists at a time, and that value has the memory of the slot to itself. The
///   pool takes a slot from its free slots before it asks for the stack, and puts the slot back after the stack is gone.
///
/// ```text
///   pool: slot free --> take the slot --> stack(slot): PooledStack --> trim, clear --> put the slot back
///                                         '--- owns the slot's memory ----'
/// ```
#[derive(Debug)]
pub(crate) struct Reservation {
    base: *mut c_void,
    slots: Range<u32>,
    /// Bytes of a slot, its guard included.
    slot: usize,
    page: usize,
    /// Whether guards are installed by `madvise`. This becomes false when the kernel first refuses one.
    guard_by_advice: AtomicBool,
    /// Whether guards were installed by `madvise` when the region was reserved.
    was_by_advice: bool,
    /// Whether memory that is given back must be empty for its next owner.
    zeroing: bool,
}

// SAFETY: M1, M2: another thread may own the value: its address space is bound to no thread, and the memory of each
// slot has one owner.
unsafe impl Send for Reservation {}
// SAFETY: M1, M2: several threads may share the value: methods that change mappings work on slots that the caller has
// to itself. The one field that changes is atomic.
unsafe impl Sync for Reservation {}

/// The stack of a slot: its owner (M2).
#[derive(Debug)]
pub(crate) struct PooledStack {
    slot: u32,
    /// The address above the highest word.
    top: *mut c_void,
    /// Bytes from the guard to the top.
    size: usize,
}

// SAFETY: M2: another thread may own the value: it is the only owner of its slot's memory, which is bound to no thread.
unsafe impl Send for PooledStack {}
// SAFETY: several threads may share the value: `&PooledStack` gives out numbers and addresses. Only `resumer_sp` reads
// the stack, and its caller runs on the thread of the fiber.
unsafe impl Sync for PooledStack {}

impl Reservation {
    /// Reserves address space for the stacks of `slots`, of at least `size` bytes each. If `zeroing` is set,
    /// [`Reservation::clear`] empties memory even if the system does not take it back.
    pub(crate) fn reserve(
        slots: Range<u32>,
        size: usize,
        guards: Guards,
        zeroing: bool,
    ) -> io::Result<Reservation> {
        let page = rustix::param::page_size();
        let slot = slot_size(size).ok_or_else(too_large)?;
        let length = slot.checked_mul(slots.len()).ok_or_else(too_large)?;
        // SAFETY: `mmap_anonymous`: the address is null: the system puts the mapping where no memory is in use.
        let base = unsafe {
            let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
            rustix::mm::mmap_anonymous(ptr::null_mut(), length, ProtFlags::empty(), flags)?
        };
        let guard_by_advice = guards == Guards::Auto && guard_advice::installable();
        let region = Reservation {
            base,
            slots,
            slot,
            page,
            guard_by_advice: AtomicBool::new(guard_by_advice),
            was_by_advice: guard_by_advice,
            zeroing,
        };
        region.keep_pages_small();
        Ok(region)
    }

    /// Keeps huge pages off. With them, a stack that touches one page would cost 2 MiB.
    fn keep_pages_small(&self) {
        #[cfg(target_os = "linux")]
        // SAFETY: `madvise`: M1: the range is this region's mapping, and the advice changes no content. A kernel
        // without huge pages refuses the advice and needs none.
        let _ = unsafe { rustix::mm::madvise(self.base, self.length(), Advice::LinuxNoHugepage) };
    }

    /// Whether stacks take no mappings of their own. False also if only some of them take mappings.
    pub(crate) fn guards_are_cheap(&self) -> bool {
        self.guard_by_advice.load(Relaxed)
    }

    fn length(&self) -> usize {
        self.slot * self.slots.len()
    }

    fn start(&self, slot: u32) -> *mut c_void {
        assert!(self.slots.contains(&slot), "a slot of this region");
        self.base.wrapping_byte_add(self.slot * (slot - self.slots.start) as usize)
    }

    /// The start of slots of this region, and the number of their bytes.
    fn extent(&self, slots: &Range<u32>) -> (*mut c_void, usize) {
        assert!(slots.end <= self.slots.end, "slots of this region");
        (self.start(slots.start), self.slot * slots.len())
    }

    /// Makes the memory of slots usable that were not used since [`Reservation::reserve`] or [`Reservation::reset`].
    ///
    /// The caller makes one call at a time. The pool's lock ensures that.
    pub(crate) fn ready(&self, slots: Range<u32>) -> io::Result<()> {
        if self.guards_are_cheap() {
            let (start, length) = self.extent(&slots);
            // SAFETY: `mprotect`: M1: the range is slots of this region, to which nothing refers yet.
            // Of `install`: 1: M1: the page is private and anonymous, and `mprotect` has made it writable; 2: nothing
            // refers to these slots yet.
            let guarded = unsafe {
                rustix::mm::mprotect(start, length, MprotectFlags::READ | MprotectFlags::WRITE)?;
                slots.clone().try_for_each(|slot| guard_advice::install(self.start(slot), self.page))
            };
            let Err(error) = guarded else { return Ok(()) };
            self.close(slots.clone());
            if !guard_advice::is_refusal(&error) {
                return Err(error);
            }
            self.guard_by_advice.store(false, Relaxed);
        }
        for slot in slots.clone() {
            let guard = self.start(slot);
            // SAFETY: `mprotect`: M1: the ranges are the guard and the rest of a slot of this region, to which
            // nothing refers yet. If an advice failed and `close` did not succeed, the guard is still accessible, and
            // is closed here.
            let done = unsafe {
                let closed = match self.was_by_advice {
                    true => rustix::mm::mprotect(guard, self.page, MprotectFlags::empty()),
                    false => Ok(()),
                };
                let rest = guard.wrapping_byte_add(self.page);
                let access = MprotectFlags::READ | MprotectFlags::WRITE;
                closed.and_then(|()| rustix::mm::mprotect(rest, self.slot - self.page, access))
            };
            if let Err(error) = done {
                self.close(slots);
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Makes slots that are not ready inaccessible again, as M1 demands, if the system permits. If the system refuses, the next
    /// [`Reservation::ready`] of these slots begins with their guards.
    fn close(&self, slots: Range<u32>) {
        let (start, length) = self.extent(&slots);
        // SAFETY: `mprotect`: M1: the range is slots of this region, to which nothing refers yet.
        let _ = unsafe { rustix::mm::mprotect(start, length, MprotectFlags::empty()) };
    }

    /// The stack of a slot. The slot is ready, and no other [`PooledStack`] of it exists (M2).
    pub(crate) fn stack(&self, slot: u32) -> io::Result<PooledStack> {
        let length = self.slot - (slot as usize % COLOURS) * COLOUR;
        let top = self.start(slot).wrapping_byte_add(length);
        Ok(PooledStack { slot, top, size: length - self.page })
    }

    /// Gives all pages of a stack back to the system, except for the highest `keep` bytes of its slot, rounded up to pages. The
    /// stack is not in use.
    pub(crate) fn trim(&self, stack: &PooledStack, keep: usize) {
        let keep = keep.checked_next_multiple_of(self.page).unwrap_or(usize::MAX);
        if let Some(length) = (self.slot - self.page).checked_sub(keep).filter(|&length| length > 0) {
            self.discard(self.start(stack.slot).wrapping_byte_add(self.page), length);
        }
    }

    /// Gives all pages of `slots` back to the system. The slots are ready, and their stacks are not in use.
    pub(crate) fn clear(&self, slots: Range<u32>) {
        let (start, length) = self.extent(&slots);
        // Guards by advice survive this, so that one call serves all slots.
        if self.guards_are_cheap() && self.discard(start, length) {
            return;
        }
        for slot in slots {
            let (rest, length) = (self.start(slot).wrapping_byte_add(self.page), self.slot - self.page);
            if !self.discard(rest, length) && self.zeroing {
                // SAFETY: `write_bytes`: M1: the memory above the guard of a slot that is ready is writable, and bytes
                // need no alignment; M2: nothing there is in use.
                unsafe { rest.cast::<u8>().write_bytes(0, length) };
            }
        }
    }

    /// Discards the content of memory in slots that are ready and not in use. Returns whether the system did so.
    fn discard(&self, start: *mut c_void, length: usize) -> bool {
        // SAFETY: `madvise`, of rustix and of libc: M1: the range is in slots of this region; M2: nothing there is
        // in use, so that the content may go. If memory is locked, the kernel refuses the first advice, and before
        // Linux 5.18 also the second.
        #[cfg(target_os = "linux")]
        let done = unsafe {
            rustix::mm::madvise(start, length, Advice::LinuxDontNeed).is_ok()
                || libc::madvise(start, length, MADV_DONTNEED_LOCKED) == 0
        };
        // SAFETY: `mmap_anonymous`: M1: the range is whole pages in slots of this region; M2: nothing there is in
        // use, so that a new mapping may replace it. Elsewhere the advice need not free anything, but a new mapping
        // does.
        #[cfg(not(target_os = "linux"))]
        let done = unsafe {
            let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
            rustix::mm::mmap_anonymous(start, length, ProtFlags::READ | ProtFlags::WRITE, flags).is_ok()
        };
        if !done {
            self.assert_whole(start, length);
        }
        done
    }

    /// Ends the process if a failed attempt to replace a part of the mapping has left a hole. M1 would be violated: the next
    /// mapping that the process makes could be in the hole.
    fn assert_whole(&self, start: *mut c_void, length: usize) {
        // SAFETY: `madvise`: M1: the range is in slots of this region. The advice changes no content. Any advice
        // fails at a hole, and this one has no effect on what may be there.
        if unsafe { rustix::mm::madvise(start, length, rustix::mm::Advice::Normal) }.is_err() {
            std::process::abort();
        }
    }

    /// Gives `slots` the state that they had after [`Reservation::reserve`], page tables included. None of them is in use. If the
    /// system refuses, this function returns `false` and changes nothing.
    pub(crate) fn reset(&self, slots: Range<u32>) -> bool {
        let (start, length) = self.extent(&slots);
        // SAFETY: `mmap_anonymous`: M1: the range is whole slots of this region, and so whole pages; M2: nothing
        // there is in use, so that a new mapping may replace it.
        let mapped = unsafe {
            let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
            rustix::mm::mmap_anonymous(start, length, ProtFlags::empty(), flags)
        };
        if mapped.is_ok() {
            self.keep_pages_small();
            return true;
        }
        // A process at its limit of mappings gets no new one, not even in the place of others.
        self.assert_whole(start, length);
        false
    }

    /// Bytes of memory that the stack of a slot has. `None` if the system does not tell.
    pub(crate) fn resident(&self, slot: u32) -> Option<usize> {
        let start = self.start(slot).wrapping_byte_add(self.page);
        let mut pages = [0; 256];
        let mut resident = 0;
        for part in (0..self.slot - self.page).step_by(pages.len() * self.page) {
            let length = (self.slot - self.page - part).min(pages.len() * self.page);
            // SAFETY: `mincore`: M1: the range is whole pages of this region. `pages` has a byte for each, and
            // nothing else uses it.
            let failed = unsafe {
                libc::mincore(start.wrapping_byte_add(part).cast(), length, pages.as_mut_ptr().cast())
            };
            if failed != 0 {
                return None;
            }
            let known: &[u8] = &pages[..length / self.page];
            resident += known.iter().filter(|&&page| page & 1 != 0).count() * self.page;
        }
        Some(resident)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: `munmap`: M1: the range is this region's mapping. No reference into it exists: stacks do not
        // outlive the pool that they come from.
        let unmapped = unsafe { rustix::mm::munmap(self.base, self.length()) };
        debug_assert!(unmapped.is_ok(), "cannot unmap the stacks");
    }
}

/// Bytes of address space for a stack of `size` bytes: the stack, its colour and its guard, and a page more if those are an even
/// number of pages. `None` if they overflow.
///
/// A TLB finds its set by the low bits of a page's number. With an odd number of pages per slot, the pages at the tops of the stacks
/// go to all sets in turn. With an even number they would compete for half of the sets, or fewer: `docs/tuning.md`.
pub(crate) fn slot_size(size: usize) -> Option<usize> {
    let page = rustix::param::page_size();
    let size = size.checked_add(COLOUR * (COLOURS - 1))?.checked_next_multiple_of(page)?.checked_add(page)?;
    if (size / page).is_multiple_of(2) { size.checked_add(page) } else { Some(size) }
}

#[cold]
fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, "the size overflows the address space")
}

/// Guards by advice, which do not split a mapping.
#[cfg(target_os = "linux")]
mod guard_advice {
    use rustix::mm::{Advice, MapFlags, ProtFlags};
    use std::ffi::{c_int, c_void};
    use std::io;
    use std::ptr;
    use std::sync::OnceLock;

    /// Since Linux 6.13: `include/uapi/asm-generic/mman-common.h`.
    const MADV_GUARD_INSTALL: c_int = 102;

    /// Whether the kernel has guards by advice.
    pub(super) fn installable() -> bool {
        static PROBED: OnceLock<bool> = OnceLock::new();
        *PROBED.get_or_init(|| {
            let page = rustix::param::page_size();
            // SAFETY: `mmap_anonymous`: the address is null. `madvise` and `munmap`: the page is a fresh mapping that
            // nothing else knows. Of `install`: 1: the page is private, anonymous and writable; 2: nothing uses it.
            unsafe {
                let access = ProtFlags::READ | ProtFlags::WRITE;
                let Ok(memory) = rustix::mm::mmap_anonymous(ptr::null_mut(), page, access, MapFlags::PRIVATE)
                else {
                    return false;
                };
                // Some emulators accept unknown advice and ignore it. A page with a guard cannot be populated.
                let guarded = install(memory, page).is_ok()
                    && rustix::mm::madvise(memory, page, Advice::LinuxPopulateRead).is_err();
                let _ = rustix::mm::munmap(memory, page);
                guarded
            }
        })
    }

    #[cfg(test)]
    thread_local! {
        /// For tests: how many more guards this thread gets, and the error that `install` returns after those.
        pub(crate) static LEFT: std::cell::Cell<(usize, c_int)> =
            const { std::cell::Cell::new((usize::MAX, 0)) };
    }

    /// Whether the error is a refusal that the kernel, or a filter of system calls, will repeat.
    pub(super) fn is_refusal(error: &io::Error) -> bool {
        matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EPERM | libc::EACCES | libc::ENOSYS))
    }

    /// Makes every access to the pages fault.
    ///
    /// # Safety
    ///
    /// 1. The pages are private, anonymous and writable.
    /// 2. Nothing uses them.
    pub(super) unsafe fn install(start: *mut c_void, length: usize) -> io::Result<()> {
        #[cfg(test)]
        match LEFT.get() {
            (0, error) => return Err(io::Error::from_raw_os_error(error)),
            (left, error) => LEFT.set((left - 1, error)),
        }
        // SAFETY: `madvise`: 1: the advice is for such pages; 2: their content may go, and accesses may fault. rustix
        // has no name for the advice.
        match unsafe { libc::madvise(start, length, MADV_GUARD_INSTALL) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Other systems have no guards by advice.
#[cfg(not(target_os = "linux"))]
mod guard_advice {
    use std::ffi::c_void;
    use std::io;

    pub(super) fn installable() -> bool {
        false
    }

    pub(super) fn is_refusal(_error: &io::Error) -> bool {
        true
    }

    pub(super) unsafe fn install(_start: *mut c_void, _length: usize) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl PooledStack {
    /// The number of the stack's slot.
    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    /// The address above the highest word of the stack. A cache line starts there.
    #[cfg(test)]
    pub(crate) fn top(&self) -> *mut u8 {
        self.top.cast()
    }

    /// Turns the stack into a header at its top, which owns the stack from then on. Writes the return address in the
    /// header, and below it, where calls store it: a stack is entered with it there on x86-64.
    pub(crate) fn into_header(self) -> Result<NonNull<VMStackHeader>, PooledStack> {
        let header = self.top.cast::<VMStackHeader>().wrapping_sub(1);
        // SAFETY: `write`, twice: M1: header and word lie in the stack, which is larger than a page: writable; M2:
        // nothing else uses them. The top is aligned to a cache line, so that the header and the word below it are
        // aligned too.
        unsafe {
            let bottom = arch::bottom();
            header.write(VMStackHeader { next: ptr::null_mut(), size: self.size, slot: self.slot, bottom });
            VMStackHeader::return_address(header).write(bottom);
        }
        NonNull::new(header).ok_or(self)
    }

    /// The reverse of [`PooledStack::into_header`].
    ///
    /// # Safety
    ///
    /// 1. [`PooledStack::into_header`] made the header.
    /// 2. No other call takes it.
    /// 3. Nothing runs on the stack.
    pub(crate) unsafe fn from_header(header: NonNull<VMStackHeader>) -> PooledStack {
        // SAFETY: `read`: 1: valid, aligned and initialised by `into_header`. Frames of the stack lie below the header
        // and do not overwrite it. 2, 3: nothing else uses it.
        let VMStackHeader { size, slot, .. } = unsafe { header.read() };
        PooledStack { slot, top: header.as_ptr().wrapping_add(1).cast(), size }
    }

    /// Bytes from the guard to the top.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The stack in the form that wasmtime-fiber runs a fiber on. The result must be dropped before `self` is.
    pub(crate) fn fiber_stack(&mut self) -> Result<FiberStack, Box<dyn std::error::Error + Send + Sync>> {
        let page = rustix::param::page_size();
        let base = self.top.wrapping_byte_sub(self.size).wrapping_byte_sub(page);
        // SAFETY: `from_raw_parts`: M1: the page at `base` is the guard, and the `size` bytes above it, up to the top,
        // are accessible; M2: they are this stack's, which nothing else uses.
        let stack = unsafe { FiberStack::from_raw_parts(base.cast(), page, self.size) };
        stack.map_err(|e| e.to_string().into())
    }

    /// The stack pointer with which the fiber that runs on this stack was resumed. `None` if this build does not know where
    /// wasmtime-fiber keeps it.
    pub(crate) fn resumer_sp(&self) -> Option<usize> {
        // The place is that of `stackswitch/x86_64.rs` and `stackswitch/aarch64.rs` in wasmtime-fiber, whose version is pinned. With
        // the address sanitizer, wasmtime-fiber uses other stacks.
        if cfg!(not(assembly)) || std::env::var_os("ASAN_OPTIONS").is_some() {
            return None;
        }
        // SAFETY: `sub` and `read`: M1: the word lies in the stack: readable, and aligned as the top is. wasmtime-fiber
        // initialised it when it made the fiber. M2: only that fiber and its resumer write it, on this thread.
        Some(unsafe { self.top.cast::<usize>().sub(2).read() })
    }

    /// Takes back the stack that [`PooledStack::fiber_stack`] gave.
    pub(crate) fn restore(&mut self, _stack: FiberStack) {}

    /// Frees what a fiber that did not finish holds. There is nothing to free: its frames are in the memory of the stack.
    pub(crate) fn abandon<A, B, C>(fiber: wasmtime_internal_fiber::Fiber<'_, A, B, C>) {
        std::mem::forget(fiber);
    }
}
