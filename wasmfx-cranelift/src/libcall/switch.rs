//! `switch`.

use crate::checks::Checked;
use crate::env::{Builtin, FuncEnv};
use crate::handlers;
use cranelift_codegen::ir::{InstBuilder, Value, types::I32};
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TagIndex, TypeIndex, WasmResult};

/// ```text
///   check the reference, store the arguments but the last
///   call switch(vmctx, target, tag, payload, ...)   stores the last; returns once switched back to
///   load the values received
/// ```
pub(super) fn switch(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    ty: TypeIndex,
    tag: TagIndex,
    cont: Value,
    args: &[Value],
) -> WasmResult<Vec<Value>> {
    let params = env.cont_params(ty);
    let captured = *params.last().expect("validation: a switch target's last parameter is a continuation");
    let (captured, received) = env.cont_ref_params(captured);

    let target = Checked::new(env, builder, cont);
    target.store_args(env, builder, args);
    let payload = handlers::payload(env, builder, received.len());
    let vmctx = env.vmctx(builder);
    let tag = env.tag_address(builder, tag);
    let count = builder.ins().iconst(I32, received.len() as i64);
    let args = builder.ins().iconst(I32, args.len() as i64);
    let waits_for = env.type_id(builder, captured);
    env.call(builder, Builtin::Switch, &[vmctx, target.contref.0, tag, payload.0, count, args, waits_for])?;
    Ok(payload.load(env, builder, &received))
}
