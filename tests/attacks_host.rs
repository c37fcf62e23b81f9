//! The host misuses continuations: references of each status, in other stores and on other threads, interrupts, panics, and a great many.

#[path = "support/limiter.rs"]
mod limiter;
mod support;

use limiter::Limiter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::thread;
use support::{block_on, each_backend, exception, in_child, polled, trap_of};
use wasmfx::wasmtime::*;

const MODULE: &str = r#"(module
    (type $f (func (param i32) (result i32))) (type $k (cont $f))
    (rec (type $sf (func (param (ref null $sk)) (result i32))) (type $sk (cont $sf)))
    (import "" "wait" (func $wait (param i32) (result i32)))
    (import "" "swap" (func $swap-in (result (ref null $sk))))
    (import "" "look" (func $look))
    (tag $t (export "t") (param i32) (result i32))
    (tag $w (export "w") (result (ref null $sk)))
    (tag $swap (export "swap") (result i32))
    (tag $e (export "e") (param i32))
    (global $log (export "log") (mut i32) (i32.const 0))
    (elem declare func $swapped)
    ;; Suspends with n, n + 1, ... for ever.
    (func (export "up") (param $n i32) (result i32)
      (loop $next
        (drop (suspend $t (local.get $n)))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br $next))
      (unreachable))
    ;; Suspend once, and then run for ever: in the function that suspends, in its caller, in the caller of a function of the host,
    ;; in a block that catches, and after an exception that came back.
    (func $pause (param i32) (drop (suspend $t (local.get 0))))
    (func (export "spins") (param i32) (result i32)
      (drop (suspend $t (local.get 0)))
      (loop $l (br $l)) (unreachable))
    (func (export "spins_outside") (param i32) (result i32)
      (call $pause (local.get 0))
      (loop $l (br $l)) (unreachable))
    (func (export "spins_after_host") (param i32) (result i32)
      (drop (call $wait (local.get 0)))
      (loop $l (br $l)) (unreachable))
    (func (export "spins_in_try") (param i32) (result i32)
      (block $h (result i32)
        (try_table (result i32) (catch $e $h)
          (call $pause (local.get 0))
          (loop $l (br $l)) (unreachable))))
    (func $pause-and-throw (param i32) (call $pause (local.get 0)) (throw $e (local.get 0)))
    (func (export "spins_in_handler") (param i32) (result i32)
      (block $h (result i32)
        (try_table (result i32) (catch $e $h)
          (call $pause-and-throw (local.get 0)) (unreachable)))
      (loop $l (br $l)))
    (func (export "waits") (param i32) (result i32) (call $wait (local.get 0)))
    (func (export "looks") (param i32) (result i32) (call $look) (local.get 0))
    ;; Waits in the host until another continuation switches to it, and switches back.
    (func $swapped (type $sf) (local $other (ref null $sk))
      (local.set $other (call $swap-in))
      (global.set $log (i32.add (global.get $log) (i32.const 1)))
      (drop (switch $sk $swap (local.get $other)))
      (unreachable))
    (func (export "switches") (param i32) (result i32) (local $k (ref null $sk))
      (block $h (result (ref $sk))
        (resume $sk (on $w $h) (ref.null $sk) (cont.new $sk (ref.func $swapped)))
        (return))
      (local.set $k)
      (drop (switch $sk $swap (local.get $k)))
      (i32.add (global.get $log) (local.get 0))))"#;

/// What the function `look` of the host does.
type Look = Box<dyn Fn(&mut Caller<'_, Data>) + Send + Sync>;

#[derive(Default)]
struct Data {
    look: Option<Look>,
    limit: Option<usize>,
    /// What the function `wait` of the host panics with, and whether before it suspends or after.
    panics: Option<(bool, &'static str)>,
}

impl ResourceLimiter for Data {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }

    fn continuations_growing(&mut self, _: usize, desired: usize) -> Result<bool> {
        match self.limit {
            Some(0) => Err(format_err!("the limiter fails")),
            limit => Ok(limit.is_none_or(|limit| desired <= limit)),
        }
    }
}

struct Guest {
    store: Store<Data>,
    instance: Instance,
    tag: Tag,
}

impl Guest {
    fn new(config: &Config) -> Guest {
        Guest::with(config, |_| {})
    }

    fn with(config: &Config, setup: impl FnOnce(&mut Store<Data>)) -> Guest {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, Data::default());
        setup(&mut store);
        let mut linker = Linker::new(&engine);
        let ty = |name: &str| {
            let import = module.imports().find(|import| import.name() == name).unwrap();
            import.ty().unwrap_func().clone()
        };
        linker
            .func_suspending("", "wait", ty("wait"), |mut caller: Caller<'_, Data>, args, _| {
                let tag = caller.get_export("t").unwrap().into_tag().unwrap();
                if let Some((false, message)) = caller.data().panics {
                    panic!("{message}");
                }
                let suspend = Suspend::<Data>::new(tag, args);
                Ok(suspend
                    .then(|caller, answers, results| {
                        if let Some((true, message)) = caller.data().panics {
                            panic!("{message}");
                        }
                        results.copy_from_slice(answers);
                        Ok(Flow::Return)
                    })
                    .into())
            })
            .unwrap();
        linker
            .func_suspending("", "swap", ty("swap"), |mut caller: Caller<'_, Data>, _, _| {
                let tag = caller.get_export("w").unwrap().into_tag().unwrap();
                Ok(Suspend::new(tag, []).into())
            })
            .unwrap();
        linker
            .func_wrap("", "look", |mut caller: Caller<'_, Data>| {
                let look = caller.data_mut().look.take().expect("somebody looks");
                look(&mut caller);
            })
            .unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let tag = instance.get_tag(&mut store, "t").unwrap();
        Guest { store, instance, tag }
    }

    fn try_cont(&mut self, name: &str) -> Result<ContRef> {
        let func = self.instance.get_func(&mut self.store, name).unwrap();
        let ty = ContType::new(self.store.engine(), func.ty(&self.store))?;
        ContRef::new(&mut self.store, &ty, func)
    }

    fn cont(&mut self, name: &str) -> ContRef {
        self.try_cont(name).unwrap()
    }

    fn resume(&mut self, cont: ContRef) -> Result<Option<Suspension>> {
        resume(&mut self.store, cont, self.tag)
    }

    /// A continuation that has suspended once.
    fn suspended(&mut self, name: &str) -> Suspension {
        let cont = self.cont(name);
        self.resume(cont).unwrap().expect("it suspends")
    }

    fn alive(&self) -> usize {
        self.store.continuation_statistics().alive
    }
}

fn resume(store: impl AsContextMut, cont: ContRef, tag: Tag) -> Result<Option<Suspension>> {
    let mut results = [Val::I32(-1)];
    match cont.resume(store, &[Val::I32(5)], &mut results, &[On::Suspend(&tag)])? {
        Resumed::Returned => {
            assert_eq!(results[0].unwrap_i32(), 5);
            Ok(None)
        }
        Resumed::Suspended(suspension) => Ok(Some(suspension)),
    }
}

/// Tries all that needs a usable reference, and expects an error with this text.
fn refused(mut store: impl AsContextMut, cont: ContRef, text: &str) {
    let engine = store.as_context().engine().clone();
    let ty = FuncType::new(&engine, [ValType::I32], [ValType::I32]);
    let ty = ContType::new(&engine, ty).unwrap();
    let tag = Tag::new(&mut store, &TagType::new(FuncType::new(&engine, [ValType::I32], []))).unwrap();
    let exception = exception(&mut store, &tag, 1);
    let mut results = [Val::I32(0)];
    let errors = [
        cont.resume(&mut store, &[Val::I32(5)], &mut results, &[]).map(drop).unwrap_err(),
        cont.resume_throw(&mut store, exception, &mut results, &[]).map(drop).unwrap_err(),
        cont.bind(&mut store, &ty, &[]).map(drop).unwrap_err(),
        cont.typed::<i32, i32>(&mut store).map(drop).unwrap_err(),
        cont.discard(&mut store).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains(text), "{error} is not {text}");
    }
    assert!(store.as_context_mut().take_pending_exception().is_none());
}

/// Each use of a reference that is consumed, in each way in which it can be; and of one that belongs to another store or engine.
#[test]
fn references_of_each_status() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let consumed = "continuation already consumed";
        let suspended = guest.suspended("up").cont;
        let next = guest.resume(suspended).unwrap().unwrap().cont;
        let discarded = guest.cont("up");
        discarded.discard(&mut guest.store).unwrap();
        let bound = guest.cont("up");
        let engine = guest.store.engine().clone();
        let ty = ContType::new(&engine, FuncType::new(&engine, [], [ValType::I32])).unwrap();
        let rest = bound.bind(&mut guest.store, &ty, &[Val::I32(1)]).unwrap();
        let reclaimed = guest.cont("up");
        reclaimed.unroot(&guest.store);
        guest.store.gc(None).unwrap();
        for (cont, why) in
            [(suspended, "resumed"), (discarded, "discarded"), (bound, "bound"), (reclaimed, "reclaimed")]
        {
            if why == "reclaimed" && !support::SEARCHES {
                continue;
            }
            assert_eq!(cont.status(&guest.store), ContStatus::Consumed, "{why}");
            refused(&mut guest.store, cont, consumed);
        }
        // One that runs, and the one that it has resumed.
        let looks = guest.cont("looks");
        guest.store.data_mut().look = Some(Box::new(move |caller| {
            assert_eq!(looks.status(&*caller), ContStatus::Active);
            refused(&mut *caller, looks, consumed);
        }));
        assert!(guest.resume(looks).unwrap().is_none());
        assert!(guest.store.data().look.is_none(), "it has looked");

        // Other stores: of the same engine, and of another one.
        let same = Store::new(&engine, Data::default());
        for mut other in [same, Guest::new(&config()).store] {
            refused(&mut other, next, "cross-`Store`");
            assert!(catch_unwind(AssertUnwindSafe(|| next.status(&other))).is_err());
        }
        assert_eq!(next.status(&guest.store), ContStatus::Suspended);
        assert_eq!(guest.resume(next).unwrap().unwrap().payload[0].unwrap_i32(), 7);
        rest.discard(&mut guest.store).unwrap();
        let left = usize::from(!support::SEARCHES);
        assert_eq!(guest.alive(), 1 + left);
    });
}

/// A store goes to other threads with what is suspended in it, and the references go by themselves.
#[test]
fn threads() {
    fn sent<T: Send + Sync>(value: T) -> T {
        value
    }
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let mut waiting: Vec<Suspension> = (0..20).map(|n| guest.suspended(["up", "waits"][n % 2])).collect();
        for round in 0..4 {
            let tag = guest.tag;
            (guest, waiting) = thread::spawn(move || {
                let waiting = waiting.into_iter().filter_map(|suspension| {
                    let cont = sent(suspension).cont;
                    resume(&mut guest.store, cont, tag).unwrap()
                });
                let waiting: Vec<_> = waiting.collect();
                guest.store.gc(None).unwrap();
                (guest, waiting)
            })
            .join()
            .unwrap();
            // What waits in the host returns when it is resumed.
            assert_eq!(waiting.len(), 10);
            assert!(waiting.iter().all(|suspension| suspension.payload[0].unwrap_i32() == 6 + round));
        }
        // A store that ends on another thread, and references that end on none.
        thread::spawn(move || drop(guest)).join().unwrap();
        drop(waiting);
    });
}

/// To drop a suspension ends nothing; to use one after its store is an error.
#[test]
fn suspensions_that_are_dropped_or_kept() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        drop(guest.suspended("up"));
        guest.store.gc(None).unwrap();
        assert_eq!(guest.alive(), 1, "the host holds it");
        let kept = guest.suspended("waits");
        drop(guest);
        let mut other = Guest::new(&config());
        refused(&mut other.store, kept.cont, "cross-`Store`");
        assert_eq!(other.alive(), 0);
    });
}

#[test]
fn fuel_and_epochs() {
    each_backend(|config| {
        let mut config = config();
        config.consume_fuel(true).epoch_interruption(true);
        let mut guest = Guest::with(&config, |store| {
            store.set_fuel(u64::MAX).unwrap();
            store.set_epoch_deadline(u64::MAX / 2);
        });
        let other = guest.suspended("up");
        for spins in ["spins", "spins_outside", "spins_after_host", "spins_in_try", "spins_in_handler"] {
            let suspended = guest.suspended(spins);
            guest.store.set_fuel(10_000).unwrap();
            let error = guest.resume(suspended.cont).unwrap_err();
            assert_eq!(trap_of(&error), Some(Trap::OutOfFuel), "{spins}: {error:?}");
            assert_eq!(suspended.cont.status(&guest.store), ContStatus::Consumed);
            assert_eq!(guest.alive(), 1);

            // A deadline that the host moves nearer while the stack is suspended. Without it, fuel ends the loop.
            guest.store.set_fuel(200_000_000).unwrap();
            let suspended = guest.suspended(spins);
            guest.store.set_epoch_deadline(1);
            guest.store.engine().increment_epoch();
            let error = guest.resume(suspended.cont).unwrap_err();
            assert_eq!(trap_of(&error), Some(Trap::Interrupt), "{spins}: {error:?}");
            guest.store.set_epoch_deadline(u64::MAX / 2);
        }
        // What was suspended goes on.
        assert_eq!(guest.resume(other.cont).unwrap().unwrap().payload[0].unwrap_i32(), 6);
        assert_eq!(guest.alive(), 1);
    });
}

/// A panic in a function that suspends, before and after, goes to whoever has resumed. The store stays usable.
#[test]
fn panics() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let other = guest.suspended("waits");
        for (after, message) in [(false, "before the suspend"), (true, "after the suspend")] {
            let cont = match after {
                true => guest.suspended("waits").cont,
                false => guest.cont("waits"),
            };
            guest.store.data_mut().panics = Some((after, message));
            let panic = catch_unwind(AssertUnwindSafe(|| guest.resume(cont))).expect_err("it panics");
            let said = panic.downcast_ref::<String>().map(String::as_str);
            assert_eq!(said, Some(message));
            guest.store.data_mut().panics = None;
            assert_eq!(cont.status(&guest.store), ContStatus::Consumed);
            assert_eq!(guest.alive(), 1);
        }
        assert!(guest.resume(other.cont).unwrap().is_none());
        assert_eq!(guest.alive(), 0);
    });
}

/// A limiter that refuses, and one that fails, for what the host makes.
#[test]
fn limiters() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        guest.store.limiter(|data| data);
        guest.store.data_mut().limit = Some(2);
        let waiting = [guest.suspended("up"), guest.suspended("waits")];
        let error = guest.try_cont("up").unwrap_err();
        assert_eq!(trap_of(&error), Some(Trap::ContinuationLimit), "{error:?}");
        guest.store.data_mut().limit = Some(0);
        let error = guest.try_cont("up").unwrap_err();
        assert!(error.to_string().contains("the limiter fails"), "{error:?}");
        for suspension in waiting {
            suspension.cont.discard(&mut guest.store).unwrap();
        }
        // In the place of those that have ended.
        let cont = guest.cont("up");
        cont.discard(&mut guest.store).unwrap();
        assert_eq!(guest.alive(), 0);
    });
}

/// A limiter that takes its time, and refuses or fails, or whose future is dropped while it is asked.
#[test]
fn asynchronous_limiters() {
    const MODULE: &str = r#"(module (func (export "f") (param i32)))"#;
    each_backend(|config| {
        let engine = Engine::new(&config()).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        for how in [0, 1, 3] {
            let mut store = Store::new(&engine, Limiter::new(how));
            store.limiter_async(|limiter| limiter);
            let instance = block_on(Instance::new_async(&mut store, &module, &[])).unwrap();
            let f = instance.get_func(&mut store, "f").unwrap();
            let ty = ContType::new(&engine, f.ty(&store)).unwrap();
            let error = ContRef::new(&mut store, &ty, f).unwrap_err();
            assert!(error.to_string().contains("`*_async` functions must be used"), "{error}");
            let first = block_on(ContRef::new_async(&mut store, &ty, f)).unwrap();

            store.data_mut().choose(1);
            // Three would do for a limiter that answers.
            let refused = polled(pin!(ContRef::new_async(&mut store, &ty, f)), 4);
            assert!(store.data().came());
            match (how, refused) {
                (0, Some(Err(error))) => {
                    assert_eq!(trap_of(&error), Some(Trap::ContinuationLimit), "{error:?}")
                }
                (1, Some(Err(error))) => assert_eq!(error.to_string(), "the limiter says no"),
                (3, None) => {}
                (how, other) => panic!("{how}: {other:?}"),
            }
            assert_eq!(store.continuation_statistics().alive, 1);
            store.data_mut().allow();
            let second = block_on(ContRef::new_async(&mut store, &ty, f)).unwrap();
            for cont in [first, second] {
                block_on(cont.resume_async(&mut store, &[Val::I32(1)], &mut [], &[])).map(drop).unwrap();
            }
            assert_eq!(store.continuation_statistics().alive, 0);
        }
    });
}

/// Each way to go on while there is no stack: what fails is as before, and goes on when there is one.
#[test]
fn no_stack_for_what_goes_on() {
    each_backend(|config| {
        let mut guest = Guest::new(config().continuation_stacks(1));
        let waiting = guest.suspended("waits");
        let tag = guest.tag.typed::<i32, i32>(&guest.store).unwrap();
        let no_params = FuncType::new(guest.store.engine(), [], [ValType::I32]);
        let no_params = ContType::new(guest.store.engine(), no_params).unwrap();
        let mut results = [Val::I32(-1)];

        let fresh = guest.cont("waits");
        let typed = fresh.typed::<i32, i32>(&mut guest.store).unwrap();
        let bound = guest.cont("waits").bind(&mut guest.store, &no_params, &[Val::I32(5)]).unwrap();
        let thrown = guest.cont("waits");
        let errors = [
            guest.resume(fresh).unwrap_err(),
            typed.resume(&mut guest.store, 5, &tag).map(drop).unwrap_err(),
            bound.resume(&mut guest.store, &[], &mut results, &[]).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(trap_of(&error), Some(Trap::ContinuationLimit), "{error:?}");
        }
        // What never ran needs no stack to end with an exception.
        let e = guest.instance.get_tag(&mut guest.store, "e").unwrap();
        let exn = exception(&mut guest.store, &e, 7);
        let error = thrown.resume_throw(&mut guest.store, exn, &mut results, &[]).unwrap_err();
        assert!(error.is::<ThrownException>(), "{error:?}");
        guest.store.take_pending_exception().unwrap();
        assert_eq!([fresh, bound].map(|cont| cont.status(&guest.store)), [ContStatus::Fresh; 2]);
        assert_eq!(guest.alive(), 3);

        assert!(guest.resume(waiting.cont).unwrap().is_none());
        let on = [On::Suspend(&guest.tag)];
        let Resumed::Suspended(bound) = bound.resume(&mut guest.store, &[], &mut results, &on).unwrap()
        else {
            panic!("it waits")
        };
        assert!(guest.resume(bound.cont).unwrap().is_none());
        let fresh = guest.resume(fresh).unwrap().expect("it waits");
        assert!(guest.resume(fresh.cont).unwrap().is_none());
        assert_eq!(guest.alive(), 0);
    });
}

/// All the memory that a store may take for arguments: what is refused leaves nothing behind, and what ends makes room.
#[test]
fn buffers_of_arguments() {
    const PARAMS: usize = 1000;
    in_child("buffers_of_arguments", || {
        each_backend(|config| {
            let engine = Engine::new(&config()).unwrap();
            let params = "i32 ".repeat(PARAMS);
            let module = format!(r#"(module (func (export "f") (param {params})))"#);
            let module = Module::new(&engine, module).unwrap();
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let f = instance.get_func(&mut store, "f").unwrap();
            let ty = ContType::new(&engine, f.ty(&store)).unwrap();
            let mut conts = Vec::new();
            let error = loop {
                match ContRef::new(&mut store, &ty, f) {
                    Ok(cont) => conts.push(cont),
                    Err(error) => break error,
                }
            };
            assert_eq!(trap_of(&error), Some(Trap::ContinuationLimit), "{error:?}");
            assert_eq!(conts.len(), (1 << 30) / 16 / PARAMS);
            assert_eq!(store.continuation_statistics().alive, conts.len());
            let args = vec![Val::I32(3); PARAMS];
            for cont in [conts.pop().unwrap(), conts.swap_remove(0)] {
                cont.resume(&mut store, &args, &mut [], &[]).map(drop).unwrap();
                conts.push(ContRef::new(&mut store, &ty, f).unwrap());
                ContRef::new(&mut store, &ty, f).unwrap_err();
            }
            for cont in conts {
                cont.discard(&mut store).unwrap();
            }
            assert_eq!(store.continuation_statistics().alive, 0);
        });
    });
}

/// A function of the host suspends its caller wherever on a stack this happens, down to the last bytes that Wasm may use; or there is no
/// room, and the call traps.
#[test]
fn suspends_near_the_end_of_a_stack() {
    const MODULE: &str = r#"(module
        (import "" "wait" (func $wait (param i32) (result i32)))
        ;; Waits at the depth $n, counted from here.
        (func $down (export "down") (param $n i32) (result i32)
          (if (result i32) (local.get $n)
            (then (i32.add (i32.const 1) (call $down (i32.sub (local.get $n) (i32.const 1)))))
            (else (call $wait (local.get $n))))))"#;
    each_backend(|config| {
        let mut config = config();
        let engine = Engine::new(config.continuation_stack_size(16 << 10)).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, ());
        let ty = FuncType::new(&engine, [ValType::I32], [ValType::I32]);
        let tag = Tag::new(&mut store, &TagType::new(ty.clone())).unwrap();
        let wait = Func::new_suspending(&mut store, ty, move |_, args, _| Ok(Suspend::new(tag, args).into()));
        let instance = Instance::new(&mut store, &module, &[wait.into()]).unwrap();
        let down = instance.get_func(&mut store, "down").unwrap();
        let ty = ContType::new(&engine, down.ty(&store)).unwrap();
        let (mut results, on) = ([Val::I32(0)], [On::Suspend(&tag)]);
        let mut overflows = 0;
        for n in 0..2000 {
            let cont = ContRef::new(&mut store, &ty, down).unwrap();
            match cont.resume(&mut store, &[Val::I32(n)], &mut results, &on) {
                Ok(Resumed::Suspended(waiting)) => {
                    assert_eq!(overflows, 0, "deeper than what had no room: {n}");
                    let resumed = waiting.cont.resume(&mut store, &[Val::I32(7)], &mut results, &[]);
                    assert!(matches!(resumed, Ok(Resumed::Returned)), "{resumed:?}");
                    assert_eq!(results[0].unwrap_i32(), 7 + n);
                }
                Ok(Resumed::Returned) => panic!("it waits"),
                Err(error) => {
                    assert_eq!(trap_of(&error), Some(Trap::StackOverflow), "{error:?}");
                    overflows += 1;
                }
            }
        }
        assert!(overflows > 0, "a stack has no end");
        assert_eq!(store.continuation_statistics().alive, 0);
    });
}

/// Wasm switches to a continuation that a function of the host has suspended.
#[test]
fn switches_into_the_host() {
    each_backend(|config| {
        let mut guest = Guest::new(&config());
        let swap = guest.instance.get_tag(&mut guest.store, "swap").unwrap();
        let mut results = [Val::I32(0)];
        let cont = guest.cont("switches");
        let resumed = cont.resume(&mut guest.store, &[Val::I32(40)], &mut results, &[On::Switch(&swap)]);
        assert!(matches!(resumed, Ok(Resumed::Returned)), "{resumed:?}");
        assert_eq!(results[0].unwrap_i32(), 41);
    });
}

/// What a million clients of a server need, one after another: made and ended, fresh, suspended, and suspended in the host.
#[test]
fn a_million_one_after_another() {
    in_child("a_million_one_after_another", || {
        each_backend(|config| {
            let mut config = config();
            config.continuation_stack_size(16 << 10);
            let mut guest = Guest::new(&config);
            let mut before = 0;
            for n in 0..1_000_000 {
                let cont = match n % 64 {
                    0 => guest.suspended("up").cont,
                    32 => guest.suspended("waits").cont,
                    _ => guest.cont("up"),
                };
                cont.discard(&mut guest.store).unwrap();
                if n == 10_000 {
                    before = support::process_memory().0;
                }
            }
            let after = support::process_memory().0;
            // Linux alone says how much there is.
            assert!(after <= before + (1 << 20), "{before} bytes after 10,000, and {after} after 1,000,000");
            let statistics = guest.store.continuation_statistics();
            assert_eq!(
                (statistics.alive, statistics.peak, statistics.created),
                (0, 1, 1_000_000),
                "{statistics}"
            );
        })
    });
}

/// Futures of each kind of resume, dropped after each number of polls, while the guest waits in the host or an epoch makes it yield. What
/// ran has ended, what was not touched is as before, and the store goes on.
#[test]
fn futures_dropped_at_every_poll() {
    const MODULE: &str = r#"(module
        (import "" "wait" (func $wait))
        (tag $t (export "t") (param i32) (result i32))
        (tag $e (export "e") (param i32))
        (func (export "f") (param $n i32) (result i32)
          (block $h (result i32)
            (try_table (catch $e $h)
              (call $wait)
              (local.set $n (suspend $t (local.get $n)))
              (call $wait))
            (local.get $n))))"#;
    fn captured(resumed: Resumed) -> Option<ContRef> {
        match resumed {
            Resumed::Returned => None,
            Resumed::Suspended(suspension) => Some(suspension.cont),
        }
    }
    #[derive(Clone, Copy, PartialEq, Debug)]
    enum How {
        Values,
        Typed,
        Exception,
    }
    each_backend(|config| {
        let mut config = config();
        let engine = Engine::new(config.epoch_interruption(true)).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, ());
        store.epoch_deadline_async_yield_and_update(1);
        let wait = Func::wrap_async(&mut store, |caller: Caller<'_, ()>, (): ()| {
            Box::new(async move {
                support::wait(2).await;
                // The guest yields at its next check.
                caller.engine().increment_epoch();
            })
        });
        let instance = block_on(Instance::new_async(&mut store, &module, &[wait.into()])).unwrap();
        let f = instance.get_func(&mut store, "f").unwrap();
        let [t, e] = ["t", "e"].map(|name| instance.get_tag(&mut store, name).unwrap());
        let ty = ContType::new(&engine, f.ty(&store)).unwrap();
        let typed_tag = t.typed::<i32, i32>(&store).unwrap();
        for how in [How::Values, How::Typed, How::Exception] {
            // At the first resume, and at the second one.
            for second in [false, true] {
                let (mut polls, mut finished) = (0, false);
                while !finished {
                    let untouched = block_on(ContRef::new_async(&mut store, &ty, f)).unwrap();
                    let mut cont = block_on(ContRef::new_async(&mut store, &ty, f)).unwrap();
                    let (mut results, on) = ([Val::I32(0)], [On::Suspend(&t)]);
                    if second {
                        let resumed = cont.resume_async(&mut store, &[Val::I32(5)], &mut results, &on);
                        let Resumed::Suspended(suspension) = block_on(resumed).unwrap() else { panic!() };
                        cont = suspension.cont;
                    }
                    // What it has captured, once it is ready.
                    let ready: Option<Option<ContRef>> = match how {
                        How::Values => {
                            let resumed = cont.resume_async(&mut store, &[Val::I32(7)], &mut results, &on);
                            polled(pin!(resumed), polls).map(|resumed| captured(resumed.unwrap()))
                        }
                        How::Typed => {
                            let typed = cont.typed::<i32, i32>(&mut store).unwrap();
                            let resumed = typed.resume_async(&mut store, 7, &typed_tag);
                            polled(pin!(resumed), polls).map(|resumed| match resumed.unwrap() {
                                TypedResumed::Returned(_) => None,
                                TypedResumed::Suspended { cont, .. } => Some(cont.cont()),
                            })
                        }
                        How::Exception => {
                            let thrown = exception(&mut store, &e, 9);
                            let resumed = cont.resume_throw_async(&mut store, thrown, &mut results, &on);
                            // What is fresh does not catch it.
                            polled(pin!(resumed), polls).map(|resumed| {
                                assert_eq!(resumed.is_ok(), second);
                                resumed.ok().and_then(captured)
                            })
                        }
                    };
                    let _ = store.take_pending_exception();
                    store.gc(None).unwrap();
                    assert_eq!(untouched.status(&store), ContStatus::Fresh);
                    // A future that was never polled has not begun, and one that was dropped later has ended what ran.
                    let left = if polls == 0 { Some(cont) } else { ready.flatten() };
                    assert_eq!(
                        left.is_some(),
                        polls == 0 || ready.is_some() && !second && how != How::Exception
                    );
                    for cont in [Some(untouched), left].into_iter().flatten() {
                        cont.discard(&mut store).unwrap();
                    }
                    assert_eq!(store.continuation_statistics().alive, 0, "{how:?}, {second}, {polls} polls");
                    finished = ready.is_some();
                    polls += 1;
                }
                assert!(polls > if how == How::Exception { 1 } else { 3 }, "{how:?}, {second}: {polls}");
            }
        }
    });
}
