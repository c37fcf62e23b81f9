//! What the stack switching instructions of one function share.

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{self, Block, Inst, InstBuilder, StackSlot, Value, types::I64};
use cranelift_frontend::{FunctionBuilder, Variable};
use std::collections::HashSet;
use wasmtime_environ::TagIndex;

/// What the stack switching instructions of one function share: stack slots, and values that are the same all along an
/// activation.
///
/// To share slots is sound because an activation is inside one such instruction at a time, and what the
/// instruction leaves in the slots has been read before the next begins.
#[derive(Debug, Default)]
pub struct FunctionState {
    /// The end of the code that every activation begins with.
    entry: Option<(Block, Option<Inst>)>,
    /// Frames that are filled there.
    pub(crate) frames: Vec<SharedFrame>,
    /// The frame of other resumes.
    pub(crate) frame: Option<StackSlot>,
    pub(crate) payload: Option<StackSlot>,
    current: CurrentContinuation,
    /// The continuations that the function's `cont.new` have made with room for all arguments in themselves, and their
    /// revisions then.
    pub(crate) made: HashSet<[Value; 2]>,
}

/// A frame for some clauses, in order, and so many results.
#[derive(Debug)]
pub(crate) struct SharedFrame {
    pub(crate) clauses: Vec<(TagIndex, bool)>,
    pub(crate) results: usize,
    pub(crate) slot: StackSlot,
}

impl FunctionState {
    /// More frames, or larger ones, would make calls of a function dear that come to none of its resumes.
    pub(crate) const MAX_FRAMES: usize = 4;
    pub(crate) const MAX_CLAUSES: usize = 64;

    /// Notes that `builder` is where every activation has checked its stack, and has done nothing else yet.
    pub fn enter(&mut self, builder: &mut FunctionBuilder<'_>) {
        let block = builder.current_block().expect("there is code to come");
        self.entry = Some((block, builder.func.layout.last_inst(block)));
        self.current.enter(builder);
    }

    /// The place that [`FunctionState::enter`] noted.
    pub(crate) fn entry<'f>(&self, func: &'f mut ir::Function) -> FuncCursor<'f> {
        let (block, inst) = self.entry.expect("the function was entered");
        match inst {
            Some(inst) => FuncCursor::new(func).after_inst(inst),
            None => FuncCursor::new(func).at_first_insertion_point(block),
        }
    }

    /// The variable that holds the current continuation, what defines it where the function begins, and the stack limit, if
    /// somebody has asked for it.
    ///
    /// # Panics
    ///
    /// If the function was not entered.
    pub fn current(&mut self) -> (Variable, Inst, &mut Option<Value>) {
        let CurrentContinuation { variable, limit } = &mut self.current;
        let (variable, inst) = variable.expect("the function was entered");
        (variable, inst, limit)
    }
}

/// The continuation that an activation belongs to, and its stack limit: a stack is one continuation's until all its
/// frames are gone. Loaded where the function begins, if an instruction asks for them.
///
/// The continuation is a variable, which each `suspend` and `switch` that goes on sets to what was handed to it. That is
/// the same, but known at once: the code that comes next need not wait for the stack pointer, and then for what was spilled there.
#[derive(Debug, Default)]
struct CurrentContinuation {
    /// The variable, and what defines it at first: to be replaced.
    variable: Option<(Variable, Inst)>,
    limit: Option<Value>,
}

impl CurrentContinuation {
    /// Declares the variable, where the function begins.
    fn enter(&mut self, builder: &mut FunctionBuilder<'_>) {
        let variable = builder.declare_var(I64);
        let unknown = builder.ins().iconst(I64, 0);
        builder.def_var(variable, unknown);
        let inst = builder.func.dfg.value_def(unknown).unwrap_inst();
        self.variable = Some((variable, inst));
    }
}
