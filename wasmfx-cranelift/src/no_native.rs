//! The module in the place of the native backend, in a build without the feature `native`.

use crate::backend::BackendCompiler;
use wasmtime_environ::{WasmResult, wasm_unsupported};

/// Returns an error that says why there is no native backend.
pub(crate) fn backend() -> WasmResult<&'static dyn BackendCompiler> {
    Err(wasm_unsupported!("the native stack switching backend, in a build without the feature `native`"))
}
