//! What a `resume` gets from a switch back to it.

use super::contref::ContRef;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::OUTCOME;

/// What a resume gets: a `*mut VMContRef` and an outcome.
#[derive(Clone, Copy)]
pub(crate) struct SwitchResult(pub(crate) Value);

impl SwitchResult {
    /// The outcome alone, not zero if the continuation ended.
    pub(crate) fn outcome(self, builder: &mut FunctionBuilder<'_>) -> Value {
        builder.ins().band_imm_s(self.0, OUTCOME.cast_signed())
    }

    /// The continuation that was captured, where there is no outcome.
    pub(crate) fn captured(self) -> ContRef {
        ContRef(self.0)
    }
}
