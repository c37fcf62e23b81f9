//! A reference that was checked, and what binds values to its continuation.

use crate::env::{FuncEnv, Trap};
use crate::view::{ContObj, ContRef, Payload};
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC};
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::ModuleInternedTypeIndex;

/// A continuation whose reference is known to be usable here. Whoever consumes it increments the
/// revision (`wasmfx_runtime::abi`, C1).
#[derive(Clone, Copy)]
pub(crate) struct Usable {
    pub(crate) contref: ContRef,
    revision: Value,
}

impl Usable {
    /// Traps unless `cont` is a reference that has not been consumed.
    pub(crate) fn new(env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, cont: Value) -> Usable {
        let (contref, revision) = ContObj(cont).split(&mut builder.cursor());
        env.trap_if_zero(builder, contref.0, Trap::NullReference);
        let current = contref.revision(env, builder);
        let usable = builder.ins().icmp(IntCC::Equal, current, revision);
        env.trap_if_zero(builder, usable, Trap::ContinuationAlreadyConsumed);
        Usable { contref, revision }
    }

    /// Whether it is known to be as a `cont.new` of this function has made it (C1): without a stack, without values, and with
    /// room in itself for all that it waits for.
    pub(crate) fn is_as_made(self, env: &mut dyn FuncEnv) -> bool {
        env.function_state().made.contains(&[self.contref.0, self.revision])
    }

    /// Where the next unbound value goes.
    pub(crate) fn next_value(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) -> Payload {
        if self.is_as_made(env) { self.contref.args(builder) } else { self.contref.next_value(env, builder) }
    }

    /// Stores `args` behind the values that are bound already. They are not bound by that (C3).
    pub(crate) fn store_args(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, args: &[Value]) {
        if !args.is_empty() {
            self.next_value(env, builder).store(env, builder, args);
        }
    }

    /// Binds so many more values, of the types that begin the parameters of the function type `ty`.
    pub(crate) fn add_bound(
        self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        ty: ModuleInternedTypeIndex,
        count: usize,
    ) {
        if count > 0 {
            let bound = self.contref.bound(env, builder);
            // The types of all bound values are those of the first instruction that bound some.
            let ty = env.type_id(builder, ty);
            let before = self.contref.bound_types(env, builder);
            let bound_types = builder.ins().select(bound, before, ty);
            self.contref.set_waits_for(env, builder, bound_types);
            let bound = builder.ins().iadd_imm_s(bound, count as i64);
            self.contref.set_bound(env, builder, bound);
        }
    }

    /// Consumes the reference.
    #[cfg(feature = "native")]
    pub(crate) fn consume(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) {
        let revision = builder.ins().iadd_imm_s(self.revision, 1);
        self.contref.set_revision(env, builder, revision);
    }

    /// Consumes the reference and returns a new one to the same continuation.
    pub(crate) fn consume_and_renew(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) -> Value {
        let revision = builder.ins().iadd_imm_s(self.revision, 1);
        self.contref.set_revision(env, builder, revision);
        ContObj::new(&mut builder.cursor(), self.contref, revision).0
    }
}
