//! `cargo xtask bench --kotlin`: measures the programs of `tests/kotlin`, with their coroutines as state machines and with
//! stack switching.
//!
//! | file | what it does |
//! | --- | --- |
//! | `mod.rs` | builds the programs and runs them |
//! | `results.rs` | what was measured, and the file that keeps it |
//! | `report.rs` | the section of `benches/REPORT.md` |
//! | `chart.rs` | the chart of that section |

pub mod chart;
pub mod report;
mod results;

pub use results::Results;
#[cfg(test)]
pub use results::tests::SAMPLE;

use crate::schema::Machine;
use crate::{run, tools};
use anyhow::{Context, Result, bail, ensure};
use results::{Program, Sample};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wait4::Wait4;

/// The script that compiles the programs.
const SCRIPT: &str = "ci/kotlin.sh";

/// The folder of the programs' sources.
const SOURCES: &str = "tests/kotlin";

/// Options of both `wasmtime compile` and `wasmtime run`, for both forms. A module that was compiled with others does not load.
const OPTIONS: [&str; 4] = [
    "-W",
    "gc,function-references,exceptions,stack-switching",
    "-C",
    "cache=n,stack-switching-backend=native",
];

/// How a program's coroutines were compiled.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    StateMachine,
    StackSwitching,
}

impl Form {
    /// The name that the script's files have.
    fn name(self) -> &'static str {
        match self {
            Form::StateMachine => "state-machine",
            Form::StackSwitching => "stack-switching",
        }
    }

    /// Both, in the order in which `round` runs them. The order alternates, so that no form always has the other's caches.
    fn both(round: usize) -> [Form; 2] {
        match round % 2 {
            0 => [Form::StateMachine, Form::StackSwitching],
            _ => [Form::StackSwitching, Form::StateMachine],
        }
    }
}

/// A program to run.
struct Task {
    name: String,
    /// The folder of its modules, and of what it prints.
    folder: PathBuf,
    /// More options of `wasmtime run`, which its large size needs.
    options: Vec<String>,
}

impl Task {
    fn file(&self, form: Form, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", form.name()))
    }
}

/// Builds the programs whose names contain `filter`, measures them in so many rounds, and keeps the results in a file.
pub fn measure(filter: Option<&str>, rounds: usize, quick: bool) -> Result<Results> {
    let root = tools::root();
    let (kotlin, binaryen) = (tools::version("kotlin")?, tools::version("binaryen")?);
    // Before the long wait: what fails here fails early.
    let machine = Machine::this(None)?;
    let target = run::target_directory()?;
    let tasks = tasks(&root.join(SOURCES), &target.join("kotlin"), filter.unwrap_or_default())?;
    let wasmtime = run::build_cli()?;
    build(&root, &target, &tasks)?;
    let programs = run_all(&wasmtime, &tasks, rounds)?;
    let results = Results { quick, machine, kotlin, binaryen, programs };
    // Part of the programs leaves the results of all of them alone.
    let file = target.join(if filter.is_some() { "kotlin-part.json" } else { "kotlin.json" });
    results.write(&file)?;
    let again = "`cargo xtask bench --kotlin --from FILE` makes a section of them again";
    eprintln!("The results are in {}: {again}", file.display());
    Ok(results)
}

/// The programs whose names contain `filter`, by name. The folder of each is in `built`.
fn tasks(sources: &Path, built: &Path, filter: &str) -> Result<Vec<Task>> {
    let mut tasks = Vec::new();
    for entry in fs::read_dir(sources).with_context(|| format!("cannot read {}", sources.display()))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "kt") && name.contains(filter) {
            let options = options(&fs::read_to_string(&path)?);
            tasks.push(Task { name: name.into(), folder: built.join(name), options });
        }
    }
    ensure!(!tasks.is_empty(), "no program in {SOURCES} has `{filter}` in its name");
    tasks.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tasks)
}

/// The options in a program's comment `// large: OPTION...`.
fn options(source: &str) -> Vec<String> {
    let line = source.lines().find_map(|line| line.strip_prefix("// large: "));
    line.unwrap_or_default().split_whitespace().map(String::from).collect()
}

/// Compiles the programs to modules, and optimizes these.
fn build(root: &Path, target: &Path, tasks: &[Task]) -> Result<()> {
    let mut script = Command::new("bash");
    script.args([SCRIPT, "--build-only"]).args(tasks.iter().map(|task| &task.name));
    // The script runs in the root, and compiles all again when this path is another one than before. A user who calls it has
    // the relative path.
    script.current_dir(root).env("CARGO_TARGET_DIR", target.strip_prefix(root).unwrap_or(target));
    let mut child = script
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {SCRIPT} with bash"))?;
    let stdout = child.stdout.take().context("the script's output is a pipe")?;
    let mut left_out = false;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        left_out |= line.starts_with("left out:");
        eprintln!("{line}");
    }
    ensure!(child.wait()?.success(), "{SCRIPT} did not end well; see above");
    // The script succeeds without its tools. Modules of an earlier run may be there, but of other sources.
    ensure!(!left_out, "the Kotlin programs cannot be built here; see above why");
    Ok(())
}

/// Compiles the modules to machine code, then runs all programs in so many rounds.
fn run_all(wasmtime: &Path, tasks: &[Task], rounds: usize) -> Result<Vec<Program>> {
    for task in tasks {
        for form in Form::both(0) {
            let mut compile = wasmtime_command(wasmtime, "compile");
            compile.arg(task.file(form, "opt.wasm")).arg("-o").arg(task.file(form, "opt.cwasm"));
            tools::output(compile).with_context(|| format!("cannot compile {}", task.name))?;
        }
    }
    let mut programs: Vec<_> = tasks.iter().map(|task| Program::new(&task.name)).collect();
    for round in 0..rounds {
        for (task, program) in tasks.iter().zip(&mut programs) {
            for form in Form::both(round) {
                let sample = run(wasmtime, task, form).with_context(|| {
                    format!("{} failed in round {}, {}", task.name, round + 1, form.name())
                })?;
                match form {
                    Form::StateMachine => program.state_machine.push(sample),
                    Form::StackSwitching => program.stack_switching.push(sample),
                }
            }
            let [state_machine, stack_switching] =
                [&program.state_machine, &program.stack_switching].map(|samples| samples[round].time());
            eprintln!(
                "Round {} of {rounds}: {}: {state_machine:.2} s as a state machine, \
                 {stack_switching:.2} s with stack switching",
                round + 1,
                task.name
            );
            compare(task)?;
        }
    }
    Ok(programs)
}

/// Runs a program once. What it prints goes to files, which cost the process less than a pipe that waits for its reader.
fn run(wasmtime: &Path, task: &Task, form: Form) -> Result<Sample> {
    let [stdout, stderr] = ["bench.txt", "bench.err"].map(|extension| task.file(form, extension));
    let mut command = wasmtime_command(wasmtime, "run");
    command.args(&task.options).arg("--allow-precompiled").arg(task.file(form, "opt.cwasm")).arg("large");
    command.stdin(Stdio::null()).stdout(File::create(stdout)?).stderr(File::create(&stderr)?);
    let child = command.spawn().with_context(|| format!("cannot run {}", wasmtime.display()))?;
    let end = child.wait4().context("cannot wait for wasmtime")?;
    if !end.status.success() {
        bail!("wasmtime: {}\n{}", end.status, fs::read_to_string(stderr)?.trim_end());
    }
    let usage = end.rusage;
    // The peak is of wasmtime alone, but no less than xtask's own peak, which Linux hands on to a new process. That is
    // lower than what wasmtime takes to start.
    Ok(Sample { user: usage.utime.as_secs_f64(), kernel: usage.stime.as_secs_f64(), peak: usage.maxrss })
}

/// A command of wasmtime with the options that all have.
fn wasmtime_command(wasmtime: &Path, name: &str) -> Command {
    let mut command = Command::new(wasmtime);
    command.arg(name).args(OPTIONS);
    // An exception that leaves a continuation would have a backtrace of the host.
    command.env("RUST_BACKTRACE", "0").env_remove("RUST_LIB_BACKTRACE");
    command
}

/// Fails if the two forms did not print the same.
fn compare(task: &Task) -> Result<()> {
    let [state_machine, stack_switching] = Form::both(0).map(|form| fs::read(task.file(form, "bench.txt")));
    if let Some(difference) = difference(&state_machine?, &stack_switching?) {
        bail!("{} does not print the same in both forms: {difference}", task.name);
    }
    Ok(())
}

/// The first line that differs, in words.
fn difference(state_machine: &[u8], stack_switching: &[u8]) -> Option<String> {
    if state_machine == stack_switching {
        return None;
    }
    let texts = [state_machine, stack_switching].map(String::from_utf8_lossy);
    let [mut one, mut other] = texts.each_ref().map(|text| text.split('\n'));
    let mut number = 0;
    loop {
        number += 1;
        match (one.next(), other.next()) {
            (None, None) => return Some("bytes that are no text".into()),
            (one, other) if one == other => {}
            (one, other) => {
                let [one, other] = [one, other].map(|l| l.map_or("nothing".into(), |l| format!("`{l}`")));
                return Some(format!(
                    "line {number} is {one} as a state machine, and {other} with stack switching"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs() {
        let all = |filter| tasks(&tools::root().join(SOURCES), Path::new("built"), filter);
        let names = |filter| all(filter).unwrap().into_iter().map(|task| task.name).collect::<Vec<_>>();
        assert_eq!(names("gener"), ["generator"]);
        assert!(names("").is_sorted() && names("").len() > 5);
        assert!(all("nothing").err().unwrap().to_string().contains("`nothing`"));
        let recursion = &all("recursion").unwrap()[0];
        assert!(recursion.options.contains(&"-W".to_string()), "{:?}", recursion.options);
        assert_eq!(recursion.file(Form::StateMachine, "txt"), Path::new("built/recursion/state-machine.txt"));
    }

    #[test]
    fn comments() {
        assert_eq!(options("// A program.\n// large: -W a=1 -W b\nval x = 1"), ["-W", "a=1", "-W", "b"]);
        assert!(options("val x = \"// large: -W a\"").is_empty());
    }

    #[test]
    fn the_order_alternates() {
        assert_eq!(Form::both(0), Form::both(2));
        assert_eq!(Form::both(1), [Form::StackSwitching, Form::StateMachine]);
        assert_ne!(Form::both(0), Form::both(1));
    }

    #[test]
    fn differences() {
        assert_eq!(difference(b"a\nb\n", b"a\nb\n"), None);
        let said = difference(b"a\nb\nc\n", b"a\nB\nc\n").unwrap();
        assert_eq!(said, "line 2 is `b` as a state machine, and `B` with stack switching");
        assert_eq!(
            difference(b"a", b"a\nb").unwrap(),
            "line 2 is nothing as a state machine, and `b` with stack switching"
        );
        assert!(difference(b"a", b"a\n").unwrap().starts_with("line 2 is nothing"));
        assert_eq!(difference(b"\xfe", b"\xff").unwrap(), "bytes that are no text");
    }
}
