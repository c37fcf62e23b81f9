//! `resume`.

use crate::checks::Checked;
use crate::env::{Builtin, FuncEnv};
use crate::handlers::{self, Clause, Input};
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{WasmResult, WasmValType};

/// ```text
///   fill the frame
///   code = call resume(vmctx, contref, frame)
///   br_table code, returned, [returned, clause 0, clause 1, ...]
/// clause i:
///   load the payload and the captured continuation
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
    let code = env.call(builder, Builtin::Resume, &[vmctx, cont.contref.0, frame.0])?;
    let labels: Vec<_> = handlers::labels(clauses).collect();
    if !labels.is_empty() {
        let returned = builder.create_block();
        handlers::dispatch(env, builder, code, frame, &labels, returned, returned);
    }
    Ok(payload.load(env, builder, results))
}
