//! What the server of `examples/server` does in a second, and what a connection takes, beside other ways to have ten thousand
//! connections:
//!
//! | contender | guest | for each connection |
//! | --- | --- | --- |
//! | continuations, on each backend | `examples/server/guest.wat` | a continuation |
//! | fibers | the same | a store, an instance of a pool, an async fiber |
//! | fibers, guarded | the same | the same; memories lie 4 GiB apart, so that code checks no bounds |
//! | state machine | `server/machine.wat`: the same parser and responses | nothing but what the guest keeps in its memory |
//! | no guest | | what tokio and the sockets take: this is part of the others |
//!
//! All have the host's part of the example: `net.rs`. Each server is a process of its own with one thread, and so is its client:
//!
//! ```text
//!   this process --"0.5"--> client   ==requests, on all its connections==>   server <--"memory", "time"-- this process
//! ```
//!
//! A connection of the client sends its next request when the last one is answered. Connections stay for all rounds, and servers
//! take turns in short rounds; the table has medians. If the client takes more time than the server, requests a second say little:
//! the server's own time on its processor for each request says more. With 100 connections wrk, if it is installed, takes
//! its turns after our client, with connections of its own.
//!
//! `cargo bench --bench server` prints tables in Markdown (Linux; several minutes; 10,200 descriptors for a process);
//! `cargo test --bench server` makes some requests to each.

#[path = "../tests/support/mod.rs"]
mod support;

#[path = "server/fibers.rs"]
mod fibers;
#[allow(dead_code, reason = "memory is measured from outside")]
#[path = "../examples/server/guest.rs"]
mod guest;
#[path = "server/machine.rs"]
mod machine;
#[path = "../examples/server/net.rs"]
mod net;
#[allow(dead_code, reason = "the table has no quartiles")]
#[path = "suite/spread.rs"]
mod spread;

use anyhow::{Context, Result, bail, ensure};
use fibers::Fibers;
use guest::Continuations;
use machine::Machine;
use net::{Limits, Serve, Socket, Wait};
use spread::Spread;
use std::cell::Cell;
use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};
use wasmfx::wasmtime::Config;

/// The first arguments of the processes that are servers and clients.
const SERVER: &str = "--server";
const CLIENT: &str = "--client";

/// Those that are compared to, by whose figures the others' are divided.
const FIBERS: &str = "fibers";

fn contenders() -> Vec<String> {
    let mut all: Vec<_> =
        support::backends().iter().map(|(backend, _)| format!("continuations, {backend}")).collect();
    all.extend([FIBERS, "fibers, guarded", "state machine", "no guest"].map(String::from));
    all
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[1..] {
        [SERVER, name, connections] => return server(name, connections.parse()?),
        [CLIENT, port, connections] => return client(port.parse()?, connections.parse()?),
        _ => {}
    }
    if !cfg!(target_os = "linux") {
        println!("left out: memory and time are read from Linux's /proc");
        return Ok(());
    }
    let args = libtest_mimic::Arguments::from_args();
    if !args.bench {
        return compare(20, 1, "0.05", false);
    }
    compare(100, 15, "1", true)?;
    compare(10_000, 15, "1", false)
}

/// Prints the table for so many connections.
fn compare(connections: u32, rounds: usize, seconds: &str, with_wrk: bool) -> Result<()> {
    struct Contender {
        name: String,
        server: Process,
        client: Process,
        port: String,
        /// Without a connection, and at last.
        memory: [f64; 2],
        rates: Vec<f64>,
        times: Vec<f64>,
        wrk: Vec<f64>,
    }
    let mut all = Vec::new();
    for name in contenders() {
        let mut server = Process::new(&[SERVER, &name, &connections.to_string()])?;
        let port = server.answer()?;
        let empty = server.ask("memory")?.parse()?;
        let mut client = Process::new(&[CLIENT, &port, &connections.to_string()])?;
        ensure!(client.answer()? == "ready", "{name}: the client has no connections");
        let memory = [empty, 0.0];
        let (rates, times, wrk) = (Vec::new(), Vec::new(), Vec::new());
        all.push(Contender { name, server, client, port, memory, rates, times, wrk });
    }
    let count = all.len();
    for round in 0..rounds {
        // Another one goes first in each round.
        for at in 0..count {
            let contender = &mut all[(at + round) % count];
            let before: f64 = contender.server.ask("time")?.parse()?;
            let rate = contender.client.ask(seconds)?;
            let (count, taken) = rate.split_once(' ').context("a number and seconds")?;
            let (count, taken): (f64, f64) = (count.parse()?, taken.parse()?);
            ensure!(count > 0.0, "{}: it answers nothing", contender.name);
            contender.rates.push(count / taken);
            contender.times.push((contender.server.ask("time")?.parse::<f64>()? - before) / count);
        }
    }
    for contender in &mut all {
        contender.memory[1] = contender.server.ask("memory")?.parse()?;
    }
    // Now, as its connections take memory too.
    for _ in 0..if with_wrk { rounds } else { 0 } {
        for contender in &mut all {
            contender.wrk.extend(wrk(&contender.port, connections)?);
        }
    }
    let fibers = all.iter().position(|contender| contender.name == FIBERS).context("a contender")?;
    let fibers = (all[fibers].rates.clone(), all[fibers].memory[1] - all[fibers].memory[0]);
    println!(
        "\n{connections} connections:\n\n\
         | server | requests a second | to {FIBERS} | µs of its processor each | bytes for an idle connection | to {FIBERS} | wrk |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
    for contender in all {
        let memory = contender.memory[1] - contender.memory[0];
        let ratios = contender.rates.iter().zip(&fibers.0).map(|(is, fibers)| is / fibers).collect();
        let wrk = (!contender.wrk.is_empty()).then(|| format!("{:.0}", median(contender.wrk)));
        println!(
            "| {} | {:.0} | {:.2} | {:.2} | {:.0} | {:.3} | {} |",
            contender.name,
            median(contender.rates),
            median(ratios),
            median(contender.times) / 1000.0,
            memory / f64::from(connections),
            memory / fibers.1,
            wrk.unwrap_or("–".into()),
        );
    }
    Ok(())
}

fn median(values: Vec<f64>) -> f64 {
    Spread::of(values).median
}

/// Requests a second by wrk, if that is installed.
fn wrk(port: &str, connections: u32) -> Result<Option<f64>> {
    let args = ["-t1", &format!("-c{connections}"), "-d1s", &format!("http://127.0.0.1:{port}/")];
    let Ok(output) = Command::new("wrk").args(args).output() else { return Ok(None) };
    let output = String::from_utf8(output.stdout)?;
    ensure!(!output.contains("Non-2xx") && !output.contains("Socket errors"), "{output}");
    let rate = output.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    Ok(Some(rate.context("wrk says requests a second")?.trim().parse()?))
}

/// A process that answers each line with a line.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn new(args: &[&str]) -> Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().context("a pipe")?;
        let output = BufReader::new(child.stdout.take().context("a pipe")?);
        Ok(Process { child, input, output })
    }

    fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.input, "{line}")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.output.read_line(&mut line)? > 0, "a process has ended: {:?}", self.child.wait()?);
        Ok(line.trim().to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has one processor to itself, if there are two.
fn on_processor(number: usize) {
    #[cfg(target_os = "linux")]
    if std::thread::available_parallelism().is_ok_and(|processors| processors.get() > number) {
        let mut processors = rustix::thread::CpuSet::new();
        processors.set(number);
        let _ = rustix::thread::sched_setaffinity(None, &processors);
    }
}

fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, future)
}

/// Prints the port, and answers what is asked by the standard input until that ends.
fn server(name: &str, connections: u32) -> Result<()> {
    // wrk has some more.
    let places = connections + 200;
    net::allow_descriptors(places.into())?;
    if let Some(backend) = name.strip_prefix("continuations, ") {
        let backend = support::backend(backend).context("no such backend")?;
        let mut config = Continuations::config();
        return serve(Continuations::new(config.stack_switching_backend(backend))?);
    }
    match name {
        FIBERS => serve(Fibers::new(&Fibers::config(places, false))?),
        "fibers, guarded" => serve(Fibers::new(&Fibers::config(places, true))?),
        "state machine" => serve(Machine::new(&Config::new())?),
        "no guest" => serve(NoGuest),
        _ => bail!("there is no server `{name}`"),
    }
}

fn serve(server: impl Serve) -> Result<()> {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?.port());
        std::thread::spawn(|| {
            for line in std::io::stdin().lines() {
                match line.as_deref() {
                    Ok("memory") => println!("{}", memory()),
                    // Nanoseconds that the first thread has run.
                    _ => println!("{}", proc_number("schedstat", "").unwrap_or(0)),
                }
            }
            std::process::exit(0);
        });
        on_processor(0);
        let hour = Duration::from_secs(3600);
        let limits = Limits { connections: Limits::MOST, idle: hour, request: hour, grace: hour };
        net::run(listener, Rc::new(server), limits, std::future::pending()).await;
        Ok(())
    })
}

/// Bytes of this process's memory and of its page tables, without the program itself. A page that is mapped at many addresses, such
/// as that of the guest's texts in each instance of a pool, counts once.
fn memory() -> u64 {
    let pages = ["Pss_Anon:", "Pss_Shmem:"].map(|part| proc_number("smaps_rollup", part).unwrap_or(0));
    (pages[0] + pages[1] + proc_number("status", "VmPTE:").unwrap_or(0)) << 10
}

/// The first number of the first such line of a file in `/proc/self`.
fn proc_number(file: &str, start: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(start))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Requests without a body, each of which is answered alike.
struct NoGuest;

impl Serve for NoGuest {
    async fn connection(&self, socket: Arc<Socket>) -> wasmfx::wasmtime::Result<()> {
        let mut response =
            *b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 26\r\n\r\n\
            Hello from a continuation\n";
        let (mut deadline, mut wait) = (None, Wait::Request);
        loop {
            let mut buffer = [0; 1024];
            let done = match wait {
                Wait::Write => socket.try_io(wait, &mut response),
                _ => socket.try_io(wait, &mut buffer),
            };
            wait = match (wait, done) {
                (_, Some(..=0)) => return Ok(()),
                (_, None) => {
                    socket.ready(wait, 0, &mut deadline).await;
                    wait
                }
                (Wait::Write, _) => Wait::Request,
                _ => Wait::Write,
            };
        }
    }
}

/// Opens connections, says that it is ready, and then makes requests on all of them for each number of seconds that it reads.
fn client(port: u16, connections: usize) -> Result<()> {
    net::allow_descriptors(connections as u64 + 100)?;
    on_processor(1);
    block_on(async {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let mut connection =
                Connection { stream: TcpStream::connect(("127.0.0.1", port)).await?, answer: Vec::new() };
            connection.stream.set_nodelay(true)?;
            connection.first().await?;
            streams.push(connection);
        }
        println!("ready");
        for line in std::io::stdin().lines() {
            let start = Instant::now();
            let end = start + Duration::try_from_secs_f64(line?.parse()?)?;
            let count = Rc::new(Cell::new(0_u64));
            let tasks: Vec<_> = streams
                .drain(..)
                .map(|connection| {
                    let count = count.clone();
                    spawn_local(async move {
                        while Instant::now() < end {
                            connection.request().await?;
                            count.set(count.get() + 1);
                        }
                        Ok::<_, anyhow::Error>(connection)
                    })
                })
                .collect();
            for task in tasks {
                streams.push(task.await??);
            }
            println!("{} {}", count.get(), start.elapsed().as_secs_f64());
        }
        Ok(())
    })
}

struct Connection {
    stream: TcpStream,
    /// What each request is answered with.
    answer: Vec<u8>,
}

impl Connection {
    async fn first(&mut self) -> Result<()> {
        const END: &[u8] = b"Hello from a continuation\n";
        self.send().await?;
        while !self.answer.ends_with(END) {
            let mut buffer = [0; 1024];
            let count = self.read(&mut buffer).await?;
            self.answer.extend_from_slice(&buffer[..count]);
        }
        ensure!(self.answer.starts_with(b"HTTP/1.1 200 "), "the answer is no success");
        Ok(())
    }

    /// Reads what has arrived, once something has: how many bytes.
    async fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(buffer) {
                Ok(0) => bail!("the connection has ended"),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn send(&self) -> Result<()> {
        const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        self.stream.writable().await?;
        ensure!(self.stream.try_write(REQUEST)? == REQUEST.len(), "there is room for a request");
        Ok(())
    }

    async fn request(&self) -> Result<()> {
        self.send().await?;
        let (mut buffer, mut have) = ([0; 1024], 0);
        while have < self.answer.len() {
            have += self.read(&mut buffer[have..]).await?;
        }
        ensure!(buffer[..have] == self.answer, "another answer than before");
        Ok(())
    }
}
