//! A continuation.

use super::frame::ResumeFrame;
use super::object::Object;
use super::payload::Payload;
use crate::env::{Backend, FuncEnv, Memory};
use cranelift_codegen::ir::{self, InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::{INLINE_ARGS, SLOT_SIZE, offsets};

/// A `*mut VMContRef`.
#[derive(Clone, Copy)]
pub(crate) struct ContRef(pub(crate) Value);

impl Object for ContRef {
    fn address(self) -> Value {
        self.0
    }
}

impl ContRef {
    /// The revision, a word (C1).
    pub(crate) fn revision(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        self.pointer(env, builder, offsets::VMCONTREF_REVISION)
    }

    /// Sets what [`ContRef::revision`] returns.
    pub(crate) fn set_revision(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        revision: Value,
    ) {
        self.store(env, builder, revision, offsets::VMCONTREF_REVISION);
    }

    /// The number by which the heap knows the continuation, an `i32`.
    pub(crate) fn heap_number(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        self.load(env, builder, ir::types::I32, offsets::VMCONTREF_HEAP_NUMBER)
    }

    /// The highest revision of a reference that was written to the heap, a word (C6).
    pub(crate) fn heap_revision(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        self.pointer(env, builder, offsets::VMCONTREF_HEAP_REVISION)
    }

    /// Sets what [`ContRef::heap_revision`] returns.
    pub(crate) fn set_heap_revision(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        revision: Value,
    ) {
        self.store(env, builder, revision, offsets::VMCONTREF_HEAP_REVISION);
    }

    /// The number of the type that the reference with that revision is known to have, an `i32` (C6).
    pub(crate) fn heap_type(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        self.load(env, builder, ir::types::I32, offsets::VMCONTREF_HEAP_TYPE)
    }

    /// Sets what [`ContRef::heap_type`] returns.
    pub(crate) fn set_heap_type(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, ty: Value) {
        self.store(env, builder, ty, offsets::VMCONTREF_HEAP_TYPE);
    }

    /// How many values are bound, an `i32`.
    pub(crate) fn bound(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        self.load(env, builder, ir::types::I32, offsets::VMCONTREF_VALUES_LENGTH)
    }

    /// Sets what [`ContRef::bound`] returns.
    pub(crate) fn set_bound(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, bound: Value) {
        self.store(env, builder, bound, offsets::VMCONTREF_VALUES_LENGTH);
    }

    /// The number of the function type whose parameters begin with the types of the bound values, an `i32`.
    pub(crate) fn bound_types(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        self.load(env, builder, ir::types::I32, offsets::VMCONTREF_BOUND_TYPES)
    }

    /// Sets what [`ContRef::bound_types`] returns.
    pub(crate) fn set_bound_types(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, ty: Value) {
        self.store(env, builder, ty, offsets::VMCONTREF_BOUND_TYPES);
    }

    /// The first slot of the values that the continuation takes: `values.data`.
    pub(crate) fn values(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Payload {
        Payload(self.pointer(env, builder, offsets::VMCONTREF_VALUES_DATA))
    }

    /// The payload, of so many values, of the `suspend` that captured this continuation.
    pub(crate) fn payload(
        self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        values: usize,
    ) -> Payload {
        match env.backend() {
            Backend::Native if values <= INLINE_ARGS => self.args(builder),
            _ => self.values(env, builder),
        }
    }

    /// The slots in the `VMContRef` itself, `INLINE_ARGS` of them.
    pub(crate) fn args(self, builder: &mut FunctionBuilder<'_>) -> Payload {
        Payload(builder.ins().iadd_imm_s(self.0, i64::from(offsets::VMCONTREF_ARGS)))
    }

    /// The slot of the next value that is not bound yet.
    pub(crate) fn next_value(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Payload {
        let Payload(data) = self.values(env, builder);
        let bound = self.bound(env, builder);
        let bound = builder.ins().uextend(env.pointer_type(), bound);
        let offset = builder.ins().imul_imm_s(bound, SLOT_SIZE as i64);
        Payload(builder.ins().iadd(data, offset))
    }

    /// The frame of the `resume` that runs this stack, or the store's barrier.
    pub(crate) fn resume(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> ResumeFrame {
        ResumeFrame(self.pointer(env, builder, offsets::VMCONTREF_RESUME))
    }

    /// Sets what [`ContRef::resume`] returns.
    pub(crate) fn set_resume(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        frame: ResumeFrame,
    ) {
        self.store(env, builder, frame.0, offsets::VMCONTREF_RESUME);
    }

    /// Clears the handler cache, so that a search by this continuation begins at its own `resume` (`wasmfx_runtime::native`, N5).
    pub(crate) fn clear_handler_cache(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) {
        let null = builder.ins().iconst(env.pointer_type(), 0);
        self.store(env, builder, null, offsets::VMCONTREF_HANDLER_CACHE_REVISION);
    }
}
