//! Rows of payload slots.

use super::object::flags;
use crate::env::{FuncEnv, Memory, MemoryRegion};
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::SLOT_SIZE;
use wasmtime_environ::WasmValType;

/// The address of a row of payload slots.
#[derive(Clone, Copy)]
pub(crate) struct Payload(pub(crate) Value);

impl Payload {
    /// Stores values in slots from the first on.
    pub(crate) fn store(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, values: &[Value]) {
        let flags = slot_flags(env, builder.func);
        for (i, value) in values.iter().enumerate() {
            builder.ins().store(flags, *value, self.0, slot_offset(i));
        }
    }

    /// The row from the slot with this number on.
    pub(crate) fn skip(self, builder: &mut FunctionBuilder<'_>, slots: usize) -> Payload {
        Payload(builder.ins().iadd_imm_s(self.0, i64::from(slot_offset(slots))))
    }

    /// Loads values of these types from the slots from the first on.
    pub(crate) fn load(
        self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        types: &[WasmValType],
    ) -> Vec<Value> {
        let flags = slot_flags(env, builder.func);
        let mut values = Vec::with_capacity(types.len());
        for (i, ty) in types.iter().enumerate() {
            let value = builder.ins().load(env.value_type(*ty), flags, self.0, slot_offset(i));
            if env.needs_stack_map(*ty) {
                builder.declare_value_needs_stack_map(value);
            }
            values.push(value);
        }
        values
    }
}

/// The offset in bytes of the slot with this number.
pub(super) fn slot_offset(i: usize) -> i32 {
    i32::try_from(i * SLOT_SIZE).expect("validation bounds the number of values")
}

/// The [`flags`] of accesses to payload slots. These are little-endian, as `ValRaw` is: with the libcall backend an array-call
/// trampoline reads the arguments of a fresh continuation.
pub(super) fn slot_flags(env: &mut dyn Memory, func: &mut ir::Function) -> MemFlagsData {
    flags(env, func, MemoryRegion::Payload).with_endianness(ir::Endianness::Little)
}
