//! Stacks in a reservation of address space.
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
//! The reservation costs nothing but addresses. A slot gets its guard when it is first used:
//!
//! * Linux 6.13 and later: `madvise(MADV_GUARD_INSTALL)`. All slots in use are one mapping, however many.
//!   Price: one system call per stack and lifetime of the region, and one per batch to make it accessible.
//! * elsewhere, or once the advice has failed, as it does when the process locks its memory: only the rest of the slot is
//!   made accessible. Price: two mappings per stack, of which Linux allows `vm.max_map_count` in a process.
//!
//! A stack costs a page of memory for each page touched, and page tables: 8 bytes for each page of the slot, once the
//! neighbourhood is in use.
//!
//! Colour: the first frames of all stacks would lie at the same distance from a page boundary, and so in the same few
//! sets of a cache. Tops are therefore spread over cache lines. With 10,000 live continuations, each resumed
//! in turn (the benchmark `live`), this pays: see `docs/tuning.md`.

use super::guards::Guards;
use crate::abi::VMStackHeader;
use crate::arch;
#[cfg(target_os = "linux")]
use rustix::mm::Advice;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use std::ffi::c_void;
use std::io;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use wasmtime_internal_fiber::FiberStack;

/// Linux 5.18, `include/uapi/asm-generic/mman-common.h`.
#[cfg(target_os = "linux")]
const MADV_DONTNEED_LOCKED: std::ffi::c_int = 24;

#[cfg(all(test, target_os = "linux"))]
pub(crate) use guard::LEFT as GUARDS_LEFT;

/// A cache line.
const COLOUR: usize = 64;

/// Lines that tops are spread over. With these a stack that takes three quarters of a page touches one.
const COLOURS: usize = 16;

/// A reservation of address space, in slots of equal size.
///
/// # Invariants
///
/// * **M1.** The reservation belongs to this value alone and lasts as long. Slots that were made [ready](Reservation::ready)
///   are readable and writable above their guard; nothing else of it is.
/// * **M2.** At most one [`PooledStack`] of a slot exists at a time, which has the slot's memory to itself: the
///   pool takes a slot from its free ones before it asks for the stack, and puts it back after the stack is gone.
#[derive(Debug)]
pub(crate) struct Reservation {
    base: *mut c_void,
    slots: Range<u32>,
    /// Bytes of a slot, guard included.
    slot: usize,
    page: usize,
    /// Whether guards are installed by `madvise`: until that fails for the first time.
    guard_by_advice: AtomicBool,
    /// Whether they ever were.
    was_by_advice: bool,
    /// Whether what is given back must be empty for the next owner.
    zeroing: bool,
}

// SAFETY: M1; the value gives out addresses only, and each slot's memory to one owner (M2).
unsafe impl Send for Reservation {}
// SAFETY: as above; what changes mappings works on slots that the caller has to itself.
unsafe impl Sync for Reservation {}

/// The stack of a slot. See M2.
#[derive(Debug)]
pub(crate) struct PooledStack {
    slot: u32,
    /// Above the highest word.
    top: *mut c_void,
    /// Bytes from the guard to the top.
    size: usize,
}

// SAFETY: M2.
unsafe impl Send for PooledStack {}
// SAFETY: `&PooledStack` gives out addresses only.
unsafe impl Sync for PooledStack {}

impl Reservation {
    /// Reserves address space for the stacks of `slots`, of at least `size` bytes each. If `zeroing`, memory that is
    /// [cleared](Reservation::clear) is empty, even where the system does not take it back.
    pub(crate) fn reserve(
        slots: Range<u32>,
        size: usize,
        guards: Guards,
        zeroing: bool,
    ) -> io::Result<Reservation> {
        let page = rustix::param::page_size();
        let slot = slot_size(size).ok_or_else(too_large)?;
        let length = slot.checked_mul(slots.len()).ok_or_else(too_large)?;
        // SAFETY: a fresh private mapping touches no memory that exists.
        let base = unsafe {
            let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
            rustix::mm::mmap_anonymous(ptr::null_mut(), length, ProtFlags::empty(), flags)?
        };
        let guard_by_advice = guards == Guards::Auto && guard::installable();
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

    /// A huge page would make a stack that touches one page cost 2 MiB.
    fn keep_pages_small(&self) {
        #[cfg(target_os = "linux")]
        // SAFETY: M1; the advice changes no content. Kernels without huge pages refuse it, which is as good.
        let _ = unsafe { rustix::mm::madvise(self.base, self.length(), Advice::LinuxNoHugepage) };
    }

    /// Whether stacks take no mappings of their own.
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

    /// Where slots of this region start, and their bytes.
    fn extent(&self, slots: &Range<u32>) -> (*mut c_void, usize) {
        assert!(slots.end <= self.slots.end, "slots of this region");
        (self.start(slots.start), self.slot * slots.len())
    }

    /// Makes the memory of slots usable that were never used since [`Reservation::reserve`] or [`Reservation::reset`].
    ///
    /// One call at a time: the pool's lock sees to that.
    pub(crate) fn ready(&self, slots: Range<u32>) -> io::Result<()> {
        if self.guards_are_cheap() {
            let (start, length) = self.extent(&slots);
            // SAFETY: M1; nothing refers to these slots yet.
            let guarded = unsafe {
                rustix::mm::mprotect(start, length, MprotectFlags::READ | MprotectFlags::WRITE)?;
                slots.clone().try_for_each(|slot| guard::install(self.start(slot), self.page))
            };
            let Err(error) = guarded else { return Ok(()) };
            self.close(slots.clone());
            if !guard::is_refusal(&error) {
                return Err(error);
            }
            self.guard_by_advice.store(false, Relaxed);
        }
        for slot in slots.clone() {
            let guard = self.start(slot);
            // SAFETY: as above. What an advice that failed has left accessible, if `close` could not help it, is closed here.
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

    /// Makes slots that are not ready inaccessible again, as M1 wants it, if the system lets it: if not, whoever makes them ready
    /// begins with their guards.
    fn close(&self, slots: Range<u32>) {
        let (start, length) = self.extent(&slots);
        // SAFETY: M1; nothing refers to these slots yet.
        let _ = unsafe { rustix::mm::mprotect(start, length, MprotectFlags::empty()) };
    }

    /// The stack of a slot that is ready, and has none (M2).
    pub(crate) fn stack(&self, slot: u32) -> io::Result<PooledStack> {
        let length = self.slot - (slot as usize % COLOURS) * COLOUR;
        let top = self.start(slot).wrapping_byte_add(length);
        Ok(PooledStack { slot, top, size: length - self.page })
    }

    /// Gives all pages of a stack that is not in use back to the system but the highest `keep` bytes, rounded up to
    /// pages.
    pub(crate) fn trim(&self, stack: &PooledStack, keep: usize) {
        let keep = keep.checked_next_multiple_of(self.page).unwrap_or(usize::MAX);
        if let Some(length) = (self.slot - self.page).checked_sub(keep).filter(|&length| length > 0) {
            self.discard(self.start(stack.slot).wrapping_byte_add(self.page), length);
        }
    }

    /// Gives all pages of slots back to the system. They are ready, and have no stacks.
    pub(crate) fn clear(&self, slots: Range<u32>) {
        let (start, length) = self.extent(&slots);
        // Guards by advice stay.
        if self.guards_are_cheap() && self.discard(start, length) {
            return;
        }
        for slot in slots {
            let (rest, length) = (self.start(slot).wrapping_byte_add(self.page), self.slot - self.page);
            if !self.discard(rest, length) && self.zeroing {
                // SAFETY: M1 and M2: it is accessible, and nothing there is in use.
                unsafe { rest.cast::<u8>().write_bytes(0, length) };
            }
        }
    }

    /// Forgets the content of memory in slots that are ready and not in use, if the system lets it.
    fn discard(&self, start: *mut c_void, length: usize) -> bool {
        // SAFETY: M1 and M2: nothing there is in use. If memory is locked the first advice is refused, and before Linux 5.18
        // the second too.
        #[cfg(target_os = "linux")]
        let done = unsafe {
            rustix::mm::madvise(start, length, Advice::LinuxDontNeed).is_ok()
                || libc::madvise(start, length, MADV_DONTNEED_LOCKED) == 0
        };
        // SAFETY: as above. Elsewhere the advice need not free anything, but a new mapping does.
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

    /// Ends the process if an attempt to replace a part of the mapping has left a hole: then M1 is gone, and what is mapped
    /// there next is another's.
    fn assert_whole(&self, start: *mut c_void, length: usize) {
        // SAFETY: M1; nothing there is in use. Any advice finds a hole; this one changes nothing else.
        if unsafe { rustix::mm::madvise(start, length, rustix::mm::Advice::Normal) }.is_err() {
            std::process::abort();
        }
    }

    /// Returns slots, none of which is in use, to the state that they had after [`Reservation::reserve`], page tables
    /// included. If the system refuses, returns `false`, and nothing has changed.
    pub(crate) fn reset(&self, slots: Range<u32>) -> bool {
        let (start, length) = self.extent(&slots);
        // SAFETY: M1; the new mapping takes the place of slots that nothing uses.
        let mapped = unsafe {
            let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
            rustix::mm::mmap_anonymous(start, length, ProtFlags::empty(), flags)
        };
        if mapped.is_ok() {
            self.keep_pages_small();
            return true;
        }
        // A process at its limit of mappings gets none, not even in the place of others.
        self.assert_whole(start, length);
        false
    }

    /// Bytes of memory that the stack of a slot has; `None` if the system does not tell.
    pub(crate) fn resident(&self, slot: u32) -> Option<usize> {
        let start = self.start(slot).wrapping_byte_add(self.page);
        let mut pages = [0; 256];
        let mut resident = 0;
        for part in (0..self.slot - self.page).step_by(pages.len() * self.page) {
            let length = (self.slot - self.page - part).min(pages.len() * self.page);
            // SAFETY: M1: the range is mapped; there is a byte for each of its pages.
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
        // SAFETY: M1; stacks do not outlive the pool that they are from.
        let unmapped = unsafe { rustix::mm::munmap(self.base, self.length()) };
        debug_assert!(unmapped.is_ok(), "cannot unmap the stacks");
    }
}

/// Bytes of address space for a stack of `size` bytes.
pub(crate) fn slot_size(size: usize) -> Option<usize> {
    let page = rustix::param::page_size();
    size.checked_add(COLOUR * (COLOURS - 1))?.checked_next_multiple_of(page)?.checked_add(page)
}

#[cold]
fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, "the size overflows the address space")
}

/// Guards that do not split a mapping.
#[cfg(target_os = "linux")]
mod guard {
    use rustix::mm::{Advice, MapFlags, ProtFlags};
    use std::ffi::{c_int, c_void};
    use std::io;
    use std::ptr;
    use std::sync::OnceLock;

    /// Linux 6.13, `include/uapi/asm-generic/mman-common.h`.
    const MADV_GUARD_INSTALL: c_int = 102;

    /// Whether the kernel has them.
    pub(super) fn installable() -> bool {
        static PROBED: OnceLock<bool> = OnceLock::new();
        *PROBED.get_or_init(|| {
            let page = rustix::param::page_size();
            // SAFETY: a fresh private mapping that nothing else knows, gone at the end.
            unsafe {
                let access = ProtFlags::READ | ProtFlags::WRITE;
                let Ok(memory) = rustix::mm::mmap_anonymous(ptr::null_mut(), page, access, MapFlags::PRIVATE)
                else {
                    return false;
                };
                // Emulators take advice that they do not know, and ignore it: a guard has no page to give.
                let guarded = install(memory, page).is_ok()
                    && rustix::mm::madvise(memory, page, Advice::LinuxPopulateRead).is_err();
                let _ = rustix::mm::munmap(memory, page);
                guarded
            }
        })
    }

    #[cfg(test)]
    thread_local! {
        /// How many more guards the kernel gives this thread, and the error that comes then.
        pub(crate) static LEFT: std::cell::Cell<(usize, c_int)> =
            const { std::cell::Cell::new((usize::MAX, 0)) };
    }

    /// Whether the kernel, or a filter of system calls, will say that again.
    pub(super) fn is_refusal(error: &io::Error) -> bool {
        matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EPERM | libc::EACCES | libc::ENOSYS))
    }

    /// Makes every access to the pages fault.
    ///
    /// # Safety
    ///
    /// The pages are private, anonymous and writable, and nothing uses them.
    pub(super) unsafe fn install(start: *mut c_void, length: usize) -> io::Result<()> {
        #[cfg(test)]
        match LEFT.get() {
            (0, error) => return Err(io::Error::from_raw_os_error(error)),
            (left, error) => LEFT.set((left - 1, error)),
        }
        // SAFETY: the caller vouches for the pages. rustix has no name for the advice.
        match unsafe { libc::madvise(start, length, MADV_GUARD_INSTALL) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// No such guards.
#[cfg(not(target_os = "linux"))]
mod guard {
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
    /// Its slot.
    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    /// The address above the stack's highest word. The start of a cache line.
    #[cfg(test)]
    pub(crate) fn top(&self) -> *mut u8 {
        self.top.cast()
    }

    /// Leaves the stack to a record at its top, and makes it ready to be entered below that.
    pub(crate) fn into_header(self) -> Result<NonNull<VMStackHeader>, PooledStack> {
        let record = self.top.cast::<VMStackHeader>().wrapping_sub(1);
        // SAFETY: M2; the top is aligned to a cache line, and a stack has more than a page.
        unsafe {
            record.write(VMStackHeader { next: ptr::null_mut(), size: self.size, slot: self.slot });
            VMStackHeader::return_address(record).write(arch::bottom());
        }
        NonNull::new(record).ok_or(self)
    }

    /// The reverse of [`PooledStack::into_header`].
    ///
    /// # Safety
    ///
    /// [`PooledStack::into_header`] made the record, nobody else takes it, and nothing runs on the stack.
    pub(crate) unsafe fn from_header(record: NonNull<VMStackHeader>) -> PooledStack {
        // SAFETY: the caller vouches for the record, which nothing below it overwrites.
        let VMStackHeader { size, slot, .. } = unsafe { record.read() };
        PooledStack { slot, top: record.as_ptr().wrapping_add(1).cast(), size }
    }

    /// Bytes from the guard to the top.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// What wasmtime-fiber runs a fiber on. It must be gone before `self` is.
    pub(crate) fn fiber_stack(&mut self) -> Result<FiberStack, Box<dyn std::error::Error + Send + Sync>> {
        let page = rustix::param::page_size();
        let base = self.top.wrapping_byte_sub(self.size).wrapping_byte_sub(page);
        // SAFETY: M1, M2: `size` bytes below `top` are this stack's, and the page below them is a guard.
        let stack = unsafe { FiberStack::from_raw_parts(base.cast(), page, self.size) };
        stack.map_err(|e| e.to_string().into())
    }

    /// The stack pointer with which the fiber that runs on it was resumed.
    pub(crate) fn resumer_sp(&self) -> Option<usize> {
        // Its version is pinned: `stackswitch/x86_64.rs` there. With this sanitizer it takes other stacks.
        if cfg!(not(target_arch = "x86_64")) || std::env::var_os("ASAN_OPTIONS").is_some() {
            return None;
        }
        // SAFETY: M1, M2: the words at the top are this stack's, and the fiber's.
        Some(unsafe { self.top.cast::<usize>().sub(2).read() })
    }

    /// Takes back what [`PooledStack::fiber_stack`] gave.
    pub(crate) fn restore(&mut self, _stack: FiberStack) {}

    /// Frees what a fiber that did not finish holds: nothing, its frames go with the memory.
    pub(crate) fn abandon<A, B, C>(fiber: wasmtime_internal_fiber::Fiber<'_, A, B, C>) {
        std::mem::forget(fiber);
    }
}
