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

/// Runs the continuation `contref` until it ends or a clause takes a `suspend`.
///
/// ```text
///   store the arguments in contref                   or note the exception as the store's pending one
///   give contref a stack if it has none              not for an exception: then it has one, or was ended
///   fill the frame                                   here, or where the function begins: see `frame.rs`
///   consume the reference: contref.revision += 1
///   the store's current continuation = contref, its stack limit = contref.stack_limit
///   outermost.parent = this stack, outermost.resume = the frame, this stack's child = outermost
///   switched = stack_switch(outermost.parent_control, contref.control, contref or RAISE)
///   the store's current continuation = this stack, its stack limit = this stack's
///   brif switched.outcome, ended, taken
/// taken:
///   br_table frame.clause, [clause 0, clause 1, ...]
/// clause i:
///   load the payload, make a reference to what was captured
///   jump label i
/// ended:
///   brif switched.outcome is returned, returned, other
/// other:
///   brif switched.outcome is kept, kept, unwound
/// unwound:
///   call unwind(vmctx, what ended)                   ends it, raises the exception here; does not return
/// kept:
///   call finish(vmctx, what ended)
///   jump returned
/// returned:
///   load the results
/// ```
///
/// `outermost` is the outermost stack that was captured together with `contref`, and `contref` itself if that is alone or fresh.
///
/// # The switch
///
/// | operand | value |
/// | --- | --- |
/// | store | `outermost.parent_control`: the switch stores this stack's `sp`, `fp` and the `pc` behind the switch there (N1) |
/// | load | `contref.control`: the registers with which `contref` left its stack, those of its detour (W1), or those with which its entry code begins |
/// | payload | `contref`, or `RAISE` (null) if the instruction that suspended `contref` is to raise the pending exception |
///
/// The arguments do not go through the switch. They are in the slots of `contref.values` already.
///
/// The result is one word: the address of a `VMContRef`, with an outcome in its low bits.
///
/// | outcome | address of | what this stack finds |
/// | --- | --- | --- |
/// | none | the innermost captured continuation | `frame.clause` is the clause; the payload is where `suspend.rs` says |
/// | `RETURNED` | what ended | the results are at `frame.values`; the continuation is free and its stack idle |
/// | `KEPT` | what ended | the results are at `frame.values`; `finish` has to end the continuation |
/// | `UNWOUND` | what ended | an exception left its stack; `unwind` ends the continuation and raises the exception here |
///
/// What comes back need not be `contref`: the stack that runs may have captured, resumed or switched to others.
///
/// # The stacks
///
/// f resumes h, which was captured together with g. `<--` is `parent`:
///
/// ```text
///   before: f runs, g and h are captured             h.last_ancestor = g
///     stack of f          stack of g          stack of h
///     | Wasm: f     |     | Wasm: g     |     | Wasm: h     |
///     | resume h    |     | resume h    |<----| suspend $t  |
///     +-------------+     +-------------+     +-------------+
///                                               h.control: behind the switch of this suspend
///   after: h runs                                    h.last_ancestor = null
///     | Wasm: f     |     | Wasm: g     |     | Wasm: h     |
///     | resume h    |<----| resume h    |<----| ...         |
///     +-------------+     +-------------+     +-------------+
///       g.parent_control: behind the switch of this resume
/// ```
pub(super) fn resume(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    resume: Resume<'_>,
) -> WasmResult<Vec<Value>> {
    let Resume { cont, input, results, clauses } = resume;
    input.hand_over(env, builder, cont)?;
    let (payload, limit) = match input {
        Input::Values(_) => (cont.contref.0, ensure_started(env, builder, cont)?),
        // `Builtin::Throw` does not return for a fresh continuation. This one was suspended, so that it has a stack.
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
    let switched = SwitchResult(native(env).stack_switch(builder, own.0, theirs.0, payload));
    native(env).set_current(builder, parent.0);
    native(env).set_stack_limit(builder, parent_limit);

    let ended = builder.create_block();
    dispatch(env, builder, switched, resume_frame, clauses, ended);
    builder.seal_block(ended);
    after_end(env, builder, switched)?;
    Ok(values.load(env, builder, results))
}

/// Emits the code of [`resume`] from `ended` to `returned`: what remains to be done for the continuation that ended depends on
/// the outcome in `switched`. Leaves `builder` in `returned`.
fn after_end(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    switched: SwitchResult,
) -> WasmResult<()> {
    let [returned, other, kept, unwound] = std::array::from_fn(|_| builder.create_block());
    [other, kept, unwound].into_iter().for_each(|block| builder.set_cold_block(block));
    let outcome = switched.outcome(builder);
    let is_returned = builder.ins().icmp_imm_u(IntCC::Equal, outcome, RETURNED.cast_signed());
    builder.ins().brif(is_returned, returned, &[], other, &[]);
    builder.seal_block(other);

    builder.switch_to_block(other);
    let is_kept = builder.ins().icmp_imm_u(IntCC::Equal, outcome, KEPT.cast_signed());
    builder.ins().brif(is_kept, kept, &[], unwound, &[]);
    builder.seal_block(kept);
    builder.seal_block(unwound);

    builder.switch_to_block(unwound);
    let ended = switched.ended(builder, UNWOUND);
    let vmctx = env.vmctx(builder);
    native(env).call_native(builder, NativeBuiltin::Unwind, &[vmctx, ended.0])?;
    builder.ins().trap(NO_RETURN);

    builder.switch_to_block(kept);
    // References among the results at `values` stay valid: no collection can happen in `finish`.
    let ended = switched.ended(builder, KEPT);
    let vmctx = env.vmctx(builder);
    native(env).call_native(builder, NativeBuiltin::Finish, &[vmctx, ended.0])?;
    builder.ins().jump(returned, &[]);

    builder.seal_block(returned);
    builder.switch_to_block(returned);
    Ok(())
}
