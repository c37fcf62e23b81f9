//! Looks for programs that do not do what they must, and keeps them.

use crate::program::Program;
use crate::run::collects;
use crate::support::backends;
use crate::trace::{agrees, all_agree};
use crate::worker::Worker;
use crate::{encode, generate, model, shrink};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use wasmfx::wasmtime::{Engine, Module};

/// What is before a line of the trace in a kept program.
const EXPECT: &str = ";; expect: ";
/// A comment that begins a kept program, after which come the expectations.
const HEADER: &str = ";; What this program must do; there was an engine, or a model, that said otherwise.\n";

const SHRINKING: Duration = Duration::from_secs(120);

/// The bytes of a program.
pub(crate) fn bytes(seed: u64) -> Vec<u8> {
    let mut random = oorandom::Rand64::new(seed.into());
    let count = random.rand_range(500..6000);
    (0..count).map(|_| random.rand_u64() as u8).collect()
}

/// Both traces from a little before the first difference on.
pub(crate) fn difference(expected: &[String], trace: &[String]) -> String {
    let same = expected.iter().zip(trace).take_while(|(a, b)| agrees(a, b, false)).count();
    let mut text = format!("{same} lines agree");
    for line in &expected[same.saturating_sub(5)..same] {
        text += &format!("\n    {line}");
    }
    for (sign, lines) in [("  - ", expected), ("  + ", trace)] {
        for line in lines[same..].iter().take(5) {
            text += &format!("\n{sign}{line}");
        }
    }
    text + "\n(- is what the model says, + what the engine does)"
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/random/regressions")
}

/// The files of the kept programs.
pub(crate) fn regressions() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).expect("tests/random/regressions is there");
    let files = entries.map(|entry| entry.expect("tests/random/regressions is readable").path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "wat")).collect();
    files.sort();
    files
}

/// What a kept program is expected to do.
pub(crate) fn expected(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| line.strip_prefix(EXPECT)).map(str::to_string).collect()
}

fn keep(wasm: &[u8], expected: &[String]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    wasm.hash(&mut hasher);
    let file = folder().join(format!("{:016x}.wat", hasher.finish()));
    let mut text = HEADER.to_string();
    for line in expected {
        text += &format!("{EXPECT}{line}\n");
    }
    text += &wasmprinter::print_bytes(wasm).expect("a valid module");
    std::fs::create_dir_all(folder()).expect("tests/random is writable");
    std::fs::write(&file, text).expect("tests/random is writable");
    file
}

/// What was seen so far.
struct Seen {
    start: Instant,
    reported: Instant,
    programs: u64,
    events: usize,
    traps: usize,
    /// For each of the model's statistics, how often, and in how many programs.
    totals: BTreeMap<String, (u64, u64)>,
    /// The seed and the backend's index of a program that does not do what it must.
    wrong: Option<(u64, usize)>,
}

impl Seen {
    fn count(&mut self, outcome: &model::Outcome) {
        self.programs += 1;
        self.events += outcome.trace.len();
        self.traps += outcome.trace.iter().filter(|line| line.starts_with("trap")).count();
        for (what, times) in &outcome.stats {
            let entry = self.totals.entry(what.clone()).or_default();
            entry.0 += times;
            entry.1 += 1;
        }
        if self.reported.elapsed() > Duration::from_secs(1) {
            self.report();
        }
    }

    fn report(&mut self) {
        self.reported = Instant::now();
        let rate = self.programs as f64 / self.start.elapsed().as_secs_f64();
        eprintln!(
            "{} programs: {} events, {} traps, {rate:.0} a second",
            self.programs, self.events, self.traps
        );
    }
}

/// Runs `iterations` programs from `seed` on; with `stats`, only by the model.
pub(crate) fn fuzz(iterations: u64, seed: Option<u64>, stats: bool) -> ExitCode {
    let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let first = seed.unwrap_or_else(|| clock() << 20);
    eprintln!("{iterations} programs from seed {first} on");
    let start = Instant::now();
    let (programs, events, traps) = (0, 0, 0);
    let totals = BTreeMap::new();
    let seen = Mutex::new(Seen { start, reported: start, programs, events, traps, totals, wrong: None });
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let mut worker = Worker::default();
                loop {
                    let done = next.fetch_add(1, Ordering::Relaxed);
                    if done >= iterations || seen.lock().expect("no panic").wrong.is_some() {
                        break;
                    }
                    let program = generate::generate(&bytes(first + done));
                    let outcome = model::run(&program).expect("generated programs end");
                    let wrong =
                        if stats { None } else { differs(&program, &outcome, first + done, &mut worker) };
                    let mut seen = seen.lock().expect("no panic");
                    seen.count(&outcome);
                    if let Some(backend) = wrong {
                        seen.wrong = Some((first + done, backend));
                    }
                }
            });
        }
    });
    let mut seen = seen.into_inner().expect("no panic");
    seen.report();
    if let Some((seed, backend)) = seen.wrong {
        found(seed, backend);
        return ExitCode::FAILURE;
    }
    for (what, (times, programs)) in seen.totals.iter().filter(|_| stats) {
        let share = *programs as f64 * 100.0 / iterations as f64;
        println!("{what:60} {times:9} times, in {share:4.1} % of the programs");
    }
    ExitCode::SUCCESS
}

/// On which backend a program does not do what it must.
fn differs(program: &Program, outcome: &model::Outcome, turn: u64, worker: &mut Worker) -> Option<usize> {
    let wasm = encode::encode(program);
    (0..backends().len())
        .find(|&backend| !all_agree(&outcome.trace, &worker.run(backend, turn, &wasm), collects(turn)))
}

/// Shrinks and keeps a program that does not do what it must.
fn found(seed: u64, backend: usize) {
    let engine = Engine::new(&wasmfx::config()).expect("the engine is there");
    let mut worker = Worker::default();
    // The difference of a program; None if there is none.
    let mut wrong = |program: &Program| {
        let wasm = encode::encode(program);
        // What the shrinker makes need not be valid, nor end.
        Module::validate(&engine, &wasm).ok()?;
        let expected = model::run(program)?.trace;
        let trace = worker.run(backend, seed, &wasm);
        (!all_agree(&expected, &trace, collects(seed)))
            .then(|| (wasm, difference(&expected, &trace), expected))
    };
    let bytes = bytes(seed);
    eprintln!("seed {seed} does not do what it must on {}:", backends()[backend].0);
    let Some((_, difference, _)) = wrong(&generate::generate(&bytes)) else {
        eprintln!("but it does the second time");
        return;
    };
    eprintln!("{difference}\nshrinking it for {} seconds at most", SHRINKING.as_secs());
    let deadline = Instant::now() + SHRINKING;
    let program = shrink::shrink(&bytes, deadline, &mut |program| wrong(program).is_some());
    let Some((wasm, difference, expected)) = wrong(&program) else {
        eprintln!("what was shrunk does not do it every time");
        return;
    };
    eprintln!("a program of {} operations:\n{difference}", shrink::size(&program));
    eprintln!("kept as {}", keep(&wasm, &expected).display());
}
