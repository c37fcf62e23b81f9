//! The server of `examples/server`, with a client of hyper's and with bytes that no client library would send, on each backend.
//! What the protocol says is also asked of the servers that `benches/server.rs` compares it with.
//!
//! Server and clients are tasks of one thread: after a client has got a response, the server has gone on as far as it can with
//! what that client has sent.

mod support;

#[path = "../benches/server/fibers.rs"]
mod fibers;
#[path = "../examples/server/guest.rs"]
mod guest;
#[path = "../benches/server/machine.rs"]
mod machine;
#[path = "../examples/server/net.rs"]
mod net;

use fibers::Fibers;
use guest::Continuations;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use machine::Machine;
use net::{Ended, Limits, Serve};
use std::cell::RefCell;
use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, oneshot};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;
use wasmfx::wasmtime::Config;

/// Nothing takes so long unless it hangs.
const LONG: Duration = Duration::from_secs(120);

/// Limits that no test reaches.
const PATIENT: Limits = {
    let hour = Duration::from_secs(3600);
    Limits { connections: Limits::MOST, idle: hour, request: hour, grace: hour }
};

/// Runs a test on each backend. It gets what makes a server.
fn each_backend(test: impl Fn(&dyn Fn() -> Rc<Continuations>)) {
    for (name, backend) in support::backends() {
        eprintln!("on the {name} backend:");
        let mut config = Continuations::config();
        config.stack_switching_backend(backend);
        test(&|| Rc::new(Continuations::new(&config).unwrap()));
    }
}

/// What a test talks to.
struct Running {
    address: SocketAddr,
    stop: RefCell<Option<oneshot::Sender<()>>>,
}

impl Running {
    fn stop(&self) {
        self.stop.take();
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends this, and reads until the server ends the connection.
    async fn raw(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_ref()).await.unwrap();
        rest(&mut stream).await
    }
}

/// Runs a server until the test is over. A connection that does not end then fails the test.
fn with(server: Rc<impl Serve>, limits: Limits, test: impl AsyncFnOnce(&Running)) -> Ended {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let all = async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        let server = spawn_local(net::run(listener, server, limits, stopped));
        let running = Running { address, stop: RefCell::new(Some(stop)) };
        test(&running).await;
        running.stop();
        server.await.unwrap()
    };
    LocalSet::new().block_on(&runtime, async { timeout(LONG, all).await.expect("nothing hangs") })
}

/// What comes until the connection ends.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

/// What comes, up to these bytes.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        bytes.push(stream.read_u8().await.expect("more comes"));
    }
    String::from_utf8(bytes).unwrap()
}

/// A connection of hyper's.
struct Client(SendRequest<Full<Bytes>>);

impl Client {
    async fn new(running: &Running) -> Client {
        let (sender, connection) = http1::handshake(TokioIo::new(running.connect().await)).await.unwrap();
        spawn_local(connection);
        Client(sender)
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> (StatusCode, HeaderMap, String) {
        let request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap());
        let request = request.uri(path).header("host", "test").body(Full::new(body.into())).unwrap();
        self.0.ready().await.expect("the connection is kept");
        let response = self.0.send_request(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, String::from_utf8(body.into()).unwrap())
    }

    async fn get(&mut self, path: &str) -> (u16, String) {
        let (status, _, body) = self.ask("GET", path, "").await;
        (status.as_u16(), body)
    }
}

const HELLO: &str = "Hello from a continuation\n";

/// Everything that the protocol says, with this server.
fn conforms<S: Serve>(server: impl Fn() -> Rc<S>) {
    eprintln!("a client that keeps its connection");
    let ended = with(server(), PATIENT, async |running| {
        let mut client = Client::new(running).await;
        for _ in 0..3 {
            assert_eq!(client.get("/").await, (200, HELLO.into()));
        }
        let (status, headers, body) = client.ask("HEAD", "/", "").await;
        assert_eq!((status.as_u16(), body.as_str()), (200, ""));
        assert_eq!(headers["content-length"], HELLO.len().to_string());
        assert_eq!(client.get("/?a=b").await, (200, HELLO.into()));
        for body in ["".into(), "text".into(), "x".repeat(1500), "y".repeat(16 << 10)] {
            let (status, _, answer) = client.ask("POST", "/echo", body.clone()).await;
            assert_eq!((status.as_u16(), answer == body), (200, true), "{} bytes", body.len());
        }
        // A body that nobody wants is no request.
        assert_eq!(client.ask("POST", "/nothing", "GET / HTTP/1.1\r\n\r\n").await.0, StatusCode::NOT_FOUND);
        for path in ["/nothing", "/ECHO", "/echo/", "/sleepy?ms=1", "//"] {
            assert_eq!(client.get(path).await.0, 404, "{path}");
        }
        assert_eq!(client.get("/sleep?ms=0").await, (200, "Slept\n".into()));
        assert_eq!(client.get("/sleep?ms=3").await, (200, "Slept\n".into()));
        for path in
            ["/sleep", "/sleep?ms=", "/sleep?ms=x", "/sleep?ms=60001", "/sleep?ms=4294967296", "/sleep?n=1"]
        {
            assert_eq!(client.get(path).await, (400, "400 Bad Request".into()), "{path}");
        }
        for (method, path, allow) in
            [("GET", "/echo", "POST"), ("DELETE", "/", "GET, HEAD"), ("POST", "/sleep?ms=9999", "GET, HEAD")]
        {
            let (status, headers, _) = client.ask(method, path, "").await;
            assert_eq!(
                (status.as_u16(), headers["allow"].to_str().unwrap()),
                (405, allow),
                "{method} {path}"
            );
        }
        assert_eq!(client.get("/").await, (200, HELLO.into()));
    });
    // All that was one connection.
    assert_eq!(ended, Ended { well: 1, failed: 0, cancelled: 0 });

    eprintln!("requests that are refused, after which the connection ends");
    let refused: [(&str, u16); 33] = [
        ("\r\n\r\n", 400),
        ("GET\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / http/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET no-slash HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHOST: a\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 16385\r\n\r\n", 413),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\n", 413),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
        ("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: more\r\nContent-Length: 1\r\n\r\nx", 417),
    ];
    let ended = with(server(), PATIENT, async |running| {
        for (request, status) in refused {
            // What comes behind is not looked at.
            let answer = running.raw(format!("{request}GET / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
            assert!(answer.contains("\r\nConnection: close\r\n"), "{request:?}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{request:?}: {answer}");
        }
        // As much as a head may have, one byte more, and a head without end.
        let close = "Connection: close\r\n\r\n";
        let head = |len: usize| {
            let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
            let x = "x".repeat(len - start.len() - "\r\n".len() - close.len());
            format!("{start}{x}\r\n{close}")
        };
        let endless = "GET / HTTP/1.1\r\nX: ".to_owned() + &"x".repeat(64 << 10);
        for (request, status) in [(head(8 << 10), 200), (head((8 << 10) + 1), 431), (endless, 431)] {
            let answer = running.raw(request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
        // No body of an error in answer to `HEAD`.
        let answer = running.raw("HEAD / HTTP/1.1\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    });
    assert_eq!(ended.failed + ended.cancelled, 0);

    eprintln!("requests that come together, and in pieces");
    let (empty, close) =
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n");
    let post = "POST /echo HTTP/1.1\r\ncontent-LENGTH: \t 5 \t\r\nContent-Length: 5\r\nHOST:\r\n\r\nGET /";
    let absolute = "GET http://a HTTP/1.1\r\nHost: a\r\n\r\nGET http://a/nothing HTTP/1.1\r\nHost: a\r\n\r\n";
    let together = format!("\r\n{empty}{post}{empty}{absolute}{post}{close}{empty}");
    let statuses = |answer: &str| -> Vec<String> {
        answer.match_indices("HTTP/1.1 ").map(|(at, _)| answer[at + 9..][..3].into()).collect()
    };
    with(server(), PATIENT, async |running| {
        let answer = running.raw(&together).await;
        assert_eq!(statuses(&answer), ["200", "200", "200", "200", "404", "200", "200"], "{answer}");
        assert_eq!(answer.matches("\r\n\r\nGET /").count(), 2, "{answer}");
        assert_eq!(answer.matches("\r\nConnection: close\r\n").count(), 1, "{answer}");
        let mut stream = running.connect().await;
        stream.set_nodelay(true).unwrap();
        let (mut reads, mut writes) = stream.split();
        let write = async {
            for byte in together.bytes() {
                writes.write_u8(byte).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let mut bytes = Vec::new();
        let (_, read) = tokio::join!(write, reads.read_to_end(&mut bytes));
        read.unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), answer);
        // So many that the server must think of others in between, and larger than its buffer.
        let many = running.raw(empty.repeat(2000) + close).await;
        assert_eq!(statuses(&many), vec!["200"; 2001]);
        // HTTP/1.0, and a client that says nothing more.
        let answer = running.raw("GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n").await;
        assert_eq!(statuses(&answer), ["200"], "{answer}");
        let answer =
            running.raw("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n").await;
        assert_eq!(statuses(&answer), ["200", "200"], "{answer}");
        assert!(answer.contains("\r\nConnection: keep-alive\r\n"), "{answer}");
        for (sent, statuses_) in [("", 0), ("GET / HTTP", 0), (empty, 1), (&post[..post.len() - 1], 0)] {
            let mut stream = running.connect().await;
            stream.write_all(sent.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            assert_eq!(statuses(&rest(&mut stream).await).len(), statuses_, "{sent:?}");
        }
        // The body comes when it is asked for.
        let mut stream = running.connect().await;
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"body").await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nbody"), "{answer}");
        let answer = running.raw(head.to_owned() + "body").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nbody"), "{answer}");
    });
}

#[test]
fn the_protocol() {
    each_backend(|server| conforms(server));
}

#[test]
fn the_protocol_by_those_that_are_compared() {
    conforms(|| Rc::new(Machine::new(&Config::new()).unwrap()));
    for guards in [false, true] {
        conforms(|| Rc::new(Fibers::new(&Fibers::config(100, guards)).unwrap()));
    }
}

/// A mistake of the guest's ends the connection on which it happens, and keeps nothing.
#[test]
fn traps() {
    each_backend(|server| {
        let server = server();
        let ended = with(server.clone(), PATIENT, async |running| {
            let mut client = Client::new(running).await;
            for _ in 0..100 {
                assert_eq!(running.raw("GET /trap HTTP/1.1\r\nHost: a\r\n\r\n").await, "");
                assert_eq!(client.get("/").await, (200, HELLO.into()));
            }
        });
        assert_eq!(ended, Ended { well: 1, failed: 100, cancelled: 0 });
        // Two buffers at a time, in what the memory had from the beginning.
        assert_eq!(server.size(), (0, 128 << 10));
    });
}

/// Clients that send too slowly, nothing at all, or take nothing.
#[test]
fn slow_clients() {
    each_backend(|server| {
        let server = server();
        let short = Duration::from_millis(300);
        let limits = Limits { idle: short, request: short, ..PATIENT };
        let ended = with(server.clone(), limits, async |running| {
            let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx";
            let answers = tokio::join!(running.raw(""), running.raw("GET /"), running.raw(post));
            assert_eq!(answers.0, "");
            assert!(answers.1.starts_with("HTTP/1.1 408 "), "{answers:?}");
            assert!(answers.2.starts_with("HTTP/1.1 408 "), "{answers:?}");
            // A byte now and then does not help: the time is that of the whole request.
            let mut stream = running.connect().await;
            let (mut reads, mut writes) = stream.split();
            let drip = async {
                loop {
                    let _ = writes.write_all(b"G").await;
                    tokio::time::sleep(short / 6).await;
                }
            };
            let mut bytes = [0; 12];
            tokio::select! {
                () = drip => unreachable!("it has no end"),
                read = reads.read_exact(&mut bytes) => assert_eq!(read.unwrap(), 12),
            }
            assert_eq!(&bytes, b"HTTP/1.1 408");
            // Takes no response. The server's socket has room for some megabytes.
            let request = [
                b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 16384\r\n\r\n".to_vec(),
                vec![b'x'; 16 << 10],
            ]
            .concat();
            let mut stream = running.connect().await;
            let error = loop {
                if let Err(error) = stream.write_all(&request).await {
                    break error;
                }
            };
            assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
        });
        assert_eq!(ended, Ended { well: 5, failed: 0, cancelled: 0 });
        assert_eq!(server.size().0, 0);
    });
}

/// Idle connections end, requests under way are finished, and what does not end is cancelled.
#[test]
fn a_graceful_stop() {
    each_backend(|new| {
        let server = new();
        let empty = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let begin = async |running: &Running, more: &str| {
            let mut stream = running.connect().await;
            stream.write_all(format!("{empty}{more}").as_bytes()).await.unwrap();
            until(&mut stream, HELLO).await;
            stream
        };
        let ended = with(server.clone(), PATIENT, async |running| {
            let mut idle = begin(running, "").await;
            let mut sleeps = begin(running, "GET /sleep?ms=200 HTTP/1.1\r\nHost: a\r\n\r\nGET / HT").await;
            let mut comes = begin(running, "GET / HTTP/1.1\r\n").await;
            running.stop();
            assert_eq!(rest(&mut idle).await, "");
            comes.write_all(b"Host: a\r\n\r\n").await.unwrap();
            for stream in [&mut comes, &mut sleeps] {
                let answer = rest(stream).await;
                assert!(
                    answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nConnection: close\r\n"),
                    "{answer}"
                );
            }
            let error = TcpStream::connect(running.address).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        });
        assert_eq!(ended, Ended { well: 3, failed: 0, cancelled: 0 });

        let server = new();
        let limits = Limits { grace: Duration::from_millis(200), ..PATIENT };
        let ended = with(server.clone(), limits, async |running| {
            let all = [
                begin(running, "").await,
                begin(running, "GET /").await,
                begin(running, "GET /sleep?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n").await,
            ];
            assert_eq!(server.size().0, 3);
            running.stop();
            for mut stream in all {
                let mut bytes = Vec::new();
                let _ = stream.read_to_end(&mut bytes).await;
                assert_eq!(bytes, b"");
            }
        });
        assert_eq!(ended, Ended { well: 1, failed: 0, cancelled: 2 });
        assert_eq!(server.size().0, 0);
    });
}

#[test]
fn no_more_connections_than_allowed() {
    each_backend(|server| {
        let server = server();
        with(server.clone(), Limits { connections: 2, ..PATIENT }, async |running| {
            let mut two = [Client::new(running).await, Client::new(running).await];
            for client in &mut two {
                assert_eq!(client.get("/").await, (200, HELLO.into()));
            }
            let third = spawn_local({
                let mut third = Client::new(running).await;
                async move { third.get("/").await }
            });
            for client in &mut two {
                assert_eq!(client.get("/sleep?ms=20").await.0, 200);
            }
            assert_eq!(server.size().0, 2);
            assert!(!third.is_finished());
            drop(two);
            assert_eq!(third.await.unwrap(), (200, HELLO.into()));
        });
        assert_eq!(server.size().0, 0);
    });
}

/// A thousand connections, which are all open before any goes on, some of them broken.
#[test]
fn a_thousand_at_once() {
    // Other systems have no limits that we know.
    let number = if cfg!(target_os = "linux") { 1000 } else { 100 };
    net::allow_descriptors(2 * number as u64 + 200).unwrap();
    each_backend(|server| {
        let server = server();
        let ended = with(server.clone(), PATIENT, async |running| {
            let mut sizes = Vec::new();
            for _ in 0..2 {
                // Everybody waits at each of them twice, and in between the sizes are read.
                let open = &Barrier::new(number + 1);
                let half = &Barrier::new(number + 1);
                let clients = (0..number).map(|n| async move {
                    let mut client = Client::new(running).await;
                    assert_eq!(client.get("/").await, (200, HELLO.into()));
                    open.wait().await;
                    open.wait().await;
                    let (mut stream, empty) = (running.connect().await, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                    drop(client);
                    // The first answer comes when the server has read the half request too.
                    stream.write_all(format!("{empty}POST /e").as_bytes()).await.unwrap();
                    until(&mut stream, HELLO).await;
                    half.wait().await;
                    half.wait().await;
                    let number = format!("{n:9}");
                    let more = format!("cho HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{number}");
                    match n % 10 {
                        0 => stream.set_zero_linger().unwrap(),
                        1 => {
                            stream.shutdown().await.unwrap();
                            assert_eq!(rest(&mut stream).await, "");
                        }
                        2 => {
                            stream.write_all(b"\x16\x03\x01\n").await.unwrap();
                            assert!(rest(&mut stream).await.starts_with("HTTP/1.1 400 "));
                        }
                        3 => {
                            let trap = format!("{more}GET /trap HTTP/1.1\r\nHost: a\r\n\r\n");
                            stream.write_all(trap.as_bytes()).await.unwrap();
                            assert!(rest(&mut stream).await.ends_with(&number));
                        }
                        4 => {
                            stream.write_all(&more.as_bytes()[..more.len() - 1]).await.unwrap();
                            stream.set_zero_linger().unwrap();
                        }
                        _ => {
                            stream.write_all(more.as_bytes()).await.unwrap();
                            until(&mut stream, &number).await;
                            stream
                                .write_all(format!("{empty}GET /sleep?ms=9 HTTP/1.0\r\n\r\n").as_bytes())
                                .await
                                .unwrap();
                            assert!(rest(&mut stream).await.ends_with("Slept\n"));
                        }
                    }
                });
                let all = futures(clients);
                let watch = async {
                    open.wait().await;
                    let idle = server.size();
                    assert_eq!(idle.0, number);
                    open.wait().await;
                    half.wait().await;
                    let size = server.size();
                    assert!(size.0 >= number, "{size:?}");
                    sizes.push((idle.1, size.1));
                    half.wait().await;
                };
                tokio::join!(all, watch);
                while server.size().0 > 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            // An idle connection has no memory of the guest's, a request under way 28 KiB, and the second thousand uses what the first
            // had.
            let [(idle, half), again] = sizes[..] else { unreachable!("two rounds") };
            assert_eq!(idle, 128 << 10);
            assert!(half >= number * (28 << 10) && half <= number * (33 << 10), "{half}");
            assert_eq!(again, (half, half));
        });
        let traps = 2 * number / 10;
        assert_eq!(ended, Ended { well: 4 * number - traps, failed: traps, cancelled: 0 });
        assert_eq!(server.size().0, 0);
    });
}

/// Runs them all at once.
async fn futures(all: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}
