//! `resume`.

use crate::dispatch::dispatch;
use crate::env::{Builtin, FuncEnv};
use crate::frame;
use crate::operands::Resume;
use crate::view::SwitchResult;
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::WasmResult;

/// Runs the continuation `contref` until it ends or a clause takes a `suspend`. The runtime switches the stacks.
///
/// ```text
///   store the arguments in contref                   or prepare contref for an exception
///   fill the frame                                   here, or where the function begins: see `frame.rs`
///   switched = call resume(vmctx, contref, frame)    does not return if Wasm is to be unwound
///   brif switched.outcome, returned, taken
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
    resume: Resume<'_>,
) -> WasmResult<Vec<Value>> {
    let Resume { cont, input, results, clauses } = resume;
    input.hand_over(env, builder, cont)?;
    let (frame, payload) = frame::resume_frame(env, builder, clauses, results.len());
    let vmctx = env.vmctx(builder);
    let switched = env.call(builder, Builtin::Resume, &[vmctx, cont.contref.0, frame.0])?;
    let returned = builder.create_block();
    dispatch(env, builder, SwitchResult(switched), frame, clauses, returned);
    builder.seal_block(returned);
    Ok(payload.load(env, builder, results))
}
