//! Access to the objects of continuations, by address and offset.

use crate::env::{Memory, MemoryRegion};
use cranelift_codegen::ir::{self, InstBuilder, MemFlagsData, Type, Value};
use cranelift_frontend::FunctionBuilder;

/// Something in the region of continuations, by its address.
pub(super) trait Object: Copy {
    fn address(self) -> Value;

    fn load(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, ty: Type, offset: i32) -> Value {
        let flags = flags(env, builder.func, MemoryRegion::ContRef);
        builder.ins().load(ty, flags, self.address(), offset)
    }

    fn store(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, value: Value, offset: i32) {
        let flags = flags(env, builder.func, MemoryRegion::ContRef);
        builder.ins().store(flags, value, self.address(), offset);
    }

    /// The pointer at this offset.
    fn pointer(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, offset: i32) -> Value {
        let ty = env.pointer_type();
        self.load(env, builder, ty, offset)
    }
}

/// Accesses that neither trap nor alias other regions.
pub(super) fn flags(env: &mut dyn Memory, func: &mut ir::Function, region: MemoryRegion) -> MemFlagsData {
    let region = env.region(func, region);
    MemFlagsData::trusted().with_alias_region(Some(region))
}
