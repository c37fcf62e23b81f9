//! Limits on continuations and their stacks: that they are exact, what is said at each, and what goes on after.

#[path = "support/parked.rs"]
mod parked;
mod support;

use parked::{Wasm, each_setup, host, limited, module, trapped};
use std::future::Future;
use std::pin::{Pin, pin};
use support::{block_on, polled, wait};
use wasmfx::wasmtime::*;

#[test]
fn continuations_of_a_store() {
    each_setup(|config| {
        let module = module(config().continuations_per_store(10));
        let mut wasm = Wasm::new(&module);
        for _ in 0..3 {
            let mut conts: Vec<_> = (0..4).map(|n| wasm.park(n).unwrap()).collect();
            conts.extend((4..10).map(|n| wasm.fresh(n).unwrap()));
            for _ in 0..3 {
                limited(wasm.fresh(0), "continuations-per-store");
                limited(wasm.park(0), "continuations-per-store");
            }
            // Another store has its own.
            Wasm::new(&module).fill(10, 0).unwrap();
            // One ends, and makes room for one.
            assert_eq!(wasm.go(conts.remove(0)).unwrap(), 0);
            conts.insert(0, wasm.fresh(0).unwrap());
            limited(wasm.fresh(0), "continuations-per-store");
            for (n, cont) in conts.into_iter().enumerate() {
                assert_eq!(wasm.go(cont).unwrap(), n as i32);
            }
        }
        let mut none = Wasm::new(&self::module(config().continuations_per_store(0)));
        limited(none.fresh(0), "continuations-per-store");
        assert_eq!((none.alive(), none.statistics().created), (0, 0));
    });
}

/// Around the sizes of batches.
#[test]
fn stacks_of_one_store() {
    each_setup(|config| {
        for stacks in [1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 129, 1000, 1023, 1024, 1025, 2000] {
            let mut wasm = Wasm::new(&module(config().continuation_stacks(stacks)));
            for part in [stacks, 1, stacks / 2, stacks - 1] {
                wasm.fill(part, 0).unwrap();
                wasm.fill(stacks - part, 3).unwrap();
                limited(wasm.fill(1, 0), "continuation-stacks");
                wasm.drain();
            }
            // What it keeps: a sixteenth, as it is the only store, or half of that after it gave some back.
            let kept = wasm.statistics().stacks;
            assert!(kept <= stacks as usize / 16 && (stacks < 32 || kept > 0), "{kept} of {stacks}");
        }
    });
}

#[test]
fn stacks_of_an_engine() {
    each_setup(|config| {
        let module = module(config().continuation_stacks(100));
        let (mut one, mut two) = (Wasm::new(&module), Wasm::new(&module));
        let fresh = two.fresh(5).unwrap();
        let unbound = two.call("unbound", &[]).unwrap();
        one.fill(100, 0).unwrap();
        for _ in 0..3 {
            limited(one.fill(1, 0), "continuation-stacks");
            limited(two.park(0), "continuation-stacks");
            // A continuation that got no stack stays what it is.
            limited(two.go(fresh), "continuation-stacks");
            limited(two.call("run", &[unbound, Val::I32(8)]), "continuation-stacks");
        }
        // Who parks has made one each time, which nobody holds.
        two.collect();
        assert_eq!(two.alive(), 2);
        drop(one);
        assert_eq!(two.go(fresh).unwrap(), 5);
        assert_eq!(two.call("run", &[unbound, Val::I32(9)]).unwrap().unwrap_i32(), 9);
        two.fill(100, 0).unwrap();
        limited(two.fill(1, 0), "continuation-stacks");
        two.drain();
    });
}

/// What ends in one store makes room in another.
#[test]
fn stacks_that_ended_are_for_other_stores() {
    each_setup(|config| {
        // A store may keep a few at hand, but not all there are.
        for stacks in [10, 300] {
            let module = module(config().continuation_stacks(stacks));
            let (mut one, mut two) = (Wasm::new(&module), Wasm::new(&module));
            one.fill(stacks, 0).unwrap();
            limited(two.park(0), "continuation-stacks");
            one.drain();
            assert_eq!(one.alive(), 0);
            assert!(one.statistics().stacks <= stacks as usize / 16);
            two.fill(stacks - stacks / 16, 0).unwrap();
            two.drain();
        }
    });
}

/// A store takes few stacks that it does not need yet, and the more stores there are the fewer.
#[test]
fn a_store_does_not_hoard_stacks() {
    each_setup(|config| {
        for (stacks, stores) in [(64, 2), (1000, 2), (1000, 7), (1000, 100)] {
            let module = module(config().continuation_stacks(stacks));
            let mut all: Vec<_> = (0..stores).map(|_| Wasm::new(&module)).collect();
            let part = (stacks - stacks / 16) / stores;
            for wasm in &mut all {
                wasm.fill(part, 0).unwrap();
            }
            let more: usize = all.iter().map(|wasm| wasm.statistics().stacks - part as usize).sum();
            assert!(more <= stacks as usize / 16 + stores as usize, "{more} of {stacks} in {stores} stores");
            let rest = stacks - part * stores;
            limited(all[0].fill(rest + 1, 0), "continuation-stacks");
        }
    });
}

#[test]
fn no_stacks_at_all() {
    each_setup(|config| {
        let mut wasm = Wasm::new(&module(config().continuation_stacks(0)));
        let fresh = wasm.fresh(1).unwrap();
        for _ in 0..3 {
            limited(wasm.go(fresh), "continuation-stacks");
        }
        // To throw into a fresh one takes no stack.
        assert!(wasm.call("throw", &[fresh]).unwrap_err().is::<ThrownException>());
        trapped(wasm.go(fresh), Trap::ContinuationAlreadyConsumed);
        assert_eq!((wasm.alive(), wasm.statistics().stacks), (0, 0));
    });
}

#[test]
fn a_stores_limits() {
    each_setup(|config| {
        let module = module(&config());
        let limits = || StoreLimitsBuilder::new().continuations(5).build();
        let mut wasm = Wasm::with(limits(), &module, |store| store.limiter(|limits| limits));
        for _ in 0..3 {
            let mut conts: Vec<_> = (0..3).map(|n| wasm.park(n).unwrap()).collect();
            conts.extend((3..5).map(|n| wasm.fresh(n).unwrap()));
            limited(wasm.fresh(0), "limiter");
            limited(wasm.park(0), "limiter");
            for (n, cont) in conts.into_iter().enumerate() {
                assert_eq!(wasm.go(cont).unwrap(), n as i32);
            }
        }
        assert_eq!(wasm.statistics().peak, 5);
        // The engine's limits hold for those that the limiter allows.
        let module = self::module(config().continuations_per_store(4).continuation_stacks(3));
        let mut wasm = Wasm::with(limits(), &module, |store| store.limiter(|limits| limits));
        wasm.fill(3, 0).unwrap();
        // This makes one, which nobody holds. Its place is free for the next one.
        limited(wasm.fill(1, 0), "continuation-stacks");
        let held = wasm.fresh(7).unwrap();
        limited(wasm.fresh(0), "continuations-per-store");
        assert_eq!(wasm.alive(), 4);
        wasm.drain();
        assert_eq!(wasm.go(held).unwrap(), 7);
    });
}

/// Before a limiter's no counts, those that nothing can resume any more give way. What is held stays. Leftovers on the host's
/// stack may keep a few.
#[test]
fn what_nothing_can_resume_counts_for_no_limiter() {
    const LIMIT: usize = 8;
    each_setup(|config| {
        let limits = StoreLimitsBuilder::new().continuations(LIMIT).build();
        let mut wasm = Wasm::with(limits, &module(&config()), |store| store.limiter(|limits| limits));
        let held: Vec<_> = (0..3).map(|n| wasm.park(n).unwrap()).collect();
        for n in 0..500 {
            let Val::ContRef(Some(cont)) = wasm.park(n).unwrap() else { panic!("a continuation") };
            cont.unroot(&wasm.store);
        }
        for (n, cont) in held.into_iter().enumerate() {
            assert_eq!(wasm.go(cont).unwrap(), n as i32);
        }
        let statistics = wasm.statistics();
        assert!(statistics.peak <= LIMIT, "{statistics}");
        assert!(statistics.reclaimed >= 500 - LIMIT as u64, "{statistics}");
    });
}

/// Refuses with an error of its own, or a panic, and notes what it was asked.
struct Refuses {
    panics: bool,
    most: usize,
    asked: Vec<(usize, usize)>,
}

#[derive(Debug, PartialEq)]
struct Refusal(usize);

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} are too many for me", self.0)
    }
}

impl std::error::Error for Refusal {}

impl ResourceLimiter for Refuses {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }

    fn continuations_growing(&mut self, current: usize, desired: usize) -> Result<bool> {
        self.asked.push((current, desired));
        assert!(!self.panics || desired <= self.most, "as asked");
        if desired > self.most { Err(Refusal(desired).into()) } else { Ok(true) }
    }
}

#[test]
fn a_limiters_own_error() {
    each_setup(|config| {
        let module = module(&config());
        let limiter = Refuses { panics: false, most: 3, asked: Vec::new() };
        let mut wasm = Wasm::with(limiter, &module, |store| store.limiter(|limiter| limiter));
        for _ in 0..3 {
            let conts: Vec<_> = (0..3).map(|n| wasm.park(n).unwrap()).collect();
            for _ in 0..2 {
                let error = wasm.fresh(0).unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&Refusal(4)), "{error:?}");
                assert!(!error.is::<Trap>(), "{error:?}");
            }
            for (n, cont) in conts.into_iter().enumerate() {
                assert_eq!(wasm.go(cont).unwrap(), n as i32);
            }
            // On a continuation, which makes two more.
            let error = wasm.call("fill-inside", &[Val::I32(3)]).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Refusal(4)), "{error:?}");
            assert_eq!(wasm.alive(), 2);
            wasm.drain();
        }
        let first = [(0, 1), (1, 2), (2, 3)];
        let asked = &wasm.store.data().asked;
        assert_eq!(asked[..3], first);
        assert!(asked[3..].iter().all(|&asked| asked == (3, 4)), "{asked:?}");
        // A panic goes through the continuation that asked.
        wasm.store.data_mut().panics = true;
        let call = std::panic::AssertUnwindSafe(|| wasm.call("fill-inside", &[Val::I32(3)]));
        assert!(std::panic::catch_unwind(call).is_err());
        assert_eq!(wasm.alive(), 2);
        wasm.drain();
        // What was refused may be allowed later.
        wasm.store.data_mut().most = 4;
        wasm.fill(4, 0).unwrap();
    });
}

/// Waits before it answers.
struct Slow {
    most: usize,
    fails: bool,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<bool>> + Send + 'a>>;

impl ResourceLimiterAsync for Slow {
    fn memory_growing<'a, 'b>(&'a mut self, _: usize, _: usize, _: Option<usize>) -> Answer<'b>
    where
        'a: 'b,
    {
        Box::pin(async { Ok(true) })
    }

    fn table_growing<'a, 'b>(&'a mut self, _: usize, _: usize, _: Option<usize>) -> Answer<'b>
    where
        'a: 'b,
    {
        Box::pin(async { Ok(true) })
    }

    fn continuations_growing<'a, 'b>(&'a mut self, _: usize, desired: usize) -> Answer<'b>
    where
        'a: 'b,
    {
        Box::pin(async move {
            wait(3).await;
            match desired <= self.most {
                false if self.fails => Err(Refusal(desired).into()),
                allowed => Ok(allowed),
            }
        })
    }
}

/// Asks are made on the host's stack and on continuations, and also broken off while the limiter waits.
#[test]
fn a_limiter_that_waits() {
    each_setup(|config| {
        let module = module(&config());
        let mut store = Store::new(module.engine(), Slow { most: 5, fails: false });
        store.limiter_async(|limiter| limiter);
        let host = Func::wrap(&mut store, host::<Slow>);
        let instance = block_on(Instance::new_async(&mut store, &module, &[host.into()])).unwrap();
        let inside = instance.get_typed_func::<i32, i32>(&mut store, "fill-inside").unwrap();
        let fill = instance.get_typed_func::<(i32, i32), ()>(&mut store, "fill").unwrap();
        let drain = instance.get_typed_func::<(), i32>(&mut store, "drain").unwrap();
        // Dropped while the limiter waits for the first time, the second, and so on: it counts for nothing.
        for polls in 1..12 {
            assert!(polled(pin!(inside.call_async(&mut store, 4)), polls).is_none(), "{polls}");
            assert_eq!(block_on(drain.call_async(&mut store, ())).unwrap(), 0);
            assert_eq!(store.continuation_statistics().alive, 0);
            if polls < 4 {
                assert_eq!(store.continuation_statistics().created, 0);
            }
            // A number that was allowed is not asked for again: a new store for each would find more.
            if store.continuation_statistics().peak > 1 {
                break;
            }
        }
        for round in 0..4 {
            store.data_mut().fails = round % 2 == 1;
            let ends = |result: Result<()>| match round % 2 {
                0 => limited(result, "limiter"),
                _ => assert_eq!(result.unwrap_err().downcast_ref(), Some(&Refusal(6))),
            };
            assert_eq!(block_on(inside.call_async(&mut store, 4)).unwrap(), 4);
            block_on(fill.call_async(&mut store, (1, 0))).unwrap();
            ends(block_on(fill.call_async(&mut store, (1, 0))));
            assert_eq!(store.continuation_statistics().alive, 5);
            assert_eq!(block_on(drain.call_async(&mut store, ())).unwrap(), 0);
            ends(block_on(inside.call_async(&mut store, 5)).map(drop));
            assert_eq!(store.continuation_statistics().alive, 4);
            assert_eq!(block_on(drain.call_async(&mut store, ())).unwrap(), 0);
        }
    });
}

/// Wasm on a continuation calls the host, whose call of Wasm takes all stacks.
#[test]
fn exhaustion_on_the_other_side_of_the_host() {
    each_setup(|config| {
        let mut wasm = Wasm::new(&module(config().continuation_stacks(20)));
        for _ in 0..3 {
            let parked = wasm.park(1).unwrap();
            // The host makes nothing of it: its caller suspends and goes on.
            let caller = wasm.call("around", &[Val::I32(10)]).unwrap();
            limited(wasm.park(0), "continuation-stacks");
            assert_eq!(wasm.go(caller).unwrap(), -10);
            wasm.drain();
            // The host passes it on, which ends its caller.
            limited(wasm.call("around", &[Val::I32(11)]), "continuation-stacks");
            assert_eq!(wasm.go(parked).unwrap(), 1);
            wasm.drain();
            // With so few stacks, a store keeps none.
            assert_eq!(wasm.statistics().stacks, 0);
        }
    });
}

/// A continuation that ends while every stack is in use.
#[test]
fn ends_while_there_are_no_stacks() {
    each_setup(|config| {
        let mut wasm = Wasm::new(&module(config().continuation_stacks(8)));
        wasm.fill(7, 0).unwrap();
        for how in [0, 1, 2, 3, 4, 5, 6].repeat(3) {
            for catch in [false, true] {
                let cont = wasm.call("end", &[Val::I32(how)]).unwrap();
                limited(wasm.park(0), "continuation-stacks");
                let result = wasm.call(if catch { "catch" } else { "go" }, &[cont]);
                match how {
                    0 => assert_eq!(result.unwrap().unwrap_i32(), 7),
                    1 => trapped(result, Trap::UnreachableCodeReached),
                    2 if catch => assert_eq!(result.unwrap().unwrap_i32(), -1),
                    2 => assert!(result.unwrap_err().is::<ThrownException>()),
                    3 => assert_eq!(result.unwrap_err().root_cause().to_string(), "the host says no"),
                    4 => trapped(result, Trap::StackOverflow),
                    _ => limited(result, "continuation-stacks"),
                }
                let parked = wasm.park(9).unwrap();
                limited(wasm.park(0), "continuation-stacks");
                assert!(wasm.call("throw", &[parked]).unwrap_err().is::<ThrownException>());
            }
        }
        // With one more, what needed a stack of its own gets it.
        wasm.drain();
        wasm.fill(6, 0).unwrap();
        for how in [5, 6] {
            let cont = wasm.call("end", &[Val::I32(how)]).unwrap();
            assert_eq!(wasm.go(cont).unwrap(), 7);
        }
        wasm.drain();
    });
}

#[test]
fn sizes_that_cannot_be() {
    fn refusal(config: &Config) -> String {
        format!("{:?}", Engine::new(config).expect_err("the configuration is refused"))
    }
    each_setup(|config| {
        for size in [0, 1, (16 << 10) - 1] {
            let text = refusal(config().continuation_stack_size(size));
            assert!(text.contains("continuation-stack-size") && text.contains("configure 16384"), "{text}");
            assert!(text.contains(&size.to_string()), "{text}");
        }
        // Among these is what was right while the size had the host's part too.
        for size in
            [(512 << 10) + 1, (512 << 10) + (256 << 10), usize::MAX, usize::MAX - 4095, isize::MAX as usize]
        {
            let text = refusal(config().continuation_stack_size(size));
            assert!(text.contains("continuation-stack-size") && text.contains("max-wasm-stack"), "{text}");
            assert!(text.contains("host functions do not run on continuation stacks"), "{text}");
            assert!(text.contains(&size.to_string()), "{text}");
        }
        for size in [usize::MAX, usize::MAX - 4095, isize::MAX as usize] {
            for config in
                [config().max_wasm_stack(size), config().max_wasm_stack(size).async_stack_size(usize::MAX)]
            {
                let text = refusal(config);
                assert!(text.contains("max_wasm_stack") || text.contains("max-wasm-stack"), "{text}");
            }
        }
        // Who switches no stacks need not care.
        Engine::new(Config::new().continuation_stack_size(1)).unwrap();
        // A stack that no address space has room for.
        let sized = |size: usize| {
            let mut config = config();
            // What the host's own stack has bounds what Wasm may have there: this host has none.
            config.max_wasm_stack(size).async_stack_size(usize::MAX).continuation_stack_size(size);
            config
        };
        for size in [1 << 47, isize::MAX as usize / 2] {
            let mut wasm = Wasm::new(&module(&sized(size)));
            let fresh = wasm.fresh(1).unwrap();
            for _ in 0..3 {
                limited(wasm.go(fresh), "continuation-stack-size");
            }
            assert!(wasm.call("throw", &[fresh]).unwrap_err().is::<ThrownException>());
            assert_eq!(wasm.alive(), 0);
        }
        // As many as fit, of those that do not all.
        let mut wasm = Wasm::new(&module(sized(1 << 42).continuation_stacks(u32::MAX)));
        limited(wasm.fill(32, 0), "continuation-stack-size");
        wasm.drain();
        wasm.fill(1, 0).unwrap();
        // Most of what can be.
        let mut large = sized(1 << 30);
        large.continuation_keep_resident(usize::MAX).continuations_per_store(u32::MAX);
        let mut wasm = Wasm::new(&module(&large));
        wasm.fill(200, 0).unwrap();
        wasm.drain();
    });
}

#[test]
fn statistics_are_exact() {
    each_setup(|config| {
        let mut wasm = Wasm::new(&module(&config()));
        let expect = |wasm: &Wasm, alive: usize, peak: usize, created: u64| {
            let found = wasm.statistics();
            assert_eq!((found.alive, found.peak, found.created), (alive, peak, created), "{found}");
        };
        expect(&wasm, 0, 0, 0);
        assert_eq!(wasm.statistics().bytes_reserved, 0);
        let one = wasm.fresh(1).unwrap();
        // `cont.bind` makes a reference and no continuation.
        let one = wasm.call("bind", &[one]).unwrap();
        expect(&wasm, 1, 1, 1);
        assert_eq!((wasm.statistics().stacks, wasm.statistics().bytes_resident.unwrap_or(0)), (0, 0));
        let two = wasm.park(2).unwrap();
        let two = wasm.call("bind", &[two]).unwrap();
        expect(&wasm, 2, 2, 2);
        assert_eq!(wasm.go(one).unwrap(), 1);
        expect(&wasm, 1, 2, 2);
        // Stale and null references change nothing.
        trapped(wasm.go(one), Trap::ContinuationAlreadyConsumed);
        trapped(wasm.go(Val::ContRef(None)), Trap::NullReference);
        expect(&wasm, 1, 2, 2);
        // A fresh one that is thrown into ends, as does a suspended one.
        let three = wasm.fresh(3).unwrap();
        assert!(wasm.call("throw", &[three]).unwrap_err().is::<ThrownException>());
        expect(&wasm, 1, 2, 3);
        assert!(wasm.call("throw", &[two]).unwrap_err().is::<ThrownException>());
        expect(&wasm, 0, 2, 3);
        // Each way to end; the last two make another, which ends too.
        for (how, made) in [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (6, 2)] {
            let created = wasm.statistics().created;
            let cont = wasm.call("end", &[Val::I32(how)]).unwrap();
            expect(&wasm, 1, 2, created + 1);
            assert_eq!(wasm.go(cont).is_ok(), [0, 5, 6].contains(&how));
            expect(&wasm, 0, 2, created + made);
        }
        // Six stacks captured together, unwound by one exception; then by a trap, from a host call.
        let created = wasm.statistics().created;
        let nest = wasm.call("nest", &[Val::I32(0), Val::I32(5)]).unwrap();
        expect(&wasm, 6, 6, created + 6);
        assert!(wasm.call("throw", &[nest]).unwrap_err().is::<ThrownException>());
        expect(&wasm, 0, 6, created + 6);
        // Seen from a host call on a continuation: that one and another.
        let parked = wasm.park(0).unwrap();
        let around = wasm.call("around", &[Val::I32(12)]).unwrap();
        assert_eq!(wasm.go(around).unwrap(), 2);
        wasm.go(parked).unwrap();
        expect(&wasm, 0, 6, created + 8);
    });
}
