//! `resume`.

use crate::checks::Checked;
use crate::env::{Builtin, FuncEnv};
use crate::handlers::{self, Clause};
use crate::view::ResumeFrame;
use cranelift_codegen::ir::{self, Block, InstBuilder, JumpTableData, Value, types::I32};
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TagIndex, TypeIndex, WasmResult};

/// ```text
///   check the reference, store the arguments
///   fill the frame
///   code = call resume(vmctx, contref, frame)
///   br_table code, returned, [returned, clause 0, clause 1, ...]
/// clause i:
///   load the payload and the captured continuation
///   jump label i
/// returned:
///   load the results
/// ```
pub(super) fn resume(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    ty: TypeIndex,
    cont: Value,
    args: &[Value],
    clauses: &[Clause],
) -> WasmResult<Vec<Value>> {
    let results = env.cont_results(ty);
    let cont = Checked::new(env, builder, cont);
    cont.store_args(env, builder, args);
    let (frame, payload) = handlers::resume_frame(env, builder, clauses, results.len());
    let vmctx = env.vmctx(builder);
    let code = env.call(builder, Builtin::Resume, &[vmctx, cont.contref.0, frame.0])?;
    dispatch(env, builder, code, frame, clauses);
    Ok(payload.load(env, builder, &results))
}

/// Goes to the clause that `code` says, and leaves `builder` where the continuation has returned.
fn dispatch(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    code: Value,
    frame: ResumeFrame,
    clauses: &[Clause],
) {
    let labels: Vec<(TagIndex, Block)> = handlers::labels(clauses).collect();
    if labels.is_empty() {
        return;
    }
    let returned = builder.create_block();
    let blocks: Vec<Block> = labels.iter().map(|_| builder.create_block()).collect();

    let pool = &mut builder.func.dfg.value_lists;
    let mut call = |block: Block| ir::BlockCall::new(block, std::iter::empty::<ir::BlockArg>(), pool);
    let default = call(returned);
    let targets: Vec<_> = std::iter::once(returned).chain(blocks.iter().copied()).map(&mut call).collect();
    let table = builder.create_jump_table(JumpTableData::new(default, &targets));
    let code = builder.ins().ireduce(I32, code);
    builder.ins().br_table(code, table);

    for ((tag, label), block) in labels.into_iter().zip(blocks) {
        builder.switch_to_block(block);
        builder.seal_block(block);
        let types = env.tag_params(tag);
        let mut args = Vec::with_capacity(types.len() + 1);
        if !types.is_empty() {
            let payload = frame.payload(env, builder);
            args = payload.load(env, builder, &types);
        }
        args.push(frame.captured(env, builder).0);
        env.jump(builder, label, &args);
    }
    builder.switch_to_block(returned);
    builder.seal_block(returned);
}
