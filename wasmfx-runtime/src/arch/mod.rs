//! What the native backend needs of this crate in assembly: where a stack's frames end, and how to leave one
//! for good.
//!
//! Each architecture provides
//! * `bottom() -> usize`, where a stack is this crate's own memory: the return address of the frame that starts a stack. Nothing returns there; unwinders
//!   that know it go on with the frame record that the frame pointer points to.
//! * `jump(control, code) -> !`: goes on at a control context, where a `stack_switch` will return `code`.

#[cfg(all(target_arch = "x86_64", unix))]
mod x86_64;
#[cfg(all(target_arch = "x86_64", unix, not(any(miri, wasmfx_portable))))]
pub(crate) use x86_64::bottom;
#[cfg(all(target_arch = "x86_64", unix))]
pub(crate) use x86_64::jump;

#[cfg(not(all(target_arch = "x86_64", unix)))]
mod none;
#[cfg(all(not(target_arch = "x86_64"), unix, not(any(miri, wasmfx_portable))))]
pub(crate) use none::bottom;
#[cfg(not(all(target_arch = "x86_64", unix)))]
pub(crate) use none::jump;
