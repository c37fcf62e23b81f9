//! `cont.new`.

use super::engine::native;
use crate::env::{Builtin, FuncEnv};
use crate::operands::New;
use crate::view::{ContObj, ContRef, Context};
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value, types::I32};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::INLINE_ARGS;
use wasmtime_environ::WasmResult;

/// ```text
///   brif context.free, take, ask
/// take:
///   take the first free continuation, say what it will run
///   jump made(it)
/// ask:
///   contref = call cont_new(vmctx, func, params, 0)
///   jump made(contref)
/// made(contref):
///   store the entry code
/// ```
///
/// More parameters than fit into a `VMContRef` are always the runtime's. Results go from a register or the stack of the
/// function to the frame of the resume, and need no room.
pub(super) fn cont_new(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    new: New,
) -> WasmResult<Value> {
    let New { ty, func, params, .. } = new;
    let vmctx = env.vmctx(builder);
    let ask = builder.create_block();
    let made = builder.create_block();
    builder.append_block_param(made, env.pointer_type());
    native(env).flush_counters(builder);
    if params <= INLINE_ARGS {
        let take = builder.create_block();
        builder.set_cold_block(ask);
        let context = Context(native(env).continuation_context(builder));
        let free = context.free(env, builder);
        builder.ins().brif(free.0, take, &[], ask, &[]);
        builder.seal_block(take);
        builder.switch_to_block(take);
        context.take_free(env, builder, free);
        free.set_fresh(env, builder, func, vmctx, params);
        builder.ins().jump(made, &[BlockArg::Value(free.0)]);
    } else {
        builder.ins().jump(ask, &[]);
    }
    builder.seal_block(ask);
    builder.switch_to_block(ask);
    let count = builder.ins().iconst(I32, params as i64);
    let no_results = builder.ins().iconst(I32, 0);
    let contref = env.call(builder, Builtin::ContNew, &[vmctx, func, count, no_results])?;
    builder.ins().jump(made, &[BlockArg::Value(contref)]);

    builder.seal_block(made);
    builder.switch_to_block(made);
    let contref = ContRef(builder.block_params(made)[0]);
    let entry = native(env).entry_address(builder, ty);
    contref.set_entry(env, builder, entry);
    let revision = contref.revision(env, builder);
    if params <= INLINE_ARGS {
        env.function_state().made.insert([contref.0, revision]);
    }
    Ok(ContObj::new(&mut builder.cursor(), contref, revision).0)
}
