//! What programs with many continuations take of memory, that it stays within bounds, and that their results are
//! right.
//!
//! Each program runs in a process of its own, on each backend. Its memory is the most that it had at any time of
//! resident pages and page tables together, sampled each millisecond; Linux only.
//!
//! * `cargo bench --bench memory`: the sizes that the bounds are meant for; takes 8 GiB and several minutes.
//! * `cargo test --bench memory`: a twentieth or so of that, as part of the tests.
//!
//! As a benchmark it prints a table in Markdown. It ends with an error if a result is wrong or a bound exceeded.

#[path = "../tests/support/mod.rs"]
mod support;

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::Trial;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use wasmfx::wasmtime::{Engine, Instance, Module, Store, Trap, Val};

/// The first argument of the processes that run a program: backend, module, export, bytes of a stack (0 for the default)
/// and the export's arguments follow.
const CHILD: &str = "--child";

const MIB: f64 = (1 << 20) as f64;

/// What a run must end in.
#[derive(Clone, Copy)]
enum Outcome {
    Returns(i64),
    ReturnsNothing,
    Unreachable,
}

/// A call of an export of a module in `modules/`.
struct Run {
    module: &'static str,
    export: &'static str,
    args: Vec<i32>,
    outcome: Outcome,
    /// Bytes of a stack for Wasm, if not as many as by default.
    stack: Option<usize>,
}

impl Run {
    fn with_stacks_of(mut self, bytes: usize) -> Run {
        self.stack = Some(bytes);
        self
    }
}

/// By so many bytes the memory of a process may differ from one run to the next.
const NOISE: f64 = 512.0 * 1024.0;

/// What a program's memory is compared to.
enum Bound {
    /// At most so many MiB more than another run.
    Above(Run, f64),
    /// At most so many bytes for each of so many continuations, beyond what another run takes.
    Each(Run, i32, f64),
}

struct Program {
    name: String,
    run: Run,
    bound: Bound,
}

fn run(module: &'static str, export: &'static str, args: &[i32], outcome: Outcome) -> Run {
    Run { module, export, args: args.to_vec(), outcome, stack: None }
}

/// A continuation that touched one page of its stack takes so many bytes in all, at most: that page, 8 bytes of page table
/// for each page that its stack could have, 330 bytes of the runtime's, some 120 more with the libcall backend, and in these
/// programs 16 bytes of a table.
const LIVE: f64 = 5.6 * 1024.0;

/// The same, with smaller stacks.
const LIVE_ON: [(usize, f64); 2] = [(64 << 10, 4.7 * 1024.0), (16 << 10, 4.6 * 1024.0)];

fn programs(full: bool) -> Vec<Program> {
    use Outcome::{Returns, ReturnsNothing, Unreachable};
    // What a process takes besides weighs more among fewer.
    let slack = if full { 0.0 } else { 128.0 };
    let scale = |full_size: i32| if full { full_size } else { full_size / 20 };
    let square = |n: i32| Returns(i64::from(n) * i64::from(n));
    let mut programs = Vec::new();
    let mut add =
        |name: &str, run: Run, bound: Bound| programs.push(Program { name: name.to_owned(), run, bound });

    let create = |n| run("create", "run", &[n], square(n));
    add("one after another", create(scale(10_000_000)), Bound::Above(create(10_000), 10.0));

    // Nobody ends these: the store finds out that nothing can resume them. The others are the same, for their time.
    let values = |n: i32| Returns(i64::from(n) * i64::from(n + 1) / 2);
    for (name, export) in [("abandoned after their first value", "abandon"), ("the same, finished", "finish")]
    {
        let generators = |n| run("abandon", export, &[n], values(n));
        add(name, generators(scale(10_000_000)), Bound::Above(generators(10_000), 64.0));
    }

    let levels = if full { 6 } else { 5 };
    let leaves = 10_i64.pow(levels);
    let skynet = run("skynet", "tree", &[levels.cast_signed()], Returns(leaves * (leaves - 1) / 2));
    add("skynet", skynet, Bound::Above(run("skynet", "tree", &[0], Returns(0)), 10.0));

    let alive = if full { 10_000 } else { 2_000 };
    let c10m =
        |n: i32| run("c10m_stack", "ring", &[n, alive], Returns(1792 * i64::from(n) * (i64::from(n) + 1)));
    add(
        "c10m, on its own stack",
        c10m(scale(10_000_000) / if full { 1 } else { 5 }),
        Bound::Above(c10m(4 * alive), 10.0),
    );

    let nothing = || run("park", "run", &[0], Returns(0));
    for n in if full { vec![10_000, 100_000, 1_000_000] } else { vec![5_000, 50_000] } {
        add(
            "all suspended at once",
            run("park", "run", &[n], square(n)),
            Bound::Each(nothing(), n, LIVE + slack),
        );
        for (size, most) in LIVE_ON {
            let all = run("park", "run", &[n], square(n)).with_stacks_of(size);
            let none = nothing().with_stacks_of(size);
            add(&format!("on stacks of {} KiB", size >> 10), all, Bound::Each(none, n, most + slack));
        }
    }
    let n = scale(100_000);
    // 16 of these bytes are the table's, in which they are kept.
    add("never run", run("fresh", "keep", &[n], ReturnsNothing), Bound::Each(nothing(), n, 368.0 + slack));

    let no_nest = || run("nest", "by_return", &[1], Returns(1));
    for (export, outcome) in
        [("by_return", Returns(n.into())), ("by_exception", Returns(n.into())), ("by_trap", Unreachable)]
    {
        let name = format!("nested, ended {}", export.replace('_', " "));
        add(&name, run("nest", export, &[n], outcome), Bound::Each(no_nest(), n, LIVE + slack + 256.0));
    }
    programs
}

/// What a run took.
struct Taken {
    /// Bytes of resident pages and of page tables when both together were most.
    pages: u64,
    tables: u64,
    time: Duration,
}

impl Taken {
    fn bytes(&self) -> u64 {
        self.pages + self.tables
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    if let [_, child_mode, backend, module, export, stack, args @ ..] = &args[..]
        && child_mode == CHILD
    {
        return child(backend, module, export, stack.parse()?, args);
    }
    if !cfg!(target_os = "linux") {
        println!("left out: memory is read from Linux's /proc");
        return Ok(());
    }
    let args = libtest_mimic::Arguments::from_args();
    if args.bench {
        return table();
    }
    let trials = programs(false).into_iter().flat_map(|program| {
        let program = Arc::new(program);
        support::backends().into_iter().map(move |(backend, _)| {
            let name = format!("{} {:?} on {backend}", program.name, program.run.args);
            let program = program.clone();
            Trial::test(name, move || match compare(&program, backend) {
                Ok(compared) if compared.within => Ok(()),
                Ok(compared) => Err(compared.text.into()),
                Err(error) => Err(format!("{error:?}").into()),
            })
        })
    });
    libtest_mimic::run(&args, trials.collect()).exit()
}

fn table() -> Result<()> {
    println!("| program | size | backend | seconds | MiB | compared to |  |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut exceeded = Vec::new();
    for program in programs(true) {
        for (backend, _) in support::backends() {
            let Compared { taken, text, within } = compare(&program, backend)?;
            println!(
                "| {} | {:?} | {backend} | {:.2} | {:.1} | {text} | {} |",
                program.name,
                program.run.args,
                taken.time.as_secs_f64(),
                taken.bytes() as f64 / MIB,
                if within { "ok" } else { "EXCEEDED" },
            );
            if !within {
                exceeded.push(format!("{} on {backend}: {text}", program.name));
            }
        }
    }
    ensure!(exceeded.is_empty(), "exceeded: {}", exceeded.join("; "));
    Ok(())
}

struct Compared {
    taken: Taken,
    text: String,
    within: bool,
}

/// Runs a program, and what it is compared to.
fn compare(program: &Program, backend: &str) -> Result<Compared> {
    let taken = measure(&program.run, backend)?;
    let (text, within) = match &program.bound {
        Bound::Above(other, most) => {
            let more = difference(&taken, &measure(other, backend)?) / MIB;
            (format!("{:?}: {more:+.1} MiB (at most {most})", other.args), more <= *most)
        }
        Bound::Each(other, count, most) => {
            let other = measure(other, backend)?;
            let each = difference(&taken, &other) / f64::from(*count);
            let tables = (taken.tables as f64 - other.tables as f64) / f64::from(*count);
            let text = format!("{each:.0} bytes each, {tables:.0} of them page tables (at most {most:.0})");
            // What a process takes differs by some hundred KiB from run to run.
            (text, each <= *most + NOISE / f64::from(*count))
        }
    };
    Ok(Compared { taken, text, within })
}

fn difference(taken: &Taken, other: &Taken) -> f64 {
    taken.bytes() as f64 - other.bytes() as f64
}

/// Runs it in a process of its own.
fn measure(run: &Run, backend: &str) -> Result<Taken> {
    let what = || format!("{} {} {:?} on {backend}", run.module, run.export, run.args);
    let output = Command::new(std::env::current_exe()?)
        .args([CHILD, backend, run.module, run.export, &run.stack.unwrap_or(0).to_string()])
        .args(run.args.iter().map(i32::to_string))
        .output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}\n{error}", what(), output.status);
    let answer = String::from_utf8(output.stdout)?;
    let [outcome, pages, tables, nanoseconds] = answer.split_whitespace().collect::<Vec<_>>()[..] else {
        bail!("{}: it answered {answer:?}", what());
    };
    let expected = match run.outcome {
        Outcome::Returns(value) => value.to_string(),
        Outcome::ReturnsNothing => "nothing".to_owned(),
        Outcome::Unreachable => "unreachable".to_owned(),
    };
    ensure!(outcome == expected, "{}: {outcome} where {expected} is right", what());
    let time = Duration::from_nanos(nanoseconds.parse()?);
    Ok(Taken { pages: pages.parse()?, tables: tables.parse()?, time })
}

/// Prints what the export returned, the most memory that this process had, and nanoseconds.
fn child(backend: &str, module: &str, export: &str, stack: usize, args: &[String]) -> Result<()> {
    let mut config = wasmfx::config();
    config.stack_switching_backend(support::backend(backend).context("no such backend")?);
    if stack > 0 {
        config.continuation_stack_size(stack);
    }
    let engine = Engine::new(&config)?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("benches/modules/{module}.wat"));
    let module = Module::from_file(&engine, path)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let func = instance.get_func(&mut store, export).context("no such export")?;
    let args = args.iter().map(|arg| Ok(Val::I32(arg.parse()?))).collect::<Result<Vec<_>>>()?;
    let mut results = vec![Val::I32(0); func.ty(&store).results().len()];

    let most = Mutex::new((0, 0));
    let done = AtomicBool::new(false);
    let sample = || {
        let (pages, tables) = support::process_memory();
        let mut most = most.lock().expect("no sample panics");
        if pages + tables > most.0 + most.1 {
            *most = (pages, tables);
        }
    };
    let (outcome, time) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                sample();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let start = Instant::now();
        let outcome = func.call(&mut store, &args, &mut results);
        let time = start.elapsed();
        sample();
        done.store(true, Relaxed);
        (outcome, time)
    });
    let outcome = match (outcome, &results[..]) {
        (Ok(()), [Val::I64(value)]) => value.to_string(),
        (Ok(()), [Val::I32(value)]) => value.to_string(),
        (Ok(()), _) => "nothing".to_owned(),
        (Err(error), _) if error.downcast_ref() == Some(&Trap::UnreachableCodeReached) => {
            "unreachable".to_owned()
        }
        (Err(error), _) => return Err(error.into()),
    };
    let (pages, tables) = most.into_inner().expect("no sample panics");
    println!("{outcome} {pages} {tables} {}", time.as_nanos());
    Ok(())
}
