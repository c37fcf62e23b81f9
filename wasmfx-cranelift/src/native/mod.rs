//! The backend that switches stacks in compiled code, with Cranelift's `stack_switch`.
//!
//! `wasmfx_runtime::native` has the layout of stacks and the invariants N1 to N5. A `stack_switch` exchanges
//! the registers of this stack with a control context, and hands over a number, of which
//! `wasmfx_runtime::layout` has the meaning.
//!
//! Continuations are made, get their stacks and end in compiled code too, from and to the store's lists
//! (`wasmfx_runtime::layout`, C4). The runtime is called where a list is empty or full, and where there is an
//! exception.

mod create;
mod entry;
mod own;
mod resume;
mod search;
mod suspend;
mod switch;

use self::own::own_stack;
use crate::backend::Translate;
use crate::checks::Checked;
use crate::env::{FuncEnv, NativeBuiltin, NativeEnv};
use crate::handlers;
use crate::view::{ContRef, Lists, Payload};
use cranelift_codegen::ir::{BlockArg, InstBuilder, TrapCode, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::layout::{INLINE_ARGS, RAISE};
use wasmtime_environ::WasmResult;

pub use self::entry::{Entry, EntryEnv, native_entry};
pub(crate) use self::own::Own;

pub(crate) static TRANSLATE: Translate = Translate {
    cont_new: create::cont_new,
    resume: resume::resume,
    suspend: suspend::suspend,
    switch: switch::switch,
};

// What is tested for by `brif`.
const _: () = assert!(RAISE == 0);

/// Comes after a call that does not return: Wasmtime's code for a broken assertion of its own.
const NO_RETURN: TrapCode = TrapCode::unwrap_user(1);

/// What the engine provides for this backend.
fn native(env: &mut dyn FuncEnv) -> &mut dyn NativeEnv {
    env.native().expect("an engine that is configured for this backend has what it needs")
}

/// The function's slots for so many values on their way into or out of a continuation, if they do not fit into the
/// continuation itself.
fn slots(env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, values: usize) -> Option<Payload> {
    (values > INLINE_ARGS).then(|| handlers::payload(env, builder, values))
}

/// Gives `cont` a stack if it has none, and returns its stack limit.
///
/// ```text
///   brif cont.stack_limit, started(cont.stack_limit), start   or jump start, if it was made here
/// start:
///   brif lists.stacks, take, ask
/// take:
///   take the first stack, enter it at its top
///   jump started(its limit)
/// ask:
///   call start(vmctx, cont)
///   jump started(cont.stack_limit)
/// started(limit):
/// ```
fn ensure_started(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    cont: Checked,
) -> WasmResult<Value> {
    let contref = cont.contref;
    native(env).settle(builder);
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
    let lists = Lists(native(env).continuations(builder));
    let stack = lists.stack(env, builder);
    builder.ins().brif(stack.0, take, &[], ask, &[]);
    builder.seal_block(take);
    builder.seal_block(ask);

    builder.switch_to_block(take);
    let limit = lists.take_stack(env, builder, stack);
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

/// Makes `cont`, a started or suspended one with this stack limit, what runs, and returns the outermost stack captured with
/// it. Its parent and the frame that runs it are for the caller to set.
fn make_current(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    cont: Checked,
    limit: Value,
) -> ContRef {
    native(env).set_current(builder, cont.contref.0);
    native(env).set_stack_limit(builder, limit);
    let last = cont.contref.take_last_ancestor(env, builder);
    if cont.is_as_made(env) { cont.contref } else { last }
}

/// Where a continuation goes on, by what it was handed: raises the pending exception if that is what it was resumed for.
/// Otherwise that is the continuation itself.
fn go_on(env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, handed: Value) -> WasmResult<ContRef> {
    let raise = builder.create_block();
    let resumed = builder.create_block();
    builder.set_cold_block(raise);
    builder.ins().brif(handed, resumed, &[], raise, &[]);
    builder.seal_block(raise);
    builder.seal_block(resumed);
    builder.switch_to_block(raise);
    let vmctx = env.vmctx(builder);
    native(env).call_native(builder, NativeBuiltin::Raise, &[vmctx])?;
    builder.ins().trap(NO_RETURN);
    builder.switch_to_block(resumed);
    own::set_current(env, builder, handed);
    Ok(ContRef(handed))
}
