//! The accesses that only the native backend makes. `wasmfx_runtime::native` has the invariants.

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

    /// The stack whose `resume` is the first that a search by this continuation for `key` has to look at: the cached one if the
    /// cache holds, otherwise this continuation itself (N5).
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

    /// Notes that once this continuation is resumed again, its search for `key` may begin at `last`: the cache holds from the
    /// next revision on (N5).
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

    /// Makes the continuation free, with `next` as the next one on the list of free continuations, and returns the stack that it
    /// had.
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

    /// Clears the function, after which the continuation is not fresh.
    pub(crate) fn clear_func(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) {
        let null = builder.ins().iconst(env.pointer_type(), 0);
        self.store(env, builder, null, offsets::VMCONTREF_FUNC);
    }
}

/// The values that a suspended or fresh continuation waits for.
pub(crate) struct Waits {
    /// The slots for these values, and for a payload that does not fit into `args`; `None` if there is neither.
    pub(crate) place: Option<Payload>,
    /// The number of these values.
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
    pub(crate) fn stack(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Stack {
        Stack(self.pointer(env, builder, offsets::VMCONTINUATIONCONTEXT_STACKS))
    }

    /// Pops `stack`, the first idle stack, from the list, and returns the stack limit of the continuation that gets it.
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
    /// Copies the registers of this context to `to`. All loads come before the first store.
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
    /// The word at this offset.
    fn load(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, offset: i32) -> Value {
        let flags = flags(env, builder.func, MemoryRegion::Payload);
        builder.ins().load(env.pointer_type(), flags, self.0, offset)
    }

    /// The address of the first tag of one kind of clause, and the address behind the last.
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

    /// Whether the frame is a barrier, at which a search ends, as an `i8`.
    pub(crate) fn is_barrier(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        let first = self.first(env, builder, ClauseKind::Suspend);
        builder.ins().icmp_imm_s(IntCC::Equal, first, NO_TAG.addr().cast_signed() as i64)
    }

    /// The tag of the first clause of a kind, null if there is none, or `NO_TAG` if the frame is a barrier.
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

    /// Notes the number, an `i32`, of the clause that is taken.
    pub(crate) fn set_clause(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, clause: Value) {
        let flags = flags(env, builder.func, MemoryRegion::Payload);
        builder.ins().store(flags, clause, self.0, offsets::VMRESUMEFRAME_CLAUSE);
    }

    /// The slots for results.
    pub(crate) fn results(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Payload {
        Payload(self.load(env, builder, offsets::VMRESUMEFRAME_VALUES))
    }
}

impl SwitchResult {
    /// The continuation that ended, if the outcome is `outcome`.
    pub(crate) fn ended(self, builder: &mut FunctionBuilder<'_>, outcome: u64) -> ContRef {
        ContRef(builder.ins().iadd_imm_s(self.0, -outcome.cast_signed()))
    }
}

impl Payload {
    /// Loads values of these types from the slots from the first on. Unlike [`Payload::load`], this does not declare the values
    /// that a collector must find.
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
