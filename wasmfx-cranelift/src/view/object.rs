//! Access by address and offset to the objects that continuations are made of.

use crate::env::{Memory, MemoryRegion};
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, Type, Value};
use cranelift_frontend::FunctionBuilder;

/// The address of an object in the region [`MemoryRegion::ContRef`].
pub(super) trait Object: Copy {
    /// The address.
    fn address(self) -> Value;

    /// Loads the field of this type at this offset.
    fn load(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, ty: Type, offset: i32) -> Value {
        let flags = flags(env, builder.func, MemoryRegion::ContRef);
        builder.ins().load(ty, flags, self.address(), offset)
    }

    /// Stores `value` in the field at this offset.
    fn store(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, value: Value, offset: i32) {
        let flags = flags(env, builder.func, MemoryRegion::ContRef);
        builder.ins().store(flags, value, self.address(), offset);
    }

    /// Loads the word at this offset.
    fn pointer(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, offset: i32) -> Value {
        let ty = env.pointer_type();
        self.load(env, builder, ty, offset)
    }
}

/// The flags of accesses that do not trap and do not alias other regions.
pub(super) fn flags(env: &mut dyn Memory, func: &mut ir::Function, region: MemoryRegion) -> MemFlagsData {
    let region = env.region(func, region);
    MemFlagsData::trusted().with_alias_region(Some(region))
}
