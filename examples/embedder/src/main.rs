//! An embedder's own project: its workspace has nothing of wasmfx but the `[patch]` table.
//!
//! | command | does what |
//! | --- | --- |
//! | `embedder` | compiles the generator, and lets Wasm drive it |
//! | `embedder compile FILE` | compiles the generator to a file |
//! | `embedder run FILE` | drives the generator of such a file from Rust; with `--no-default-features` there is no compiler in the program |

use std::env;
#[cfg(feature = "compiler")]
use wasmtime::Func;
use wasmtime::{Config, ContRef, ContType, Engine, Instance, Module, On, Result, Resumed, Store, bail};

#[cfg(feature = "compiler")]
const GENERATOR: &str = r#"(module
    (import "" "print" (func $print (param i32)))
    (type $ft (func)) (type $ct (cont $ft)) (tag $yield (export "yield") (param i32))
    (func $numbers (export "numbers") (local $i i32)
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
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let numbers = match arguments[..] {
        #[cfg(feature = "compiler")]
        [] => driven_by_wasm(&engine)?,
        #[cfg(feature = "compiler")]
        ["compile", file] => {
            std::fs::write(file, engine.precompile_module(GENERATOR.as_bytes())?)?;
            return Ok(());
        }
        ["run", file] => driven_by_the_host(&engine, file)?,
        _ => bail!("usage: embedder [compile FILE | run FILE]; without a compiler: embedder run FILE"),
    };
    println!("{}", numbers.join(" "));
    Ok(())
}

#[cfg(feature = "compiler")]
fn driven_by_wasm(engine: &Engine) -> Result<Vec<String>> {
    let mut store = Store::new(engine, Vec::new());
    let print = Func::wrap(&mut store, |mut caller: wasmtime::Caller<'_, Vec<String>>, n: i32| {
        caller.data_mut().push(n.to_string());
    });
    let module = Module::new(engine, GENERATOR)?;
    let instance = Instance::new(&mut store, &module, &[print.into()])?;
    instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())?;
    Ok(store.into_data())
}

fn driven_by_the_host(engine: &Engine, file: &str) -> Result<Vec<String>> {
    // SAFETY: the file is one that this program has compiled, as the user says.
    let module = unsafe { Module::deserialize_file(engine, file)? };
    let mut store = Store::new(engine, ());
    let mut linker = wasmtime::Linker::new(engine);
    linker.define_unknown_imports_as_traps(&module)?;
    let instance: Instance = linker.instantiate(&mut store, &module)?;
    let (Some(numbers), Some(yields)) =
        (instance.get_func(&mut store, "numbers"), instance.get_tag(&mut store, "yield"))
    else {
        bail!(
            "{file} is not a file that `embedder compile` has made: make one with `embedder compile {file}`"
        );
    };
    let ty = ContType::new(engine, numbers.ty(&store))?;
    let mut cont = ContRef::new(&mut store, &ty, numbers)?;
    let mut seen = Vec::new();
    while let Resumed::Suspended(suspension) =
        cont.resume(&mut store, &[], &mut [], &[On::Suspend(&yields)])?
    {
        seen.extend(suspension.payload[0].i32().map(|n| n.to_string()));
        cont = suspension.cont;
    }
    Ok(seen)
}
