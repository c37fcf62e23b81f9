//! The trait that a backend implements.

use crate::env::FuncEnv;
use crate::operands::{New, Resume, Suspend, Target};
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TagIndex, WasmResult};

/// Translates the instructions that make continuations or switch stacks. The entry points in `lib.rs` document the instructions,
/// and emit the checks of references before they call these methods. A backend stores the arguments in a continuation with the
/// methods of the operands: [`Input::hand_over`](crate::operands::Input::hand_over) and [`Target::store_args`].
pub(crate) trait BackendCompiler {
    /// `cont.new`: returns a reference to the new continuation.
    fn cont_new(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        new: New,
    ) -> WasmResult<Value>;

    /// `resume`, `resume_throw` and `resume_throw_ref`: return the continuation's results.
    fn resume(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        resume: Resume<'_>,
    ) -> WasmResult<Vec<Value>>;

    /// `suspend`: returns the values with which the captured continuation is later resumed.
    fn suspend(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        suspend: Suspend<'_>,
    ) -> WasmResult<Vec<Value>>;

    /// `switch`: returns the values with which the captured continuation is later resumed or switched to.
    fn switch(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        tag: TagIndex,
        target: Target<'_>,
    ) -> WasmResult<Vec<Value>>;
}
