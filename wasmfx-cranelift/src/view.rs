//! Typed views over `ir::Value`: translation never sees an offset.

use crate::env::{Backend, FuncEnv, Memory, Region};
use cranelift_codegen::cursor::FuncCursor;
#[cfg(feature = "native")]
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, Opcode, Type, Value};
use cranelift_frontend::FunctionBuilder;
#[cfg(feature = "native")]
use wasmfx_runtime::layout::NO_TAG;
use wasmfx_runtime::layout::{INLINE_ARGS, OUTCOME, SLOT_SIZE, offsets};
use wasmtime_environ::WasmValType;

/// A continuation reference: a `VMContObj` as one integer, pointer in its low half.
#[derive(Clone, Copy)]
pub(crate) struct ContObj(pub(crate) Value);

impl ContObj {
    /// The reference to the continuation at `contref` with this revision.
    pub(crate) fn new(pos: &mut FuncCursor<'_>, contref: ContRef, revision: Value) -> ContObj {
        ContObj(pos.ins().iconcat(contref.0, revision))
    }

    /// A null reference.
    pub(crate) fn null(pointer_type: Type, pos: &mut FuncCursor<'_>) -> ContObj {
        let zero = pos.ins().iconst(pointer_type, 0);
        ContObj::new(pos, ContRef(zero), zero)
    }

    /// The continuation and the revision: the very values of which this was made, if that was here. Then the check of a
    /// reference that is used where it was made has nothing to load.
    pub(crate) fn split(self, pos: &mut FuncCursor<'_>) -> (ContRef, Value) {
        let dfg = &pos.func.dfg;
        if let Some(inst) = dfg.value_def(self.0).inst()
            && dfg.insts[inst].opcode() == Opcode::Iconcat
            && let [contref, revision] = *dfg.inst_args(inst)
        {
            return (ContRef(contref), revision);
        }
        let (contref, revision) = pos.ins().isplit(self.0);
        (ContRef(contref), revision)
    }
}

/// A `*mut VMContRef`.
#[derive(Clone, Copy)]
pub(crate) struct ContRef(pub(crate) Value);

/// Something in the region of continuations, by its address.
trait Object: Copy {
    fn address(self) -> Value;

    fn load(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, ty: Type, offset: i32) -> Value {
        let flags = flags(env, builder.func, Region::ContRef);
        builder.ins().load(ty, flags, self.address(), offset)
    }

    fn store(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, value: Value, offset: i32) {
        let flags = flags(env, builder.func, Region::ContRef);
        builder.ins().store(flags, value, self.address(), offset);
    }

    /// The pointer at this offset.
    fn pointer(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, offset: i32) -> Value {
        let ty = env.pointer_type();
        self.load(env, builder, ty, offset)
    }
}

impl Object for ContRef {
    fn address(self) -> Value {
        self.0
    }
}

impl ContRef {
    pub(crate) fn revision(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        self.pointer(env, builder, offsets::VMCONTREF_REVISION)
    }

    pub(crate) fn set_revision(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        revision: Value,
    ) {
        self.store(env, builder, revision, offsets::VMCONTREF_REVISION);
    }

    /// How many values are bound, an `i32`.
    pub(crate) fn bound(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        self.load(env, builder, ir::types::I32, offsets::VMCONTREF_VALUES_LENGTH)
    }

    pub(crate) fn set_bound(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, bound: Value) {
        self.store(env, builder, bound, offsets::VMCONTREF_VALUES_LENGTH);
    }

    /// The number of the function type whose parameters begin with the types of the bound values, an `i32`.
    pub(crate) fn waits_for(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        self.load(env, builder, ir::types::I32, offsets::VMCONTREF_WAITS_FOR)
    }

    pub(crate) fn set_waits_for(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, ty: Value) {
        self.store(env, builder, ty, offsets::VMCONTREF_WAITS_FOR);
    }

    /// The first slot of its values.
    pub(crate) fn values(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Payload {
        Payload(self.pointer(env, builder, offsets::VMCONTREF_VALUES_DATA))
    }

    /// The payload of the tag that it was captured by, of so many values.
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

    /// The slots that it has itself.
    pub(crate) fn args(self, builder: &mut FunctionBuilder<'_>) -> Payload {
        Payload(builder.ins().iadd_imm_s(self.0, i64::from(offsets::VMCONTREF_ARGS)))
    }

    /// Where the next unbound value goes.
    pub(crate) fn next_value(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Payload {
        let Payload(data) = self.values(env, builder);
        let bound = self.bound(env, builder);
        let bound = builder.ins().uextend(env.pointer_type(), bound);
        let offset = builder.ins().imul_imm_s(bound, SLOT_SIZE as i64);
        Payload(builder.ins().iadd(data, offset))
    }

    /// The frame of what runs it.
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

    /// Notes that its search has to begin at itself.
    pub(crate) fn clear_far(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) {
        let null = builder.ins().iconst(env.pointer_type(), 0);
        self.store(env, builder, null, offsets::VMCONTREF_FAR_KEY);
    }
}

/// What the native backend reads and writes; `wasmfx_runtime::native` has the invariants.
#[cfg(feature = "native")]
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
    pub(crate) fn set_suspended(
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
    pub(crate) fn far(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, key: Value) -> ContRef {
        let known = self.pointer(env, builder, offsets::VMCONTREF_FAR_KEY);
        let since = self.pointer(env, builder, offsets::VMCONTREF_FAR_REVISION);
        let revision = self.revision(env, builder);
        let same_key = builder.ins().icmp(IntCC::Equal, known, key);
        let same_revision = builder.ins().icmp(IntCC::Equal, since, revision);
        let holds = builder.ins().band(same_key, same_revision);
        let last = self.pointer(env, builder, offsets::VMCONTREF_FAR_LAST);
        ContRef(builder.ins().select(holds, last, self.0))
    }

    /// Notes that once it is resumed again, a search by it for `key` may begin at `last`.
    pub(crate) fn set_far(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        key: Value,
        last: ContRef,
    ) {
        self.store(env, builder, key, offsets::VMCONTREF_FAR_KEY);
        self.store(env, builder, last.0, offsets::VMCONTREF_FAR_LAST);
        let revision = self.revision(env, builder);
        let next = builder.ins().iadd_imm_s(revision, 1);
        self.store(env, builder, next, offsets::VMCONTREF_FAR_REVISION);
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
        self.set_suspended(env, builder, self, Waits { place, capacity: args });
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
        let sp = builder.ins().iadd_imm_s(stack.0, i64::from(offsets::VMSTACK_RETURN_ADDRESS));
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
#[cfg(feature = "native")]
pub(crate) struct Waits {
    /// Where it goes, and where a payload is that is not in the continuation itself; `None` if there is neither.
    pub(crate) place: Option<Payload>,
    /// How many values.
    pub(crate) capacity: usize,
}

/// A `*mut VMStack`.
#[cfg(feature = "native")]
#[derive(Clone, Copy)]
pub(crate) struct Stack(pub(crate) Value);

#[cfg(feature = "native")]
impl Object for Stack {
    fn address(self) -> Value {
        self.0
    }
}

/// A `*mut VMContinuations`: the store's lists. `wasmfx_runtime::layout`, C4.
#[derive(Clone, Copy)]
pub(crate) struct Lists(pub(crate) Value);

impl Object for Lists {
    fn address(self) -> Value {
        self.0
    }
}

impl Lists {
    /// The frame beyond which no search goes.
    pub(crate) fn barrier(self, builder: &mut FunctionBuilder<'_>) -> ResumeFrame {
        ResumeFrame(builder.ins().iadd_imm_s(self.0, i64::from(offsets::VMCONTINUATIONS_BARRIER)))
    }
}

#[cfg(feature = "native")]
impl Lists {
    fn add(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, offset: i32, number: i64) {
        let before = self.pointer(env, builder, offset);
        let after = builder.ins().iadd_imm_s(before, number);
        self.store(env, builder, after, offset);
    }

    /// The first free continuation, or null.
    pub(crate) fn free(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> ContRef {
        ContRef(self.pointer(env, builder, offsets::VMCONTINUATIONS_FREE))
    }

    /// Takes the first free continuation, `cont`, to make something of it.
    pub(crate) fn take_free(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, cont: ContRef) {
        let next = cont.parent(env, builder);
        self.store(env, builder, next.0, offsets::VMCONTINUATIONS_FREE);
        self.add(env, builder, offsets::VMCONTINUATIONS_CREATED, 1);
    }

    /// The first idle stack, or null.
    pub(crate) fn stack(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Stack {
        Stack(self.pointer(env, builder, offsets::VMCONTINUATIONS_STACKS))
    }

    /// Takes the first idle stack, `stack`, and returns the stack limit of who runs on it.
    pub(crate) fn take_stack(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        stack: Stack,
    ) -> Value {
        let next = stack.pointer(env, builder, offsets::VMSTACK_NEXT);
        self.store(env, builder, next, offsets::VMCONTINUATIONS_STACKS);
        self.add(env, builder, offsets::VMCONTINUATIONS_ROOM, 1);
        let below = self.pointer(env, builder, offsets::VMCONTINUATIONS_LIMIT_BELOW);
        builder.ins().isub(stack.0, below)
    }

    /// How many idle stacks there may be besides.
    pub(crate) fn room(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        self.pointer(env, builder, offsets::VMCONTINUATIONS_ROOM)
    }

    /// Frees `cont`, which is done but for the next `stack_switch`, and its stack.
    pub(crate) fn put(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, cont: ContRef) {
        let next = self.free(env, builder);
        let stack = cont.set_free(env, builder, next);
        self.store(env, builder, cont.0, offsets::VMCONTINUATIONS_FREE);
        let Stack(next) = self.stack(env, builder);
        stack.store(env, builder, next, offsets::VMSTACK_NEXT);
        self.store(env, builder, stack.0, offsets::VMCONTINUATIONS_STACKS);
        self.add(env, builder, offsets::VMCONTINUATIONS_ROOM, -1);
    }
}

/// A `*mut VMControlContext`.
#[cfg(feature = "native")]
#[derive(Clone, Copy)]
pub(crate) struct Control(pub(crate) Value);

#[cfg(feature = "native")]
impl Control {
    /// Copies this to `to`.
    pub(crate) fn copy(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, to: Control) {
        let ty = env.pointer_type();
        let flags = flags(env, builder.func, Region::ContRef);
        let offsets = (0..i32::from(offsets::VMCONTROLCONTEXT_SIZE)).step_by(size_of::<u64>());
        let words: Vec<_> =
            offsets.map(|offset| (builder.ins().load(ty, flags, self.0, offset), offset)).collect();
        for (word, offset) in words {
            builder.ins().store(flags, word, to.0, offset);
        }
    }
}

/// A `*mut VMResumeFrame`.
#[derive(Clone, Copy)]
pub(crate) struct ResumeFrame(pub(crate) Value);

/// The kinds of handler clause.
#[cfg(feature = "native")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClauseKind {
    /// `(on $tag $label)`
    Suspend,
    /// `(on $tag switch)`
    Switch,
}

/// What a resume asks for.
pub(crate) struct ResumeFrameInit<'a> {
    /// The tags of the clauses with labels.
    pub(crate) suspend_tags: &'a [Value],
    /// The tags of the switch clauses.
    pub(crate) switch_tags: &'a [Value],
    /// Where results go, if there are any.
    pub(crate) results: Option<Payload>,
    /// How many results there are, if somebody wants to know.
    pub(crate) result_count: Option<usize>,
}

impl ResumeFrame {
    /// Bytes of a frame with so many clauses.
    pub(crate) fn size(clauses: usize) -> usize {
        offsets::VMRESUMEFRAME_TAGS as usize + clauses * size_of::<u64>()
    }

    pub(crate) fn init(self, env: &mut dyn Memory, pos: &mut FuncCursor<'_>, init: ResumeFrameInit<'_>) {
        let flags = flags(env, pos.func, Region::Payload);
        let store = |pos: &mut FuncCursor<'_>, value, offset| {
            pos.ins().store(flags, value, self.0, offset);
        };
        // Both counts in one word.
        const { assert!(offsets::VMRESUMEFRAME_SUSPEND_COUNT + 4 == offsets::VMRESUMEFRAME_SWITCH_COUNT) };
        let counts = [init.suspend_tags.len(), init.switch_tags.len()]
            .map(|count| u32::try_from(count).expect("validation bounds the number of clauses"));
        let [low, high] = if env.is_big_endian() { [counts[1], counts[0]] } else { counts };
        let counts = pos.ins().iconst(ir::types::I64, (u64::from(high) << 32 | u64::from(low)).cast_signed());
        store(pos, counts, offsets::VMRESUMEFRAME_SUSPEND_COUNT);
        if let Some(Payload(values)) = init.results {
            store(pos, values, offsets::VMRESUMEFRAME_VALUES);
        }
        if let Some(count) = init.result_count {
            let count = pos.ins().iconst(ir::types::I32, count as i64);
            store(pos, count, offsets::VMRESUMEFRAME_RESULT_COUNT);
        }
        let null = pos.ins().iconst(env.pointer_type(), 0);
        let first = |tags: &[Value]| tags.first().copied().unwrap_or(null);
        store(pos, first(init.suspend_tags), offsets::VMRESUMEFRAME_FIRST);
        store(pos, first(init.switch_tags), offsets::VMRESUMEFRAME_FIRST_SWITCH);
        let tags = init.suspend_tags.iter().chain(init.switch_tags);
        for (offset, tag) in (offsets::VMRESUMEFRAME_TAGS..).step_by(size_of::<u64>()).zip(tags) {
            store(pos, *tag, offset);
        }
    }

    #[cfg(feature = "native")]
    fn load(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, offset: i32) -> Value {
        let flags = flags(env, builder.func, Region::Payload);
        builder.ins().load(env.pointer_type(), flags, self.0, offset)
    }

    /// The first of the tags of one kind of clause, and the address behind the last.
    #[cfg(feature = "native")]
    pub(crate) fn tags(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        kind: ClauseKind,
    ) -> (Value, Value) {
        let mut bytes = |offset| {
            let flags = flags(env, builder.func, Region::Payload);
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
    #[cfg(feature = "native")]
    pub(crate) fn tag_at(env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, address: Value) -> Value {
        ResumeFrame(address).load(env, builder, 0)
    }

    /// Whether no search goes beyond it, as an `i8`.
    #[cfg(feature = "native")]
    pub(crate) fn is_barrier(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        let first = self.first(env, builder, ClauseKind::Suspend);
        builder.ins().icmp_imm_s(IntCC::Equal, first, NO_TAG.addr().cast_signed() as i64)
    }

    /// The tag of the first clause of a kind, or null.
    #[cfg(feature = "native")]
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

    /// The number of the clause that was taken, an `i32`.
    pub(crate) fn clause(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        let flags = flags(env, builder.func, Region::Payload);
        builder.ins().load(ir::types::I32, flags, self.0, offsets::VMRESUMEFRAME_CLAUSE)
    }

    /// Says which clause is taken, by an `i32`.
    #[cfg(feature = "native")]
    pub(crate) fn set_clause(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, clause: Value) {
        let flags = flags(env, builder.func, Region::Payload);
        builder.ins().store(flags, clause, self.0, offsets::VMRESUMEFRAME_CLAUSE);
    }

    /// Where results go.
    #[cfg(feature = "native")]
    pub(crate) fn results(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Payload {
        Payload(self.load(env, builder, offsets::VMRESUMEFRAME_VALUES))
    }
}

/// What a resume gets: a `*mut VMContRef` and an outcome.
#[derive(Clone, Copy)]
pub(crate) struct Handed(pub(crate) Value);

impl Handed {
    /// The outcome alone, not zero if the continuation ended.
    pub(crate) fn outcome(self, builder: &mut FunctionBuilder<'_>) -> Value {
        builder.ins().band_imm_s(self.0, OUTCOME.cast_signed())
    }

    /// The continuation that was captured, where there is no outcome.
    pub(crate) fn captured(self) -> ContRef {
        ContRef(self.0)
    }

    /// The continuation that ended with a certain outcome.
    #[cfg(feature = "native")]
    pub(crate) fn ended(self, builder: &mut FunctionBuilder<'_>, outcome: u64) -> ContRef {
        ContRef(builder.ins().iadd_imm_s(self.0, -outcome.cast_signed()))
    }
}

/// The address of a row of payload slots.
#[derive(Clone, Copy)]
pub(crate) struct Payload(pub(crate) Value);

impl Payload {
    /// Stores values in slots from the first on.
    pub(crate) fn store(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, values: &[Value]) {
        let flags = slot_flags(env, builder.func);
        for (i, value) in values.iter().enumerate() {
            builder.ins().store(flags, *value, self.0, slot_offset(i));
        }
    }

    /// Loads values of these types, without saying which a collector must find, from the slots from the first on.
    #[cfg(feature = "native")]
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

    /// The row from the slot with this number on.
    pub(crate) fn skip(self, builder: &mut FunctionBuilder<'_>, slots: usize) -> Payload {
        Payload(builder.ins().iadd_imm_s(self.0, i64::from(slot_offset(slots))))
    }

    /// Loads values of these types from the slots from the first on.
    pub(crate) fn load(
        self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        types: &[WasmValType],
    ) -> Vec<Value> {
        let flags = slot_flags(env, builder.func);
        let mut values = Vec::with_capacity(types.len());
        for (i, ty) in types.iter().enumerate() {
            let value = builder.ins().load(env.value_type(*ty), flags, self.0, slot_offset(i));
            if env.needs_stack_map(*ty) {
                builder.declare_value_needs_stack_map(value);
            }
            values.push(value);
        }
        values
    }
}

fn slot_offset(i: usize) -> i32 {
    i32::try_from(i * SLOT_SIZE).expect("validation bounds the number of values")
}

/// Accesses that neither trap nor alias other regions.
fn flags(env: &mut dyn Memory, func: &mut ir::Function, region: Region) -> MemFlagsData {
    let region = env.region(func, region);
    MemFlagsData::trusted().with_alias_region(Some(region))
}

/// As [`flags`], for payloads: little-endian, as `ValRaw` is, so that a fresh continuation's arguments
/// are what the array calling convention expects.
fn slot_flags(env: &mut dyn Memory, func: &mut ir::Function) -> MemFlagsData {
    flags(env, func, Region::Payload).with_endianness(ir::Endianness::Little)
}
