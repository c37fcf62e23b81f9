//! `switch`.

use crate::env::{Builtin, FuncEnv};
use crate::frame;
use crate::operands::Target;
use cranelift_codegen::ir::{InstBuilder, Value, types::I32};
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TagIndex, WasmResult};

/// Captures the current continuation and runs `target` in its place. The runtime looks for the `(on $tag switch)` clause, stores
/// the target's last argument, which is a reference to the captured continuation, and switches the stacks.
///
/// ```text
///   store the other arguments in target
///   call switch(vmctx, target, tag, payload, count of received, count of the other arguments)
///                                                    returns once the captured continuation runs again
///   load the values received
/// ```
pub(super) fn switch(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    tag: TagIndex,
    target: Target<'_>,
) -> WasmResult<Vec<Value>> {
    target.store_args(env, builder);
    let Target { cont, args, received } = target;
    let payload = frame::payload(env, builder, received.len());
    let vmctx = env.vmctx(builder);
    let tag = env.tag_address(&mut builder.cursor(), tag);
    let count = builder.ins().iconst(I32, received.len() as i64);
    let args = builder.ins().iconst(I32, args.len() as i64);
    env.call(builder, Builtin::Switch, &[vmctx, cont.contref.0, tag, payload.0, count, args])?;
    Ok(payload.load(env, builder, received))
}
