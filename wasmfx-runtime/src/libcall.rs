//! The portable backend: each switch is a call into this crate, on wasmtime-fiber.
//!
//! A continuation is a fiber. Fibers are asymmetric: a fiber can suspend itself only to the frame of [`resume`] that runs the
//! fiber. So every switch passes through such frames:
//!
//! ```text
//!   stack of f        stack of g          stack of h
//!   | Wasm: f  |      | fiber start |     | fiber start |
//!   | resume g |      | body        |     | body        |
//!   +----------+      | Wasm: g     |     | Wasm: h     |
//!                     | resume h    |     | suspend $t  |
//!                     +-------------+     +-------------+
//! ```
//!
//! * `suspend` looks for its handler along `VMContRef::parent`. Then `suspend` suspends its fiber with a [`Signal`], which names
//!   the outermost stack to capture. If a `resume` receives a signal that names another stack, the `resume` suspends its own
//!   fiber with the same signal. For a `suspend` in h that the `resume` of g in f handles:
//!
//!   ```text
//!     suspend in h          --signal(last = g)-->  resume h in g    h is not g: forward
//!     forward in resume h   --signal(last = g)-->  resume g in f    g is g: take the clause
//!   ```
//!
//! * A `resume` of the captured continuation takes the same way back. It resumes the fiber of g, where `resume h` goes on and
//!   resumes the fiber of h. So the captured stacks come back one by one, from the outermost to the innermost.
//! * `switch` suspends its fiber in the same way, out to the `resume` that is the prompt. That `resume` then runs the target.
//! * A trap or an exception that leaves a continuation unwinds its stack to [`body`], and the fiber finishes. The `resume` that
//!   ran the fiber returns [`UNWIND`], and the engine raises the same trap or exception again on the stack of that `resume`.
//! * To raise an exception in a suspended continuation, [`throw`] marks the continuation. The instruction that suspended it
//!   finds the mark when the continuation is resumed.
//!
//! A trampoline enters each stack. So each stack has its own entry state and stack limit, and each switch swaps both.
//!
//! Host calls leave a continuation's stack: by a call on x86-64 Unix, and elsewhere by a [`Signal::Call`], which the outermost
//! `resume` answers. [`hostcall`](crate::hostcall) describes both.

use crate::abi::{
    Backend, RETURNED, SLOT_SIZE, VMContObj, VMContRef, VMContState, VMEntryState, VMPayloads, VMResumeFrame,
    VMTag,
};
use crate::arch;
use crate::check;
use crate::cont::Continuation;
use crate::error::Error;
use crate::fiber::{Fiber, FiberPart, FiberSuspend, HostCall, Signal};
use crate::host::Host;
use crate::limits::FIBER_FRAMES;
use std::ptr::{self, NonNull};

/// [`resume`] returns this if Wasm is to be unwound further. The reason has been noted. The engine acts on this value, and
/// compiled code does not see it.
pub const UNWIND: u64 = u64::MAX;

/// Resumes `cont`, and returns one of these:
///
/// * [`RETURNED`]: the function of `cont` returned, and its results are at the `values` of `frame`.
/// * [`UNWIND`]: Wasm is to be unwound, for example because the function of `cont` trapped.
/// * The address of the `VMContRef` that was captured: a clause of `frame` was taken.
///
/// # Safety
///
/// Wasm of the host's store makes this call. `cont` belongs to that store. Compiled code has compared the revision of `cont`
/// with the revision in the reference (C1), so that `cont` is fresh or suspended. All arguments of `cont` are bound. `frame` is
/// in the caller's frame, with the tags behind it and room for the results.
pub unsafe fn resume<H: Host>(host: &mut H, cont: NonNull<VMContRef>, frame: NonNull<VMResumeFrame>) -> u64 {
    let parent = host.current();
    // The parent's entry state is kept in its `VMContRef` if the parent is a continuation, and here if it is the initial stack.
    let mut initial = VMEntryState::default();
    // If this stack is the initial one, host code may run on it while `cont` runs. That host code has to begin below this frame
    // and below the frames of wasmtime-fiber (S3).
    let free_below = arch::stack_pointer() - FIBER_FRAMES;
    let parent_limit = host.stack_limit();
    let mut inner = cont.cast::<Continuation>();
    // SAFETY: C2: all continuations here are of this store, and stay in memory. `frame` is in the caller's frame, which is live.
    // L4: this `resume` runs `last`, and so may resume the fiber of `last`. No borrow of a `VMContRef` lasts across a switch.
    unsafe {
        check::active_chain(Backend::Libcall, parent);
        let parent_entry: *mut VMEntryState =
            if VMContRef::is_continuation(parent) { &raw mut (*parent).entry } else { &raw mut initial };
        *parent_entry = host.entry();

        if let Err(error) = make_ready(host, inner) {
            host.note_trap(error);
            return UNWIND;
        }
        loop {
            let last = link(inner, parent, frame, parent_entry);
            (*last.as_ptr()).vm.parent_control.sp = free_below;
            enter(host, inner);
            let signal = loop {
                let fiber = (*Continuation::fiber_of(last.as_ptr())).fiber.as_ref().expect("L2");
                match fiber.resume(last.cast()) {
                    // The signal is for another `resume`, further out. `forward` returns once this stack is resumed.
                    Err(signal) if signal.last() != last.cast() => forward(parent, signal),
                    Err(Signal::Call { call, data, .. }) => call(data),
                    result => break result,
                }
            };
            host.set_current(parent);
            host.set_stack_limit(parent_limit);
            host.set_entry(&*parent_entry);
            check::active_chain(Backend::Libcall, parent);
            match signal {
                Ok(returned) => {
                    if returned {
                        let (results, len) = Continuation::buffer(last.as_ptr());
                        let count = (*frame.as_ptr()).result_count as usize;
                        assert!(count <= len, "C3: a function's results have slots");
                        // If the function has no results, `values` may dangle.
                        if count > 0 {
                            ptr::copy_nonoverlapping(results, (*frame.as_ptr()).values, count);
                        }
                    }
                    host.continuations().release(last);
                    return if returned { RETURNED } else { UNWIND };
                }
                Err(Signal::Suspend { captured, .. }) => return captured.as_ptr().expose_provenance() as u64,
                Err(Signal::Switch { target, .. }) => inner = target.cast(),
                Err(Signal::Call { .. }) => unreachable!("the loop above takes it"),
            }
        }
    }
}

/// Suspends the fiber of `parent`, the current stack, with a signal that came from a stack on top of `parent`.
///
/// # Safety
///
/// `parent` is running. So is the stack that `signal` names, and that stack is an ancestor of `parent` or `parent` itself.
#[inline]
unsafe fn forward(parent: *mut VMContRef, signal: Signal) {
    // SAFETY: L4: the fiber of `parent` is the one that runs, and suspends to the `resume` that runs it. L2: `parent` has a
    // fiber, and `body` has set its `suspend`.
    unsafe {
        debug_assert!(
            VMContRef::is_continuation(parent),
            "a signal's target lies on this side of the host (H2)"
        );
        (*(*Continuation::fiber_of(parent.cast())).suspend).suspend(signal);
    }
}

/// Gives a fresh continuation a stack and a fiber. A suspended one has both already (L2).
///
/// # Errors
///
/// If there is no stack or no memory, or if wasmtime-fiber makes no fiber. Then `cont` stays fresh.
///
/// # Safety
///
/// `cont` is a continuation of the host's store, and fresh or suspended.
unsafe fn make_ready<H: Host>(host: &mut H, cont: NonNull<Continuation>) -> Result<(), Error> {
    // SAFETY: C2, L1: `cont` points to a `Continuation` of the host's store. It does not run, so that nothing else borrows it.
    let this = unsafe { &mut *cont.as_ptr() };
    if this.vm.state() == VMContState::Suspended {
        // SAFETY: `cont` is a continuation of a live store, and suspended.
        unsafe { check::captured_chain(cont.as_ptr().cast()) };
        return Ok(());
    }
    assert_eq!(this.vm.state(), VMContState::Fresh, "C1: only these have usable references");
    this.fiber_part()?;
    let mut stack = host.continuations().take_stack()?;
    let fiber = stack.fiber_stack().and_then(|fiber_stack| {
        Fiber::new(fiber_stack, body::<H>).map_err(|(error, fiber_stack)| {
            stack.restore(fiber_stack);
            error.to_string().into()
        })
    });
    let fiber = match fiber {
        Ok(fiber) => fiber,
        Err(cause) => {
            host.continuations().put_stack(stack);
            return Err(Error::Unsupported(cause));
        }
    };
    let wasm_stack = host.continuations().pool().wasm_stack();
    let part = this.fiber_part()?;
    (part.stack, part.fiber, part.wasm_stack) = (Some(stack), Some(fiber), wasm_stack);
    Ok(())
}

/// A fiber runs this, and this runs the continuation's function. Returns whether the function returned: `false` if it was
/// unwound.
fn body<H: Host>(cont: NonNull<VMContRef>, suspend: &mut FiberSuspend) -> bool {
    let here = ptr::from_ref(&suspend).addr();
    let this = cont.cast::<Continuation>().as_ptr();
    // SAFETY: L2: `resume` passes the continuation that this fiber belongs to, and `make_ready` gave it the fiber part. The
    // contract of `H::call`: function and context are those that the store's `allocate` was given, and all arguments are bound
    // in `buffer`, which has room for the results (C3). H4: no panic leaves `H::call`. The fields are reached one by one,
    // because the `resume` below this frame borrows the fiber.
    unsafe {
        let part: *mut FiberPart = Continuation::fiber_of(this);
        (*part).suspend = suspend;
        (*part).start = here;
        (*this).vm.stack_limit = here.saturating_sub((*part).wasm_stack);
        let (args, len) = Continuation::buffer(this);
        let func = std::mem::replace(&mut (*this).vm.func, ptr::null_mut());
        H::call(func, (*this).vm.caller_or_child, args, len, (*this).vm.stack_limit)
    }
}

/// Consumes the reference to `inner` (C1), and puts the chain of stacks that begins with `inner` on top of `parent`. Returns the
/// outermost stack of that chain.
///
/// ```text
///   before   inner --> ... --> last                 parent --> ...
///   after    inner --> ... --> last ------------->  parent --> ...
///                                    parent, resume = frame
/// ```
///
/// # Safety
///
/// [`make_ready`] has accepted `inner`, which does not run. `parent` is the current stack. `frame` is in a frame of `parent`, and
/// `parent_entry` is where the entry state of `parent` is kept.
#[inline]
unsafe fn link(
    inner: NonNull<Continuation>,
    parent: *mut VMContRef,
    frame: NonNull<VMResumeFrame>,
    parent_entry: *mut VMEntryState,
) -> NonNull<Continuation> {
    // SAFETY: C2: `inner`, `last` and `parent` stay in memory. The stacks that were captured with `inner` do not run either, so
    // that nothing borrows them.
    unsafe {
        let inner = &mut (*inner.as_ptr()).vm;
        inner.revision += 1;
        let last = std::mem::replace(&mut inner.last_ancestor, ptr::null_mut());
        let last = NonNull::new(last).expect("a continuation to resume has an ancestor");
        (*last.as_ptr()).parent = parent;
        (*last.as_ptr()).resume = frame.as_ptr();
        (*last.as_ptr()).parent_entry = parent_entry;
        (*parent).caller_or_child = last.as_ptr().cast();
        last.cast()
    }
}

/// Calls `call(data)` on the initial stack. Each `resume` from the one that runs `current` to the outermost one passes a
/// [`Signal::Call`] on.
///
/// # Safety
///
/// `current` is the continuation that runs, and this call is made on its stack. `outermost` is the outermost stack of the chain
/// from `current`. `call` may be called with `data`, and returns.
pub(crate) unsafe fn call_below(
    current: NonNull<VMContRef>,
    outermost: *mut VMContRef,
    call: HostCall,
    data: *mut (),
) {
    let last =
        NonNull::new(outermost.cast()).expect("the initial stack has a child while a continuation runs");
    // SAFETY: L4: the fiber of `current` is the one that runs. L2: `current` has a fiber, and `body` has set its `suspend`.
    unsafe {
        let part = Continuation::fiber_of(current.as_ptr().cast());
        (*(*part).suspend).suspend(Signal::Call { last, call, data });
    }
}

/// Makes `inner` the current continuation of the store, with its stack limit and entry state. The stack is not switched yet.
///
/// # Safety
///
/// `inner` is the argument of the [`link`] that came just before.
unsafe fn enter<H: Host>(host: &mut H, inner: NonNull<Continuation>) {
    // SAFETY: C2: `inner` is a continuation of the host's store. It does not run yet, so that nothing borrows it.
    unsafe {
        host.set_current(inner.as_ptr().cast());
        host.set_stack_limit((*inner.as_ptr()).vm.stack_limit);
        host.set_entry(&(*inner.as_ptr()).vm.entry);
        check::active_chain(Backend::Libcall, inner.as_ptr().cast());
    }
}

/// Returns the outermost stack that a `suspend` or `switch` captures, and what `handles` found there.
///
/// The search asks `handles` about the frame of each `resume`, from the innermost outwards. The first frame for which `handles`
/// returns `Some` ends the search: the stack that this `resume` runs is the outermost one to capture.
///
/// # Errors
///
/// [`Error::UnhandledTag`] if the search comes to a barrier or to the initial stack.
fn search<H: Host, T>(
    host: &H,
    handles: impl Fn(*const VMResumeFrame) -> Option<T>,
) -> Result<(NonNull<Continuation>, T), Error> {
    let mut cont = host.current();
    // SAFETY: H2: the search begins at the current stack of the store. C2: each parent of a running continuation is in memory.
    // `resume` of a running one is the live frame of its `resume`, or the store's barrier (C5).
    unsafe {
        while VMContRef::is_continuation(cont) && !VMResumeFrame::is_barrier((*cont).resume) {
            if let Some(found) = handles((*cont).resume) {
                return Ok((NonNull::new_unchecked(cont.cast()), found));
            }
            cont = (*cont).parent;
        }
    }
    Err(Error::UnhandledTag)
}

/// Makes the stacks from the current one to `last` a suspended continuation, which waits for `capacity` values at `payload`.
/// Returns a reference to that continuation.
///
/// # Safety
///
/// `last` is the current stack or one of its ancestors. `payload` is in the frame of the Wasm function that runs, and has room
/// for `capacity` slots.
unsafe fn capture<H: Host>(
    host: &mut H,
    last: NonNull<Continuation>,
    payload: *mut u128,
    capacity: u32,
) -> VMContObj {
    let inner = NonNull::new(host.current()).expect("a search from the host's own stack finds nothing");
    // SAFETY: C2, H2: both are running continuations of this store. No other borrow of `inner` is alive here.
    unsafe {
        let this = &mut *inner.as_ptr();
        this.entry = host.entry();
        this.last_ancestor = last.as_ptr().cast();
        this.values = VMPayloads { data: payload, length: 0, capacity };
        let obj = VMContObj { contref: inner, revision: this.revision };
        check::captured_chain(inner.as_ptr());
        obj
    }
}

/// Prepares `cont` for a resumption that raises the store's pending exception.
///
/// Returns `true` if `cont` is suspended: the caller resumes `cont`, and the instruction that suspended it raises the exception.
/// Returns `false` if `cont` was fresh: it has no such instruction. Then `cont` has been consumed, and the caller raises the
/// exception.
///
/// # Safety
///
/// Wasm of the host's store makes this call. `cont` belongs to that store, and compiled code has compared its revision with the
/// revision in the reference (C1).
pub unsafe fn throw<H: Host>(host: &mut H, cont: NonNull<VMContRef>) -> bool {
    // SAFETY: C1, C2: `cont` is a fresh or suspended continuation of this store. `discard` requires a fresh one.
    unsafe {
        if (*cont.as_ptr()).state() == VMContState::Fresh {
            host.continuations().discard(cont);
            host.note_pending_exception();
            return false;
        }
        assert_eq!((*cont.as_ptr()).state(), VMContState::Suspended, "C1: only these have usable references");
        // Only the libcall backend needs the mark. Compiled code of the native backend passes `RAISE` with its `stack_switch`.
        (*cont.as_ptr()).throws = (host.continuations().backend() == Backend::Libcall).into();
    }
    true
}

/// Returns the result of an instruction that suspended its stack and has been resumed: `false` if the instruction raises the
/// store's pending exception.
///
/// # Safety
///
/// `cont` is the continuation that runs.
unsafe fn resumed<H: Host>(host: &mut H, cont: NonNull<VMContRef>) -> bool {
    // SAFETY: C2: `cont` is in memory. No other borrow of it is alive here.
    if unsafe { std::mem::take(&mut (*cont.as_ptr()).throws) } == 0 {
        return true;
    }
    host.note_pending_exception();
    false
}

/// Suspends the stacks from the current one to the one below which `tag` is handled.
///
/// Returns `true` once the current stack is resumed: then the received values are at `payload`. Returns `false` if Wasm is to be
/// unwound: nothing handles `tag`, or the instruction raises the store's pending exception. The reason has been noted.
///
/// # Safety
///
/// Wasm of the host's store makes this call. `payload` is in the caller's frame. The tag's parameters are there, and there is
/// room for `results` values.
pub unsafe fn suspend<H: Host>(host: &mut H, tag: *const VMTag, payload: *mut u128, results: u32) -> bool {
    // SAFETY: the frame of a `resume` that runs a stack is live, with its tags behind it.
    let found = search(host, |frame| unsafe { VMResumeFrame::find_suspend(frame, tag) });
    let (last, clause) = match found {
        Ok(found) => found,
        Err(error) => {
            host.note_trap(error);
            return false;
        }
    };
    // SAFETY: `search` found `last` on the chain of running stacks, and its frame is live. C3: `payload` has room for `results`
    // values. L4: the fiber of `inner` is the one that runs.
    unsafe {
        let frame = (*last.as_ptr()).vm.resume;
        (*frame).clause = clause;
        let obj = capture(host, last, payload, results);
        let inner = Continuation::fiber_of(obj.contref.as_ptr().cast());
        (*(*inner).suspend).suspend(Signal::Suspend { last: last.cast(), captured: obj.contref });
        resumed(host, obj.contref)
    }
}

/// Suspends the stacks from the current one to the one below which `(on $tag switch)` stands, and runs `target` in their place.
/// The captured continuation is the last argument of `target`. Returns as [`suspend`] does.
///
/// ```text
///   values of target   | bound | bound | stored | stored | last |      values.length = 2, args = 2
/// ```
///
/// `args` is the number of arguments that are stored behind the bound ones. The last argument follows those.
///
/// # Safety
///
/// `payload` is as for [`suspend`], and has room for `params` values. `target` is as for [`resume`], except that its last
/// argument is missing.
pub unsafe fn switch<H: Host>(
    host: &mut H,
    target: NonNull<VMContRef>,
    tag: *const VMTag,
    payload: *mut u128,
    params: u32,
    args: u32,
) -> bool {
    let target = target.cast::<Continuation>();
    // SAFETY: the frame of a `resume` that runs a stack is live, with its tags behind it.
    let found = search(host, |frame| unsafe { VMResumeFrame::has_switch(frame, tag) }.then_some(()));
    // SAFETY: C1, C2: `target` is a fresh or suspended continuation of this store. `search` found `last` on the chain of running
    // stacks. C3: `payload` has room for `params` values, and the assertion finds the slot of the last argument. L4: the fiber
    // of `inner` is the one that runs.
    unsafe {
        // The prompt's `resume` consumes the target, so that the target stays usable if one of these checks fails.
        let last = match found.and_then(|(last, ())| make_ready(host, target).map(|()| last)) {
            Ok(last) => last,
            Err(error) => {
                host.note_trap(error);
                return false;
            }
        };
        let obj = capture(host, last, payload, params);
        let values = &mut (*target.as_ptr()).vm.values;
        let place = values.length + args;
        assert!(place < values.capacity, "C3: the target's last argument has a slot");
        *values.data.add(place as usize) = VMContObj::to_slot(Some(obj));
        let inner = Continuation::fiber_of(obj.contref.as_ptr().cast());
        (*(*inner).suspend).suspend(Signal::Switch { last: last.cast(), target: target.cast() });
        resumed(host, obj.contref)
    }
}

const _: () = assert!(size_of::<u128>() == SLOT_SIZE);
