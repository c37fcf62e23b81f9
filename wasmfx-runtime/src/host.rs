//! What this crate needs of the engine that it is part of.

use crate::abi::{VMContRef, VMEntryState};
use crate::error::Error;
use crate::store::Continuations;

/// A store of the engine, seen from a libcall that one of its Wasm functions made.
///
/// # Safety
///
/// The implementer vouches for these, by number:
///
/// * **H1.** [`Host::continuations`] returns the same object for all calls made by one store of the engine, and
///   that object lives as long as the engine's store.
/// * **H2.** [`Host::current`] is [`Continuations::initial`] after the host enters Wasm, and then whatever was set last; on
///   the way back to the host its former value returns, and with it what [`VMSavedEntry::enter`](crate::abi::VMSavedEntry::enter)
///   saved.
///   This is what delimits `suspend`.
/// * **H3.** [`Host::entry`] is where Wasm was last entered and left, by trampolines that keep frame
///   pointers. A trap unwinds to the entry that was set last.
/// * **H4.** [`Host::call`] returns `true` if the function returned and `false` if it was unwound, and in
///   that case has noted the reason. No panic leaves it.
/// * **H5.** The stack limit that was set last is checked by every Wasm function before it uses its frame; if
///   [`PoolConfig::unchecked_frames`](crate::PoolConfig) says so, at once after, and then no frame is larger than
///   [`MAX_UNCHECKED_FRAME`](crate::abi::MAX_UNCHECKED_FRAME).
pub unsafe trait Host: 'static {
    /// The continuations of this store.
    fn continuations(&mut self) -> &mut Continuations;

    /// The stack that runs: a continuation, or [`Continuations::initial`].
    fn current(&self) -> *mut VMContRef;

    /// Sets what [`Host::current`] returns.
    fn set_current(&mut self, current: *mut VMContRef);

    /// Where Wasm was entered and left on the stack that runs.
    fn entry(&self) -> VMEntryState;

    /// Sets what [`Host::entry`] returns.
    fn set_entry(&mut self, entry: &VMEntryState);

    /// The lowest stack pointer that Wasm may have.
    fn stack_limit(&self) -> usize;

    /// Sets what [`Host::stack_limit`] returns.
    fn set_stack_limit(&mut self, limit: usize);

    /// Notes why Wasm is about to be unwound.
    fn note_trap(&mut self, error: Error);

    /// Notes that Wasm is about to be unwound because of the store's pending exception.
    fn note_pending_exception(&mut self);

    /// Sets the stack limit, and calls a function with the array calling convention on the stack that
    /// runs.
    ///
    /// # Safety
    ///
    /// `func` is a `VMFuncRef` and `caller_vmctx` a core `VMContext`, both of this store. `args` has
    /// `len` slots, no fewer than the function's parameters and no fewer than its results; the
    /// parameters are there, and the results will be.
    unsafe fn call(
        func: *mut u8,
        caller_vmctx: *mut u8,
        args: *mut u128,
        len: usize,
        stack_limit: usize,
    ) -> bool;
}
