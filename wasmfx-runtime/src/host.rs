//! The interface by which this crate uses the engine that it is part of.

use crate::abi::{VMContRef, VMEntryState};
use crate::error::Error;
use crate::store::Continuations;

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

    /// The lowest stack pointer, an address, that Wasm may have.
    fn stack_limit(&self) -> usize;

    /// Sets what [`Host::stack_limit`] returns.
    fn set_stack_limit(&mut self, limit: usize);

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
