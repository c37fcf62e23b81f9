//! Attack: tasks that switch among each other at random under prompts at every depth, are captured with the stacks around
//! them, resumed from other depths, entries, fibers and threads, and call the host between any two steps. The host says what
//! comes next, may enter again itself, and knows who must call it next, and where it stands then.

mod support;

use std::hint::black_box;
use support::{block_on, each_backend};
use wasmfx::wasmtime::*;

const TASKS: usize = 12;

const MODULE: &str = r#"(module
    (import "" "host" (func $host (param i32) (result i32)))
    (type $s (struct (field i32)))
    (rec (type $f (func (param (ref null $c)) (result i32))) (type $c (cont $f)))
    (type $uf (func (result i32))) (type $uc (cont $uf))
    (type $nf (func (param i32 i32) (result i32))) (type $nc (cont $nf))
    (tag $t) (tag $w (result i32))
    (table $ready 12 (ref null $c)) (table $parked 12 (ref null $uc))
    (global $from (mut i32) (i32.const 0)) (global $to (mut i32) (i32.const 0))
    (elem declare func $task $nest $go-nest)
    (func (export "spawn") (param i32) (table.set $ready (local.get 0) (cont.new $c (ref.func $task))))
    (func $arrive (param (ref null $c))
      (if (i32.eqz (ref.is_null (local.get 0))) (then (table.set $ready (global.get $from) (local.get 0)))))
    (func $take (param i32) (result (ref null $c))
      (table.get $ready (local.get 0))
      (table.set $ready (local.get 0) (ref.null $c))
      (global.set $to (local.get 0)))
    (func $task (type $f) (local $me i32) (local $next i32) (local $a (ref null $s))
      (local.set $me (global.get $to))
      (local.set $a (struct.new $s (local.get $me)))
      (call $arrive (local.get 0))
      (loop $l
        (local.set $next (call $host (local.get $me)))
        (if (i32.ne (struct.get $s 0 (local.get $a)) (local.get $me)) (then (unreachable)))
        (if (i32.eq (local.get $next) (i32.const -1)) (then (return (local.get $me))))
        (global.set $from (local.get $me))
        (if (i32.eq (local.get $next) (i32.const -2))
          (then (suspend $t))
          (else (call $arrive (switch $c $w (call $take (local.get $next))))))
        (br $l))
      (unreachable))
    ;; The prompt is so deep.
    (func $nest (type $nf) (local $a (ref null $s)) (local $r i32)
      (local.set $a (struct.new $s (i32.const 77)))
      (local.set $r (if (result i32) (local.get 0)
        (then (resume $nc (i32.sub (local.get 0) (i32.const 1)) (local.get 1) (cont.new $nc (ref.func $nest))))
        (else (resume $c (on $w switch) (ref.null $c) (call $take (local.get 1))))))
      (if (i32.ne (struct.get $s 0 (local.get $a)) (i32.const 77)) (then (unreachable)))
      (local.get $r))
    (func $go-nest (type $nf)
      (if (result i32) (local.get 0)
        (then (resume $nc (i32.sub (local.get 0) (i32.const 1)) (local.get 1) (cont.new $nc (ref.func $go-nest))))
        (else (resume $uc (table.get $parked (local.get 1))))))
    ;; Who returned, or 1000 and who was captured.
    (func (export "run") (type $nf)
      (local $k (ref null $uc))
      (local.set $k (block $h (result (ref $uc))
        (return (resume $nc (on $t $h) (local.get 0) (local.get 1) (cont.new $nc (ref.func $nest))))))
      (table.set $parked (global.get $from) (local.get $k))
      (i32.add (i32.const 1000) (global.get $from)))
    (func (export "go") (type $nf)
      (local $k (ref null $uc))
      (local.set $k (block $h (result (ref $uc))
        (return (resume $nc (on $t $h) (local.get 0) (local.get 1) (cont.new $nc (ref.func $go-nest))))))
      (table.set $parked (global.get $from) (local.get $k))
      (i32.add (i32.const 1000) (global.get $from))))"#;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Task {
    Gone,
    /// In `$ready`: fresh, or it has switched away.
    Ready,
    /// In `$parked`.
    Parked,
    /// It runs, or waits below a host call.
    Busy,
}

struct Data {
    random: u64,
    tasks: [Task; TASKS],
    /// Who calls the host next.
    expected: usize,
    /// Where the innermost entry stands.
    base: usize,
    /// Steps that are left.
    left: i32,
    entries: usize,
    asynchronous: bool,
    deepest: usize,
}

fn here() -> usize {
    (&raw const *black_box(&0_u8)).addr()
}

impl Data {
    fn random(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.random >> 33) as usize % below
    }

    fn pick(&mut self, which: Task) -> Option<usize> {
        let all: Vec<usize> = (0..TASKS).filter(|&i| self.tasks[i] == which).collect();
        (!all.is_empty()).then(|| all[self.random(all.len())])
    }
}

/// Runs one task, or what was parked, until it returns or is captured.
fn enter(
    store: &mut StoreContextMut<'_, Data>,
    lookup: &dyn Fn(&mut StoreContextMut<'_, Data>, &str) -> Func,
) -> Result<()> {
    let data = store.data_mut();
    let parked = data.random(2) == 0;
    let (task, export) = match (data.pick(Task::Ready), data.pick(Task::Parked)) {
        (Some(task), None) => (task, "run"),
        (None, Some(task)) => (task, "go"),
        (Some(task), Some(other)) => {
            if parked {
                (other, "go")
            } else {
                (task, "run")
            }
        }
        (None, None) => {
            let Some(task) = data.pick(Task::Gone) else { return Ok(()) };
            lookup(store, "spawn").typed::<i32, ()>(&store)?.call(&mut *store, task as i32).or_else(
                |_| {
                    block_on(
                        lookup(store, "spawn").typed::<i32, ()>(&store)?.call_async(&mut *store, task as i32),
                    )
                },
            )?;
            store.data_mut().tasks[task] = Task::Ready;
            (task, "run")
        }
    };
    let data = store.data_mut();
    data.tasks[task] = Task::Busy;
    let saved = (data.expected, data.base, data.asynchronous);
    let depth = data.random(4) as i32;
    let new_fiber = data.random(6) == 0 || data.asynchronous;
    (data.expected, data.base) = (task, here());
    data.entries += 1;
    let run = lookup(store, export).typed::<(i32, i32), i32>(&store)?;
    let result = if new_fiber {
        store.data_mut().asynchronous = true;
        // It is on a stack of its own, in the middle of which the host does not know its place.
        store.data_mut().base = 0;
        block_on(run.call_async(&mut *store, (depth, task as i32)))?
    } else {
        run.call(&mut *store, (depth, task as i32))?
    };
    let data = store.data_mut();
    (data.expected, data.base, data.asynchronous) = saved;
    data.entries -= 1;
    let (who, state) =
        if result < 1000 { (result as usize, Task::Gone) } else { (result as usize - 1000, Task::Parked) };
    assert_eq!(data.tasks[who], Task::Busy);
    data.tasks[who] = state;
    Ok(())
}

fn host(mut caller: Caller<'_, Data>, me: i32) -> Result<i32> {
    let data = caller.data_mut();
    assert_eq!(me as usize, data.expected);
    if data.base != 0 {
        let below = data.base.wrapping_sub(here());
        assert!(below < 512 << 10, "the host is {below} bytes below where it entered");
    }
    data.left -= 1;
    data.deepest = data.deepest.max(data.entries);
    if data.left < 0 {
        return Ok(-1);
    }
    if data.entries < 6 && data.random(7) == 0 {
        let mut store = caller.as_context_mut();
        let instance_exports = |store: &mut StoreContextMut<'_, Data>, name: &str| -> Func {
            INSTANCE.with(|instance| instance.get()).unwrap().get_func(store, name).unwrap()
        };
        enter(&mut store, &instance_exports)?;
    }
    if caller.data_mut().random(20) == 0 {
        caller.gc(None)?;
    }
    let data = caller.data_mut();
    match data.random(10) {
        0 => Ok(-1),
        1 | 2 => Ok(-2),
        // On, without a switch: it suspends, or returns, where there is no one.
        _ => match data.pick(Task::Ready) {
            Some(next) => {
                data.tasks[me as usize] = Task::Ready;
                data.tasks[next] = Task::Busy;
                data.expected = next;
                Ok(next as i32)
            }
            None => Ok(-2),
        },
    }
}

thread_local! {
    static INSTANCE: std::cell::Cell<Option<Instance>> = const { std::cell::Cell::new(None) };
}

#[test]
fn tasks_that_switch_at_random() {
    each_backend(|config| {
        for (collector, size) in [
            (Collector::DeferredReferenceCounting, 16 << 10),
            (Collector::Copying, 16 << 10),
            (Collector::Null, 512 << 10),
        ] {
            let mut config = config();
            config.collector(collector).continuation_stack_size(size);
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, MODULE).unwrap();
            let (mut deepest, mut continuations) = (0, 0);
            for seed in 0..40 {
                let data = Data {
                    random: seed,
                    tasks: [Task::Gone; TASKS],
                    expected: 0,
                    base: 0,
                    left: 300,
                    entries: 0,
                    asynchronous: false,
                    deepest: 0,
                };
                let mut store = Store::new(&engine, data);
                let host = Func::wrap(&mut store, host);
                let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
                let spawn = instance.get_typed_func::<i32, ()>(&mut store, "spawn").unwrap();
                for task in 0..TASKS / 2 {
                    spawn.call(&mut store, task as i32).unwrap();
                    store.data_mut().tasks[task] = Task::Ready;
                }
                let lookup = move |store: &mut StoreContextMut<'_, Data>, name: &str| {
                    instance.get_func(store, name).unwrap()
                };
                while store.data().left > 0
                    || store.data().tasks.iter().any(|&task| task == Task::Ready || task == Task::Parked)
                {
                    // On one thread or another.
                    let mut step = || {
                        INSTANCE.with(|place| place.set(Some(instance)));
                        enter(&mut store.as_context_mut(), &lookup).unwrap()
                    };
                    if seed % 3 == 0 {
                        std::thread::scope(|scope| {
                            let thread = scope.spawn(step);
                            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                        });
                    } else {
                        step();
                    }
                }
                deepest = deepest.max(store.data().deepest);
                continuations += store.continuation_statistics().created;
                assert_eq!(store.continuation_statistics().alive, 0);
            }
            assert!(deepest > 3 && continuations > 1000, "{deepest} {continuations}");
        }
    });
}
