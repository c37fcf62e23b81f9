//! What was measured of the Kotlin programs, and its statistics.

use crate::schema::Machine;
use crate::spread::Spread;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// One run of the command: `target/kotlin.json`.
#[derive(Serialize, Deserialize)]
pub struct Results {
    /// Whether there was only one round.
    pub quick: bool,
    /// Where it ran.
    pub machine: Machine,
    /// The version of kotlin-compiler.
    pub kotlin: String,
    /// The version of binaryen, whose `wasm-opt` optimized the modules.
    pub binaryen: String,
    pub programs: Vec<Program>,
}

/// One program. Samples with the same index are of the same round.
#[derive(Serialize, Deserialize)]
pub struct Program {
    pub name: String,
    pub state_machine: Vec<Sample>,
    pub stack_switching: Vec<Sample>,
}

/// What one process took.
#[derive(Serialize, Deserialize)]
pub struct Sample {
    /// Seconds of CPU time outside the kernel.
    pub user: f64,
    /// Seconds of CPU time in the kernel.
    pub kernel: f64,
    /// The most memory that was resident at a time, in bytes.
    pub peak: u64,
}

impl Sample {
    /// Seconds of CPU time.
    pub fn time(&self) -> f64 {
        self.user + self.kernel
    }
}

impl Program {
    /// A program of which nothing was measured yet.
    pub fn new(name: &str) -> Program {
        Program { name: name.into(), state_machine: Vec::new(), stack_switching: Vec::new() }
    }

    /// The median of something in both forms: as a state machine, and with stack switching.
    pub fn medians(&self, what: impl Fn(&Sample) -> f64) -> [f64; 2] {
        [&self.state_machine, &self.stack_switching]
            .map(|samples| Spread::of(samples.iter().map(&what)).median)
    }

    /// How many times as long a state machine takes: by pairs of samples of the same round.
    pub fn ratio(&self) -> Spread {
        let pairs = self.state_machine.iter().zip(&self.stack_switching);
        Spread::of(
            pairs.map(|(state_machine, stack_switching)| state_machine.time() / stack_switching.time()),
        )
    }
}

impl Results {
    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_string(self)? + "\n";
        fs::write(path, json).with_context(|| format!("cannot write the results to {}", path.display()))
    }

    /// Reads such a file.
    pub fn read(path: &Path) -> Result<Results> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let results = Results::parse(&text);
        results.with_context(|| format!("{} does not hold results of Kotlin programs", path.display()))
    }

    /// Reads the text of such a file, and checks what the rest relies on.
    pub fn parse(text: &str) -> Result<Results> {
        let results: Results = serde_json::from_str(text)?;
        for Program { name, state_machine, stack_switching } in &results.programs {
            ensure!(
                !state_machine.is_empty() && state_machine.len() == stack_switching.len(),
                "the samples of {name} are {} as a state machine and {} with stack switching: they must be as many, and some",
                state_machine.len(),
                stack_switching.len()
            );
            ensure!(
                state_machine.iter().chain(stack_switching).all(|sample| sample.user > 0.0),
                "a sample of {name} took no time"
            );
        }
        Ok(results)
    }

    /// Those programs alone whose names contain `filter`.
    pub fn only(mut self, filter: &str) -> Result<Results> {
        self.programs.retain(|program| program.name.contains(filter));
        ensure!(!self.programs.is_empty(), "no program has `{filter}` in its name");
        Ok(self)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Two programs: one that gains from stack switching, one that loses.
    pub const SAMPLE: &str = r#"{
        "quick": false,
        "machine": { "cpu": "A CPU", "cores": 2, "system": "Linux 6", "rustc": "rustc 1", "wasmtime": "48.0.8",
                     "v8": null },
        "kotlin": "2.4.20", "binaryen": "132.0.0",
        "programs": [
            { "name": "finished",
              "state_machine": [ { "user": 5.0, "kernel": 0.0, "peak": 16777216 },
                                 { "user": 8.0, "kernel": 0.1, "peak": 16777216 },
                                 { "user": 6.0, "kernel": 0.2, "peak": 33554432 } ],
              "stack_switching": [ { "user": 4.0, "kernel": 0.5, "peak": 104857600 },
                                   { "user": 4.0, "kernel": 0.5, "peak": 104857600 },
                                   { "user": 4.0, "kernel": 0.5, "peak": 104857600 } ] },
            { "name": "sequences",
              "state_machine": [ { "user": 0.5, "kernel": 0.0, "peak": 16777216 } ],
              "stack_switching": [ { "user": 2.0, "kernel": 0.0, "peak": 16777216 } ] } ] }"#;

    #[test]
    fn medians() {
        let results = Results::parse(SAMPLE).unwrap();
        let finished = &results.programs[0];
        assert_eq!(finished.medians(|sample| sample.user), [6.0, 4.0]);
        assert_eq!(finished.medians(|sample| sample.kernel), [0.1, 0.5]);
        assert_eq!(finished.medians(|sample| sample.peak as f64), [16777216.0, 104857600.0]);
        // By pairs 5 / 4.5, 8.1 / 4.5 and 6.2 / 4.5.
        let Spread { low, median, high } = finished.ratio();
        for (is, by_hand) in [(low, 11.2 / 9.0), (median, 6.2 / 4.5), (high, 14.3 / 9.0)] {
            assert!((is - by_hand).abs() < 1e-9, "{is} is not {by_hand}");
        }
        assert_eq!(results.programs[1].ratio().median, 0.25);
    }

    #[test]
    fn written_and_read() {
        let results = Results::parse(SAMPLE).unwrap();
        let path = std::env::temp_dir().join(format!("wasmfx-kotlin-{}.json", std::process::id()));
        results.write(&path).unwrap();
        let again = Results::read(&path);
        fs::remove_file(&path).unwrap();
        let [again, results] = [again.unwrap(), results].map(|r| serde_json::to_string(&r).unwrap());
        assert_eq!(again, results);
        assert!(Results::read(&path).is_err());
    }

    #[test]
    fn broken_results() {
        for (from, to) in [
            ("{ \"user\": 2.0, \"kernel\": 0.0, \"peak\": 16777216 }", ""),
            ("\"user\": 2.0", "\"user\": 0.0"),
            ("\"kotlin\": \"2.4.20\",", ""),
            ("\"peak\": 33554432", "\"peak\": -1"),
        ] {
            let broken = SAMPLE.replace(from, to);
            assert!(broken != SAMPLE && Results::parse(&broken).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn filters() {
        let only = |filter| Results::parse(SAMPLE).unwrap().only(filter);
        assert_eq!(only("seq").unwrap().programs[0].name, "sequences");
        assert!(only("nothing").err().unwrap().to_string().contains("`nothing`"));
    }
}
