//! A state machine, written by hand, in place of the blocking style: one instance for all, and no stack for a connection.

use crate::guest::{GUEST, NOT_READY, Sockets, try_io};
use crate::net::{Serve, Socket, Wait};
use std::cell::RefCell;
use std::sync::Arc;
use wasmfx::wasmtime::{
    Caller, Config, Engine, Linker, Module, Result, Store, TypedFunc, bail, error::Context as _,
};

pub(crate) struct Machine {
    store: RefCell<Store<Sockets>>,
    step: TypedFunc<(i32, i32), (i32, i32)>,
    ended: TypedFunc<i32, ()>,
}

impl Machine {
    pub(crate) fn new(config: &Config) -> Result<Machine> {
        let engine = Engine::new(config)?;
        let (shared, _) = GUEST.split_once("  ;; ---- Blocking style").context("the guest has both parts")?;
        let module = Module::new(&engine, format!("{shared}{}", include_str!("machine.wat")))?;
        let mut store = Store::new(&engine, Sockets::default());
        let mut linker = Linker::new(&engine);
        linker.func_wrap(
            "host",
            "read",
            move |caller: Caller<'_, Sockets>, conn: i32, at: i32, len: i32, first: i32| -> Result<i32> {
                io(caller, conn, if first == 0 { Wait::Read } else { Wait::Request }, at, len)
            },
        )?;
        linker.func_wrap(
            "host",
            "write",
            move |caller: Caller<'_, Sockets>, conn: i32, at: i32, len: i32| -> Result<i32> {
                io(caller, conn, Wait::Write, at, len)
            },
        )?;
        linker.func_wrap("host", "sleep", |_: i32, _: i32| -> Result<()> {
            bail!("a state machine returns to sleep")
        })?;
        let instance = linker.instantiate(&mut store, &module)?;
        let memory = instance.get_memory(&mut store, "memory").context("the guest's memory")?;
        store.data_mut().set_memory(memory);
        Ok(Machine {
            step: instance.get_typed_func(&mut store, "step")?,
            ended: instance.get_typed_func(&mut store, "ended")?,
            store: RefCell::new(store),
        })
    }
}

fn io(caller: Caller<'_, Sockets>, conn: i32, wait: Wait, at: i32, len: i32) -> Result<i32> {
    Ok(try_io(caller, conn, wait, at, len)?.unwrap_or(NOT_READY))
}

impl Serve for Machine {
    async fn connection(&self, socket: Arc<Socket>) -> Result<()> {
        let connection =
            Connection { server: self, number: self.store.borrow_mut().data_mut().open(socket.clone()) };
        let (mut late, mut deadline) = (0, None);
        loop {
            let params = (connection.number, late);
            let (wait, milliseconds) = self.step.call(&mut *self.store.borrow_mut(), params)?;
            let Some(wait) = Wait::from_number(wait) else { return Ok(()) };
            late = i32::from(!socket.ready(wait, milliseconds, &mut deadline).await);
        }
    }
}

struct Connection<'a> {
    server: &'a Machine,
    number: i32,
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        let mut store = self.server.store.borrow_mut();
        self.server.ended.call(&mut *store, self.number).expect("the guest puts a buffer into a list");
        store.data_mut().close(self.number);
    }
}
