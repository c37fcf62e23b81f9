//! The operations for x86-64 with the System V calling convention.

use crate::abi::VMControlContext;
use std::arch::{asm, naked_asm};

pub(crate) const CALLS_ON: bool = true;

/// Calls `f(data)` with the stack pointer `sp`, rounded down to the alignment that a call needs.
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
/// 1. Below `sp` there is as much stack as `f` needs, and nobody uses it.
/// 2. `f` returns to this function: it does not unwind, and does not continue elsewhere.
#[inline]
pub(crate) unsafe fn call_on(sp: usize, f: extern "C" fn(*mut ()), data: *mut ()) {
    // SAFETY: the caller vouches for 1 and 2. Rounding down to 16 gives the alignment of the calling convention, and leaves the
    // bytes below `sp` free.
    unsafe { call_on_aligned(sp & !15, f, data) }
}

#[unsafe(naked)]
unsafe extern "sysv64" fn call_on_aligned(sp: usize, f: extern "C" fn(*mut ()), data: *mut ()) {
    naked_asm!(
        ".cfi_startproc",
        // As in `bottom_of_stack`: the callee's frames are on another stack, which debuggers accept of signal frames.
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
        // The callee preserves rbp, which still holds the caller's stack pointer.
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
    // SAFETY: the instruction only reads a register.
    unsafe { asm!("mov {0}, rsp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}

/// Whether this thread has a shadow stack (CET).
pub(crate) fn has_shadow_stack() -> bool {
    let pointer: u64;
    // SAFETY: the instruction only writes its operand. Without a shadow stack, and on processors that have none, it does nothing,
    // so that `pointer` stays 0: Intel's manual, volume 2, RDSSP.
    unsafe { asm!("rdsspq {0}", inout(reg) 0_u64 => pointer, options(nomem, nostack, preserves_flags)) };
    pointer != 0
}

/// Continues at `control`, where a `stack_switch` returns `code`. The stack of the caller is left for good.
///
/// # Safety
///
/// A `stack_switch` wrote `control`, and nothing has used it since. Nothing returns to the frames of the caller's stack, and none
/// of them has to be dropped.
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn jump(control: *const VMControlContext, code: u64) -> ! {
    // Cranelift's payload register is rdi. A `stack_switch` clobbers all registers but rsp and rbp, so that rax is free.
    naked_asm!("mov rsp, [rdi]", "mov rbp, [rdi + 8]", "mov rax, [rdi + 16]", "mov rdi, rsi", "jmp rax",)
}

/// The return address of the frame that starts a stack.
pub(crate) fn bottom() -> usize {
    // Unwinders look up the instruction before a return address, which usually is a call. One byte further, they find the `nop`.
    bottom_of_stack as *const () as usize + 1
}

/// The caller of the frame that starts a stack, as unwinders see it. The frame record of this function consists of `fp` and `pc`
/// in the `parent_control` of the stack's continuation (N2).
///
/// ```text
///   stack of g                        VMContRef of g              stack of f, the parent
///   | return address: bottom |        | parent_control.fp |----->  | frame of `resume g` |
///   | frame pointer          |------->| parent_control.pc |
/// ```
#[unsafe(naked)]
extern "sysv64" fn bottom_of_stack() {
    naked_asm!(
        ".cfi_startproc simple",
        // The stack pointer of this frame lies on another stack than that of its neighbour. Debuggers accept this of signal
        // frames.
        ".cfi_signal_frame",
        ".cfi_def_cfa rbp, 16",
        ".cfi_offset rbp, -16",
        ".cfi_offset rip, -8",
        "nop",
        "ud2",
        ".cfi_endproc",
    )
}
