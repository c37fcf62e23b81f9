//! `cargo xtask instructions`: counts what the benchmarks' operations take on the native backend, in instructions.
//!
//! Instructions are counted by valgrind and do not depend on what else the machine does, so that CI can tell
//! whether an operation has become dearer. A benchmark is counted with two sizes; the difference of the counts
//! has no start-up in it.

use crate::schema::{EXPORTED, Exported, variable};
use crate::{bench, report, run, tools};
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Mutex;

/// Where the counts are kept, relative to the root.
const FILE: &str = "benches/instructions.toml";

/// How many percent more or fewer are no change.
const PERCENT: u64 = 2;

/// How many run at a time.
const THREADS: usize = 2;

#[derive(clap::Args)]
pub struct InstructionsArgs {
    /// Only benchmarks with this in their names; or the path of a module of your own, FILE.wat or FILE.wasm, of which the
    /// counts are only printed. `cargo xtask bench --help` says what it exports
    filter: Option<String>,
    /// Write the counts to `benches/instructions.toml`, in place of comparing them with it
    #[arg(long)]
    bless: bool,
    /// Where there is no valgrind or no native backend, say so and succeed
    #[arg(long, conflicts_with = "bless")]
    if_possible: bool,
}

/// A count in tenths of an instruction, as exact as the file is.
type Counts = BTreeMap<String, u64>;

/// Counts, and compares or writes the file.
pub fn instructions(args: &InstructionsArgs) -> Result<ExitCode> {
    if let Err(error) = possible() {
        if !args.if_possible {
            return Err(error);
        }
        eprintln!("Left out: {error:#}");
        return Ok(ExitCode::SUCCESS);
    }
    let name = args.filter.as_deref().unwrap_or_default();
    if let Some(module) = bench::own_module(name)? {
        ensure!(!args.bless, "{FILE} has the counts of the project's own benchmarks only");
        for (name, tenths) in count(What::Own(&module))? {
            println!("{name}: {} instructions per operation", decimal(tenths));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let root = tools::root();
    let path = root.join(FILE);
    // Read first: counting takes a while.
    let kept = match fs::read_to_string(&path) {
        Ok(text) => parse(&text),
        Err(_) => Err(anyhow!("cannot read {FILE}: `cargo xtask instructions --bless` writes it")),
    };
    if args.bless {
        // What is not counted stays as it is.
        let mut all = if name.is_empty() { Counts::new() } else { kept? };
        all.retain(|kept, _| !kept.contains(name));
        all.extend(count(What::Named(name))?);
        fs::write(&path, render(&all)).with_context(|| format!("cannot write {FILE}"))?;
        eprintln!("Wrote {FILE}");
        return Ok(ExitCode::SUCCESS);
    }
    let mut kept = kept?;
    kept.retain(|kept, _| kept.contains(name));
    let now = count(What::Named(name))?;
    let changes = compare(&kept, &now);
    print!("{}", changes.text());
    if changes.fails() {
        bail!(
            "operations take more instructions than {FILE} says, or that file has other benchmarks.\n\
             If that is meant, `cargo xtask instructions --bless` writes it anew; say in the commit why"
        );
    }
    println!("Of {} counted, none takes more instructions than {FILE} says", now.len());
    Ok(ExitCode::SUCCESS)
}

/// Whether this can be counted here.
fn possible() -> Result<()> {
    ensure!(
        cfg!(all(target_arch = "x86_64", target_os = "linux")),
        "instructions are counted on x86-64 Linux alone"
    );
    let mut version = Command::new("valgrind");
    version.arg("--version");
    tools::output(version).context("instructions are counted by valgrind")?;
    Ok(())
}

/// What to count.
#[derive(Clone, Copy)]
enum What<'a> {
    /// The benchmarks whose names contain this.
    Named(&'a str),
    /// A module of the user's own.
    Own(&'a Path),
}

/// Counts, with a line on standard error for each benchmark.
fn count(what: What<'_>) -> Result<Counts> {
    let wasmtime = run::build_cli()?;
    let scratch = run::target_directory()?.join("instructions");
    fs::create_dir_all(&scratch)?;
    let mut tasks = discover(&scratch, what)?;
    if tasks.is_empty() {
        let What::Named(name) = what else { bail!("this module cannot be counted; see above") };
        let names: Vec<_> = discover(&scratch, What::Named(""))?.into_iter().map(|task| task.name).collect();
        bail!("no benchmark whose instructions are counted has `{name}` in its name: {}", names.join(", "));
    }
    let mut compiled = BTreeSet::new();
    for task in &mut tasks {
        let to = task.module.with_extension("cwasm");
        if compiled.insert(to.clone()) {
            // For any processor, not for this one: valgrind does not know all that new ones can do, and counts
            // are to be the same everywhere.
            let mut compile = Command::new(&wasmtime);
            compile.args(["compile", "--target", "x86_64-unknown-linux-gnu", "-W", "stack-switching"]);
            compile.args(["-C", "cache=n,stack-switching-backend=native"]);
            compile.arg(&task.module).arg("-o").arg(&to);
            tools::output(compile)?;
        }
        task.module = to;
    }
    let (next, counts) = (Mutex::new(tasks.iter()), Mutex::new(Counts::new()));
    let work = || -> Result<()> {
        loop {
            let Some(task) = next.lock().expect("no thread panics").next() else { return Ok(()) };
            let tenths =
                per_operation(&wasmtime, task).with_context(|| format!("cannot count {}", task.name))?;
            eprintln!("{}: {} instructions", task.name, decimal(tenths));
            counts.lock().expect("no thread panics").insert(task.name.clone(), tenths);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics"))
    })?;
    Ok(counts.into_inner().expect("no thread panics"))
}

/// The benchmarks to count, whose modules the suite writes to `scratch`. Says what is left out.
fn discover(scratch: &Path, what: What<'_>) -> Result<Vec<Exported>> {
    let mut suite = tools::cargo();
    suite.args(["test", "--locked", "--quiet", "--package", "wasmfx", "--bench", "suite"]);
    suite.env(variable::EXPORT, scratch).env_remove(variable::MODULE);
    if let What::Own(module) = what {
        suite.env(variable::MODULE, module);
    }
    ensure!(suite.status()?.success(), "the suite does not say what to count; see above");
    let list = scratch.join(EXPORTED);
    let text = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let mut tasks: Vec<Exported> =
        serde_json::from_str(&text).context("the suite's list is not as expected")?;
    if let What::Named(name) = what {
        tasks.retain(|task| task.name.contains(name));
    }
    tasks.retain_mut(|task| {
        task.module = scratch.join(&task.module);
        if let Some(why) = &task.obstacle {
            eprintln!("{}: left out: {why}", task.name);
        }
        task.obstacle.is_none()
    });
    Ok(tasks)
}

/// Tenths of an instruction per operation.
fn per_operation(wasmtime: &Path, task: &Exported) -> Result<u64> {
    let (less, more) = (u64::from(task.size), u64::from(task.size) * 2);
    let [few, many] = [less, more].map(|size| total(wasmtime, task, size));
    let (few, many) = (few?, many?);
    let difference = many.checked_sub(few).with_context(|| {
        format!("{more} operations took {many} instructions, and {less} took {few}: raise the `size` in its header")
    })?;
    let tenths = difference as f64 * 10.0 / (more - less) as f64;
    Ok(tenths.round() as u64)
}

/// The instructions of one run.
fn total(wasmtime: &Path, task: &Exported, size: u64) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(wasmtime);
    command.args(["run", "-W", "stack-switching", "-C", "cache=n", "--allow-precompiled", "--invoke"]);
    command.arg(&task.export).arg(&task.module).arg(size.to_string());
    // An exception that leaves a continuation would have a backtrace of the host.
    command.env("RUST_BACKTRACE", "0").env_remove("RUST_LIB_BACKTRACE");
    let (_, said) = tools::outputs(command)?;
    collected(&said).with_context(|| format!("valgrind does not say what it counted:\n{said}"))
}

/// The total in what callgrind prints at the end: `==1== Collected : 123`.
fn collected(said: &str) -> Option<u64> {
    said.lines().find_map(|line| line.split_once(" Collected : ")?.1.trim().parse().ok())
}

/// The counts in the file's text.
fn parse(text: &str) -> Result<Counts> {
    let counts: BTreeMap<String, f64> = toml::from_str(text).with_context(|| {
        format!("{FILE} is not lines of `name = number`: `cargo xtask instructions --bless` writes it anew")
    })?;
    Ok(counts.into_iter().map(|(name, count)| (name, (count * 10.0).round() as u64)).collect())
}

/// The file's text.
fn render(counts: &Counts) -> String {
    let lines = counts.iter().map(|(name, tenths)| format!("{name} = {}\n", decimal(*tenths)));
    format!(
        "# Instructions per operation of the benchmarks that say `micro = true`, on the native backend for x86-64 \
         Linux.\n\
         # `cargo xtask instructions` compares, and fails if an operation takes more than {PERCENT} percent more than \
         here;\n\
         # `cargo xtask instructions --bless` writes this file anew.\n\n{}",
        lines.collect::<String>()
    )
}

fn decimal(tenths: u64) -> String {
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Benchmarks whose counts are not those in the file: name, then what is there, then what was counted.
#[derive(Default, Debug, PartialEq)]
struct Changes {
    dearer: Vec<(String, u64, u64)>,
    better: Vec<(String, u64, u64)>,
    missing: Vec<(String, u64)>,
    superfluous: Vec<(String, u64)>,
}

fn compare(kept: &Counts, now: &Counts) -> Changes {
    let mut changes = Changes::default();
    for (name, &now) in now {
        let name = name.clone();
        match kept.get(&name) {
            None => changes.missing.push((name, now)),
            Some(&kept) if now * 100 > kept * (100 + PERCENT) => changes.dearer.push((name, kept, now)),
            Some(&kept) if now * 100 < kept * (100 - PERCENT) => changes.better.push((name, kept, now)),
            Some(_) => {}
        }
    }
    let superfluous = kept.iter().filter(|(name, _)| !now.contains_key(*name));
    changes.superfluous.extend(superfluous.map(|(name, kept)| (name.clone(), *kept)));
    changes
}

impl Changes {
    fn fails(&self) -> bool {
        !(self.dearer.is_empty() && self.missing.is_empty() && self.superfluous.is_empty())
    }

    /// A table, if there is something to say.
    fn text(&self) -> String {
        let mut rows = Vec::new();
        for (name, kept, now) in self.dearer.iter().chain(&self.better) {
            let percent = (*now as f64 / *kept as f64 - 1.0) * 100.0;
            rows.push([name.clone(), decimal(*kept), decimal(*now), format!("{percent:+.1} %")]);
        }
        for (name, now) in &self.missing {
            rows.push([name.clone(), "–".into(), decimal(*now), "not in the file".into()]);
        }
        for (name, kept) in &self.superfluous {
            rows.push([name.clone(), decimal(*kept), "–".into(), "not a benchmark".into()]);
        }
        if rows.is_empty() {
            return String::new();
        }
        let rows: Vec<_> = rows.into_iter().map(Vec::from).collect();
        let mut text = report::table(&["benchmark", "in the file", "now", "change"], &rows);
        if !self.better.is_empty() {
            text += "Fewer instructions than in the file are better: `cargo xtask instructions --bless` keeps them\n";
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, u64)]) -> Counts {
        counts.iter().map(|(name, tenths)| (name.to_string(), *tenths)).collect()
    }

    #[test]
    fn totals() {
        let said =
            "==12== Events    : Ir\n==12== Collected : 345678\n==12== \n==12== I   refs:      345,678\n";
        assert_eq!(collected(said), Some(345_678));
        assert_eq!(collected("==12== Collected : none"), None);
        assert_eq!(collected(""), None);
    }

    #[test]
    fn two_percent() {
        let kept = counts(&[("a", 1000), ("b", 1000), ("c", 1000), ("d", 1000), ("gone", 5)]);
        let now = counts(&[("a", 1020), ("b", 1021), ("c", 980), ("d", 979), ("new", 6)]);
        let changes = compare(&kept, &now);
        assert_eq!(changes.dearer, [("b".into(), 1000, 1021)]);
        assert_eq!(changes.better, [("d".into(), 1000, 979)]);
        assert_eq!(changes.missing, [("new".into(), 6)]);
        assert_eq!(changes.superfluous, [("gone".into(), 5)]);
        let text = changes.text();
        for part in ["100.0", "102.1", "+2.1 %", "-2.1 %", "not in the file", "not a benchmark", "--bless"] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
    }

    #[test]
    fn what_fails() {
        let kept = counts(&[("a", 1000)]);
        assert!(compare(&kept, &counts(&[("a", 1021)])).fails(), "dearer");
        assert!(compare(&kept, &counts(&[("a", 1000), ("b", 1)])).fails(), "missing");
        assert!(compare(&kept, &counts(&[])).fails(), "superfluous");
        let better = compare(&kept, &counts(&[("a", 500)]));
        assert!(!better.fails() && better.text().contains("-50.0 %"));
        let same = compare(&kept, &kept);
        assert!(!same.fails() && same.text().is_empty());
    }

    /// What a reference to a continuation may cost in a field, more than a number of the same size.
    #[test]
    fn fields() {
        let kept = parse(include_str!("../../benches/instructions.toml")).unwrap();
        for access in ["read", "write"] {
            let [reference, number] = ["cont", "i64"].map(|ty| kept[&format!("field_{ty}_{access}")]);
            assert!(reference <= number + 150, "a {access}: {} and {}", decimal(reference), decimal(number));
        }
    }

    #[test]
    fn files() {
        let all = counts(&[("suspend_resume", 213), ("deep_10", 100_005), ("a", 9)]);
        let text = render(&all);
        assert!(text.starts_with("# "));
        assert!(text.ends_with("\n\na = 0.9\ndeep_10 = 10000.5\nsuspend_resume = 21.3\n"), "{text}");
        assert_eq!(parse(&text).unwrap(), all);
        assert!(parse("a = \"b\"").is_err());
    }
}
