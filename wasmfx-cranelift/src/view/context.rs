//! The data that the continuations of a store share.

use super::contref::ContRef;
use super::frame::ResumeFrame;
use super::object::Object;
use crate::env::Memory;
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
    /// The number of continuations that the store has made, a word.
    pub(crate) fn known_count(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        self.pointer(env, builder, offsets::VMCONTINUATIONCONTEXT_KNOWN_COUNT)
    }

    /// The continuation with this number, a word from 1 to [`Context::known_count`].
    pub(crate) fn known(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        number: Value,
    ) -> ContRef {
        let known = self.pointer(env, builder, offsets::VMCONTINUATIONCONTEXT_KNOWN);
        let size = env.pointer_type().bytes() as i32;
        let offset = builder.ins().imul_imm_s(number, i64::from(size));
        let beyond = Context(builder.ins().iadd(known, offset));
        ContRef(beyond.pointer(env, builder, -size))
    }

    /// The store's barrier: the frame at which a search for a handler ends (C5).
    pub(crate) fn barrier(self, builder: &mut FunctionBuilder<'_>) -> ResumeFrame {
        ResumeFrame(builder.ins().iadd_imm_s(self.0, i64::from(offsets::VMCONTINUATIONCONTEXT_BARRIER)))
    }
}
