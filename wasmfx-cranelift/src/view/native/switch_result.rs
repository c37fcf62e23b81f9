//! The continuation that ended.

use crate::view::contref::ContRef;
use crate::view::switch_result::SwitchResult;
use cranelift_codegen::ir::InstBuilder;
use cranelift_frontend::FunctionBuilder;

impl SwitchResult {
    /// The continuation that ended, if the outcome is `outcome`.
    pub(crate) fn ended(self, builder: &mut FunctionBuilder<'_>, outcome: u64) -> ContRef {
        ContRef(builder.ins().iadd_imm_s(self.0, -outcome.cast_signed()))
    }
}
