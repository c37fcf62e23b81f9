//! Which resumes share a frame, and where each frame is filled.

use super::*;
use crate::view::ResumeFrame;
use cranelift_codegen::ir::StackSlot;
use wasmfx_runtime::abi::offsets;

/// A clause as these tests write it: the number of its tag, and whether it has a label.
type Shape = (u32, bool);

/// Where the code fills a frame.
#[derive(Debug, PartialEq)]
struct Fill {
    slot: StackSlot,
    /// Whether the code is where the function begins.
    at_start: bool,
}

/// A function with one resume for each list of clauses, of a continuation type with this number.
fn resumes(engine: &mut Engine, lists: &[(u32, Vec<Shape>)]) -> Function {
    engine.next_function();
    let types: Vec<_> = engine.values.iter().map(|ty| engine.value_type(*ty)).collect();
    let func = translate(engine, |env, builder, cont, values| {
        // `fills` finds the place behind the start by this.
        builder.ins().nop();
        let mut labels = vec![];
        for (ty, list) in lists {
            let mut clauses = vec![];
            for (tag, has_label) in list {
                let label = has_label.then(|| label(builder, &types));
                labels.extend(label);
                clauses.push(Clause { tag: TagIndex::from_u32(*tag), label });
            }
            resume(env, builder, TypeIndex::from_u32(*ty), cont, values, &clauses)?;
        }
        for label in labels {
            builder.ins().return_(&[]);
            builder.switch_to_block(label);
        }
        Ok(())
    });
    func.unwrap()
}

/// Each place in the code that fills a frame: there is one store of the number of clauses for each.
fn fills(func: &Function) -> Vec<Fill> {
    let mut at_start = true;
    let mut fills = vec![];
    for inst in instructions(func) {
        let data = &func.dfg.insts[inst];
        match (data.opcode(), func.dfg.inst_args(inst)) {
            (Opcode::Nop, _) => at_start = false,
            (Opcode::Store, [value, address])
                if data.load_store_offset() == Some(offsets::VMRESUMEFRAME_SUSPEND_COUNT)
                    && constant(func, *value).is_some() =>
            {
                if let Some(address) = definition(func, *address, Opcode::StackAddr) {
                    fills.push(Fill { slot: func.dfg.insts[address].stack_slot().unwrap(), at_start });
                }
            }
            _ => {}
        }
    }
    assert!(!at_start, "the place behind the start was found");
    fills
}

/// The frames that are filled where the function begins, and those that are filled elsewhere: one entry for each place.
fn frames(func: &Function) -> (Vec<StackSlot>, Vec<StackSlot>) {
    let (start, rest): (Vec<_>, Vec<_>) = fills(func).into_iter().partition(|fill| fill.at_start);
    let slots = |fills: Vec<Fill>| {
        let mut slots: Vec<_> = fills.into_iter().map(|fill| fill.slot).collect();
        slots.sort();
        slots
    };
    (slots(start), slots(rest))
}

/// How many stack slots a function has for payloads.
fn payload_slots(engine: &Engine) -> usize {
    usize::from(!engine.values.is_empty())
}

#[test]
fn four_frames_are_filled_where_the_function_begins() {
    each(|engine| {
        // The last has two clauses.
        let mut lists: Vec<_> = (0..6).map(|tag| (0, vec![(tag, false)])).collect();
        lists[5].1.push((0, false));
        let func = resumes(engine, &lists);
        let (mut start, rest) = frames(&func);
        assert_eq!(start.len(), 4);
        start.dedup();
        assert_eq!(start.len(), 4, "each has a slot of its own");
        assert_eq!(rest.len(), 2, "each of the others fills one");
        assert_eq!(rest[0], rest[1], "the same one");
        assert!(!start.contains(&rest[0]));
        let slots = &func.sized_stack_slots;
        assert_eq!(slots.len(), 4 + 1 + payload_slots(engine));
        assert_eq!(slots[start[0]].size as usize, ResumeFrame::size(1));
        assert_eq!(slots[rest[0]].size as usize, ResumeFrame::size(2), "room for the larger of the two");
    });
}

#[test]
fn a_long_frame_is_filled_at_each_resume() {
    each(|engine| {
        let list = |clauses: usize| (0..clauses as u32).map(|tag| (tag, false)).collect::<Vec<_>>();
        let func = resumes(engine, &[(0, list(65)), (0, list(65))]);
        let (start, rest) = frames(&func);
        assert_eq!(start, []);
        assert_eq!(rest.len(), 2);
        assert_eq!(rest[0], rest[1]);
        assert_eq!(func.sized_stack_slots.len(), 1 + payload_slots(engine));
        assert_eq!(func.sized_stack_slots[rest[0]].size as usize, ResumeFrame::size(65));

        let (start, rest) = frames(&resumes(engine, &[(0, list(64)), (0, list(64))]));
        assert_eq!((start.len(), rest.len()), (1, 0));
    });
}

#[test]
fn resumes_share_a_frame_if_clauses_and_results_agree() {
    each(|engine| {
        let frames_of = |engine: &mut Engine, lists: &[(u32, Vec<Shape>)]| {
            let func = resumes(engine, lists);
            let (start, rest) = frames(&func);
            assert_eq!(rest, [], "all are filled where the function begins");
            assert_eq!(func.sized_stack_slots.len(), start.len() + payload_slots(engine));
            start.len()
        };
        let one = (0, vec![(0, true), (1, false), (2, true)]);
        assert_eq!(frames_of(engine, &[one.clone(), one.clone(), one.clone()]), 1);
        let other_order = (0, vec![(2, true), (1, false), (0, true)]);
        assert_eq!(frames_of(engine, &[one.clone(), other_order, one.clone()]), 2);
        let other_kind = (0, vec![(0, true), (1, true), (2, true)]);
        assert_eq!(frames_of(engine, &[one.clone(), other_kind, one.clone()]), 2);
        let prefix = (0, vec![(0, true), (1, false)]);
        assert_eq!(frames_of(engine, &[one.clone(), prefix, one.clone()]), 2);
        if !engine.values.is_empty() {
            let fewer_results = (1, one.1.clone());
            assert_eq!(frames_of(engine, &[one.clone(), fewer_results, one]), 2);
        }
    });
}
