//! `suspend`.

use super::current::{after_resumption, own_stack};
use super::engine::native;
use super::search::{Found, search};
use super::start::slots;
use crate::env::FuncEnv;
use crate::operands::Suspend;
use crate::view::{ClauseKind, Waits};
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::INLINE_ARGS;
use wasmtime_environ::WasmResult;

/// Captures the stacks from the current one, `current`, to `outermost`, the one that the handling `resume` runs.
///
/// ```text
///   find the clause, or trap
///   frame.clause = the clause's number
///   store the payload
///   current.last_ancestor = outermost, current.values = room for the results, none bound
///   switched = stack_switch(current.control, outermost.parent_control, current)
///   raise the pending exception if switched is RAISE
///   load the results
/// ```
///
/// # The switch
///
/// | operand | value |
/// | --- | --- |
/// | store | `current.control`: the switch stores this stack's `sp`, `fp` and the `pc` behind the switch there (N1) |
/// | load | `outermost.parent_control`: the registers that the handling `resume` stored, with the `pc` behind its switch |
/// | payload | `current` without an outcome: what was captured |
///
/// The handling `resume` sets the store's current continuation and stack limit: this code leaves them.
///
/// The result comes from the `resume` or `switch` that makes this stack run again:
///
/// | result | meaning |
/// | --- | --- |
/// | `current` | the values that this `suspend` returns are where this stack expects them, see below |
/// | `RAISE` (null) | this `suspend` raises the store's pending exception |
///
/// Where values are while this stack is captured:
///
/// * The payload is in `current.args` if it has at most `INLINE_ARGS` values, otherwise in slots of this function's frame, whose
///   address is `current.values.data`.
/// * Results arrive in `current.args` if neither the payload nor the results have more than `INLINE_ARGS` values, otherwise in
///   slots of this function's frame. `current.values.data` is the address of either.
///
/// # The stacks
///
/// h suspends to a clause of f, two stacks out. `<--` is `parent`:
///
/// ```text
///   before: h runs
///     stack of f          stack of g: outermost  stack of h: current
///     | Wasm: f     |     | Wasm: g     |        | Wasm: h     |
///     | resume g    |<----| resume h    |<-------| suspend $t  |
///     | (on $t ..)  |     +-------------+        +-------------+
///     +-------------+
///       g.parent_control: behind the switch of this resume
///
///   after: f runs, g and h are captured          h.last_ancestor = g
///     | Wasm: f     |     | Wasm: g     |        | Wasm: h     |
///     | label of $t |     | resume h    |<-------| suspend $t  |
///     +-------------+     +-------------+        +-------------+
///                                                  h.control: behind the switch of this suspend
/// ```
pub(super) fn suspend(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    suspend: Suspend<'_>,
) -> WasmResult<Vec<Value>> {
    let Suspend { tag, args, results } = suspend;
    let address = env.tag_address(&mut builder.cursor(), tag);
    let (current, _) = own_stack(env, builder);
    let Found { last, frame, clause } = search(env, builder, ClauseKind::Suspend, current, address);
    frame.set_clause(env, builder, clause);

    // The clause looks for the payload by the number of the tag's parameters alone: it does not know how many results this
    // instruction waits for. So few values go into `args` even if the results need slots.
    let slots = slots(env, builder, args.len().max(results.len()));
    let sent = slots.filter(|_| args.len() > INLINE_ARGS).unwrap_or_else(|| current.args(builder));
    sent.store(env, builder, args);
    let place = slots.unwrap_or_else(|| current.args(builder));
    let place = (args.len() > INLINE_ARGS || !results.is_empty()).then_some(place);
    current.set_waiting(env, builder, last, Waits { place, capacity: results.len() });
    let own = current.control(builder);
    let handlers = last.parent_control(builder);
    let switched = native(env).stack_switch(builder, own.0, handlers.0, current.0);
    let current = after_resumption(env, builder, switched)?;
    let place = slots.unwrap_or_else(|| current.args(builder));
    Ok(place.load(env, builder, results))
}
