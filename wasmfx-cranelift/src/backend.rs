//! What a backend is, and the one place that picks one.

use crate::checks::Checked;
use crate::env::{Backend, FuncEnv};
use crate::handlers::{Clause, Input, Target};
use crate::libcall;
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
#[cfg(not(feature = "native"))]
use wasmtime_environ::wasm_unsupported;
use wasmtime_environ::{TagIndex, TypeIndex, WasmResult, WasmValType};

type Env<'a> = &'a mut dyn FuncEnv;
type Builder<'a, 'b> = &'a mut FunctionBuilder<'b>;

/// How the instructions that make or switch stacks are translated. The entry points in `lib.rs` document
/// the arguments.
#[allow(clippy::type_complexity, reason = "each signature stands here, and once")]
pub(crate) struct Translate {
    /// The function, and how many parameters and results it has.
    pub(crate) cont_new: fn(Env<'_>, Builder<'_, '_>, TypeIndex, Value, usize, usize) -> WasmResult<Value>,
    /// The continuation, to which its input was handed over, what that is, and the types of its results.
    pub(crate) resume:
        fn(Env<'_>, Builder<'_, '_>, Checked, Input<'_>, &[WasmValType], &[Clause]) -> WasmResult<Vec<Value>>,
    /// The tag, its payload, and the types of its results.
    pub(crate) suspend:
        fn(Env<'_>, Builder<'_, '_>, TagIndex, &[Value], &[WasmValType]) -> WasmResult<Vec<Value>>,
    pub(crate) switch: fn(Env<'_>, Builder<'_, '_>, TagIndex, Target) -> WasmResult<Vec<Value>>,
}

/// The backend of the engine that `env` compiles for.
pub(crate) fn of(env: &dyn FuncEnv) -> WasmResult<&'static Translate> {
    match env.backend() {
        Backend::Libcall => Ok(&libcall::TRANSLATE),
        #[cfg(feature = "native")]
        Backend::Native => Ok(&crate::native::TRANSLATE),
        #[cfg(not(feature = "native"))]
        Backend::Native => Err(wasm_unsupported!(
            "the native stack switching backend, in a build without the feature `native`"
        )),
    }
}
