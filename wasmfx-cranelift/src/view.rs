//! Typed views over `ir::Value`: translation never sees an offset.

use crate::env::{FuncEnv, Region};
use cranelift_codegen::cursor::FuncCursor;
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, Type, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::layout::{SLOT_SIZE, offsets};
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

    /// The continuation and the revision.
    pub(crate) fn split(self, pos: &mut FuncCursor<'_>) -> (ContRef, Value) {
        let (contref, revision) = pos.ins().isplit(self.0);
        (ContRef(contref), revision)
    }
}

/// A `*mut VMContRef`.
#[derive(Clone, Copy)]
pub(crate) struct ContRef(pub(crate) Value);

impl ContRef {
    fn load(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, ty: Type, offset: i32) -> Value {
        let flags = flags(env, builder.func, Region::ContRef);
        builder.ins().load(ty, flags, self.0, offset)
    }

    fn store(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, value: Value, offset: i32) {
        let flags = flags(env, builder.func, Region::ContRef);
        builder.ins().store(flags, value, self.0, offset);
    }

    pub(crate) fn revision(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) -> Value {
        let ty = env.pointer_type();
        self.load(env, builder, ty, offsets::VMCONTREF_REVISION)
    }

    pub(crate) fn set_revision(
        self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        revision: Value,
    ) {
        self.store(env, builder, revision, offsets::VMCONTREF_REVISION);
    }

    /// How many values are bound, an `i32`.
    pub(crate) fn bound(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) -> Value {
        self.load(env, builder, ir::types::I32, offsets::VMCONTREF_VALUES_LENGTH)
    }

    pub(crate) fn set_bound(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, bound: Value) {
        self.store(env, builder, bound, offsets::VMCONTREF_VALUES_LENGTH);
    }

    /// Where the next unbound value goes.
    pub(crate) fn next_value(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) -> Payload {
        let ty = env.pointer_type();
        let data = self.load(env, builder, ty, offsets::VMCONTREF_VALUES_DATA);
        let bound = self.bound(env, builder);
        let bound = builder.ins().uextend(ty, bound);
        let offset = builder.ins().imul_imm_s(bound, SLOT_SIZE as i64);
        Payload(builder.ins().iadd(data, offset))
    }
}

/// A `*mut VMResumeFrame`.
#[derive(Clone, Copy)]
pub(crate) struct ResumeFrame(pub(crate) Value);

/// What a resume tells the runtime.
pub(crate) struct ResumeFrameInit<'a> {
    /// The tags of the clauses with labels.
    pub(crate) suspend_tags: &'a [Value],
    /// The tags of the switch clauses.
    pub(crate) switch_tags: &'a [Value],
    /// How many results there are, and where they go.
    pub(crate) results: (usize, Payload),
}

impl ResumeFrame {
    /// Bytes of a frame with so many clauses.
    pub(crate) fn size(clauses: usize) -> usize {
        offsets::VMRESUMEFRAME_TAGS as usize + clauses * size_of::<u64>()
    }

    pub(crate) fn init(
        self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        init: ResumeFrameInit<'_>,
    ) {
        for (count, offset) in [
            (init.suspend_tags.len(), offsets::VMRESUMEFRAME_SUSPEND_COUNT),
            (init.switch_tags.len(), offsets::VMRESUMEFRAME_SWITCH_COUNT),
            (init.results.0, offsets::VMRESUMEFRAME_RESULT_COUNT),
        ] {
            let count = builder.ins().iconst(ir::types::I32, count as i64);
            self.store(env, builder, count, offset);
        }
        self.store(env, builder, init.results.1.0, offsets::VMRESUMEFRAME_VALUES);
        let tags = init.suspend_tags.iter().chain(init.switch_tags);
        for (offset, tag) in (offsets::VMRESUMEFRAME_TAGS..).step_by(size_of::<u64>()).zip(tags) {
            self.store(env, builder, *tag, offset);
        }
    }

    fn store(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, value: Value, offset: i32) {
        let flags = flags(env, builder.func, Region::Payload);
        builder.ins().store(flags, value, self.0, offset);
    }

    fn load(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, offset: i32) -> Value {
        let flags = flags(env, builder.func, Region::Payload);
        builder.ins().load(env.pointer_type(), flags, self.0, offset)
    }

    /// The payload of the clause that was taken.
    pub(crate) fn payload(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) -> Payload {
        Payload(self.load(env, builder, offsets::VMRESUMEFRAME_VALUES))
    }

    /// The continuation that was captured for the clause that was taken.
    pub(crate) fn captured(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) -> ContObj {
        let contref = self.load(env, builder, offsets::VMRESUMEFRAME_CONTREF);
        let revision = self.load(env, builder, offsets::VMRESUMEFRAME_REVISION);
        ContObj::new(&mut builder.cursor(), ContRef(contref), revision)
    }
}

/// The address of a row of payload slots.
#[derive(Clone, Copy)]
pub(crate) struct Payload(pub(crate) Value);

impl Payload {
    /// Stores values in slots from the first on.
    pub(crate) fn store(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, values: &[Value]) {
        let flags = slot_flags(env, builder.func);
        for (i, value) in values.iter().enumerate() {
            builder.ins().store(flags, *value, self.0, slot_offset(i));
        }
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
fn flags(env: &mut dyn FuncEnv, func: &mut ir::Function, region: Region) -> MemFlagsData {
    let region = env.region(func, region);
    MemFlagsData::trusted().with_alias_region(Some(region))
}

/// As [`flags`], for payloads: little-endian, as `ValRaw` is, so that a fresh continuation's arguments
/// are what the array calling convention expects.
fn slot_flags(env: &mut dyn FuncEnv, func: &mut ir::Function) -> MemFlagsData {
    flags(env, func, Region::Payload).with_endianness(ir::Endianness::Little)
}
