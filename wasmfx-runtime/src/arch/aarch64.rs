//! The operations for aarch64 with the AAPCS64 calling convention.
//!
//! The code begins with a landing pad (`bti`) wherever a `stack_switch` or Wasmtime's unwinder may go. Wasm jumps with x16, which all
//! landing pads accept, and the unwinder with another register. On processors and systems without branch target identification the
//! instruction does nothing.

use super::detour::{Detour, KeptRoot};
use super::entry::{EntryCells, TRAPPED};
use crate::abi::VMControlContext;
use std::arch::{asm, naked_asm};
use std::mem::offset_of;

/// `ldp` and `stp` move `sp` and `fp` together.
const _: () = assert!(offset_of!(VMControlContext, fp) == offset_of!(VMControlContext, sp) + 8);

/// Stores (`stp`) or loads (`ldp`) the registers that a function preserves, above its frame record at the register `$base`. With the
/// record they take 160 bytes.
macro_rules! preserved {
    ($move:literal, $base:literal) => {
        preserved!($move, $base: x19 x20 16, x21 x22 32, x23 x24 48, x25 x26 64, x27 x28 80,
            d8 d9 96, d10 d11 112, d12 d13 128, d14 d15 144)
    };
    ($move:literal, $base:literal: $($first:ident $second:ident $at:literal),+) => {
        concat!(
            $($move, " ", stringify!($first), ", ", stringify!($second), ", [", $base, ", #", stringify!($at), "]\n"),+
        )
    };
}

pub(crate) const CALLS_ON: bool = true;

/// Calls `f(data)` with the stack pointer `sp`, rounded down to the alignment that a stack pointer has.
///
/// ```text
///   caller's stack            other stack
///   | x30             |      | live frames     |
///   | x29             |<-.   +-----------------+ <- sp
///   +-----------------+  |   | x30             | <- into `call_on`, saved by the callee
///                        `---| x29             |
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
/// 3. `sp` is a multiple of 16, as the processor demands.
#[unsafe(naked)]
unsafe extern "C" fn call_on_aligned(sp: usize, f: unsafe extern "C" fn(*mut ()), data: *mut ()) {
    naked_asm!(
        ".cfi_startproc",
        // As in `bottom_of_stack`: the callee's frames are on another stack, which debuggers accept of signal frames.
        ".cfi_signal_frame",
        // bti c
        "hint #34",
        // x0: the other stack's pointer, x1: what to call, x2: its argument.
        "stp x29, x30, [sp, #-16]!",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset x29, -16",
        ".cfi_offset x30, -8",
        "mov x29, sp",
        ".cfi_def_cfa_register x29",
        "mov sp, x0",
        "mov x0, x2",
        "blr x1",
        // The callee preserves x29, which still holds the caller's stack pointer.
        "mov sp, x29",
        ".cfi_def_cfa_register sp",
        "ldp x29, x30, [sp], #16",
        ".cfi_def_cfa_offset 0",
        ".cfi_restore x29",
        ".cfi_restore x30",
        "ret",
        ".cfi_endproc",
    )
}

pub(crate) const SAVES_REGISTERS: bool = true;

/// The registers that a function with the AAPCS64 calling convention preserves and that may hold an address, but the frame and the
/// stack pointer: `x19` to `x28`. Cranelift has no address in a vector register.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct SavedRegisters([usize; 10]);

impl SavedRegisters {
    pub(crate) const EMPTY: SavedRegisters = SavedRegisters([0; 10]);

    /// Stores the registers here. What a register held when the caller was called is here, or in the frame of a function that
    /// has saved the register since: that of the caller, if not further out. So this has no frame of its own, which might be
    /// below.
    #[inline(always)]
    pub(crate) fn save(&mut self) {
        // SAFETY: the instructions write the ten words of `self` only, as the options say: they use no stack and no flags.
        unsafe {
            asm!(
                "stp x19, x20, [{0}]",
                "stp x21, x22, [{0}, #16]",
                "stp x23, x24, [{0}, #32]",
                "stp x25, x26, [{0}, #48]",
                "stp x27, x28, [{0}, #64]",
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
    unsafe { asm!("mov {0}, sp", out(reg) sp, options(nomem, nostack, preserves_flags)) };
    sp
}

/// Whether this thread has a shadow stack: a guarded control stack.
pub(crate) fn has_shadow_stack() -> bool {
    // Bit 0 asks for the guarded control stack.
    let mut features: u64 = 1;
    // SAFETY: the instruction, CHKFEAT, writes x16 only, which the options say: it uses no memory, no stack and no flags. It clears
    // the bits of the features that are enabled. Processors that do not know it do nothing, so that the bit stays: Arm's
    // architecture reference manual, CHKFEAT.
    unsafe { asm!("hint #40", inout("x16") features, options(nomem, nostack, preserves_flags)) };
    features == 0
}

/// Continues at `control`, where a `stack_switch` returns `code`. The stack of the caller is left for good.
///
/// # Safety
///
/// 1. `control` has the registers that a `stack_switch` stored, and nothing has continued there since.
/// 2. `code` is a word that is expected there: the table in the module `abi` has them all.
/// 3. Nothing returns to the frames of the caller's stack, and none of them has to be dropped.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn jump(control: *const VMControlContext, code: u64) -> ! {
    // Cranelift's payload register is x0. A `stack_switch` clobbers all registers but sp and x29, so that the others are free.
    naked_asm!(
        "hint #34",
        "ldp x9, x29, [x0, #{sp}]",
        "ldr x16, [x0, #{pc}]",
        "mov sp, x9",
        "mov x0, x1",
        "br x16",
        sp = const offset_of!(VMControlContext, sp),
        pc = const offset_of!(VMControlContext, pc),
    )
}

/// Continues at `load`, where a `stack_switch` returns `payload`. Returns the word with which a `stack_switch` continues at `store`,
/// or [`TRAPPED`] if a trap unwinds Wasm to here.
///
/// ```text
///   caller's stack                                   stack of the continuation
///   | d8 to d15             |                        |                 |
///   | x19 to x28            |                        | frames of Wasm  | <- load.sp
///   | x30                   |                        +-----------------+
///   | x29                   | <- entry_fp, store.fp
///   +-----------------------+    entry_sp, store.sp
///                                entry_trap_handler, store.pc: in this function
/// ```
///
/// # Safety
///
/// 1. `cells` are valid, and this is the innermost entry into Wasm of the store that they belong to.
/// 2. `load` has the registers that a `stack_switch` stored, those of a detour (W1) or of a fresh continuation, and nothing has
///    continued there since. `payload` is a word that is expected there.
/// 3. `store` is valid. The continuation at `load` continues there when it suspends or ends (N1).
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn enter(
    cells: &EntryCells,
    store: *mut VMControlContext,
    load: *const VMControlContext,
    payload: u64,
) -> u64 {
    naked_asm!(
        ".cfi_startproc",
        "hint #34",
        // x0: the cells, x1: where to store, x2: what to load, x3: the payload.
        "stp x29, x30, [sp, #-160]!",
        ".cfi_def_cfa_offset 160",
        ".cfi_offset x29, -160",
        ".cfi_offset x30, -152",
        "mov x29, sp",
        ".cfi_def_cfa_register x29",
        preserved!("stp", "x29"),
        ".cfi_offset x19, -144",
        ".cfi_offset x20, -136",
        ".cfi_offset x21, -128",
        ".cfi_offset x22, -120",
        ".cfi_offset x23, -112",
        ".cfi_offset x24, -104",
        ".cfi_offset x25, -96",
        ".cfi_offset x26, -88",
        ".cfi_offset x27, -80",
        ".cfi_offset x28, -72",
        ".cfi_offset d8, -64",
        ".cfi_offset d9, -56",
        ".cfi_offset d10, -48",
        ".cfi_offset d11, -40",
        ".cfi_offset d12, -32",
        ".cfi_offset d13, -24",
        ".cfi_offset d14, -16",
        ".cfi_offset d15, -8",
        "ldr x9, [x0, #{cell_fp}]",
        "str x29, [x9]",
        "ldr x9, [x0, #{cell_sp}]",
        // The frame pointer is the stack pointer.
        "str x29, [x9]",
        "ldr x9, [x0, #{cell_trap_handler}]",
        "adr x10, 2f",
        "str x10, [x9]",
        "adr x10, 3f",
        "stp x29, x29, [x1, #{sp}]",
        "str x10, [x1, #{pc}]",
        "ldp x9, x29, [x2, #{sp}]",
        "ldr x16, [x2, #{pc}]",
        "mov sp, x9",
        "mov x0, x3",
        "br x16",
        // A trap: sp and x29 are those that were stored.
        "2:",
        // bti j
        "hint #36",
        "mov x0, #{trapped}",
        // A switch: its payload is in x0.
        "3:",
        "hint #36",
        preserved!("ldp", "x29"),
        ".cfi_def_cfa_register sp",
        "ldp x29, x30, [sp], #160",
        ".cfi_def_cfa_offset 0",
        ".cfi_restore x29",
        ".cfi_restore x30",
        "ret",
        ".cfi_endproc",
        cell_fp = const offset_of!(EntryCells, fp),
        cell_sp = const offset_of!(EntryCells, sp),
        cell_trap_handler = const offset_of!(EntryCells, trap_handler),
        sp = const offset_of!(VMControlContext, sp),
        pc = const offset_of!(VMControlContext, pc),
        trapped = const TRAPPED.cast_signed(),
    )
}

/// Makes the processor load the cache line of `address`, and does not wait for it. The address may be any.
#[inline]
pub(crate) fn prefetch(address: *const u8) {
    // SAFETY: the instruction neither faults nor changes what is in memory: Arm's architecture reference manual, PRFM.
    unsafe { asm!("prfm pldl1keep, [{0}]", in(reg) address, options(readonly, nostack, preserves_flags)) };
}

/// The address of [`write_back`]: the `control.pc` of a continuation with a [`Detour`].
pub(crate) fn write_back_address() -> usize {
    write_back as *const () as usize
}

/// Writes the references of a [`Detour`] to their slots, and goes on where the stack was left.
///
/// ```text
///   Detour                                    stack of the continuation
///   | control.fp   | <- x29                   |                |
///   | control.pc   |                          | frames of Wasm | <- sp
///   | roots, count |--> | slot | value |--->  +----------------+
/// ```
///
/// x29 points to a frame record: `fp` and `pc` of the place where the stack was left. So a walk by frame pointers from this function
/// finds the frames of Wasm. A `stack_switch` expects its payload in x0, and clobbers all other registers but sp and x29.
///
/// # Safety
///
/// Nothing calls this. A `stack_switch` enters it with the registers of a detour (W1).
#[unsafe(naked)]
unsafe extern "C" fn write_back() {
    naked_asm!(
        ".cfi_startproc simple",
        // As in `bottom_of_stack`: the record at x29 is that of the caller, as unwinders see it, and lies elsewhere than its stack.
        ".cfi_signal_frame",
        ".cfi_def_cfa x29, 16",
        ".cfi_offset x29, -16",
        ".cfi_offset x30, -8",
        "hint #34",
        "ldr x9, [x29, #{roots}]",
        "ldr x10, [x29, #{count}]",
        // It is not zero (W1).
        "2:",
        "ldr x11, [x9, #{slot}]",
        "ldr w12, [x9, #{value}]",
        "str w12, [x11]",
        "add x9, x9, #{size}",
        "subs x10, x10, #1",
        "b.ne 2b",
        "ldp x29, x16, [x29]",
        "br x16",
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
///   | Wasm, which calls the host    |             sp ---> below x29 and what else is preserved
///   | trampoline, the host's frames |             fp ---> left: `fp` and `pc` of Wasm, for those who walk the stack
///   | d8 to d15, x19 to x28         |             pc = resumed
///   | x30, x29                      | <- own.sp
///   +-------------------------------+
/// ```
///
/// # Safety
///
/// 1. `own` is valid. This is called on the stack of a continuation, which will be resumed at `own` or be given back as it is.
/// 2. `left` is the address of `fp` in a control context, on this stack.
/// 3. `load` has the registers that a `stack_switch` or [`enter`] stored, and nothing has continued there since. `payload` is a word
///    that is expected there.
#[inline]
pub(crate) unsafe fn suspend(
    own: *mut VMControlContext,
    left: *const usize,
    load: *const VMControlContext,
    payload: u64,
) -> u64 {
    // SAFETY: of `suspend_at`: 1 to 3: this function's; 4: that function's result.
    unsafe { suspend_at(own, left, load, payload, resumed_address()) }
}

/// As [`suspend`]. `adr` reaches places within 1 MiB only, so that the address of [`resumed`] is an argument.
///
/// # Safety
///
/// 1. to 3. Those of [`suspend`].
/// 4. `resumed` is [`resumed_address`].
#[unsafe(naked)]
unsafe extern "C" fn suspend_at(
    own: *mut VMControlContext,
    left: *const usize,
    load: *const VMControlContext,
    payload: u64,
    resumed: usize,
) -> u64 {
    naked_asm!(
        "hint #34",
        // x0: where to store, x1: what to store as fp, x2: what to load, x3: the payload, x4: what to store as pc.
        "stp x29, x30, [sp, #-160]!",
        preserved!("stp", "sp"),
        "mov x9, sp",
        "stp x9, x1, [x0, #{sp}]",
        "str x4, [x0, #{pc}]",
        "ldp x9, x29, [x2, #{sp}]",
        "ldr x16, [x2, #{pc}]",
        "mov sp, x9",
        "mov x0, x3",
        "br x16",
        sp = const offset_of!(VMControlContext, sp),
        pc = const offset_of!(VMControlContext, pc),
    )
}

/// The second half of [`suspend`]. A `stack_switch` comes here, with its payload in x0.
#[unsafe(naked)]
unsafe extern "C" fn resumed() {
    naked_asm!("hint #36", preserved!("ldp", "sp"), "ldp x29, x30, [sp], #160", "ret",)
}

/// The return address of the frame that starts a stack.
pub(crate) fn bottom() -> usize {
    // Unwinders look up the instruction before a return address, which usually is a call. One instruction further, they find the `nop`.
    bottom_of_stack as *const () as usize + 4
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
extern "C" fn bottom_of_stack() {
    naked_asm!(
        ".cfi_startproc simple",
        // The stack pointer of this frame lies on another stack than that of its neighbour. Debuggers accept this of signal
        // frames.
        ".cfi_signal_frame",
        ".cfi_def_cfa x29, 16",
        ".cfi_offset x29, -16",
        ".cfi_offset x30, -8",
        "nop",
        "udf #0",
        ".cfi_endproc",
    )
}
