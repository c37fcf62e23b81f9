//! An embedder's own project: its workspace has nothing of wasmfx but the `[patch]` table.

use wasmtime::{Config, Engine, Func, Instance, Module, Result, Store};

const GENERATOR: &str = r#"(module
    (import "" "print" (func $print (param i32)))
    (type $ft (func)) (type $ct (cont $ft)) (tag $yield (param i32))
    (func $numbers (local $i i32)
      (loop $l
        (suspend $yield (local.tee $i (i32.add (local.get $i) (i32.const 1))))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 5)))))
    (elem declare func $numbers)
    (func (export "run") (local $c (ref $ct))
      (local.set $c (cont.new $ct (ref.func $numbers)))
      (loop $l
        (block $on_yield (result i32 (ref $ct))
          (resume $ct (on $yield $on_yield) (local.get $c))
          (return))
        (local.set $c)
        (call $print)
        (br $l))))"#;

fn main() -> Result<()> {
    let mut config = Config::new();
    config.wasm_stack_switching(true);
    let engine = Engine::new(&config)?;
    let mut store = Store::new(&engine, Vec::new());
    let print = Func::wrap(&mut store, |mut caller: wasmtime::Caller<'_, Vec<String>>, n: i32| {
        caller.data_mut().push(n.to_string());
    });
    let module = Module::new(&engine, GENERATOR)?;
    let instance = Instance::new(&mut store, &module, &[print.into()])?;
    instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())?;
    println!("{}", store.data().join(" "));
    Ok(())
}
