//! The guest, with one continuation for each connection, and one instance for all.

use crate::net::{Serve, Socket, Wait};
use std::cell::RefCell;
use std::sync::Arc;
use wasmfx::wasmtime::{
    AsContextMut, Caller, Config, ContRef, ContType, Engine, Flow, Func, FuncType, Global, Linker, Memory,
    Module, Result, Store, Suspend, TypedCont, TypedFunc, TypedResumed, TypedTag, Val, ValType,
    error::Context as _, format_err,
};

/// The guest's text.
pub(crate) const GUEST: &str = include_str!("guest.wat");

/// What the store has: the sockets by the numbers that the guest knows them by.
#[derive(Default)]
pub(crate) struct Sockets {
    sockets: Vec<Option<Arc<Socket>>>,
    free: Vec<usize>,
    memory: Option<Memory>,
}

impl Sockets {
    pub(crate) fn open(&mut self, socket: Arc<Socket>) -> i32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.sockets.push(None);
            self.sockets.len() - 1
        });
        self.sockets[number] = Some(socket);
        number.try_into().expect("fewer sockets than numbers")
    }

    pub(crate) fn close(&mut self, number: i32) {
        let number = number.cast_unsigned() as usize;
        self.sockets[number] = None;
        self.free.push(number);
    }

    /// The guest's memory, from when it is instantiated.
    pub(crate) fn set_memory(&mut self, memory: Memory) {
        self.memory = Some(memory);
    }
}

/// Reads into the guest's memory or writes from there. `None`: the socket is not ready.
pub(crate) fn try_io(
    mut store: impl AsContextMut<Data = Sockets>,
    number: i32,
    wait: Wait,
    at: i32,
    len: i32,
) -> Result<Option<i32>> {
    let mut store = store.as_context_mut();
    let memory = store.data().memory.context("the guest's memory is not known yet")?;
    let (memory, sockets) = memory.data_and_store_mut(&mut store);
    let socket = sockets.sockets.get(number.cast_unsigned() as usize).and_then(Option::as_ref);
    let socket = socket.with_context(|| format!("the guest uses connection {number}, which is not open"))?;
    Ok(socket.try_io(wait, bytes(memory, at, len)?))
}

/// Bytes of a guest's memory.
pub(crate) fn bytes(memory: &mut [u8], at: i32, len: i32) -> Result<&mut [u8]> {
    let [at, len] = [at, len].map(|n| n.cast_unsigned() as usize);
    let bytes = memory.get_mut(at..).and_then(|bytes| bytes.get_mut(..len));
    bytes.with_context(|| format!("the guest has no {len} bytes at {at:#x}"))
}

/// What `try` returns if the socket is not ready.
pub(crate) const NOT_READY: i32 = -2;

/// What a suspended connection waits for: a [`Wait`], an address or milliseconds, and a length.
type Payload = (i32, i32, i32);

/// The server: a guest whose calls of the host suspend.
pub(crate) struct Continuations {
    store: RefCell<Store<Sockets>>,
    serve: Func,
    serve_type: ContType,
    ended: TypedFunc<i32, ()>,
    stopping: Global,
    waits: TypedTag<Payload, i32>,
}

impl Continuations {
    /// The configuration of an engine for many small continuations.
    pub(crate) fn config() -> Config {
        let mut config = wasmfx::config();
        config.continuation_stack_size(16 << 10);
        config
    }

    pub(crate) fn new(config: &Config) -> Result<Continuations> {
        let engine = Engine::new(config)?;
        let module = Module::new(&engine, GUEST)?;
        let mut store = Store::new(&engine, Sockets::default());
        let mut linker = Linker::new(&engine);
        linker.func_wrap("net", "try", |caller: Caller<'_, Sockets>, number, wait, at, len| {
            let wait = Wait::from_number(wait).context("the imports wait for nothing else")?;
            Ok(try_io(caller, number, wait, at, len)?.unwrap_or(NOT_READY))
        })?;
        // They are called for each request, so they are Wasm, in which a call of the host and a `suspend` are fastest.
        let imports = Module::new(&engine, include_str!("imports.wat"))?;
        let imports = linker.instantiate(&mut store, &imports)?;
        linker.instance(&mut store, "host", imports)?;
        let tag = export(imports.get_tag(&mut store, "waits"), "waits")?;
        // A function of the host can suspend as well.
        let ty = FuncType::new(&engine, [ValType::I32, ValType::I32], []);
        linker.func_suspending("host", "sleep", ty, move |_, args, _| {
            let payload = [Val::I32(Wait::Sleep as i32), args[1], Val::I32(0)];
            // The tag has a result, and the function has none.
            Ok(Suspend::new(tag, payload).then(|_, _, _| Ok(Flow::Return)).into())
        })?;

        let instance = linker.instantiate(&mut store, &module)?;
        let serve = export(instance.get_func(&mut store, "serve"), "serve")?;
        let stopping = export(instance.get_global(&mut store, "stopping"), "stopping")?;
        let memory = export(instance.get_memory(&mut store, "memory"), "memory")?;
        store.data_mut().set_memory(memory);
        Ok(Continuations {
            serve,
            serve_type: ContType::new(&engine, serve.ty(&store))?,
            ended: instance.get_typed_func(&mut store, "ended")?,
            stopping,
            waits: tag.typed(&store)?,
            store: RefCell::new(store),
        })
    }

    /// Continuations that are alive, and bytes of the guest's memory.
    pub(crate) fn size(&self) -> (usize, usize) {
        let store = self.store.borrow();
        let memory = store.data().memory.map_or(0, |memory| memory.data_size(&*store));
        (store.continuation_statistics().alive, memory)
    }
}

fn export<T>(export: Option<T>, name: &str) -> Result<T> {
    export.ok_or_else(|| format_err!("the guest does not export `{name}`"))
}

impl Serve for Continuations {
    async fn connection(&self, socket: Arc<Socket>) -> Result<()> {
        let mut connection = Connection::open(self, socket.clone())?;
        let (mut answer, mut deadline) = (connection.number, None);
        while let Some((what, at, len)) = connection.resume(answer)? {
            let wait = Wait::from_number(what).context("the imports suspend with nothing else")?;
            answer = loop {
                if !socket.ready(wait, at, &mut deadline).await {
                    break wait.in_vain();
                }
                let mut store = self.store.borrow_mut();
                if let Some(count) = try_io(&mut *store, connection.number, wait, at, len)? {
                    break count;
                }
            };
        }
        Ok(())
    }

    fn stop(&self) {
        let mut store = self.store.borrow_mut();
        self.stopping.set(&mut *store, Val::I32(1)).expect("a variable of type i32");
    }
}

/// One connection and its continuation. Nothing of it is left when this is dropped, at whatever place.
struct Connection<'a> {
    server: &'a Continuations,
    number: i32,
    /// `None` while it runs, and when it has ended.
    cont: Option<TypedCont<i32, ()>>,
}

impl<'a> Connection<'a> {
    fn open(server: &'a Continuations, socket: Arc<Socket>) -> Result<Connection<'a>> {
        let mut store = server.store.borrow_mut();
        let cont = ContRef::new(&mut *store, &server.serve_type, server.serve)?;
        let cont = cont.typed(&mut *store)?;
        Ok(Connection { server, number: store.data_mut().open(socket), cont: Some(cont) })
    }

    /// Runs the guest until it waits. `None`: it has returned.
    fn resume(&mut self, answer: i32) -> Result<Option<Payload>> {
        let cont = self.cont.take().expect("it is fresh or suspended");
        let reference = cont.cont();
        let mut store = self.server.store.borrow_mut();
        let resumed = cont.resume(&mut *store, answer, &self.server.waits);
        if resumed.is_err() {
            // A limit leaves the reference usable; after a trap there is nothing to end.
            let _ = reference.discard(&mut *store);
        }
        Ok(match resumed? {
            TypedResumed::Returned(()) => None,
            TypedResumed::Suspended { payload, cont } => {
                self.cont = Some(cont);
                Some(payload)
            }
        })
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        let mut store = self.server.store.borrow_mut();
        if let Some(cont) = self.cont.take() {
            cont.cont().discard(&mut *store).expect("it is fresh or suspended");
        }
        // After a trap or a `discard` the guest still has the connection's buffer.
        self.server.ended.call(&mut *store, self.number).expect("the guest puts a buffer into a list");
        store.data_mut().close(self.number);
    }
}
