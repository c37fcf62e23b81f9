//! Which continuation runs.

use super::engine::native;
use crate::env::{FuncEnv, NativeBuiltin};
use crate::usable::Usable;
use crate::view::ContRef;
use cranelift_codegen::ir::{Inst, InstBuilder, TrapCode, Value};
use cranelift_frontend::{FunctionBuilder, Variable};
use wasmtime_environ::WasmResult;

/// The trap after a call or a switch that does not return. It is Wasmtime's code for a broken assertion of its own.
pub(super) const NO_RETURN: TrapCode = TrapCode::unwrap_user(1);

/// The current stack, and its stack limit.
///
/// The first use of this in a function emits the loads of both where the function begins. The loaded stack then replaces the
/// placeholder that defined the function's variable.
pub(super) fn own_stack(env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) -> (ContRef, Value) {
    let limit = match env.function_state().current.limit {
        Some(limit) => limit,
        None => load_own_stack(env, builder),
    };
    let (variable, _) = variable(env);
    (ContRef(builder.use_var(variable)), limit)
}

/// Emits the loads of the current stack and of its stack limit, which this returns.
fn load_own_stack(env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) -> Value {
    let (_, placeholder) = variable(env);
    let pos = &mut env.function_state().entry(builder.func);
    let (current, limit) = (native(env).current(pos), native(env).stack_limit(pos));
    let dfg = &mut builder.func.dfg;
    let replaced = dfg.first_result(placeholder);
    dfg.clear_results(placeholder);
    dfg.change_to_alias(replaced, current);
    builder.func.layout.remove_inst(placeholder);
    *env.function_state().current.limit.insert(limit)
}

/// The variable that holds the current stack, and the placeholder that defines the variable before the first use.
fn variable(env: &mut dyn FuncEnv) -> (Variable, Inst) {
    env.function_state().current.variable.expect("the function was entered")
}

/// Makes `cont`, which has a stack with this limit, the store's current continuation (N3), and returns the outermost stack that
/// was captured with `cont`. The caller sets the parent of that stack and the frame that runs the stack.
///
/// ```text
///   cont --> ... --> outermost                cont.last_ancestor = outermost, then null: cont is running
///                    parent, resume: the caller's to set
/// ```
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

/// The code behind the `stack_switch` of a `suspend` or a `switch`, whose result is `switched`. If `switched` is `RAISE`, the
/// code raises the store's pending exception. Otherwise `switched` is the continuation that runs, which this returns.
pub(super) fn after_resumption(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    switched: Value,
) -> WasmResult<ContRef> {
    let raise = builder.create_block();
    let resumed = builder.create_block();
    builder.set_cold_block(raise);
    builder.ins().brif(switched, resumed, &[], raise, &[]);
    builder.seal_block(raise);
    builder.seal_block(resumed);
    builder.switch_to_block(raise);
    let vmctx = env.vmctx(builder);
    native(env).call_native(builder, NativeBuiltin::Raise, &[vmctx])?;
    builder.ins().trap(NO_RETURN);
    builder.switch_to_block(resumed);
    let (variable, _) = variable(env);
    builder.def_var(variable, switched);
    Ok(ContRef(switched))
}
