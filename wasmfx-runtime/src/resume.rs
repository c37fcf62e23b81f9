//! How the host resumes and binds continuations, and reads the status of a reference.
//!
//! The host enters Wasm of a store, and on this entry resumes a continuation. What would be the frame of the `resume` is a
//! [`HostFrame`] in the host's memory. A search for a handler goes outwards through the Wasm of this entry, and comes to the host's
//! tags last. It ends there, because the `resume` of the initial stack is a barrier (C5). No frame of the host is ever captured.
//!
//! ```text
//!   initial stack                     stack of f                     stack of g
//!   | host: ContRef::resume    |      | entry code            |      | entry code |
//!   | enter                    |<-----| Wasm: f               |<-----| Wasm: g    |
//!   +--------------------------+      | resume g, (on $t ...) |      | suspend $u |
//!                                     +-----------------------+      +------------+
//!     HostFrame: (on $u)   <------------------ not $t, so further out: to the host
//! ```
//!
//! Values do not go through the switch. The host stores arguments behind those that are bound ([`Continuations::arguments`]), and
//! finds results at the frame's `values`, or the payload of a suspension where [`Continuations::payload`] says.

use crate::abi::{Backend, INLINE_ARGS, RETURNED, VMContObj, VMContRef, VMContState, VMResumeFrame, VMTag};
use crate::arch::{self, SavedRegisters};
use crate::error::Error;
use crate::host::Host;
use crate::libcall::{self, UNWIND};
use crate::native;
use crate::store::Continuations;
use std::mem::offset_of;
use std::ptr::{self, NonNull};

/// What stands for the frame of a `resume` while the host resumes: its handler clauses, and the place for results.
#[derive(Debug)]
pub struct HostFrame {
    inline: Inline,
    /// The frame and its tags, if they do not fit into `inline`; otherwise empty. The elements but the first are memory for tags.
    more: Vec<VMResumeFrame>,
}

/// A frame with few tags behind it.
#[repr(C)]
#[derive(Debug)]
struct Inline {
    frame: VMResumeFrame,
    tags: [*const VMTag; 4],
}

// The tags follow the frame: see `VMResumeFrame`.
const _: () = assert!(offset_of!(Inline, tags) == size_of::<VMResumeFrame>());

impl HostFrame {
    /// A frame that handles a `suspend` to one of the tags `suspend`, and a `switch` to one of the tags `switch`. `None` if there
    /// is no memory, or if there are more than `u32::MAX` tags.
    #[inline]
    pub fn new(suspend: &[*const VMTag], switch: &[*const VMTag]) -> Option<HostFrame> {
        let first = |tags: &[*const VMTag]| tags.first().copied().unwrap_or(ptr::null());
        let frame = VMResumeFrame {
            suspend_count: suspend.len().try_into().ok()?,
            switch_count: switch.len().try_into().ok()?,
            first: first(suspend),
            first_switch: first(switch),
            ..VMResumeFrame::BARRIER
        };
        let (count, tags) = (suspend.len().checked_add(switch.len())?, suspend.iter().chain(switch));
        let mut few = [ptr::null(); 4];
        if count <= few.len() {
            few.iter_mut().zip(tags).for_each(|(place, tag)| *place = *tag);
            return Some(HostFrame { inline: Inline { frame, tags: few }, more: Vec::new() });
        }
        let len = 1 + (count * size_of::<*const VMTag>()).div_ceil(size_of::<VMResumeFrame>());
        let mut more = Vec::new();
        more.try_reserve_exact(len).ok()?;
        more.push(frame);
        more.extend((1..len).map(|_| VMResumeFrame::BARRIER));
        // SAFETY: the writes: the elements but the first are memory for tags, which nothing reads as elements. They have room for the
        // tags, aligned as an element is.
        unsafe {
            let place = more.as_mut_ptr().add(1).cast::<*const VMTag>();
            for (at, &tag) in tags.enumerate() {
                place.add(at).write(tag);
            }
        }
        Some(HostFrame { inline: Inline { frame: VMResumeFrame::BARRIER, tags: few }, more })
    }

    /// As [`HostFrame::new`], for a `suspend` to one tag.
    #[inline]
    pub fn suspend_to(tag: *const VMTag) -> HostFrame {
        let frame = VMResumeFrame {
            suspend_count: 1,
            first: tag,
            first_switch: ptr::null(),
            ..VMResumeFrame::BARRIER
        };
        let tags = [tag, ptr::null(), ptr::null(), ptr::null()];
        HostFrame { inline: Inline { frame, tags }, more: Vec::new() }
    }

    /// How the resume with this frame ended.
    ///
    /// # Safety
    ///
    /// `ended` is what [`resume`] has returned for this frame just now.
    #[inline]
    pub unsafe fn resumed(&mut self, ended: Ended) -> Resumed {
        match ended.0 {
            UNWIND => Resumed::Unwound,
            RETURNED => Resumed::Returned,
            address => {
                let contref = NonNull::new(ptr::with_exposed_provenance_mut::<VMContRef>(address as usize));
                let contref = contref.expect("what was captured has an address");
                // SAFETY: the reads: `first` points to the frame, which is borrowed. C2: what was captured is valid, aligned and
                // initialised.
                let (clause, revision) =
                    unsafe { ((*self.first().as_ptr()).clause, contref.as_ref().revision) };
                Resumed::Suspended { clause, cont: VMContObj { contref, revision } }
            }
        }
    }

    /// The frame, with its tags behind it.
    #[inline]
    fn first(&mut self) -> NonNull<VMResumeFrame> {
        match &mut self.more[..] {
            [] => NonNull::from(&mut self.inline).cast(),
            more => NonNull::from(more).cast(),
        }
    }
}

/// How a resume by the host ended, in a word that stays in a register: [`HostFrame::resumed`] reads it.
#[derive(Debug, Clone, Copy)]
pub struct Ended(u64);

/// How a resume by the host ended.
#[derive(Debug, Clone, Copy)]
pub enum Resumed {
    /// The continuation's function returned. Its results are in their place.
    Returned,
    /// The tag with this number, among those of `suspend`, took a `suspend`, which captured this continuation.
    Suspended {
        /// The number of the tag.
        clause: u32,
        /// A reference to what was captured.
        cont: VMContObj,
    },
    /// Wasm was unwound to the host. The reason was noted.
    Unwound,
}

/// Resumes `cont`. `throw` says whether this raises the store's pending exception where `cont` was suspended, or here if `cont` is
/// fresh. `frame` must not move during the call.
///
/// # Errors
///
/// If there is no stack or no memory for the continuation, or no room on the host's stack. The reference is usable as before.
///
/// # Safety
///
/// 1. The host has entered Wasm of the host's store, and makes this call there. The current stack is the initial one.
/// 2. `cont` belongs to that store, and its reference is usable. Unless `throw`, all its arguments are bound, or are in
///    [`Continuations::arguments`].
/// 3. `results` has room for the results of the function of `cont`, which has `result_count` of them.
/// 4. The tags of `frame` are alive.
// The engine calls this in one place. Inlined, so that the result stays in registers.
#[inline(always)]
pub unsafe fn resume<H: Host>(
    host: &mut H,
    cont: NonNull<VMContRef>,
    frame: &mut HostFrame,
    results: *mut u128,
    result_count: u32,
    throw: bool,
) -> Result<Ended, Error> {
    // No function of Wasm begins here that would compare the stack pointer with the limit.
    if arch::stack_pointer() < host.stack_limit() {
        return Err(Error::StackOverflow);
    }
    let first = frame.first();
    // SAFETY: the writes: `first` points to the frame, which is borrowed.
    unsafe { ((*first.as_ptr()).values, (*first.as_ptr()).result_count) = (results, result_count) };
    let backend = host.continuations().backend();
    // SAFETY: of `throw`: 1: 1, as this is as good as a call by Wasm; 2: 2. The read: 2 (C2): valid, aligned and initialised.
    // * Of `start`: 1: 2, and what is suspended has a stack (L2); 2: `Continuations::set_entry`; 3: 2: the arguments are in its buffer.
    // * Of `native::resume`: 1: 1; 2: 2, `start`, and `throw` has returned `true` for what is suspended only; 3: `frame` outlives the
    //   call, and 3.
    // * Of `make_ready`: 1 and 2: 2; 3: as of `start`. Of `resume_ready`: 1: as of `throw`; 2 and 3: 2; 4: as of `native::resume`, since
    //   nothing depends on whose frame it is; 5: 3; 6: `make_ready`; 7: Wasm has called no builtin.
    let word = unsafe {
        if throw && !libcall::throw(host, cont) {
            return Ok(Ended(UNWIND));
        }
        match backend {
            Backend::Native => {
                if cont.as_ref().stack.is_null() {
                    native::start(host, cont)?;
                }
                native::resume(host, cont, first, throw)
            }
            Backend::Libcall => {
                libcall::make_ready(host, cont.cast())?;
                let mut registers = SavedRegisters::EMPTY;
                registers.save();
                libcall::resume_ready(host, cont, first, &registers)
            }
        }
    };
    Ok(Ended(word))
}

/// What has become of the continuation of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContStatus {
    /// The reference is usable, and the continuation was never resumed.
    Fresh,
    /// The reference is usable, and the continuation waits to be resumed again.
    Suspended,
    /// The reference was consumed by the resume that put the continuation on top, and the continuation runs, or has resumed another
    /// one, or was captured with one that it has resumed.
    Active,
    /// The reference was consumed, and the continuation has ended, was suspended or was bound since.
    Consumed,
}

impl Continuations {
    /// The continuation of the reference with this index and revision, and its status. `None` if the store has made no continuation
    /// with that index.
    #[inline]
    pub fn status(&self, index: u32, revision: usize) -> Option<(NonNull<VMContRef>, ContStatus)> {
        let contref = self.get(index, revision)?.contref;
        // SAFETY: `as_ref`: C2: valid, aligned and initialised. H6: nothing writes it meanwhile.
        let this = unsafe { contref.as_ref() };
        // C1: a usable reference is to what is fresh or suspended.
        let status = match this.revision.wrapping_sub(revision) {
            0 if this.is_suspended() => ContStatus::Suspended,
            0 if this.waits() => ContStatus::Fresh,
            1 if this.state() == VMContState::Running => ContStatus::Active,
            _ => ContStatus::Consumed,
        };
        Some((contref, status))
    }

    /// Sets the entry code of a continuation of the native backend.
    ///
    /// # Safety
    ///
    /// 1. `cont` is a fresh continuation of `self`, which is of the native backend.
    /// 2. `entry` is the address of the entry code for the type of the function of `cont`.
    pub unsafe fn set_entry(&mut self, cont: NonNull<VMContRef>, entry: usize) {
        // SAFETY: the write: 1 (C2): valid and aligned. It does not run, so that nothing borrows it.
        unsafe { (*cont.as_ptr()).control.pc = entry };
    }

    /// The slots for the arguments that are not bound yet, of a fresh or suspended continuation: the first slot, and their number.
    ///
    /// # Safety
    ///
    /// `cont` is a continuation of `self`.
    #[inline]
    pub unsafe fn arguments(&mut self, cont: NonNull<VMContRef>) -> (*mut u128, usize) {
        // SAFETY: the read: C2: valid, aligned and initialised. C3: `data` has room for `capacity` slots.
        let values = unsafe { cont.as_ref() }.values;
        let bound = values.length as usize;
        (values.data.wrapping_add(bound), values.capacity as usize - bound)
    }

    /// Binds the first `count` of the [arguments](Continuations::arguments) that were stored, and consumes the reference. Returns a
    /// new one. `ty` is the `VMSharedTypeIndex` of a function type whose first parameters are these arguments.
    ///
    /// # Safety
    ///
    /// 1. `cont` is a fresh or suspended continuation of `self`.
    /// 2. So many arguments were stored, with these types.
    pub unsafe fn bind(&mut self, cont: NonNull<VMContRef>, ty: u32, count: u32) -> VMContObj {
        // SAFETY: `&mut`: 1 (C2): valid, aligned and initialised. It does not run, so that nothing else borrows it.
        let this = unsafe { &mut *cont.as_ptr() };
        if count > 0 {
            // What is bound first knows the types of all that is bound later: they are the parameters that follow.
            if this.values.length == 0 {
                this.bound_types = ty;
            }
            this.values.length += count;
            assert!(this.values.length <= this.values.capacity, "C3");
        }
        this.revision += 1;
        VMContObj { contref: cont, revision: this.revision }
    }

    /// The payload of the last suspension of `cont`: `count` values.
    ///
    /// # Safety
    ///
    /// `cont` is a suspended continuation of `self`, which has suspended with so many values just now.
    #[inline]
    pub unsafe fn payload(&self, cont: NonNull<VMContRef>, count: usize) -> *const u128 {
        let this = cont.as_ptr();
        // SAFETY: the places and the read: C2: `cont` is valid, aligned and initialised, and does not run.
        unsafe {
            match self.backend() {
                Backend::Native if count <= INLINE_ARGS => (&raw const (*this).args).cast(),
                Backend::Native | Backend::Libcall => (*this).values.data,
            }
        }
    }
}
