//! One continuation as a fiber of wasmtime-fiber, for the libcall backend.

use crate::abi::VMContRef;
use crate::stack::PooledStack;
use std::ptr::{self, NonNull};

/// A function that is called with the address of its data.
pub(crate) type HostCall = unsafe extern "C" fn(*mut ());

/// The reason for which a fiber suspends, as the `resume` that runs the fiber receives it. The signal is for the `resume` that
/// runs `last`. Each `resume` on the way there suspends its own fiber with the same signal.
pub(crate) enum Signal {
    /// Every stack from `captured` to `last` was captured. The `resume` returns, and Wasm goes on at the clause that is noted
    /// in the frame of the `resume`.
    Suspend { last: NonNull<VMContRef>, captured: NonNull<VMContRef> },
    /// Every stack from the one that runs to `last` was captured. The `resume` runs `target` in their place.
    Switch { last: NonNull<VMContRef>, target: NonNull<VMContRef> },
    /// Nothing was captured. The `resume` is the outermost: it calls `call(data)` on the initial stack, and resumes `last`.
    Call { last: NonNull<VMContRef>, call: HostCall, data: *mut () },
}

impl Signal {
    /// The continuation whose `resume` the signal is for.
    pub(crate) fn last(&self) -> NonNull<VMContRef> {
        match self {
            Signal::Suspend { last, .. } | Signal::Switch { last, .. } | Signal::Call { last, .. } => *last,
        }
    }
}

/// A fiber that runs a continuation. A resumption passes the outermost stack on top of the `resume`. The fiber's result is `true`
/// if the continuation's function returned, and `false` if it was unwound.
pub(crate) type Fiber = wasmtime_internal_fiber::Fiber<'static, NonNull<VMContRef>, Signal, bool>;
/// The object by which a fiber suspends itself.
pub(crate) type FiberSuspend = wasmtime_internal_fiber::Suspend<NonNull<VMContRef>, Signal, bool>;

/// The libcall backend's part of a continuation. The fields mean something while the continuation is running or suspended.
pub(crate) struct FiberPart {
    /// The continuation's stack. The fiber has borrowed the memory of the stack.
    pub(crate) stack: Option<PooledStack>,
    /// The fiber that runs the continuation.
    pub(crate) fiber: Option<Fiber>,
    /// The fiber suspends itself by this, once the fiber has started.
    pub(crate) suspend: *mut FiberSuspend,
    /// The most that Wasm's frames may take on the stack, in bytes.
    pub(crate) wasm_stack: usize,
    /// An address in the frame of the fiber's first function, once the fiber has started. The frames of wasmtime-fiber lie above,
    /// and all frames that the first function calls lie below.
    pub(crate) start: usize,
}

impl FiberPart {
    /// The part of a continuation that has not started.
    pub(crate) fn new() -> FiberPart {
        FiberPart { stack: None, fiber: None, suspend: ptr::null_mut(), wasm_stack: 0, start: 0 }
    }

    /// Whether the continuation has a fiber, and with the fiber a stack (L2).
    pub(crate) fn is_started(&self) -> bool {
        assert_eq!(self.stack.is_some(), self.fiber.is_some(), "L2");
        self.fiber.is_some()
    }

    /// Takes the stack from a fiber that has finished. The memory of the stack returns to the stack.
    pub(crate) fn take_finished(&mut self) -> PooledStack {
        let mut stack = self.stack.take().expect("L2: a running continuation has a stack");
        let fiber = self.fiber.take().expect("L2: and a fiber");
        stack.restore(fiber.into_stack());
        stack
    }

    /// Takes the stack from a fiber that need not have finished. The frames on the stack are not run and not unwound.
    pub(crate) fn take_abandoned(&mut self) -> Option<PooledStack> {
        self.fiber.take().map(PooledStack::abandon);
        self.stack.take()
    }

    /// Resets the fields that belong to the continuation that has ended. The part serves the next one.
    pub(crate) fn forget(&mut self) {
        self.suspend = ptr::null_mut();
        self.start = 0;
    }
}
