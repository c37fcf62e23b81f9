//! A backtrace names the instruction that trapped, and those that wait: on each backend, at each opt-level, with functions
//! inlined or not, with traps by signals or by checks. `tests/wast/traps/offsets.wast` has some as numbers.

mod support;

use support::each_backend;
use wasmfx::wasmtime::*;

/// Opcodes, of which the byte at an offset is one.
const UNREACHABLE: u8 = 0x00;
const CALL: u8 = 0x10;
const DIV: u8 = 0x6d;
const CONT_NEW: u8 = 0xe0;
const BIND: u8 = 0xe1;
const SUSPEND: u8 = 0xe2;
const RESUME: u8 = 0xe3;
const RESUME_THROW: u8 = 0xe4;
const SWITCH: u8 = 0xe6;

const MODULE: &str = r#"(module
    (type $f (func)) (type $c (cont $f)) (tag $t) (tag $x) (tag $i (param i32) (result i32))
    (type $if (func (param i32) (result i32))) (type $ic (cont $if))
    (rec (type $sf (func (param (ref null $sc)))) (type $sc (cont $sf)))
    (import "" "host" (func $host))
    (elem declare func $waits $runs $nests $target $after $adds $zero $nothing $host)
    (func $nothing)
    (func $waits (suspend $t))
    (func $runs (resume $c (cont.new $c (ref.func $waits))))
    (func $nests (resume $c (cont.new $c (ref.func $runs))))
    (func $target (type $sf))
    (func $adds (type $if) (i32.add (local.get 0) (suspend $i (local.get 0))))
    (func $capture (result (ref $c))
      (block $h (result (ref $c)) (resume $c (on $t $h) (cont.new $c (ref.func $nests))) (unreachable)))

    ;; What traps comes right behind a resume that has returned, been left by a suspend, or ended what was spliced.
    (func $resumed (export "resumed") (local $k (ref null $c))
      (local.set $k (call $capture))
      (resume $c (local.get $k)) (nop) (nop) (unreachable))
    (func $returned (export "returned") (resume $c (cont.new $c (ref.func $nothing))) (unreachable))
    (func $handled (export "handled")
      (block $h (result (ref $c)) (resume $c (on $t $h) (cont.new $c (ref.func $waits))) (return))
      (drop) (unreachable))
    (func $result (export "result") (result i32)
      (i32.div_s (resume $ic (i32.const 1) (cont.new $ic (ref.func $zero))) (i32.const 0)))
    (func $zero (type $if) (i32.const 0))
    ;; The same without stacks: a branch, and behind it a trap.
    (func $branches (export "branches") (param i32) (if (local.get 0) (then (nop)) (else (unreachable))))
    (func $leaves (export "leaves") (param i32) (block $out (br_if $out (i32.eqz (local.get 0))) (return)) (unreachable))

    ;; The instructions' own traps.
    (func $no-handler (export "no-handler") (nop) (suspend $x))
    (func $no-handler-inside (type $f) (nop) (suspend $x)) (elem declare func $no-handler-inside)
    (func $wrong-kind (export "wrong-kind")
      (block $h (result (ref $c)) (resume $c (on $t $h) (on $x switch) (cont.new $c (ref.func $no-handler-inside))) (return))
      (drop))
    (func $no-prompt (export "no-prompt") (switch $sc $t (cont.new $sc (ref.func $target))) (drop))
    (func $null (export "null") (resume $c (ref.null $c)))
    (func $null-func (export "null-func") (drop (cont.new $c (ref.null $f))))
    (func $twice (export "twice") (local $k (ref null $c))
      (local.set $k (call $capture)) (resume $c (local.get $k)) (nop) (resume $c (local.get $k)))
    (func $bound (export "bound") (drop (cont.bind $ic $ic (ref.null $ic))))
    (func $thrown (export "thrown") (resume_throw $c $x (ref.null $c)))

    ;; Through several stacks, from the inside out.
    (func $after (resume $c (cont.new $c (ref.func $nothing))) (unreachable))
    (func $outer (type $f) (nop) (resume $c (cont.new $c (ref.func $after)))) (elem declare func $outer)
    (func $deep (export "deep") (call $nothing) (resume $c (cont.new $c (ref.func $outer))))
    (func $calls (type $f) (nop) (call $host)) (elem declare func $calls)
    (func $hosted (export "hosted") (resume $c (cont.new $c (ref.func $calls))))
    (func $hosted-body (export "hosted-body") (nop) (resume $c (cont.new $c (ref.func $host)))))"#;

/// The functions and opcodes that the trap of an export has in its backtrace, from the inside out.
const EXPECTED: &[(&str, &[(&str, u8)])] = &[
    ("resumed", &[("resumed", UNREACHABLE)]),
    ("returned", &[("returned", UNREACHABLE)]),
    ("handled", &[("handled", UNREACHABLE)]),
    ("result", &[("result", DIV)]),
    ("branches", &[("branches", UNREACHABLE)]),
    ("leaves", &[("leaves", UNREACHABLE)]),
    ("no-handler", &[("no-handler", SUSPEND)]),
    ("wrong-kind", &[("no-handler-inside", SUSPEND), ("wrong-kind", RESUME)]),
    ("no-prompt", &[("no-prompt", SWITCH)]),
    ("null", &[("null", RESUME)]),
    ("null-func", &[("null-func", CONT_NEW)]),
    ("twice", &[("twice", RESUME)]),
    ("bound", &[("bound", BIND)]),
    ("thrown", &[("thrown", RESUME_THROW)]),
    ("deep", &[("after", UNREACHABLE), ("outer", RESUME), ("deep", RESUME)]),
    ("hosted", &[("calls", CALL), ("hosted", RESUME)]),
    ("hosted-body", &[("hosted-body", RESUME)]),
];

#[test]
fn a_trap_has_its_own_offset() {
    let bytes = wat::parse_str(MODULE).unwrap();
    each_backend(|config| {
        for (opt_level, inlining) in [
            (OptLevel::None, Inlining::No),
            (OptLevel::Speed, Inlining::No),
            (OptLevel::SpeedAndSize, Inlining::No),
            (OptLevel::Speed, Inlining::Yes),
        ] {
            for signals in [true, false] {
                let mut config = config();
                config
                    .cranelift_opt_level(opt_level)
                    .compiler_inlining(inlining)
                    .signals_based_traps(signals);
                let engine = Engine::new(&config).unwrap();
                let module = Module::new(&engine, &bytes).unwrap();
                let mut store = Store::new(&engine, ());
                let host = Func::wrap(&mut store, || -> Result<()> { Err(Trap::IntegerOverflow.into()) });
                let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
                for &(export, expected) in EXPECTED {
                    let run = instance.get_func(&mut store, export).unwrap();
                    let ty = run.ty(&store);
                    let args = vec![Val::I32(0); ty.params().len()];
                    let mut results = vec![Val::I32(0); ty.results().len()];
                    let error = run.call(&mut store, &args, &mut results).unwrap_err();
                    let trace = error.downcast_ref::<WasmBacktrace>().expect("a trap has a backtrace");
                    let found: Vec<_> = trace
                        .frames()
                        .iter()
                        .map(|frame| {
                            let offset = frame.module_offset().expect("the address map is there");
                            (frame.func_name().unwrap_or("?"), bytes[offset])
                        })
                        .collect();
                    assert_eq!(
                        found, expected,
                        "{export}, {opt_level:?}, inlining {inlining:?}, signals {signals}: {error:?}"
                    );
                }
            }
        }
    });
}
