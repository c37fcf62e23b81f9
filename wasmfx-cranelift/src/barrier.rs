//! The barrier around a call from one component into another.
//!
//! An adapter is the code between the two components. The adapter sets flags of both for the time of the call, and has to restore
//! the flags in the same task. If a capture took the adapter's frame, the adapter might restore the flags in another task, or
//! never. So no handler outside the call takes a `suspend` or a `switch` from inside the call. The component of the `suspend`
//! makes no difference: the adapter may call back the component that called it, as it does for `realloc`. The trap is `unhandled
//! tag`. Handlers inside the call work.
//!
//! During the call, `resume` of the stack that the adapter is on is the store's barrier instead of the frame of the `resume` that
//! runs that stack (`wasmfx_runtime::abi`, C5):
//!
//! ```text
//!   stack of f          stack of g                    stack of h
//!   | A: resume g  |    | A: calls the adapter   |    | A or B: suspend $t |
//!   |  (on $t ..)  |    | adapter                |    +--------------------+
//!   +--------------+    | A or B: resume h       |
//!     not searched      +------------------------+
//!                         searched: the resume of h, then the barrier
//! ```
//!
//! The adapter removes the barrier when the call returns. An exception that would leave the call is a trap. A trap needs no
//! removal: on a continuation's stack the runtime then ends the continuation, and the initial stack always has the barrier.

use crate::env::Memory;
use crate::view::{ContRef, Context, ResumeFrame};
use cranelift_codegen::ir::Value;
use cranelift_frontend::FunctionBuilder;

/// A barrier that was put on the stack that runs.
#[derive(Debug, Clone, Copy)]
pub struct Barrier {
    current: Value,
    outer: Value,
}

impl Barrier {
    /// Puts a barrier on `current`, the current stack: a `*mut VMContRef`. `context` is the address of the store's
    /// `VMContinuationContext`.
    ///
    /// The caller emits [`Barrier::remove`] on all ways out of the function but traps.
    pub fn put(
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        current: Value,
        context: Value,
    ) -> Barrier {
        let cont = ContRef(current);
        let outer = cont.resume(env, builder);
        let barrier = Context(context).barrier(builder);
        cont.set_resume(env, builder, barrier);
        // N5: the cache may say that a search begins farther out than the barrier. With the libcall backend, what this writes to
        // has no meaning now (C5).
        cont.clear_handler_cache(env, builder);
        Barrier { current, outer: outer.0 }
    }

    /// Removes the barrier. The stack that runs is the one on which it was put.
    pub fn remove(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) {
        ContRef(self.current).set_resume(env, builder, ResumeFrame(self.outer));
    }
}
