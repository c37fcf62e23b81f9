//! References to continuations in objects of the garbage collector, as the host reads and writes them; what a corrupted heap does;
//! and what stores of references cost in memory. The scripts in `tests/wast/heap` test the instructions.

mod support;

use support::{COLLECTORS, each_collector, process_memory};
use wasmfx::wasmtime::*;

/// A structure, an array and an exception that carry a continuation, and another type of continuation.
const MODULE: &str = r#"(module
    (type $f (func (param i32) (result i32))) (type $c (cont $f))
    (type $g (func (result i64))) (type $d (cont $g))
    (tag $t (param i32) (result i32))
    (type $s (struct (field i64) (field (mut (ref null $c))) (field i64)))
    (type $other (struct (field i64) (field (mut (ref null $d))) (field i64)))
    (type $a (array (mut (ref null $c))))
    (tag $e (export "e") (param i32 (ref null $c)))
    (func $body (type $f) (loop $again (local.set 0 (suspend $t (local.get 0))) (br $again)) (unreachable))
    (func $long (type $g) (i64.const 5))
    (elem declare func $body $long)

    (func (export "make") (result (ref $c)) (cont.new $c (ref.func $body)))
    (func (export "make-other") (result (ref $d)) (cont.new $d (ref.func $long)))
    (func (export "struct") (param i64 (ref null $c)) (result (ref $s))
      (struct.new $s (local.get 0) (local.get 1) (local.get 0)))
    (func (export "other") (param i64 (ref null $d)) (result (ref $other))
      (struct.new $other (local.get 0) (local.get 1) (local.get 0)))
    (func (export "array") (param (ref null $c)) (result (ref $a)) (array.new $a (local.get 0) (i32.const 3)))
    (func (export "throw") (param (ref null $c)) (throw $e (i32.const 6) (local.get 0)))

    ;; Resumes what is there with a number, keeps what suspends in its place, and returns the payload.
    (func $step (param $k (ref null $c)) (param i32) (result i32 (ref $c))
      (block $h (result i32 (ref $c)) (resume $c (on $t $h) (local.get 1) (local.get $k)) (unreachable)))
    (func $step-struct (export "step-struct") (param (ref $s) i32) (result i32) (local $k (ref $c))
      (call $step (struct.get $s 1 (local.get 0)) (local.get 1))
      (local.set $k) (struct.set $s 1 (local.get 0) (local.get $k)))
    (func (export "step-array") (param (ref $a) i32) (result i32) (local $k (ref $c))
      (call $step (array.get $a (local.get 0) (i32.const 1)) (local.get 1))
      (local.set $k) (array.set $a (local.get 0) (i32.const 1) (local.get $k)))
    (func (export "step") (param (ref null $c) i32) (result i32)
      (call $step (local.get 0) (local.get 1)) (drop))
    (func (export "read") (param (ref $s)) (result (ref null $c)) (struct.get $s 1 (local.get 0)))
    (func (export "read-other") (param (ref $other)) (result (ref null $d)) (struct.get $other 1 (local.get 0)))
    (func (export "steps") (param (ref $s) i32)
      (loop $again
        (drop (call $step-struct (local.get 0) (local.get 1)))
        (br_if $again (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))))"#;

struct Guest {
    store: Store<()>,
    instance: Instance,
}

impl Guest {
    fn new(config: &Config) -> Guest {
        Guest::of(config, MODULE)
    }

    fn of(config: &Config, module: &str) -> Guest {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, module).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        Guest { store, instance }
    }

    fn func(&mut self, name: &str) -> Func {
        self.instance.get_func(&mut self.store, name).unwrap()
    }

    fn try_call(&mut self, name: &str, args: &[Val]) -> Result<Option<Val>> {
        let func = self.func(name);
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        func.call(&mut self.store, args, &mut results)?;
        Ok(results.first().copied())
    }

    fn call(&mut self, name: &str, args: &[Val]) -> Val {
        self.try_call(name, args).unwrap_or_else(|error| panic!("{name}: {error:?}")).unwrap()
    }

    /// The type of the structure or array that an export returns.
    fn result_type(&mut self, name: &str) -> HeapType {
        let func = self.func(name);
        let ty = func.ty(&self.store).results().next().unwrap();
        ty.unwrap_ref().heap_type().clone()
    }

    fn new_struct(&mut self, name: &str, marker: i64, cont: Val) -> Rooted<StructRef> {
        let object = self.call(name, &[Val::I64(marker), cont]);
        object.unwrap_any_ref().unwrap().unwrap_struct(&self.store).unwrap()
    }
}

/// Whether the call ended with this trap.
fn trap(result: Result<Option<Val>>) -> Option<Trap> {
    result.unwrap_err().downcast_ref().copied()
}

#[test]
fn the_host_reads_and_writes_fields_of_structures() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        let cont = guest.call("make", &[]);
        let HeapType::ConcreteStruct(ty) = guest.result_type("struct") else { panic!("a structure") };
        let pre = StructRefPre::new(&mut guest.store, ty);
        let object =
            StructRef::new(&mut guest.store, &pre, &[Val::I64(0), Val::ContRef(None), Val::I64(0)]).unwrap();
        assert!(matches!(object.field(&mut guest.store, 1).unwrap(), Val::ContRef(None)));
        assert_eq!(
            trap(guest.try_call("step-struct", &[object.into(), Val::I32(1)])),
            Some(Trap::NullReference)
        );

        // In by the host and out by Wasm; in by Wasm and out by the host.
        object.set_field(&mut guest.store, 1, cont).unwrap();
        for i in 0..3 {
            assert_eq!(guest.call("step-struct", &[object.into(), Val::I32(i)]).unwrap_i32(), i);
        }
        let suspended = object.field(&mut guest.store, 1).unwrap();
        assert!(suspended.ty(&guest.store).unwrap().unwrap_ref().heap_type().is_concrete_cont());
        assert_eq!(guest.call("step", &[suspended, Val::I32(9)]).unwrap_i32(), 9);
        // The host's use has consumed the field's reference, which still can be read.
        let stale = object.field(&mut guest.store, 1).unwrap();
        for args in ["step", "step-struct"] {
            let first = if args == "step" { stale } else { object.into() };
            assert_eq!(
                trap(guest.try_call(args, &[first, Val::I32(1)])),
                Some(Trap::ContinuationAlreadyConsumed)
            );
        }

        // Allocated by the host with a reference.
        let cont = guest.call("make", &[]);
        let object = StructRef::new(&mut guest.store, &pre, &[Val::I64(0), cont, Val::I64(0)]).unwrap();
        assert_eq!(guest.call("step-struct", &[object.into(), Val::I32(4)]).unwrap_i32(), 4);

        // What has another type, or is another store's, is refused, and nothing is written.
        let other = guest.call("make-other", &[]);
        object.set_field(&mut guest.store, 1, other).unwrap_err();
        StructRef::new(&mut guest.store, &pre, &[Val::I64(0), other, Val::I64(0)]).unwrap_err();
        assert_eq!(guest.call("step-struct", &[object.into(), Val::I32(5)]).unwrap_i32(), 5);
    });
}

#[test]
fn another_stores_reference_is_refused() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        let engine = guest.store.engine().clone();
        let module = Module::new(&engine, MODULE).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let mut foreigner = Guest { store, instance };
        let foreign = foreigner.call("make", &[]);
        let own = guest.call("make", &[]);
        let object = guest.new_struct("struct", 0, own);
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            object.set_field(&mut guest.store, 1, foreign)
        }));
        assert!(!matches!(refused, Ok(Ok(()))), "a field took a reference of another store");
        assert_eq!(guest.call("step-struct", &[object.into(), Val::I32(5)]).unwrap_i32(), 5);
    });
}

#[test]
fn the_host_reads_and_writes_elements_of_arrays() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        let cont = guest.call("make", &[]);
        let array = guest.call("array", &[Val::ContRef(None)]);
        let array = array.unwrap_any_ref().unwrap().unwrap_array(&guest.store).unwrap();
        assert!(matches!(array.get(&mut guest.store, 2).unwrap(), Val::ContRef(None)));
        array.set(&mut guest.store, 1, cont).unwrap();
        assert_eq!(guest.call("step-array", &[array.into(), Val::I32(3)]).unwrap_i32(), 3);
        let suspended = array.get(&mut guest.store, 1).unwrap();
        assert_eq!(guest.call("step", &[suspended, Val::I32(4)]).unwrap_i32(), 4);
        let other = guest.call("make-other", &[]);
        array.set(&mut guest.store, 1, other).unwrap_err();

        let HeapType::ConcreteArray(ty) = guest.result_type("array") else { panic!("an array") };
        let pre = ArrayRefPre::new(&mut guest.store, ty);
        let (one, two) = (guest.call("make", &[]), guest.call("make", &[]));
        let array = ArrayRef::new_fixed(&mut guest.store, &pre, &[one, two]).unwrap();
        assert_eq!(guest.call("step-array", &[array.into(), Val::I32(5)]).unwrap_i32(), 5);
        let first = array.get(&mut guest.store, 0).unwrap();
        assert_eq!(guest.call("step", &[first, Val::I32(6)]).unwrap_i32(), 6);
        // All elements are one reference.
        let all = guest.call("make", &[]);
        let array = ArrayRef::new(&mut guest.store, &pre, &all, 3).unwrap();
        assert_eq!(guest.call("step-array", &[array.into(), Val::I32(7)]).unwrap_i32(), 7);
        let elements: Vec<_> = array.elems(&mut guest.store).unwrap().collect();
        for (i, element) in elements.into_iter().enumerate() {
            let result = guest.try_call("step", &[element, Val::I32(8)]);
            if i == 1 {
                assert_eq!(result.unwrap().unwrap().unwrap_i32(), 8);
            } else {
                assert_eq!(trap(result), Some(Trap::ContinuationAlreadyConsumed));
            }
        }
    });
}

#[test]
fn the_host_reads_and_makes_exceptions() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        let cont = guest.call("make", &[]);
        guest.try_call("throw", &[cont]).unwrap_err();
        let exception = guest.store.take_pending_exception().unwrap();
        assert_eq!(exception.field(&mut guest.store, 0).unwrap().unwrap_i32(), 6);
        let held = exception.field(&mut guest.store, 1).unwrap();
        assert_eq!(guest.call("step", &[held, Val::I32(2)]).unwrap_i32(), 2);

        let tag = guest.instance.get_tag(&mut guest.store, "e").unwrap();
        let ty = ExnType::from_tag_type(&tag.ty(&guest.store)).unwrap();
        let pre = ExnRefPre::new(&mut guest.store, ty);
        let cont = guest.call("make", &[]);
        let exception = ExnRef::new(&mut guest.store, &pre, &tag, &[Val::I32(1), cont]).unwrap();
        let held = exception.field(&mut guest.store, 1).unwrap();
        assert_eq!(guest.call("step", &[held, Val::I32(3)]).unwrap_i32(), 3);
        let other = guest.call("make-other", &[]);
        ExnRef::new(&mut guest.store, &pre, &tag, &[Val::I32(1), other]).unwrap_err();
    });
}

/// A reference of a subtype is one of its supertype wherever the host passes values, and not the reverse.
#[test]
fn subtypes_of_continuations() {
    const MODULE: &str = r#"(module
        (type $f (func (param i32) (result i32)))
        (type $super (sub (cont $f))) (type $sub (sub $super (cont $f)))
        (type $box (struct (field (mut (ref null $super)))))
        (type $many (array (mut (ref null $super))))
        (tag $e (export "e") (param (ref null $super)))
        (func $body (type $f) (i32.add (local.get 0) (i32.const 1))) (elem declare func $body)
        (table (export "table") 1 (ref null $super))
        (global (export "global") (mut (ref null $super)) (ref.null $super))
        (func (export "sub") (result (ref $sub)) (cont.new $sub (ref.func $body)))
        (func (export "super") (result (ref $super)) (cont.new $super (ref.func $body)))
        (func (export "box") (result (ref $box)) (struct.new_default $box))
        (func (export "many") (result (ref $many)) (array.new_default $many (i32.const 1)))
        (func (export "run") (param (ref null $super)) (result i32) (resume $super (i32.const 1) (local.get 0)))
        (func (export "run-sub") (param (ref null $sub)) (result i32) (resume $sub (i32.const 1) (local.get 0))))"#;
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::of(&config, MODULE);
        let table = guest.instance.get_table(&mut guest.store, "table").unwrap();
        let global = guest.instance.get_global(&mut guest.store, "global").unwrap();
        let tag = guest.instance.get_tag(&mut guest.store, "e").unwrap();
        let ty = ExnType::from_tag_type(&tag.ty(&guest.store)).unwrap();
        let pre = ExnRefPre::new(&mut guest.store, ty);
        for place in 0..6 {
            let given = guest.call("sub", &[]);
            let Val::ContRef(Some(cont)) = given else { panic!("a continuation") };
            let store = &mut guest.store;
            let back = match place {
                0 => given,
                1 => {
                    table.set(&mut *store, 0, Ref::Cont(Some(cont))).unwrap();
                    table.get(&mut *store, 0).unwrap().into()
                }
                2 => {
                    global.set(&mut *store, given).unwrap();
                    global.get(&mut *store)
                }
                3 => {
                    let exception = ExnRef::new(&mut *store, &pre, &tag, &[given]).unwrap();
                    exception.field(&mut *store, 0).unwrap()
                }
                4 => {
                    let object = guest.call("box", &[]);
                    let store = &mut guest.store;
                    let object = object.unwrap_any_ref().unwrap().unwrap_struct(&*store).unwrap();
                    object.set_field(&mut *store, 0, given).unwrap();
                    object.field(&mut *store, 0).unwrap()
                }
                _ => {
                    let array = guest.call("many", &[]);
                    let store = &mut guest.store;
                    let array = array.unwrap_any_ref().unwrap().unwrap_array(&*store).unwrap();
                    array.set(&mut *store, 0, given).unwrap();
                    array.get(&mut *store, 0).unwrap()
                }
            };
            assert_eq!(guest.call("run", &[back]).unwrap_i32(), 2, "{place}");
        }
        // Not the reverse, and what came back as the supertype is not taken for more.
        let other = guest.call("super", &[]);
        let error = guest.try_call("run-sub", &[other]).unwrap_err();
        assert!(format!("{error:?}").contains("type mismatch"), "{error:?}");
        let given = guest.call("sub", &[]);
        global.set(&mut guest.store, given).unwrap();
        let back = global.get(&mut guest.store);
        guest.try_call("run-sub", &[back]).unwrap_err();
        assert_eq!(guest.call("run-sub", &[given]).unwrap_i32(), 2);
    });
}

/// A program that stores a new reference in one field, again and again, needs no more memory for that.
#[test]
fn stores_take_no_memory() {
    each_collector(&COLLECTORS, |config| {
        let mut guest = Guest::new(&config);
        let times = 3_000_000;
        let cont = guest.call("make", &[]);
        let object = guest.new_struct("struct", 0, cont);
        guest.try_call("steps", &[object.into(), Val::I32(1000)]).unwrap();
        let (before, _) = process_memory();
        guest.try_call("steps", &[object.into(), Val::I32(times)]).unwrap();
        let (after, _) = process_memory();
        // Other tests of this process run meanwhile: what they take is below a word for each store.
        assert!(
            after.saturating_sub(before) < 8 * times as usize,
            "{} bytes for {times} stores",
            after - before
        );
    });
}

/// The heap is overwritten behind the engine's back, as a bug of the engine might do it.
#[cfg(target_os = "linux")]
mod corrupted {
    use super::*;
    use std::fs::{File, OpenOptions, read_to_string};
    use std::os::unix::fs::FileExt;

    /// The file offset, in this process's memory, of the field between two markers.
    fn find(marker: i64) -> (File, u64) {
        let memory = OpenOptions::new().read(true).write(true).open("/proc/self/mem").unwrap();
        let pattern = marker.to_le_bytes();
        let maps = read_to_string("/proc/self/maps").unwrap();
        for line in maps.lines().filter(|line| line.contains(" rw-p ")) {
            let (range, _) = line.split_once(' ').unwrap();
            let (start, end) = range.split_once('-').unwrap();
            let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
            let mut page = vec![0; 1 << 20];
            let mut at = start;
            while at < end {
                let len = (end - at).min(page.len() as u64) as usize;
                if memory.read_exact_at(&mut page[..len], at).is_err() {
                    break;
                }
                // A marker is 8 or 16 bytes before the field, and another one is right behind the field.
                for offset in (0..len.saturating_sub(40)).step_by(8) {
                    let is = |distance: usize| {
                        page.get(offset + distance..offset + distance + 8) == Some(pattern.as_slice())
                    };
                    if is(0) && is(32) || is(0) && is(24) {
                        let field = if is(32) { offset + 16 } else { offset + 8 };
                        return (memory, at + field as u64);
                    }
                }
                at += len as u64;
            }
        }
        panic!("the object is somewhere");
    }

    fn overwrite(marker: i64, number: u32, revision: u64) {
        let (memory, at) = find(marker);
        let field = u128::from(number) | u128::from(revision) << 64;
        memory.write_all_at(&field.to_le_bytes(), at).unwrap();
    }

    fn read(marker: i64) -> (u32, u64) {
        let (memory, at) = find(marker);
        let mut field = [0; 16];
        memory.read_exact_at(&mut field, at).unwrap();
        let field = u128::from_le_bytes(field);
        (field as u32, (field >> 64) as u64)
    }

    /// Checks that `f` fails because of the heap. Wasmtime makes a panic of such an error in builds with debug assertions.
    fn is_corrupt(f: impl FnOnce() -> Result<Option<Val>>) {
        let message = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)) {
            Ok(result) => format!("{:?}", result.unwrap_err()),
            Err(panic) => panic.downcast_ref::<String>().expect("a message").clone(),
        };
        assert!(message.contains("corruption") || message.contains("nobody wrote"), "{message}");
    }

    /// A field of the bottom type holds nothing that could be used as another type.
    #[test]
    fn a_corrupted_field_for_no_continuation() {
        const MODULE: &str = r#"(module
            (type $f (func (param i32) (result i32))) (type $k (cont $f))
            (type $g (func (result i64))) (type $other (cont $g))
            (type $struct (struct (field i64) (field (mut (ref null nocont))) (field i64)))
            (func $run (type $f) (local.get 0)) (elem declare func $run)
            (func (export "make") (result (ref $k)) (cont.new $k (ref.func $run)))
            (func (export "make-struct") (param i64) (result (ref $struct))
              (struct.new $struct (local.get 0) (ref.null nocont) (local.get 0)))
            (func (export "resume") (param (ref $struct)) (result i64)
              (resume $other (struct.get $struct 1 (local.get 0)))))"#;
        each_collector(&COLLECTORS, |config| {
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, MODULE).unwrap();
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let call = |store: &mut Store<()>, name: &str, args: &[Val]| {
                let func = instance.get_func(&mut *store, name).unwrap();
                let mut results = [Val::I32(0)];
                func.call(store, args, &mut results).map(|()| Some(results[0]))
            };
            let marker = 0x7654_3210_0123_4567_u64 as i64 + std::ptr::from_ref(&config).addr() as i64;
            let _cont = call(&mut store, "make", &[]).unwrap();
            let object = call(&mut store, "make-struct", &[Val::I64(marker)]).unwrap().unwrap();
            let null = call(&mut store, "resume", &[object]);
            assert_eq!(trap(null), Some(Trap::NullReference));
            let any = object.unwrap_anyref().copied().unwrap().unwrap_struct(&store).unwrap();
            for (number, revision) in [(1, 0), (1, 1), (2, 0), (u32::MAX, 0)] {
                overwrite(marker, number, revision);
                is_corrupt(|| call(&mut store, "resume", &[object]));
                is_corrupt(|| any.field(&mut store, 1).map(Some));
            }
        });
    }

    #[test]
    fn a_corrupted_heap_is_found_out() {
        static MARKER: std::sync::atomic::AtomicI64 = std::sync::atomic::AtomicI64::new(0);
        each_collector(&COLLECTORS, |config| {
            let mut guest = Guest::new(&config);
            // Built from parts, so that no other memory holds it twice at this distance.
            let marker =
                (MARKER.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1) * 0x0123_4567_89ab_cdef;
            let cont = guest.call("make", &[]);
            let object = guest.new_struct("struct", marker, cont);
            let other = guest.call("make-other", &[]);
            let another = guest.new_struct("other", !marker, other);
            assert_eq!(guest.call("step-struct", &[object.into(), Val::I32(1)]).unwrap_i32(), 1);
            let (own, revision) = read(marker);
            let (theirs, their_revision) = read(!marker);
            assert_ne!(own, theirs);

            // Numbers that no continuation has; a revision that nobody has written yet; a continuation of another type.
            for (number, revision) in [
                (3, 0),
                (u32::MAX, 0),
                (1 << 31, 0),
                (own, revision + 1),
                (own, u64::MAX),
                (theirs, their_revision),
                (theirs, their_revision + 1),
            ] {
                overwrite(marker, number, revision);
                is_corrupt(|| guest.try_call("step-struct", &[object.into(), Val::I32(1)]));
                is_corrupt(|| guest.try_call("read", &[object.into()]));
                is_corrupt(|| object.field(&mut guest.store, 1).map(Some));
            }
            overwrite(!marker, own, revision);
            is_corrupt(|| guest.try_call("read-other", &[another.into()]));
            // An old revision is a consumed reference, whatever its type was.
            for marked in [(marker, "step-struct"), (!marker, "read-other")] {
                overwrite(marked.0, own, revision - 1);
                if marked.1 == "step-struct" {
                    let stale = guest.try_call("step-struct", &[object.into(), Val::I32(1)]);
                    assert_eq!(trap(stale), Some(Trap::ContinuationAlreadyConsumed));
                } else {
                    guest.try_call("read-other", &[another.into()]).unwrap();
                }
            }
            // A null reference is one, whatever its revision.
            overwrite(marker, 0, 77);
            let null = guest.try_call("step-struct", &[object.into(), Val::I32(1)]);
            assert_eq!(trap(null), Some(Trap::NullReference));
            // The continuations are unharmed.
            overwrite(marker, own, revision);
            assert_eq!(guest.call("step-struct", &[object.into(), Val::I32(2)]).unwrap_i32(), 2);
        });
    }
}
