//! The header of a stack.

use crate::view::object::Object;
use cranelift_codegen::ir::Value;

/// A `*mut VMStackHeader`.
#[derive(Clone, Copy)]
pub(crate) struct StackHeader(pub(crate) Value);

impl Object for StackHeader {
    fn address(self) -> Value {
        self.0
    }
}
