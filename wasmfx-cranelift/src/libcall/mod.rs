//! The portable backend: each switch is a call into the runtime (`wasmfx_runtime::libcall`).
//!
//! Checks and payloads are in compiled code, since they are the same for every backend; what the runtime
//! is left to do is to find handlers and to switch stacks.

mod create;
mod resume;
mod suspend;
mod switch;

use crate::backend::Translate;

pub(crate) static TRANSLATE: Translate = Translate {
    cont_new: create::cont_new,
    resume: resume::resume,
    suspend: suspend::suspend,
    switch: switch::switch,
};
