//! The frame that a `resume` leaves for a search for a handler.

use super::object::flags;
use super::payload::Payload;
use crate::env::{Memory, MemoryRegion};
use cranelift_codegen::cursor::FuncCursor;
use cranelift_codegen::ir::{self, InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::offsets;

/// A `*mut VMResumeFrame`.
#[derive(Clone, Copy)]
pub(crate) struct ResumeFrame(pub(crate) Value);

/// The content of a frame, as `resume` asks for it.
pub(crate) struct ResumeFrameInit<'a> {
    /// The tags of the clauses with labels.
    pub(crate) suspend_tags: &'a [Value],
    /// The tags of the switch clauses.
    pub(crate) switch_tags: &'a [Value],
    /// The slots for results, if there are results.
    pub(crate) results: Option<Payload>,
    /// The number of results, if the backend reads it.
    pub(crate) result_count: Option<usize>,
}

impl ResumeFrame {
    /// The size in bytes of a frame with so many clauses.
    pub(crate) fn size(clauses: usize) -> usize {
        offsets::VMRESUMEFRAME_TAGS as usize + clauses * size_of::<u64>()
    }

    /// Emits the code that fills the frame, except for `clause`, which a search writes.
    pub(crate) fn init(self, env: &mut dyn Memory, pos: &mut FuncCursor<'_>, init: ResumeFrameInit<'_>) {
        let flags = flags(env, pos.func, MemoryRegion::Payload);
        let store = |pos: &mut FuncCursor<'_>, value, offset| {
            pos.ins().store(flags, value, self.0, offset);
        };
        // One store for both counts, which are the halves of one word.
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

    /// The number of the clause that was taken, an `i32`.
    pub(crate) fn clause(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) -> Value {
        let flags = flags(env, builder.func, MemoryRegion::Payload);
        builder.ins().load(ir::types::I32, flags, self.0, offsets::VMRESUMEFRAME_CLAUSE)
    }
}
