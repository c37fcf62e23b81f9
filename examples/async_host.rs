//! Tasks in a host with tokio. While a task sleeps, the host runs others: it is suspended, and its stack waits. While a task reads,
//! the whole store waits: `read` is an async function of the host, which any Wasm may call, on a continuation too.
//!
//! ```text
//!   host                                     tasks
//!   resume_async each of them -------------> call read (async: the store waits for it)
//!              <-- suspend $sleep (ms) ------
//!   a timer for each
//!   whose timer has run down is resumed ---> go on, and return
//! ```
//!
//! `cargo run --example async_host`

use std::time::Duration;
use tokio::task::JoinSet;
use wasmfx::wasmtime::*;

const MODULE: &str = r#"(module
    (import "host" "read" (func $read (param i32) (result i32)))
    (tag $sleep (export "sleep") (param i32))

    ;; Reads how long to sleep, sleeps, and returns twice that.
    (func (export "task") (param $task i32) (result i32)
      (local $ms i32)
      (local.set $ms (call $read (local.get $task)))
      (suspend $sleep (local.get $ms))
      (i32.mul (local.get $ms) (i32.const 2))))"#;

/// A task that waits: its number, and the rest of it.
struct Task {
    number: i32,
    cont: ContRef,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let engine = Engine::new(&wasmfx::config())?;
    let module = Module::new(&engine, MODULE)?;
    let mut linker = Linker::new(&engine);
    linker.func_wrap_async("host", "read", |_: Caller<'_, ()>, (task,): (i32,)| {
        Box::new(async move {
            tokio::task::yield_now().await;
            10 * (3 - task)
        })
    })?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate_async(&mut store, &module).await?;
    let task = instance.get_func(&mut store, "task").expect("an export");
    let sleep = instance.get_tag(&mut store, "sleep").expect("an export");
    let ty = ContType::new(&engine, task.ty(&store))?;
    let ready = ContType::new(&engine, FuncType::new(&engine, [], [ValType::I32]))?;

    let mut tasks = Vec::new();
    for number in 0..3 {
        let cont = ContRef::new_async(&mut store, &ty, task).await?;
        tasks.push(Task { number, cont: cont.bind(&mut store, &ready, &[Val::I32(number)])? });
    }

    let mut ended = Vec::new();
    let mut timers = JoinSet::new();
    loop {
        for Task { number, cont } in tasks.drain(..) {
            let mut results = [Val::I32(0)];
            match cont.resume_async(&mut store, &[], &mut results, &[On::Suspend(&sleep)]).await? {
                Resumed::Returned => {
                    println!("task {number} returned {}", results[0].unwrap_i32());
                    ended.push((number, results[0].unwrap_i32()));
                }
                Resumed::Suspended(suspension) => {
                    let ms = suspension.payload[0].unwrap_i32();
                    println!("task {number} sleeps for {ms} ms");
                    let time = Duration::from_millis(ms.try_into()?);
                    timers.spawn(async move {
                        tokio::time::sleep(time).await;
                        Task { number, cont: suspension.cont }
                    });
                }
            }
        }
        match timers.join_next().await {
            Some(task) => tasks.push(task?),
            None => break,
        }
    }

    ended.sort();
    assert_eq!(ended, [(0, 60), (1, 40), (2, 20)]);
    assert_eq!(store.continuation_statistics().alive, 0);
    Ok(())
}
