//! Typed views over `ir::Value`. Only this folder uses the offsets of fields.

mod context;
mod contobj;
mod contref;
mod frame;
#[cfg(feature = "native")]
mod native;
mod object;
mod payload;
mod switch_result;

pub(crate) use self::context::Context;
pub(crate) use self::contobj::ContObj;
pub(crate) use self::contref::ContRef;
pub(crate) use self::frame::{ResumeFrame, ResumeFrameInit};
#[cfg(feature = "native")]
pub(crate) use self::native::{ClauseKind, HandlerCache, StackHeader, Waits};
pub(crate) use self::payload::Payload;
pub(crate) use self::switch_result::SwitchResult;
