//! The registers with which a stack goes on.

use crate::env::{Memory, MemoryRegion};
use crate::view::object::flags;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::offsets;

/// A `*mut VMControlContext`.
#[derive(Clone, Copy)]
pub(crate) struct Control(pub(crate) Value);

impl Control {
    /// Copies the registers of this context to `to`. All loads come before the first store.
    pub(crate) fn copy(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, to: Control) {
        let ty = env.pointer_type();
        let flags = flags(env, builder.func, MemoryRegion::ContRef);
        let offsets = (0..i32::from(offsets::VMCONTROLCONTEXT_SIZE)).step_by(size_of::<u64>());
        let words: Vec<_> =
            offsets.map(|offset| (builder.ins().load(ty, flags, self.0, offset), offset)).collect();
        for (word, offset) in words {
            builder.ins().store(flags, word, to.0, offset);
        }
    }
}
