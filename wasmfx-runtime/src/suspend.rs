//! A `suspend` by a function of the host.
//!
//! The host's code that decides to suspend has returned before the stacks are captured, so that nothing is captured that has a
//! destructor to run. What stays on the stack is the engine's function that Wasm called. It does this, step by step:
//!
//! ```text
//!   HostSuspend::new                    saves registers (S5)
//!   calls the host function             on the initial stack: it says to which tag it suspends, with what
//!   HostSuspend::find                   looks for a handler
//!   HostSuspend::capture                makes this stack a suspended continuation
//!   HostSuspend::switch                 leaves the stack, and returns when it is resumed
//!   goes on with what came back
//! ```
//!
//! ```text
//!   stack of g, suspended               VMContRef of g
//!   | entry code               |        | control.sp: below what `arch::suspend` has pushed
//!   | Wasm: g                  |<--.    | control.fp: the address of `left.fp`
//!   | trampoline to the host   |   |    | control.pc: `arch::resumed`
//!   | the engine: HostSuspend  |   |
//!   |   left: fp, pc           |---'  where Wasm has left the stack
//!   | arch::suspend            |
//!   +--------------------------+
//! ```
//!
//! # Invariant
//!
//! * **W2, left by the host.** With the native backend, `control.pc` of a suspended continuation, or `pc` in its detour (W1), is the
//!   address of `arch::resumed` only if [`HostSuspend::switch`] has left its stack. Then the `fp` beside that `pc` is the address of
//!   `left.fp` in the `HostSuspend`, which is on that stack, and which nothing writes until the continuation is resumed.

use crate::abi::{
    Backend, INLINE_ARGS, RAISE, VMContRef, VMControlContext, VMEntryState, VMPayloads, VMResumeFrame, VMTag,
};
use crate::arch::{self, Detour, SavedRegisters};
use crate::error::Error;
use crate::fiber::Signal;
use crate::host::Host;
use crate::libcall;
use std::ptr::{self, NonNull};

/// A `suspend` by the host, in the frame of the function that Wasm has called. It owns nothing.
#[derive(Debug)]
pub struct HostSuspend {
    /// The registers that Wasm has left to the host to preserve (S5).
    registers: SavedRegisters,
    /// Where Wasm has left the stack (W2).
    left: Detour,
    /// How Wasm has left the stack, for when it is resumed.
    entry: VMEntryState,
    backend: Backend,
    /// What is captured: the innermost stack and the outermost one. Null before [`HostSuspend::find`].
    inner: *mut VMContRef,
    last: *mut VMContRef,
    clause: u32,
}

impl HostSuspend {
    /// Saves the registers. The function that Wasm has called does this first.
    #[inline(always)]
    pub fn new() -> HostSuspend {
        let mut registers = SavedRegisters::EMPTY;
        registers.save();
        HostSuspend {
            registers,
            left: Detour { control: VMControlContext::default(), roots: ptr::null(), count: 0 },
            entry: VMEntryState::default(),
            backend: Backend::Libcall,
            inner: ptr::null_mut(),
            last: ptr::null_mut(),
            clause: 0,
        }
    }

    /// Looks for a handler of `tag`.
    ///
    /// # Errors
    ///
    /// [`Error::UnhandledTag`] if there is none: for example if Wasm has called the host on the host's own stack.
    ///
    /// # Safety
    ///
    /// Wasm of the host's store has called the function that `self` is in, and nothing has switched stacks since.
    pub unsafe fn find<H: Host>(&mut self, host: &mut H, tag: *const VMTag) -> Result<(), Error> {
        // SAFETY: of `find_suspend`: 1 and 2: `search` passes the frame of a `resume` that runs a stack: it is live, with its tags
        // behind it.
        let (last, clause) =
            libcall::search(host, |frame| unsafe { VMResumeFrame::find_suspend(frame, tag) })?;
        (self.inner, self.last, self.clause) = (host.current(), last.as_ptr().cast(), clause);
        self.backend = host.continuations().backend();
        Ok(())
    }

    /// Makes the stacks up to the handler that was found a suspended continuation, which has suspended with the `count` values at
    /// `payload`, and waits for `capacity` values at `values`. [`HostSuspend::switch`] has to follow.
    ///
    /// The engine's values are 16 bytes with the alignment of a `u64`.
    ///
    /// # Safety
    ///
    /// 1. As [`HostSuspend::find`], which has found a handler, at once before.
    /// 2. `values` has room for the payload and for `capacity` values, until the continuation is resumed or has ended.
    /// 3. At `payload` are `count` values, those of the tag's parameters. The tag has `capacity` results.
    pub unsafe fn capture<H: Host>(
        &mut self,
        host: &mut H,
        payload: *const [u64; 2],
        count: usize,
        values: *mut u128,
        capacity: u32,
    ) {
        let (inner, last) = (self.inner, self.last);
        self.entry = host.entry();
        // SAFETY: the accesses: 1 (C2): the stacks from `inner` to `last` are running continuations, and the frame of the `resume`
        // that runs `last` is live: valid, aligned and initialised. H3: the trampoline that left Wasm has a frame record.
        // `copy_nonoverlapping`: 3, and 2, or `args` has so many slots. Of `libcall::capture`: 1: `find` has found it; 2: 2; 3: `new`.
        unsafe {
            (*(*last).resume).clause = self.clause;
            let place = match self.backend {
                Backend::Native if count <= INLINE_ARGS => (&raw mut (*inner).args).cast(),
                Backend::Native | Backend::Libcall => values,
            };
            ptr::copy_nonoverlapping(payload, place.cast(), count);
            if self.backend == Backend::Libcall {
                let last = NonNull::new_unchecked(last.cast());
                libcall::capture(host, last, values, capacity, &raw const self.registers);
                return;
            }
            let mut cont = inner;
            loop {
                // N5: a search clears the cache of each stack that it comes to.
                (*cont).backend_state.handler_cache.revision = 0;
                if cont == last {
                    break;
                }
                cont = (*cont).parent;
            }
            let record = ptr::with_exposed_provenance::<usize>(self.entry.exit_trampoline_fp);
            self.left.control = VMControlContext { sp: 0, fp: *record, pc: self.entry.exit_pc };
            (*inner).last_ancestor = last;
            (*inner).values = VMPayloads { data: values, length: 0, capacity };
        }
    }

    /// Leaves the stack, and returns once it is resumed: `true` with values at the place that [`HostSuspend::capture`] was told,
    /// `false` if the store's pending exception is to be raised.
    ///
    /// # Safety
    ///
    /// 1. [`HostSuspend::capture`] has captured this stack just before.
    /// 2. This is called on the stack on which Wasm has called the host. The frames between own nothing.
    #[inline]
    pub unsafe fn switch(&mut self) -> bool {
        // SAFETY: the places: 1 (C2): valid, aligned and initialised. Of `arch::suspend`: 1: 2, and 2 as nothing is lost that the
        // frames own; 2: `self` is on this stack; 3: N1: the `resume` of `last` has stored them, and expects the address of what was
        // captured. Of `send`: 1: the backend, and 1 and 2; 2: `find` has found that stack.
        unsafe {
            let inner = self.inner;
            match self.backend {
                Backend::Native => {
                    let own = &raw mut (*inner).control;
                    let load = &raw const (*self.last).parent_control;
                    let left = &raw const self.left.control.fp;
                    left.expose_provenance();
                    arch::suspend(own, left, load, inner.expose_provenance() as u64) != RAISE
                }
                Backend::Libcall => {
                    let (last, captured) =
                        (NonNull::new_unchecked(self.last.cast()), NonNull::new_unchecked(inner));
                    libcall::send(inner, Signal::Suspend { last, captured });
                    std::mem::take(&mut (*inner).throws) == 0
                }
            }
        }
    }

    /// Notes, once the stack is resumed, where Wasm has left it.
    pub fn note_left<H: Host>(&self, host: &mut H) {
        let VMEntryState { exit_trampoline_fp, exit_pc, .. } = self.entry;
        host.set_entry(&VMEntryState { exit_trampoline_fp, exit_pc, ..host.entry() });
    }
}

impl Default for HostSuspend {
    fn default() -> HostSuspend {
        HostSuspend::new()
    }
}
