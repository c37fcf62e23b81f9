//! What the engine provides for this backend.

use crate::env::{FuncEnv, NativeEnv};

/// What the engine provides.
///
/// # Panics
///
/// If `env` is not of an engine that has it.
pub(super) fn native(env: &mut dyn FuncEnv) -> &mut dyn NativeEnv {
    env.native().expect("an engine that is configured for this backend has what it needs")
}
