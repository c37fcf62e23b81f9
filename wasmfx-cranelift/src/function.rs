//! The state that the stack switching instructions of one function share.

use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{self, Block, Inst, InstBuilder, StackSlot, Value, types::I64};
use cranelift_frontend::{FunctionBuilder, Variable};
use std::collections::HashSet;
use wasmtime_environ::TagIndex;

/// The state that the stack switching instructions of one function share: stack slots, and values that are the same throughout an
/// activation.
///
/// Sharing slots is sound, because an activation is inside at most one such instruction at a time, and all values that the
/// instruction leaves in the slots are read before the next instruction begins.
#[derive(Debug, Default, PartialEq)]
pub struct FunctionState {
    /// The place in the code that [`FunctionState::enter`] noted: a block, and the instruction in front of the place, if any.
    entry: Option<(Block, Option<Inst>)>,
    /// The frames that the code at `entry` fills, once per activation. Each serves all resumes with its clauses and its number of
    /// results.
    pub(crate) frames: Vec<SharedFrame>,
    /// The frame of the resumes that no frame in `frames` serves. Each of these resumes fills this frame before its switch.
    pub(crate) frame: Option<StackSlot>,
    /// The payload slots of all instructions.
    pub(crate) payload: Option<StackSlot>,
    /// The current stack and its stack limit.
    pub(crate) current: CurrentContinuation,
    /// The continuations that the function's `cont.new` instructions have made with room for all arguments in `args`, each with
    /// its revision at that time. See [`Usable::is_as_made`](crate::usable::Usable::is_as_made).
    pub(crate) made: HashSet<[Value; 2]>,
}

/// A frame that all resumes with the same clauses, in the same order, and the same number of results share.
#[derive(Debug, PartialEq)]
pub(crate) struct SharedFrame {
    /// The tag of each clause, and whether the clause is `(on $tag switch)`.
    pub(crate) clauses: Vec<(TagIndex, bool)>,
    pub(crate) results: usize,
    pub(crate) slot: StackSlot,
}

impl FunctionState {
    /// How many frames are filled where the function begins, at most. Every call of the function pays for filling all of them,
    /// even if the call reaches none of the resumes.
    pub(crate) const MAX_FRAMES: usize = 4;
    /// How many clauses a frame has at most that is filled where the function begins, for the same reason.
    pub(crate) const MAX_CLAUSES: usize = 64;

    /// Notes the position of `builder` as the place where every activation has checked its stack limit and has done nothing else
    /// yet.
    ///
    /// # Panics
    ///
    /// If `builder` has no current block, or if this state has served another function.
    pub fn enter(&mut self, builder: &mut FunctionBuilder<'_>) {
        assert!(*self == FunctionState::default(), "each function has a state of its own");
        let block = builder.current_block().expect("there is code to come");
        self.entry = Some((block, builder.func.layout.last_inst(block)));
        self.current.enter(builder);
    }

    /// A cursor at the place that [`FunctionState::enter`] noted.
    ///
    /// # Panics
    ///
    /// If the function was not entered.
    pub(crate) fn entry<'f>(&self, func: &'f mut ir::Function) -> FuncCursor<'f> {
        let (block, inst) = self.entry.expect("the function was entered");
        match inst {
            Some(inst) => FuncCursor::new(func).after_inst(inst),
            None => FuncCursor::new(func).at_first_insertion_point(block),
        }
    }
}

/// The continuation that an activation belongs to, and its stack limit. Both stay the same throughout an activation, because a
/// stack belongs to one continuation until all its frames are gone. They are loaded where the function begins, if an instruction
/// asks for them.
///
/// The continuation is a variable. Behind the switch of each `suspend` and `switch`, the variable is set to the result of the
/// switch, which is the same value. The result is in a register; without it, the code behind the switch would have to wait for
/// the new stack pointer and then for a load of the spilled value.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct CurrentContinuation {
    /// The variable, and the placeholder that defines the variable where the function begins. The first use replaces the
    /// placeholder with a load.
    pub(crate) variable: Option<(Variable, Inst)>,
    /// The stack limit, once it is loaded.
    pub(crate) limit: Option<Value>,
}

impl CurrentContinuation {
    /// Declares the variable, where the function begins.
    fn enter(&mut self, builder: &mut FunctionBuilder<'_>) {
        let variable = builder.declare_var(I64);
        let unknown = builder.ins().iconst(I64, 0);
        builder.def_var(variable, unknown);
        let placeholder = builder.func.dfg.value_def(unknown).unwrap_inst();
        self.variable = Some((variable, placeholder));
    }
}
