//! `suspend`.

use super::search::{Found, search};
use super::{native, raise_if_thrown};
use crate::env::FuncEnv;
use crate::view::{ClauseKind, ContRef, Payload, ResumeFrame, WaitsFor};
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TagIndex, WasmResult, WasmValType};

/// ```text
///   find the clause, or trap
///   make what runs a suspended continuation, hand it to the clause
///   code = stack_switch(outermost.control, outermost.control, 1 + clause)
///   raise if code is 0
///   load the results
/// ```
pub(super) fn suspend(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    tag: TagIndex,
    payload: Payload,
    results: &[WasmValType],
) -> WasmResult<Vec<Value>> {
    let address = env.tag_address(builder, tag);
    let Found { last, frame, clause } = search(env, builder, ClauseKind::Suspend, address);

    let ty = native(env).tag_type(tag);
    let ty = env.type_id(builder, ty);
    let waits_for = WaitsFor { payload, capacity: results.len(), ty, results: true };
    let captured = capture(env, builder, last, waits_for);
    let revision = captured.revision(env, builder);
    frame.set_captured(env, builder, payload, captured, revision);
    let control = last.control(builder);
    let code = builder.ins().iadd_imm_s(clause, 1);
    let code = native(env).stack_switch(builder, control.0, control.0, code);
    raise_if_thrown(env, builder, code)?;
    Ok(payload.load(env, builder, results))
}

/// Makes the stacks from the one that runs to `last` a suspended continuation, and returns the innermost.
pub(super) fn capture(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    last: ContRef,
    waits_for: WaitsFor,
) -> ContRef {
    let current = ContRef(native(env).current(builder));
    current.set_suspended(env, builder, last, waits_for);
    let null = builder.ins().iconst(env.pointer_type(), 0);
    last.set_parent(env, builder, null, ResumeFrame(null));
    current
}
