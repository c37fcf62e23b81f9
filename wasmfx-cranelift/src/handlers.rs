//! The frame that a resume has, clauses, and what else the instructions of a function share.

use crate::checks::Checked;
use crate::env::{Backend, Builtin, FuncEnv};
use crate::view::{ContObj, Handed, Payload, ResumeFrame, ResumeFrameInit};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{
    self, Block, Inst, InstBuilder, JumpTableData, StackSlot, StackSlotData, StackSlotKind, Value,
};
use cranelift_frontend::FunctionBuilder;
use std::collections::HashSet;
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
    /// Where the last one goes.
    #[cfg_attr(not(feature = "native"), expect(dead_code, reason = "the runtime finds it by itself"))]
    pub(crate) last_arg: Payload,
    /// The types of what the captured continuation waits for.
    pub(crate) received: Vec<WasmValType>,
}

/// The clauses with labels, in order: their numbers are what the runtime reports.
pub(crate) fn labels(clauses: &[Clause]) -> impl Iterator<Item = (TagIndex, ir::Block)> + '_ {
    clauses.iter().filter_map(|clause| Some((clause.tag, clause.label?)))
}

/// What the stack switching instructions of one function share: stack slots, and values that are the same all along an
/// activation.
///
/// To share slots is sound because an activation is inside one such instruction at a time, and what the
/// instruction leaves in the slots has been read before the next begins.
#[derive(Debug, Default)]
pub struct Shared {
    /// The end of the code that every activation begins with.
    entry: Option<(Block, Option<Inst>)>,
    /// Frames that are filled there.
    frames: Vec<SharedFrame>,
    /// The frame of other resumes.
    frame: Option<StackSlot>,
    payload: Option<StackSlot>,
    #[cfg(feature = "native")]
    pub(crate) own: crate::native::Own,
    /// The continuations that the function's `cont.new` have made with room for all arguments in themselves, and their
    /// revisions then.
    pub(crate) made: HashSet<[Value; 2]>,
}

/// A frame for some clauses, in order, and so many results.
#[derive(Debug)]
struct SharedFrame {
    clauses: Vec<(TagIndex, bool)>,
    results: usize,
    slot: StackSlot,
}

impl Shared {
    /// More frames, or larger ones, would make calls of a function dear that come to none of its resumes.
    const MAX_FRAMES: usize = 4;
    const MAX_CLAUSES: usize = 64;

    /// Notes that `builder` is where every activation has checked its stack, and has done nothing else yet.
    pub fn enter(&mut self, builder: &mut FunctionBuilder<'_>) {
        let block = builder.current_block().expect("there is code to come");
        self.entry = Some((block, builder.func.layout.last_inst(block)));
        #[cfg(feature = "native")]
        self.own.enter(builder);
    }

    /// The place that [`Shared::enter`] noted.
    pub(crate) fn entry<'f>(&self, func: &'f mut ir::Function) -> FuncCursor<'f> {
        let (block, inst) = self.entry.expect("the function was entered");
        match inst {
            Some(inst) => FuncCursor::new(func).after_inst(inst),
            None => FuncCursor::new(func).at_first_insertion_point(block),
        }
    }
}

/// A frame for these clauses and this many results, in the function's own slots.
pub(crate) fn resume_frame(
    env: &mut dyn FuncEnv,
    builder: &mut FunctionBuilder<'_>,
    clauses: &[Clause],
    results: usize,
) -> (ResumeFrame, Payload) {
    let payload = payload(env, builder, results);
    let size = ResumeFrame::size(clauses.len());
    let key: Vec<_> = clauses.iter().map(|clause| (clause.tag, clause.label.is_none())).collect();
    let same = |frame: &&SharedFrame| frame.results == results && frame.clauses == key;
    let slot = if let Some(frame) = env.shared().frames.iter().find(same) {
        frame.slot
    } else if env.shared().frames.len() < Shared::MAX_FRAMES && clauses.len() <= Shared::MAX_CLAUSES {
        let slot = grow(builder, None, size);
        let pos = &mut env.shared().entry(builder.func);
        fill(env, pos, slot, clauses, results);
        env.shared().frames.push(SharedFrame { clauses: key, results, slot });
        slot
    } else {
        let slot = grow(builder, env.shared().frame, size);
        env.shared().frame = Some(slot);
        fill(env, &mut builder.cursor(), slot, clauses, results);
        slot
    };
    let frame = ResumeFrame(builder.ins().stack_addr(env.pointer_type(), slot, 0));
    (frame, payload)
}

/// Fills the frame in `slot`.
fn fill(
    env: &mut dyn FuncEnv,
    pos: &mut FuncCursor<'_>,
    slot: StackSlot,
    clauses: &[Clause],
    results: usize,
) {
    let pointer = env.pointer_type();
    let mut tags = |switch: bool, pos: &mut FuncCursor<'_>| -> Vec<Value> {
        let clauses = clauses.iter().filter(|clause| clause.label.is_none() == switch);
        clauses.map(|clause| env.tag_address(pos, clause.tag)).collect()
    };
    let suspend_tags = &tags(false, pos);
    let switch_tags = &tags(true, pos);
    let slots = env.shared().payload.filter(|_| results > 0);
    let results_go = slots.map(|slot| Payload(pos.ins().stack_addr(pointer, slot, 0)));
    // The native backend's entry code knows its function's.
    let result_count = (env.backend() == Backend::Libcall).then_some(results);
    let frame = ResumeFrame(pos.ins().stack_addr(pointer, slot, 0));
    frame.init(env, pos, ResumeFrameInit { suspend_tags, switch_tags, results: results_go, result_count });
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
            args = captured.payload(env, builder, types.len()).load(env, builder, &types);
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
    let slot = grow(builder, env.shared().payload, values * SLOT_SIZE);
    env.shared().payload = Some(slot);
    Payload(builder.ins().stack_addr(env.pointer_type(), slot, 0))
}

/// `slot`, or a new one, with `size` bytes at least.
fn grow(builder: &mut FunctionBuilder<'_>, slot: Option<StackSlot>, size: usize) -> StackSlot {
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
