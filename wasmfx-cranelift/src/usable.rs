//! A reference that was checked, and the binding of values to its continuation.

use crate::env::{FuncEnv, Trap};
use crate::view::{ContObj, ContRef, Payload};
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC};
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::ModuleInternedTypeIndex;

/// A continuation whose reference is known to be usable here. The code that consumes the reference increments the revision
/// (`wasmfx_runtime::abi`, C1): this crate's with the native backend and for `cont.bind`, otherwise the runtime's.
///
/// ```text
///   reference: contref, revision       usable exactly if revision == contref.revision
///                 |
///                 +--> VMContRef: values.data --> | bound | bound | next_value | ... |
///                                                   values.length = 2
/// ```
#[derive(Clone, Copy)]
pub(crate) struct Usable {
    pub(crate) contref: ContRef,
    revision: Value,
}

impl Usable {
    /// Emits the checks of `cont`: the code traps if the reference is null or was consumed.
    pub(crate) fn new(env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, cont: Value) -> Usable {
        let (contref, revision) = ContObj(cont).split(&mut builder.cursor());
        env.trap_if_zero(builder, contref.0, Trap::NullReference);
        let current = contref.revision(env, builder);
        let usable = builder.ins().icmp(IntCC::Equal, current, revision);
        env.trap_if_zero(builder, usable, Trap::ContinuationAlreadyConsumed);
        Usable { contref, revision }
    }

    /// Whether the continuation is known to be as a `cont.new` of this function has made it: without a stack, without bound
    /// values, and with room for all arguments in `args`. C1: nothing has happened to the continuation since an instruction made
    /// this reference, and this reference is the one that the `cont.new` made.
    pub(crate) fn is_as_made(self, env: &mut dyn FuncEnv) -> bool {
        env.function_state().made.contains(&[self.contref.0, self.revision])
    }

    /// The slot of the next value that is not bound yet.
    pub(crate) fn next_value(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) -> Payload {
        if self.is_as_made(env) { self.contref.args(builder) } else { self.contref.next_value(env, builder) }
    }

    /// Stores `args` behind the values that are bound already. Storing does not bind them: `values.length` stays (C3).
    pub(crate) fn store_args(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>, args: &[Value]) {
        if !args.is_empty() {
            self.next_value(env, builder).store(env, builder, args);
        }
    }

    /// Binds `count` more values, which [`Usable::store_args`] has stored. Their types are the first parameters of the function
    /// type `ty`.
    pub(crate) fn add_bound(
        self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        ty: ModuleInternedTypeIndex,
        count: usize,
    ) {
        if count > 0 {
            let bound = self.contref.bound(env, builder);
            // The first `cont.bind` that binds a value knows the types of all values that later ones bind: they are the
            // parameters of its type that follow. So only that one sets the type.
            let ty = env.type_id(builder, ty);
            let before = self.contref.bound_types(env, builder);
            let bound_types = builder.ins().select(bound, before, ty);
            self.contref.set_bound_types(env, builder, bound_types);
            let bound = builder.ins().iadd_imm_s(bound, count as i64);
            self.contref.set_bound(env, builder, bound);
        }
    }

    /// Emits the code that consumes the reference (C1), and returns the continuation's new revision.
    pub(crate) fn consume(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) -> Value {
        let revision = builder.ins().iadd_imm_s(self.revision, 1);
        self.contref.set_revision(env, builder, revision);
        revision
    }

    /// Emits the code that consumes the reference (C1), and returns a new reference to the same continuation.
    pub(crate) fn consume_and_renew(self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) -> Value {
        let revision = self.consume(env, builder);
        ContObj::new(&mut builder.cursor(), self.contref, revision).0
    }
}
