//! The operands of the instructions.

use crate::env::{Builtin, FuncEnv};
use crate::usable::Usable;
use crate::view::Payload;
use cranelift_codegen::ir::{self, Value};
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TagIndex, TypeIndex, WasmResult, WasmValType};

/// A handler clause.
#[derive(Debug, Clone, Copy)]
pub struct Clause {
    /// The tag that it handles.
    pub tag: TagIndex,
    /// The label of `(on $tag $label)`; `None` for `(on $tag switch)`.
    pub label: Option<ir::Block>,
}

/// The clauses with labels, in order. The search for a handler reports a clause by its number in this sequence.
pub(crate) fn labels(clauses: &[Clause]) -> impl Iterator<Item = (TagIndex, ir::Block)> + '_ {
    clauses.iter().filter_map(|clause| Some((clause.tag, clause.label?)))
}

/// The operands of a `cont.new`.
pub(crate) struct New {
    /// The continuation type.
    pub(crate) ty: TypeIndex,
    /// The function, not null.
    pub(crate) func: Value,
}

/// The operands of a `resume`, `resume_throw` or `resume_throw_ref`.
pub(crate) struct Resume<'a> {
    /// The continuation.
    pub(crate) cont: Usable,
    /// The input, which [`Input::hand_over`] gives to the continuation.
    pub(crate) input: Input<'a>,
    /// The types of the continuation's results.
    pub(crate) results: &'a [WasmValType],
    /// The handler clauses.
    pub(crate) clauses: &'a [Clause],
}

/// The operands of a `suspend`.
pub(crate) struct Suspend<'a> {
    /// The tag.
    pub(crate) tag: TagIndex,
    /// The payload.
    pub(crate) args: &'a [Value],
    /// The types of the values that the `suspend` returns.
    pub(crate) results: &'a [WasmValType],
}

/// The input with which a continuation is resumed.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a> {
    /// The arguments that are not bound yet.
    Values(&'a [Value]),
    /// A reference to the exception that the instruction raises which suspended the continuation; not null.
    Exception(Value),
}

impl Input<'_> {
    /// Emits the code that stores the arguments in the continuation, or that prepares the continuation for the exception.
    pub(crate) fn hand_over(
        self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        cont: Usable,
    ) -> WasmResult<()> {
        match self {
            Input::Values(args) => cont.store_args(env, builder, args),
            Input::Exception(exnref) => {
                let vmctx = env.vmctx(builder);
                env.call(builder, Builtin::Throw, &[vmctx, cont.contref.0, exnref])?;
            }
        }
        Ok(())
    }
}

/// The target of a `switch`.
pub(crate) struct Target<'a> {
    /// The continuation.
    pub(crate) cont: Usable,
    /// The arguments that are not bound yet, except the last one, which is a reference to the captured continuation.
    pub(crate) args: &'a [Value],
    /// The types of the values that the captured continuation waits for.
    pub(crate) received: &'a [WasmValType],
}

impl Target<'_> {
    /// Emits the code that stores `args` in the continuation, and returns the slot of the last argument.
    pub(crate) fn store_args(&self, env: &mut dyn FuncEnv, builder: &mut FunctionBuilder<'_>) -> Payload {
        let place = self.cont.next_value(env, builder);
        place.store(env, builder, self.args);
        place.skip(builder, self.args.len())
    }
}
