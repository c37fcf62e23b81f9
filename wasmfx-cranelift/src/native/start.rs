//! How a continuation gets its stack.

use super::engine::native;
use crate::env::{FuncEnv, NativeBuiltin};
use crate::frame;
use crate::usable::Usable;
use crate::view::{Context, Payload};
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::INLINE_ARGS;
use wasmtime_environ::WasmResult;

/// Gives `cont` a stack if it has none, and returns its stack limit.
///
/// ```text
///   brif cont.stack_limit, started(cont.stack_limit), start   or jump start, if it was made here
/// start:
///   brif context.stacks, take, ask
/// take:
///   take the first stack, enter it at its top
///   jump started(its limit)
/// ask:
///   call start(vmctx, cont)
///   jump started(cont.stack_limit)
/// started(limit):
/// ```
pub(super) fn ensure_started(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    cont: Usable,
) -> WasmResult<Value> {
    let contref = cont.contref;
    native(env).flush_counters(builder);
    let [start, take, ask, started] = std::array::from_fn(|_| builder.create_block());
    builder.append_block_param(started, env.pointer_type());
    builder.set_cold_block(ask);
    if cont.is_as_made(env) {
        builder.ins().jump(start, &[]);
    } else {
        builder.set_cold_block(start);
        builder.set_cold_block(take);
        let limit = contref.stack_limit(env, builder);
        builder.ins().brif(limit, started, &[BlockArg::Value(limit)], start, &[]);
    }
    builder.seal_block(start);

    builder.switch_to_block(start);
    let context = Context(native(env).continuation_context(builder));
    let stack = context.stack(env, builder);
    builder.ins().brif(stack.0, take, &[], ask, &[]);
    builder.seal_block(take);
    builder.seal_block(ask);

    builder.switch_to_block(take);
    let limit = context.take_stack(env, builder, stack);
    contref.set_stack(env, builder, stack, limit);
    builder.ins().jump(started, &[BlockArg::Value(limit)]);

    builder.switch_to_block(ask);
    let vmctx = env.vmctx(builder);
    native(env).call_native(builder, NativeBuiltin::Start, &[vmctx, contref.0])?;
    let limit = contref.stack_limit(env, builder);
    builder.ins().jump(started, &[BlockArg::Value(limit)]);
    builder.seal_block(started);
    builder.switch_to_block(started);
    Ok(builder.block_params(started)[0])
}

/// The function's slots for so many values on their way into or out of a continuation, if they do not fit into the
/// continuation itself.
pub(super) fn slots(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    values: usize,
) -> Option<Payload> {
    (values > INLINE_ARGS).then(|| frame::payload(env, builder, values))
}
