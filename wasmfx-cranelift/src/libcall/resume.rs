//! `resume`.

use crate::checks::Checked;
use crate::env::{Builtin, FuncEnv};
use crate::handlers::{self, Clause, Input};
use crate::view::Handed;
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{WasmResult, WasmValType};

/// ```text
///   fill the frame
///   handed = call resume(vmctx, contref, frame)    does not return if Wasm is to be unwound
///   brif handed.outcome, returned, taken
/// taken:
///   br_table frame.clause, [clause 0, clause 1, ...]
/// clause i:
///   load the payload, make a reference to what was captured
///   jump label i
/// returned:
///   load the results
/// ```
pub(super) fn resume(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    cont: Checked,
    _input: Input<'_>,
    results: &[WasmValType],
    clauses: &[Clause],
) -> WasmResult<Vec<Value>> {
    let (frame, payload) = handlers::resume_frame(env, builder, clauses, results.len());
    let vmctx = env.vmctx(builder);
    let handed = env.call(builder, Builtin::Resume, &[vmctx, cont.contref.0, frame.0])?;
    let returned = builder.create_block();
    handlers::dispatch(env, builder, Handed(handed), frame, clauses, returned);
    builder.seal_block(returned);
    Ok(payload.load(env, builder, results))
}
