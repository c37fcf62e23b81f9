//! Runs a program with WASI.

use wasmfx::wasmtime::{Engine, Linker, Module, Result, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{I32Exit, WasiCtx};

/// How a program ended, and what it has printed.
pub(crate) struct Ran {
    pub(crate) ended: Result<()>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `_start`. An error that is not the program's own is one of this function.
pub(crate) fn run(engine: &Engine, module: &Module) -> Result<Ran> {
    let mut linker: Linker<WasiP1Ctx> = Linker::new(engine);
    p1::add_to_linker_sync(&mut linker, |context| context)?;
    let [stdout, stderr] = [(); 2].map(|()| MemoryOutputPipe::new(1 << 16));
    let context = WasiCtx::builder().stdout(stdout.clone()).stderr(stderr.clone()).arg("program").build_p1();
    let mut store = Store::new(engine, context);
    let instance = linker.instantiate(&mut store, module)?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    let ended = match start.call(&mut store, ()) {
        Err(error) if error.downcast_ref::<I32Exit>().is_some_and(|exit| exit.0 == 0) => Ok(()),
        ended => ended,
    };
    drop(store);
    let [stdout, stderr] =
        [stdout, stderr].map(|pipe| String::from_utf8_lossy(&pipe.contents()).into_owned());
    Ok(Ran { ended, stdout, stderr })
}
