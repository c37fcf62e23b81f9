//! Attacks on host calls: programs that take what there is under `ulimit -v`, each in a process of its own. The host must get an error.

#![cfg(target_os = "linux")]

mod support;

use support::{each_backend, in_child};
use wasmfx::wasmtime::*;

/// Lets the process have so many more bytes of addresses, or of memory that it may write, than it has now.
fn limit(what: Limit, more: u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let name = if what == libc::RLIMIT_AS { "VmSize:" } else { "VmData:" };
    let size = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let size = size.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10;
    let limit = libc::rlimit { rlim_cur: size + more, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `setrlimit`: `limit` is initialised and outlives the call, which changes a limit alone.
    assert_eq!(unsafe { libc::setrlimit(what, &limit) }, 0);
}

type Limit = libc::__rlimit_resource_t;

fn unlimit(what: Limit) {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `setrlimit`: `limit` is initialised and outlives the call, which changes a limit alone.
    assert_eq!(unsafe { libc::setrlimit(what, &limit) }, 0);
}

fn module() -> String {
    let many = "v128 ".repeat(1000);
    format!(
        r#"(module
        (type $ft (func)) (type $ct (cont $ft)) (tag $t)
        (type $wf (func (param {many}))) (type $wc (cont $wf))
        (import "" "host" (func $host))
        (elem declare func $parks $nothing $wide $nests $calls)
        (func $nothing (type $ft)) (func $wide (type $wf)) (func $calls (type $ft) (call $host))
        (func $parks (type $ft) (suspend $t))
        (func $nests (type $ft) (resume $ct (cont.new $ct (ref.func $nests))))
        ;; Suspended ones, whose references are lost.
        (func (export "park") (loop $l
          (block $h (result (ref $ct)) (resume $ct (on $t $h) (cont.new $ct (ref.func $parks))) (unreachable)) (drop)
          (br $l)))
        (func (export "nest") (call $nests))
        ;; Fresh ones, of little and of much.
        (func (export "new") (loop $l (drop (cont.new $ct (ref.func $nothing))) (br $l)))
        (func (export "new-wide") (loop $l (drop (cont.new $wc (ref.func $wide))) (br $l)))
        (func (export "works") (resume $ct (cont.new $ct (ref.func $calls)))))"#
    )
}

/// `export` ends in a trap with so many more bytes of addresses, and the store goes on.
fn exhausts(test: &str, export: &str, what: Limit, sizes: &[u64], stack: usize) {
    in_child(test, || {
        each_backend(|config| {
            let engine = Engine::new(config().continuation_stack_size(stack)).unwrap();
            let module = Module::new(&engine, module()).unwrap();
            for &more in sizes {
                let mut store = Store::new(&engine, 0);
                let host = Func::wrap(&mut store, |mut caller: Caller<'_, u32>| *caller.data_mut() += 1);
                let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
                let works = instance.get_typed_func::<(), ()>(&mut store, "works").unwrap();
                works.call(&mut store, ()).unwrap();
                let run = instance.get_typed_func::<(), ()>(&mut store, export).unwrap();
                limit(what, more);
                let result = run.call(&mut store, ());
                unlimit(what);
                let error = result.unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&Trap::ContinuationLimit), "{error:?}");
                eprintln!("{more}: {}", error.root_cause());
                let _ = instance;
                let _ = works.call(&mut store, ());
                drop(store);
                let mut store = Store::new(&engine, 0);
                let host = Func::wrap(&mut store, |mut caller: Caller<'_, u32>| *caller.data_mut() += 1);
                let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
                instance.get_typed_func::<(), ()>(&mut store, "works").unwrap().call(&mut store, ()).unwrap();
            }
        });
    });
}

#[test]
fn stacks_of_suspended_continuations() {
    exhausts(
        "stacks_of_suspended_continuations",
        "park",
        libc::RLIMIT_AS,
        &[100 << 20, 300 << 20, 700 << 20],
        512 << 10,
    );
}

#[test]
fn small_stacks_of_suspended_continuations() {
    exhausts(
        "small_stacks_of_suspended_continuations",
        "park",
        libc::RLIMIT_AS,
        &[1 << 20, 100 << 20, 300 << 20],
        16 << 10,
    );
}

/// Here it depends on the number of bytes whether a stack, or the heap that has what is known of it, comes to the end first.
#[test]
fn writable_memory_of_suspended_continuations() {
    let sizes: Vec<u64> = (0..24).map(|i| (20 << 20) + i * 5000).collect();
    exhausts("writable_memory_of_suspended_continuations", "park", libc::RLIMIT_DATA, &sizes, 16 << 10);
}

#[test]
fn nested_continuations() {
    exhausts("nested_continuations", "nest", libc::RLIMIT_AS, &[1 << 20, 100 << 20, 300 << 20], 512 << 10);
}

/// Fresh continuations take memory of the host's heap, until a limit of the store.
#[test]
fn fresh_continuations() {
    exhausts("fresh_continuations", "new", libc::RLIMIT_AS, &[1 << 20, 100 << 20], 512 << 10);
}

#[test]
fn arguments_of_fresh_continuations() {
    exhausts(
        "arguments_of_fresh_continuations",
        "new-wide",
        libc::RLIMIT_AS,
        &[1 << 20, 100 << 20],
        512 << 10,
    );
}
