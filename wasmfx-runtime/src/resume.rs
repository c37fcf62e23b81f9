//! A resume by the host.
//!
//! The host enters Wasm of a store, and on this entry resumes a continuation. What would be the frame of the `resume` is a
//! [`HostFrame`] in the host's memory. So a search for a handler finds the host's tags behind those of Wasm above this entry, and
//! ends there: the `resume` of the initial stack is a barrier (C5). No frame of the host is ever captured.
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
use crate::arch;
use crate::error::Error;
use crate::host::Host;
use crate::libcall::{self, UNWIND};
use crate::native;
use crate::store::Continuations;
use std::ptr::{self, NonNull};

/// What stands for the frame of a `resume` while the host resumes: its handler clauses, and the place for results.
#[derive(Debug)]
pub struct HostFrame {
    /// The frame, and behind it the tags, if they fit into one more element.
    inline: [VMResumeFrame; 2],
    /// The same, if they do not; otherwise empty.
    more: Vec<VMResumeFrame>,
}

impl HostFrame {
    /// A frame that handles a `suspend` to one of the tags `suspend`, and a `switch` to one of the tags `switch`. `None` if there
    /// is no memory, or if there are more than `u32::MAX` tags.
    #[inline]
    pub fn new(suspend: &[*const VMTag], switch: &[*const VMTag]) -> Option<HostFrame> {
        const INLINE_TAGS: usize = size_of::<VMResumeFrame>() / size_of::<*const VMTag>();
        let mut this = HostFrame { inline: [const { VMResumeFrame::BARRIER }; 2], more: Vec::new() };
        let tags = suspend.len().checked_add(switch.len())?;
        if tags > INLINE_TAGS {
            let len = 1 + tags.div_ceil(INLINE_TAGS);
            this.more.try_reserve_exact(len).ok()?;
            this.more.extend((0..len).map(|_| VMResumeFrame::BARRIER));
        }
        let first = |tags: &[*const VMTag]| tags.first().copied().unwrap_or(ptr::null());
        let frame = VMResumeFrame {
            suspend_count: suspend.len().try_into().ok()?,
            switch_count: switch.len().try_into().ok()?,
            first: first(suspend),
            first_switch: first(switch),
            ..VMResumeFrame::BARRIER
        };
        let place = this.first().as_ptr();
        // SAFETY: the writes: the elements at `place` but the first are memory for tags, which nothing reads as elements. They have
        // room for the tags, aligned as an element is.
        unsafe {
            place.write(frame);
            let tags = place.add(1).cast::<*const VMTag>();
            for (at, &tag) in suspend.iter().chain(switch).enumerate() {
                tags.add(at).write(tag);
            }
        }
        Some(this)
    }

    /// The frame, with its tags behind it.
    #[inline]
    fn first(&mut self) -> NonNull<VMResumeFrame> {
        let frames = if self.more.is_empty() { &mut self.inline[..] } else { &mut self.more[..] };
        NonNull::from(frames).cast()
    }
}

/// How a resume by the host ended.
#[derive(Debug, Clone, Copy)]
pub enum Resumed {
    /// The continuation's function returned. Its results are in their place.
    Returned,
    /// The tag with this number, among those of `suspend`, took a `suspend`. What was captured is this continuation.
    Suspended {
        /// The number of the tag.
        clause: u32,
        /// A reference to what was captured.
        cont: VMContObj,
    },
    /// Wasm was unwound to the host, or there is no stack for the continuation, or no room on the host's stack. The reason was noted.
    /// In the latter two cases the reference is usable as before.
    Unwound,
}

/// Resumes `cont`. `throw` says whether this raises the store's pending exception where `cont` was suspended, or here if `cont` is
/// fresh. `frame` must not move during the call.
///
/// # Safety
///
/// 1. The host has entered Wasm of the host's store, and makes this call there. The current stack is the initial one.
/// 2. `cont` belongs to that store, and its reference is usable. Unless `throw`, all its arguments are bound, or are in
///    [`Continuations::arguments`].
/// 3. `results` has room for the results of the function of `cont`, which has `result_count` of them.
/// 4. The tags of `frame` are alive.
pub unsafe fn resume<H: Host>(
    host: &mut H,
    cont: NonNull<VMContRef>,
    frame: &mut HostFrame,
    results: *mut u128,
    result_count: u32,
    throw: bool,
) -> Resumed {
    // A call of a function of Wasm would compare the limit where that function begins.
    if arch::stack_pointer() < host.stack_limit() {
        host.note_trap(Error::StackOverflow);
        return Resumed::Unwound;
    }
    let first = frame.first();
    // SAFETY: the writes: `first` points to the frame, which is borrowed.
    unsafe { ((*first.as_ptr()).values, (*first.as_ptr()).result_count) = (results, result_count) };
    let backend = host.continuations().backend();
    // SAFETY: of `throw`: 1: 1, as this is as good as a call by Wasm; 2: 2. Of `native::resume`: 1: 1; 2: 2, and `throw` has
    // returned `true` for what is suspended only; 3: `frame` outlives the call, and 3. Of `libcall::resume`: 1: as of `throw`;
    // 2 and 3: 2; 4: as of `native::resume`, since nothing depends on whose frame it is; 5: 3.
    let word = unsafe {
        if throw && !libcall::throw(host, cont) {
            return Resumed::Unwound;
        }
        match backend {
            Backend::Native => native::resume(host, cont, first, throw),
            Backend::Libcall => libcall::resume(host, cont, first),
        }
    };
    match word {
        UNWIND => Resumed::Unwound,
        RETURNED => Resumed::Returned,
        address => {
            let contref = NonNull::new(ptr::with_exposed_provenance_mut::<VMContRef>(address as usize));
            let contref = contref.expect("what was captured has an address");
            // SAFETY: the reads: the frame is alive, as above. C2: what was captured is valid, aligned and initialised.
            let (clause, revision) = unsafe { ((*first.as_ptr()).clause, contref.as_ref().revision) };
            Resumed::Suspended { clause, cont: VMContObj { contref, revision } }
        }
    }
}

/// What has become of the continuation of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContStatus {
    /// The reference is usable, and the continuation was never resumed.
    Fresh,
    /// The reference is usable, and the continuation waits to be resumed again.
    Suspended,
    /// The reference was consumed by the instruction that resumed the continuation, and the continuation runs, or has resumed
    /// another one, or was suspended together with one that it has resumed.
    Active,
    /// The reference was consumed, and the continuation has returned, has trapped, has thrown, was suspended or was bound since.
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
            0 if this.waits() && this.func.is_null() => ContStatus::Suspended,
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

    /// Where the arguments of a fresh or suspended continuation go that are not bound yet, and how many of them have room.
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

    /// The values with which what was captured has suspended, `count` of them.
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
