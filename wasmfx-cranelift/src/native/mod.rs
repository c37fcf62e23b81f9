//! The backend that switches stacks in compiled code, with Cranelift's `stack_switch`.
//!
//! `wasmfx_runtime::native` has the layout of stacks and the invariants N1 to N5.
//!
//! ```text
//!   result = stack_switch(store, load, payload)
//!
//!   store:  receives sp and fp of this stack, and the pc behind this switch
//!   load:   sp, fp and pc of the stack to run
//!   payload: the result of the stack_switch at that pc, or the argument of the entry code there
//!   result: the payload of the stack_switch that loads what this one stored
//! ```
//!
//! Both contexts are `VMControlContext`s: fields of a `VMContRef`. All other registers are clobbered. The payload is the address
//! of a `VMContRef` with an outcome in its low bits, or `RAISE`; `wasmfx_runtime::abi` has a table of the meanings.
//!
//! | file | store | load | payload |
//! | --- | --- | --- | --- |
//! | `resume.rs` | `outermost.parent_control` | `contref.control` | `contref` or `RAISE` |
//! | `suspend.rs` | `current.control` | `outermost.parent_control` | `current` |
//! | `switch.rs` | `current.control` | `target.control` | `target` |
//! | `entry.rs` | `contref.control`, for nothing | `contref.parent_control` | `contref` and `RETURNED` or `KEPT` |
//!
//! Compiled code also makes continuations, gives them stacks and ends them, by popping from and pushing to the store's lists
//! (`wasmfx_runtime::abi`, C4). It calls the runtime where a list is empty or full, where arguments need a buffer, for
//! exceptions, and at each end that the runtime has to know of.

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

// `after_resumption` in `current.rs` tests for `RAISE` with a `brif`, which takes its second branch for zero.
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
        target: Target<'_>,
    ) -> WasmResult<Vec<Value>> {
        switch::switch(env, builder, tag, target)
    }
}
