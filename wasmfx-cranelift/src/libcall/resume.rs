//! `resume`.

use crate::checks::Checked;
use crate::env::{Builtin, FuncEnv};
use crate::handlers::{self, Clause, Input};
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TypeIndex, WasmResult};

/// ```text
///   check the reference, store the arguments or ready it for the exception
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
    ty: TypeIndex,
    cont: Value,
    input: Input<'_>,
    clauses: &[Clause],
) -> WasmResult<Vec<Value>> {
    let results = env.cont_results(ty);
    let cont = Checked::new(env, builder, cont);
    input.hand_over(env, builder, cont)?;
    let (frame, payload) = handlers::resume_frame(env, builder, clauses, results.len());
    let vmctx = env.vmctx(builder);
    let code = env.call(builder, Builtin::Resume, &[vmctx, cont.contref.0, frame.0])?;
    let labels: Vec<_> = handlers::labels(clauses).collect();
    if !labels.is_empty() {
        let returned = builder.create_block();
        handlers::dispatch(env, builder, code, frame, &labels, returned, returned);
    }
    Ok(payload.load(env, builder, &results))
}
