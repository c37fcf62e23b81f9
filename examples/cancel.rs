//! A scheduler in the host, which cancels tasks.
//!
//! Each task is a continuation. The host resumes them in turn, and they give way by suspending to `$yield`. After some rounds the host
//! throws `$cancelled` where each task has suspended:
//!
//! ```text
//!   host                         task "tidy"                  task "stubborn"
//!   resume ...                   works, yields                works, yields
//!   resume_throw $cancelled -->  catches, cleans up, throws
//!                           <--  the exception: it has ended
//!   resume_throw $cancelled -------------------------------->  catches, and goes on
//!                           <--------------------------------  yields
//!   discard                                                    ends, without running
//! ```
//!
//! `cargo run --example cancel`

use wasmfx::wasmtime::*;

const MODULE: &str = r#"(module
    (tag $yield (export "yield"))
    (tag $cancelled (export "cancelled"))
    (import "host" "log" (func $log (param i32 i32)))

    ;; Works for so many rounds.
    (func (export "short") (param $task i32) (local $n i32)
      (local.set $n (i32.const 2))
      (loop $next
        (call $log (local.get $task) (local.get $n))
        (suspend $yield)
        (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))

    ;; Works for ever, and cleans up when it is cancelled.
    (func (export "tidy") (param $task i32)
      (block $cleanup (result exnref)
        (try_table (catch_all_ref $cleanup)
          (loop $next
            (call $log (local.get $task) (i32.const 1))
            (suspend $yield)
            (br $next)))
        (unreachable))
      (call $log (local.get $task) (i32.const -1))
      (throw_ref))

    ;; Works for ever, whatever happens.
    (func (export "stubborn") (param $task i32)
      (loop $again
        (block $caught
          (try_table (catch_all $caught)
            (loop $next
              (call $log (local.get $task) (i32.const 1))
              (suspend $yield)
              (br $next))))
        (br $again))))"#;

/// What the tasks have logged.
type Log = Vec<(i32, i32)>;

struct Task {
    name: &'static str,
    cont: ContRef,
}

fn main() -> Result<()> {
    let engine = Engine::new(&wasmfx::config())?;
    let module = Module::new(&engine, MODULE)?;
    let mut store = Store::new(&engine, Log::new());
    let log = Func::wrap(&mut store, |mut caller: Caller<'_, Log>, task: i32, what: i32| {
        caller.data_mut().push((task, what));
    });
    let instance = Instance::new(&mut store, &module, &[log.into()])?;
    let yields = instance.get_tag(&mut store, "yield").expect("an export");
    let cancelled = instance.get_tag(&mut store, "cancelled").expect("an export");
    let ty = ContType::new(&engine, FuncType::new(&engine, [ValType::I32], []))?;

    // Each task gets its number when it is made, so that all are resumed alike.
    let resumed_ty = ContType::new(&engine, FuncType::new(&engine, [], []))?;
    let mut tasks = Vec::new();
    for (number, name) in (0..).zip(["short", "tidy", "stubborn"]) {
        let func = instance.get_func(&mut store, name).expect("an export");
        let cont = ContRef::new(&mut store, &ty, func)?;
        let cont = cont.bind(&mut store, &resumed_ty, &[Val::I32(number)])?;
        tasks.push(Task { name, cont });
    }

    // Round robin, until only those are left that never end.
    for round in 1..=4 {
        let mut waiting = Vec::new();
        for Task { name, cont } in tasks {
            match cont.resume(&mut store, &[], &mut [], &[On::Suspend(&yields)])? {
                Resumed::Returned => println!("round {round}: {name} has ended"),
                Resumed::Suspended(suspension) => waiting.push(Task { name, cont: suspension.cont }),
            }
        }
        tasks = waiting;
    }
    assert_eq!(tasks.len(), 2);

    let exception = ExnType::from_tag_type(&cancelled.ty(&store))?;
    let exception = ExnRefPre::new(&mut store, exception);
    for Task { name, cont } in tasks {
        let exception = ExnRef::new(&mut store, &exception, &cancelled, &[])?;
        match cont.resume_throw(&mut store, exception, &mut [], &[On::Suspend(&yields)]) {
            Ok(Resumed::Returned) => println!("{name} has returned"),
            Ok(Resumed::Suspended(suspension)) => {
                println!("{name} goes on: the host discards it");
                suspension.cont.discard(&mut store)?;
            }
            Err(error) if error.is::<ThrownException>() => {
                store.take_pending_exception();
                println!("{name} has cleaned up and ended");
            }
            Err(error) => return Err(error),
        }
    }

    let cleanups: Vec<_> = store.data().iter().filter(|(_, what)| *what < 0).collect();
    assert_eq!(cleanups, [&(1, -1)], "only the tidy task cleans up");
    assert_eq!(store.continuation_statistics().alive, 0);
    Ok(())
}
