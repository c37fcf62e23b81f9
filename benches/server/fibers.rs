//! The same guest as published Wasmtime runs it: a store, an instance and an async fiber for each connection. As in the example, the
//! imports try first, and wait only if the socket is not ready: a call of an async function costs more.

use crate::guest::{GUEST, bytes};
use crate::net::{Serve, Socket, Wait};
use std::sync::Arc;
use tokio::time::Instant;
use wasmfx::wasmtime::{
    Caller, Config, Engine, Func, Instance, InstanceAllocationStrategy, InstancePre, Linker, Memory, Module,
    PoolingAllocationConfig, Result, Store, error::Context as _,
};

pub(crate) struct Fibers {
    guest: Module,
    imports: InstancePre<Data>,
}

/// What each store has.
struct Data {
    socket: Arc<Socket>,
    memory: Option<Memory>,
    deadline: Option<Instant>,
}

impl Fibers {
    /// A pool with places for so many connections, no larger than the guest needs them. `guards`: the memories lie 4 GiB apart,
    /// so that compiled code needs no checks of bounds, and the tables of pages are larger.
    pub(crate) fn config(connections: u32, guards: bool) -> Config {
        // What a guest of one connection has from the beginning.
        let memory = 128 << 10;
        let mut pool = PoolingAllocationConfig::new();
        // The guest's and that of its imports.
        pool.total_core_instances(2 * connections)
            .total_memories(connections)
            .total_stacks(connections)
            .total_tables(0)
            .total_gc_heaps(0)
            .max_tables_per_module(0)
            .max_memory_size(memory);
        let mut config = Config::new();
        config
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
            // A futures's `poll`, with system calls, runs on this stack too.
            .max_wasm_stack(32 << 10)
            .async_stack_size(96 << 10);
        if !guards {
            config.memory_reservation(memory as u64).memory_guard_size(4096);
        }
        config
    }

    pub(crate) fn new(config: &Config) -> Result<Fibers> {
        let engine = Engine::new(config)?;
        let guest = Module::new(&engine, GUEST)?;
        let imports = Module::new(&engine, include_str!("waits.wat"))?;
        let mut linker = Linker::new(&engine);
        linker.func_wrap(
            "net",
            "try",
            |mut caller: Caller<'_, Data>, _: i32, wait: i32, at: i32, len: i32| -> Result<i32> {
                Ok(try_io(&mut caller, wait_of(wait)?, at, len)?.unwrap_or(-2))
            },
        )?;
        linker.func_wrap_async(
            "net",
            "wait",
            |mut caller: Caller<'_, Data>, (wait, at, len): (i32, i32, i32)| {
                Box::new(async move {
                    let wait = wait_of(wait)?;
                    loop {
                        let Data { socket, deadline, .. } = caller.data_mut();
                        if !socket.ready(wait, at, deadline).await {
                            return Ok(wait.in_vain());
                        }
                        if let Some(count) = try_io(&mut caller, wait, at, len)? {
                            return Ok(count);
                        }
                    }
                })
            },
        )?;
        Ok(Fibers { imports: linker.instantiate_pre(&imports)?, guest })
    }
}

fn wait_of(number: i32) -> Result<Wait> {
    Wait::from_number(number).context("the guest waits for something unknown")
}

fn try_io(caller: &mut Caller<'_, Data>, wait: Wait, at: i32, len: i32) -> Result<Option<i32>> {
    let memory = caller.data().memory.context("the guest's memory is not known yet")?;
    let (memory, data) = memory.data_and_store_mut(&mut *caller);
    Ok(data.socket.try_io(wait, bytes(memory, at, len)?))
}

impl Serve for Fibers {
    async fn connection(&self, socket: Arc<Socket>) -> Result<()> {
        let data = Data { socket, memory: None, deadline: None };
        let mut store = Store::new(self.guest.engine(), data);
        let sleep = Func::wrap_async(&mut store, |caller: Caller<'_, Data>, (_, ms): (i32, i32)| {
            Box::new(async move {
                caller.data().socket.ready(Wait::Sleep, ms, &mut None).await;
            })
        });
        let adapter = self.imports.instantiate_async(&mut store).await?;
        let mut imports = Vec::new();
        for import in self.guest.imports() {
            let func = match import.name() {
                "sleep" => sleep,
                name => {
                    adapter.get_func(&mut store, name).context("an import that the host does not have")?
                }
            };
            imports.push(func.into());
        }
        let instance = Instance::new_async(&mut store, &self.guest, &imports).await?;
        store.data_mut().memory = instance.get_memory(&mut store, "memory");
        let serve = instance.get_typed_func::<i32, ()>(&mut store, "serve")?;
        serve.call_async(&mut store, 0).await
    }
}
