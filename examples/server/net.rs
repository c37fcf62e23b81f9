//! Sockets, what a connection waits for, and the end of the server. Nothing here depends on how connections are served.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How long the server waits, and for how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at a time, no more than [`Limits::MOST`]. Others wait until one ends.
    pub(crate) connections: usize,
    /// From one request to the next.
    pub(crate) idle: Duration,
    /// For all bytes of a request from the first pause on, and for each time that the client takes nothing of a response.
    pub(crate) request: Duration,
    /// For what is under way when the server stops.
    pub(crate) grace: Duration,
}

impl Limits {
    /// The guest's table of connections has this many entries.
    pub(crate) const MOST: usize = 16_384;
}

impl Default for Limits {
    fn default() -> Limits {
        let [idle, request, grace] = [60, 10, 10].map(Duration::from_secs);
        Limits { connections: 10_240, idle, request, grace }
    }
}

/// What a connection waits for. The numbers are also those by which guests name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The first bytes of a request.
    Request = 1,
    /// More of a request.
    Read = 2,
    /// Room for more of a response.
    Write = 3,
    /// Some milliseconds.
    Sleep = 4,
}

impl Wait {
    pub(crate) fn from_number(number: i32) -> Option<Wait> {
        [Wait::Request, Wait::Read, Wait::Write, Wait::Sleep].into_iter().find(|&wait| wait as i32 == number)
    }

    /// What a guest gets that has waited in vain: nothing more comes of a request that has not begun.
    pub(crate) fn in_vain(self) -> i32 {
        if self == Wait::Request { 0 } else { BROKEN }
    }
}

/// What a guest gets in place of a number of bytes: the client does not take a response, or a request comes too slowly.
const BROKEN: i32 = -1;

/// So often a connection reads and writes without waiting before it is the turn of others, as a client may send requests
/// faster than they are answered.
const TURN: u32 = 32;

/// One connection's socket.
pub(crate) struct Socket {
    stream: TcpStream,
    limits: Limits,
    stop: Arc<Stop>,
    /// What is left of [`TURN`].
    turn: AtomicU32,
    /// Whether something was written since the last pause: the bytes of the next request have their own time.
    answered: AtomicBool,
}

#[derive(Default)]
struct Stop {
    stopping: AtomicBool,
    notify: Notify,
}

impl Socket {
    /// Reads what has arrived, or writes: returns how many bytes, 0 if no more will come, [`BROKEN`] if no more can go. `None`:
    /// nothing now, so [`Socket::ready`] comes next.
    pub(crate) fn try_io(&self, wait: Wait, bytes: &mut [u8]) -> Option<i32> {
        match wait {
            // A client that resets the connection sends nothing more either.
            Wait::Request | Wait::Read => self.attempt(|| self.stream.try_read(bytes), 0),
            Wait::Write => {
                self.answered.store(true, Relaxed);
                self.attempt(|| self.stream.try_write(bytes), BROKEN)
            }
            Wait::Sleep => Some(0),
        }
    }

    fn attempt(&self, mut operation: impl FnMut() -> io::Result<usize>, failed: i32) -> Option<i32> {
        let left = self.turn.load(Relaxed);
        if left == 0 {
            return None;
        }
        self.turn.store(left - 1, Relaxed);
        loop {
            match operation() {
                Ok(count) => return Some(i32::try_from(count).expect("no more than a guest has room for")),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Some(failed),
            }
        }
    }

    /// Waits until it is worth while to try again. `false`: in vain, as it takes too long, or as the server stops and no request is
    /// under way. `deadline` is the connection's, for the request.
    pub(crate) async fn ready(&self, wait: Wait, milliseconds: i32, deadline: &mut Option<Instant>) -> bool {
        if self.turn.swap(TURN, Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        if self.answered.swap(false, Relaxed) {
            *deadline = None;
        }
        match wait {
            Wait::Request => {
                *deadline = None;
                let stop = self.stop.notify.notified();
                if self.stop.stopping.load(Relaxed) {
                    return false;
                }
                tokio::select! {
                    biased;
                    ready = timeout(self.limits.idle, self.stream.readable()) => ready.is_ok(),
                    () = stop => false,
                }
            }
            Wait::Read => {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.limits.request);
                timeout_at(deadline, self.stream.readable()).await.is_ok()
            }
            Wait::Write => timeout(self.limits.request, self.stream.writable()).await.is_ok(),
            Wait::Sleep => {
                sleep(Duration::from_millis(milliseconds.try_into().unwrap_or(0))).await;
                true
            }
        }
    }

    /// Ends the connection so that the client gets the last response, even if it has sent what nobody has read: that would
    /// reset the connection if the socket were closed at once.
    async fn close(mut self) {
        if self.stream.shutdown().await.is_err() {
            return;
        }
        let drain = async {
            let mut buffer = [0; 1024];
            // As much as a guest refuses to read, and some more.
            for _ in 0..64 {
                if !matches!(self.stream.read(&mut buffer).await, Ok(1..)) {
                    return;
                }
            }
        };
        let _ = timeout(Duration::from_secs(1), drain).await;
    }
}

/// Raises the limit of descriptors for this process, which is low on most systems, if that is needed for so many.
///
/// # Errors
///
/// If the hard limit is lower.
pub(crate) fn allow_descriptors(wanted: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        if limit.maximum.is_some_and(|most| most < wanted) {
            let message = format!(
                "the hard limit of descriptors is below {wanted}: let root raise it (`ulimit -Hn`), or lower `Limits::connections`"
            );
            return Err(io::Error::other(message));
        }
        limit.current = limit.current.map(|current| current.max(wanted));
        setrlimit(Resource::Nofile, limit)?;
    }
    let _ = wanted;
    Ok(())
}

/// What serves connections.
pub(crate) trait Serve: 'static {
    /// Serves one connection until it ends. If the future is dropped, the connection ends at once, and leaves nothing behind.
    fn connection(&self, socket: Arc<Socket>) -> impl Future<Output = wasmfx::wasmtime::Result<()>>;

    /// The server stops: what is under way may end.
    fn stop(&self) {}
}

/// How the connections of a server have ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    /// By themselves.
    pub(crate) well: usize,
    /// By a trap.
    pub(crate) failed: usize,
    /// By the server, after the time that it gives to what is under way when it stops.
    pub(crate) cancelled: usize,
}

/// Serves all that connects until `stop` is ready, and then ends:
///
/// ```text
///   stop ready    accepts no more; connections between two requests end; others end after the response
///   grace over    the tasks of those that are left are dropped, and with them their continuations
/// ```
pub(crate) async fn run(
    listener: TcpListener,
    server: Rc<impl Serve>,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> Ended {
    let (mut tasks, mut ended) = (JoinSet::new(), Ended::default());
    let stopping = Arc::<Stop>::default();
    let mut count = |result: Result<wasmfx::wasmtime::Result<()>, tokio::task::JoinError>| match result {
        Ok(Ok(())) => ended.well += 1,
        Ok(Err(error)) => {
            ended.failed += 1;
            eprintln!("a connection has failed: {error:?}");
        }
        Err(error) if error.is_cancelled() => ended.cancelled += 1,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    let mut stop = std::pin::pin!(stop);
    let most = limits.connections.min(Limits::MOST);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(result) = tasks.join_next() => count(result),
            accepted = listener.accept(), if tasks.len() < most => match accepted {
                Ok((stream, _)) => {
                    // Responses are written whole.
                    let _ = stream.set_nodelay(true);
                    let socket = Socket { stream, limits, stop: stopping.clone(), turn: AtomicU32::new(TURN), answered: AtomicBool::new(false) };
                    let (socket, server) = (Arc::new(socket), server.clone());
                    tasks.spawn_local(async move {
                        let result = server.connection(socket.clone()).await;
                        if let Some(socket) = Arc::into_inner(socket) {
                            socket.close().await;
                        }
                        result
                    });
                }
                // A client that is gone already, or no descriptors: one may be free soon.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
        }
    }
    drop(listener);
    stopping.stopping.store(true, Relaxed);
    server.stop();
    stopping.notify.notify_waiters();
    let all = async {
        while let Some(result) = tasks.join_next().await {
            count(result);
        }
    };
    if timeout(limits.grace, all).await.is_err() {
        tasks.abort_all();
        while let Some(result) = tasks.join_next().await {
            count(result);
        }
    }
    ended
}
