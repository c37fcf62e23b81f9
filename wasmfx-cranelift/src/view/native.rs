//! What the native backend reads and writes besides; `wasmfx_runtime::native` has the invariants.

use super::context::Context;
use super::contref::ContRef;
use super::frame::ResumeFrame;
use super::object::{Object, flags};
use super::payload::{Payload, slot_flags, slot_offset};
use super::switch_result::SwitchResult;
use crate::env::{Memory, MemoryRegion};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, Type, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::{NO_TAG, offsets};

impl ContRef {
    /// Where it goes on.
    pub(crate) fn control(self, builder: &mut FunctionBuilder<'_>) -> Control {
        Control(builder.ins().iadd_imm_s(self.0, i64::from(offsets::VMCONTREF_CONTROL)))
    }

    /// Where its parent goes on.
    pub(crate) fn parent_control(self, builder: &mut FunctionBuilder<'_>) -> Control {
        Control(builder.ins().iadd_imm_s(self.0, i64::from(offsets::VMCONTREF_PARENT_CONTROL)))
    }

    pub(crate) fn set_entry(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, entry: Value) {
        self.store(env, builder, entry, offsets::VMCONTREF_CONTROL_PC);
    }

    pub(crate) fn parent(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> ContRef {
        ContRef(self.pointer(env, builder, offsets::VMCONTREF_PARENT))
    }

    /// Says what runs it: `frame`, in the stack of `parent`.
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

    /// Notes that it has resumed `child`, the outermost of what runs above it.
    pub(crate) fn set_child(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, child: ContRef) {
        self.store(env, builder, child.0, offsets::VMCONTREF_CHILD);
    }

    pub(crate) fn stack_limit(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        self.pointer(env, builder, offsets::VMCONTREF_STACK_LIMIT)
    }

    /// The outermost stack that was captured with it, which runs from now on.
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

    /// Makes it suspended: captured with what is between it and `last`.
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
        // Both lengths in one word: none is bound.
        const { assert!(offsets::VMCONTREF_VALUES_LENGTH + 4 == offsets::VMCONTREF_VALUES_CAPACITY) };
        let capacity = u32::try_from(waits.capacity).expect("validation bounds the number of values");
        let lengths = u64::from(capacity) << if env.is_big_endian() { 0 } else { 32 };
        let lengths = builder.ins().iconst(ir::types::I64, lengths.cast_signed());
        self.store(env, builder, lengths, offsets::VMCONTREF_VALUES_LENGTH);
    }

    /// Where a search by it for `key` may begin: at itself, if it knows nothing better.
    pub(crate) fn cached_handler(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        key: Value,
    ) -> ContRef {
        let known = self.pointer(env, builder, offsets::VMCONTREF_HANDLER_CACHE_KEY);
        let since = self.pointer(env, builder, offsets::VMCONTREF_HANDLER_CACHE_REVISION);
        let revision = self.revision(env, builder);
        let same_key = builder.ins().icmp(IntCC::Equal, known, key);
        let same_revision = builder.ins().icmp(IntCC::Equal, since, revision);
        let holds = builder.ins().band(same_key, same_revision);
        let last = self.pointer(env, builder, offsets::VMCONTREF_HANDLER_CACHE_LAST);
        ContRef(builder.ins().select(holds, last, self.0))
    }

    /// Notes that once it is resumed again, a search by it for `key` may begin at `last`.
    pub(crate) fn set_handler_cache(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        key: Value,
        last: ContRef,
    ) {
        self.store(env, builder, key, offsets::VMCONTREF_HANDLER_CACHE_KEY);
        self.store(env, builder, last.0, offsets::VMCONTREF_HANDLER_CACHE_LAST);
        let revision = self.revision(env, builder);
        let next = builder.ins().iadd_imm_s(revision, 1);
        self.store(env, builder, next, offsets::VMCONTREF_HANDLER_CACHE_REVISION);
    }

    /// What a fresh one will run: the function, and its caller's context.
    pub(crate) fn to_run(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> (Value, Value) {
        (
            self.pointer(env, builder, offsets::VMCONTREF_FUNC),
            self.pointer(env, builder, offsets::VMCONTREF_CALLER_VMCTX),
        )
    }

    /// Makes it fresh: it will run `func`, for `caller_vmctx`, and has room of its own for so many arguments.
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

    /// Gives it a stack, to start at its top.
    pub(crate) fn set_stack(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        stack: Stack,
        limit: Value,
    ) {
        self.store(env, builder, stack.0, offsets::VMCONTREF_STACK);
        let sp = builder.ins().iadd_imm_s(stack.0, i64::from(offsets::VMSTACKHEADER_RETURN_ADDRESS));
        self.store(env, builder, sp, offsets::VMCONTREF_CONTROL_SP);
        let fp = builder.ins().iadd_imm_s(self.0, i64::from(offsets::VMCONTREF_PARENT_CONTROL_FP));
        self.store(env, builder, fp, offsets::VMCONTREF_CONTROL_FP);
        self.store(env, builder, limit, offsets::VMCONTREF_STACK_LIMIT);
    }

    /// Makes it free, the first of the list that goes on with `next`. Its stack is returned.
    pub(crate) fn set_free(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        next: ContRef,
    ) -> Stack {
        let stack = self.pointer(env, builder, offsets::VMCONTREF_STACK);
        let null = builder.ins().iconst(env.pointer_type(), 0);
        for offset in [offsets::VMCONTREF_STACK, offsets::VMCONTREF_STACK_LIMIT, offsets::VMCONTREF_RESUME] {
            self.store(env, builder, null, offset);
        }
        self.store(env, builder, next.0, offsets::VMCONTREF_PARENT);
        Stack(stack)
    }

    /// Notes that it is not fresh any more.
    pub(crate) fn clear_func(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) {
        let null = builder.ins().iconst(env.pointer_type(), 0);
        self.store(env, builder, null, offsets::VMCONTREF_FUNC);
    }
}

/// What a suspended continuation waits for.
pub(crate) struct Waits {
    /// Where it goes, and where a payload is that is not in the continuation itself; `None` if there is neither.
    pub(crate) place: Option<Payload>,
    /// How many values.
    pub(crate) capacity: usize,
}

/// A `*mut VMStackHeader`.
#[derive(Clone, Copy)]
pub(crate) struct Stack(pub(crate) Value);

impl Object for Stack {
    fn address(self) -> Value {
        self.0
    }
}

impl Context {
    fn add(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, offset: i32, number: i64) {
        let before = self.pointer(env, builder, offset);
        let after = builder.ins().iadd_imm_s(before, number);
        self.store(env, builder, after, offset);
    }

    /// The first free continuation, or null.
    pub(crate) fn free(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> ContRef {
        ContRef(self.pointer(env, builder, offsets::VMCONTINUATIONCONTEXT_FREE))
    }

    /// Takes the first free continuation, `cont`, to make something of it.
    pub(crate) fn take_free(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, cont: ContRef) {
        let next = cont.parent(env, builder);
        self.store(env, builder, next.0, offsets::VMCONTINUATIONCONTEXT_FREE);
        self.add(env, builder, offsets::VMCONTINUATIONCONTEXT_CREATED, 1);
    }

    /// The first idle stack, or null.
    pub(crate) fn stack(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Stack {
        Stack(self.pointer(env, builder, offsets::VMCONTINUATIONCONTEXT_STACKS))
    }

    /// Takes the first idle stack, `stack`, and returns the stack limit of who runs on it.
    pub(crate) fn take_stack(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        stack: Stack,
    ) -> Value {
        let next = stack.pointer(env, builder, offsets::VMSTACKHEADER_NEXT);
        self.store(env, builder, next, offsets::VMCONTINUATIONCONTEXT_STACKS);
        self.add(env, builder, offsets::VMCONTINUATIONCONTEXT_ROOM, 1);
        let below = self.pointer(env, builder, offsets::VMCONTINUATIONCONTEXT_LIMIT_BELOW);
        builder.ins().isub(stack.0, below)
    }

    /// How many idle stacks there may be besides.
    pub(crate) fn room(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        self.pointer(env, builder, offsets::VMCONTINUATIONCONTEXT_ROOM)
    }

    /// Frees `cont`, which is done but for the next `stack_switch`, and its stack.
    pub(crate) fn put(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, cont: ContRef) {
        let next = self.free(env, builder);
        let stack = cont.set_free(env, builder, next);
        self.store(env, builder, cont.0, offsets::VMCONTINUATIONCONTEXT_FREE);
        let Stack(next) = self.stack(env, builder);
        stack.store(env, builder, next, offsets::VMSTACKHEADER_NEXT);
        self.store(env, builder, stack.0, offsets::VMCONTINUATIONCONTEXT_STACKS);
        self.add(env, builder, offsets::VMCONTINUATIONCONTEXT_ROOM, -1);
    }
}

/// A `*mut VMControlContext`.
#[derive(Clone, Copy)]
pub(crate) struct Control(pub(crate) Value);

impl Control {
    /// Copies this to `to`.
    pub(crate) fn copy(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, to: Control) {
        let ty = env.pointer_type();
        let flags = flags(env, builder.func, MemoryRegion::ContRef);
        let offsets = (0..i32::from(offsets::VMCONTROLCONTEXT_SIZE)).step_by(size_of::<u64>());
        let words: Vec<_> =
            offsets.map(|offset| (builder.ins().load(ty, flags, self.0, offset), offset)).collect();
        for (word, offset) in words {
            builder.ins().store(flags, word, to.0, offset);
        }
    }
}

/// The kinds of handler clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClauseKind {
    /// `(on $tag $label)`
    Suspend,
    /// `(on $tag switch)`
    Switch,
}

impl ResumeFrame {
    fn load(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, offset: i32) -> Value {
        let flags = flags(env, builder.func, MemoryRegion::Payload);
        builder.ins().load(env.pointer_type(), flags, self.0, offset)
    }

    /// The first of the tags of one kind of clause, and the address behind the last.
    pub(crate) fn tags(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        kind: ClauseKind,
    ) -> (Value, Value) {
        let mut bytes = |offset| {
            let flags = flags(env, builder.func, MemoryRegion::Payload);
            let count = builder.ins().uload32(flags, self.0, offset);
            builder.ins().imul_imm_s(count, size_of::<u64>() as i64)
        };
        let suspend = bytes(offsets::VMRESUMEFRAME_SUSPEND_COUNT);
        let switch = (kind == ClauseKind::Switch).then(|| bytes(offsets::VMRESUMEFRAME_SWITCH_COUNT));
        let first = builder.ins().iadd_imm_s(self.0, i64::from(offsets::VMRESUMEFRAME_TAGS));
        let end = builder.ins().iadd(first, suspend);
        match switch {
            None => (first, end),
            Some(switch) => (end, builder.ins().iadd(end, switch)),
        }
    }

    /// The tag at this address among those of a frame.
    pub(crate) fn tag_at(env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, address: Value) -> Value {
        ResumeFrame(address).load(env, builder, 0)
    }

    /// Whether no search goes beyond it, as an `i8`.
    pub(crate) fn is_barrier(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        let first = self.first(env, builder, ClauseKind::Suspend);
        builder.ins().icmp_imm_s(IntCC::Equal, first, NO_TAG.addr().cast_signed() as i64)
    }

    /// The tag of the first clause of a kind, or null.
    pub(crate) fn first(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        kind: ClauseKind,
    ) -> Value {
        let offset = match kind {
            ClauseKind::Suspend => offsets::VMRESUMEFRAME_FIRST,
            ClauseKind::Switch => offsets::VMRESUMEFRAME_FIRST_SWITCH,
        };
        self.load(env, builder, offset)
    }

    /// Says which clause is taken, by an `i32`.
    pub(crate) fn set_clause(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, clause: Value) {
        let flags = flags(env, builder.func, MemoryRegion::Payload);
        builder.ins().store(flags, clause, self.0, offsets::VMRESUMEFRAME_CLAUSE);
    }

    /// Where results go.
    pub(crate) fn results(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Payload {
        Payload(self.load(env, builder, offsets::VMRESUMEFRAME_VALUES))
    }
}

impl SwitchResult {
    /// The continuation that ended with a certain outcome.
    pub(crate) fn ended(self, builder: &mut FunctionBuilder<'_>, outcome: u64) -> ContRef {
        ContRef(builder.ins().iadd_imm_s(self.0, -outcome.cast_signed()))
    }
}

impl Payload {
    /// Loads values of these types, without saying which a collector must find, from the slots from the first on.
    pub(crate) fn load_untracked(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        types: &[Type],
    ) -> Vec<Value> {
        let flags = slot_flags(env, builder.func);
        let load = |(i, ty): (usize, &Type)| builder.ins().load(*ty, flags, self.0, slot_offset(i));
        types.iter().enumerate().map(load).collect()
    }
}
