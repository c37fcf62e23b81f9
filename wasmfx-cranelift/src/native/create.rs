//! `cont.new`.

use super::engine::native;
use crate::env::{Builtin, FuncEnv};
use crate::operands::New;
use crate::view::{ContObj, ContRef, Context};
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value, types::I32};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::INLINE_ARGS;
use wasmtime_environ::WasmResult;

/// Makes a fresh continuation, which has no stack yet.
///
/// ```text
///   brif context.free, take, ask
/// take:
///   contref = the first free continuation, popped from the list
///   contref.func = func, contref.caller_vmctx = vmctx
///   contref.last_ancestor = contref, contref.values = room for params values in contref.args, none bound
///   jump made(contref)
/// ask:
///   contref = call cont_new(vmctx, func, params, 0)
///   jump made(contref)
/// made(contref):
///   contref.control.pc = the entry code
/// ```
///
/// If there are more parameters than `args` of a `VMContRef` has slots, only the runtime can make the continuation: the arguments
/// need a buffer. Results need no room in it, which the 0 says: the entry code stores them in the frame of the `resume`.
///
/// # What the first switch will load
///
/// This code does not switch. It stores `control.pc`, one of the three registers that the first `stack_switch` to the
/// continuation loads; `ensure_started` in `start.rs` stores `sp` and `fp` once the continuation gets a stack. The payload of
/// that switch is the continuation. The entry code loads `func`, `caller_vmctx` and the arguments from there.
///
/// ```text
///   before: f runs                          after: f runs
///     stack of f                              stack of f                     VMContRef
///     | Wasm: f      |                        | Wasm: f      |             +------------------------------+
///     | cont.new g   |                        | cont.new g   |------------>| control.pc: entry code       |
///     +--------------+                        +--------------+  reference  | func: g, args: room          |
///                                                                          | stack, stack_limit: none     |
///     context.free --> VMContRef --> next     context.free --> next        +------------------------------+
/// ```
pub(super) fn cont_new(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    new: New,
) -> WasmResult<Value> {
    let New { ty, func } = new;
    let params = env.cont_params(ty).len();
    let vmctx = env.vmctx(builder);
    let ask = builder.create_block();
    let made = builder.create_block();
    builder.append_block_param(made, env.pointer_type());
    native(env).flush_counters(builder);
    if params <= INLINE_ARGS {
        let take = builder.create_block();
        builder.set_cold_block(ask);
        let context = Context(env.continuation_context(builder));
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
