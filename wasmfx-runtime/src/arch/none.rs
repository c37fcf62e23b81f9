//! Targets without a native backend: no code that was compiled for one runs here.

use crate::abi::VMControlContext;

pub(crate) const CALLS_ON: bool = false;

pub(crate) unsafe fn call_on(_sp: usize, _f: extern "C" fn(*mut ()), _data: *mut ()) {
    unreachable!("who asks first does not call this")
}

/// An address in a frame of the caller's or its callee's.
#[inline]
pub(crate) fn stack_pointer() -> usize {
    let here = 0_u8;
    std::hint::black_box(&raw const here).addr()
}

/// Not looked for: nothing here switches stacks but wasmtime-fiber.
pub(crate) fn has_shadow_stack() -> bool {
    false
}

#[cfg(all(unix, not(any(miri, wasmfx_portable))))]
pub(crate) fn bottom() -> usize {
    0
}

pub(crate) unsafe fn jump(_control: *const VMControlContext, _code: u64) -> ! {
    unreachable!("this target has no native backend")
}
