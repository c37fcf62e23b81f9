//! What a backend is, and the one place that picks one.

use crate::env::{Backend, FuncEnv};
use crate::handlers::Clause;
use crate::libcall::Libcall;
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TagIndex, TypeIndex, WasmResult, wasm_unsupported};

/// How the instructions that make or switch stacks are translated. The entry points in `lib.rs` document
/// the arguments.
pub(crate) trait Translate {
    fn cont_new(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        func: Value,
        params: usize,
        results: usize,
    ) -> WasmResult<Value>;

    fn resume(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        ty: TypeIndex,
        cont: Value,
        args: &[Value],
        clauses: &[Clause],
    ) -> WasmResult<Vec<Value>>;

    fn suspend(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        tag: TagIndex,
        args: &[Value],
    ) -> WasmResult<Vec<Value>>;

    fn switch(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        ty: TypeIndex,
        tag: TagIndex,
        cont: Value,
        args: &[Value],
    ) -> WasmResult<Vec<Value>>;
}

/// The backend of the engine that `env` compiles for.
pub(crate) fn of(env: &dyn FuncEnv) -> WasmResult<&'static dyn Translate> {
    match env.backend() {
        Backend::Libcall => Ok(&Libcall),
        Backend::Native => Err(wasm_unsupported!("the native stack switching backend")),
    }
}
