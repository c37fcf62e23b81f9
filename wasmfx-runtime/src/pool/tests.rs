//! Tests of taking stacks from a pool and giving them back, by one thread and by several.

use super::*;
use crate::limits::*;
use crate::stack::Guards;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn config() -> PoolConfig {
    PoolConfig { max_wasm_stack: 64 << 10, ..PoolConfig::default() }
}

fn take(pool: &StackPool, count: usize) -> Vec<PooledStack> {
    let mut stacks = Vec::new();
    while stacks.len() < count {
        pool.take(count - stacks.len(), &mut stacks).unwrap();
    }
    stacks
}

fn both_guards(test: impl Fn(PoolConfig)) {
    for guards in [Guards::Auto, Guards::Mprotect] {
        test(PoolConfig { guards, ..config() });
    }
}

#[test]
fn runs_are_found() {
    let found: Vec<_> = runs(&[9, 8, 7, 5, 3, 2]).collect();
    assert_eq!(found, [7..10, 5..6, 2..4]);
    assert_eq!(runs(&[]).count(), 0);
}

#[test]
fn sizes_that_are_too_small_or_overflow_are_errors() {
    for max_wasm_stack in [usize::MAX, usize::MAX - 4096, isize::MAX as usize] {
        for stack_size in [None, Some(0), Some(usize::MAX), Some(isize::MAX as usize)] {
            let config = PoolConfig { max_wasm_stack, stack_size, ..config() };
            assert!(matches!(StackPool::new(config), Err(Error::StackSize { .. })));
        }
    }
    for stack_size in [0, 1, MIN_WASM_STACK - 1, (64 << 10) + 1, usize::MAX, usize::MAX - 4095] {
        let config = PoolConfig { stack_size: Some(stack_size), ..config() };
        assert!(matches!(StackPool::new(config), Err(Error::StackSize { .. })), "{stack_size}");
    }
    for stack_size in [None, Some(MIN_WASM_STACK), Some(20_000), Some(64 << 10)] {
        let config = PoolConfig { stack_size, ..config() };
        let stack = take(&StackPool::new(config).unwrap(), 1).pop().unwrap();
        assert!(stack.size() >= stack_size.unwrap_or(64 << 10) + RESERVE);
    }
}

#[test]
fn the_limit_on_stacks_is_exact() {
    both_guards(|config| {
        let pool = StackPool::new(PoolConfig { stacks: 21, ..config }).unwrap();
        let mut stacks = take(&pool, 21);
        let error = pool.take(1, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, Error::TooManyStacks { limit: 21 }));
        pool.give_back(stacks.split_off(20), 0);
        stacks.extend(take(&pool, 1));
        let slots: BTreeSet<_> = stacks.iter().map(PooledStack::slot).collect();
        assert_eq!(slots, (0..21).collect());
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// In any sequence of taking and giving back, a stack has one owner at a time.
    #[test]
    fn a_stack_has_one_owner(
        limit in prop_oneof![1u32..60, Just(1000u32)],
        keep_resident in prop_oneof![Just(0usize), Just(4096)],
        steps in prop::collection::vec((any::<bool>(), 0usize..20), 0..60),
    ) {
        let config = PoolConfig { stacks: limit, keep_resident, ..config() };
        let pool = StackPool::new(config).unwrap();
        let mut stacks = Vec::new();
        for (give, count) in steps {
            if give {
                let rest = stacks.len().saturating_sub(count);
                pool.give_back(stacks.split_off(rest), 0);
            } else {
                let before = stacks.len();
                match pool.take(count, &mut stacks) {
                    Ok(_) => prop_assert!(stacks.len() > before),
                    Err(_) => prop_assert_eq!(before, limit as usize),
                }
            }
            let slots: BTreeSet<_> = stacks.iter().map(PooledStack::slot).collect();
            prop_assert_eq!(slots.len(), stacks.len());
            prop_assert!(slots.iter().all(|&slot| slot < limit));
        }
    }
}

/// Tests that need stacks whose memory this crate manages.
#[cfg(mapped_stacks)]
mod memory {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_slot_is_an_odd_number_of_pages() {
        let page = rustix::param::page_size();
        for size in (MIN_WASM_STACK..MIN_WASM_STACK + 4 * page).step_by(page / 4) {
            let slot = crate::stack::slot_size(size).unwrap();
            assert!(slot.is_multiple_of(page) && !(slot / page).is_multiple_of(2), "{size}: {slot}");
            assert!(slot >= size + page, "{size}: {slot}");
        }
        assert_eq!(crate::stack::slot_size(usize::MAX - page), None);
    }

    #[test]
    fn stacks_that_do_not_fit_are_an_error() {
        for stack_size in [1 << 47, isize::MAX as usize / 2] {
            let pool = StackPool::new(PoolConfig { max_wasm_stack: stack_size, ..config() }).unwrap();
            for _ in 0..2 {
                let error = pool.take(1, &mut Vec::new()).unwrap_err();
                assert!(matches!(error, Error::NoAddresses { .. }), "{error}");
            }
        }
        // Taking goes on until the address space is full.
        let pool = StackPool::new(PoolConfig { max_wasm_stack: 1 << 42, ..config() }).unwrap();
        let mut stacks = Vec::new();
        let error = loop {
            if let Err(error) = pool.take(1, &mut stacks) {
                break error;
            }
        };
        assert!(matches!(error, Error::NoAddresses { .. }), "{error}");
        assert!(stacks.len() < 32);
        pool.give_back(stacks, 0);
    }

    /// Whether the highest 40,000 bytes of a stack hold anything but zeros.
    fn is_dirty(stack: &PooledStack) -> bool {
        // SAFETY: `sub` and `from_raw_parts`: M1: the bytes lie on the stack, which is larger: readable, and zero until
        // written. M2: the stack is this test's alone, so that nothing writes them meanwhile.
        unsafe { std::slice::from_raw_parts(stack.top().sub(40_000), 40_000) }.iter().any(|&byte| byte != 0)
    }

    #[test]
    fn what_is_given_back_is_empty_if_it_must_be() {
        both_guards(|config| {
            for zeroing in [false, true] {
                for keep_resident in [0, 16 << 10] {
                    let config = PoolConfig { zeroing, keep_resident, ..config.clone() };
                    let pool = StackPool::new(config).unwrap();
                    for trimmed in [0, 1, 3] {
                        let stacks = take(&pool, 3);
                        assert!(!zeroing || !stacks.iter().any(is_dirty));
                        for stack in &stacks {
                            // SAFETY: `sub` and `write_bytes`: M1: the bytes lie on the stack, which is larger:
                            // writable. M2: nothing else uses them.
                            unsafe { stack.top().sub(40_000).write_bytes(0xaa, 40_000) };
                        }
                        stacks[..trimmed].iter().for_each(|stack| pool.trim(stack));
                        pool.give_back(stacks, trimmed);
                        let stacks = take(&pool, 3);
                        let kept = !zeroing && keep_resident > 0;
                        assert_eq!(stacks.iter().any(is_dirty), kept, "{zeroing} {keep_resident} {trimmed}");
                        pool.give_back(stacks, 0);
                    }
                }
            }
        });
    }

    /// Writes a number that identifies the stack near both of its ends.
    fn mark(stack: &PooledStack) {
        for at in [8, stack.size()] {
            // SAFETY: `write`: M1: the words lie on the stack: writable. They are aligned, as the top and the size are
            // multiples of a cache line. M2: nothing else uses them.
            unsafe { stack.top().wrapping_sub(at).cast::<u64>().write(u64::from(stack.slot()) + 1) };
        }
    }

    /// The words that [`mark`] writes: near the guard, and near the top.
    fn marks(stack: &PooledStack) -> [u64; 2] {
        // SAFETY: `read`: M1: the words lie on the stack: readable, and zero until written. They are aligned, as the
        // top and the size are multiples of a cache line. M2: nothing writes them meanwhile.
        [stack.size(), 8].map(|at| unsafe { stack.top().wrapping_sub(at).cast::<u64>().read() })
    }

    #[test]
    fn stacks_are_writable_from_guard_to_top_and_apart() {
        both_guards(|config| {
            let pool = StackPool::new(config).unwrap();
            let stacks = take(&pool, 100);
            stacks.iter().for_each(mark);
            for stack in &stacks {
                assert_eq!(marks(stack), [u64::from(stack.slot()) + 1; 2]);
                assert!(stack.size() >= pool.wasm_stack + RESERVE);
                assert_eq!(stack.top().addr() % 64, 0);
            }
            let offsets: BTreeSet<_> = stacks.iter().map(|stack| stack.top().addr() % 4096).collect();
            assert_eq!(offsets.len(), 16, "tops are spread over cache lines");
        });
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn guards_fault_and_outlive_reuse() {
        both_guards(|config| {
            let pool = StackPool::new(config).unwrap();
            for _ in 0..3 {
                let stacks = take(&pool, 40);
                for stack in &stacks {
                    mark(stack);
                    let guard = stack.top().wrapping_sub(stack.size() + 8);
                    assert!(faults(guard), "below stack {}", stack.slot());
                    assert!(!faults(guard.wrapping_add(8)));
                }
                pool.give_back(stacks, 0);
            }
        });
    }

    /// The kernel refuses guards by advice from some moment on. Guards that were installed before stay, and the other stacks get
    /// guards by `mprotect`, which work as well. All guards work after all slots were given back, and after their region was
    /// reset. An error that may pass does not change the kind of guards.
    #[test]
    #[cfg(target_os = "linux")]
    fn guards_that_are_refused() {
        use crate::stack::GUARDS_LEFT;
        let unlimited = (usize::MAX, 0);
        let pool = StackPool::new(config()).unwrap();
        pool.give_back(take(&pool, 1), 0);
        if pool.guarded_by_mappings() {
            eprintln!("left out: this kernel has no guards that take no mappings");
            return;
        }
        for error in [libc::EINVAL, libc::EPERM] {
            for left in [0, 1, 5, 30] {
                let mut pool = StackPool::new(config()).unwrap();
                pool.reset_from = 0;
                GUARDS_LEFT.set((left, error));
                let mut stacks = take(&pool, 40);
                GUARDS_LEFT.set(unlimited);
                for _ in 0..3 {
                    for stack in &stacks {
                        mark(stack);
                        let guard = stack.top().wrapping_sub(stack.size() + 8);
                        assert!(faults(guard), "{left} left, below stack {}", stack.slot());
                        assert!(!faults(guard.wrapping_add(8)));
                    }
                    assert!(pool.guarded_by_mappings());
                    pool.give_back(stacks, 0);
                    stacks = take(&pool, 40);
                }
                pool.give_back(stacks, 0);
            }
        }
        let pool = StackPool::new(config()).unwrap();
        GUARDS_LEFT.set((0, libc::ENOMEM));
        assert!(matches!(pool.take(1, &mut Vec::new()), Err(Error::NoStack { .. })));
        GUARDS_LEFT.set(unlimited);
        let stacks = take(&pool, 3);
        assert!(stacks.iter().all(|stack| faults(stack.top().wrapping_sub(stack.size() + 8))));
        assert!(!pool.guarded_by_mappings());
        pool.give_back(stacks, 0);
    }

    /// Whether the kernel, asked to read a word there, reports a fault.
    #[cfg(target_os = "linux")]
    fn faults(address: *mut u8) -> bool {
        let (_reader, writer) = rustix::pipe::pipe().unwrap();
        // SAFETY: `write`: the kernel checks the address, and returns `EFAULT` if it cannot read there. So `address`
        // may be any.
        let word = unsafe { libc::write(std::os::fd::AsRawFd::as_raw_fd(&writer), address.cast(), 8) };
        word < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT)
    }

    #[test]
    fn idle_stacks_keep_no_more_than_they_may() {
        both_guards(|config| {
            let keep = config.keep_resident;
            let count = MAX_WARM_STACKS + 50;
            let pool = StackPool::new(config).unwrap();
            let stacks = take(&pool, count);
            let other = take(&pool, 1);
            stacks.iter().for_each(mark);
            let before = pool.resident(stacks.iter().map(PooledStack::slot)).unwrap();
            assert!(before >= count * 2 * rustix::param::page_size());
            pool.give_back(stacks, 0);
            let stacks = take(&pool, count);
            assert!(stacks.iter().all(|stack| pool.resident(std::iter::once(stack.slot())).unwrap() <= keep));
            assert!(pool.resident(stacks.iter().map(PooledStack::slot)).unwrap() <= MAX_WARM_STACKS * keep);
            let warm = stacks.iter().filter(|stack| marks(stack) == [0, u64::from(stack.slot()) + 1]).count();
            let cold = stacks.iter().filter(|stack| marks(stack) == [0, 0]).count();
            assert_eq!((warm, cold), (MAX_WARM_STACKS, 50));
            pool.give_back(stacks, 0);
            pool.give_back(other, 0);
        });
    }

    #[test]
    fn idle_regions_start_anew() {
        both_guards(|config| {
            let mut pool = StackPool::new(config).unwrap();
            pool.reset_from = 1000;
            let mut other = take(&pool, 1);
            for _ in 0..2 {
                let mut stacks = take(&pool, 3 * 4096);
                stacks.iter().for_each(mark);
                assert!(
                    pool.lock()
                        .regions
                        .iter()
                        .filter(|region| region.start >= pool.reset_from && region.out > 0)
                        .count()
                        > 1
                );
                // One stack of the last region stays out, as does `other`'s first, which is of the first region.
                other.push(stacks.pop().unwrap());
                other.iter().for_each(mark);
                pool.give_back(stacks, 0);
                let slots = pool.lock();
                let reset: Vec<_> =
                    slots.regions.iter().filter(|region| region.start >= pool.reset_from).collect();
                assert!(reset.iter().any(|region| region.out > 0));
                for region in reset {
                    assert_eq!(region.indices.reached() > 0, region.out > 0);
                    let all = region.start..region.start + region.indices.limit();
                    assert!(region.out > 0 || !slots.warm.iter().any(|slot| all.contains(slot)));
                }
                assert_eq!(slots.warm.len() + slots.room, MAX_WARM_STACKS);
                drop(slots);
                let stacks = take(&pool, 3 * 4096 - 1);
                let distinct: BTreeSet<_> = stacks.iter().chain(&other).map(PooledStack::slot).collect();
                assert_eq!(distinct.len(), stacks.len() + other.len());
                for stack in &stacks {
                    let mark = u64::from(stack.slot()) + 1;
                    assert!([[0, 0], [0, mark]].contains(&marks(stack)));
                }
                pool.give_back(stacks, 0);
            }
            for stack in &other {
                assert_eq!(marks(stack), [u64::from(stack.slot()) + 1; 2]);
            }
            pool.give_back(other, 0);
        });
    }

    /// The idle stacks that the first stores keep do not deprive the last stores.
    #[test]
    fn what_stores_may_keep_is_less_than_all() {
        for limit in [1, 10, 100, 1000, 100_000] {
            let pool = StackPool::new(PoolConfig { stacks: limit, ..config() }).unwrap();
            let kept: usize = (0..10_000)
                .map(|_| {
                    pool.join();
                    pool.max_idle(&pool.lock())
                })
                .sum();
            assert!(kept < limit as usize, "{kept} of {limit}");
        }
    }

    #[test]
    fn threads_share_a_pool() {
        let mut pool = StackPool::new(PoolConfig { keep_resident: 4096, ..config() }).unwrap();
        // With this, regions are reset all the time.
        pool.reset_from = 0;
        let pool = Arc::new(pool);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..200 {
                        let stacks = take(&pool, 1 + round % 70);
                        stacks.iter().for_each(mark);
                        std::thread::yield_now();
                        for stack in &stacks {
                            assert_eq!(marks(stack), [u64::from(stack.slot()) + 1; 2]);
                        }
                        pool.give_back(stacks, 0);
                    }
                });
            }
        });
        let slots = pool.lock();
        let taken: u32 = slots.regions.iter().map(|region| region.indices.taken()).sum();
        assert_eq!(taken as usize, slots.warm.len());
        assert!(slots.regions.iter().all(|region| region.out == 0));
    }
}
