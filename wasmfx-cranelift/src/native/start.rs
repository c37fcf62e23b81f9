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

/// Gives `cont` a stack if it has none, and returns its stack limit. A continuation has a stack exactly if its `stack_limit` is
/// not zero.
///
/// ```text
///   brif cont.stack_limit, started(cont.stack_limit), start   or jump start, if `cont.is_as_made`
/// start:
///   brif context.stacks, take, ask
/// take:
///   pop the first idle stack, store it and where it is entered in cont
///   jump started(its limit)
/// ask:
///   call start(vmctx, cont)
///   jump started(cont.stack_limit)
/// started(limit):
/// ```
///
/// # What the first switch will load
///
/// This code does not switch. It completes `cont.control`, the load operand of the first `stack_switch` to `cont`:
///
/// | field | value | stored by |
/// | --- | --- | --- |
/// | `control.sp` | the `VMStackHeader`, or the word below ([`Isa::entry_sp`](crate::Isa::entry_sp)): a return address to which nothing returns | this code, or `start` |
/// | `control.fp` | the address of `cont.parent_control.fp` (N2) | likewise |
/// | `control.pc` | the entry code | `cont.new` |
///
/// The payload of that switch is `cont`, which the entry code takes as its argument. The switch stores the registers of the stack
/// that it leaves: a `resume` in `cont.parent_control`, a `switch` in the `control` of what it captures.
///
/// On x86-64:
///
/// ```text
///   before: an idle stack                   after: cont has it                       once switched to: cont runs
///     context.stacks                          cont.stack
///       |                                       |                                      the stack of the resume
///       +--> | VMStackHeader  |--> next         +--> | VMStackHeader  |                  ^ parent
///            | return address |                      | return address | <- control.sp  | VMStackHeader  |
///            +----------------+                      +----------------+                | return address |
///                                                                                      | frame pointer  | --> parent_control.fp
///                                                                                      | entry code     |
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
    let context = Context(env.continuation_context(builder));
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

/// The function's own slots for so many values on their way into or out of a continuation; `None` if that many fit into the
/// `args` of the continuation.
pub(super) fn slots(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    values: usize,
) -> Option<Payload> {
    (values > INLINE_ARGS).then(|| frame::payload(env, builder, values))
}
