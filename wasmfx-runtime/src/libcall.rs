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
//! Host calls leave a continuation's stack: by a call on x86-64 and aarch64 with Unix, and elsewhere by a [`Signal::Call`], which the outermost
//! `resume` answers. [`hostcall`](crate::hostcall) describes both.

use crate::abi::{
    Backend, RETURNED, SLOT_SIZE, VMContObj, VMContRef, VMContState, VMControlContext, VMEntryState,
    VMPayloads, VMResumeFrame, VMTag,
};
use crate::arch::{self, SavedRegisters};
use crate::check;
use crate::cont::Continuation;
use crate::error::Error;
use crate::fiber::{Fiber, FiberPart, FiberSuspend, HostCall, Signal};
use crate::host::{self, Host};
use crate::limits::FIBER_FRAMES;
use crate::roots::write_back;
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
/// 1. Wasm of the host's store makes this call. The store's backend is libcall.
/// 2. `cont` belongs to that store. Compiled code has compared the revision of `cont` with the revision in the
///    reference (C1), so that `cont` is fresh or suspended.
/// 3. All arguments of `cont` are bound.
/// 4. `frame` is in the caller's frame, with the tags behind it.
/// 5. `values` of `frame` has room for the results, in the caller's frame too.
pub unsafe fn resume<H: Host>(host: &mut H, cont: NonNull<VMContRef>, frame: NonNull<VMResumeFrame>) -> u64 {
    // For S5.
    let mut registers = SavedRegisters::EMPTY;
    registers.save();
    // SAFETY: of `active_chain`: 1: H2 and this function's 1; 2: no continuation is borrowed. Of `make_ready`: 1 and 2: this function's 2;
    // 3: this function's 3. Of `resume_ready`: 1 to 5: this function's; 6: `make_ready`; 7: above.
    unsafe {
        check::active_chain(Backend::Libcall, host.current());
        match make_ready(host, cont.cast()) {
            Ok(()) => resume_ready(host, cont, frame, &registers),
            Err(error) => {
                host.note_trap(error);
                UNWIND
            }
        }
    }
}

/// As [`resume`], of a continuation that has a stack and a fiber.
///
/// # Safety
///
/// 1 to 5 of [`resume`], and
///
/// 6. [`make_ready`] has accepted `cont`.
/// 7. `registers` were saved as S5 needs it: in the frame of the builtin, if Wasm has called one.
#[inline(always)]
pub(crate) unsafe fn resume_ready<H: Host>(
    host: &mut H,
    cont: NonNull<VMContRef>,
    frame: NonNull<VMResumeFrame>,
    registers: &SavedRegisters,
) -> u64 {
    let parent = host.current();
    // The parent's entry state is kept in its `VMContRef` if the parent is a continuation, and here if it is the initial stack.
    let mut initial = VMEntryState::default();
    // If this stack is the initial one, host code may run on it while `cont` runs. That host code has to begin below this frame
    // and below the frames of wasmtime-fiber (S3).
    let free_below = arch::stack_pointer() - FIBER_FRAMES;
    let parent_limit = host.stack_limit();
    let mut inner = cont.cast::<Continuation>();
    // SAFETY: the accesses: C2, H2: `parent` and `last` are a stack and a continuation of this store: valid, aligned
    // and initialised. `parent_entry` is in `parent`, or is `initial`. No borrow of a `VMContRef` lasts across a
    // switch, and that of the fiber is shared.
    // * Of `active_chain`: 1: H2 and this function's 1; 2: no continuation is borrowed.
    // * Of `is_continuation`: H2: `parent` is the current stack.
    // * Of `link`: 1: 6, or `make_ready` has accepted `inner` in `switch`; 2: H2; 3: this function's 4;
    //   4: `parent_entry` points to that place.
    // * Of `enter`: `inner` is the argument of `link`.
    // * Of `fiber_of`: 1: this function's 1; 2: L2: `last` runs; 3: no borrow of the field lasts. L4: this `resume`
    //   runs `last`, and so may resume its fiber.
    // * Of `send`: 1: this is the stack of `parent`; 2: the signal names a running stack below that of `last`, on
    //   this side of the host's entry (H2). `call`: 3 of `call_below`.
    // * Of `finish`: 1: `link` made `last` a running continuation; 2: `resume` of the fiber has returned `Ok`; 3: this
    //   function's 4; 4: this function's 5.
    unsafe {
        let parent_entry: *mut VMEntryState = if VMContRef::is_continuation(parent) {
            &raw mut (*parent).backend_state.entry
        } else {
            &raw mut initial
        };
        *parent_entry = host.entry();

        loop {
            let last = link(inner, parent, frame, parent_entry);
            (*last.as_ptr()).vm.parent_control.sp = free_below;
            (*last.as_ptr()).vm.parent_control.fp = ptr::from_ref(registers).expose_provenance();
            enter(host, inner);
            let signal = loop {
                let fiber = (*Continuation::fiber_of(last.as_ptr())).fiber.as_ref().expect("L2");
                match fiber.resume(last.cast()) {
                    // The signal is for another `resume`, further out. `forward` returns once this stack is resumed.
                    Err(signal) if signal.last() != last.cast() => send(parent, signal),
                    Err(Signal::Call { call, data, .. }) => call(data),
                    result => break result,
                }
            };
            host.set_current(parent);
            host.set_stack_limit(parent_limit);
            host.set_entry(&*parent_entry);
            check::active_chain(Backend::Libcall, parent);
            match signal {
                Ok(returned) => return finish(host, last, frame, returned),
                Err(Signal::Suspend { captured, .. }) => return captured.as_ptr().expose_provenance() as u64,
                Err(Signal::Switch { target, .. }) => inner = target.cast(),
                Err(Signal::Call { .. }) => unreachable!("the loop above takes it"),
            }
        }
    }
}

/// Ends the continuation `last`, whose fiber has finished. If its function `returned`, copies the results to the `values` of
/// `frame`. Returns [`RETURNED`] or [`UNWIND`].
///
/// # Safety
///
/// 1. `last` is a running continuation of the host's store.
/// 2. Its fiber has finished with `returned`.
/// 3. `frame` is the live frame of the `resume` that ran the fiber.
/// 4. `values` of `frame` has room for the results, in the frame of the function that resumed.
#[inline]
unsafe fn finish<H: Host>(
    host: &mut H,
    last: NonNull<Continuation>,
    frame: NonNull<VMResumeFrame>,
    returned: bool,
) -> u64 {
    // SAFETY: the reads of `frame`: 3: valid, aligned and initialised.
    // * Of `buffer`: 1: this function's 1; 2: nothing runs on the stack of `last` or borrows it any more: 2.
    // * `copy_nonoverlapping`: the assertion: `results` has `count` slots; 4: so has `values`, in another place. Both
    //   are aligned, since slots of values are.
    // * Of `release`: 1: this function's 1; 2: this function's 2.
    unsafe {
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
    }
    if returned { RETURNED } else { UNWIND }
}

/// Suspends the fiber of `current`, the stack that this is called on, with a signal for it or for a stack further out. Returns once the
/// fiber is resumed.
///
/// # Safety
///
/// 1. `current` is a stack of a live store of the libcall backend, which runs or was captured just now. This call is made on it.
/// 2. The stack that `signal` names is a continuation: `current` itself or one of its ancestors. It expects the signal.
#[inline]
pub(crate) unsafe fn send(current: *mut VMContRef, signal: Signal) {
    // SAFETY: of `is_continuation`: this function's 1. Of `fiber_of`: 1: this function's 1 and 2, as the initial stack
    // is no continuation and has no ancestor; 2: L2: it runs, or did until now; 3: no borrow of the field lasts. `&mut` for
    // `suspend`: `body` has set the pointer, to an object in a live frame of this fiber. L4: this fiber is the one that
    // runs, so that nothing else uses the object.
    unsafe {
        debug_assert!(
            VMContRef::is_continuation(current),
            "a signal's target lies on this side of the host (H2)"
        );
        (*(*Continuation::fiber_of(current.cast())).suspend).suspend(signal);
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
/// 1. `cont` is a continuation of the host's store.
/// 2. It is fresh or suspended.
/// 3. If it is fresh, requirement 2 of [`Host::reclaim`] holds.
pub(crate) unsafe fn make_ready<H: Host>(host: &mut H, cont: NonNull<Continuation>) -> Result<(), Error> {
    // SAFETY: `&mut`: 1 (C2, L1): `cont` points to a `Continuation`: valid, aligned and initialised; 2: it does not
    // run, so that nothing else borrows it.
    let this = unsafe { &mut *cont.as_ptr() };
    if this.vm.state() == VMContState::Suspended {
        // SAFETY: of `captured_chain`: 1: this function's 1, and the state; 2: nothing borrows it, and the stacks that
        // were captured with it do not run either.
        unsafe { check::captured_chain(cont.as_ptr().cast()) };
        return Ok(());
    }
    assert_eq!(this.vm.state(), VMContState::Fresh, "C1: only these have usable references");
    this.fiber_part()?;
    // SAFETY: of `take_stack`: 1: this function's 1, and the assertion; 2: this function's 3.
    let mut stack = unsafe { host::take_stack(host, cont.cast()) }?;
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
    // SAFETY: `&mut`: as above: the search, if there was one, has ended other continuations and not this one.
    let part = unsafe { &mut *cont.as_ptr() }.fiber_part()?;
    (part.stack, part.fiber, part.wasm_stack) = (Some(stack), Some(fiber), wasm_stack);
    Ok(())
}

/// A fiber runs this, and this runs the continuation's function. Returns whether the function returned: `false` if it was
/// unwound.
fn body<H: Host>(cont: NonNull<VMContRef>, suspend: &mut FiberSuspend) -> bool {
    let here = ptr::from_ref(&suspend).addr();
    let this = cont.cast::<Continuation>().as_ptr();
    // SAFETY: the accesses: C2, L1: `resume` passes the continuation that this fiber belongs to: valid, aligned and
    // initialised. The fields are reached one by one, because the `resume` below this frame borrows the fiber.
    // * Of `fiber_of`: 1: so says `resume`'s 1; 2: L2: `make_ready` gave it the fiber; 3: no borrow of the field lasts.
    // * Of `buffer`: 1: it runs; 2: nothing borrows the values of what runs.
    // * Of `H::call`: 1: so says `Continuations::allocate`; 2: C3: `buffer` has room for parameters and results, and belongs to
    //   this continuation alone; 3: `resume`'s 3; 4: below this frame, `wasm_stack` bytes are Wasm's part of the stack. H4: no
    //   panic leaves the call.
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
/// 1. [`make_ready`] has accepted `inner`, which does not run.
/// 2. `parent` is the current stack of the same store.
/// 3. `frame` is in a frame of `parent`.
/// 4. `parent_entry` is where the entry state of `parent` is kept.
#[inline]
unsafe fn link(
    inner: NonNull<Continuation>,
    parent: *mut VMContRef,
    frame: NonNull<VMResumeFrame>,
    parent_entry: *mut VMEntryState,
) -> NonNull<Continuation> {
    // SAFETY: `&mut` and the writes: 1, 2 (C2): `inner`, `last` and `parent` are valid, aligned and initialised.
    // `inner` and the stacks that were captured with it do not run, so that nothing else borrows them. The borrow
    // of `inner`, which may be `last`, is not used after the first write to `last`. Of `write_back`: 1: it is fresh or suspended.
    unsafe {
        write_back(inner.cast());
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
/// 1. `current` is the continuation that runs, of a store of the libcall backend. This call is made on its stack.
/// 2. `outermost` is the outermost stack of the chain from `current`.
/// 3. `call` may be called with `data`, once, and returns.
pub(crate) unsafe fn call_below(
    current: NonNull<VMContRef>,
    outermost: *mut VMContRef,
    call: HostCall,
    data: *mut (),
) {
    let last =
        NonNull::new(outermost.cast()).expect("the initial stack has a child while a continuation runs");
    // SAFETY: of `send`: 1: this function's 1; 2: this function's 2 and 3: the outermost `resume` makes the call.
    unsafe { send(current.as_ptr(), Signal::Call { last, call, data }) };
}

/// Makes `inner` the current continuation of the store, with its stack limit and entry state. The stack is not switched yet.
///
/// # Safety
///
/// `inner` is the argument of the [`link`] that came just before.
unsafe fn enter<H: Host>(host: &mut H, inner: NonNull<Continuation>) {
    // SAFETY: the reads, and `&` for the entry state: C2, L1: `link` got `inner`, a continuation of the host's store:
    // valid, aligned and initialised. It does not run yet, so that nothing borrows it. Of `active_chain`: 1: H2:
    // `set_current` has just set it, and `link` has put it on the chain; 2: no borrow lasts.
    unsafe {
        host.set_current(inner.as_ptr().cast());
        host.set_stack_limit((*inner.as_ptr()).vm.stack_limit);
        host.set_entry(&(*inner.as_ptr()).vm.backend_state.entry);
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
pub(crate) fn search<H: Host, T>(
    host: &H,
    handles: impl Fn(*const VMResumeFrame) -> Option<T>,
) -> Result<(NonNull<Continuation>, T), Error> {
    let mut cont = host.current();
    // SAFETY: of `is_continuation`: H2: the first is the current stack. Each parent of a running continuation is a
    // running continuation or the initial stack, of the same store. The reads: C2: valid, aligned and initialised.
    // Of `is_barrier`: `resume` of a running continuation is the live frame of its `resume`, or the store's barrier
    // (C5). `new_unchecked`: a continuation is not null.
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
/// 1. `last` is the current stack or one of its ancestors, and a continuation.
/// 2. `payload` is in the frame of the Wasm function that runs, and has room for `capacity` slots.
/// 3. `registers` is as S5 needs it: in the frame of the builtin, which lives until the continuation is resumed.
pub(crate) unsafe fn capture<H: Host>(
    host: &mut H,
    last: NonNull<Continuation>,
    payload: *mut u128,
    capacity: u32,
    registers: *const SavedRegisters,
) -> VMContObj {
    let inner = NonNull::new(host.current()).expect("a search from the host's own stack finds nothing");
    // SAFETY: `&mut`: 1 (C2, H2): `inner` is a running continuation of this store: valid, aligned and initialised. No
    // other borrow of it is alive here. Of `captured_chain`: 1: `last_ancestor` has made it suspended; 2: `this` is not
    // used afterwards.
    unsafe {
        let this = &mut *inner.as_ptr();
        this.control = VMControlContext { sp: registers.expose_provenance(), fp: 0, pc: 0 };
        this.backend_state.entry = host.entry();
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
/// 1. Wasm of the host's store makes this call.
/// 2. `cont` belongs to that store. Compiled code has compared the revision of `cont` with the revision in the
///    reference (C1), so that `cont` is fresh or suspended.
pub unsafe fn throw<H: Host>(host: &mut H, cont: NonNull<VMContRef>) -> bool {
    // SAFETY: the accesses: 2 (C2): `cont` is valid, aligned and initialised. What is fresh or suspended does not run,
    // so that nothing borrows it. Of `discard`: this function's 2, and the state: `cont` is fresh and of this store.
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
    // SAFETY: `&mut`: C2: `cont` is the continuation that runs, as this function requires: valid, aligned and
    // initialised. No other borrow of it is alive here.
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
/// 1. Wasm of the host's store makes this call. The store's backend is libcall.
/// 2. `payload` is in the caller's frame. The tag's parameters are there, and there is room for `results` values.
pub unsafe fn suspend<H: Host>(host: &mut H, tag: *const VMTag, payload: *mut u128, results: u32) -> bool {
    // For S5.
    let mut registers = SavedRegisters::EMPTY;
    registers.save();
    // SAFETY: of `find_suspend`: 1 and 2: `search` passes the frame of a `resume` that runs a stack: it is live, with
    // its tags behind it.
    let found = search(host, |frame| unsafe { VMResumeFrame::find_suspend(frame, tag) });
    let (last, clause) = match found {
        Ok(found) => found,
        Err(error) => {
            host.note_trap(error);
            return false;
        }
    };
    // SAFETY: the read and the write: C2: `search` found `last`, a running continuation: valid, aligned and
    // initialised, as is the live frame of its `resume`.
    // * Of `capture`: 1: `search` went from the current stack outwards; 2: this function's 2; 3: `registers`, noted first.
    // * Of `send`: 1: this function's 1, and `capture`; 2: `search` has found that stack.
    // * Of `resumed`: `send` returns when the continuation runs again.
    unsafe {
        let frame = (*last.as_ptr()).vm.resume;
        (*frame).clause = clause;
        let obj = capture(host, last, payload, results, &raw const registers);
        send(obj.contref.as_ptr(), Signal::Suspend { last: last.cast(), captured: obj.contref });
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
/// 1. Wasm of the host's store makes this call. The store's backend is libcall.
/// 2. `payload` is in the caller's frame, and has room for `params` values.
/// 3. Requirements 2 and 3 of [`resume`] hold for `target`, except that its last argument is missing and that `args`
///    arguments are stored, but not bound.
pub unsafe fn switch<H: Host>(
    host: &mut H,
    target: NonNull<VMContRef>,
    tag: *const VMTag,
    payload: *mut u128,
    params: u32,
    args: u32,
) -> bool {
    // For S5.
    let mut registers = SavedRegisters::EMPTY;
    registers.save();
    let target = target.cast::<Continuation>();
    // SAFETY: of `has_switch`: 1 and 2: `search` passes the frame of a `resume` that runs a stack: it is live, with its
    // tags behind it.
    let found = search(host, |frame| unsafe { VMResumeFrame::has_switch(frame, tag) }.then_some(()));
    // SAFETY: `&mut` for `values`: 3 (C2): `target` is valid, aligned and initialised. It does not run, so that nothing
    // else borrows it. `add` and the write: C3: the assertion: `data` has an aligned slot at `place`.
    // * Of `make_ready`: 1 to 3: this function's 3.
    // * Of `capture`: 1: `search` went from the current stack outwards; 2: this function's 2; 3: `registers`, noted first.
    // * Of `send`: 1: this function's 1, and `capture`; 2: `search` has found that stack.
    // * Of `resumed`: `send` returns when the continuation runs again.
    unsafe {
        // The prompt's `resume` consumes the target, so that the target stays usable if one of these checks fails.
        let last = match found.and_then(|(last, ())| make_ready(host, target).map(|()| last)) {
            Ok(last) => last,
            Err(error) => {
                host.note_trap(error);
                return false;
            }
        };
        let obj = capture(host, last, payload, params, &raw const registers);
        let values = &mut (*target.as_ptr()).vm.values;
        let place = values.length + args;
        assert!(place < values.capacity, "C3: the target's last argument has a slot");
        *values.data.add(place as usize) = VMContObj::to_slot(Some(obj));
        send(obj.contref.as_ptr(), Signal::Switch { last: last.cast(), target: target.cast() });
        resumed(host, obj.contref)
    }
}

const _: () = assert!(size_of::<u128>() == SLOT_SIZE);
