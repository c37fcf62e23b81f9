//! The portable backend: each switch is a call into the runtime (`wasmfx_runtime::libcall`).
//!
//! Checks and payloads are in compiled code, since they are the same for every backend; what the runtime
//! is left to do is to find handlers and to switch stacks.

mod create;
mod resume;
mod suspend;
mod switch;

use crate::backend::Translate;
use crate::env::FuncEnv;
use crate::handlers::Clause;
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use wasmtime_environ::{TagIndex, TypeIndex, WasmResult};

pub(crate) struct Libcall;

impl Translate for Libcall {
    fn cont_new(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        func: Value,
        params: usize,
        results: usize,
    ) -> WasmResult<Value> {
        create::cont_new(env, builder, func, params, results)
    }

    fn resume(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        ty: TypeIndex,
        cont: Value,
        args: &[Value],
        clauses: &[Clause],
    ) -> WasmResult<Vec<Value>> {
        resume::resume(env, builder, ty, cont, args, clauses)
    }

    fn suspend(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        tag: TagIndex,
        args: &[Value],
    ) -> WasmResult<Vec<Value>> {
        suspend::suspend(env, builder, tag, args)
    }

    fn switch(
        &self,
        env: &mut dyn FuncEnv,
        builder: &mut FunctionBuilder<'_>,
        ty: TypeIndex,
        tag: TagIndex,
        cont: Value,
        args: &[Value],
    ) -> WasmResult<Vec<Value>> {
        switch::switch(env, builder, ty, tag, cont, args)
    }
}
