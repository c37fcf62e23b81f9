//! The accesses that only the native backend makes. `wasmfx_runtime::native` has the invariants.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `contref.rs` | a continuation's place among the stacks, and the stages of its life |
//! | `handler_cache.rs` | the handler cache of a continuation |
//! | `control.rs` | the registers with which a stack goes on |
//! | `context.rs`, `stack_header.rs` | the lists of free continuations and of idle stacks |
//! | `frame.rs` | the clauses of a frame, as a search reads them |
//! | `switch_result.rs` | the continuation that ended |
//! | `payload.rs` | loads of values in entry code |

mod context;
mod contref;
mod control;
mod frame;
mod handler_cache;
mod payload;
mod stack_header;
mod switch_result;

pub(crate) use self::contref::Waits;
pub(crate) use self::frame::ClauseKind;
pub(crate) use self::handler_cache::HandlerCache;
pub(crate) use self::stack_header::StackHeader;
