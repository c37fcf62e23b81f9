//! From the outcome of a resume to the clause that was taken.

use crate::env::FuncEnv;
use crate::operands::{Clause, labels};
use crate::view::{ContObj, ContRef, ResumeFrame, SwitchResult};
use cranelift_codegen::ir::{self, Block, InstBuilder, JumpTableData};
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::TagIndex;

/// Emits the branches from `switched`, the result of a resume: to the clause that was taken, or to `ended` if the continuation
/// ended. Leaves `builder` in `ended`, unsealed.
///
/// ```text
///   brif switched.outcome, ended, taken
/// taken:
///   br_table frame.clause, [clause 0, clause 1, ...]      with one clause, there is no table
/// clause i:
///   load the payload, make a reference to switched.captured
///   jump label i
/// ended:
/// ```
pub(crate) fn dispatch(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    switched: SwitchResult,
    frame: ResumeFrame,
    clauses: &[Clause],
    ended: Block,
) {
    let labels: Vec<_> = labels(clauses).collect();
    let blocks: Vec<Block> = labels.iter().map(|_| builder.create_block()).collect();
    match blocks[..] {
        [] => {
            builder.ins().jump(ended, &[]);
        }
        [only] => {
            let outcome = switched.outcome(builder);
            builder.ins().brif(outcome, ended, &[], only, &[]);
        }
        [.., last] => {
            let taken = builder.create_block();
            let outcome = switched.outcome(builder);
            builder.ins().brif(outcome, ended, &[], taken, &[]);
            builder.switch_to_block(taken);
            builder.seal_block(taken);
            let clause = frame.clause(env, builder);
            let pool = &mut builder.func.dfg.value_lists;
            let mut call = |block: Block| ir::BlockCall::new(block, std::iter::empty::<ir::BlockArg>(), pool);
            // `frame.clause` is always the number of one of these clauses. So the last serves as the table's default.
            let default = call(last);
            let targets: Vec<_> = blocks[..blocks.len() - 1].iter().copied().map(&mut call).collect();
            let table = builder.create_jump_table(JumpTableData::new(default, &targets));
            builder.ins().br_table(clause, table);
        }
    }

    for (&(tag, label), block) in labels.iter().zip(blocks) {
        builder.switch_to_block(block);
        builder.seal_block(block);
        jump_to_label(env, builder, switched.captured(), tag, label);
    }
    builder.switch_to_block(ended);
}

/// Emits the code of a clause that was taken: a jump to `label` with the payload of `tag` and a reference to `captured`.
fn jump_to_label(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    captured: ContRef,
    tag: TagIndex,
    label: Block,
) {
    let types = env.tag_params(tag);
    let mut values = Vec::with_capacity(types.len() + 1);
    if !types.is_empty() {
        values = captured.payload(env, builder, types.len()).load(env, builder, &types);
    }
    let revision = captured.revision(env, builder);
    values.push(ContObj::new(&mut builder.cursor(), captured, revision).0);
    env.jump(builder, label, &values);
}
