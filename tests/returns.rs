//! How compiled functions return: by a jump if they may switch stacks, by a return instruction otherwise; with values in registers
//! and on the stack.
#![cfg(all(target_arch = "x86_64", any(target_os = "linux", target_os = "macos"), feature = "native"))]

use wasmfx::StackSwitchingBackend;
use wasmfx::wasmtime::{Config, Engine, Instance, Module, Store};

/// `pop r11; jmp r11`.
const JUMP: [u8; 5] = [0x41, 0x5b, 0x41, 0xff, 0xe3];
/// `pop rbp; ret`.
const RETURN: [u8; 2] = [0x5d, 0xc3];

const MODULE: &str = r#"(module
    (type $ft (func (result i32))) (type $ct (cont $ft))
    (tag $yield (param i32))
    (func $yield (param i32) (suspend $yield (local.get 0)))
    (func $twice (param i32) (call $yield (local.get 0)) (call $yield (call $add (local.get 0) (i32.const 1))))
    (func $add (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func $body (result i32) (call $twice (i32.const 7)) (i32.const 3))
    (func $resume (param (ref $ct)) (result i32 (ref null $ct))
      (block $on_yield (result i32 (ref $ct))
        (resume $ct (on $yield $on_yield) (local.get 0))
        (ref.null $ct) (return))
      (return))
    (func $sum (export "sum") (result i32)
      (local $cont (ref null $ct)) (local $value i32) (local $sum i32)
      (local.set $cont (cont.new $ct (ref.func $body)))
      (loop $next
        (call $resume (ref.as_non_null (local.get $cont)))
        (local.set $cont) (local.set $value)
        (local.set $sum (call $add (local.get $sum) (local.get $value)))
        (br_if $next (i32.eqz (ref.is_null (local.get $cont)))))
      (local.get $sum))
    (elem declare func $body))"#;

/// Whether each function returns by a jump; fails if one does both, or neither.
fn by_jump(config: &Config) -> Vec<(String, bool)> {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, MODULE).unwrap();
    let text = module.text();
    let functions = module.functions().map(|function| {
        let code = &text[function.offset..function.offset + function.len];
        let has = |end: &[u8]| code.windows(end.len()).any(|bytes| bytes == end);
        let name = function.name.expect("each has a name");
        assert_ne!(has(&JUMP), has(&RETURN), "{name}: {code:x?}");
        (name, has(&JUMP))
    });
    functions.collect()
}

#[test]
fn functions_that_may_switch_return_by_a_jump() {
    let mut config = wasmfx::config();
    let native = by_jump(config.stack_switching_backend(StackSwitchingBackend::Native));
    assert_eq!(native.len(), 6);
    for (name, jump) in native {
        assert_eq!(jump, name != "add", "{name}");
    }
    assert!(by_jump(config.stack_switching_jump_returns(false)).iter().all(|(_, jump)| !jump));
    config.stack_switching_jump_returns(true).stack_switching_backend(StackSwitchingBackend::Libcall);
    assert!(by_jump(&config).iter().all(|(_, jump)| !jump));
}

/// What an export returns.
fn call(module: &str, export: &str) -> i32 {
    let engine = Engine::new(&wasmfx::config()).unwrap();
    let module = Module::new(&engine, module).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let export = instance.get_typed_func::<(), i32>(&mut store, export).unwrap();
    export.call(&mut store, ()).unwrap()
}

#[test]
fn the_sum() {
    assert_eq!(call(MODULE, "sum"), 7 + 8 + 3);
}

/// More parameters and results than registers hold: a function takes its parameters off the stack when it returns.
#[test]
fn values_on_the_stack() {
    const COUNT: usize = 40;
    let types = "i32 f64 v128 i64 ".repeat(COUNT / 4);
    let module = format!(
        r#"(module
            (type $ft (func)) (type $ct (cont $ft))
            (tag $t)
            (func $many (param {types}) (result {types}) (suspend $t) {all})
            (func $tail (param {types}) (result {types}) (return_call $many {all}))
            (func $caller (param {types}) (result {types}) (call $tail {all}) (suspend $t))
            (global $ok (mut i32) (i32.const 0))
            (func $body
              {constants}
              (call $caller)
              {checks}
              (global.set $ok (i32.add (global.get $ok) (i32.const 1))))
            (func (export "run") (result i32)
              (local $c (ref null $ct))
              (local.set $c (cont.new $ct (ref.func $body)))
              (loop $again
                (block $done
                  (block $on_t (result (ref $ct))
                    (resume $ct (on $t $on_t) (local.get $c))
                    (br $done))
                  (local.set $c)
                  (br $again)))
              (global.get $ok))
            (elem declare func $body))"#,
        all = (0..COUNT).map(|n| format!("(local.get {n})")).collect::<String>(),
        constants = (0..COUNT)
            .map(|n| match n % 4 {
                0 => format!("(i32.const {n})"),
                1 => format!("(f64.const {n})"),
                2 => format!("(v128.const i32x4 {n} {n} {n} {n})"),
                _ => format!("(i64.const {n})"),
            })
            .collect::<String>(),
        // From the last one on.
        checks = (0..COUNT)
            .rev()
            .map(|n| match n % 4 {
                0 => format!("(if (i32.ne (i32.const {n})) (then (unreachable)))"),
                1 => format!("(if (f64.ne (f64.const {n})) (then (unreachable)))"),
                2 => format!("(if (i32.ne (i32x4.extract_lane 3) (i32.const {n})) (then (unreachable)))"),
                _ => format!("(if (i64.ne (i64.const {n})) (then (unreachable)))"),
            })
            .collect::<String>(),
    );
    assert_eq!(call(&module, "run"), 1);
}
