//! A program with WASI: `wasmtime-wasi`, as it is published, gives a guest with continuations its standard output.
//!
//! ```text
//!   host                        guest
//!   _start -------------------> resumes threads in turn
//!          <-- fd_write ------- a thread prints, on the stack of its continuation
//!   compares what was printed
//! ```
//!
//! `cargo run --example wasi`

use wasmfx::wasmtime::*;
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

fn main() -> Result<()> {
    let engine = Engine::new(&wasmfx::config())?;
    let module = Module::from_file(&engine, concat!(env!("CARGO_MANIFEST_DIR"), "/examples/threads.wat"))?;

    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |context| context)?;

    // `inherit_stdout` gives the guest the host's; here the host wants to see what was printed.
    let stdout = MemoryOutputPipe::new(1024);
    let context = WasiCtx::builder().stdout(stdout.clone()).build_p1();
    let mut store = Store::new(&engine, context);

    let instance = linker.instantiate(&mut store, &module)?;
    instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ())?;

    let printed = String::from_utf8(stdout.contents().to_vec())?;
    print!("{printed}");
    assert!(printed.starts_with("thread 1 step 1\nthread 1 step 2\nthread 2 step 1\n"));
    assert_eq!(printed.lines().count(), 9);
    Ok(())
}
