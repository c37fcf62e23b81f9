//! Property tests: compiled code and the runtime make, use and end continuations and stacks in any order. A model stands for
//! compiled code, and does to the context what compiled code does.

use super::*;
use crate::pool::PoolConfig;
use proptest::prelude::*;
use std::collections::HashMap;
use std::mem;

#[derive(Debug, Clone)]
enum Step {
    /// Makes a continuation with so many parameters and results; whether compiled code does that, if it can.
    New(u32, u32, bool),
    /// Resumes by the nth usable reference; whether compiled code takes the stack of a fresh one, if it can.
    Resume(usize, bool),
    /// The nth running one leaves its stack; whether it ends, rather than is captured; whether compiled code ends it, if it can.
    Leave(usize, bool, bool),
    /// Discards by the nth usable reference, if that is to a fresh one.
    Discard(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (prop_oneof![0u32..5, 0u32..40], 0u32..40, any::<bool>())
            .prop_map(|(params, results, compiled)| Step::New(params, results, compiled)),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(which, compiled)| Step::Resume(which, compiled)),
        4 => (any::<usize>(), any::<bool>(), any::<bool>())
            .prop_map(|(which, ends, compiled)| Step::Leave(which, ends, compiled)),
        1 => any::<usize>().prop_map(Step::Discard),
    ]
}

/// Does what compiled code does for `cont.new`, if it can: `wasmfx-cranelift`, `native/create.rs`.
fn compiled_new(all: &mut Continuations, params: u32) -> Option<NonNull<VMContRef>> {
    let context = all.context_mut();
    let mut free = NonNull::new(context.free).filter(|_| params as usize <= INLINE_ARGS)?;
    // SAFETY: `as_mut`: C4, C2: `free` is a free continuation of this store: valid, aligned and initialised. Nothing
    // else uses it.
    let cont = unsafe { free.as_mut() };
    context.free = cont.parent;
    context.created += 1;
    (cont.func, cont.caller_or_child) = (ptr::dangling_mut(), ptr::dangling_mut());
    cont.values = VMPayloads { data: cont.args.0.as_mut_ptr(), length: 0, capacity: params };
    cont.last_ancestor = free.as_ptr();
    Some(free)
}

/// Does what compiled code does to give a fresh continuation a stack, if it can: `native/start.rs`.
fn compiled_start(all: &mut Continuations, cont: &mut VMContRef) -> bool {
    let context = all.context_mut();
    let Some(stack) = NonNull::new(context.stacks) else { return false };
    // SAFETY: `as_ref`: C4: a stack on the list is idle and of this store, so that its header is as `into_header` made
    // it: valid, aligned and initialised. Nothing else uses it.
    context.stacks = unsafe { stack.as_ref() }.next;
    context.room += 1;
    cont.stack = stack.as_ptr();
    true
}

/// Does what entry code does when the function has returned, if it can: `native/entry.rs`.
fn compiled_end(all: &mut Continuations, cont: &mut VMContRef) -> bool {
    let context = all.context_mut();
    if context.room == 0 || cont.stack.is_null() {
        return false;
    }
    context.room -= 1;
    // SAFETY: the write: L2: `cont.stack` is the header of this continuation's own stack: valid and aligned. Nothing
    // borrows it.
    unsafe { (*cont.stack).next = context.stacks };
    context.stacks = mem::replace(&mut cont.stack, ptr::null_mut());
    (cont.stack_limit, cont.resume) = (0, ptr::null_mut());
    cont.parent = context.free;
    context.free = cont;
    true
}

/// Does what `native::finish` does, or, where stacks have no headers, what the libcall backend does.
///
/// # Safety
///
/// 1. `cont` is a continuation of `all`, and nothing borrows it.
/// 2. It is in state `Running`, and has a stack. No reference to it is usable.
unsafe fn end_by_runtime(all: &mut Continuations, cont: NonNull<VMContRef>) {
    // SAFETY: `fiber_part`: 1 (C2, L1): `cont` is valid, aligned and initialised, and nothing else borrows it.
    // Of `release`: 1: this function's 1 and 2; 2: nothing really runs on its stack, and this function's 1.
    // Of `recycle`: 1: this function's 1 and 2, and `take` took the stack; 2: this function's 2 and 1.
    unsafe {
        match (*cont.cast::<Continuation>().as_ptr()).fiber_part().unwrap().stack.take() {
            None => all.release(cont.cast()),
            // As `release` does, but without a fiber: this test makes none.
            Some(stack) => {
                all.put_stack(stack);
                all.recycle(cont.cast());
            }
        }
    }
}

/// Takes the nth element, counted modulo the length, if there are any.
fn nth<T>(all: &mut Vec<T>, n: usize) -> Option<T> {
    (!all.is_empty()).then(|| all.swap_remove(n % all.len()))
}

proptest! {
    /// In any sequence of steps each reference is usable once, the counts are right, and no stack is lost. The test itself does
    /// to a `VMContRef` what resumes and captures do.
    #[test]
    fn a_reference_is_usable_once(
        limit in prop_oneof![0u32..50, Just(1000)],
        stacks in prop_oneof![0u32..50, Just(2000)],
        keep_resident in prop_oneof![Just(0usize), Just(4096)],
        start in prop_oneof![3 => Just(0u32), 1 => 60u32..150],
        steps in prop::collection::vec(step(), 0..300),
    ) {
        // Stacks that have headers are those of the native backend.
        let backend = if cfg!(mapped_stacks) { Backend::Native } else { Backend::Libcall };
        let config = PoolConfig {
            continuations_per_store: limit,
            stacks,
            keep_resident,
            backend,
            ..PoolConfig::default()
        };
        let pool = Arc::new(StackPool::new(config).unwrap());
        let mut all = Continuations::new(pool.clone());
        // Usable references, those to fresh ones with their slots; running continuations, with their slots; and every reference
        // that was ever made.
        let (mut usable, mut running) = (Vec::<(VMContObj, Option<usize>, usize)>::new(), Vec::new());
        let mut ever: HashMap<(usize, usize), VMContObj> = HashMap::new();
        let (mut slots, mut created, mut peak) = (0, 0, 0);
        // Many continuations run first, so that there are batches of stacks to give back.
        let many = (0..start).flat_map(|_| [Step::New(1, 1, true), Step::Resume(usize::MAX, true)]);
        let end = (0..start).map(|i| Step::Leave(0, true, i % 3 > 0));
        for step in many.chain(end).chain(steps) {
            match step {
                Step::New(params, results, compiled) => {
                    let full = usable.len() + running.len() == limit as usize;
                    let made = if compiled { compiled_new(&mut all, params) } else { None };
                    let capacity = if made.is_some() { params } else { params.max(results) };
                    let dangling = ptr::dangling_mut();
                    // SAFETY: nothing really resumes the continuation.
                    let allocate = || unsafe { all.allocate(dangling, dangling, params, results) };
                    match made.map_or_else(allocate, Ok) {
                        Err(_) => prop_assert!(full),
                        Ok(contref) => {
                            prop_assert!(!full);
                            // SAFETY: `as_ref`: C2: `all` has just made the continuation: valid, aligned and
                            // initialised. Nothing writes it while `vm` is used.
                            let vm = unsafe { contref.as_ref() };
                            prop_assert!(vm.values.capacity >= capacity);
                            let obj = VMContObj { contref, revision: vm.revision };
                            prop_assert!(ever.insert((contref.addr().get(), obj.revision), obj).is_none());
                            let own = if capacity as usize > INLINE_ARGS { capacity as usize } else { 0 };
                            usable.push((obj, Some(own), own));
                            created += 1;
                            slots += own;
                        }
                    }
                }
                Step::Resume(n, compiled) => if let Some((obj, fresh, own)) = nth(&mut usable, n) {
                    // SAFETY: `&mut`: C2, L1: `obj` points to a continuation of `all`: valid, aligned and initialised.
                    // Nothing else borrows it.
                    let this = unsafe { &mut *obj.contref.cast::<Continuation>().as_ptr() };
                    if fresh.is_some() && !(compiled && compiled_start(&mut all, &mut this.vm)) {
                        match all.take_stack() {
                            Ok(stack) => match stack.into_header() {
                                Ok(header) => this.vm.stack = header.as_ptr(),
                                Err(stack) => this.fiber_part().unwrap().stack = Some(stack),
                            },
                            Err(_) => {
                                prop_assert!(all.stacks.count() == stacks as usize);
                                usable.push((obj, fresh, own));
                                continue;
                            }
                        }
                    }
                    this.vm.revision += 1;
                    this.vm.last_ancestor = ptr::null_mut();
                    this.vm.func = ptr::null_mut();
                    this.vm.resume = ptr::dangling_mut();
                    running.push((obj.contref, own));
                }
                Step::Leave(n, ends, compiled) => if let Some((contref, own)) = nth(&mut running, n) {
                    // SAFETY: the accesses: C2, L1: `contref` points to a continuation of `all`: valid, aligned and
                    // initialised. Nothing else borrows it. Of `end_by_runtime`: 1: the same; 2: those in `running` are
                    // in state `Running`, and have a stack; `Resume` consumed the last reference.
                    unsafe {
                        let this = contref.cast::<Continuation>().as_ptr();
                        if !ends {
                            (*this).vm.last_ancestor = this.cast();
                            let obj = VMContObj { contref, revision: (*this).vm.revision };
                            prop_assert!(ever.insert((contref.addr().get(), obj.revision), obj).is_none());
                            usable.push((obj, None, own));
                        } else if compiled && own == 0 && compiled_end(&mut all, &mut (*this).vm) {
                        } else {
                            slots -= own;
                            end_by_runtime(&mut all, contref);
                        }
                    }
                }
                Step::Discard(n) => if !usable.is_empty() {
                    let n = n % usable.len();
                    if let (obj, Some(own), _) = usable[n] {
                        usable.swap_remove(n);
                        slots -= own;
                        // SAFETY: of `discard`: the number of slots says that the continuation is a fresh one of `all`.
                        unsafe { all.discard(obj.contref) };
                    }
                }
            }
            peak = peak.max(usable.len() + running.len());
            let Statistics { alive, peak: reached, created: made, stacks: out, .. } = all.statistics();
            prop_assert_eq!((alive, reached, made), (usable.len() + running.len(), peak, created));
            prop_assert_eq!(all.slots, slots);
            let [hot, max_hot, idle, max_idle] = all.stacks.counts();
            prop_assert_eq!(hot + all.context_mut().room, max_hot);
            prop_assert!(hot + idle <= max_idle.max(1));
            let held = usable.iter().filter(|(_, fresh, _)| fresh.is_none()).count() + running.len();
            prop_assert_eq!(out, held + hot + idle);
            // SAFETY: `as_ref`: C2: all references are to continuations of `all`: valid, aligned and initialised.
            // Nothing writes them meanwhile.
            let fit = ever.values().filter(|obj| unsafe { obj.contref.as_ref() }.revision == obj.revision);
            // A reference with the current revision of its continuation is usable. Nobody has a reference with the revision of
            // a free continuation: the next `cont.new` makes the first.
            for obj in fit {
                // SAFETY: `as_ref`: C2: all references are to continuations of `all`: valid, aligned and initialised.
                // Nothing writes them meanwhile.
                let state = unsafe { obj.contref.as_ref() }.state();
                let has = usable.iter().any(|(other, ..)| other == obj);
                prop_assert_eq!(has, matches!(state, VMContState::Fresh | VMContState::Suspended));
                prop_assert!(has, "a reference that was used up is as good as new");
            }
        }
        drop(all);
        // All stacks are back in the pool: another store can take them.
        let mut next = Continuations::new(pool);
        let mut taken = Vec::new();
        while let Ok(stack) = next.take_stack() {
            taken.push(stack);
        }
        prop_assert_eq!(taken.len(), stacks as usize);
        taken.into_iter().for_each(|stack| next.put_stack(stack));
    }
}
