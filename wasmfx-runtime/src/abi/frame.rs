//! The record that a `resume` leaves in its own frame, in which a search for a handler looks.

use core::ptr;

/// The definition of a tag. The address of the definition identifies the tag: an imported tag has the address of its exporter's
/// definition.
#[derive(Debug)]
pub enum VMTag {}

/// An address that is neither a tag's nor null.
pub const NO_TAG: *const VMTag = ptr::without_provenance(1);

/// The handler clauses of a `resume`, and the clause that was taken, in the frame of the function that resumes.
///
/// An activation of the function stores the same values each time that it comes to the `resume`. Only `clause` varies.
///
/// The tags of the handler clauses follow the fields, a `*const VMTag` each:
///
/// ```text
/// | suspend_count ... first_switch | (on $tag $label), in order | (on $tag switch), in order |
/// ^ VMResumeFrame                  ^ suspend_count tags         ^ switch_count tags
/// ```
#[repr(C)]
#[derive(Debug)]
pub struct VMResumeFrame {
    /// The number of `(on $tag $label)` clauses.
    pub suspend_count: u32,
    /// The number of `(on $tag switch)` clauses.
    pub switch_count: u32,
    /// Where the results of the continuation go. May dangle if there are none.
    pub values: *mut u128,
    /// The number of results that the continuation's type lists. Libcall backend.
    pub result_count: u32,
    /// Output: the number of the clause that was taken, among the `(on $tag $label)` clauses.
    pub clause: u32,
    /// A copy of the tag of the first `(on $tag $label)` clause. Null if there is none, [`NO_TAG`] in a barrier.
    pub first: *const VMTag,
    /// A copy of the tag of the first `(on $tag switch)` clause. Null if there is none, [`NO_TAG`] in a barrier.
    pub first_switch: *const VMTag,
}

impl VMResumeFrame {
    /// The frame of no `resume`. A search for a handler that reaches it ends in vain (C5).
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
    /// `frame` points to a live frame.
    #[inline]
    pub unsafe fn is_barrier(frame: *const Self) -> bool {
        // SAFETY: the read: `frame` is live, as this function requires: valid, aligned and initialised.
        unsafe { (*frame).first == NO_TAG }
    }

    /// The number of the clause that takes a `suspend` to `tag`, if this frame has one.
    ///
    /// # Safety
    ///
    /// 1. `frame` points to a live frame.
    /// 2. Its tags are behind it, `suspend_count + switch_count` of them.
    #[inline]
    pub unsafe fn find_suspend(frame: *const Self, tag: *const VMTag) -> Option<u32> {
        // SAFETY: the read of the count: 1. Of `find`: 1: this function's 1; 2: this function's 2, from tag 0 on.
        unsafe { find(frame, 0, (*frame).suspend_count, tag) }
    }

    /// Whether a `switch` to `tag` ends its search here.
    ///
    /// # Safety
    ///
    /// 1 and 2 of [`VMResumeFrame::find_suspend`].
    #[inline]
    pub unsafe fn has_switch(frame: *const Self, tag: *const VMTag) -> bool {
        // SAFETY: the reads of the counts: 1. Of `find`: 1: this function's 1; 2: this function's 2, both counts in
        // all.
        unsafe { find(frame, (*frame).suspend_count, (*frame).switch_count, tag).is_some() }
    }
}

/// Looks for `tag` among the `count` tags that begin at number `first`. Returns the place of the first match, counted from
/// `first`.
///
/// # Safety
///
/// 1. `frame` points to a live frame.
/// 2. Behind it are at least `first + count` tags.
unsafe fn find(frame: *const VMResumeFrame, first: u32, count: u32, tag: *const VMTag) -> Option<u32> {
    // SAFETY: `add`: 1, 2: the tags begin where the frame's fields end, in the same stack slot, and none behind the
    // last is asked for. The reads: 2: the tags are initialised. They are aligned, as the size of a frame is a multiple
    // of 8.
    unsafe {
        let tags = frame.add(1).cast::<*const VMTag>().add(first as usize);
        (0..count).find(|&i| *tags.add(i as usize) == tag)
    }
}
