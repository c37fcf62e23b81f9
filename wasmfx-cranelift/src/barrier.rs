//! The barrier around a call from one component into another.
//!
//! An adapter is the code between the two. It sets flags of both for the time of the call, and has to restore them in the same
//! task. If its frame were captured, it might do so in another task, or never. So no handler outside the call takes a `suspend` or
//! a `switch` from inside it, whichever component that is in: the adapter may call back the one that called it, as it does for
//! `realloc`. The trap is `unhandled tag`. Handlers inside the call work.
//!
//! During the call the continuation on whose stack the adapter is has the store's barrier in the place of the frame of the `resume`
//! that runs it (`wasmfx_runtime::abi`, C5):
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
//! The adapter removes it when the call returns. An exception that would leave the call is a trap. After a trap the runtime ends the
//! continuation, or the trap has left the initial stack, which always has the barrier.

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
    /// Puts a barrier on `current`, the current stack: a `*mut VMContRef`. `continuations` is the address of the store's
    /// `VMContinuationContext`.
    ///
    /// All ways out of the function but traps lead to [`Barrier::remove`].
    pub fn put(
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        current: Value,
        continuations: Value,
    ) -> Barrier {
        let cont = ContRef(current);
        let outer = cont.resume(env, builder);
        let barrier = Context(continuations).barrier(builder);
        cont.set_resume(env, builder, barrier);
        // What it knows of handlers farther out may not serve while the barrier is there.
        cont.clear_handler_cache(env, builder);
        Barrier { current, outer: outer.0 }
    }

    /// Removes it. The same stack runs.
    pub fn remove(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) {
        ContRef(self.current).set_resume(env, builder, ResumeFrame(self.outer));
    }
}
