//! The handler cache of a continuation: where its last search ended (`wasmfx_runtime::native`, N5).

use crate::env::Memory;
use crate::view::contref::ContRef;
use crate::view::object::Object;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::offsets;

impl ContRef {
    /// The stack whose `resume` is the first that a search by this continuation for `key` has to look at: the cached one if the
    /// cache holds, otherwise this continuation itself (N5).
    pub(crate) fn cached_handler(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        key: Value,
    ) -> ContRef {
        let known = self.pointer(env, builder, offsets::VMCONTREF_HANDLER_CACHE_KEY);
        let since = self.pointer(env, builder, offsets::VMCONTREF_HANDLER_CACHE_REVISION);
        let revision = self.revision(env, builder);
        let same_key = builder.ins().icmp(IntCC::Equal, known, key);
        let same_revision = builder.ins().icmp(IntCC::Equal, since, revision);
        let holds = builder.ins().band(same_key, same_revision);
        let last = self.pointer(env, builder, offsets::VMCONTREF_HANDLER_CACHE_LAST);
        ContRef(builder.ins().select(holds, last, self.0))
    }

    /// Notes that once this continuation is resumed again, its search for `key` may begin at `last`: the cache holds from the
    /// next revision on (N5).
    pub(crate) fn set_handler_cache(
        self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        key: Value,
        last: ContRef,
    ) {
        self.store(env, builder, key, offsets::VMCONTREF_HANDLER_CACHE_KEY);
        self.store(env, builder, last.0, offsets::VMCONTREF_HANDLER_CACHE_LAST);
        let revision = self.revision(env, builder);
        let next = builder.ins().iadd_imm_s(revision, 1);
        self.store(env, builder, next, offsets::VMCONTREF_HANDLER_CACHE_REVISION);
    }
}
