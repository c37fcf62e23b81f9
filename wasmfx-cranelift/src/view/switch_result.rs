//! The result of the switch or of the call that a `resume` makes.

use super::contref::ContRef;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::OUTCOME;

/// The word that a `resume` gets back: a `*mut VMContRef` with an outcome in the low bits. `wasmfx_runtime::abi` has a table of
/// the meanings.
#[derive(Clone, Copy)]
pub(crate) struct SwitchResult(pub(crate) Value);

impl SwitchResult {
    /// The outcome alone: zero if a clause was taken, and not zero if the continuation ended.
    pub(crate) fn outcome(self, builder: &mut FunctionBuilder<'_>) -> Value {
        builder.ins().band_imm_s(self.0, OUTCOME.cast_signed())
    }

    /// The continuation that was captured, if the outcome is zero.
    pub(crate) fn captured(self) -> ContRef {
        ContRef(self.0)
    }
}
