//! Running out of what the whole process shares, which is why this is a process of its own.

#![cfg(target_os = "linux")]

mod support;

use support::each_backend;
use wasmfx::wasmtime::{ContinuationGuards, Engine, Instance, Module, Store, Trap, Val};

/// Where guards take mappings, the machine's limit on them ends in a trap that names it, and the store goes on.
#[test]
fn running_out_of_stacks_is_an_error() {
    each_backend(|config| {
        let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
        if limit.trim().parse::<usize>().unwrap() > 100_000 {
            eprintln!("skipped: vm.max_map_count is {}, which would take all memory", limit.trim());
            return;
        }
        let engine = Engine::new(config().continuation_guards(ContinuationGuards::Mprotect)).unwrap();
        let mut store = Store::new(&engine, ());
        let module = r#"(module
        (type $ft (func (result i32))) (type $ct (cont $ft)) (tag $t)
        (func $f (type $ft) (suspend $t) (i32.const 5)) (elem declare func $f)
        (func (export "park") (result (ref $ct))
          (block $h (result (ref $ct))
            (drop (resume $ct (on $t $h) (cont.new $ct (ref.func $f)))) (unreachable)))
        (func (export "go") (param (ref $ct)) (result i32) (resume $ct (local.get 0))))"#;
        let module = Module::new(&engine, module).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let park = instance.get_func(&mut store, "park").unwrap();
        let mut parked = Vec::new();
        let error = loop {
            let mut results = [Val::I32(0)];
            match park.call(&mut store, &[], &mut results) {
                Ok(()) => parked.push(results[0]),
                Err(error) => break error,
            }
        };
        assert_eq!(error.downcast_ref(), Some(&Trap::ContinuationLimit));
        let text = error.root_cause().to_string();
        assert!(text.contains("vm.max_map_count"), "{text}");
        // Those that there are still run, and make room.
        let go = instance.get_func(&mut store, "go").unwrap();
        let mut results = [Val::I32(0)];
        for cont in parked {
            go.call(&mut store, &[cont], &mut results).unwrap();
            assert_eq!(results[0].unwrap_i32(), 5);
        }
        park.call(&mut store, &[], &mut results).unwrap();
    });
}
