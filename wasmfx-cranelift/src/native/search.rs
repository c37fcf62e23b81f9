//! The search for a handler.

use crate::env::{FuncEnv, Trap};
use crate::view::{ClauseKind, ContRef, ResumeFrame};
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value, condcodes::IntCC, types::I32};
use cranelift_frontend::FunctionBuilder;

/// What a search finds.
pub(super) struct Found {
    /// The outermost stack to capture: the one that the handling `resume` runs.
    pub(super) last: ContRef,
    /// The frame of that `resume`.
    pub(super) frame: ResumeFrame,
    /// The clause's number among those of its kind, an `i32`.
    pub(super) clause: Value,
}

/// Finds the innermost `resume` with a clause of this kind for `tag`, and its first such clause; traps if there is
/// none on this side of the host.
///
/// ```text
///   jump stack(current)
/// stack(cont):
///   trap if cont is null
///   frame = cont.resume
///   jump clause(first)
/// clause(p):
///   brif p == end, stack(cont.parent), compare
/// compare:
///   brif *p == tag, found, clause(p + 8)
/// found:
/// ```
pub(super) fn search(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    kind: ClauseKind,
    current: ContRef,
    tag: Value,
) -> Found {
    let pointer = env.pointer_type();
    let stack = builder.create_block();
    let clause = builder.create_block();
    let outwards = builder.create_block();
    let compare = builder.create_block();
    let next = builder.create_block();
    let found = builder.create_block();
    builder.append_block_param(stack, pointer);
    builder.append_block_param(clause, pointer);

    builder.ins().jump(stack, &[BlockArg::Value(current.0)]);

    builder.switch_to_block(stack);
    let cont = ContRef(builder.block_params(stack)[0]);
    env.trap_if_zero(builder, cont.0, Trap::UnhandledTag);
    let frame = cont.resume(env, builder);
    let (first, end) = frame.tags(env, builder, kind);
    builder.ins().jump(clause, &[BlockArg::Value(first)]);

    builder.switch_to_block(clause);
    let at = builder.block_params(clause)[0];
    let done = builder.ins().icmp(IntCC::Equal, at, end);
    builder.ins().brif(done, outwards, &[], compare, &[]);
    builder.seal_block(outwards);
    builder.seal_block(compare);

    builder.switch_to_block(outwards);
    let parent = cont.parent(env, builder);
    builder.ins().jump(stack, &[BlockArg::Value(parent.0)]);
    builder.seal_block(stack);

    builder.switch_to_block(compare);
    let candidate = ResumeFrame::tag_at(env, builder, at);
    let matches = builder.ins().icmp(IntCC::Equal, candidate, tag);
    builder.ins().brif(matches, found, &[], next, &[]);
    builder.seal_block(found);
    builder.seal_block(next);

    builder.switch_to_block(next);
    let after = builder.ins().iadd_imm_s(at, size_of::<u64>() as i64);
    builder.ins().jump(clause, &[BlockArg::Value(after)]);
    builder.seal_block(clause);

    builder.switch_to_block(found);
    let bytes = builder.ins().isub(at, first);
    let clause = builder.ins().ushr_imm_u(bytes, i64::from(size_of::<u64>().trailing_zeros()));
    let clause = builder.ins().ireduce(I32, clause);
    Found { last: cont, frame, clause }
}
