//! `resume`, `resume_throw` and `resume_throw_ref`.

use super::current::{NO_RETURN, make_current, own_stack};
use super::engine::native;
use super::start::ensure_started;
use crate::dispatch::dispatch;
use crate::env::{FuncEnv, NativeBuiltin};
use crate::frame;
use crate::operands::{Input, Resume};
use crate::view::SwitchResult;
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::{KEPT, RAISE, RETURNED, UNWOUND};
use wasmtime_environ::WasmResult;

/// ```text
///   call start if it is fresh
///   fill the frame
///   consume the reference, link its chain to this stack, make it current
///   handed = stack_switch(outermost.parent_control, contref.control, contref or 0)
///   make this stack current
///   brif handed.outcome, ended, taken
/// taken:
///   br_table frame.clause, [clause 0, clause 1, ...]
/// clause i:
///   load the payload, make a reference to what was captured
///   jump label i
/// ended:
///   brif handed.outcome is returned, returned, other
/// other:
///   brif handed.outcome is kept, kept, unwound
/// unwound:
///   call unwind(vmctx, what ended)
/// kept:
///   call finish(vmctx, what ended)
///   jump returned
/// returned:
///   load the results
/// ```
pub(super) fn resume(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    resume: Resume<'_>,
) -> WasmResult<Vec<Value>> {
    let Resume { cont, input, results, clauses } = resume;
    let (payload, limit) = match input {
        Input::Values(_) => (cont.contref.0, ensure_started(env, builder, cont)?),
        // A fresh one has raised it already.
        Input::Exception(_) => {
            let raise = builder.ins().iconst(env.pointer_type(), RAISE.cast_signed());
            (raise, cont.contref.stack_limit(env, builder))
        }
    };
    let (resume_frame, values) = frame::resume_frame(env, builder, clauses, results.len());

    let (parent, parent_limit) = own_stack(env, builder);
    cont.consume(env, builder);
    let last = make_current(env, builder, cont, limit);
    last.set_parent(env, builder, parent, resume_frame);
    parent.set_child(env, builder, last);
    let own = last.parent_control(builder);
    let theirs = cont.contref.control(builder);
    let handed = SwitchResult(native(env).stack_switch(builder, own.0, theirs.0, payload));
    native(env).set_current(builder, parent.0);
    native(env).set_stack_limit(builder, parent_limit);

    let ended = builder.create_block();
    dispatch(env, builder, handed, resume_frame, clauses, ended);
    builder.seal_block(ended);
    let [returned, other, kept, unwound] = std::array::from_fn(|_| builder.create_block());
    [other, kept, unwound].into_iter().for_each(|block| builder.set_cold_block(block));
    let outcome = handed.outcome(builder);
    let is_returned = builder.ins().icmp_imm_u(IntCC::Equal, outcome, RETURNED.cast_signed());
    builder.ins().brif(is_returned, returned, &[], other, &[]);
    builder.seal_block(other);

    builder.switch_to_block(other);
    let is_kept = builder.ins().icmp_imm_u(IntCC::Equal, outcome, KEPT.cast_signed());
    builder.ins().brif(is_kept, kept, &[], unwound, &[]);
    builder.seal_block(kept);
    builder.seal_block(unwound);

    builder.switch_to_block(unwound);
    let ended = handed.ended(builder, UNWOUND);
    let vmctx = env.vmctx(builder);
    native(env).call_native(builder, NativeBuiltin::Unwind, &[vmctx, ended.0])?;
    builder.ins().trap(NO_RETURN);

    builder.switch_to_block(kept);
    // Nothing is collected here: what the continuation left at `values` is as good after the call.
    let ended = handed.ended(builder, KEPT);
    let vmctx = env.vmctx(builder);
    native(env).call_native(builder, NativeBuiltin::Finish, &[vmctx, ended.0])?;
    builder.ins().jump(returned, &[]);

    builder.seal_block(returned);
    builder.switch_to_block(returned);
    Ok(values.load(env, builder, results))
}
