//! A continuation's place among the stacks, and the stages of its life.

use super::control::Control;
use super::stack_header::StackHeader;
use crate::env::Memory;
use crate::view::contref::ContRef;
use crate::view::frame::ResumeFrame;
use crate::view::object::Object;
use crate::view::payload::Payload;
use cranelift_codegen::ir::{self, InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::offsets;

/// The values that a suspended or fresh continuation waits for.
pub(crate) struct Waits {
    /// The slots for these values, and for a payload that does not fit into `args`; `None` if there is neither.
    pub(crate) place: Option<Payload>,
    /// The number of these values.
    pub(crate) capacity: usize,
}

impl ContRef {
    /// The registers with which this continuation goes on: `control` (N1).
    pub(crate) fn control(self, builder: &mut FunctionBuilder<'_>) -> Control {
        Control(builder.ins().iadd_imm_s(self.0, i64::from(offsets::VMCONTREF_CONTROL)))
    }

    /// The registers with which the parent of this stack goes on: `parent_control` (N1).
    pub(crate) fn parent_control(self, builder: &mut FunctionBuilder<'_>) -> Control {
        Control(builder.ins().iadd_imm_s(self.0, i64::from(offsets::VMCONTREF_PARENT_CONTROL)))
    }

    /// Sets the program counter of [`ContRef::control`] to the entry code of a fresh continuation.
    pub(crate) fn set_entry(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, entry: Value) {
        self.store(env, builder, entry, offsets::VMCONTREF_CONTROL_PC);
    }

    /// The stack that resumed this one; of a free continuation, the next free one.
    pub(crate) fn parent(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> ContRef {
        ContRef(self.pointer(env, builder, offsets::VMCONTREF_PARENT))
    }

    /// Notes what runs this stack: the `resume` whose frame is `frame`, on the stack of `parent`.
    pub(crate) fn set_parent(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        parent: ContRef,
        frame: ResumeFrame,
    ) {
        self.store(env, builder, parent.0, offsets::VMCONTREF_PARENT);
        self.set_resume(env, builder, frame);
    }

    /// Notes that this stack has resumed stacks of which `child` is the outermost.
    pub(crate) fn set_child(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, child: ContRef) {
        self.store(env, builder, child.0, offsets::VMCONTREF_CHILD);
    }

    /// The lowest stack pointer that Wasm may have on this stack; zero if the continuation has no stack.
    pub(crate) fn stack_limit(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        self.pointer(env, builder, offsets::VMCONTREF_STACK_LIMIT)
    }

    /// The outermost stack that was captured with this continuation. Clears the field: the continuation is running from here on.
    pub(crate) fn take_last_ancestor(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
    ) -> ContRef {
        let last = self.pointer(env, builder, offsets::VMCONTREF_LAST_ANCESTOR);
        let null = builder.ins().iconst(env.pointer_type(), 0);
        self.store(env, builder, null, offsets::VMCONTREF_LAST_ANCESTOR);
        ContRef(last)
    }

    /// Makes this continuation the innermost stack of a capture whose outermost stack is `last`, waiting for values and with none
    /// bound. Its state is then suspended, or fresh if `func` is set.
    pub(crate) fn set_waiting(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        last: ContRef,
        waits: Waits,
    ) {
        self.store(env, builder, last.0, offsets::VMCONTREF_LAST_ANCESTOR);
        if let Some(Payload(place)) = waits.place {
            self.store(env, builder, place, offsets::VMCONTREF_VALUES_DATA);
        }
        // One store for both lengths, which are the halves of one word. The number of bound values is zero.
        const { assert!(offsets::VMCONTREF_VALUES_LENGTH + 4 == offsets::VMCONTREF_VALUES_CAPACITY) };
        let capacity = u32::try_from(waits.capacity).expect("validation bounds the number of values");
        let lengths = u64::from(capacity) << if env.is_big_endian() { 0 } else { 32 };
        let lengths = builder.ins().iconst(ir::types::I64, lengths.cast_signed());
        self.store(env, builder, lengths, offsets::VMCONTREF_VALUES_LENGTH);
    }

    /// What a fresh continuation will run: the `VMFuncRef` of its function, and the context of the caller.
    pub(crate) fn to_run(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> (Value, Value) {
        (
            self.pointer(env, builder, offsets::VMCONTREF_FUNC),
            self.pointer(env, builder, offsets::VMCONTREF_CALLER_VMCTX),
        )
    }

    /// Makes a free continuation fresh: it will run `func` for the caller `caller_vmctx`, and has room in `args` for so many
    /// arguments.
    pub(crate) fn set_fresh(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        func: Value,
        caller_vmctx: Value,
        args: usize,
    ) {
        self.store(env, builder, func, offsets::VMCONTREF_FUNC);
        self.store(env, builder, caller_vmctx, offsets::VMCONTREF_CALLER_VMCTX);
        let own = self.args(builder);
        let place = (args > 0).then_some(own);
        self.set_waiting(env, builder, self, Waits { place, capacity: args });
    }

    /// Gives the continuation a stack, which the first switch to the continuation enters at the top (N1, N2).
    pub(crate) fn set_stack(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        stack: StackHeader,
        limit: Value,
    ) {
        self.store(env, builder, stack.0, offsets::VMCONTREF_STACK);
        let sp = builder.ins().iadd_imm_s(stack.0, i64::from(env.native_isa().entry_sp()));
        self.store(env, builder, sp, offsets::VMCONTREF_CONTROL_SP);
        let fp = builder.ins().iadd_imm_s(self.0, i64::from(offsets::VMCONTREF_PARENT_CONTROL_FP));
        self.store(env, builder, fp, offsets::VMCONTREF_CONTROL_FP);
        self.store(env, builder, limit, offsets::VMCONTREF_STACK_LIMIT);
    }

    /// Makes the continuation free, with `next` as the next one on the list of free continuations, and returns the stack that it
    /// had.
    pub(crate) fn set_free(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        next: ContRef,
    ) -> StackHeader {
        let stack = self.pointer(env, builder, offsets::VMCONTREF_STACK);
        let null = builder.ins().iconst(env.pointer_type(), 0);
        for offset in [offsets::VMCONTREF_STACK, offsets::VMCONTREF_STACK_LIMIT, offsets::VMCONTREF_RESUME] {
            self.store(env, builder, null, offset);
        }
        self.store(env, builder, next.0, offsets::VMCONTREF_PARENT);
        StackHeader(stack)
    }

    /// Clears the function, after which the continuation is not fresh.
    pub(crate) fn clear_func(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) {
        let null = builder.ins().iconst(env.pointer_type(), 0);
        self.store(env, builder, null, offsets::VMCONTREF_FUNC);
    }
}
