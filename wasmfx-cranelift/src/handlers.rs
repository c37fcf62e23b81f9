//! The frame that a resume gives to the runtime, and the function's slots for it and for payloads.

use crate::env::FuncEnv;
use crate::view::{Payload, ResumeFrame, ResumeFrameInit};
use cranelift_codegen::ir::{self, InstBuilder, StackSlot, StackSlotData, StackSlotKind, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::layout::SLOT_SIZE;
use wasmtime_environ::TagIndex;

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
