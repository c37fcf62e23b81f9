//! A continuation reference.

use super::contref::ContRef;
use cranelift_codegen::cursor::FuncCursor;
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value};

/// A continuation reference: a `VMContObj` as one 128-bit integer, with the pointer in the low half and the revision in the high
/// half.
#[derive(Clone, Copy)]
pub(crate) struct ContObj(pub(crate) Value);

impl ContObj {
    /// The reference to the continuation at `contref` with this revision.
    pub(crate) fn new(pos: &mut FuncCursor<'_>, contref: ContRef, revision: Value) -> ContObj {
        ContObj(pos.ins().iconcat(contref.0, revision))
    }

    /// A null reference.
    pub(crate) fn null(pointer_type: Type, pos: &mut FuncCursor<'_>) -> ContObj {
        let zero = pos.ins().iconst(pointer_type, 0);
        ContObj::new(pos, ContRef(zero), zero)
    }

    /// The continuation and the revision. If [`ContObj::new`] has made this reference in the same function, these are the very
    /// values from which it was made. [`Usable::is_as_made`](crate::usable::Usable::is_as_made) recognizes a continuation by
    /// these values, and a reference that is used where it was made needs no halves to be taken apart.
    pub(crate) fn split(self, pos: &mut FuncCursor<'_>) -> (ContRef, Value) {
        let dfg = &pos.func.dfg;
        if let Some(inst) = dfg.value_def(self.0).inst()
            && dfg.insts[inst].opcode() == Opcode::Iconcat
            && let [contref, revision] = *dfg.inst_args(inst)
        {
            return (ContRef(contref), revision);
        }
        let (contref, revision) = pos.ins().isplit(self.0);
        (ContRef(contref), revision)
    }
}
