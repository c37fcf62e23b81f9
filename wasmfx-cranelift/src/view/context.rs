//! The data that the continuations of a store share.

use super::frame::ResumeFrame;
use super::object::Object;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::offsets;

/// A `*mut VMContinuationContext`: the store's lists (`wasmfx_runtime::abi`, C4) and its barrier (C5).
#[derive(Clone, Copy)]
pub(crate) struct Context(pub(crate) Value);

impl Object for Context {
    fn address(self) -> Value {
        self.0
    }
}

impl Context {
    /// The store's barrier: the frame at which a search for a handler ends (C5).
    pub(crate) fn barrier(self, builder: &mut FunctionBuilder<'_>) -> ResumeFrame {
        ResumeFrame(builder.ins().iadd_imm_s(self.0, i64::from(offsets::VMCONTINUATIONCONTEXT_BARRIER)))
    }
}
