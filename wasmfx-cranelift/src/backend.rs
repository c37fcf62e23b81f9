//! What a backend is.

use crate::env::FuncEnv;
use crate::operands::{New, Resume, Suspend, Target};
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TagIndex, WasmResult};

/// How the instructions that make or switch stacks are translated. The entry points in `lib.rs` document
/// the instructions; what all backends do alike has been done.
pub(crate) trait BackendCompiler {
    /// `cont.new`: a reference to the new continuation.
    fn cont_new(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        new: New,
    ) -> WasmResult<Value>;

    /// `resume` and its like: the continuation's results.
    fn resume(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        resume: Resume<'_>,
    ) -> WasmResult<Vec<Value>>;

    /// `suspend`: what the continuation is later resumed with.
    fn suspend(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        suspend: Suspend<'_>,
    ) -> WasmResult<Vec<Value>>;

    /// `switch`: what the captured continuation is later resumed or switched to with.
    fn switch(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        tag: TagIndex,
        target: Target,
    ) -> WasmResult<Vec<Value>>;
}
