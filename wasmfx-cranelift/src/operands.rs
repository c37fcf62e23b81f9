//! What an instruction takes.

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
    /// Where `(on $tag $label)` goes; `None` for `(on $tag switch)`.
    pub label: Option<ir::Block>,
}

/// The clauses with labels, in order: their numbers are what the runtime reports.
pub(crate) fn labels(clauses: &[Clause]) -> impl Iterator<Item = (TagIndex, ir::Block)> + '_ {
    clauses.iter().filter_map(|clause| Some((clause.tag, clause.label?)))
}

/// What a `cont.new` makes a continuation of.
pub(crate) struct New {
    /// The continuation type. The native backend has entry code for each.
    #[allow(dead_code, reason = "there may be no other backend than libcall")]
    pub(crate) ty: TypeIndex,
    /// The function, not null.
    pub(crate) func: Value,
    /// How many parameters it has.
    pub(crate) params: usize,
    /// How many results it has.
    pub(crate) results: usize,
}

/// What a `resume` runs, and where it may go on.
pub(crate) struct Resume<'a> {
    /// The continuation, to which its input has been handed over.
    pub(crate) cont: Usable,
    /// That input, which the native backend hands over with the switch.
    #[allow(dead_code, reason = "there may be no other backend than libcall")]
    pub(crate) input: Input<'a>,
    /// The types of the continuation's results.
    pub(crate) results: &'a [WasmValType],
    /// The handler clauses.
    pub(crate) clauses: &'a [Clause],
}

/// What a `suspend` passes and waits for.
pub(crate) struct Suspend<'a> {
    pub(crate) tag: TagIndex,
    /// The payload.
    pub(crate) args: &'a [Value],
    /// The types of what it returns.
    pub(crate) results: &'a [WasmValType],
}

/// What a continuation is resumed with.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a> {
    /// The arguments that are not bound yet.
    Values(&'a [Value]),
    /// An exception to raise there, not null.
    Exception(Value),
}

impl Input<'_> {
    /// Hands it to the continuation: stores the arguments, or readies it for the exception.
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

/// What a `switch` goes to.
pub(crate) struct Target {
    /// The continuation, with its arguments stored but the last: the one that is captured.
    pub(crate) cont: Usable,
    /// How many arguments those are.
    pub(crate) args: usize,
    /// Where the last one goes. With the libcall backend the runtime finds that by itself.
    #[allow(dead_code, reason = "there may be no other backend than libcall")]
    pub(crate) last_arg: Payload,
    /// The types of what the captured continuation waits for.
    pub(crate) received: Vec<WasmValType>,
}
