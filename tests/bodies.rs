//! What runs on continuations: functions of Wasm and of the host with values of every kind, each of which ends in this or
//! that way, while stacks and continuations are scarce or not.

mod support;

use support::{COLLECTORS, each_backend};
use wasmfx::wasmtime::*;

/// `VALUES` are more than fit into a continuation, and `REVERSED` come back.
const MODULE: &str = r#"(module
    (import "" "gc" (func $gc))
    (type $node (struct (field i32)))
    (type $mf (func (param VALUES) (result REVERSED))) (type $m (cont $mf))
    (type $gf (func (param i32) (result i32 VALUES))) (type $g (cont $gf))
    (type $bf (func (result REVERSED))) (type $b (cont $bf))
    (tag $e (export "e") (param i32)) (tag $t)
    (func (export "node") (param i32) (result anyref) (struct.new $node (local.get 0)))
    (func (export "number") (param anyref) (result i32) (struct.get $node 0 (ref.cast (ref $node) (local.get 0))))

    (func (export "mirror") (type $mf)
      (call $churn) (suspend $t) (call $churn)
      (local.get 7) (local.get 6) (local.get 5) (local.get 4)
      (local.get 3) (local.get 2) (local.get 1) (local.get 0))
    (func (export "grow") (type $gf)
      (call $churn) (suspend $t)
      (local.get 0) (local.get 0) (i64.extend_i32_u (local.get 0)) (f32.const 1.5) (f64.const 2.5)
      (i32x4.splat (local.get 0)) (ref.null extern) (struct.new $node (local.get 0)) (ref.null func)
      (call $churn))
    ;; Collects, with garbage over what is not a root.
    (func $churn (local $n i32)
      (loop $l
        (drop (struct.new $node (i32.const -1)))
        (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 50))))
      (call $gc))

    (func (export "run-mirror") (param VALUES (ref null $mf)) (result REVERSED)
      (local $c (ref $m)) (local $k (ref $b))
      (local.set $c (cont.new $m (local.get 8)))
      (call $churn)
      (block $h (result (ref $b))
        (return (resume $m (on $t $h) ALL (local.get $c))))
      (local.set $k)
      (call $churn)
      (resume $b (local.get $k)))
    ;; The same with all bound at first.
    (func (export "run-bound") (param VALUES (ref null $mf)) (result REVERSED) (local $c (ref $b))
      (local.set $c (cont.bind $m $b ALL (cont.new $m (local.get 8))))
      (call $churn)
      (block $h (result (ref $b))
        (return (resume $b (on $t $h) (local.get $c))))
      (local.set $c)
      (call $churn)
      (resume $b (local.get $c)))
    (type $rf (func (result i32 VALUES))) (type $r (cont $rf))
    (func (export "run-grow") (param i32 (ref null $gf)) (result i32 VALUES) (local $k (ref $r))
      (block $h (result (ref $r))
        (return (resume $g (on $t $h) (local.get 0) (cont.new $g (local.get 1)))))
      (local.set $k)
      (resume $r (local.get $k)))
    (func (export "catch-grow") (param i32 (ref null $gf)) (result i32) (local $k (ref $r))
      (block $caught (result i32)
        (try_table (catch $e $caught)
          (resume $g (local.get 0) (cont.new $g (local.get 1)))
          (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (return))
        (unreachable))))"#;

const VALUES: [&str; 8] = ["i32", "i64", "f32", "f64", "v128", "externref", "anyref", "funcref"];

fn text() -> String {
    let mut reversed = VALUES;
    reversed.reverse();
    let all: String = (0..VALUES.len()).map(|i| format!("(local.get {i}) ")).collect();
    MODULE.replace("VALUES", &VALUES.join(" ")).replace("REVERSED", &reversed.join(" ")).replace("ALL", &all)
}

/// Binds one reference after another, with collections in between, to what is fresh and to what waits in a suspend or a
/// switch, after the same continuation has had numbers in these places.
const BIND: &str = r#"(module
    (import "" "gc" (func $gc))
    (type $n (struct (field i32)))
    (type $f4 (func (param (ref $n) i64 anyref (ref null $n)) (result i32))) (type $c4 (cont $f4))
    (type $f3 (func (param i64 anyref (ref null $n)) (result i32))) (type $c3 (cont $f3))
    (type $f2 (func (param anyref (ref null $n)) (result i32))) (type $c2 (cont $f2))
    ;; What may be bound to a type that waits for `anyref`.
    (type $f2n (func (param (ref $n) (ref null $n)) (result i32))) (type $c2n (cont $f2n))
    (type $f1 (func (param (ref null $n)) (result i32))) (type $c1 (cont $f1))
    (type $f0 (func (result i32))) (type $c0 (cont $f0))
    (type $i4 (func (param i64 i64 i64 i64) (result i32))) (type $ci4 (cont $i4))
    (type $i1 (func (param i64) (result i32))) (type $ci1 (cont $i1))
    (type $sf (func (param (ref null $c4)) (result i32))) (type $s (cont $sf))
    (tag $t (result (ref $n) i64 anyref (ref null $n))) (tag $w (result i32))
    (global $held (mut (ref null $c4)) (ref.null $c4))
    (elem declare func $sum $suspends $switches $keep $numbers)

    (func $new (param i32) (result (ref $n)) (struct.new $n (local.get 0)))
    (func $churn (local $n i32)
      (loop $l
        (drop (call $new (i32.const -1)))
        (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 200))))
      (call $gc))
    (func $sum (type $f4)
      (call $churn)
      (i32.add
        (i32.add (struct.get $n 0 (local.get 0)) (i32.wrap_i64 (local.get 1)))
        (i32.add (struct.get $n 0 (ref.cast (ref $n) (local.get 2))) (struct.get $n 0 (local.get 3)))))
    (func $suspends (type $f0) (return_call $sum (suspend $t)))
    (func $keep (type $sf) (global.set $held (local.get 0)) (i32.const 0))
    (func $switches (type $f0) (return_call $sum (switch $s $w (cont.new $s (ref.func $keep)))))
    (func $numbers (type $i4) (i32.wrap_i64 (local.get 0)))

    (func $bind (param $c (ref null $c4)) (param $how i32) (result i32)
      (local $c3 (ref $c3)) (local $c2 (ref $c2)) (local $c1 (ref null $c1)) (local $c0 (ref $c0))
      (local.set $c3 (cont.bind $c4 $c3 (call $new (i32.const 1)) (local.get $c)))
      (call $churn)
      (local.set $c3 (cont.bind $c3 $c3 (local.get $c3)))
      (if (local.get $how)
        (then
          (local.set $c2 (cont.bind $c3 $c2 (i64.const 20) (local.get $c3)))
          (call $churn)
          (local.set $c1 (cont.bind $c2 $c1 (call $new (i32.const 300)) (local.get $c2))))
        (else
          ;; As the narrower type.
          (local.set $c1 (cont.bind $c2n $c1 (call $new (i32.const 300))
            (cont.bind $c3 $c2n (i64.const 20) (local.get $c3))))))
      (call $churn)
      (local.set $c0 (cont.bind $c1 $c0 (call $new (i32.const 4000)) (local.get $c1)))
      (call $churn)
      (resume $c0 (local.get $c0)))
    (func $old
      (drop (resume $ci1 (i64.const -1)
        (cont.bind $ci4 $ci1 (i64.const -1) (i64.const -1) (i64.const -1) (cont.new $ci4 (ref.func $numbers))))))
    (func (export "fresh") (param i32) (result i32)
      (call $old)
      (call $bind (cont.new $c4 (ref.func $sum)) (local.get 0)))
    (func (export "suspended") (param i32) (result i32)
      (call $old)
      (call $bind
        (block $h (result (ref $c4)) (drop (resume $c0 (on $t $h) (cont.new $c0 (ref.func $suspends)))) (unreachable))
        (local.get 0)))
    (func (export "switched") (param i32) (result i32)
      (call $old)
      (drop (resume $c0 (on $w switch) (cont.new $c0 (ref.func $switches))))
      (call $bind (global.get $held) (local.get 0))))"#;

struct Wasm {
    store: Store<()>,
    instance: Instance,
}

fn call(mut store: impl AsContextMut, instance: Instance, name: &str, args: &[Val]) -> Result<Vec<Val>> {
    let func = instance.get_func(&mut store, name).unwrap();
    let mut results = vec![Val::I32(0); func.ty(&store).results().len()];
    func.call(&mut store, args, &mut results)?;
    Ok(results)
}

impl Wasm {
    fn call(&mut self, name: &str, args: &[Val]) -> Result<Vec<Val>> {
        call(&mut self.store, self.instance, name, args)
    }

    fn func(&mut self, name: &str) -> Val {
        Val::FuncRef(self.instance.get_func(&mut self.store, name))
    }

    /// A host function of the type that this export has.
    fn host(
        &mut self,
        like: &str,
        body: impl Fn(Caller<'_, ()>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Val {
        let ty = self.instance.get_func(&mut self.store, like).unwrap().ty(&self.store);
        Val::FuncRef(Some(Func::new(&mut self.store, ty, body)))
    }

    /// What a value is, as far as it can be told.
    fn show(&mut self, val: &Val) -> String {
        match val {
            Val::I32(n) => format!("{n}"),
            Val::I64(n) => format!("{n}"),
            Val::F32(bits) => format!("{}", f32::from_bits(*bits)),
            Val::F64(bits) => format!("{}", f64::from_bits(*bits)),
            Val::V128(bits) => format!("{:x}", bits.as_u128()),
            Val::ExternRef(Some(host)) => {
                format!("host {:?}", host.data(&self.store).unwrap().unwrap().downcast_ref::<i32>().unwrap())
            }
            Val::AnyRef(Some(_)) => format!("node {}", self.call("number", &[*val]).unwrap()[0].unwrap_i32()),
            Val::FuncRef(Some(func)) => format!("func {}", func.ty(&self.store).params().len()),
            Val::ExternRef(None) | Val::FuncRef(None) => "null".to_string(),
            other => panic!("{other:?}"),
        }
    }

    fn show_all(&mut self, vals: &[Val]) -> Vec<String> {
        vals.iter().map(|val| self.show(val)).collect()
    }
}

/// Numbers, and references to objects that only they hold.
fn values(wasm: &mut Wasm, n: i32) -> Vec<Val> {
    let node = wasm.call("node", &[Val::I32(n)]).unwrap()[0];
    vec![
        Val::I32(n),
        Val::I64(i64::from(n) << 33),
        Val::F32((n as f32).to_bits()),
        Val::F64(f64::from(n).to_bits()),
        Val::V128((n as u128 * 0x1_0000_0001_0000_0001).into()),
        Val::ExternRef(Some(ExternRef::new(&mut wasm.store, n).unwrap())),
        node,
        wasm.func("node"),
    ]
}

fn each_setup(text: &str, test: impl Fn(&mut Wasm)) {
    each_backend(|config| {
        for collector in COLLECTORS {
            // With a few no stack is kept, and nothing is freed by compiled code.
            for stacks in [2, 3, 1000] {
                let mut config = config();
                config
                    .collector(collector)
                    .continuation_stacks(stacks)
                    .continuations_per_store(stacks.min(64));
                let engine = Engine::new(&config).unwrap();
                let module = Module::new(&engine, text).unwrap();
                let mut store = Store::new(&engine, ());
                let gc = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| caller.gc(None));
                let instance = Instance::new(&mut store, &module, &[gc.into()]).unwrap();
                let mut wasm = Wasm { store, instance };
                test(&mut wasm);
                assert_eq!(wasm.store.continuation_statistics().alive, 0);
            }
        }
    });
}

#[test]
fn values_of_every_kind_there_and_back() {
    each_setup(&text(), |wasm| {
        let mirror = wasm.func("mirror");
        let host = wasm.host("mirror", |mut caller, args, results| {
            caller.gc(None)?;
            results.iter_mut().zip(args.iter().rev()).for_each(|(result, arg)| *result = *arg);
            Ok(())
        });
        for n in 1..=20 {
            for (body, run) in
                [(mirror, "run-mirror"), (host, "run-bound"), (mirror, "run-bound"), (host, "run-mirror")]
            {
                let mut args = values(wasm, n);
                let mut expected = wasm.show_all(&args);
                expected.reverse();
                args.push(body);
                let results = wasm.call(run, &args).unwrap();
                assert_eq!(wasm.show_all(&results), expected, "{run}");
            }
        }
    });
}

#[test]
fn more_results_than_parameters() {
    each_setup(&text(), |wasm| {
        let grow = wasm.func("grow");
        let instance = wasm.instance;
        // By what it is given: as the other does, an error, an exception, a trap further in, or what Wasm does on another
        // continuation.
        let host = wasm.host("grow", move |mut caller, args, results| {
            let n = args[0].unwrap_i32();
            match n % 5 {
                1 => bail!("the host says no"),
                2 => {
                    let tag = instance.get_tag(&mut caller, "e").unwrap();
                    let exn = support::exception(&mut caller, &tag, n);
                    return caller.as_context_mut().throw(exn);
                }
                3 => drop(call(&mut caller, instance, "run-grow", &[args[0], Val::FuncRef(None)])?),
                _ => {}
            }
            let grow = Val::FuncRef(instance.get_func(&mut caller, "grow"));
            results.copy_from_slice(&call(&mut caller, instance, "run-grow", &[args[0], grow])?);
            Ok(())
        });
        for n in 0..100 {
            let arg = Val::I32(n);
            let results = wasm.call("run-grow", &[arg, grow]).unwrap();
            let expected = wasm.show_all(&results);
            let number = n.to_string();
            let lanes = format!("{:x}", n as u128 * 0x1_0000_0001_0000_0001_0000_0001);
            let node = format!("node {n}");
            assert_eq!(expected, [&*number, &number, &number, "1.5", "2.5", &lanes, "null", &node, "null"]);
            let result = wasm.call("run-grow", &[arg, host]);
            match n % 5 {
                1 => assert_eq!(result.unwrap_err().root_cause().to_string(), "the host says no"),
                2 => {
                    assert!(result.unwrap_err().is::<ThrownException>());
                    assert_eq!(wasm.call("catch-grow", &[arg, host]).unwrap()[0].unwrap_i32(), n);
                }
                3 => assert_eq!(result.unwrap_err().downcast_ref(), Some(&Trap::NullReference)),
                _ => assert_eq!(wasm.show_all(&result.unwrap()), expected),
            }
        }
    });
}

#[test]
fn references_are_bound_one_by_one() {
    each_setup(BIND, |wasm| {
        for how in [0, 1, 1, 0] {
            for place in ["fresh", "suspended", "switched"] {
                for _ in 0..3 {
                    let sum = wasm.call(place, &[Val::I32(how)]).unwrap()[0].unwrap_i32();
                    assert_eq!(sum, 4321, "{place}");
                }
            }
        }
    });
}
