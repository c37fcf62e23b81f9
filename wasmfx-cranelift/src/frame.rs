//! The frame that a `resume` leaves for a search for a handler, and the function's own payload slots.
//!
//! All are stack slots of the function that is translated, and its instructions share them (`function.rs`):
//!
//! ```text
//!   frame of the function
//!   | frames[0..4]   filled where the function begins, one for each list of clauses and number of results |
//!   | frame          filled by each other resume                                                          |
//!   | payload        values on their way, of any of the instructions                                      |
//! ```

use crate::env::{Backend, FuncEnv};
use crate::function::{FunctionState, SharedFrame};
use crate::operands::Clause;
use crate::view::{Payload, ResumeFrame, ResumeFrameInit};
use cranelift_codegen::cursor::FuncCursor;
use cranelift_codegen::ir::{InstBuilder, StackSlot, StackSlotData, StackSlotKind, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::SLOT_SIZE;

/// The alignment of the stack slots, as a power of two: payload slots hold 128-bit values.
const SLOT_ALIGN_SHIFT: u8 = SLOT_SIZE.trailing_zeros() as u8;

/// A frame for these clauses and this many results, and the place where the results will be: both in the function's own slots.
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
    let slot = if let Some(frame) = env.function_state().frames.iter().find(same) {
        frame.slot
    } else if env.function_state().frames.len() < FunctionState::MAX_FRAMES
        && clauses.len() <= FunctionState::MAX_CLAUSES
    {
        let slot = grow(builder, None, size);
        let pos = &mut env.function_state().entry(builder.func);
        fill(env, pos, slot, clauses, results);
        env.function_state().frames.push(SharedFrame { clauses: key, results, slot });
        slot
    } else {
        let slot = grow(builder, env.function_state().frame, size);
        env.function_state().frame = Some(slot);
        fill(env, &mut builder.cursor(), slot, clauses, results);
        slot
    };
    let frame = ResumeFrame(builder.ins().stack_addr(env.pointer_type(), slot, 0));
    (frame, payload)
}

/// Emits the code at `pos` that fills the frame in `slot`.
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
    let slots = env.function_state().payload.filter(|_| results > 0);
    let results_go = slots.map(|slot| Payload(pos.ins().stack_addr(pointer, slot, 0)));
    // Only the libcall backend reads the number of results: the native backend's entry code is made for the function's type.
    let result_count = (env.backend() == Backend::Libcall).then_some(results);
    let frame = ResumeFrame(pos.ins().stack_addr(pointer, slot, 0));
    frame.init(env, pos, ResumeFrameInit { suspend_tags, switch_tags, results: results_go, result_count });
}

/// Room for so many values in the function's own slots; a null address if `values` is 0.
pub(crate) fn payload(env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, values: usize) -> Payload {
    if values == 0 {
        return Payload(builder.ins().iconst(env.pointer_type(), 0));
    }
    let slot = grow(builder, env.function_state().payload, values * SLOT_SIZE);
    env.function_state().payload = Some(slot);
    Payload(builder.ins().stack_addr(env.pointer_type(), slot, 0))
}

/// `slot`, or a new slot if that is `None`, with at least `size` bytes.
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
