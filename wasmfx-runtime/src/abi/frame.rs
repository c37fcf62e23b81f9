//! What a `resume` leaves in its own frame for a search for a handler.

use core::ptr;

/// A tag's definition. Tags are compared by this address: an imported tag has its exporter's.
#[derive(Debug)]
pub enum VMTag {}

/// The address of no tag, nor null.
pub const NO_TAG: *const VMTag = ptr::without_provenance(1);

/// What a `resume` asks for and which clause was taken, in the resuming function's own frame.
///
/// All but `clause` is the same each time that an activation of the function comes to the `resume`.
///
/// The tags of its handler clauses follow: those of `(on $tag $label)` in order, then those of
/// `(on $tag switch)` in order, a `*const VMTag` each.
#[repr(C, align(16))]
#[derive(Debug)]
pub struct VMResumeFrame {
    /// `(on $tag $label)` clauses.
    pub suspend_count: u32,
    /// `(on $tag switch)` clauses.
    pub switch_count: u32,
    /// Where results go, if there are any.
    pub values: *mut u128,
    /// Results that the continuation's type lists. Libcall backend.
    pub result_count: u32,
    /// Out: the number of the clause that was taken, among those with labels.
    pub clause: u32,
    /// The tag of the first clause with a label, again; null if there is none; [`NO_TAG`] in a barrier.
    pub first: *const VMTag,
    /// The tag of the first clause without, again; likewise.
    pub first_switch: *const VMTag,
}

impl VMResumeFrame {
    /// No `resume`'s: where a search for a handler ends in vain.
    pub const BARRIER: VMResumeFrame = VMResumeFrame {
        suspend_count: 0,
        switch_count: 0,
        values: ptr::null_mut(),
        result_count: 0,
        clause: 0,
        first: NO_TAG,
        first_switch: NO_TAG,
    };

    /// Whether no search goes beyond this frame.
    ///
    /// # Safety
    ///
    /// `frame` must point to a live frame.
    #[inline]
    pub unsafe fn is_barrier(frame: *const Self) -> bool {
        // SAFETY: the caller vouches for the frame.
        unsafe { (*frame).first == NO_TAG }
    }

    /// The clause that takes a `suspend` to `tag`, if this frame has one.
    ///
    /// # Safety
    ///
    /// `frame` must point to a live frame with its tags behind it.
    #[inline]
    pub unsafe fn find_suspend(frame: *const Self, tag: *const VMTag) -> Option<u32> {
        // SAFETY: the caller vouches for the frame.
        unsafe { find(frame, 0, (*frame).suspend_count, tag) }
    }

    /// Whether a `switch` to `tag` ends its search here.
    ///
    /// # Safety
    ///
    /// As for [`VMResumeFrame::find_suspend`].
    #[inline]
    pub unsafe fn has_switch(frame: *const Self, tag: *const VMTag) -> bool {
        // SAFETY: the caller vouches for the frame.
        unsafe { find(frame, (*frame).suspend_count, (*frame).switch_count, tag).is_some() }
    }
}

/// The first of `count` tags from the one numbered `first` that is `tag`, counted from `first`.
///
/// # Safety
///
/// `frame` must have so many tags behind it.
unsafe fn find(frame: *const VMResumeFrame, first: u32, count: u32, tag: *const VMTag) -> Option<u32> {
    // SAFETY: the tags start where the frame's fields end, and the caller vouches for their number.
    unsafe {
        let tags = frame.add(1).cast::<*const VMTag>().add(first as usize);
        (0..count).find(|&i| *tags.add(i as usize) == tag)
    }
}
