//! `cargo xtask bench`: runs the suite beside Wasmtime as published and V8, and writes the report.

use crate::schema::{Machine, Results, UNPATCHED, V8, variable};
use crate::{chart, report, run, setup, tools};
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Where the report lies, relative to the root.
const REPORT: &str = "benches/REPORT.md";
/// The chart, beside it.
const CHART: &str = "benches/report.svg";

#[derive(clap::Args)]
pub struct BenchArgs {
    /// Only benchmarks with this in their names: prints the tables, and writes no report
    filter: Option<String>,
    /// Few samples, and without criterion's own measurements: prints the tables, and writes no report
    #[arg(long)]
    quick: bool,
    /// A node whose V8 has stack switching behind `--experimental-wasm-wasmfx`; without one, V8 is left out
    #[arg(long, env = variable::NODE, value_name = "PATH")]
    node: Option<OsString>,
    /// Measure nothing: take the results from this file, which another run left
    #[arg(long, value_name = "FILE", conflicts_with = "quick")]
    from: Option<PathBuf>,
}

/// Measures, and writes the report.
pub fn bench(args: &BenchArgs) -> Result<ExitCode> {
    let results = match &args.from {
        Some(file) => Results::read(file)?,
        None => measure(args)?,
    };
    match &args.filter {
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

/// Runs the suite, and reads what it measured.
fn measure(args: &BenchArgs) -> Result<Results> {
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
    suite.args(["bench", "--locked", "--package", "wasmfx", "--bench", "suite", "--"]).args(&args.filter);
    suite.env(variable::UNPATCHED, unpatched).env(variable::RESULTS, &file);
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
    let chart = Path::new(CHART).file_name().context("the chart has a name")?.to_string_lossy();
    let path = root.join("README.md");
    let readme = fs::read_to_string(&path).context("cannot read README.md")?;
    // All is made before anything is written.
    let files = [
        (root.join(REPORT), report::report(results, &chart)),
        (root.join(CHART), chart::svg(results)?),
        (path, report::readme(&readme, results, REPORT, CHART)?),
    ];
    for (path, text) in files {
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("Wrote {}", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs() {
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
        fs::remove_dir_all(&root).unwrap();
        assert!(report.contains("](report.svg)") && chart.starts_with("<svg"));
        assert!(readme.contains(CHART) && readme.contains(REPORT) && readme.contains("| round "));
    }
}
