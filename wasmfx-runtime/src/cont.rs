//! The continuations of a store, and the life of each.
//!
//! ```text
//!                allocate                resume                  suspend, switch
//!      Free  ------------------> Fresh ----------> Running -------------------------> Suspended
//!        ^                                          |   ^                                |
//!        |  release: returned, trapped or thrown    |   |      resume, switch            |
//!        +------------------------------------------+   +--------------------------------+
//! ```
//!
//! # Invariants
//!
//! * **L1.** The `VMContRef` of a [`Continuation`] is its first field, so that a pointer to one is a
//!   pointer to the other. Each is allocated alone and freed only with its [`Continuations`] (C2).
//! * **L2.** A continuation has a stack exactly while it is running or suspended, and with the libcall backend
//!   a fiber too. Native backend: a stack from just before, when [`native::start`](crate::native::start) readies it.
//! * **L3.** In state `Free` no reference to a continuation is usable (C1): the last one was consumed
//!   when it was resumed, and only a capture, which is of a running one, makes another.
//! * **L4.** A fiber is resumed only by the `resume` that runs its continuation, and suspends only to it.

use crate::Error;
use crate::layout::{VMContObj, VMContRef, VMContState, VMControlContext, VMEntryState, VMPayloads};
use crate::libcall::{Fiber, Switch};
use crate::limits::{MAX_CONTINUATIONS, MAX_IDLE_STACKS, MAX_KEPT_SLOTS, MAX_SLOTS};
use crate::stack::{Stack, StackConfig};
use std::ops::Range;
use std::ptr::{self, NonNull};

/// A continuation with what only the runtime knows of it. See L1.
#[repr(C)]
pub(crate) struct Continuation {
    pub(crate) vm: VMContRef,
    /// Its place in [`Continuations::all`].
    index: u32,
    /// The memory of `vm.values` while fresh, and of the function's results.
    pub(crate) slots: Vec<u128>,
    /// Running and suspended.
    pub(crate) stack: Option<Stack>,
    /// Running and suspended, libcall backend.
    pub(crate) fiber: Option<Fiber>,
    /// How the fiber suspends itself. Running and suspended, once it has started.
    pub(crate) switch: *mut Switch,
    /// How large its stack is. Running and suspended, libcall backend.
    pub(crate) stack_config: StackConfig,
    /// The addresses of the stack, from where its fiber starts down. Running and suspended, once it has
    /// started.
    pub(crate) stack_range: Range<usize>,
}

/// All continuations that a store has made.
///
/// Dropping it frees the stacks of suspended continuations without running what is left on them: those
/// frames are Wasm's and this crate's, and own nothing.
#[derive(Debug, Default)]
pub struct Continuations {
    all: Vec<NonNull<Continuation>>,
    /// Those in state `Free`.
    free: Vec<NonNull<Continuation>>,
    idle_stacks: Vec<Stack>,
    /// Stacks in use or idle.
    stacks: usize,
    /// Capacity of all argument buffers, in slots.
    slots: usize,
}

// SAFETY: the pointers are to allocations that this value owns. Fibers and stacks are bound to no thread: what
// is on them across a switch are frames of Wasm, of the engine's libcalls and of this crate, which keep nothing
// of a thread, and, where an async call waits, what the engine lets cross threads on its own fibers.
unsafe impl Send for Continuations {}
// SAFETY: `&Continuations` gives out addresses and what the owner of the store may read.
unsafe impl Sync for Continuations {}

impl Continuations {
    /// Makes a fresh continuation that will call `func`, with room for its parameters and results.
    ///
    /// It has no stack yet. `func` and `caller_vmctx` are what [`crate::Host::call`] will be given;
    /// `func_type` is the `VMSharedTypeIndex` of the function's type.
    pub fn allocate(
        &mut self,
        func: *mut u8,
        caller_vmctx: *mut u8,
        func_type: u32,
        params: u32,
        results: u32,
    ) -> Result<NonNull<VMContRef>, Error> {
        let cont = match self.free.pop() {
            Some(cont) => cont,
            None => self.grow()?,
        };
        let capacity = params.max(results);
        // SAFETY: the continuation is free, so that nothing but `self` refers to it usefully (L3).
        let this = unsafe { &mut *cont.as_ptr() };
        debug_assert_eq!(this.vm.state, VMContState::Free);
        this.slots.clear();
        match (capacity as usize).checked_sub(this.slots.capacity()) {
            None | Some(0) => this.slots.resize(capacity as usize, 0),
            Some(more) if self.slots + more <= MAX_SLOTS => {
                this.slots = vec![0; capacity as usize];
                self.slots += more;
            }
            Some(_) => {
                self.free.push(cont);
                return Err(Error::TooManyArguments { limit: MAX_SLOTS });
            }
        }
        this.vm.values = VMPayloads { data: this.slots.as_mut_ptr(), length: 0, capacity };
        this.vm.state = VMContState::Fresh;
        this.vm.waits_for = func_type;
        this.vm.waits_for_results = 0;
        this.vm.func = func;
        this.vm.caller_vmctx = caller_vmctx;
        this.vm.last_ancestor = cont.as_ptr().cast();
        Ok(cont.cast())
    }

    #[cold]
    fn grow(&mut self) -> Result<NonNull<Continuation>, Error> {
        if self.all.len() >= MAX_CONTINUATIONS {
            return Err(Error::TooManyContinuations { limit: MAX_CONTINUATIONS });
        }
        let index = u32::try_from(self.all.len()).expect("the limit fits");
        let cont = NonNull::from(Box::leak(Box::new(Continuation::new(index))));
        self.all.push(cont);
        Ok(cont)
    }

    /// A stack, idle or new.
    pub(crate) fn take_stack(&mut self, config: &StackConfig) -> Result<Stack, Error> {
        if let Some(stack) = self.idle_stacks.pop() {
            return Ok(stack);
        }
        let size = config.size();
        let stack = Stack::new(size).map_err(|cause| Error::NoStack {
            size,
            held: self.stacks,
            cause: Box::new(cause),
        })?;
        self.stacks += 1;
        Ok(stack)
    }

    /// Takes back a stack that nothing runs on.
    pub(crate) fn put_stack(&mut self, stack: Stack) {
        if self.idle_stacks.len() < MAX_IDLE_STACKS {
            self.idle_stacks.push(stack);
        } else {
            self.stacks -= 1;
        }
    }

    /// Ends a continuation of which nothing runs any more: its stack and its `VMContRef` are for others now.
    ///
    /// # Safety
    ///
    /// `cont` is one of `self`'s, it is running, and its function has returned or was unwound.
    pub(crate) unsafe fn release(&mut self, cont: NonNull<Continuation>) {
        // SAFETY: the caller vouches for it; nothing runs on its stack any more.
        let this = unsafe { &mut *cont.as_ptr() };
        assert_eq!(this.vm.state, VMContState::Running, "only what runs can end");
        let mut stack = this.stack.take().expect("L2: a running continuation has a stack");
        if let Some(fiber) = this.fiber.take() {
            stack.restore(fiber.into_stack());
        }
        self.put_stack(stack);
        self.recycle(cont);
    }

    /// Ends a fresh continuation, which will never run. No reference to it stays usable.
    ///
    /// # Safety
    ///
    /// `cont` is one of `self`'s, and fresh.
    pub unsafe fn discard(&mut self, cont: NonNull<VMContRef>) {
        let cont = cont.cast::<Continuation>();
        // SAFETY: the caller vouches for it.
        let this = unsafe { &mut *cont.as_ptr() };
        assert_eq!(this.vm.state, VMContState::Fresh, "only a fresh continuation has run nothing");
        assert!(this.stack.is_none(), "L2");
        this.vm.revision += 1;
        self.recycle(cont);
    }

    /// Ends every continuation from `current`, which may be null, outwards to the host's entry: Wasm was
    /// unwound past them all.
    ///
    /// # Safety
    ///
    /// `current` is what ran when Wasm was unwound, and control is back with the host.
    pub unsafe fn abandon(&mut self, current: *mut VMContRef) {
        let mut next = NonNull::new(current);
        while let Some(cont) = next {
            // SAFETY: the caller vouches for it: these are running continuations of this store, and nothing
            // goes on on their stacks.
            unsafe {
                next = NonNull::new((*cont.as_ptr()).parent);
                assert!((*cont.as_ptr()).is_native(), "the libcall backend unwinds stack by stack");
                self.release(cont.cast());
            }
        }
    }

    /// Puts a continuation without a stack where the next `cont.new` finds it.
    fn recycle(&mut self, cont: NonNull<Continuation>) {
        // SAFETY: it is of this store, and nothing refers to it usefully (L3).
        let this = unsafe { &mut *cont.as_ptr() };
        if this.slots.capacity() > MAX_KEPT_SLOTS {
            self.slots -= this.slots.capacity();
            this.slots = Vec::new();
        }
        this.forget();
        self.free.push(cont);
    }

    /// How many continuations are not free.
    pub fn alive(&self) -> usize {
        self.all.len() - self.free.len()
    }

    /// The place of a continuation in this store, from which [`Continuations::get`] finds it again.
    ///
    /// # Safety
    ///
    /// `obj` is a reference that this store made, usable or not.
    pub unsafe fn index(&self, obj: VMContObj) -> u32 {
        // SAFETY: every reference that a store made points to one of its continuations (C2, L1).
        let index = unsafe { (*obj.contref.as_ptr().cast::<Continuation>()).index };
        debug_assert_eq!(self.all[index as usize].cast(), obj.contref);
        index
    }

    /// The reference with this revision to the continuation at `index`, whether usable or not.
    pub fn get(&self, index: u32, revision: usize) -> Option<VMContObj> {
        let contref = self.all.get(index as usize)?.cast();
        Some(VMContObj { contref, revision })
    }

    /// Every continuation, in any state.
    pub fn iter(&self) -> impl Iterator<Item = NonNull<VMContRef>> + '_ {
        self.all.iter().map(|cont| cont.cast())
    }
}

impl Drop for Continuations {
    fn drop(&mut self) {
        for cont in self.all.drain(..) {
            // SAFETY: L1; the allocation came from a box, and with the store gone nothing refers to it.
            let mut cont = unsafe { Box::from_raw(cont.as_ptr()) };
            if let Some(fiber) = cont.fiber.take() {
                Stack::abandon(fiber);
            }
        }
    }
}

impl Continuation {
    fn new(index: u32) -> Continuation {
        Continuation {
            vm: VMContRef {
                control: VMControlContext::default(),
                parent: ptr::null_mut(),
                revision: 0,
                stack_limit: 0,
                resume: ptr::null_mut(),
                last_ancestor: ptr::null_mut(),
                values: VMPayloads { data: ptr::null_mut(), length: 0, capacity: 0 },
                state: VMContState::Free,
                waits_for: 0,
                waits_for_results: 0,
                throws: 0,
                func: ptr::null_mut(),
                caller_vmctx: ptr::null_mut(),
                parent_entry: ptr::null_mut(),
                entry: VMEntryState::default(),
            },
            index,
            slots: Vec::new(),
            stack: None,
            fiber: None,
            switch: ptr::null_mut(),
            stack_config: StackConfig { max_wasm_stack: 0, stack_size: 0 },
            stack_range: 0..0,
        }
    }

    /// Forgets everything but the revision (C1).
    fn forget(&mut self) {
        self.vm.state = VMContState::Free;
        self.vm.control = VMControlContext::default();
        self.vm.parent = ptr::null_mut();
        self.vm.resume = ptr::null_mut();
        self.vm.parent_entry = ptr::null_mut();
        // What `enter` installs next time: nothing of Wasm is on that stack yet, and if the body is a host
        // function nothing will be.
        self.vm.entry = VMEntryState::default();
        self.vm.func = ptr::null_mut();
        self.vm.caller_vmctx = ptr::null_mut();
        self.vm.values = VMPayloads { data: ptr::null_mut(), length: 0, capacity: 0 };
        self.switch = ptr::null_mut();
        self.stack_range = 0..0;
    }
}
