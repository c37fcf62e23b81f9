//! The search for a handler.

use super::native;
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
/// none on this side of the host and of the nearest barrier.
///
/// Mostly it is the first clause of the `resume` that runs the current stack. Where it is farther out it mostly is where it
/// was the last time: `wasmfx_runtime::native`, N5.
///
/// The frame of the initial stack is a barrier, so that each search that finds nothing ends with one.
///
/// ```text
///   frame = current.resume
///   brif frame.first == tag, found(current, frame, 0), far
/// far:
///   jump stack(current.far for tag, or current)
/// stack(cont):
///   frame = cont.resume
///   brif first == end, outwards, clause(first)
/// clause(p):
///   brif *p == tag, taken, next
/// next:
///   brif p + 8 != end, clause(p + 8), outwards
/// outwards:
///   cont knows no far handler
///   brif frame is a barrier, unhandled, stack(cont.parent)
/// unhandled:
///   write back what the function caches of its store, and trap
/// taken:
///   cont knows no far handler
///   current.far for tag = cont
///   jump found(cont, frame, n)
/// found(last, frame, clause):
/// ```
pub(super) fn search(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    kind: ClauseKind,
    current: ContRef,
    tag: Value,
) -> Found {
    let pointer = env.pointer_type();
    let found = builder.create_block();
    for ty in [pointer, pointer, I32] {
        builder.append_block_param(found, ty);
    }
    let far = builder.create_block();
    let stack = builder.create_block();
    builder.append_block_param(stack, pointer);
    builder.set_cold_block(far);
    builder.set_cold_block(stack);

    // In front of the branches: what they cost is the same on all sides.
    native(env).settle(builder);
    let frame = current.resume(env, builder);
    let first = frame.first(env, builder, kind);
    let matches = builder.ins().icmp(IntCC::Equal, first, tag);
    let zero = builder.ins().iconst(I32, 0);
    let found_first = [current.0, frame.0, zero].map(BlockArg::Value);
    builder.ins().brif(matches, found, &found_first, far, &[]);
    builder.seal_block(far);

    builder.switch_to_block(far);
    let key = match kind {
        ClauseKind::Suspend => tag,
        ClauseKind::Switch => builder.ins().bor_imm_s(tag, 1),
    };
    let begin = current.far(env, builder, key);
    builder.ins().jump(stack, &[BlockArg::Value(begin.0)]);

    builder.switch_to_block(stack);
    let cont = ContRef(builder.block_params(stack)[0]);
    let [unhandled, outwards, clause, taken, next] = std::array::from_fn(|_| {
        let block = builder.create_block();
        builder.set_cold_block(block);
        block
    });
    let frame = cont.resume(env, builder);
    let (first, end) = frame.tags(env, builder, kind);
    builder.append_block_param(clause, pointer);
    let none = builder.ins().icmp(IntCC::Equal, first, end);
    builder.ins().brif(none, outwards, &[], clause, &[BlockArg::Value(first)]);

    builder.switch_to_block(clause);
    let at = builder.block_params(clause)[0];
    let candidate = ResumeFrame::tag_at(env, builder, at);
    let matches = builder.ins().icmp(IntCC::Equal, candidate, tag);
    builder.ins().brif(matches, taken, &[], next, &[]);
    builder.seal_block(taken);
    builder.seal_block(next);

    builder.switch_to_block(next);
    let after = builder.ins().iadd_imm_s(at, size_of::<u64>() as i64);
    let more = builder.ins().icmp(IntCC::NotEqual, after, end);
    builder.ins().brif(more, clause, &[BlockArg::Value(after)], outwards, &[]);
    builder.seal_block(clause);
    builder.seal_block(outwards);

    builder.switch_to_block(outwards);
    cont.clear_far(env, builder);
    let parent = cont.parent(env, builder);
    let barrier = frame.is_barrier(env, builder);
    builder.ins().brif(barrier, unhandled, &[], stack, &[BlockArg::Value(parent.0)]);
    builder.seal_block(stack);
    builder.seal_block(unhandled);

    builder.switch_to_block(unhandled);
    native(env).write_back(builder);
    env.trap(builder, Trap::UnhandledTag);

    builder.switch_to_block(taken);
    // It gets another resume, too.
    cont.clear_far(env, builder);
    current.set_far(env, builder, key, cont);
    let bytes = builder.ins().isub(at, first);
    let number = builder.ins().ushr_imm_u(bytes, i64::from(size_of::<u64>().trailing_zeros()));
    let number = builder.ins().ireduce(I32, number);
    builder.ins().jump(found, &[cont.0, frame.0, number].map(BlockArg::Value));

    builder.seal_block(found);
    builder.switch_to_block(found);
    let [last, frame, clause] = builder.block_params(found)[..] else { unreachable!("it has three") };
    Found { last: ContRef(last), frame: ResumeFrame(frame), clause }
}
