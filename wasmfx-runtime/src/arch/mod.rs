//! What this crate needs of the processor beyond Rust. `x86_64.rs` and `aarch64.rs` draw those that leave a stack.
//!
//! Each architecture provides
//! * `CALLS_ON: bool`: whether `call_on` may be called.
//! * `call_on(sp, f, data)`: calls `f(data)` with the stack pointer `sp`, on a stack whose bytes below `sp` are free. Unwinders
//!   that use frame pointers or CFI go from the callee's frames to the caller's.
//! * `stack_pointer() -> usize`: the stack pointer, or an address close to it.
//! * `SAVES_REGISTERS: bool`: whether `SavedRegisters::save` does what it says.
//! * `SavedRegisters`: memory for the registers that a function of the host preserves; `save` stores them there.
//! * `has_shadow_stack() -> bool`: whether the processor keeps a second stack of this thread's return addresses. A switch of
//!   stacks does not switch the shadow stack.
//! * `bottom() -> usize`, with `mapped_stacks`: the return address of the frame that starts a stack. Nothing returns there. An
//!   unwinder that finds this address reads the next frame record at the frame pointer.
//! * `write_back_address() -> usize`: the address of code that takes a [`Detour`]. The code writes the references to their slots,
//!   and goes on where the stack was left. The libcall backend does not jump there: it recognises a detour by this address, and calls
//!   `roots::write_back`.
//! * `suspend(own, left, load, payload) -> word`: continues at the control context `load` with `payload`, until a `stack_switch`
//!   continues at `own` with `word`. `left` is the address of `fp` in the control context at which Wasm has left the stack.
//! * `resumed_address() -> usize`: the `pc` that `suspend` stores.
//! * `prefetch(address)`: makes the processor load the cache line of `address`, which may be any, and does not wait. May do
//!   nothing.
//! * `enter(cells, store, load, payload) -> word`: continues at the control context `load` with `payload`, until a `stack_switch`
//!   continues at `store` with `word`, or a trap unwinds Wasm to here: [`TRAPPED`].
//! * `jump(control, code) -> !`: continues at the control context `control`, where a `stack_switch` returns `code`.

mod detour;
mod entry;

pub(crate) use self::detour::{Detour, Kept, KeptRoot};
pub use self::entry::EntryCells;
pub(crate) use self::entry::TRAPPED;

#[cfg(all(assembly, target_arch = "aarch64"))]
mod aarch64;
#[cfg(all(assembly, target_arch = "aarch64"))]
pub(crate) use aarch64::*;

#[cfg(all(assembly, target_arch = "x86_64"))]
mod x86_64;
#[cfg(all(assembly, target_arch = "x86_64"))]
pub(crate) use x86_64::*;

#[cfg(not(assembly))]
mod none;
#[cfg(not(assembly))]
pub(crate) use none::*;
