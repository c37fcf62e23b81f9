//! The frame that a resume has, and the function's slots for it and for payloads.

use crate::checks::Checked;
use crate::env::{Builtin, FuncEnv};
use crate::view::{ContObj, Handed, Payload, ResumeFrame, ResumeFrameInit};
use cranelift_codegen::ir::{
    self, Block, InstBuilder, JumpTableData, StackSlot, StackSlotData, StackSlotKind, Value,
};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::layout::SLOT_SIZE;
use wasmtime_environ::{TagIndex, WasmResult, WasmValType};

/// The stack slots hold 128-bit values.
const SLOT_ALIGN_SHIFT: u8 = SLOT_SIZE.trailing_zeros() as u8;

/// A handler clause.
#[derive(Debug, Clone, Copy)]
pub struct Clause {
    /// The tag that it handles.
    pub tag: TagIndex,
    /// Where `(on $tag $label)` goes; `None` for `(on $tag switch)`.
    pub label: Option<ir::Block>,
}

/// What a continuation is resumed with.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a> {
    /// The arguments that are not bound yet.
    Values(&'a [Value]),
    /// An exception to raise there, not null.
    Exception(Value),
}

impl Input<'_> {
    /// Hands it to the continuation: stores the arguments, or readies it for the exception.
    pub(crate) fn hand_over(
        self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        cont: Checked,
    ) -> WasmResult<()> {
        match self {
            Input::Values(args) => cont.store_args(env, builder, args),
            Input::Exception(exnref) => {
                let vmctx = env.vmctx(builder);
                env.call(builder, Builtin::Throw, &[vmctx, cont.contref.0, exnref])?;
            }
        }
        Ok(())
    }
}

/// What a `switch` goes to.
pub(crate) struct Target {
    /// The continuation, with its arguments stored but the last: the one that is captured.
    pub(crate) cont: Checked,
    /// How many arguments those are.
    pub(crate) args: usize,
    /// The types of what the captured continuation waits for.
    pub(crate) received: Vec<WasmValType>,
}

/// The clauses with labels, in order: their numbers are what the runtime reports.
pub(crate) fn labels(clauses: &[Clause]) -> impl Iterator<Item = (TagIndex, ir::Block)> + '_ {
    clauses.iter().filter_map(|clause| Some((clause.tag, clause.label?)))
}

/// A frame for these clauses and this many results, in the function's own slots.
pub(crate) fn resume_frame(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    clauses: &[Clause],
    results: usize,
) -> (ResumeFrame, Payload) {
    let mut tags = |switch: bool, env: &mut dyn FuncEnv| -> Vec<Value> {
        let clauses = clauses.iter().filter(|clause| clause.label.is_none() == switch);
        clauses.map(|clause| env.tag_address(builder, clause.tag)).collect()
    };
    let suspend_tags = tags(false, env);
    let switch_tags = tags(true, env);
    let payload = payload(env, builder, results);
    let slot = grow(builder, env.slots().frame, ResumeFrame::size(clauses.len()));
    env.slots().frame = Some(slot);
    let frame = ResumeFrame(builder.ins().stack_addr(env.pointer_type(), slot, 0));
    frame.init(
        env,
        builder,
        ResumeFrameInit {
            suspend_tags: &suspend_tags,
            switch_tags: &switch_tags,
            results: (results, payload),
        },
    );
    (frame, payload)
}

/// Goes to the clause that was taken, or to `ended` if none was. Leaves `builder` in `ended`, unsealed.
pub(crate) fn dispatch(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    handed: Handed,
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
            let outcome = handed.outcome(builder);
            builder.ins().brif(outcome, ended, &[], only, &[]);
        }
        [.., last] => {
            let taken = builder.create_block();
            let outcome = handed.outcome(builder);
            builder.ins().brif(outcome, ended, &[], taken, &[]);
            builder.switch_to_block(taken);
            builder.seal_block(taken);
            let clause = frame.clause(env, builder);
            let pool = &mut builder.func.dfg.value_lists;
            let mut call = |block: Block| ir::BlockCall::new(block, std::iter::empty::<ir::BlockArg>(), pool);
            // There are no others: the last needs no comparison.
            let default = call(last);
            let targets: Vec<_> = blocks[..blocks.len() - 1].iter().copied().map(&mut call).collect();
            let table = builder.create_jump_table(JumpTableData::new(default, &targets));
            builder.ins().br_table(clause, table);
        }
    }

    for (&(tag, label), block) in labels.iter().zip(blocks) {
        builder.switch_to_block(block);
        builder.seal_block(block);
        let captured = handed.captured();
        let types = env.tag_params(tag);
        let mut args = Vec::with_capacity(types.len() + 1);
        if !types.is_empty() {
            args = captured.values(env, builder).load(env, builder, &types);
        }
        let revision = captured.revision(env, builder);
        args.push(ContObj::new(&mut builder.cursor(), captured, revision).0);
        env.jump(builder, label, &args);
    }
    builder.switch_to_block(ended);
}

/// Room for so many values in the function's own slots; a null address for none.
pub(crate) fn payload(env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, values: usize) -> Payload {
    if values == 0 {
        return Payload(builder.ins().iconst(env.pointer_type(), 0));
    }
    let slot = grow(builder, env.slots().payload, values * SLOT_SIZE);
    env.slots().payload = Some(slot);
    Payload(builder.ins().stack_addr(env.pointer_type(), slot, 0))
}

/// `slot`, or a new one, with `size` bytes at least.
pub(crate) fn grow(builder: &mut FunctionBuilder<'_>, slot: Option<StackSlot>, size: usize) -> StackSlot {
    let size = u32::try_from(size).expect("validation bounds the number of values and clauses");
    match slot {
        Some(slot) => {
            let data = &mut builder.func.sized_stack_slots[slot];
            data.size = data.size.max(size);
            slot
        }
        None => builder.create_sized_stack_slot(StackSlotData::new(
            StackSlotKind::ExplicitSlot,
            size,
            SLOT_ALIGN_SHIFT,
        )),
    }
}
