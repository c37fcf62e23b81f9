//! `cont.new`. (`cont.bind` makes no continuation and switches no stack, so that `lib.rs` translates it for all backends.)

use crate::env::{Builtin, FuncEnv};
use crate::operands::New;
use crate::view::{ContObj, ContRef};
use cranelift_codegen::ir::{InstBuilder, Value, types::I32};
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::WasmResult;

/// Makes a fresh continuation. The runtime takes a free `VMContRef`, or makes one, with room for the arguments and the results.
///
/// ```text
///   contref = call cont_new(vmctx, func, count of params, count of results)
///   make a reference of contref and contref.revision
/// ```
pub(super) fn cont_new(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    new: New,
) -> WasmResult<Value> {
    let New { ty, func } = new;
    let vmctx = env.vmctx(builder);
    let params = builder.ins().iconst(I32, env.cont_params(ty).len() as i64);
    let results = builder.ins().iconst(I32, env.cont_results(ty).len() as i64);
    let contref = env.call(builder, Builtin::ContNew, &[vmctx, func, params, results])?;
    let contref = ContRef(contref);
    let revision = contref.revision(env, builder);
    Ok(ContObj::new(&mut builder.cursor(), contref, revision).0)
}
