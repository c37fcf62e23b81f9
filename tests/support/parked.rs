//! Continuations that a test parks and runs by name, from the host.

#![allow(dead_code, reason = "each test target uses its part")]

use crate::support::each_backend;
use wasmfx::wasmtime::*;

pub(crate) const MODULE: &str = r#"(module
    (import "" "host" (func $host (param i32) (result i32)))
    (type $ft (func (param i32 i32) (result i32))) (type $ct (cont $ft))
    (type $rf (func (result i32))) (type $rc (cont $rf))
    (rec (type $sf (func (param (ref null $sc)) (result i32))) (type $sc (cont $sf)))
    (tag $t) (tag $e) (tag $w (result i32))
    (table $all 0 (ref null $rc))
    (global $place (export "place") (mut (ref null $rc)) (ref.null $rc))

    ;; Suspends below so many calls, and returns its first argument.
    (func $body (type $ft) (call $down (local.get 1)) (local.get 0))
    (func $down (param i32)
      (if (i32.eqz (local.get 0)) (then (suspend $t) (return)))
      (call $down (i32.sub (local.get 0) (i32.const 1))))
    ;; Suspends on top of so many stacks.
    (func $nest (type $ft)
      (if (i32.eqz (local.get 1)) (then (suspend $t) (return (local.get 0))))
      (resume $ct (local.get 0) (i32.sub (local.get 1) (i32.const 1)) (cont.new $ct (ref.func $nest))))
    ;; Suspends, and ends in this or that way.
    (func $end (type $ft)
      (suspend $t)
      (if (i32.eq (local.get 0) (i32.const 1)) (then (unreachable)))
      (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $e)))
      (if (i32.eq (local.get 0) (i32.const 3)) (then (drop (call $host (i32.const 3)))))
      (if (i32.eq (local.get 0) (i32.const 4)) (then (call $forever)))
      (if (i32.eq (local.get 0) (i32.const 5)) (then (return (call $go (call $fresh (i32.const 7) (i32.const 0))))))
      (if (i32.eq (local.get 0) (i32.const 6))
        (then (drop (switch $sc $w (cont.new $sc (ref.func $receive))))))
      (i32.const 7))
    (func $receive (type $sf) (resume $sc (ref.null $sc) (local.get 0)))
    (func $forever (call $forever) (call $forever))
    ;; Calls the host, suspends, and returns what the host did.
    (func $around (type $ft) (call $host (local.get 0)) (suspend $t))
    (func $fills (type $ft) (call $fill (local.get 0) (i32.const 0)) (local.get 0))
    (elem declare func $body $nest $end $around $fills $receive)

    (func $fresh (export "fresh") (param i32 i32) (result (ref $rc))
      (cont.bind $ct $rc (local.get 0) (local.get 1) (cont.new $ct (ref.func $body))))
    (func $start (param (ref $ct) i32 i32) (result (ref $rc))
      (block $h (result (ref $rc))
        (drop (resume $ct (on $t $h) (local.get 1) (local.get 2) (local.get 0))) (unreachable)))
    (func $park (export "park") (param i32 i32) (result (ref $rc))
      (call $start (cont.new $ct (ref.func $body)) (local.get 0) (local.get 1)))
    (func (export "nest") (param i32 i32) (result (ref $rc))
      (call $start (cont.new $ct (ref.func $nest)) (local.get 0) (local.get 1)))
    (func (export "end") (param i32) (result (ref $rc))
      (call $start (cont.new $ct (ref.func $end)) (local.get 0) (i32.const 0)))
    (func (export "around") (param i32) (result (ref $rc))
      (call $start (cont.new $ct (ref.func $around)) (local.get 0) (i32.const 0)))
    ;; Without arguments bound, which `run` passes.
    (func (export "unbound") (result (ref $ct)) (cont.new $ct (ref.func $body)))
    (func (export "run") (param (ref null $ct) i32) (result i32)
      (call $go (call $start (ref.as_non_null (local.get 0)) (local.get 1) (i32.const 0))))
    ;; Runs to the end.
    (func $go (export "go") (param (ref null $rc)) (result i32)
      (loop $l (result i32)
        (block $h (result (ref $rc)) (return (resume $rc (on $t $h) (on $w switch) (local.get 0))))
        (local.set 0) (br $l)))
    (func (export "bind") (param (ref null $rc)) (result (ref $rc)) (cont.bind $rc $rc (local.get 0)))
    (func (export "throw") (param (ref null $rc)) (result i32) (resume_throw $rc $e (local.get 0)))
    (func (export "catch") (param (ref null $rc)) (result i32)
      (block $h (try_table (catch $e $h) (return (call $go (local.get 0))))) (i32.const -1))

    ;; So many more in the table, each with its place as its value.
    (func $fill (export "fill") (param $n i32) (param $depth i32)
      (loop $l
        (if (i32.eqz (local.get $n)) (then (return)))
        (drop (table.grow $all (call $park (table.size $all) (local.get $depth)) (i32.const 1)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $l)))
    (func (export "fill-fresh") (param $n i32)
      (loop $l
        (if (i32.eqz (local.get $n)) (then (return)))
        (drop (table.grow $all (call $fresh (table.size $all) (i32.const 0)) (i32.const 1)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $l)))
    (func (export "fill-inside") (param i32) (result i32)
      (resume $ct (local.get 0) (i32.const 0) (cont.new $ct (ref.func $fills))))
    (func (export "exhaust") (loop $l (call $fill (i32.const 1) (i32.const 0)) (br $l)))
    (func (export "count") (result i32) (table.size $all))
    ;; Runs all in the table. Returns how many were wrong.
    (func (export "drain") (result i32) (local $i i32) (local $wrong i32)
      (loop $l
        (if (i32.eq (local.get $i) (table.size $all)) (then (return (local.get $wrong))))
        (if (i32.eqz (ref.is_null (table.get $all (local.get $i))))
          (then (local.set $wrong (i32.add (local.get $wrong)
            (i32.ne (local.get $i) (call $go (table.get $all (local.get $i))))))))
        (table.set $all (local.get $i) (ref.null $rc))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $l))
      (unreachable)))"#;

/// What `$host` does, by its argument.
pub(crate) fn host<T>(mut caller: Caller<'_, T>, how: i32) -> Result<i32> {
    match how {
        3 => bail!("the host says no"),
        // All stacks go while this host call is on a continuation.
        10 | 11 => {
            let exhaust = caller.get_export("exhaust").and_then(|e| e.into_func()).unwrap();
            let error = exhaust.call(&mut caller, &[], &mut []).unwrap_err();
            if how == 10 { Ok(-10) } else { Err(error) }
        }
        12 => Ok(caller.as_context().continuation_statistics().alive as i32),
        _ => unreachable!(),
    }
}

/// Runs a test on each backend, with stacks guarded in either way.
pub(crate) fn each_setup(test: impl Fn(&dyn Fn() -> Config)) {
    each_backend(|config| {
        test(config);
        test(&|| {
            let mut config = config();
            config.continuation_guards(ContinuationGuards::Mprotect);
            config
        });
    });
}

/// An instance of [`MODULE`] with its store.
pub(crate) struct Wasm<T: 'static = ()> {
    pub(crate) store: Store<T>,
    pub(crate) instance: Instance,
}

pub(crate) fn module(config: &Config) -> Module {
    Module::new(&Engine::new(config).unwrap(), MODULE).unwrap()
}

impl Wasm {
    pub(crate) fn new(module: &Module) -> Wasm {
        Wasm::with((), module, |_| ())
    }
}

impl<T> Wasm<T> {
    pub(crate) fn with(data: T, module: &Module, setup: impl FnOnce(&mut Store<T>)) -> Wasm<T> {
        let mut store = Store::new(module.engine(), data);
        let host = Func::wrap(&mut store, host::<T>);
        let instance = Instance::new(&mut store, module, &[host.into()]).unwrap();
        setup(&mut store);
        Wasm { store, instance }
    }

    pub(crate) fn call(&mut self, name: &str, args: &[Val]) -> Result<Val> {
        let func = self.instance.get_func(&mut self.store, name).unwrap();
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        func.call(&mut self.store, args, &mut results)?;
        Ok(results.pop().unwrap_or(Val::I32(0)))
    }

    pub(crate) fn fill(&mut self, count: u32, depth: i32) -> Result<Val> {
        self.call("fill", &[Val::I32(count as i32), Val::I32(depth)])
    }

    pub(crate) fn park(&mut self, value: i32) -> Result<Val> {
        self.call("park", &[Val::I32(value), Val::I32(0)])
    }

    pub(crate) fn fresh(&mut self, value: i32) -> Result<Val> {
        self.call("fresh", &[Val::I32(value), Val::I32(0)])
    }

    pub(crate) fn go(&mut self, cont: Val) -> Result<i32> {
        Ok(self.call("go", &[cont])?.unwrap_i32())
    }

    /// All in the table run to the right results.
    pub(crate) fn drain(&mut self) {
        assert_eq!(self.call("drain", &[]).unwrap().unwrap_i32(), 0);
    }

    pub(crate) fn statistics(&self) -> ContinuationStatistics {
        self.store.continuation_statistics()
    }

    pub(crate) fn alive(&self) -> usize {
        self.statistics().alive
    }

    /// Ends what nothing can resume any more.
    pub(crate) fn collect(&mut self) {
        self.store.gc(None).expect("collections succeed");
    }
}

/// The call ended at a limit, which its error names.
#[track_caller]
pub(crate) fn limited<T>(result: Result<T>, name: &str) {
    let Err(error) = result else { panic!("beyond the limit") };
    assert_eq!(error.downcast_ref(), Some(&Trap::ContinuationLimit), "{error:?}");
    let text = format!("{error:?}");
    assert!(text.contains(name), "{text}");
}

#[track_caller]
pub(crate) fn trapped<T>(result: Result<T>, trap: Trap) {
    let Err(error) = result else { panic!("no trap") };
    assert_eq!(error.downcast_ref(), Some(&trap), "{error:?}");
}
