//! Who runs a benchmark: this build's backends, programs in processes of their own, libraries.

use crate::catalogue::Benchmark;
use crate::sample::Subject;
use crate::schema::{LIBCALL, LeftOut, NATIVE, UNPATCHED, V8, variable};
use crate::{floors, support};
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use wasmfx::StackSwitchingBackend;
use wasmfx::wasmtime::{Engine, Inlining, Module};

/// Something that takes samples of one benchmark.
pub(crate) trait Contestant {
    /// How long so many operations take. An error if their result is not the expected one.
    fn sample(&mut self, size: u32) -> Result<Duration>;

    /// The process that takes them, if it is not this one.
    fn process(&self) -> Option<u32> {
        None
    }
}

/// One of them.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// Whether it is a program of somebody else, whose failures are for the report to tell.
    pub(crate) foreign: bool,
    contestant: Box<dyn Contestant>,
}

impl Entry {
    /// As [`Contestant::sample`]. Errors name it.
    pub(crate) fn sample(&mut self, size: u32) -> Result<Duration> {
        self.contestant.sample(size).with_context(|| format!("{} failed", self.name))
    }

    /// As [`Contestant::process`].
    pub(crate) fn process(&self) -> Option<u32> {
        self.contestant.process()
    }
}

/// Module and engine, in this process.
pub(crate) struct Wasm {
    subject: Subject,
    export: String,
}

impl Wasm {
    pub(crate) fn new(backend: StackSwitchingBackend, benchmark: &Benchmark) -> Result<Wasm> {
        let module = Module::new(&engine(backend, benchmark.inlining)?, &benchmark.wasm)?;
        Ok(Wasm { subject: Subject::new(module)?, export: benchmark.export.clone() })
    }
}

/// An engine for that backend, whose compiler may inline functions or not.
pub(crate) fn engine(backend: StackSwitchingBackend, inlining: bool) -> Result<Engine> {
    let mut config = wasmfx::config();
    config.stack_switching_backend(backend);
    if inlining {
        config.compiler_inlining(Inlining::Yes);
    }
    Ok(Engine::new(&config)?)
}

impl Contestant for Wasm {
    fn sample(&mut self, size: u32) -> Result<Duration> {
        Ok(self.subject.sample(&self.export, size)?)
    }
}

/// The programs that the environment names.
pub(crate) struct Programs {
    unpatched: Option<OsString>,
    node: Option<OsString>,
}

/// Node's option for stack switching.
const STACK_SWITCHING: &str = "--experimental-wasm-wasmfx";

impl Programs {
    /// Looks up both, and whether they can be started, before anything takes time.
    pub(crate) fn from_environment() -> Result<Programs> {
        let programs = Programs {
            unpatched: std::env::var_os(variable::UNPATCHED),
            node: std::env::var_os(variable::NODE),
        };
        for (program, named_by, what, how_to_get) in [
            (
                &programs.unpatched,
                variable::UNPATCHED,
                "Wasmtime as published",
                "`cargo xtask bench` builds it",
            ),
            (&programs.node, variable::NODE, "V8", "the path of Node 26 or later"),
        ] {
            let Some(program) = program else {
                eprintln!("left out: {what} ({named_by} is not set: {how_to_get})");
                continue;
            };
            let mut command = Command::new(program);
            if named_by == variable::NODE {
                command.args([STACK_SWITCHING, "--version"]);
            }
            let output = command.stdin(Stdio::null()).output().with_context(|| {
                format!("{named_by} is {program:?}, which cannot be started; unset it to leave out {what}")
            })?;
            ensure!(
                named_by != variable::NODE || output.status.success(),
                "{named_by} is {program:?}, which is no Node that knows {STACK_SWITCHING}: {}",
                String::from_utf8_lossy(&output.stderr).trim(),
            );
        }
        Ok(programs)
    }

    /// The command, where there is one, that takes a module's path.
    fn unpatched(&self) -> Option<Command> {
        self.unpatched.as_ref().map(Command::new)
    }

    fn v8(&self) -> Option<Command> {
        let mut command = Command::new(self.node.as_ref()?);
        command.arg(STACK_SWITCHING).arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/v8.mjs"));
        Some(command)
    }
}

/// Writes the module for other processes.
fn binary(benchmark: &Benchmark) -> Result<PathBuf> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("suite");
    let path = directory.join(format!("{}.wasm", benchmark.name));
    std::fs::create_dir_all(&directory)
        .and_then(|()| std::fs::write(&path, &benchmark.wasm))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Another process: it gets a line `export size` for each sample, and answers with a line of nanoseconds.
struct Process {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    export: String,
}

impl Process {
    fn new(command: &mut Command, benchmark: &Benchmark) -> Result<Process> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let ask = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Ok(Process { child, ask, answers, export: benchmark.export.clone() })
    }
}

impl Contestant for Process {
    fn sample(&mut self, size: u32) -> Result<Duration> {
        // It cannot be asked any more if it crashed: then there is no answer either.
        let _ = writeln!(self.ask, "{} {size}", self.export);
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let answer = answer.trim();
        if answer.is_empty() {
            bail!("its process ended without an answer: {}", self.child.wait()?);
        }
        if let Some(error) = answer.strip_prefix("error: ") {
            return Err(anyhow!("{error}"));
        }
        let nanoseconds =
            answer.parse().with_context(|| format!("its process answered {answer:?}, no number"))?;
        Ok(Duration::from_nanos(nanoseconds))
    }

    fn process(&self) -> Option<u32> {
        Some(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All that run a benchmark, and why others do not.
pub(crate) fn line_up(benchmark: &Benchmark, programs: &Programs) -> Result<(Vec<Entry>, Vec<LeftOut>)> {
    let header = &benchmark.header;
    let mut entries = Vec::new();
    let mut left_out = Vec::new();
    let backends = support::backends();
    for name in [NATIVE, LIBCALL] {
        match backends.iter().find(|(backend, _)| *backend == name) {
            Some(&(_, backend)) => {
                let wasm = Wasm::new(backend, benchmark).with_context(|| format!("{name} failed"))?;
                let contestant = Box::new(wasm);
                entries.push(Entry { name, foreign: false, contestant });
            }
            None => left_out.push(LeftOut::new(name, "not part of this build")),
        }
    }
    // Once, since the first process may be about to read it when the second starts.
    let path = binary(benchmark)?;
    for (name, named_by, command, cannot) in [
        (UNPATCHED, variable::UNPATCHED, programs.unpatched(), &header.no_unpatched),
        (V8, variable::NODE, programs.v8(), &header.no_v8),
    ] {
        match (cannot, command) {
            (Some(why), _) => left_out.push(LeftOut::new(name, why)),
            (None, None) => left_out.push(LeftOut::new(name, &format!("{named_by} was not set"))),
            (None, Some(mut command)) => {
                let contestant = Box::new(Process::new(command.arg(&path), benchmark)?);
                entries.push(Entry { name, foreign: true, contestant });
            }
        }
    }
    for (name, contestant) in header.floor.into_iter().flat_map(floors::all) {
        entries.push(Entry { name, foreign: false, contestant });
    }
    Ok((entries, left_out))
}
