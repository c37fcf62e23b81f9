//! One continuation as a fiber of wasmtime-fiber, for the libcall backend.

use crate::abi::VMContRef;
use crate::stack::PooledStack;
use std::ptr::{self, NonNull};

/// A function that is called with the address of what it needs.
pub(crate) type HostCall = extern "C" fn(*mut ());

/// What a fiber tells the `resume` below it. `last` names the fiber for whose `resume` the signal is: each `resume` on the way
/// there suspends its own fiber with the same signal.
pub(crate) enum Signal {
    /// Every stack from `captured` up to `last` was captured. The `resume` continues at the clause that is noted in its frame.
    Suspend { last: NonNull<VMContRef>, captured: NonNull<VMContRef> },
    /// Every stack up to `last` was captured. The `resume` runs `target` instead.
    Switch { last: NonNull<VMContRef>, target: NonNull<VMContRef> },
    /// The `resume` is the outermost. It calls `call(data)` on the initial stack and resumes `last`.
    Call { last: NonNull<VMContRef>, call: HostCall, data: *mut () },
}

impl Signal {
    /// The fiber for whose `resume` the signal is.
    pub(crate) fn last(&self) -> NonNull<VMContRef> {
        match self {
            Signal::Suspend { last, .. } | Signal::Switch { last, .. } | Signal::Call { last, .. } => *last,
        }
    }
}

/// A fiber. To resume it takes the outermost stack that is on top of the `resume`; its result says whether the continuation's
/// function returned, or was unwound.
pub(crate) type Fiber = wasmtime_internal_fiber::Fiber<'static, NonNull<VMContRef>, Signal, bool>;
/// How a fiber suspends itself.
pub(crate) type FiberSuspend = wasmtime_internal_fiber::Suspend<NonNull<VMContRef>, Signal, bool>;

/// What the libcall backend has of a continuation. A field means something while the continuation is running or suspended.
pub(crate) struct FiberPart {
    /// Its stack, whose memory the fiber has borrowed.
    pub(crate) stack: Option<PooledStack>,
    /// The fiber.
    pub(crate) fiber: Option<Fiber>,
    /// How the fiber suspends itself, once it has started.
    pub(crate) suspend: *mut FiberSuspend,
    /// The most that Wasm's frames may take on its stack, in bytes.
    pub(crate) wasm_stack: usize,
    /// Where on its stack the fiber starts, once it has: an address that has all of its frames below.
    pub(crate) start: usize,
}

impl FiberPart {
    /// That of a continuation that has not started.
    pub(crate) fn new() -> FiberPart {
        FiberPart { stack: None, fiber: None, suspend: ptr::null_mut(), wasm_stack: 0, start: 0 }
    }

    /// Whether there is a fiber, and so a stack (L2).
    pub(crate) fn is_started(&self) -> bool {
        assert_eq!(self.stack.is_some(), self.fiber.is_some(), "L2");
        self.fiber.is_some()
    }

    /// The stack of a fiber that has finished, with its memory.
    pub(crate) fn take_finished(&mut self) -> PooledStack {
        let mut stack = self.stack.take().expect("L2: a running continuation has a stack");
        let fiber = self.fiber.take().expect("L2: and a fiber");
        stack.restore(fiber.into_stack());
        stack
    }

    /// The stack of a fiber that may be in the middle of something, with its memory. What is left on it is not run.
    pub(crate) fn take_abandoned(&mut self) -> Option<PooledStack> {
        self.fiber.take().map(PooledStack::abandon);
        self.stack.take()
    }

    /// Forgets the last continuation that it was part of.
    pub(crate) fn forget(&mut self) {
        self.suspend = ptr::null_mut();
        self.start = 0;
    }
}
