//! What the bench `suite` measured: reads and checks it, and has its statistics.

use crate::schema::{Machine, Measured, NATIVE, Results, Samples};
use crate::spread::Spread;
use crate::tools;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::fs;
use std::path::Path;

impl Samples {
    /// Nanoseconds per operation.
    pub fn time(&self) -> Spread {
        Spread::of(self.ns.iter().copied())
    }
}

impl Measured {
    pub fn contestant(&self, name: &str) -> Option<&Samples> {
        self.contestants.iter().find(|c| c.name == name)
    }

    /// Nanoseconds per operation, if it took part.
    pub fn median(&self, name: &str) -> Option<f64> {
        self.contestant(name).map(|c| c.time().median)
    }

    /// How many times as long `over` takes as `under`: by pairs of samples that were taken in turn, so that what
    /// slows the machine down for a while slows both down.
    pub fn ratio(&self, over: &str, under: &str) -> Option<Spread> {
        let (over, under) = (self.contestant(over)?, self.contestant(under)?);
        Some(Spread::of(over.ns.iter().zip(&under.ns).map(|(over, under)| over / under)))
    }
}

impl Results {
    /// Reads what the suite wrote.
    pub fn read(path: &Path) -> Result<Results> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let results = Results::parse(&text);
        results.with_context(|| format!("{} does not hold results of the bench `suite`", path.display()))
    }

    /// Reads the text of such a file, and checks what the rest relies on.
    pub fn parse(text: &str) -> Result<Results> {
        let results: Results = serde_json::from_str(text)?;
        for benchmark in &results.benchmarks {
            let name = &benchmark.name;
            let native = benchmark.contestant(NATIVE).with_context(|| format!("{name} has no `{NATIVE}`"))?;
            for contestant in &benchmark.contestants {
                let ns = &contestant.ns;
                ensure!(
                    !ns.is_empty() && ns.len() == native.ns.len(),
                    "the samples of {name}, {}, are {} and those of `{NATIVE}` {}: they must be as many, and some",
                    contestant.name,
                    ns.len(),
                    native.ns.len()
                );
                ensure!(
                    ns.iter().all(|ns| ns.is_finite() && *ns > 0.0),
                    "a sample of {name}, {}, is not a time",
                    contestant.name
                );
            }
        }
        Ok(results)
    }

    /// Those benchmarks alone whose names contain `filter`.
    pub fn only(mut self, filter: &str) -> Result<Results> {
        self.benchmarks.retain(|b| b.name.contains(filter));
        ensure!(!self.benchmarks.is_empty(), "no benchmark has `{filter}` in its name");
        Ok(self)
    }

    /// Whether anything was measured of `name`.
    pub fn has(&self, name: &str) -> bool {
        self.benchmarks.iter().any(|b| b.contestant(name).is_some())
    }
}

impl Machine {
    /// The machine that this runs on, and the versions of what was built on it.
    pub fn this(v8: Option<String>) -> Result<Machine> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let cpu = match model {
            Some((_, model)) => model.split_whitespace().collect::<Vec<_>>().join(" "),
            None => format!("a {} processor", std::env::consts::ARCH),
        };
        let system = match fs::read_to_string("/proc/sys/kernel/osrelease") {
            // Without what the builder of the kernel added.
            Ok(release) => format!("Linux {}", release.trim().split('-').next().unwrap_or_default()),
            Err(_) => std::env::consts::OS.to_string(),
        };
        let mut rustc =
            std::process::Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.arg("--version");
        let lock = fs::read_to_string(tools::root().join(crate::stamp::PINS[1]))?;
        Ok(Machine {
            cpu,
            cores: std::thread::available_parallelism()?.get(),
            system,
            rustc: tools::output(rustc)?.trim().to_string(),
            wasmtime: locked(&lock, "wasmtime")?,
            v8,
        })
    }

    /// In one line.
    pub fn line(&self) -> String {
        let v8 = self.v8.as_ref().map(|v8| format!(", V8 {v8}")).unwrap_or_default();
        format!(
            "{}, {} cores, {}; {}, Wasmtime {}{v8}",
            self.cpu, self.cores, self.system, self.rustc, self.wasmtime
        )
    }
}

/// The version that a lock file has of the package `name`.
fn locked(lock: &str, name: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let lock: Lock = toml::from_str(lock).context("a lock file is not as expected")?;
    let package = lock.package.into_iter().find(|p| p.name == name);
    Ok(package.with_context(|| format!("{name} is not in the lock file"))?.version)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::schema::UNPATCHED;

    /// Two benchmarks: one with everybody and a gain of the talk, one that leaves two out.
    pub const SAMPLE: &str = r#"{
        "quick": false,
        "machine": { "cpu": "A CPU", "cores": 2, "system": "Linux 6", "rustc": "rustc 1", "wasmtime": "48.0.8",
                     "v8": "14.1" },
        "benchmarks": [
            { "name": "round", "operation": "resume | suspend", "size": 100000, "talk": 5.97,
              "contestants": [ { "name": "native", "ns": [5.0, 4.0, 6.0] },
                               { "name": "libcall", "ns": [30.0, 24.0, 30.0] },
                               { "name": "unpatched", "ns": [20.0, 8.0, 18.0] },
                               { "name": "v8", "ns": [500.0, 400.0, 600.0] },
                               { "name": "corosensei", "ns": [4.0, 4.0, 4.0] },
                               { "name": "wasmtime-fiber", "ns": [15.0, 15.0, 15.0] } ],
              "left_out": [] },
            { "name": "payload_v128_1", "operation": "a vector", "size": 50000, "talk": null,
              "contestants": [ { "name": "native", "ns": [1234.5] },
                               { "name": "libcall", "ns": [2469.0] } ],
              "left_out": [ { "name": "unpatched", "why": "it has no vectors" },
                            { "name": "v8", "why": "it has no vectors" } ] } ] }"#;

    #[test]
    fn spreads() {
        let spread = Spread::of(vec![4.0, 1.0, 3.0, 2.0, 5.0]);
        assert_eq!(spread, Spread { low: 2.0, median: 3.0, high: 4.0 });
        let between = Spread::of(vec![1.0, 2.0, 3.0, 10.0]);
        assert_eq!(between, Spread { low: 1.75, median: 2.5, high: 4.75 });
        assert_eq!(Spread::of(vec![7.0]), Spread { low: 7.0, median: 7.0, high: 7.0 });
    }

    #[test]
    fn ratios_are_of_pairs() {
        let results = Results::parse(SAMPLE).unwrap();
        let round = &results.benchmarks[0];
        // By pairs 4, 2 and 3; the medians' ratio would be 18 / 5.
        assert_eq!(round.ratio(UNPATCHED, NATIVE).unwrap(), Spread { low: 2.5, median: 3.0, high: 3.5 });
        assert_eq!(round.median(UNPATCHED), Some(18.0));
        assert_eq!(results.benchmarks[1].ratio(UNPATCHED, NATIVE), None);
    }

    #[test]
    fn broken_results() {
        for (from, to) in [
            ("[1234.5]", "[]"),
            ("[1234.5]", "[1.0, 2.0]"),
            ("[1234.5]", "[0.0]"),
            ("\"name\": \"native\", \"ns\": [1234.5]", "\"name\": \"other\", \"ns\": [1234.5]"),
            ("\"quick\": false,", ""),
        ] {
            let broken = SAMPLE.replace(from, to);
            assert!(broken != SAMPLE && Results::parse(&broken).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn machines_are_added() {
        let machine = Machine {
            cpu: "Another".into(),
            cores: 64,
            system: "Linux 7".into(),
            rustc: "rustc 2".into(),
            wasmtime: "49.0.0".into(),
            v8: None,
        };
        let mut results = Results::parse(SAMPLE).unwrap();
        let benchmarks = serde_json::to_string(&results.benchmarks).unwrap();
        results.machine = Some(machine);
        let again = Results::parse(&serde_json::to_string(&results).unwrap()).unwrap();
        assert_eq!(serde_json::to_string(&again.benchmarks).unwrap(), benchmarks);
        let line = again.machine.unwrap().line();
        assert_eq!(line, "Another, 64 cores, Linux 7; rustc 2, Wasmtime 49.0.0");
        assert!(Results::parse("[]").is_err());
    }

    #[test]
    fn filters() {
        let only = |filter| Results::parse(SAMPLE).unwrap().only(filter);
        assert_eq!(only("v128").unwrap().benchmarks[0].name, "payload_v128_1");
        assert!(only("nothing").err().unwrap().to_string().contains("`nothing`"));
    }

    #[test]
    fn pinned_version() {
        let [manifest, lock] =
            crate::stamp::PINS.map(|pin| fs::read_to_string(tools::root().join(pin)).unwrap());
        let version = locked(&lock, "wasmtime").unwrap();
        assert!(manifest.contains(&format!("wasmtime = {{ version = \"={version}\"")), "{version}");
        assert!(locked(&lock, "no-such-package").is_err());
        let unpatched = fs::read_to_string(tools::root().join("benches/unpatched/Cargo.lock")).unwrap();
        assert_eq!(locked(&unpatched, "wasmtime").unwrap(), version);
    }
}
