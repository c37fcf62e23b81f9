//! What a WebAssembly continuation is at run time.
//!
//! This crate knows nothing of Wasm code and nothing of the engine but what [`Host`] says. Read it in
//! this order:
//!
//! | file | what it holds |
//! | --- | --- |
//! | `abi/` | the types that compiled code shares, their offsets, and invariants C1 to C4 |
//! | `host.rs` | what the engine must provide, H1 to H5 |
//! | `cont.rs` | the continuations of a store and their life, invariants L1 to L4 |
//! | `pool/` | the stacks of an engine: which are free, and what memory idle ones keep |
//! | `stack/` | the memory of stacks, invariants M1 and M2 |
//! | `libcall.rs` | the portable backend: each switch a call into this crate, on wasmtime-fiber |
//! | `native.rs` | what the backend in compiled code leaves to this crate, invariants N1 to N5 |
//! | `hostcall.rs` | host calls leave a continuation's stack, invariants S1 to S3 |
//! | `arch/` | the few instructions per architecture that this takes, and that the native backend needs |
//! | `walk.rs` | frames and roots of active and suspended stacks |
//! | `check.rs` | a second opinion on the chain of stacks, in debug builds |
//! | `error.rs`, `limits.rs` | what can go wrong; every limit with its reason |
//!
//! Without the `runtime` feature there is only the layout, which is all that a compiler needs.

#![cfg_attr(not(feature = "runtime"), no_std)]

pub mod abi;

#[cfg(feature = "runtime")]
mod alloc;
#[cfg(feature = "runtime")]
mod arch;
#[cfg(feature = "runtime")]
mod check;
#[cfg(feature = "runtime")]
mod cont;
#[cfg(feature = "runtime")]
mod error;
#[cfg(feature = "runtime")]
mod fiber;
#[cfg(feature = "runtime")]
mod host;
#[cfg(feature = "runtime")]
pub mod hostcall;
#[cfg(feature = "runtime")]
pub mod libcall;
#[cfg(feature = "runtime")]
pub mod limits;
#[cfg(feature = "runtime")]
pub mod native;
#[cfg(feature = "runtime")]
mod pool;
#[cfg(feature = "runtime")]
mod stack;
#[cfg(feature = "runtime")]
mod store;
#[cfg(feature = "runtime")]
pub mod walk;

#[cfg(feature = "runtime")]
pub use self::{
    abi::Backend,
    error::{Error, check_process},
    host::Host,
    pool::{PoolConfig, StackPool},
    stack::Guards,
    store::{Continuations, Statistics},
};
