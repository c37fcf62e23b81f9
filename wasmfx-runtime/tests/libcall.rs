//! The libcall backend without an engine: continuations run Rust functions, on a host of plain fields.

use std::ptr::{self, NonNull};
use std::sync::Arc;
use wasmfx_runtime::abi::{
    VMContObj, VMContRef, VMContState, VMEntryState, VMResumeFrame, VMSavedEntry, VMTag,
};
use wasmfx_runtime::hostcall::on_host_stack;
use wasmfx_runtime::{Backend, Continuations, EntryCells, Error, Host, PoolConfig, StackPool, libcall, walk};

struct Engine {
    continuations: Continuations,
    current: usize,
    entry: VMEntryState,
    stack_limit: usize,
    raised: Option<Error>,
    log: Vec<String>,
    /// Host calls that have not returned.
    inside: usize,
}

/// What a continuation runs: `true` for a return, `false` for an unwinding.
type Body = fn(Engines, &mut [u128]) -> bool;

/// A handle on the engine, which frames on several stacks hold at once.
#[derive(Clone, Copy)]
struct Engines(NonNull<Engine>);

impl Engines {
    /// Borrows the engine for one access: nothing is held across a switch.
    #[allow(clippy::mut_from_ref, reason = "each borrow ends before the next stack runs")]
    fn get(&self) -> &mut Engine {
        // SAFETY: the engine lives in `with_engine`, on this thread.
        unsafe { &mut *self.0.as_ptr() }
    }

    fn log(&self, text: impl Into<String>) {
        self.get().log.push(text.into());
    }
}

// SAFETY: H1: the field of the engine; H2: `host_entry`; H3: nothing unwinds; H4: `call` returns what the body returns; H5: Rust code
// ignores the limit, on stacks that are large enough; H6: there is no compiled code.
unsafe impl Host for Engines {
    fn continuations(&mut self) -> &mut Continuations {
        &mut self.get().continuations
    }
    fn current(&self) -> *mut VMContRef {
        ptr::with_exposed_provenance_mut(self.get().current)
    }
    fn set_current(&mut self, current: *mut VMContRef) {
        self.get().current = current.expose_provenance();
    }
    fn entry(&self) -> VMEntryState {
        self.get().entry
    }
    fn set_entry(&mut self, entry: &VMEntryState) {
        self.get().entry = *entry;
    }
    fn entry_cells(&mut self) -> EntryCells {
        unreachable!("only the native backend asks for them")
    }
    fn stack_limit(&self) -> usize {
        self.get().stack_limit
    }
    fn set_stack_limit(&mut self, limit: usize) {
        self.get().stack_limit = limit;
    }
    unsafe fn reclaim(&mut self, _keep: NonNull<VMContRef>) -> bool {
        // The bodies hold their continuations in ways that no search knows.
        false
    }
    fn note_trap(&mut self, error: Error) {
        assert!(self.get().raised.replace(error).is_none(), "one reason at a time");
    }
    fn note_pending_exception(&mut self) {
        self.log("exception");
    }
    unsafe fn call(func: *mut u8, vmctx: *mut u8, args: *mut u128, len: usize, limit: usize) -> bool {
        let engine = Engines(NonNull::new(vmctx.cast()).expect("a context"));
        engine.get().stack_limit = limit;
        // SAFETY: `make` passes a `Body`; the arguments are those of `Host::call`.
        unsafe {
            std::mem::transmute::<*mut u8, Body>(func)(engine, std::slice::from_raw_parts_mut(args, len))
        }
    }
}

fn with_engine(test: impl FnOnce(Engines)) {
    let config = {
        let mut config = PoolConfig::default();
        // Rust's frames are Wasm's here, and do not look at the limit.
        config.max_wasm_stack = 512 << 10;
        config
    };
    let pool = StackPool::new(config).expect("the sizes fit");
    let mut engine = Engine {
        continuations: Continuations::new(Arc::new(pool)),
        current: 0,
        inside: 0,
        entry: VMEntryState::default(),
        stack_limit: 1,
        raised: None,
        log: Vec::new(),
    };
    let initial = engine.continuations.initial().as_ptr().expose_provenance();
    engine.current = initial;
    test(Engines(NonNull::from(&mut engine)));
    assert_eq!(engine.current, initial, "control is back on the first stack");
    assert_eq!(engine.stack_limit, 1, "and so is its limit");
}

fn make(engine: Engines, body: Body, params: u32, results: u32) -> VMContObj {
    let vmctx = engine.0.as_ptr().cast();
    // SAFETY: of `allocate`: `Engines::call` takes `body` for the function that it is, and `vmctx` for the engine.
    let made = unsafe { engine.get().continuations.allocate(body as *mut u8, vmctx, params, results) };
    let contref = made.expect("there is room");
    // SAFETY: `as_ref`: C2: `allocate` has returned a continuation of the engine's store: valid, aligned and initialised.
    // Nothing writes it during the read.
    VMContObj { contref, revision: unsafe { contref.as_ref() }.revision }
}

/// A frame with room for its tags behind it.
#[repr(C)]
struct Frame {
    frame: VMResumeFrame,
    tags: [*const VMTag; 4],
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Returned(u128),
    Clause(usize, u128, VMContObj),
    Unwound,
}

fn tag(n: usize) -> *const VMTag {
    ptr::without_provenance(n * align_of::<usize>())
}

fn resume(
    mut engine: Engines,
    obj: VMContObj,
    arg: Option<u128>,
    on: &[usize],
    on_switch: &[usize],
) -> Outcome {
    let mut result = 0;
    let mut tags = [tag(0); 4];
    for (slot, n) in tags.iter_mut().zip(on.iter().chain(on_switch)) {
        *slot = tag(*n);
    }
    let mut frame = Frame {
        frame: VMResumeFrame {
            suspend_count: on.len() as u32,
            switch_count: on_switch.len() as u32,
            values: &mut result,
            result_count: 1,
            clause: u32::MAX,
            first: on.first().map_or(ptr::null(), |n| tag(*n)),
            first_switch: on_switch.first().map_or(ptr::null(), |n| tag(*n)),
        },
        tags,
    };
    // SAFETY: as compiled code does it: the reference is checked, arguments are stored in their slots.
    unsafe {
        assert_eq!(obj.contref.as_ref().revision, obj.revision, "usable");
        if let Some(arg) = arg {
            let values = &obj.contref.as_ref().values;
            *values.data.add(values.length as usize) = arg;
        }
        match libcall::resume(&mut engine, obj.contref, NonNull::from(&mut frame).cast()) {
            wasmfx_runtime::abi::RETURNED => Outcome::Returned(result),
            libcall::UNWIND => Outcome::Unwound,
            captured => {
                let clause = ptr::read_volatile(&frame.frame.clause);
                let contref = ptr::with_exposed_provenance_mut(captured as usize);
                let contref: NonNull<VMContRef> =
                    NonNull::new(contref).expect("a clause gets a continuation");
                let VMContRef { revision, values, .. } = *contref.as_ptr();
                Outcome::Clause(clause as usize, *values.data, VMContObj { contref, revision })
            }
        }
    }
}

/// Suspends with a value and gives the answer, or `None` if there is no handler.
fn suspend(mut engine: Engines, to: usize, value: u128) -> Option<u128> {
    let mut payload = value;
    // SAFETY: the payload has room for one value each way.
    let resumed = unsafe { libcall::suspend(&mut engine, tag(to), &mut payload, 1) };
    // SAFETY: the runtime has written it through the pointer.
    resumed.then(|| unsafe { ptr::read_volatile(&payload) })
}

fn double(engine: Engines, args: &mut [u128]) -> bool {
    engine.log("double");
    args[0] *= 2;
    true
}

#[test]
fn a_function_that_returns() {
    with_engine(|engine| {
        for n in 0..1000 {
            let obj = make(engine, double, 1, 1);
            assert_eq!(resume(engine, obj, Some(n), &[], &[]), Outcome::Returned(2 * n));
            assert_eq!(engine.get().continuations.alive(), 0);
        }
        assert_eq!(engine.get().continuations.iter().count(), 1, "one served all");
        assert_eq!(engine.get().log.len(), 1000);
    });
}

fn asks_twice(engine: Engines, args: &mut [u128]) -> bool {
    let Some(first) = suspend(engine, 1, args[0]) else { return false };
    let Some(second) = suspend(engine, 2, first + 1) else { return false };
    args[0] = second + 1;
    true
}

#[test]
fn values_go_both_ways_and_references_are_new_each_time() {
    with_engine(|engine| {
        let fresh = make(engine, asks_twice, 1, 1);
        let Outcome::Clause(1, 10, first) = resume(engine, fresh, Some(10), &[2, 1], &[]) else { panic!() };
        assert!(first.revision > fresh.revision);
        let Outcome::Clause(0, 21, second) = resume(engine, first, Some(20), &[2, 1], &[]) else { panic!() };
        assert!(second.revision > first.revision);
        assert_eq!(resume(engine, second, Some(30), &[2, 1], &[]), Outcome::Returned(31));
        // SAFETY: a `VMContRef` outlives its references.
        let after = unsafe { fresh.contref.as_ref() };
        assert_eq!(after.state(), VMContState::Free);
        assert!(after.revision > second.revision, "no reference made so far is usable");
    });
}

#[test]
fn without_a_handler_the_stack_unwinds() {
    with_engine(|engine| {
        let obj = make(engine, asks_twice, 1, 1);
        // A switch clause for the right tag does not count.
        assert_eq!(resume(engine, obj, Some(1), &[2], &[1]), Outcome::Unwound);
        assert!(matches!(engine.get().raised.take(), Some(Error::UnhandledTag)));
        assert_eq!(engine.get().continuations.alive(), 0);
        assert!(suspend(engine, 1, 0).is_none(), "nor on the first stack");
        assert!(matches!(engine.get().raised.take(), Some(Error::UnhandledTag)));
    });
}

/// Suspends behind a barrier, on this stack and on one more, and then without.
fn behind_a_barrier(engine: Engines, args: &mut [u128]) -> bool {
    let current = engine.current();
    // SAFETY: that of the initial stack is the barrier; `current` runs.
    let outer = unsafe {
        let barrier = (*engine.get().continuations.initial().as_ptr()).resume;
        std::mem::replace(&mut (*current).resume, barrier)
    };
    let unhandled = || matches!(engine.get().raised.take(), Some(Error::UnhandledTag));
    assert!(suspend(engine, 1, 0).is_none() && unhandled());
    let inner = make(engine, asks_twice, 1, 1);
    assert_eq!(resume(engine, inner, Some(1), &[2], &[]), Outcome::Unwound);
    assert!(unhandled());
    let inner = make(engine, asks_twice, 1, 1);
    assert!(matches!(resume(engine, inner, Some(1), &[1], &[]), Outcome::Clause(0, 1, _)), "in front of it");
    // SAFETY: it runs.
    unsafe { (*current).resume = outer };
    args[0] = suspend(engine, 1, 5).expect("without it, there is a handler");
    true
}

#[test]
fn a_barrier_ends_the_search() {
    with_engine(|engine| {
        let obj = make(engine, behind_a_barrier, 1, 1);
        let Outcome::Clause(0, 5, rest) = resume(engine, obj, Some(0), &[1], &[]) else { panic!() };
        assert_eq!(resume(engine, rest, Some(6), &[1], &[]), Outcome::Returned(6));
    });
}

/// Runs another continuation inside, with a handler for tag 2 only.
fn nests(engine: Engines, args: &mut [u128]) -> bool {
    let depth = args[0];
    let inner = if depth == 0 { make(engine, asks_twice, 1, 1) } else { make(engine, nests, 1, 1) };
    let arg = if depth == 0 { 100 } else { depth - 1 };
    let mut outcome = resume(engine, inner, Some(arg), &[2], &[]);
    engine.log(format!("{depth}"));
    while let Outcome::Clause(0, value, rest) = outcome {
        outcome = resume(engine, rest, Some(value * 2), &[2], &[]);
    }
    match outcome {
        Outcome::Returned(value) => {
            args[0] = value + 1;
            true
        }
        _ => false,
    }
}

#[test]
fn a_suspend_through_many_stacks_captures_them_all() {
    for depth in [0, 1, 50] {
        with_engine(|engine| {
            let outer = make(engine, nests, 1, 1);
            let Outcome::Clause(0, 100, rest) = resume(engine, outer, Some(depth), &[1], &[]) else {
                panic!()
            };
            // SAFETY: nothing runs meanwhile.
            let stacks = unsafe { walk::suspended_stacks(Backend::Libcall, rest.contref) }.count();
            assert_eq!(stacks as u128, depth + 2, "those that nest, and the innermost");
            assert!(engine.get().log.is_empty(), "no stack on the way went on");
            // The answer goes to the innermost, whose handler for tag 2 is still the nearest.
            let Outcome::Returned(value) = resume(engine, rest, Some(6), &[1], &[]) else { panic!() };
            assert_eq!(value, (6 + 1) * 2 + 1 + depth + 1);
            assert_eq!(engine.get().continuations.alive(), 0);
        });
    }
}

#[test]
fn an_unwinding_goes_through_many_stacks() {
    with_engine(|engine| {
        let outer = make(engine, nests, 1, 1);
        assert_eq!(resume(engine, outer, Some(20), &[], &[]), Outcome::Unwound);
        assert!(matches!(engine.get().raised.take(), Some(Error::UnhandledTag)));
        assert_eq!(engine.get().log.len(), 21, "each resume on the way was told");
        assert_eq!(engine.get().continuations.alive(), 0);
    });
}

/// Switches to the continuation in its first argument, with one value, and returns what comes back.
fn switches(mut engine: Engines, args: &mut [u128]) -> bool {
    let target = VMContObj::from_bits(u128::from_le(args[0])).expect("a target");
    let mut payload = [0u128; 2];
    // SAFETY: the target takes a value and a continuation; the payload has room for as many.
    unsafe {
        *target.contref.as_ref().values.data = 5;
        let received = payload.as_mut_ptr();
        if !libcall::switch(&mut engine, target.contref, tag(3), received, 2, 1) {
            return false;
        }
        args[0] = received.read_volatile();
    }
    true
}

/// Takes a value and who switched here, and resumes that one with ten times the value.
fn answers(engine: Engines, args: &mut [u128]) -> bool {
    let from = VMContObj::from_bits(u128::from_le(args[1])).expect("who switched here");
    engine.log("answers");
    match resume(engine, from, Some(args[0] * 10), &[], &[]) {
        Outcome::Returned(value) => {
            args[0] = value + 1;
            true
        }
        _ => false,
    }
}

#[test]
fn a_switch_runs_the_target_at_the_prompt() {
    with_engine(|engine| {
        let target = make(engine, answers, 2, 1);
        let first = make(engine, switches, 1, 1);
        let arg = VMContObj::to_slot(Some(target));
        // What the target returns is what this resume returns.
        assert_eq!(resume(engine, first, Some(arg), &[3], &[3]), Outcome::Returned(51));
        assert_eq!(engine.get().continuations.alive(), 0);
    });
}

#[test]
fn a_switch_without_a_prompt_leaves_its_target_alone() {
    with_engine(|engine| {
        let target = make(engine, answers, 2, 1);
        let first = make(engine, switches, 1, 1);
        let arg = VMContObj::to_slot(Some(target));
        assert_eq!(resume(engine, first, Some(arg), &[3], &[4]), Outcome::Unwound);
        assert!(matches!(engine.get().raised.take(), Some(Error::UnhandledTag)));
        // SAFETY: it lives as long as the engine.
        let target_now = unsafe { target.contref.as_ref() };
        assert_eq!((target_now.revision, target_now.state()), (target.revision, VMContState::Fresh));
        assert_eq!(target_now.values.length, 0);
    });
}

/// Calls `f` as a host function of the engine.
fn host_call<R>(engine: Engines, f: impl FnOnce() -> R) -> R {
    // SAFETY: the engine is alive, and this is the stack that runs.
    unsafe { on_host_stack(engine.get().continuations.context(), engine.current(), f) }
}

/// Calls `f` as an entry into Wasm of the engine.
fn host_entry<R>(engine: Engines, f: impl FnOnce() -> R) -> R {
    let context = engine.get().continuations.context().as_ptr();
    // SAFETY: 1: the context is that of the engine, which is alive; 2: `current` is its current stack.
    let mut saved = unsafe { VMSavedEntry::enter(context, engine.current(), 1) };
    let limit = std::mem::replace(&mut engine.get().stack_limit, 1);
    engine.get().current = engine.get().continuations.initial().as_ptr().expose_provenance();
    let result = f();
    engine.get().current = saved.current.expose_provenance();
    engine.get().stack_limit = limit;
    // SAFETY: 1: it is the pointer of `enter`; 2: the engine is alive.
    unsafe { saved.exchange(context) };
    result
}

/// Calls the host, which uses a megabyte of stack, enters again to run more of the same, and suspends in between.
fn calls_the_host(engine: Engines, args: &mut [u128]) -> bool {
    let left = args[0];
    let here = (&raw const left).addr();
    let value = host_call(engine, || {
        let mut megabyte = [0u8; 1 << 20];
        let megabyte = std::hint::black_box(&mut megabyte);
        let there = megabyte.as_ptr().addr();
        assert!(here.abs_diff(there) > 512 << 10, "the host is on another stack");
        megabyte.fill(left as u8);
        engine.get().inside += 1;
        assert_eq!(host_call(engine, || 7), 7, "the host may be asked to leave the stack that it left");
        let inner = if left == 0 {
            1
        } else {
            host_entry(engine, || {
                let inner = make(
                    engine,
                    if left.is_multiple_of(2) { calls_the_host } else { nests_host_calls },
                    1,
                    1,
                );
                let Outcome::Clause(0, 5, rest) = resume(engine, inner, Some(left - 1), &[1], &[]) else {
                    panic!()
                };
                let Outcome::Returned(value) = resume(engine, rest, Some(6), &[1], &[]) else { panic!() };
                value
            })
        };
        engine.get().inside -= 1;
        assert!(megabyte.iter().all(|&byte| byte == left as u8), "nothing ran over the host's frame");
        inner + 1
    });
    assert_eq!(suspend(engine, 1, 5), Some(6));
    args[0] = value;
    true
}

/// Runs [`calls_the_host`] on a stack above this one.
fn nests_host_calls(engine: Engines, args: &mut [u128]) -> bool {
    let inner = make(engine, calls_the_host, 1, 1);
    // The payload goes to whoever has a clause for tag 1.
    let Outcome::Returned(value) = resume(engine, inner, Some(args[0]), &[2], &[]) else { return false };
    args[0] = value;
    true
}

#[test]
fn host_calls_run_on_the_initial_stack() {
    // As much stack as eight host functions of a megabyte take.
    let run = || {
        for depth in 0..8 {
            with_engine(|engine| {
                let obj = make(engine, calls_the_host, 1, 1);
                let Outcome::Clause(0, 5, rest) = resume(engine, obj, Some(depth), &[1], &[]) else {
                    panic!()
                };
                assert_eq!(engine.get().inside, 0);
                // The captured stacks go on above another, and call the host from there.
                assert_eq!(resume(engine, rest, Some(6), &[1], &[]), Outcome::Returned(depth + 2));
                assert_eq!(engine.get().continuations.alive(), 0);
            });
        }
    };
    std::thread::Builder::new().stack_size(16 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn suspended_continuations_can_be_dropped() {
    with_engine(|engine| {
        for n in 0..100 {
            let obj = make(engine, asks_twice, 1, 1);
            assert!(matches!(resume(engine, obj, Some(n), &[1], &[]), Outcome::Clause(..)));
        }
        assert_eq!(engine.get().continuations.alive(), 100);
    });
}

#[test]
fn bound_values_say_their_type() {
    with_engine(|engine| {
        let obj = make(engine, double, 3, 1);
        // SAFETY: the reference is usable and nothing runs.
        unsafe {
            assert!(walk::bound_values(obj.contref.as_ref()).is_none());
            ((*obj.contref.as_ptr()).values.length, (*obj.contref.as_ptr()).bound_types) = (2, 7);
            let (_, length, ty) = walk::bound_values(obj.contref.as_ref()).expect("two are bound");
            assert_eq!((length, ty), (2, 7));
            (*obj.contref.as_ptr()).values.length = 0;
        }
        let obj = make(engine, asks_twice, 1, 1);
        let Outcome::Clause(_, _, rest) = resume(engine, obj, Some(1), &[1], &[]) else { panic!() };
        // SAFETY: the continuation stays in memory (C2), and does not run. Nothing borrows it.
        unsafe {
            assert!(walk::bound_values(rest.contref.as_ref()).is_none());
            ((*rest.contref.as_ptr()).values.length, (*rest.contref.as_ptr()).bound_types) = (1, 9);
            let (_, length, ty) = walk::bound_values(rest.contref.as_ref()).expect("one is bound");
            assert_eq!((length, ty), (1, 9));
        }
    });
}

#[test]
fn many_arguments_end_in_an_error() {
    with_engine(|engine| {
        let vmctx = engine.0.as_ptr().cast();
        let mut made = 0usize;
        let error = loop {
            let params = 1 << 22;
            // SAFETY: nothing resumes the continuation.
            match unsafe { engine.get().continuations.allocate(double as *mut u8, vmctx, params, 0) } {
                Ok(_) => made += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::TooManyArguments { .. }), "{error}");
        assert_eq!(made, wasmfx_runtime::limits::MAX_SLOTS >> 22);
        // One without arguments takes none of what is limited.
        make(engine, double, 0, 0);
    });
}
