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
    let many = "v128 ".repeat(999);
    // Each continuation but the nested ones keeps the last one: what nothing refers to is reclaimed.
    format!(
        r#"(module
        (type $ft (func)) (type $ct (cont $ft)) (tag $t)
        (type $kf (func (param (ref null $ct)))) (type $kc (cont $kf))
        (type $wf (func (param {many}))) (type $wc (cont $wf))
        (type $lf (func (param (ref null $wc) {many}))) (type $lc (cont $lf))
        (import "" "host" (func $host))
        (elem declare func $parks $keeps $wide $nests $calls)
        (global $last (mut (ref null $ct)) (ref.null $ct))
        (global $last-wide (mut (ref null $wc)) (ref.null $wc))
        (func $use (param (ref null $ct)))
        (func $keeps (type $kf)) (func $wide (type $lf)) (func $calls (type $ft) (call $host))
        (func $parks (type $kf) (suspend $t) (call $use (local.get 0)))
        (func $nests (type $ft) (resume $ct (cont.new $ct (ref.func $nests))))
        ;; Suspended ones.
        (func (export "park") (loop $l
          (block $h (result (ref $ct))
            (resume $kc (on $t $h) (global.get $last) (cont.new $kc (ref.func $parks))) (unreachable))
          (global.set $last)
          (br $l)))
        (func (export "nest") (call $nests))
        ;; Fresh ones, of little and of much.
        (func (export "new") (loop $l
          (global.set $last (cont.bind $kc $ct (global.get $last) (cont.new $kc (ref.func $keeps))))
          (br $l)))
        (func (export "new-wide") (loop $l
          (global.set $last-wide (cont.bind $lc $wc (global.get $last-wide) (cont.new $lc (ref.func $wide))))
          (br $l)))
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
