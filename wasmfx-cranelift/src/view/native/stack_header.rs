//! The header of a stack.

use crate::env::Memory;
use crate::view::object::Object;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::offsets;

/// A `*mut VMStackHeader`.
#[derive(Clone, Copy)]
pub(crate) struct StackHeader(pub(crate) Value);

impl Object for StackHeader {
    fn address(self) -> Value {
        self.0
    }
}

impl StackHeader {
    /// The header of the stack that runs, in its entry code.
    pub(crate) fn of_entry(env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> StackHeader {
        let fp = builder.ins().get_frame_pointer(env.pointer_type());
        StackHeader(builder.ins().iadd_imm_s(fp, i64::from(offsets::ENTRY_FP_TO_VMSTACKHEADER)))
    }

    /// Sets the return address of the entry code.
    pub(crate) fn set_return_address(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) {
        let bottom = self.pointer(env, builder, offsets::VMSTACKHEADER_BOTTOM);
        self.store(env, builder, bottom, offsets::VMSTACKHEADER_RETURN_ADDRESS);
    }
}
