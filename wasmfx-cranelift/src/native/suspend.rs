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

/// ```text
///   find the clause, or trap
///   store the payload
///   note the clause in its frame, make what runs a suspended continuation
///   handed = stack_switch(current.control, outermost.parent_control, current)
///   raise if handed is 0
///   load the results
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

    // What one clause finds depends on the tag alone.
    let slots = slots(env, builder, args.len().max(results.len()));
    let sent = slots.filter(|_| args.len() > INLINE_ARGS).unwrap_or_else(|| current.args(builder));
    sent.store(env, builder, args);
    let place = slots.unwrap_or_else(|| current.args(builder));
    let place = (args.len() > INLINE_ARGS || !results.is_empty()).then_some(place);
    current.set_waiting(env, builder, last, Waits { place, capacity: results.len() });
    let own = current.control(builder);
    let handlers = last.parent_control(builder);
    let handed = native(env).stack_switch(builder, own.0, handlers.0, current.0);
    let current = after_resumption(env, builder, handed)?;
    let place = slots.unwrap_or_else(|| current.args(builder));
    Ok(place.load(env, builder, results))
}
