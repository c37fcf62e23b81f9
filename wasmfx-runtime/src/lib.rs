//! What a WebAssembly continuation is at run time.
//!
//! This crate knows nothing of Wasm code. Of the engine it knows only what [`Host`] says. Read the files in this order:
//!
//! | file | what it holds |
//! | --- | --- |
//! | `abi/` | the types that compiled code shares, their offsets, and invariants C1 to C6 |
//! | `host.rs` | what the engine must provide, H1 to H6 |
//! | `cont.rs` | one continuation and its life, invariants L1 to L4 |
//! | `heap.rs` | references in objects of a garbage collector, as the host reads and writes them |
//! | `search.rs` | which continuations something can still resume, R1 |
//! | `store/` | the continuations of a store, and the idle stacks that it keeps |
//! | `roots.rs` | what collections remember of continuations that wait, W1 |
//! | `pool/` | the stacks of an engine: which are free, and what memory idle ones keep |
//! | `stack/` | the memory of stacks, invariants M1 and M2 |
//! | `fiber.rs` | what a continuation of the libcall backend has besides: a stack and a fiber |
//! | `libcall.rs` | the portable backend: each switch is a call into this crate, on wasmtime-fiber |
//! | `native.rs` | what the backend in compiled code leaves to this crate, invariants N1 to N5 |
//! | `hostcall.rs` | how host calls leave a continuation's stack, invariants S1 to S5 |
//! | `arch/` | the few instructions per architecture that host calls and the native backend need |
//! | `resume.rs` | a resume by the host, with each backend |
//! | `suspend.rs` | a suspend by a function of the host, W2 |
//! | `walk.rs` | frames and roots of active and suspended stacks |
//! | `check.rs` | independent checks of the chain of stacks, in debug builds |
//! | `alloc.rs` | fallible allocation |
//! | `error.rs`, `limits.rs` | what can go wrong; every limit with its reason |
//!
//! Without the `runtime` feature the crate has only `abi/`: the layout, which is all that a compiler needs.

#![cfg_attr(not(feature = "runtime"), no_std)]

#[cfg(all(mapped_stacks, any(miri, wasmfx_portable)))]
compile_error!("the build script did not see what the compiler sees: Miri, or `--cfg wasmfx_portable`");

pub mod abi;

/// The version of this crate, which the patched `wasmtime --version` names.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

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
mod heap;
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
mod resume;
#[cfg(feature = "runtime")]
mod roots;
#[cfg(feature = "runtime")]
mod search;
#[cfg(feature = "runtime")]
mod stack;
#[cfg(feature = "runtime")]
mod store;
#[cfg(feature = "runtime")]
mod suspend;
#[cfg(feature = "runtime")]
pub mod walk;

#[cfg(feature = "runtime")]
pub use self::{
    abi::Backend,
    arch::EntryCells,
    error::{Error, check_process},
    heap::HeapReference,
    host::Host,
    pool::{PoolConfig, StackPool},
    resume::{ContStatus, Ended, HostFrame, Resumed, resume},
    roots::{ContRoots, KnownRoots},
    search::{Found, Search},
    stack::Guards,
    store::{Continuations, Statistics},
    suspend::HostSuspend,
};
