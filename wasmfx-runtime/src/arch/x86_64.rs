//! x86-64, System V.

use crate::abi::VMControlContext;
use std::arch::{asm, naked_asm};

pub(crate) const CALLS_ON: bool = true;

/// Calls `f(data)` with the stack pointer `sp`, rounded down to what a call needs.
///
/// ```text
///   caller's stack            other stack
///   | return address  |      | live frames     |
///   | frame pointer   |<-.   +-----------------+ <- sp
///   +-----------------+  |   | return address  | <- into `call_on`
///                        `---| frame pointer   | <- saved by the callee
/// ```
///
/// # Safety
///
/// 1. What lies below `sp` is stack that nobody uses, as much as `f` needs.
/// 2. `f` returns here: it does not unwind, and does not go on elsewhere.
#[inline]
pub(crate) unsafe fn call_on(sp: usize, f: extern "C" fn(*mut ()), data: *mut ()) {
    // SAFETY: 1 and 2 are the caller's to vouch for; the alignment is the calling convention's.
    unsafe { call_on_aligned(sp & !15, f, data) }
}

#[unsafe(naked)]
unsafe extern "sysv64" fn call_on_aligned(sp: usize, f: extern "C" fn(*mut ()), data: *mut ()) {
    naked_asm!(
        ".cfi_startproc",
        // As for `bottom_of_stack`: the callee's frames are on another stack.
        ".cfi_signal_frame",
        // rdi: the other stack's pointer, rsi: what to call, rdx: its argument.
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov rsp, rdi",
        "mov rdi, rdx",
        "call rsi",
        // rbp is as it was: the callee preserves it.
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
    )
}

/// The stack pointer.
#[inline]
pub(crate) fn stack_pointer() -> usize {
    let sp: usize;
    // SAFETY: this reads a register.
    unsafe { asm!("mov {0}, rsp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}

/// Whether this thread has a shadow stack (CET).
pub(crate) fn has_shadow_stack() -> bool {
    let pointer: u64;
    // SAFETY: without a shadow stack, and on processors that know of none, the instruction does nothing: Intel's manual,
    // volume 2, RDSSP.
    unsafe { asm!("rdsspq {0}", inout(reg) 0_u64 => pointer, options(nomem, nostack, preserves_flags)) };
    pointer != 0
}

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
pub(crate) fn bottom() -> usize {
    // Unwinders look up the instruction before a return address: that of a call, usually.
    bottom_of_stack as *const () as usize + 1
}

/// What called the frame that starts a stack, as unwinders see it: a function whose frame is the record of
/// the parent's frame pointer and program counter in the stack's control context.
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
