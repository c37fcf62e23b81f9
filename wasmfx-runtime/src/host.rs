//! The interface by which this crate uses the engine that it is part of.

use crate::abi::{Backend, VMContRef, VMEntryState};
use crate::arch::{EntryCells, SavedRegisters};
use crate::error::Error;
use crate::stack::PooledStack;
use crate::store::Continuations;
use std::ptr::NonNull;

/// A store of the engine, seen from a libcall that one of its Wasm functions made.
///
/// # Safety
///
/// An implementation keeps these promises:
///
/// * **H1.** [`Host::continuations`] returns the same object for all calls made by one store of the engine, and
///   that object lives as long as the engine's store.
/// * **H2.** [`Host::current`] is [`Continuations::initial`] when the host has entered Wasm, and then the value that was set
///   last. On the way back to the host the engine restores the value from before the entry, and with it the fields that
///   [`VMSavedEntry::enter`](crate::abi::VMSavedEntry::enter) saved. So no `suspend` finds a handler outside the host's entry.
/// * **H3.** [`Host::entry`] says where trampolines that keep frame pointers last entered and left Wasm. A trap unwinds to the
///   entry that was set last.
/// * **H4.** [`Host::call`] returns `true` if the function returned, and `false` if the function was unwound. In that case the
///   reason has been noted. No panic leaves [`Host::call`].
/// * **H5.** Every Wasm function compares the stack limit that was set last before the function uses its frame. If
///   [`PoolConfig::unchecked_frames`](crate::PoolConfig) is set, the function compares the limit at once after its frame is on
///   the stack, and no frame is larger than [`MAX_UNCHECKED_FRAME`](crate::abi::MAX_UNCHECKED_FRAME).
/// * **H6.** While a reference to the store's [`Continuations`] is in use, no compiled code of the store runs.
pub unsafe trait Host: 'static {
    /// The continuations of this store.
    fn continuations(&mut self) -> &mut Continuations;

    /// The current stack: a continuation, or [`Continuations::initial`].
    fn current(&self) -> *mut VMContRef;

    /// Sets what [`Host::current`] returns.
    fn set_current(&mut self, current: *mut VMContRef);

    /// Where Wasm was entered and left on the current stack.
    fn entry(&self) -> VMEntryState;

    /// Sets what [`Host::entry`] returns.
    fn set_entry(&mut self, entry: &VMEntryState);

    /// Where the fields of [`Host::entry`] are that say how Wasm was entered. They are valid as long as the store.
    fn entry_cells(&mut self) -> EntryCells;

    /// The lowest stack pointer, an address, that Wasm may have.
    fn stack_limit(&self) -> usize;

    /// Sets what [`Host::stack_limit`] returns.
    fn set_stack_limit(&mut self, limit: usize);

    /// Ends the continuations that nothing can resume any more, as if by a search ([`Continuations::search`]) that has found `keep`
    /// and the values with which `keep` is about to be resumed. Returns whether there were any.
    ///
    /// # Safety
    ///
    /// 1. `keep` is a fresh continuation of this store.
    /// 2. Its arguments are in its buffer, bound or not, except that the last one may be missing if it is a reference to a
    ///    continuation.
    unsafe fn reclaim(&mut self, keep: NonNull<VMContRef>) -> bool;

    /// Notes why Wasm is about to be unwound.
    fn note_trap(&mut self, error: Error);

    /// Notes that Wasm is about to be unwound because of the store's pending exception.
    fn note_pending_exception(&mut self);

    /// Sets the stack limit, and calls a function with the array calling convention on the current stack. Returns as H4 says.
    ///
    /// # Safety
    ///
    /// 1. `func` is a `VMFuncRef` and `caller_vmctx` a core `VMContext`, both of the store that runs.
    /// 2. `args` has `len` slots, no fewer than the function has parameters and no fewer than it has results. Nothing
    ///    else uses these slots during the call.
    /// 3. The arguments are in the first slots. The results replace them.
    /// 4. Wasm may use the current stack down to `stack_limit`.
    unsafe fn call(
        func: *mut u8,
        caller_vmctx: *mut u8,
        args: *mut u128,
        len: usize,
        stack_limit: usize,
    ) -> bool;
}

/// Takes a stack for `cont`. If there is none, takes one of the continuations that nothing can resume any more.
///
/// # Errors
///
/// If there is none even so.
///
/// # Safety
///
/// 1 and 2 of [`Host::reclaim`].
pub(crate) unsafe fn take_stack<H: Host>(
    host: &mut H,
    cont: NonNull<VMContRef>,
) -> Result<PooledStack, Error> {
    let error = match host.continuations().take_stack() {
        Err(error) => error,
        taken => return taken,
    };
    let mut registers = SavedRegisters::EMPTY;
    registers.save();
    if host.continuations().backend() == Backend::Libcall {
        // The libcall that starts a continuation is on the stack of Wasm that calls it, where the native backend's is a host
        // call. SAFETY: the write: H2, C2: the current stack's `VMContRef` is valid and aligned. Nothing borrows it.
        unsafe { (*host.current()).control.sp = (&raw const registers).expose_provenance() };
    }
    // SAFETY: of `reclaim`: 1 and 2: this function's.
    let reclaimed = unsafe { host.reclaim(cont) };
    std::hint::black_box(&registers);
    if reclaimed { host.continuations().take_stack() } else { Err(error) }
}
