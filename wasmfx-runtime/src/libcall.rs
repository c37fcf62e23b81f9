//! The portable backend: each switch is a call into this crate, on wasmtime-fiber.
//!
//! A continuation is a fiber. Fibers are asymmetric, so that control always goes through the frame of
//! [`resume`] that runs a fiber:
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
//! * `suspend` looks for its handler along `VMContRef::parent`, then suspends its fiber with a [`Signal`]
//!   that names the outermost stack to capture. A `resume` on the way that runs another one suspends its
//!   own fiber with the same signal; being resumed, it resumes the fiber that it runs, and so the captured
//!   stacks are spliced back one by one, down to the innermost.
//! * `switch` goes to the `resume` with the prompt in the same way, which then runs the target.
//! * A trap or an exception that leaves a continuation unwinds its stack to [`body`], whose fiber finishes;
//!   the `resume` that ran it reports [`UNWIND`], and the engine raises it again on that stack.
//! * To raise an exception in a suspended continuation, [`throw`] marks it; the instruction that suspended
//!   it, being resumed, finds the mark.
//!
//! Entry state and stack limit belong to a stack here and are swapped at each switch, because each stack
//! is entered by a trampoline of its own.
//!
//! Host calls leave a continuation's stack as [`hostcall`](crate::hostcall) says: by a call on x86-64 Unix, and elsewhere by a
//! [`Signal::Call`], which the outermost `resume` answers.

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

/// What [`resume`] returns if Wasm is to be unwound further; the reason has been noted. The engine's own mark: compiled
/// code does not see it.
pub const UNWIND: u64 = u64::MAX;

/// Resumes `cont` and returns when its function returned ([`RETURNED`]), when Wasm is to be unwound ([`UNWIND`]), or
/// when a clause of `frame` was taken: then what was captured.
///
/// # Safety
///
/// Called from Wasm. `cont` is of the host's store, and its revision has been compared with that of the
/// reference (C1), so that it is fresh or suspended and all its arguments are bound. `frame` is in the
/// caller's frame, with its tags behind it and room for its results.
pub unsafe fn resume<H: Host>(host: &mut H, cont: NonNull<VMContRef>, frame: NonNull<VMResumeFrame>) -> u64 {
    let parent = host.current();
    // The parent's entry state: in its continuation, or here for the initial stack.
    let mut initial = VMEntryState::default();
    // What is called meanwhile on this stack, if it is the initial one, begins below this frame and wasmtime-fiber's.
    let free_below = arch::stack_pointer() - FIBER_FRAMES;
    let parent_limit = host.stack_limit();
    let mut inner = cont.cast::<Continuation>();
    // SAFETY: all pointers are to continuations of this store (C2) or to the caller's frame. What is
    // dereferenced on the way is not borrowed across a switch.
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
                    // Another handler's: suspend with it, and go on here once this stack is resumed.
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
                        // If there are none, `values` may dangle.
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

/// Suspends the fiber of `parent`, the stack that runs, with another's signal.
///
/// # Safety
///
/// `parent` is running, as is the stack that `signal` names, further out.
#[inline]
unsafe fn forward(parent: *mut VMContRef, signal: Signal) {
    // SAFETY: L4: this is the fiber of `parent`, which runs, and so has set `suspend`.
    unsafe {
        debug_assert!(
            VMContRef::is_continuation(parent),
            "a signal's target lies on this side of the host (H2)"
        );
        (*(*Continuation::fiber_of(parent.cast())).suspend).suspend(signal);
    }
}

/// Gives a fresh continuation its stack and its fiber; a suspended one has them.
///
/// # Safety
///
/// `cont` is of the host's store, fresh or suspended.
unsafe fn make_ready<H: Host>(host: &mut H, cont: NonNull<Continuation>) -> Result<(), Error> {
    // SAFETY: the caller vouches for `cont`; it does not run, so that nothing else borrows it.
    let this = unsafe { &mut *cont.as_ptr() };
    if this.vm.state() == VMContState::Suspended {
        // SAFETY: as above.
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

/// What a fiber runs: the continuation's function.
fn body<H: Host>(cont: NonNull<VMContRef>, suspend: &mut FiberSuspend) -> bool {
    let here = ptr::from_ref(&suspend).addr();
    let this = cont.cast::<Continuation>().as_ptr();
    // SAFETY: `resume` passes the continuation whose fiber this is, fresh a moment ago, with its store's
    // function, context and arguments (H4). `make_ready` set it up. Fields are reached one by one, since
    // the `resume` below borrows the fiber.
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

/// Puts the chain that `inner` is the innermost of on top of `parent`, consuming the reference to it.
/// Returns the outermost.
///
/// # Safety
///
/// `inner` is ready and not running; `parent` is the stack that runs, and the rest is its.
#[inline]
unsafe fn link(
    inner: NonNull<Continuation>,
    parent: *mut VMContRef,
    frame: NonNull<VMResumeFrame>,
    parent_entry: *mut VMEntryState,
) -> NonNull<Continuation> {
    // SAFETY: the caller vouches for the continuation, and what it was captured with does not run either.
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

/// Calls `call(data)` on the initial stack, from the stack of `current`: by way of the `resume`s between them.
///
/// # Safety
///
/// `current` runs, on its own stack; `outermost` is the outermost stack of the chain. The caller vouches for `call`, which
/// returns.
pub(crate) unsafe fn call_below(
    current: NonNull<VMContRef>,
    outermost: *mut VMContRef,
    call: HostCall,
    data: *mut (),
) {
    let last =
        NonNull::new(outermost.cast()).expect("the initial stack has a child while a continuation runs");
    // SAFETY: L4: this is the fiber of `current`.
    unsafe {
        let part = Continuation::fiber_of(current.as_ptr().cast());
        (*(*part).suspend).suspend(Signal::Call { last, call, data });
    }
}

/// Makes `inner` what runs.
///
/// # Safety
///
/// `inner` has just been linked.
unsafe fn enter<H: Host>(host: &mut H, inner: NonNull<Continuation>) {
    // SAFETY: the caller vouches for `inner`.
    unsafe {
        host.set_current(inner.as_ptr().cast());
        host.set_stack_limit((*inner.as_ptr()).vm.stack_limit);
        host.set_entry(&(*inner.as_ptr()).vm.entry);
        check::active_chain(Backend::Libcall, inner.as_ptr().cast());
    }
}

/// The outermost stack that a `suspend` or `switch` captures: the one that the first `resume` for which
/// `handles` answers runs, if no barrier comes before.
fn search<H: Host, T>(
    host: &H,
    handles: impl Fn(*const VMResumeFrame) -> Option<T>,
) -> Result<(NonNull<Continuation>, T), Error> {
    let mut cont = host.current();
    // SAFETY: running continuations are of this store, and have a frame that resumed them.
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

/// Makes the stacks from the one that runs to `last` a suspended continuation that waits for values at
/// `payload`, `capacity` of them. Returns a reference to it.
///
/// # Safety
///
/// `last` is running, and `payload` is in the frame of the Wasm function that runs.
unsafe fn capture<H: Host>(
    host: &mut H,
    last: NonNull<Continuation>,
    payload: *mut u128,
    capacity: u32,
) -> VMContObj {
    let inner = NonNull::new(host.current()).expect("a search from the host's own stack finds nothing");
    // SAFETY: both are running continuations of this store.
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

/// Readies `cont` for being resumed with the store's pending exception, which the instruction that suspended
/// it will raise. Returns `false` if that is to be raised here instead: a fresh continuation has no such
/// instruction, and has been consumed.
///
/// # Safety
///
/// Called from Wasm. `cont` is of the host's store, and its revision has been compared with that of the
/// reference (C1).
pub unsafe fn throw<H: Host>(host: &mut H, cont: NonNull<VMContRef>) -> bool {
    // SAFETY: the caller vouches for `cont`.
    unsafe {
        if (*cont.as_ptr()).state() == VMContState::Fresh {
            host.continuations().discard(cont);
            host.note_pending_exception();
            return false;
        }
        assert_eq!((*cont.as_ptr()).state(), VMContState::Suspended, "C1: only these have usable references");
        // Compiled code of the native backend hands the news over itself.
        (*cont.as_ptr()).throws = (host.continuations().backend() == Backend::Libcall).into();
    }
    true
}

/// What an instruction returns that suspended its stack and has been resumed: `false` if it raises.
///
/// # Safety
///
/// `cont` runs.
unsafe fn resumed<H: Host>(host: &mut H, cont: NonNull<VMContRef>) -> bool {
    // SAFETY: the caller vouches for `cont`.
    if unsafe { std::mem::take(&mut (*cont.as_ptr()).throws) } == 0 {
        return true;
    }
    host.note_pending_exception();
    false
}

/// Suspends the stack that runs up to the handler of `tag`, and returns `true` once it is resumed, with
/// its values at `payload`; `false` if Wasm is to be unwound.
///
/// # Safety
///
/// Called from Wasm of the host's store. `payload` is in the caller's frame: the tag's parameters are
/// there, and there is room for `results` values.
pub unsafe fn suspend<H: Host>(host: &mut H, tag: *const VMTag, payload: *mut u128, results: u32) -> bool {
    // SAFETY: frames of running resumes are live, with their tags behind them.
    let found = search(host, |frame| unsafe { VMResumeFrame::find_suspend(frame, tag) });
    let (last, clause) = match found {
        Ok(found) => found,
        Err(error) => {
            host.note_trap(error);
            return false;
        }
    };
    // SAFETY: as above; `inner` is the continuation that runs, whose fiber this is (L4).
    unsafe {
        let frame = (*last.as_ptr()).vm.resume;
        (*frame).clause = clause;
        let obj = capture(host, last, payload, results);
        let inner = Continuation::fiber_of(obj.contref.as_ptr().cast());
        (*(*inner).suspend).suspend(Signal::Suspend { last: last.cast(), captured: obj.contref });
        resumed(host, obj.contref)
    }
}

/// Suspends the stack that runs up to the `(on $tag switch)` for `tag` and runs `target` there, with what
/// was captured as its last argument. Returns as [`suspend`] does.
///
/// `args` is how many arguments are stored behind those that were bound; the last follows them.
///
/// # Safety
///
/// As for [`suspend`] of the payload, which has room for `params` values, and for [`resume`] of the
/// target, which has one argument to go.
pub unsafe fn switch<H: Host>(
    host: &mut H,
    target: NonNull<VMContRef>,
    tag: *const VMTag,
    payload: *mut u128,
    params: u32,
    args: u32,
) -> bool {
    let target = target.cast::<Continuation>();
    // SAFETY: frames of running resumes are live, with their tags behind them.
    let found = search(host, |frame| unsafe { VMResumeFrame::has_switch(frame, tag) }.then_some(()));
    // SAFETY: the caller vouches for `target`; `inner` is the continuation that runs (L4).
    unsafe {
        // The target is not consumed if the instruction's own checks fail.
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
