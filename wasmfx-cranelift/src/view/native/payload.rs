//! Loads of values in entry code.

use crate::env::Memory;
use crate::view::payload::{Payload, slot_flags, slot_offset};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use cranelift_frontend::FunctionBuilder;

impl Payload {
    /// Loads values of these types from the slots from the first on. Unlike [`Payload::load`], this does not declare the values
    /// that a collector must find.
    pub(crate) fn load_untracked(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        types: &[Type],
    ) -> Vec<Value> {
        let flags = slot_flags(env, builder.func);
        let load = |(i, ty): (usize, &Type)| builder.ins().load(*ty, flags, self.0, slot_offset(i));
        types.iter().enumerate().map(load).collect()
    }
}
