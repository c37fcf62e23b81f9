//! What a call into another component has around it, so that no handler of the one that calls takes a `suspend` or a `switch` of
//! the one that is called.
//!
//! The code between two components, an adapter, sets flags of both and restores them after the call, and so must go on after
//! it, in the same task. If its frame were captured, it might do so in another, or never. While it calls, the continuation that
//! it runs on has the store's barrier for the frame of its `resume`:
//!
//! ```text
//!   stack of f          stack of g                    stack of h
//!   | A: resume g  |    | A: calls the adapter   |    | A or B: suspend $t |
//!   |  (on $t ..)  |    | adapter                |    +--------------------+
//!   +--------------+    | A or B: resume h       |
//!     not searched      +------------------------+
//!                         searched: the resume of h, then the barrier
//! ```

use crate::env::Memory;
use crate::view::{ContRef, Lists, ResumeFrame};
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
    /// `VMContinuations`.
    ///
    /// All ways out of the call but traps lead to [`Barrier::remove`].
    pub fn put(
        env: &mut dyn Memory,
        builder: &mut FunctionBuilder<'_>,
        current: Value,
        continuations: Value,
    ) -> Barrier {
        let cont = ContRef(current);
        let outer = cont.resume(env, builder);
        let barrier = Lists(continuations).barrier(builder);
        cont.set_resume(env, builder, barrier);
        // What it knows of handlers farther out may not serve while the barrier is there.
        cont.clear_far(env, builder);
        Barrier { current, outer: outer.0 }
    }

    /// Removes it. The same stack runs.
    pub fn remove(self, env: &mut dyn Memory, builder: &mut FunctionBuilder<'_>) {
        ContRef(self.current).set_resume(env, builder, ResumeFrame(self.outer));
    }
}
