//! Targets without a native backend: no code that was compiled for one runs here.

use crate::layout::VMControlContext;

#[cfg(all(unix, not(any(miri, wasmfx_portable))))]
pub(crate) fn bottom() -> usize {
    0
}

pub(crate) unsafe fn jump(_control: *const VMControlContext, _code: u64) -> ! {
    unreachable!("this target has no native backend")
}
