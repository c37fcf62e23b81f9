//! Attacks on host calls: host functions of every signature, sync and async, that give back what they get after they have collected,
//! grown, entered again; on the smallest stacks at every depth; memories of 64 bits; frames that are large; tail calls.

mod support;

use support::{block_on, each_backend, wait};
use wasmfx::wasmtime::*;

/// `kind`: the type, a constant of it that is made from a local `$i`, and what turns it into an i32 again.
const KINDS: [(&str, &str, &str); 9] = [
    ("i32", "(local.get $i)", ""),
    ("i64", "(i64.extend_i32_u (local.get $i))", "(i32.wrap_i64)"),
    ("f32", "(f32.convert_i32_u (local.get $i))", "(i32.trunc_f32_u)"),
    ("f64", "(f64.convert_i32_u (local.get $i))", "(i32.trunc_f64_u)"),
    ("v128", "(i32x4.splat (local.get $i))", "(i32x4.extract_lane 3)"),
    ("anyref", "(struct.new $s (local.get $i))", "(struct.get $s 0 (ref.cast (ref $s)))"),
    (
        "externref",
        "(extern.convert_any (struct.new $s (local.get $i)))",
        "(struct.get $s 0 (ref.cast (ref $s) (any.convert_extern)))",
    ),
    ("(ref null $vc)", "(cont.bind $bc $vc (local.get $i) (cont.new $bc (ref.func $give)))", "(resume $vc)"),
    ("i31ref", "(ref.i31 (local.get $i))", "(i31.get_s)"),
];

/// The host's function takes `kinds` and gives them back; each export checks them all.
fn module(kinds: &[usize], memory64: bool) -> String {
    let types: String = kinds.iter().map(|&kind| format!("{} ", KINDS[kind].0)).collect();
    let make: String = kinds
        .iter()
        .enumerate()
        .map(|(i, &kind)| {
            format!("(local.set $i (i32.add (local.get $n) (i32.const {i}))) {}\n", KINDS[kind].1)
        })
        .collect();
    let check: String = kinds
        .iter()
        .enumerate()
        .rev()
        .map(|(i, &kind)| {
            let back = KINDS[kind].2;
            let back = match back.find('(') {
                Some(_) if back.contains("(ref.cast") && back.contains("(any.convert") => {
                    "(any.convert_extern) (ref.cast (ref $s)) (struct.get $s 0)".to_string()
                }
                Some(_) if back.contains("(ref.cast") => "(ref.cast (ref $s)) (struct.get $s 0)".to_string(),
                _ => back.to_string(),
            };
            format!("{back} (i32.add (local.get $n) (i32.const {i})) (i32.ne) (if (then (unreachable)))\n")
        })
        .collect();
    let memory = if memory64 { "i64" } else { "" };
    let index = if memory64 { "i64" } else { "i32" };
    format!(
        r#"(module
        (type $s (struct (field i32)))
        (type $vf (func (result i32))) (type $vc (cont $vf))
        (type $bf (func (param i32) (result i32))) (type $bc (cont $bf))
        (type $h (func (param {types}) (result {types})))
        (type $hc (cont $h))
        (type $ft (func (param i32))) (type $ct (cont $ft)) (tag $t) (type $uf (func)) (type $uc (cont $uf))
        (import "" "host" (func $host (type $h)))
        (import "" "host" (func $other (type $h)))
        (memory (export "m") {memory} 1 1000)
        (elem declare func $give $host $calls $tails $waits $down)
        (func $give (type $bf) (local.get 0))
        (func $churn (local $i i32)
          (local.set $i (i32.const 50))
          (loop $l (drop (struct.new $s (i32.const 9)))
            (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
        (func $tail (param $n i32) (result {types}) (local $i i32) {make} (return_call $other))
        (func $calls (param $n i32) (local $i i32)
          ({index}.store ({index}.const 65528) ({index}.const 7))
          {make} (call $host) (call $churn) {check}
          (if (i32.ne (i32.const 7) (i32.load ({index}.const 65528))) (then (unreachable))))
        (func $tails (param $n i32) (call $tail (local.get $n)) (call $churn) {check})
        (func $waits (param $n i32) (suspend $t) (call $calls (local.get $n)) (call $tails (local.get $n)))
        (func (export "calls") (param $n i32) (resume $ct (local.get $n) (cont.new $ct (ref.func $calls))))
        (func (export "tails") (param $n i32) (resume $ct (local.get $n) (cont.new $ct (ref.func $tails))))
        (func (export "body") (param $n i32) (local $i i32)
          {make} (resume $hc (cont.new $hc (ref.func $host))) (call $churn) {check})
        (func (export "waits") (param $n i32)
          (block $h (result (ref $uc))
            (resume $ct (on $t $h) (local.get $n) (cont.new $ct (ref.func $waits))) (unreachable))
          (resume $uc))
        ;; With every amount of stack left.
        (func $down (type $ft)
          (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1))))
            (else (call $calls (i32.const 3)) (call $tails (i32.const 3)))))
        (func (export "down") (type $ft) (resume $ct (local.get 0) (cont.new $ct (ref.func $down)))))"#
    )
}

/// How many values, of which kinds.
fn signatures() -> Vec<Vec<usize>> {
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    [0, 1, 4, 9, 17, 40, 1000]
        .into_iter()
        .map(|count| (0..count).map(|_| random(KINDS.len())).collect())
        .collect()
}

/// What the host does with the store meanwhile.
fn disturb<T>(caller: &mut Caller<'_, T>) -> Result<()> {
    let memory = caller.get_export("m").and_then(|e| e.into_memory()).unwrap();
    if memory.size(&caller) < 500 {
        memory.grow(&mut *caller, 1)?;
    }
    caller.gc(None)?;
    Ok(())
}

fn check(run: &mut dyn FnMut(&str, i32) -> Result<()>, size: usize, many: usize) {
    for export in ["calls", "tails", "body", "waits"] {
        let result = run(export, 5);
        if size < 512 << 10 && many > 100 {
            // Such frames need more.
            if let Err(error) = result {
                assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "{export}: {error:?}");
            }
        } else {
            result.unwrap();
        }
    }
    if size == 16 << 10 {
        let mut depth = 0;
        while let Ok(()) = run("down", depth) {
            depth += 7;
        }
        for depth in depth.saturating_sub(7)..depth + 20 {
            if let Err(error) = run("down", depth) {
                assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow), "down: {error:?}");
            }
        }
    }
}

fn values(asynchronous: bool) {
    for (kinds, memory64) in signatures().into_iter().zip([false, true].into_iter().cycle()) {
        // Each continuation counts against the store's.
        let module = module(&kinds, memory64);
        each_backend(|config| {
            let mut config = config();
            config.wasm_memory64(true);
            if kinds.len() < 200 {
                // Larger frames. Of a thousand values they would be refused.
                config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
            }
            let code = Engine::new(config.collector(Collector::Copying)).unwrap();
            let code = code.precompile_module(module.as_bytes()).unwrap();
            for size in [16 << 10, 512 << 10] {
                let engine = Engine::new(config.continuation_stack_size(size)).unwrap();
                // SAFETY: `deserialize`: `code` is what `precompile_module` returned, unmodified.
                let module = unsafe { Module::deserialize(&engine, &code) }.unwrap();
                let mut store = Store::new(&engine, ());
                let ty = module.imports().next().unwrap().ty().unwrap_func().clone();
                if asynchronous {
                    let mut linker = Linker::new(&engine);
                    linker
                        .func_new_async("", "host", ty, |mut caller, args, results| {
                            Box::new(async move {
                                wait(1).await;
                                let memory = caller.get_export("m").and_then(|e| e.into_memory()).unwrap();
                                if memory.size(&caller) < 500 {
                                    memory.grow_async(&mut caller, 1).await?;
                                }
                                caller.gc_async(None).await?;
                                wait(1).await;
                                results.copy_from_slice(args);
                                Ok(())
                            })
                        })
                        .unwrap();
                    let instance = block_on(linker.instantiate_async(&mut store, &module)).unwrap();
                    let mut run = |export: &str, n: i32| {
                        let run = instance.get_typed_func::<i32, ()>(&mut store, export)?;
                        block_on(run.call_async(&mut store, n))
                    };
                    check(&mut run, size, kinds.len());
                } else {
                    let host = Func::new(&mut store, ty, |mut caller, args, results| {
                        disturb(&mut caller)?;
                        results.copy_from_slice(args);
                        Ok(())
                    });
                    let instance = Instance::new(&mut store, &module, &[host.into(), host.into()]).unwrap();
                    let mut run = |export: &str, n: i32| {
                        let run = instance.get_typed_func::<i32, ()>(&mut store, export)?;
                        run.call(&mut store, n)
                    };
                    check(&mut run, size, kinds.len());
                }
            }
        });
    }
}

#[test]
fn values_through_sync_hosts() {
    values(false);
}

#[test]
fn values_through_async_hosts() {
    values(true);
}
