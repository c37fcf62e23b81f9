//! `suspend`.

use super::search::{Found, search};
use super::{native, own_stack, raise_if_thrown};
use crate::env::FuncEnv;
use crate::view::{ClauseKind, Payload, Waits};
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TagIndex, WasmResult, WasmValType};

/// ```text
///   find the clause, or trap
///   note the clause in its frame, make what runs a suspended continuation
///   handed = stack_switch(current.control, outermost.parent_control, current)
///   raise if handed is 0
///   load the results
/// ```
pub(super) fn suspend(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    tag: TagIndex,
    args: usize,
    payload: Payload,
    results: &[WasmValType],
) -> WasmResult<Vec<Value>> {
    let address = env.tag_address(&mut builder.cursor(), tag);
    let (current, _) = own_stack(env, builder);
    let Found { last, frame, clause } = search(env, builder, ClauseKind::Suspend, current, address);
    frame.set_clause(env, builder, clause);

    let payload_used = args > 0 || !results.is_empty();
    let waits = Waits { payload: payload_used.then_some(payload), capacity: results.len() };
    current.set_suspended(env, builder, last, waits);
    let own = current.control(builder);
    let handlers = last.parent_control(builder);
    let handed = native(env).stack_switch(builder, own.0, handlers.0, current.0);
    raise_if_thrown(env, builder, handed)?;
    Ok(payload.load(env, builder, results))
}
