//! `cargo xtask bench --kotlin` and `--c`: measures programs, each in several forms.
//!
//! A [`Set`] describes programs and their forms, and the rest is the same for all sets.
//!
//! | file | what it does |
//! | --- | --- |
//! | `mod.rs` | what a set is; builds its programs and runs them |
//! | `kotlin.rs` | the programs of `tests/kotlin`: coroutines as state machines, and by stack switching |
//! | `c.rs` | the programs of `examples/c/fiber`: fibers by Asyncify, and by stack switching |
//! | `code.rs` | how much code a form has |
//! | `results.rs` | what was measured, and the file that keeps it |
//! | `report.rs` | a set's section of `benches/REPORT.md` |
//! | `chart.rs` | the chart of that section |

mod c;
pub mod chart;
mod code;
mod kotlin;
pub mod report;
mod results;

pub use c::C;
pub use kotlin::KOTLIN;
pub use results::Results;
#[cfg(test)]
pub use results::tests::KOTLIN_SAMPLE;

use crate::schema::Machine;
use crate::{run, tools};
use anyhow::{Context, Result, bail, ensure};
use code::Code;
use results::{Measured, Program, Sample};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use wait4::Wait4;

/// Programs that are measured together, each in the same forms.
pub struct Set {
    /// The language, as headings and sentences have it.
    pub title: &'static str,
    /// The option of `cargo xtask bench`, without dashes. It is also the name of the set's files.
    pub option: &'static str,
    /// The folder of the sources, relative to the root, and the extension of a program's source.
    sources: &'static str,
    extension: &'static str,
    /// The folder of what is built, relative to cargo's target folder. It has a folder for each program.
    built: &'static str,
    /// The packages of `ci/versions.env` that compile the programs.
    tools: &'static [&'static str],
    /// The baseline first, then stack switching, then variants of stack switching.
    forms: &'static [Form],
    /// What the baseline is, in the words of a title: stack switching is compared with this.
    baseline: &'static str,
    /// Whether the report says how much code each form has.
    code: bool,
    /// How to run a program at its large size, by its source. A program that has none is not measured.
    large: fn(&str) -> Option<Large>,
    /// Builds the modules of these programs. The paths are the root and cargo's target folder.
    build: fn(&Path, &Path, &[&str]) -> Result<()>,
    /// What the report says of the programs and their forms.
    about: fn(&Results) -> String,
}

/// The sets, in the order of the report's sections.
pub const SETS: [&Set; 2] = [&KOTLIN, &C];

/// How the programs of a set were compiled, by their compiler and by Wasmtime.
struct Form {
    /// The form's name in tables.
    name: &'static str,
    /// The form in a sentence: a program runs "as …" or "with …".
    how: &'static str,
    /// The module in the program's folder is `MODULE.opt.wasm`. Forms that only Wasmtime compiles in different ways share one.
    module: &'static str,
    /// The name of the files that a run leaves, without extension. No other form has it.
    file: &'static str,
    /// More options of both `wasmtime compile` and `wasmtime run`.
    options: &'static [&'static str],
}

/// How to run a program at its large size.
#[derive(Debug, PartialEq)]
struct Large {
    /// More options of `wasmtime run`.
    options: Vec<String>,
    /// The program's argument.
    argument: String,
}

/// Options of both `wasmtime compile` and `wasmtime run`, for all forms. A module that was compiled with others does not load.
const OPTIONS: [&str; 4] = [
    "-W",
    "gc,function-references,exceptions,stack-switching",
    "-C",
    "cache=n,stack-switching-backend=native",
];

/// A program to run.
struct Task {
    name: String,
    /// The folder of its modules, and of what it prints.
    folder: PathBuf,
    large: Large,
}

impl Task {
    fn module(&self, form: &Form) -> PathBuf {
        self.folder.join(format!("{}.opt.wasm", form.module))
    }

    fn file(&self, form: &Form, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", form.file))
    }

    fn machine_code(&self, form: &Form) -> PathBuf {
        self.file(form, "opt.cwasm")
    }
}

/// Builds the programs of a set whose names contain `filter`, measures them in so many rounds, and keeps the results in a file.
pub fn measure(set: &Set, filter: Option<&str>, rounds: usize, quick: bool) -> Result<Results> {
    let root = tools::root();
    let versions = set.tools.iter().map(|tool| Ok((tool.to_string(), tools::version(tool)?)));
    let versions = versions.collect::<Result<_>>()?;
    // Before the long wait: what fails here fails early.
    let machine = Machine::this(None)?;
    let target = run::target_directory()?;
    let tasks = tasks(set, &root, &target, filter.unwrap_or_default())?;
    let wasmtime = run::build_cli()?;
    let names: Vec<_> = tasks.iter().map(|task| task.name.as_str()).collect();
    (set.build)(&root, &target, &names)?;
    let programs = run_all(set, &wasmtime, &tasks, rounds)?;
    let results = Results { quick, machine, versions, programs };
    // Part of the programs leaves the results of all of them alone.
    let part = if filter.is_some() { "-part" } else { "" };
    let file = target.join(format!("{}{part}.json", set.option));
    results.write(&file)?;
    let again = format!("`cargo xtask bench --{} --from FILE` makes a section of them again", set.option);
    eprintln!("The results are in {}: {again}", file.display());
    Ok(results)
}

/// The programs of a set whose names contain `filter` and that have a large size, by name.
fn tasks(set: &Set, root: &Path, target: &Path, filter: &str) -> Result<Vec<Task>> {
    let (sources, built) = (root.join(set.sources), target.join(set.built));
    let mut tasks = Vec::new();
    for entry in fs::read_dir(&sources).with_context(|| format!("cannot read {}", sources.display()))? {
        let path = entry?.path();
        let name = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == set.extension) && name.contains(filter) {
            let source =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            if let Some(large) = (set.large)(&source) {
                tasks.push(Task { name: name.into(), folder: built.join(name), large });
            }
        }
    }
    ensure!(
        !tasks.is_empty(),
        "no program in {} that can be measured has `{filter}` in its name",
        set.sources
    );
    tasks.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tasks)
}

/// Compiles the modules to machine code, then runs all programs in so many rounds.
fn run_all(set: &Set, wasmtime: &Path, tasks: &[Task], rounds: usize) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    for task in tasks {
        let forms = set.forms.iter().map(|form| {
            let (module, compiled) = (task.module(form), task.machine_code(form));
            let mut compile = wasmtime_command(wasmtime, "compile", form);
            compile.arg(&module).arg("-o").arg(&compiled);
            tools::output(compile).with_context(|| format!("cannot compile {}", task.name))?;
            let code = if set.code { Some(Code::of(&module, &compiled)?) } else { None };
            Ok(Measured { form: form.name.into(), code, samples: Vec::new() })
        });
        programs.push(Program { name: task.name.clone(), forms: forms.collect::<Result<_>>()? });
    }
    for round in 0..rounds {
        for (task, program) in tasks.iter().zip(&mut programs) {
            for at in order(round, set.forms.len()) {
                let form = &set.forms[at];
                let sample = run(wasmtime, task, form)
                    .with_context(|| format!("{} failed in round {}, {}", task.name, round + 1, form.how))?;
                program.forms[at].samples.push(sample);
            }
            let times = set
                .forms
                .iter()
                .zip(&program.forms)
                .map(|(form, measured)| format!("{:.2} s {}", measured.samples[round].time(), form.how));
            let times = times.collect::<Vec<_>>().join(", ");
            eprintln!("Round {} of {rounds}: {}: {times}", round + 1, task.name);
            compare(set, task)?;
        }
    }
    Ok(programs)
}

/// The order in which a round runs so many forms. The first changes, so that no form always has the caches of the same other one.
fn order(round: usize, forms: usize) -> impl Iterator<Item = usize> {
    (0..forms).map(move |at| (at + round) % forms)
}

/// Runs a program once. What it prints goes to files, which cost the process less than a pipe that waits for its reader.
fn run(wasmtime: &Path, task: &Task, form: &Form) -> Result<Sample> {
    let [stdout, stderr] = ["bench.txt", "bench.err"].map(|extension| task.file(form, extension));
    let mut command = wasmtime_command(wasmtime, "run", form);
    command.args(&task.large.options).arg("--allow-precompiled");
    command.arg(task.machine_code(form)).arg(&task.large.argument);
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

/// A command of wasmtime with the options that all have, and those of the form.
fn wasmtime_command(wasmtime: &Path, name: &str, form: &Form) -> Command {
    let mut command = Command::new(wasmtime);
    command.arg(name).args(OPTIONS).args(form.options);
    // An exception that leaves a continuation would have a backtrace of the host.
    command.env("RUST_BACKTRACE", "0").env_remove("RUST_LIB_BACKTRACE");
    command
}

/// Fails if the forms did not print the same.
fn compare(set: &Set, task: &Task) -> Result<()> {
    let printed = |form| fs::read(task.file(form, "bench.txt"));
    let (baseline, others) = set.forms.split_first().context("a set has a baseline")?;
    let expected = printed(baseline)?;
    for form in others {
        if let Some(difference) = difference((&expected, baseline.how), (&printed(form)?, form.how)) {
            bail!("{} does not print the same in all forms: {difference}", task.name);
        }
    }
    Ok(())
}

/// The first line that differs, in words. With each text stands which form has printed it.
fn difference((one, one_form): (&[u8], &str), (other, other_form): (&[u8], &str)) -> Option<String> {
    if one == other {
        return None;
    }
    let texts = [one, other].map(String::from_utf8_lossy);
    let [mut one, mut other] = texts.each_ref().map(|text| text.split('\n'));
    let mut number = 0;
    loop {
        number += 1;
        match (one.next(), other.next()) {
            (None, None) => return Some("bytes that are no text".into()),
            (one, other) if one == other => {}
            (one, other) => {
                let [one, other] = [one, other].map(|l| l.map_or("nothing".into(), |l| format!("`{l}`")));
                return Some(format!("line {number} is {one} {one_form}, and {other} {other_form}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of a set's programs that have a large size.
    fn names(set: &Set, filter: &str) -> Vec<String> {
        let tasks = tasks(set, &tools::root(), Path::new("target"), filter).unwrap();
        tasks.into_iter().map(|task| task.name).collect()
    }

    #[test]
    fn programs() {
        for set in SETS {
            assert!(names(set, "").is_sorted() && names(set, "").len() > 5, "{}", set.title);
            let error = tasks(set, &tools::root(), Path::new("target"), "nothing").err().unwrap();
            assert!(error.to_string().contains("`nothing`"), "{error}");
        }
        assert_eq!(names(&KOTLIN, "gener"), ["generator"]);
        assert_eq!(names(&C, "gener"), ["generator", "generator_switch"]);
        // It has to fail.
        assert!(!names(&C, "").contains(&"overflow".to_string()));
    }

    #[test]
    fn files() {
        let task = &tasks(&C, Path::new(&tools::root()), Path::new("target"), "pi").unwrap()[0];
        let folder = Path::new("target/c-programs/pi");
        let [asyncify, switching, inlined] = [0, 1, 2].map(|at| &C.forms[at]);
        assert_eq!(task.module(asyncify), folder.join("asyncify.opt.wasm"));
        assert_eq!(task.module(switching), task.module(inlined));
        for set in SETS {
            let files: std::collections::HashSet<_> = set.forms.iter().map(|form| form.file).collect();
            assert_eq!(files.len(), set.forms.len(), "two forms write one file");
        }
        assert_eq!(task.machine_code(inlined), folder.join("switching-inlined.opt.cwasm"));
    }

    #[test]
    fn the_order_changes() {
        let order = |round, forms| order(round, forms).collect::<Vec<_>>();
        assert_eq!([order(0, 2), order(1, 2), order(2, 2)], [[0, 1], [1, 0], [0, 1]]);
        assert_eq!([order(0, 3), order(1, 3), order(5, 3)], [[0, 1, 2], [1, 2, 0], [2, 0, 1]]);
    }

    #[test]
    fn differences() {
        let difference = |one, other| difference((one, "as one"), (other, "with another"));
        assert_eq!(difference(b"a\nb\n", b"a\nb\n"), None);
        let said = difference(b"a\nb\nc\n", b"a\nB\nc\n").unwrap();
        assert_eq!(said, "line 2 is `b` as one, and `B` with another");
        assert_eq!(difference(b"a", b"a\nb").unwrap(), "line 2 is nothing as one, and `b` with another");
        assert!(difference(b"a", b"a\n").unwrap().starts_with("line 2 is nothing"));
        assert_eq!(difference(b"\xfe", b"\xff").unwrap(), "bytes that are no text");
    }
}
