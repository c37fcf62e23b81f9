//! `switch`.

use crate::env::{Builtin, FuncEnv};
use crate::frame;
use crate::operands::Target;
use cranelift_codegen::ir::{InstBuilder, Value, types::I32};
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TagIndex, WasmResult};

/// ```text
///   call switch(vmctx, target, tag, payload, ...)   stores the last; returns once switched back to
///   load the values received
/// ```
pub(super) fn switch(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    tag: TagIndex,
    target: Target,
) -> WasmResult<Vec<Value>> {
    let Target { cont: target, args, received, .. } = target;
    let payload = frame::payload(env, builder, received.len());
    let vmctx = env.vmctx(builder);
    let tag = env.tag_address(&mut builder.cursor(), tag);
    let count = builder.ins().iconst(I32, received.len() as i64);
    let args = builder.ins().iconst(I32, args as i64);
    env.call(builder, Builtin::Switch, &[vmctx, target.contref.0, tag, payload.0, count, args])?;
    Ok(payload.load(env, builder, &received))
}
