//! x86-64, System V.

use crate::layout::VMControlContext;
use std::arch::naked_asm;

/// Goes on at `control`, where a `stack_switch` returns `code`.
///
/// # Safety
///
/// `control` was written by a `stack_switch` and not used since. The frames of the caller's stack are gone.
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn jump(control: *const VMControlContext, code: u64) -> ! {
    // Cranelift's payload register is rdi; everything else but sp and fp is clobbered there.
    naked_asm!("mov rsp, [rdi]", "mov rbp, [rdi + 8]", "mov rax, [rdi + 16]", "mov rdi, rsi", "jmp rax",)
}

/// The return address of the frame that starts a stack.
#[cfg(not(any(miri, wasmfx_portable)))]
pub(crate) fn bottom() -> usize {
    // Unwinders look up the instruction before a return address: that of a call, usually.
    bottom_of_stack as *const () as usize + 1
}

/// What called the frame that starts a stack, as unwinders see it: a function whose frame is the record of
/// the parent's frame pointer and program counter in the stack's control context.
#[cfg(not(any(miri, wasmfx_portable)))]
#[unsafe(naked)]
extern "sysv64" fn bottom_of_stack() {
    naked_asm!(
        ".cfi_startproc simple",
        // The stack pointer of this frame lies elsewhere than that of its neighbours; debuggers accept
        // this of signal frames.
        ".cfi_signal_frame",
        ".cfi_def_cfa rbp, 16",
        ".cfi_offset rbp, -16",
        ".cfi_offset rip, -8",
        "nop",
        "ud2",
        ".cfi_endproc",
    )
}
