//! Engines in a process of their own: whatever becomes of it is part of what a program does.
//!
//! A request is the backend's index, the turn, and the module; an answer is the trace. Each part is a number
//! of four bytes, or bytes with their number before them.

use crate::run::Engines;
use crate::support::backends;
use std::io::{Read, Result, Write};
use std::process::{Child, ChildStdin, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Programs take milliseconds, in an emulator on a busy machine thousands of times as long.
fn patience() -> Duration {
    Duration::from_secs(if crate::support::emulated() { 600 } else { 20 })
}

#[derive(Default)]
pub(crate) struct Worker {
    running: Option<Running>,
}

struct Running {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<Vec<u8>>,
}

impl Worker {
    /// As [`Engines::run`]. If the process does not answer, the next program gets another one.
    pub(crate) fn run(&mut self, backend: usize, turn: u64, module: &[u8]) -> Vec<String> {
        let running =
            self.running.get_or_insert_with(|| Running::start().expect("this program starts again"));
        let asked = running.ask(backend, turn, module);
        let answer = match asked {
            Ok(()) => running.answers.recv_timeout(patience()),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        };
        match answer {
            Ok(answer) => String::from_utf8_lossy(&answer).lines().map(str::to_string).collect(),
            Err(error) => {
                let mut child = self.running.take().expect("running").child;
                if error == RecvTimeoutError::Timeout {
                    // A process that has ended by itself is as good.
                    let _ = child.kill();
                }
                let status = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                vec![match error {
                    RecvTimeoutError::Timeout => "hangs".to_string(),
                    RecvTimeoutError::Disconnected => format!("crashes: {status}"),
                }]
            }
        }
    }
}

impl Running {
    fn start() -> Result<Self> {
        let mut child = crate::support::this_program()
            .arg("--worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = child.stdin.take().expect("piped");
        let mut output = child.stdout.take().expect("piped");
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            while let Ok(answer) = read_bytes(&mut output) {
                if sender.send(answer).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, requests, answers })
    }

    fn ask(&mut self, backend: usize, turn: u64, module: &[u8]) -> Result<()> {
        self.requests.write_all(&(backend as u32).to_le_bytes())?;
        self.requests.write_all(&(turn as u32).to_le_bytes())?;
        write_bytes(&mut self.requests, module)
    }
}

/// Answers until there are no more requests.
pub(crate) fn serve() -> ExitCode {
    let engines: Vec<Engines> = backends()
        .into_iter()
        .map(|(name, backend)| {
            Engines::new(backend).unwrap_or_else(|error| panic!("no engine with {name}: {error:?}"))
        })
        .collect();
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    while let Ok(backend) = read_number(&mut input) {
        let answered = (|| {
            let turn = read_number(&mut input)?;
            let module = read_bytes(&mut input)?;
            let trace = engines[backend as usize].run(&module, turn.into());
            write_bytes(&mut output, trace.join("\n").as_bytes())
        })();
        if answered.is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn read_number(from: &mut impl Read) -> Result<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn read_bytes(from: &mut impl Read) -> Result<Vec<u8>> {
    let mut bytes = vec![0; read_number(from)? as usize];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn write_bytes(to: &mut impl Write, bytes: &[u8]) -> Result<()> {
    to.write_all(&(bytes.len() as u32).to_le_bytes())?;
    to.write_all(bytes)?;
    to.flush()
}
