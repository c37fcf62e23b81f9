//! Wasmtime with stack switching, in one place for embedders.
//!
//! [`wasmtime`] is the patched engine, and [`config`] its configuration for programs that switch stacks.
//!
//! ```
//! use wasmfx::wasmtime::{Engine, Instance, Module, Result, Store};
//!
//! fn main() -> Result<()> {
//!     let engine = Engine::new(&wasmfx::config())?;
//!     let module = Module::new(
//!         &engine,
//!         r#"(module
//!             (type $ft (func (result i32)))
//!             (type $ct (cont $ft))
//!             (func $f (result i32) (i32.const 42))
//!             (elem declare func $f)
//!             (func (export "main") (result i32)
//!                 (resume $ct (cont.new $ct (ref.func $f)))))"#,
//!     )?;
//!     let mut store = Store::new(&engine, ());
//!     let instance = Instance::new(&mut store, &module, &[])?;
//!     let main = instance.get_typed_func::<(), i32>(&mut store, "main")?;
//!     assert_eq!(main.call(&mut store, ())?, 42);
//!     Ok(())
//! }
//! ```

pub use wasmtime;
pub use wasmtime::StackSwitchingBackend;

/// A configuration with stack switching, and all that it builds on, enabled. The backend is the best
/// that the target has; [`wasmtime::Config::stack_switching_backend`] chooses another.
pub fn config() -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config.wasm_stack_switching(true);
    config
}

/// The examples of the API that the patches add.
#[cfg(doctest)]
#[doc = include_str!(concat!(env!("OUT_DIR"), "/examples.md"))]
struct Examples;

/// The first program of the page for embedders.
#[cfg(doctest)]
#[doc = include_str!("../docs/embedding.md")]
struct Embedding;
