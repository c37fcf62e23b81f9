//! The operations for x86-64 with the System V calling convention.

use super::detour::{Detour, KeptRoot};
use super::entry::{EntryCells, TRAPPED};
use crate::abi::VMControlContext;
use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
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

pub(crate) const SAVES_REGISTERS: bool = true;

/// The registers that a function with the System V calling convention preserves, but the frame and the stack pointer: `rbx`, `r12`,
/// `r13`, `r14` and `r15`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct SavedRegisters([usize; 5]);

impl SavedRegisters {
    pub(crate) const EMPTY: SavedRegisters = SavedRegisters([0; 5]);

    /// Stores the registers here. What a register held when the caller was called is here, or in the frame of a function that
    /// has saved the register since: that of the caller, if not further out. So this has no frame of its own, which might be
    /// below.
    #[inline(always)]
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

/// Continues at `load`, where a `stack_switch` returns `payload`. Returns the word with which a `stack_switch` continues at `store`,
/// or [`TRAPPED`] if a trap unwinds Wasm to here.
///
/// ```text
///   caller's stack                                   stack of the continuation
///   | return address        |                        |                 |
///   | rbp                   | <- entry_fp, store.fp  | frames of Wasm  | <- load.sp
///   | rbx, r12 to r15       |                        +-----------------+
///   | (a word)              | <- entry_sp, store.sp
///   +-----------------------+    entry_trap_handler, store.pc: in this function
/// ```
///
/// # Safety
///
/// 1. `cells` are valid, and this is the innermost entry into Wasm of the store that they belong to.
/// 2. `load` has the registers that a `stack_switch` stored, those of a detour (W1) or of a fresh continuation, and nothing has continued there
///    since. `payload` is a word that is expected there.
/// 3. `store` is valid. The continuation at `load` continues there when it suspends or ends (N1).
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn enter(
    cells: &EntryCells,
    store: *mut VMControlContext,
    load: *const VMControlContext,
    payload: u64,
) -> u64 {
    naked_asm!(
        ".cfi_startproc",
        // rdi: the cells, rsi: where to store, rdx: what to load, rcx: the payload.
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
        "sub rsp, 8",
        "mov rax, [rdi + {cell_fp}]",
        "mov [rax], rbp",
        "mov rax, [rdi + {cell_sp}]",
        "mov [rax], rsp",
        "mov rax, [rdi + {cell_trap_handler}]",
        "lea r8, [rip + 2f]",
        "mov [rax], r8",
        "lea r8, [rip + 3f]",
        "mov [rsi + {sp}], rsp",
        "mov [rsi + {fp}], rbp",
        "mov [rsi + {pc}], r8",
        "mov rsp, [rdx + {sp}]",
        "mov rbp, [rdx + {fp}]",
        "mov rdi, rcx",
        "jmp qword ptr [rdx + {pc}]",
        // A trap: rsp and rbp are those that were stored.
        "2:",
        "mov rdi, {trapped}",
        // A switch: its payload is in rdi.
        "3:",
        "mov rax, rdi",
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
        cell_fp = const offset_of!(EntryCells, fp),
        cell_sp = const offset_of!(EntryCells, sp),
        cell_trap_handler = const offset_of!(EntryCells, trap_handler),
        sp = const offset_of!(VMControlContext, sp),
        fp = const offset_of!(VMControlContext, fp),
        pc = const offset_of!(VMControlContext, pc),
        trapped = const TRAPPED.cast_signed(),
    )
}

/// Makes the processor load the cache line of `address`, and does not wait for it. The address may be any.
#[inline]
pub(crate) fn prefetch(address: *const u8) {
    // SAFETY: all x86-64 processors have SSE. The instruction neither faults nor changes what is in memory: Intel's manual, volume 2,
    // PREFETCHh.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
}

/// The address of [`write_back`]: the `control.pc` of a continuation with a [`Detour`].
pub(crate) fn write_back_address() -> usize {
    write_back as *const () as usize
}

/// Writes the references of a [`Detour`] to their slots, and goes on where the stack was left.
///
/// ```text
///   Detour                                    stack of the continuation
///   | control.fp   | <- rbp                   |                |
///   | control.pc   |                          | frames of Wasm | <- rsp
///   | roots, count |--> | slot | value |--->  +----------------+
/// ```
///
/// rbp points to a frame record: `fp` and `pc` of the place where the stack was left. So a walk by frame pointers from this function
/// finds the frames of Wasm. A `stack_switch` expects its payload in rdi, and clobbers all other registers but rsp and rbp.
///
/// # Safety
///
/// Nothing calls this. A `stack_switch` enters it with the registers of a detour (W1).
#[unsafe(naked)]
unsafe extern "sysv64" fn write_back() {
    naked_asm!(
        ".cfi_startproc simple",
        // As in `bottom_of_stack`: the record at rbp is that of the caller, as unwinders see it, and lies elsewhere than its stack.
        ".cfi_signal_frame",
        ".cfi_def_cfa rbp, 16",
        ".cfi_offset rbp, -16",
        ".cfi_offset rip, -8",
        "mov rax, [rbp + {roots}]",
        "mov rcx, [rbp + {count}]",
        // It is not zero (W1).
        "2:",
        "mov rdx, [rax + {slot}]",
        "mov esi, [rax + {value}]",
        "mov [rdx], esi",
        "add rax, {size}",
        "sub rcx, 1",
        "jnz 2b",
        "mov rax, [rbp + 8]",
        "mov rbp, [rbp]",
        "jmp rax",
        ".cfi_endproc",
        roots = const offset_of!(Detour, roots) - offset_of!(Detour, control.fp),
        count = const offset_of!(Detour, count) - offset_of!(Detour, control.fp),
        slot = const offset_of!(KeptRoot, slot),
        value = const offset_of!(KeptRoot, value),
        size = const size_of::<KeptRoot>(),
    )
}

/// Where [`suspend`] goes on.
pub(crate) fn resumed_address() -> usize {
    resumed as *const () as usize
}

/// Continues at `load`, where a `stack_switch` returns `payload`. Returns the word with which a `stack_switch` continues at `own`.
///
/// ```text
///   stack of the continuation                   own
///   | Wasm, which calls the host    |             sp ---> below rbp and what else is preserved
///   | trampoline, the host's frames |             fp ---> left: `fp` and `pc` of Wasm, for those who walk the stack
///   | return address                |             pc = resumed
///   | rbp, rbx, r12 to r15          | <- own.sp
///   +-------------------------------+
/// ```
///
/// # Safety
///
/// 1. `own` is valid. This is called on the stack of a continuation, which will be resumed at `own` or be given back as it is.
/// 2. `left` is the address of `fp` in a control context, on this stack.
/// 3. `load` has the registers that a `stack_switch` or [`enter`] stored, and nothing has continued there since. `payload` is a word
///    that is expected there.
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn suspend(
    own: *mut VMControlContext,
    left: *const usize,
    load: *const VMControlContext,
    payload: u64,
) -> u64 {
    naked_asm!(
        // rdi: where to store, rsi: what to store as fp, rdx: what to load, rcx: the payload.
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "lea rax, [rip + {resumed}]",
        "mov [rdi + {sp}], rsp",
        "mov [rdi + {fp}], rsi",
        "mov [rdi + {pc}], rax",
        "mov rsp, [rdx + {sp}]",
        "mov rbp, [rdx + {fp}]",
        "mov rdi, rcx",
        "jmp qword ptr [rdx + {pc}]",
        resumed = sym resumed,
        sp = const offset_of!(VMControlContext, sp),
        fp = const offset_of!(VMControlContext, fp),
        pc = const offset_of!(VMControlContext, pc),
    )
}

/// The second half of [`suspend`]. A `stack_switch` comes here, with its payload in rdi.
#[unsafe(naked)]
unsafe extern "sysv64" fn resumed() {
    naked_asm!("mov rax, rdi", "pop r15", "pop r14", "pop r13", "pop r12", "pop rbx", "pop rbp", "ret",)
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
