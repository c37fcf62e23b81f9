//! What the engine provides for this backend.

use crate::env::{FuncEnv, NativeEnv};

/// The part of `env` that only this backend needs.
///
/// # Panics
///
/// If the engine of `env` does not provide that part.
pub(super) fn native(env: &mut dyn FuncEnv) -> &mut dyn NativeEnv {
    env.native().expect("an engine that is configured for this backend has what it needs")
}
