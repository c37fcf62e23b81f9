//! `cargo xtask bench`: runs the suite beside Wasmtime as published and V8, or the programs of a set in all their forms, and
//! writes the report.

use crate::schema::{Machine, Results, UNPATCHED, V8, variable};
use crate::{chart, programs, report, run, setup, tools};
use anyhow::{Context, Result, bail, ensure};
use programs::report::Parts;
use programs::{C, KOTLIN, Set};
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Where the report lies, relative to the root.
const REPORT: &str = "benches/REPORT.md";
/// The chart, beside it.
const CHART: &str = "benches/report.svg";

/// How many rounds of a set's programs there are, unless the user says how many: each of two or three forms goes first equally often.
const ROUNDS: NonZero<usize> = NonZero::new(6).unwrap();

#[derive(clap::Args)]
pub struct BenchArgs {
    /// Only benchmarks, or Kotlin or C programs, with this in their names; or the path of a module of your own, FILE.wat or
    /// FILE.wasm: prints the tables, and writes no report
    ///
    /// The module exports `run`, or several `run_X`: functions (param i32) (result i64) that make as many operations as the
    /// parameter says. If it exports `expected`, a function of the same type, that one says which results are right.
    filter: Option<String>,
    /// Few samples (of Kotlin and C programs, one round), and without criterion's own measurements: prints the tables, and
    /// writes no report
    #[arg(long)]
    quick: bool,
    /// A node whose V8 has stack switching behind `--experimental-wasm-wasmfx`; without one, V8 is left out
    #[arg(long, env = variable::NODE, value_name = "PATH")]
    node: Option<OsString>,
    /// Measure nothing: take the results from this file, which another run left
    #[arg(long, value_name = "FILE", conflicts_with = "quick")]
    from: Option<PathBuf>,
    /// Measure the Kotlin programs instead, as state machines and with stack switching: CPU time and peak memory
    ///
    /// Builds the programs of `tests/kotlin` with `ci/kotlin.sh --build-only` (npm, node and a JDK), compiles each module
    /// once with the native backend, and runs the programs at their size `large`. A round runs each program in both
    /// forms. Writes the section "Kotlin" of `benches/REPORT.md` and `benches/kotlin.svg`, and leaves the rest of the
    /// report as it is. A run without this option leaves that section as it is. `--node` has no effect on this.
    #[arg(long, group = "set")]
    kotlin: bool,
    /// Measure the C programs instead, with Asyncify and with stack switching: CPU time, peak memory and size of code
    ///
    /// Builds the programs of `examples/c/fiber` as `cargo xtask c-programs` does (python3 and npm), and compiles each
    /// module with the native backend, the one for stack switching also with `-C inlining=y`. Runs each program at the size
    /// that the line ` * Large: OPTION... N` of its source names, and leaves out a program without one. Writes the section "C" of
    /// `benches/REPORT.md` and `benches/c.svg`. The rest is as with `--kotlin`.
    #[arg(long, group = "set")]
    c: bool,
    /// How many rounds of the Kotlin or C programs
    #[arg(long, value_name = "N", default_value_t = ROUNDS, requires = "set", conflicts_with_all = ["quick", "from"])]
    rounds: NonZero<usize>,
}

impl BenchArgs {
    /// The set to measure instead of the suite.
    fn set(&self) -> Option<&'static Set> {
        if self.kotlin {
            Some(&KOTLIN)
        } else if self.c {
            Some(&C)
        } else {
            None
        }
    }
}

/// Measures, and writes the report.
pub fn bench(args: &BenchArgs) -> Result<ExitCode> {
    if let Some(set) = args.set() {
        return bench_programs(args, set);
    }
    let own = args.filter.as_deref().map(own_module).transpose()?.flatten();
    ensure!(
        own.is_none() || args.from.is_none(),
        "`--from` prints what was measured, and measures no module"
    );
    let results = match &args.from {
        Some(file) => Results::read(file)?,
        None => measure(args, own.as_deref())?,
    };
    match &args.filter {
        Some(_) if own.is_some() => print!("{}", report::tables(&results)),
        Some(filter) => print!("{}", report::tables(&results.only(filter)?)),
        // A few samples are no report.
        None if results.quick => print!("{}", report::tables(&results)),
        None => {
            let everybody = results.has(UNPATCHED) && (args.node.is_none() || results.has(V8));
            ensure!(
                everybody,
                "no report: Wasmtime as published or V8 was left out everywhere; see above why"
            );
            write(&tools::root(), &results)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Measures the programs of a set, and writes their section of the report.
fn bench_programs(args: &BenchArgs, set: &Set) -> Result<ExitCode> {
    let filter = args.filter.as_deref();
    let results = match &args.from {
        Some(file) => programs::Results::read(file, set)?,
        None => {
            let rounds = if args.quick { 1 } else { args.rounds.get() };
            programs::measure(set, filter, rounds, args.quick)?
        }
    };
    match filter {
        Some(filter) => print!("{}", programs::report::tables(set, &results.only(filter)?)),
        // One round is no report.
        None if results.quick => print!("{}", programs::report::tables(set, &results)),
        None => write_programs(&tools::root(), set, &results)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The absolute path of a module, if that is what the user named rather than a part of names.
pub fn own_module(filter: &str) -> Result<Option<PathBuf>> {
    let path = Path::new(filter);
    if !path.extension().is_some_and(|extension| extension == "wat" || extension == "wasm") {
        return Ok(None);
    }
    let path = path.canonicalize().with_context(|| format!("there is no module {filter}"))?;
    Ok(Some(path))
}

/// Runs the suite, or a module of the user's own as the suite does, and reads what was measured.
fn measure(args: &BenchArgs, own: Option<&Path>) -> Result<Results> {
    if let (Some(filter), None) = (&args.filter, own) {
        ensure_known(&tools::root(), filter)?;
    }
    setup::ensure()?;
    let unpatched = run::build_unpatched()?;
    // Part of the suite leaves the results of all of it alone.
    let name = if args.filter.is_some() { "suite-part.json" } else { "suite.json" };
    let file = run::target_directory()?.join(name);
    // What an earlier run left is not this one's.
    if file.exists() {
        fs::remove_file(&file)?;
    }
    let mut suite = tools::cargo();
    suite.args(["bench", "--locked", "--package", "wasmfx", "--bench", "suite", "--"]);
    suite.env(variable::UNPATCHED, unpatched).env(variable::RESULTS, &file);
    match own {
        Some(module) => suite.env(variable::MODULE, module),
        None => suite.args(&args.filter).env_remove(variable::MODULE),
    };
    suite.env_remove(variable::QUICK).env_remove(variable::NODE);
    if args.quick {
        suite.env(variable::QUICK, "1");
    }
    let node = args.node.as_ref().map(program).transpose()?;
    if let Some(node) = &node {
        suite.env(variable::NODE, node);
    }
    // Before the measurements: who named no node should hear it before the long wait.
    let v8 = node.as_ref().map(v8_version).transpose()?;
    if !suite.status().context("cannot run cargo")?.success() {
        bail!("the suite did not end well; see above");
    }
    let mut results = Results::read(&file)?;
    let v8 = v8.filter(|_| results.has(V8));
    results.machine = Some(Machine::this(v8)?);
    results.write(&file)?;
    let again = "`cargo xtask bench --from FILE` makes a report of them again";
    eprintln!("The results are in {}: {again}", file.display());
    Ok(results)
}

/// Refuses what is part of no benchmark's name, before anything is built: the names in the report, and the files of modules.
fn ensure_known(root: &Path, filter: &str) -> Result<()> {
    let report = fs::read_to_string(root.join(REPORT)).unwrap_or_default();
    let rows = report.lines().skip_while(|line| !line.starts_with("| benchmark ")).skip(2);
    let rows = rows.map_while(|line| line.strip_prefix("| ")?.split_whitespace().next());
    let mut names: Vec<_> = rows.map(str::to_string).collect();
    for entry in fs::read_dir(root.join("benches/modules")).context("cannot list benches/modules")? {
        names.push(entry?.path().file_stem().unwrap_or_default().to_string_lossy().into_owned());
    }
    names.sort();
    names.dedup();
    // A name in full may go on with that of an export.
    let known = names.iter().any(|name| name.contains(filter) || filter.starts_with(&format!("{name}_")));
    ensure!(known, "no benchmark has `{filter}` in its name: {}", names.join(", "));
    Ok(())
}

/// The path of a program, from wherever cargo runs it; a bare name is looked for on the PATH.
fn program(name: &OsString) -> Result<PathBuf> {
    let path = Path::new(name);
    if path.components().count() == 1 {
        return Ok(path.to_path_buf());
    }
    path.canonicalize().with_context(|| format!("there is no {}: `--node` names a node", path.display()))
}

fn v8_version(node: &PathBuf) -> Result<String> {
    let mut command = Command::new(node);
    command.args(["-p", "process.versions.v8"]);
    let version = tools::output(command).with_context(|| format!("{} is no node", node.display()))?;
    Ok(version.trim().to_string())
}

/// Writes the report, the chart, and the README's part of them.
fn write(root: &Path, results: &Results) -> Result<()> {
    let readme = fs::read_to_string(root.join("README.md")).context("cannot read README.md")?;
    // The programs of sets are measured by other runs: the new report has the old one's sections of them.
    let old = match fs::read_to_string(root.join(REPORT)) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        old => old.with_context(|| format!("cannot read {REPORT}"))?,
    };
    let suite = report::report(results, &file_name(CHART)?);
    let report = Parts::of(&old).with_suite(&suite).report();
    // All is made before anything is written.
    let files = [
        (REPORT, report),
        (CHART, chart::svg(results)?),
        ("README.md", report::readme(&readme, results, REPORT, CHART)?),
    ];
    write_files(root, &files)
}

/// Writes the report's section of a set, and its chart.
fn write_programs(root: &Path, set: &Set, results: &programs::Results) -> Result<()> {
    let old = fs::read_to_string(root.join(REPORT))
        .with_context(|| format!("cannot read {REPORT}: `cargo xtask bench` writes it"))?;
    let chart = format!("benches/{}.svg", set.option);
    let section = programs::report::section(set, results, &file_name(&chart)?);
    let report = Parts::of(&old).with_section(set, &section).report();
    write_files(root, &[(REPORT, report), (&chart, programs::chart::svg(set, results)?)])
}

/// The name of a chart, as a report beside it refers to it.
fn file_name(chart: &str) -> Result<String> {
    Ok(Path::new(chart).file_name().context("the chart has a name")?.to_string_lossy().into_owned())
}

/// Writes files: paths relative to `root`, and texts.
fn write_files(root: &Path, files: &[(&str, String)]) -> Result<()> {
    for (path, text) in files {
        let path = root.join(path);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("Wrote {}", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn sets() {
        #[derive(Parser)]
        struct Cli {
            #[command(flatten)]
            args: BenchArgs,
        }
        let parse = |args: &[&str]| Cli::try_parse_from([&["bench"], args].concat()).map(|cli| cli.args);
        let option = |args: &[&str]| parse(args).unwrap().set().map(|set| set.option);
        assert_eq!(option(&[]), None);
        assert_eq!(option(&["--kotlin", "--rounds", "3"]), Some("kotlin"));
        assert_eq!(option(&["--c", "ring", "--quick"]), Some("c"));
        assert!(parse(&["--c", "--kotlin"]).is_err(), "only one set at a time");
        assert!(parse(&["--rounds", "3"]).is_err(), "the suite has no rounds");
    }

    #[test]
    fn modules() {
        assert_eq!(own_module("generator").unwrap(), None);
        assert!(own_module("../benches/modules/generator.wat").unwrap().unwrap().is_absolute());
        assert!(own_module("no_such.wat").unwrap_err().to_string().contains("no_such.wat"));
    }

    #[test]
    fn names() {
        let root = tools::root();
        for known in ["generator", "payload_i64", "deep_100", "create_new_variant"] {
            ensure_known(&root, known).unwrap();
        }
        assert!(ensure_known(&root, "nosuch").unwrap_err().to_string().contains("switch_pair"));
    }

    #[test]
    fn nodes() {
        assert_eq!(program(&"node".into()).unwrap(), Path::new("node"));
        assert!(program(&"src/../Cargo.toml".into()).unwrap().is_absolute());
        assert!(program(&"no/such/node".into()).is_err());
    }

    #[test]
    fn files() {
        let root = std::env::temp_dir().join(format!("wasmfx-report-{}", std::process::id()));
        fs::create_dir_all(root.join("benches")).unwrap();
        let results = || Results::parse(crate::results::tests::SAMPLE).unwrap();
        fs::write(root.join("README.md"), "No marks").unwrap();
        assert!(write(&root, &results()).is_err());
        assert!(!root.join(REPORT).exists(), "a report was written in spite of the error");
        let marks = fs::read_to_string(tools::root().join("README.md")).unwrap();
        fs::write(root.join("README.md"), marks).unwrap();
        write(&root, &results()).unwrap();
        let [report, chart, readme] =
            [REPORT, CHART, "README.md"].map(|path| fs::read_to_string(root.join(path)).unwrap());
        let kotlin = programs::Results::parse(programs::KOTLIN_SAMPLE, &KOTLIN).unwrap();
        write_programs(&root, &KOTLIN, &kotlin).unwrap();
        // The suite again: it leaves the section.
        write(&root, &results()).unwrap();
        let [both, kotlin_chart] =
            [REPORT, "benches/kotlin.svg"].map(|path| fs::read_to_string(root.join(path)).unwrap());
        fs::remove_file(root.join(REPORT)).unwrap();
        assert!(write_programs(&root, &KOTLIN, &kotlin).is_err(), "a section was written without a report");
        fs::remove_dir_all(&root).unwrap();
        assert!(
            both.starts_with(&report) && both.contains("](kotlin.svg)") && kotlin_chart.starts_with("<svg")
        );
        assert!(report.contains("](report.svg)") && chart.starts_with("<svg"));
        assert!(readme.contains(CHART) && readme.contains(REPORT) && readme.contains("| round "));
    }
}
