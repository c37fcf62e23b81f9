//! The lists of the free continuations and the idle stacks of a store (`wasmfx_runtime::abi`, C4).

use super::stack_header::StackHeader;
use crate::env::Memory;
use crate::view::context::Context;
use crate::view::contref::ContRef;
use crate::view::object::Object;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::offsets;

impl Context {
    /// Adds `number` to the word at this offset.
    fn add(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, offset: i32, number: i64) {
        let before = self.pointer(env, builder, offset);
        let after = builder.ins().iadd_imm_s(before, number);
        self.store(env, builder, after, offset);
    }

    /// The first free continuation, or null.
    pub(crate) fn free(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> ContRef {
        ContRef(self.pointer(env, builder, offsets::VMCONTINUATIONCONTEXT_FREE))
    }

    /// Pops `cont`, the first free continuation, from the list, and counts it as made.
    pub(crate) fn take_free(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, cont: ContRef) {
        let next = cont.parent(env, builder);
        self.store(env, builder, next.0, offsets::VMCONTINUATIONCONTEXT_FREE);
        self.add(env, builder, offsets::VMCONTINUATIONCONTEXT_CREATED, 1);
    }

    /// The first idle stack, or null.
    pub(crate) fn stack(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> StackHeader {
        StackHeader(self.pointer(env, builder, offsets::VMCONTINUATIONCONTEXT_STACKS))
    }

    /// Pops `stack`, the first idle stack, from the list, and returns the stack limit of the continuation that gets it.
    pub(crate) fn take_stack(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        stack: StackHeader,
    ) -> Value {
        let next = stack.pointer(env, builder, offsets::VMSTACKHEADER_NEXT);
        self.store(env, builder, next, offsets::VMCONTINUATIONCONTEXT_STACKS);
        self.add(env, builder, offsets::VMCONTINUATIONCONTEXT_ROOM, 1);
        let below = self.pointer(env, builder, offsets::VMCONTINUATIONCONTEXT_LIMIT_BELOW);
        builder.ins().isub(stack.0, below)
    }

    /// How many more stacks may join the list of idle stacks.
    pub(crate) fn room(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        self.pointer(env, builder, offsets::VMCONTINUATIONCONTEXT_ROOM)
    }

    /// Pushes `cont` and its stack on the lists. The code may use both only for the `stack_switch` that leaves the stack, which
    /// has to follow at once (C4). [`Context::room`] must not be zero.
    pub(crate) fn put(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, cont: ContRef) {
        let next = self.free(env, builder);
        let stack = cont.set_free(env, builder, next);
        self.store(env, builder, cont.0, offsets::VMCONTINUATIONCONTEXT_FREE);
        let StackHeader(next) = self.stack(env, builder);
        stack.store(env, builder, next, offsets::VMSTACKHEADER_NEXT);
        self.store(env, builder, stack.0, offsets::VMCONTINUATIONCONTEXT_STACKS);
        self.add(env, builder, offsets::VMCONTINUATIONCONTEXT_ROOM, -1);
    }
}
