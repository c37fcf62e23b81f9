//! The handler cache of a continuation: where its last searches ended (`wasmfx_runtime::native`, N5).

use crate::env::Memory;
use crate::view::contref::ContRef;
use crate::view::object::Object;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::offsets;

/// What the handler cache of a continuation says before a search by the continuation.
pub(crate) struct HandlerCache {
    /// The stack that the cache names, or null if the cache does not hold. This is all that lives through the search, which takes
    /// registers from the code around it.
    last: Value,
}

impl HandlerCache {
    /// Reads the handler cache of `cont` before a search for `key`. Also returns the stack whose `resume` is the first that the
    /// search has to look at: the cached one if the cache holds for `key`, otherwise `cont` (N5).
    pub(crate) fn read(
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        cont: ContRef,
        key: Value,
    ) -> (HandlerCache, ContRef) {
        let since = cont.pointer(env, builder, offsets::VMCONTREF_HANDLER_CACHE_REVISION);
        let revision = cont.revision(env, builder);
        let holds = builder.ins().icmp(IntCC::Equal, since, revision);
        let last = cont.pointer(env, builder, offsets::VMCONTREF_HANDLER_CACHE_LAST);
        let none = builder.ins().iconst(env.pointer_type(), 0);
        let last = builder.ins().select(holds, last, none);

        let [known, other] = HandlerCache::keys(env, builder, cont);
        let is_known = builder.ins().icmp(IntCC::Equal, known, key);
        let is_other = builder.ins().icmp(IntCC::Equal, other, key);
        let is_either = builder.ins().bor(is_known, is_other);
        let hit = builder.ins().band(is_either, holds);
        let begin = builder.ins().select(hit, last, cont.0);
        (HandlerCache { last }, ContRef(begin))
    }

    fn keys(env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>, cont: ContRef) -> [Value; 2] {
        [offsets::VMCONTREF_HANDLER_CACHE_KEY, offsets::VMCONTREF_HANDLER_CACHE_OTHER_KEY]
            .map(|offset| cont.pointer(env, builder, offset))
    }

    /// Notes that once `cont`, the continuation itself, is resumed again, its search for `key` may begin at `last`: the new cache
    /// holds from the next revision on. What the cache knew of another key stays if the place is the same (N5). The search has
    /// left the keys as they were.
    pub(crate) fn update(
        &self,
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        cont: ContRef,
        key: Value,
        last: ContRef,
    ) {
        let [known, other] = HandlerCache::keys(env, builder, cont);
        let is_known = builder.ins().icmp(IntCC::Equal, known, key);
        let other = builder.ins().select(is_known, other, known);
        let same_place = builder.ins().icmp(IntCC::Equal, self.last, last.0);
        let none = builder.ins().iconst(env.pointer_type(), 0);
        let other = builder.ins().select(same_place, other, none);
        cont.store(env, builder, key, offsets::VMCONTREF_HANDLER_CACHE_KEY);
        cont.store(env, builder, other, offsets::VMCONTREF_HANDLER_CACHE_OTHER_KEY);
        cont.store(env, builder, last.0, offsets::VMCONTREF_HANDLER_CACHE_LAST);
        let revision = cont.revision(env, builder);
        let next = builder.ins().iadd_imm_s(revision, 1);
        cont.store(env, builder, next, offsets::VMCONTREF_HANDLER_CACHE_REVISION);
    }
}
