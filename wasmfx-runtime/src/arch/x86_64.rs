//! The operations for x86-64 with the System V calling convention.

use crate::abi::VMControlContext;
use std::arch::{asm, naked_asm};
use std::mem::offset_of;

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
/// 1. Below `sp` there is stack down to a guard, and nobody uses it.
/// 2. `f` may be called with `data`. It returns to this function: it does not unwind, and does not continue elsewhere.
#[inline]
pub(crate) unsafe fn call_on(sp: usize, f: unsafe extern "C" fn(*mut ()), data: *mut ()) {
    // SAFETY: of `call_on_aligned`: 1 and 2: this function's 1 and 2, as rounding down leaves only bytes below `sp`;
    // 3: the mask rounds to 16.
    unsafe { call_on_aligned(sp & !15, f, data) }
}

/// As [`call_on`], but does not round `sp`.
///
/// # Safety
///
/// 1. Requirement 1 of [`call_on`].
/// 2. Requirement 2 of [`call_on`].
/// 3. `sp` is a multiple of 16, as the calling convention demands.
#[unsafe(naked)]
unsafe extern "sysv64" fn call_on_aligned(sp: usize, f: unsafe extern "C" fn(*mut ()), data: *mut ()) {
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

/// Calls `f(data)` with zeros in the registers that `f` preserves. What they held before goes to the caller's stack.
///
/// # Safety
///
/// `f` may be called with `data`. It returns: it does not unwind.
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn call_with_zeros(f: unsafe extern "C" fn(*mut ()), data: *mut ()) {
    naked_asm!(
        ".cfi_startproc",
        // rdi: what to call, rsi: its argument.
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        ".cfi_offset rbx, -24",
        ".cfi_offset r12, -32",
        ".cfi_offset r13, -40",
        ".cfi_offset r14, -48",
        ".cfi_offset r15, -56",
        // The return address and six registers: one word more makes a multiple of 16.
        "sub rsp, 8",
        "xor ebx, ebx",
        "xor r12d, r12d",
        "xor r13d, r13d",
        "xor r14d, r14d",
        "xor r15d, r15d",
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
    )
}

pub(crate) const SAVES_REGISTERS: bool = true;

/// The registers that a function with the System V calling convention preserves, but the frame and the stack pointer: `rbx`, `r12`,
/// `r13`, `r14` and `r15`.
#[repr(C)]
pub(crate) struct SavedRegisters([usize; 5]);

impl SavedRegisters {
    pub(crate) const EMPTY: SavedRegisters = SavedRegisters([0; 5]);

    /// Stores the registers here. What a register held when the caller was called is here, or in the frame of a function that
    /// has saved the register since.
    #[inline]
    pub(crate) fn save(&mut self) {
        // SAFETY: the instructions write the five words of `self` only, as the options say: they use no stack and no flags.
        unsafe {
            asm!(
                "mov [{0}], rbx",
                "mov [{0} + 8], r12",
                "mov [{0} + 16], r13",
                "mov [{0} + 24], r14",
                "mov [{0} + 32], r15",
                in(reg) self.0.as_mut_ptr(),
                options(nostack, preserves_flags),
            );
        }
    }
}

/// The stack pointer.
#[inline]
pub(crate) fn stack_pointer() -> usize {
    let sp: usize;
    // SAFETY: the instruction writes its operand only, which the options say: it uses no memory, no stack and no flags.
    unsafe { asm!("mov {0}, rsp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}

/// Whether this thread has a shadow stack (CET).
pub(crate) fn has_shadow_stack() -> bool {
    let pointer: u64;
    // SAFETY: the instruction writes its operand only, which the options say: it uses no memory, no stack and no flags.
    // Without a shadow stack, and on processors that have none, it does nothing, so that `pointer` stays 0: Intel's
    // manual, volume 2, RDSSP.
    unsafe { asm!("rdsspq {0}", inout(reg) 0_u64 => pointer, options(nomem, nostack, preserves_flags)) };
    pointer != 0
}

/// Continues at `control`, where a `stack_switch` returns `code`. The stack of the caller is left for good.
///
/// # Safety
///
/// 1. `control` has the registers that a `stack_switch` stored, and nothing has continued there since.
/// 2. `code` is a word that is expected there: the table in the module `abi` has them all.
/// 3. Nothing returns to the frames of the caller's stack, and none of them has to be dropped.
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn jump(control: *const VMControlContext, code: u64) -> ! {
    // Cranelift's payload register is rdi. A `stack_switch` clobbers all registers but rsp and rbp, so that rax is free.
    naked_asm!(
        "mov rsp, [rdi + {sp}]",
        "mov rbp, [rdi + {fp}]",
        "mov rax, [rdi + {pc}]",
        "mov rdi, rsi",
        "jmp rax",
        sp = const offset_of!(VMControlContext, sp),
        fp = const offset_of!(VMControlContext, fp),
        pc = const offset_of!(VMControlContext, pc),
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Stores the registers that it preserves at `data`, and the stack pointer of its caller behind them.
    #[unsafe(naked)]
    unsafe extern "C" fn note_registers(data: *mut ()) {
        naked_asm!(
            "mov [rdi], rbx",
            "mov [rdi + 8], r12",
            "mov [rdi + 16], r13",
            "mov [rdi + 24], r14",
            "mov [rdi + 32], r15",
            "lea rax, [rsp + 8]",
            "mov [rdi + 40], rax",
            "ret",
        )
    }

    /// Calls `note_registers` with ones in these registers, and stores them behind what that function has stored.
    #[unsafe(naked)]
    unsafe extern "C" fn call_with_ones(data: *mut ()) {
        naked_asm!(
            "push rbx",
            "push r12",
            "push r13",
            "push r14",
            "push r15",
            "mov rbx, 1",
            "mov r12, rdi",
            "mov r13, 1",
            "mov r14, 1",
            "mov r15, 1",
            "mov rsi, rdi",
            "lea rdi, [rip + {note}]",
            "call {call}",
            "mov [r12 + 48], rbx",
            "mov [r12 + 56], r13",
            "mov [r12 + 64], r14",
            "mov [r12 + 72], r15",
            "pop r15",
            "pop r14",
            "pop r13",
            "pop r12",
            "pop rbx",
            "ret",
            note = sym note_registers,
            call = sym call_with_zeros,
        )
    }

    #[test]
    fn registers_are_zeros_during_the_call_and_the_same_after_it() {
        let mut noted = [7_usize; 10];
        // SAFETY: both functions write ten words in all, and preserve what a caller expects.
        unsafe { call_with_ones(noted.as_mut_ptr().cast()) };
        let [registers @ .., sp, a, b, c, d] = noted;
        assert_eq!((registers, [a, b, c, d]), ([0; 5], [1; 4]));
        assert!(sp.is_multiple_of(16), "a call's alignment: {sp:#x}");
    }
}
