//! The operations that this crate needs in assembly: to call a function on another stack, to mark where the frames of a stack of
//! the native backend end, and to leave such a stack for good.
//!
//! Each architecture provides
//! * `CALLS_ON: bool`: whether `call_on` may be called.
//! * `call_on(sp, f, data)`: calls `f(data)` with the stack pointer `sp`, on a stack whose bytes below `sp` are free. Unwinders
//!   that use frame pointers or CFI go from the callee's frames to the caller's.
//! * `stack_pointer() -> usize`: the stack pointer, or an address close to it.
//! * `has_shadow_stack() -> bool`: whether the processor keeps a second stack of this thread's return addresses. A switch of
//!   stacks does not switch the shadow stack.
//! * `bottom() -> usize`, on Unix: the return address of the frame that starts a stack. Nothing returns there. An unwinder that
//!   finds this address goes on at the frame record that the frame pointer points to.
//! * `jump(control, code) -> !`: continues at the control context `control`, where a `stack_switch` returns `code`.

#[cfg(all(target_arch = "x86_64", unix, not(any(miri, wasmfx_portable))))]
mod x86_64;
#[cfg(all(target_arch = "x86_64", unix, not(any(miri, wasmfx_portable))))]
pub(crate) use x86_64::*;

#[cfg(not(all(target_arch = "x86_64", unix, not(any(miri, wasmfx_portable)))))]
mod none;
#[cfg(not(all(target_arch = "x86_64", unix, not(any(miri, wasmfx_portable)))))]
pub(crate) use none::*;
