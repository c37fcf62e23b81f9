//! What this crate needs in assembly: to call on another stack, where a native stack's frames end, and how to leave one
//! for good.
//!
//! Each architecture provides
//! * `CALLS_ON: bool`, whether there is `call_on`.
//! * `call_on(sp, f, data)`: calls `f(data)` with this stack pointer, on a stack whose bytes below it are free. Unwinders that
//!   know frame pointers or CFI go from the callee's frames to the caller's.
//! * `stack_pointer() -> usize`, or an address close to it.
//! * `has_shadow_stack() -> bool`: whether the processor keeps a second stack of this thread's return addresses, which a switch
//!   does not switch.
//! * `bottom() -> usize`, on Unix: the return address of the frame that starts a stack. Nothing returns there. An unwinder that
//!   finds it goes on at the frame record that the frame pointer points to.
//! * `jump(control, code) -> !`: goes on at a control context, where a `stack_switch` will return `code`.

#[cfg(all(target_arch = "x86_64", unix, not(any(miri, wasmfx_portable))))]
mod x86_64;
#[cfg(all(target_arch = "x86_64", unix, not(any(miri, wasmfx_portable))))]
pub(crate) use x86_64::*;

#[cfg(not(all(target_arch = "x86_64", unix, not(any(miri, wasmfx_portable)))))]
mod none;
#[cfg(not(all(target_arch = "x86_64", unix, not(any(miri, wasmfx_portable)))))]
pub(crate) use none::*;
