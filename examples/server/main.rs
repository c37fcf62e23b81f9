//! An HTTP/1.1 server. The guest is Wasm that serves one connection in blocking style; the host has ten thousand connections.
//!
//! Each connection is a task of tokio's and a continuation of the guest. All share one instance and one thread:
//!
//! ```text
//!   task of a connection              guest, on a stack of its own
//!   resume(number) -----------------> serve(number)
//!                                       read(number, ...)
//!                                         the socket has nothing:
//!   (Request, address, length) <-----     the import suspends
//!   the socket is readable?
//!     other tasks run, and resume their continuations
//!   read to the address
//!   resume(how many bytes) ---------->    the import returns
//!                                       parse, write(number, ...), read(number, ...)
//!   ...
//! ```
//!
//! `read` and `write` are functions of `imports.wat`, which try, and suspend only if the socket is not ready; `sleep` always suspends.
//! After 32 reads and writes without a wait, a connection also gives way to the others. The guest has no instruction of stack
//! switching.
//!
//! A client that sends half a request and waits:
//!
//! 1. The guest calls `read`. The import calls `net.try`, which returns the half that is there.
//! 2. The guest needs more, and calls `read` again. `net.try` returns -2, and the import suspends to `waits` with (Read, address, length).
//! 3. The task waits until the socket is readable, for 10 seconds at most. The continuation keeps its stack meanwhile.
//! 4. If bytes come, the host reads them to the address and resumes with their number: `read` returns, and the guest goes on.
//! 5. If none come, the host resumes with -1. The guest answers 408 and returns, and the connection ends.
//!
//! A trap ends the continuation in which it happens, and other connections go on. A task that ends, or is cancelled, drops its
//! `Connection`. That ends the continuation, if it has not ended, and gives its memory in the guest back.
//!
//! A guest that computes for long without a call of the host holds the other connections up; epochs
//! (`Config::epoch_interruption`) would trap such a guest. Connections that do not trust each other need an instance each.
//!
//! | path | |
//! | --- | --- |
//! | `/` | a greeting |
//! | `/echo` | returns the body of a `POST`, up to 16 KiB |
//! | `/sleep?ms=N` | answers after so many milliseconds |
//! | `/trap` | the guest traps |
//!
//! `cargo run --release --example server -- 127.0.0.1:8080`, then `curl -d text http://127.0.0.1:8080/echo`. Ctrl-C stops the server:
//! it finishes what is under way.
//!
//! | file | has |
//! | --- | --- |
//! | `guest.wat` | HTTP, in blocking style |
//! | `imports.wat` | the guest's `read` and `write`, which suspend |
//! | `guest.rs` | the guest and its continuations |
//! | `net.rs` | sockets, timeouts, the end of the server |

mod guest;
mod net;

use guest::Continuations;
use net::Limits;
use std::rc::Rc;
use tokio::net::TcpListener;
use tokio::task::LocalSet;
use wasmfx::wasmtime::{Result, error::Context as _};

fn main() -> Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let limits = Limits::default();
    net::allow_descriptors(limits.connections as u64 + 100)?;
    let server = Rc::new(Continuations::new(&Continuations::config())?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(&address);
        let listener = listener.await.with_context(|| format!("cannot listen on {address}: name another"))?;
        println!("serves http://{}", listener.local_addr()?);
        let stop = async {
            let _ = tokio::signal::ctrl_c().await;
            println!("stops");
        };
        wasmfx::wasmtime::error::Ok(net::run(listener, server.clone(), limits, stop).await)
    })?;
    let (alive, memory) = server.size();
    let net::Ended { well, failed, cancelled } = ended;
    println!("connections: {well} have ended well, {failed} have failed, {cancelled} were cancelled");
    println!("continuations that are left: {alive}; the guest's memory: {} KiB", memory >> 10);
    Ok(())
}
