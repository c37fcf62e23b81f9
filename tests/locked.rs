//! Continuations in a process that locks its memory, which is why this is a process of its own.

#![cfg(target_os = "linux")]

mod support;

use support::each_backend;
use wasmfx::wasmtime::*;

const MODULE: &str = r#"(module
    (type $ft (func)) (type $ct (cont $ft)) (tag $t) (elem declare func $b)
    (table $tab 1001 (ref null $ct))
    (func $b (suspend $t))
    (func $endless (type $ft) (call $endless)) (elem declare func $endless)
    (func (export "hold") (param $n i32)
      (loop $l
        (table.set $tab (local.get $n)
          (block $h (result (ref $ct)) (resume $ct (on $t $h) (cont.new $ct (ref.func $b))) (unreachable)))
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "finish") (param $n i32)
      (loop $l
        (resume $ct (table.get $tab (local.get $n)))
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "overflow") (resume $ct (cont.new $ct (ref.func $endless)))))"#;

/// Guards that `madvise` installs are refused once memory is locked: `mprotect` serves from then on, on stacks of engines
/// that had the others, too; and what is given back need not be.
#[test]
fn locked_memory() {
    // Before and after, in the same engine and in another.
    let run = |store: &mut Store<()>, module: &Module, n: i32| -> Result<()> {
        let instance = Instance::new(&mut *store, module, &[])?;
        for export in ["hold", "finish", "hold", "finish"] {
            instance.get_typed_func::<i32, ()>(&mut *store, export)?.call(&mut *store, n)?;
        }
        let overflow = instance.get_typed_func::<(), ()>(&mut *store, "overflow")?;
        let error = overflow.call(&mut *store, ()).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{error:?}");
        Ok(())
    };
    let mut before = Vec::new();
    each_backend(|config| {
        let module = Module::new(&Engine::new(&config()).unwrap(), MODULE).unwrap();
        run(&mut Store::new(module.engine(), ()), &module, 10).unwrap();
    });
    let mut config = wasmfx::config();
    for zeroing in [false, true] {
        let engine = Engine::new(config.async_stack_zeroing(zeroing)).unwrap();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, ());
        run(&mut store, &module, 10).unwrap();
        before.push((store, module));
    }
    /// Linux 4.4: pages are locked once they are touched.
    const MCL_ONFAULT: libc::c_int = 4;
    // SAFETY: `mlockall`: it takes flags only. It locks memory, and changes no content.
    if unsafe { libc::mlockall(libc::MCL_FUTURE | MCL_ONFAULT) } != 0 {
        eprintln!("skipped: this process may not lock its memory: {}", std::io::Error::last_os_error());
        return;
    }
    for (store, module) in &mut before {
        // More than the store has at hand, and more than the first region has.
        run(store, module, 1000).unwrap();
        assert!(store.continuation_statistics().guards_by_mprotect);
        assert!(store.continuation_statistics().to_string().contains("guarded by mprotect"));
        run(&mut Store::new(module.engine(), ()), module, 100).unwrap();
    }
    drop(before);
    each_backend(|config| {
        let module = Module::new(&Engine::new(&config()).unwrap(), MODULE).unwrap();
        for _ in 0..3 {
            let mut store = Store::new(module.engine(), ());
            run(&mut store, &module, 1000).unwrap();
            assert!(store.continuation_statistics().guards_by_mprotect);
        }
    });
}
