//! The backend that switches stacks in compiled code, with Cranelift's `stack_switch`.
//!
//! `wasmfx_runtime::native` has the layout of stacks and the invariants N1 to N5. A `stack_switch` exchanges
//! the registers of this stack with a control context, and hands over a number, of which
//! `wasmfx_runtime::abi` has the meaning.
//!
//! Continuations are made, get their stacks and end in compiled code too, from and to the store's lists
//! (`wasmfx_runtime::abi`, C4). The runtime is called where a list is empty or full, and where there is an
//! exception.

mod create;
mod current;
mod engine;
mod entry;
mod resume;
mod search;
mod start;
mod suspend;
mod switch;

pub use self::entry::{Entry, EntryEnv, native_entry};
use crate::backend::BackendCompiler;
use crate::env::FuncEnv;
use crate::operands::{New, Resume, Suspend, Target};
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;
use wasmfx_runtime::abi::RAISE;
use wasmtime_environ::{TagIndex, WasmResult};

/// The backend.
pub(crate) struct Native;

/// The backend, which this build has.
pub(crate) fn backend() -> WasmResult<&'static dyn BackendCompiler> {
    Ok(&Native)
}

// `brif` tests for it.
const _: () = assert!(RAISE == 0);

impl BackendCompiler for Native {
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
        target: Target,
    ) -> WasmResult<Vec<Value>> {
        switch::switch(env, builder, tag, target)
    }
}
