//! The portable backend: each switch is a call into the runtime (`wasmfx_runtime::libcall`).
//!
//! Compiled code checks references and reads and writes payloads, as with every backend. The runtime makes continuations, finds
//! handlers, consumes references to the continuations that it runs, and switches stacks.

mod create;
mod resume;
mod suspend;
mod switch;

use crate::backend::BackendCompiler;
use crate::env::FuncEnv;
use crate::operands::{New, Resume, Suspend, Target};
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TagIndex, WasmResult};

/// The backend.
pub(crate) struct Libcall;

impl BackendCompiler for Libcall {
    fn cont_new(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        new: New,
    ) -> WasmResult<Value> {
        create::cont_new(env, builder, new)
    }

    fn resume(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        resume: Resume<'_>,
    ) -> WasmResult<Vec<Value>> {
        resume::resume(env, builder, resume)
    }

    fn suspend(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        suspend: Suspend<'_>,
    ) -> WasmResult<Vec<Value>> {
        suspend::suspend(env, builder, suspend)
    }

    fn switch(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        tag: TagIndex,
        target: Target<'_>,
    ) -> WasmResult<Vec<Value>> {
        switch::switch(env, builder, tag, target)
    }
}
