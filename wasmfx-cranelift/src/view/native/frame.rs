//! The clauses of a `resume`'s frame, as a search reads them.

use crate::env::{Memory, MemoryRegion};
use crate::view::frame::ResumeFrame;
use crate::view::object::flags;
use crate::view::payload::Payload;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::{NO_TAG, offsets};

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
