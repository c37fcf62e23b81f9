//! `suspend`.

use crate::env::{Builtin, FuncEnv};
use crate::frame;
use crate::operands::Suspend;
use cranelift_codegen::ir::{InstBuilder, Value, types::I32};
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::WasmResult;

/// Suspends the current continuation to the handler of `tag`. The runtime looks for the handler and switches the stacks.
///
/// ```text
///   store the payload where the results will be
///   call suspend(vmctx, tag, payload, count of results)   returns once resumed
///   load the results
/// ```
pub(super) fn suspend(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    suspend: Suspend<'_>,
) -> WasmResult<Vec<Value>> {
    let Suspend { tag, args, results } = suspend;
    let payload = frame::payload(env, builder, args.len().max(results.len()));
    payload.store(env, builder, args);
    let vmctx = env.vmctx(builder);
    let tag = env.tag_address(&mut builder.cursor(), tag);
    let count = builder.ins().iconst(I32, results.len() as i64);
    env.call(builder, Builtin::Suspend, &[vmctx, tag, payload.0, count])?;
    Ok(payload.load(env, builder, results))
}
