//! Which continuation runs.

use super::engine::native;
use crate::env::{FuncEnv, NativeBuiltin};
use crate::usable::Usable;
use crate::view::ContRef;
use cranelift_codegen::ir::{InstBuilder, TrapCode, Value};
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::WasmResult;

/// Comes after a call that does not return: Wasmtime's code for a broken assertion of its own.
pub(super) const NO_RETURN: TrapCode = TrapCode::unwrap_user(1);

/// The current stack, and its stack limit.
pub(super) fn own_stack(env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) -> (ContRef, Value) {
    let (variable, unknown, &mut limit) = env.function_state().current();
    let limit = limit.unwrap_or_else(|| {
        let pos = &mut env.function_state().entry(builder.func);
        let (current, limit) = (native(env).current(pos), native(env).stack_limit(pos));
        let dfg = &mut builder.func.dfg;
        let replaced = dfg.first_result(unknown);
        dfg.clear_results(unknown);
        dfg.change_to_alias(replaced, current);
        builder.func.layout.remove_inst(unknown);
        let (_, _, known) = env.function_state().current();
        *known.insert(limit)
    });
    (ContRef(builder.use_var(variable)), limit)
}

/// Notes that `handed` is the continuation that runs, as a `stack_switch` told it.
fn set_current(env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, handed: Value) {
    let (variable, ..) = env.function_state().current();
    builder.def_var(variable, handed);
}

/// Makes `cont`, a started or suspended one with this stack limit, what runs, and returns the outermost stack captured with
/// it. Its parent and the frame that runs it are for the caller to set.
pub(super) fn make_current(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    cont: Usable,
    limit: Value,
) -> ContRef {
    native(env).set_current(builder, cont.contref.0);
    native(env).set_stack_limit(builder, limit);
    let last = cont.contref.take_last_ancestor(env, builder);
    if cont.is_as_made(env) { cont.contref } else { last }
}

/// Where a continuation goes on, by what it was handed: raises the pending exception if that is what it was resumed for.
/// Otherwise that is the continuation itself.
pub(super) fn after_resumption(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    handed: Value,
) -> WasmResult<ContRef> {
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
    set_current(env, builder, handed);
    Ok(ContRef(handed))
}
