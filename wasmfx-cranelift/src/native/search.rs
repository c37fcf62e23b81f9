//! The search for a handler.

use super::engine::native;
use crate::env::{FuncEnv, Trap};
use crate::view::{ClauseKind, ContRef, HandlerCache, ResumeFrame};
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value, condcodes::IntCC, types::I32};
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
/// In most programs the first clause of the `resume` that runs the current stack matches, so the code checks that clause first. A
/// handler farther out mostly is where the last search found it. The handler cache has that place: `wasmfx_runtime::native`, N5.
///
/// The frame of the initial stack is a barrier, so that each search that finds nothing ends at a barrier.
///
/// A `suspend $t` of h whose handler is two stacks out (`<--` is `parent`; `VMContRef::resume` of a stack is the frame in its
/// parent):
///
/// ```text
///   initial stack        stack of f          stack of g          stack of h: current
///   | resume f    |<-----| resume g    |<----| resume h    |<----| suspend $t  |
///   |             |      | (on $t ..)  |     | (on $u ..)  |     +-------------+
///   +-------------+      +-------------+     +-------------+       1. h.resume, in g: $u is not $t
///                                              2. g.resume, in f: found. last = g, frame = that in f, clause = 0
///                                              3. h.handler_cache: for $t, begin with g.resume. What h knew of
///                                                 another tag stays if that search ended at g, too
/// ```
///
/// ```text
///   frame = current.resume
///   brif frame.first == tag, found(current, frame, 0), cached
/// cached:
///   jump stack(current.handler_cache for tag, or current)
/// stack(cont):
///   frame = cont.resume
///   brif first == end, empty, clause(first)
/// empty:
///   brif frame is a barrier, unhandled, outwards
/// clause(p):
///   brif *p == tag, taken, next
/// next:
///   brif p + 8 != end, clause(p + 8), outwards
/// outwards:
///   clear cont.handler_cache
///   jump stack(cont.parent)
/// unhandled:
///   write back what the function caches of its store, and trap
/// taken:
///   clear cont.handler_cache
///   brif cont == current, found(cont, frame, n), far
/// far:
///   current.handler_cache for tag = cont
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
    let cached = builder.create_block();
    builder.set_cold_block(cached);

    // The counters are flushed in front of the branches, so that each branch finds them flushed.
    native(env).flush_counters(builder);
    let frame = current.resume(env, builder);
    let first = frame.first(env, builder, kind);
    let matches = builder.ins().icmp(IntCC::Equal, first, tag);
    let zero = builder.ins().iconst(I32, 0);
    let found_first = [current.0, frame.0, zero].map(BlockArg::Value);
    builder.ins().brif(matches, found, &found_first, cached, &[]);
    builder.seal_block(cached);

    builder.switch_to_block(cached);
    search_stacks(env, builder, kind, current, tag, found);

    builder.seal_block(found);
    builder.switch_to_block(found);
    let [last, frame, clause] = builder.block_params(found)[..] else { unreachable!("it has three") };
    Found { last: ContRef(last), frame: ResumeFrame(frame), clause }
}

/// Emits the code of [`search`] from `cached` on: searches stack by stack, and goes to `found`.
fn search_stacks(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    kind: ClauseKind,
    current: ContRef,
    tag: Value,
    found: Block,
) {
    let [stack, outwards, taken, far] = std::array::from_fn(|_| {
        let block = builder.create_block();
        builder.set_cold_block(block);
        block
    });
    builder.append_block_param(stack, env.pointer_type());
    let key = match kind {
        ClauseKind::Suspend => tag,
        ClauseKind::Switch => builder.ins().bor_imm_s(tag, 1),
    };
    let (cache, begin) = HandlerCache::read(env, builder, current, key);
    builder.ins().jump(stack, &[BlockArg::Value(begin.0)]);

    builder.switch_to_block(stack);
    let cont = ContRef(builder.block_params(stack)[0]);
    let frame = cont.resume(env, builder);
    let (first, at) = search_clauses(env, builder, kind, frame, tag, taken, outwards);

    builder.switch_to_block(outwards);
    cont.clear_handler_cache(env, builder);
    let parent = cont.parent(env, builder);
    builder.ins().jump(stack, &[BlockArg::Value(parent.0)]);
    builder.seal_block(stack);

    builder.switch_to_block(taken);
    // N5: this stack gets another `resume`, and keeps its revision unless it is the current one. So its own cache must not hold.
    cont.clear_handler_cache(env, builder);
    let bytes = builder.ins().isub(at, first);
    let number = builder.ins().ushr_imm_u(bytes, i64::from(size_of::<u64>().trailing_zeros()));
    let number = builder.ins().ireduce(I32, number);
    let result = [cont.0, frame.0, number].map(BlockArg::Value);
    // A search for what the innermost `resume` handles begins there without a cache, too.
    let near = builder.ins().icmp(IntCC::Equal, cont.0, current.0);
    builder.ins().brif(near, found, &result, far, &[]);
    builder.seal_block(far);

    builder.switch_to_block(far);
    cache.update(env, builder, current, key, cont);
    builder.ins().jump(found, &result);
}

/// Looks for a clause for `tag` in one frame. The code goes to `taken` if there is one and to `outwards` if there is none, or
/// traps if the frame is a barrier. Seals both blocks. Returns the address of the frame's first tag of this kind, and the address
/// of the clause's tag, which is available in `taken`.
fn search_clauses(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    kind: ClauseKind,
    frame: ResumeFrame,
    tag: Value,
    taken: Block,
    outwards: Block,
) -> (Value, Value) {
    let [empty, unhandled, clause, next] = std::array::from_fn(|_| {
        let block = builder.create_block();
        builder.set_cold_block(block);
        block
    });
    builder.append_block_param(clause, env.pointer_type());
    let (first, end) = frame.tags(env, builder, kind);
    let none = builder.ins().icmp(IntCC::Equal, first, end);
    builder.ins().brif(none, empty, &[], clause, &[BlockArg::Value(first)]);
    builder.seal_block(empty);

    // A barrier has no clauses.
    builder.switch_to_block(empty);
    let barrier = frame.is_barrier(env, builder);
    builder.ins().brif(barrier, unhandled, &[], outwards, &[]);
    builder.seal_block(unhandled);

    builder.switch_to_block(unhandled);
    native(env).write_back(builder);
    env.trap(builder, Trap::UnhandledTag);

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
    (first, at)
}
