//! One continuation, and the states that it goes through.
//!
//! ```text
//!                allocate                resume                  suspend, switch
//!      Free  ------------------> Fresh ----------> Running -------------------------> Suspended
//!        ^                                          |   ^                                |
//!        |  release: returned, trapped or thrown    |   |      resume, switch            |
//!        +------------------------------------------+   +--------------------------------+
//! ```
//!
//! The stacks of a continuation, by its state (`-->` is `parent`, towards the host):
//!
//! ```text
//!   Free         no stack, on the store's list
//!   Fresh        no stack; its function, and the arguments that are bound
//!   Running      [ g ] --> [ f ] --> [ initial ]      g is current; each was resumed by the next
//!   Suspended    [ g ] --> [ f ]                      captured as a chain: g.last_ancestor is f; g alone is `Suspended`,
//!                                                     and f is in the state that it had when it was captured, `Running`
//! ```
//!
//! # Invariants
//!
//! * **L1.** The `VMContRef` of a [`Continuation`] is its first field, so that a pointer to one is a
//!   pointer to the other. A store allocates them in chunks, and frees them only when it ends (C2).
//! * **L2.** A continuation has a stack exactly while it is running or suspended, and from just before its first resume. With the
//!   native backend the stack is `vm.stack`. With the libcall backend the stack is in the [`FiberPart`], and a fiber too.
//! * **L3.** In state `Free` no reference to a continuation is usable (C1). A resume, or the end of a fresh continuation that
//!   never runs, consumed the last reference. Only the capture of a running continuation makes another, or the next `cont.new`.
//! * **L4.** A fiber is resumed only by the `resume` that runs its continuation, and suspends only to it.

use crate::abi::{
    ANY_CONTINUATION, Backend, INLINE_ARGS, SLOT_SIZE, VMBackendState, VMContRef, VMControlContext,
    VMHeapIdentity, VMPayloads, VMStackHeader,
};
use crate::alloc;
use crate::arch::Kept;
use crate::error::Error;
use crate::fiber::FiberPart;
use crate::limits::MAX_KEPT_SLOTS;
use crate::stack::PooledStack;
use std::mem::offset_of;
use std::ops::Range;
use std::ptr::{self, NonNull};

/// A continuation: the `VMContRef` that compiled code knows, and the fields that only the runtime knows. See L1.
#[repr(C)]
pub(crate) struct Continuation {
    pub(crate) vm: VMContRef,
    /// What the heap of a garbage collector knows of the continuation (C6).
    pub(crate) identity: VMHeapIdentity,
    /// The revision at which the continuation was walked, plus 1. 0 if nothing is remembered: see `roots.rs`.
    pub(crate) walked_at: usize,
    /// What the walk has found, if it has found references.
    pub(crate) kept: Option<Box<Kept>>,
    /// If `vm.args` is too small: the memory of `vm.values` while fresh, and with the libcall backend of the function's results.
    /// Empty while free, but the capacity may stay for the next continuation.
    pub(crate) slots: Vec<u128>,
    /// The libcall backend's part, from the first start on. The next continuation uses the same part.
    pub(crate) fiber: Option<Box<FiberPart>>,
}

// The documentation of `MAX_CONTINUATIONS` and of `MAX_KEPT_SLOTS` says so.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Continuation>() == 320 && MAX_KEPT_SLOTS * SLOT_SIZE < 320);
// Compiled code finds the identity behind the `VMContRef`.
const _: () = assert!(offset_of!(Continuation, identity) == size_of::<VMContRef>());

impl Continuation {
    /// The continuation at `index` of its store's arena, free.
    pub(crate) fn new(index: u32) -> Continuation {
        let identity = VMHeapIdentity { number: index + 1, ty: ANY_CONTINUATION, revision: 0 };
        Continuation {
            vm: VMContRef::FREE,
            identity,
            walked_at: 0,
            kept: None,
            slots: Vec::new(),
            fiber: None,
        }
    }

    /// The libcall backend's part, which this makes if there is none.
    ///
    /// # Errors
    ///
    /// If there is no memory for the part.
    pub(crate) fn fiber_part(&mut self) -> Result<&mut FiberPart, Error> {
        if self.fiber.is_none() {
            self.fiber = Some(alloc::boxed(FiberPart::new()).ok_or(Error::NoMemory)?);
        }
        Ok(self.fiber.as_mut().expect("as of now"))
    }

    /// As [`Continuation::fiber_part`], for a continuation that has a fiber. The result does not borrow `this`.
    ///
    /// # Safety
    ///
    /// 1. `this` is a continuation of a live store of the libcall backend.
    /// 2. It has a fiber (L2).
    /// 3. Nothing borrows the field `fiber`.
    pub(crate) unsafe fn fiber_of(this: *mut Continuation) -> *mut FiberPart {
        // SAFETY: `as_mut`: 1 (C2, L1): the field is valid, aligned and initialised; 3: nothing else borrows it; 2: it
        // has a part. The result is an address, so that no borrow of the part stays.
        unsafe { &raw mut **(*this).fiber.as_mut().expect("L2") }
    }

    /// Whether the continuation has a stack and a fiber of the libcall backend.
    pub(crate) fn has_fiber(&self) -> bool {
        self.fiber.as_ref().is_some_and(|part| part.is_started())
    }

    /// Takes the stack of a continuation in state `Running` that has ended.
    ///
    /// # Safety
    ///
    /// 1. `self` is a continuation of a store of this backend.
    /// 2. Nothing runs on its stack, and nothing will go on there.
    pub(crate) unsafe fn take_stack(&mut self, backend: Backend) -> PooledStack {
        match backend {
            // SAFETY: of `take_header`: 1 and 2: this function's 1 and 2.
            Backend::Native => unsafe { self.take_header() }.expect("L2: a running continuation has a stack"),
            Backend::Libcall => self.fiber.as_mut().expect("L2").take_finished(),
        }
    }

    /// Takes the stack, if the continuation has one, whatever frames are on the stack. They are not run and not unwound.
    ///
    /// # Safety
    ///
    /// 1. `self` is a continuation of a store of this backend.
    /// 2. Nothing runs on its stack, and nothing will go on there: `self` is not resumed again.
    pub(crate) unsafe fn take_abandoned_stack(&mut self, backend: Backend) -> Option<PooledStack> {
        match backend {
            // SAFETY: of `take_header`: 1 and 2: this function's 1 and 2.
            Backend::Native => unsafe { self.take_header() },
            Backend::Libcall => self.fiber.as_mut()?.take_abandoned(),
        }
    }

    /// Takes the stack in `vm.stack`, if there is one.
    ///
    /// # Safety
    ///
    /// 1. `self` is a continuation of a store of the native backend.
    /// 2. Nothing runs on its stack, and nothing will go on there.
    unsafe fn take_header(&mut self) -> Option<PooledStack> {
        let header = NonNull::new(std::mem::replace(&mut self.vm.stack, ptr::null_mut()))?;
        // SAFETY: of `from_header`: 1: this function's 1 (L2): the header is of this continuation's own stack, and
        // `into_header` made it; 2: `vm.stack` is null now, so that nothing takes the stack again; 3: this function's
        // 2.
        Some(unsafe { PooledStack::from_header(header) })
    }

    /// The number of the continuation's stack in the pool, if it has a stack.
    pub(crate) fn slot(&self, backend: Backend) -> Option<u32> {
        match backend {
            // SAFETY: `as_ref`: L2: `vm.stack` is null, or the header of this continuation's own stack: valid, aligned
            // and initialised by `into_header`. Nothing writes the header while a continuation has the stack.
            Backend::Native => Some(unsafe { NonNull::new(self.vm.stack)?.as_ref() }.slot),
            Backend::Libcall => self.fiber.as_ref()?.stack.as_ref().map(PooledStack::slot),
        }
    }

    /// The memory of `vm.values` while the continuation is fresh, and with the libcall backend of the function's results: the
    /// first slot, and the number of slots.
    ///
    /// # Safety
    ///
    /// 1. `this` is a continuation of a live store, and not free.
    /// 2. Nothing borrows `slots` or `vm.args`.
    pub(crate) unsafe fn buffer(this: *mut Continuation) -> (*mut u128, usize) {
        // SAFETY: `&mut`: 1 (C2, L1): the field is valid, aligned and initialised; 2: nothing else borrows it.
        let slots = unsafe { &mut (*this).slots };
        match slots.len() {
            // SAFETY: the place: 1 (C2, L1): it is in the memory of `*this`. This takes its address only.
            0 => (unsafe { &raw mut (*this).vm.args }.cast(), INLINE_ARGS),
            len => (slots.as_mut_ptr(), len),
        }
    }

    /// The addresses of the continuation's stack, while it is running or suspended. With the libcall backend the range has the
    /// stack's size but ends at `start`, in the frame of the fiber's first function:
    ///
    /// ```text
    ///             | guard | Wasm and the frames of its calls            | start | wasmtime-fiber | top
    ///   libcall   |<----------------- range ----------------------------------->|
    ///   native            |<---------------------------- range ---------------------------------->|
    /// ```
    #[inline]
    pub(crate) fn stack_range(&self, backend: Backend) -> Range<usize> {
        match backend {
            Backend::Native => NonNull::new(self.vm.stack).map_or(0..0, |header| {
                let top = header.addr().get() + size_of::<VMStackHeader>();
                // SAFETY: `as_ref`: L2: the header is of this continuation's own stack: valid, aligned and initialised
                // by `into_header`. Nothing writes the header while a continuation has the stack.
                top - unsafe { header.as_ref() }.size..top
            }),
            Backend::Libcall => self.fiber.as_ref().map_or(0..0, |part| {
                let size = part.stack.as_ref().map_or(0, PooledStack::size);
                part.start.saturating_sub(size)..part.start
            }),
        }
    }

    /// The stack pointer of the resumer of the continuation's fiber, if this build knows where wasmtime-fiber keeps that address.
    /// It means something while the continuation is running, with the libcall backend.
    pub(crate) fn resumer_sp(&self) -> Option<usize> {
        let part = self.fiber.as_ref().filter(|part| part.fiber.is_some())?;
        part.stack.as_ref()?.resumer_sp()
    }

    /// Resets the fields that say what the continuation was. The revision stays (C1). `parent_control`, `bound_types` and `args`
    /// stay too: the next continuation writes them before it uses them.
    pub(crate) fn forget(&mut self) {
        self.vm.control = VMControlContext::default();
        self.vm.parent = ptr::null_mut();
        self.vm.stack_limit = 0;
        self.vm.resume = ptr::null_mut();
        self.vm.last_ancestor = ptr::null_mut();
        self.vm.parent_entry = ptr::null_mut();
        // With the libcall backend, `enter` installs this entry state when the next continuation starts. At that time no frame of
        // Wasm is on the stack. If the continuation's function is a host function, no frame of Wasm ever will be. With the native
        // backend, the search of a `switch` fills the cache for revision + 1. If the `switch` traps afterwards, this continuation
        // ends with its old revision, and the first resume of the next continuation would make the cache valid (`native`, N5).
        self.vm.backend_state = VMBackendState::EMPTY;
        self.vm.func = ptr::null_mut();
        self.vm.caller_or_child = ptr::null_mut();
        self.vm.values = VMPayloads { data: ptr::null_mut(), length: 0, capacity: 0 };
        self.slots.clear();
        if let Some(part) = &mut self.fiber {
            part.forget();
        }
    }
}
