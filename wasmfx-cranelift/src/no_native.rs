//! In the place of the native backend in a build without it.

use crate::backend::BackendCompiler;
use wasmtime_environ::{WasmResult, wasm_unsupported};

/// An error that says why there is none.
pub(crate) fn backend() -> WasmResult<&'static dyn BackendCompiler> {
    Err(wasm_unsupported!("the native stack switching backend, in a build without the feature `native`"))
}
