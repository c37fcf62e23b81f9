//! What was measured of a set's programs, and its statistics.

use super::Set;
use super::code::Code;
use crate::schema::Machine;
use crate::spread::Spread;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// One run of the command: `target/kotlin.json` or `target/c.json`.
#[derive(Serialize, Deserialize)]
pub struct Results {
    /// Whether there was only one round.
    pub quick: bool,
    /// Where it ran.
    pub machine: Machine,
    /// The versions of the set's tools.
    pub versions: BTreeMap<String, String>,
    pub programs: Vec<Program>,
}

/// One program.
#[derive(Serialize, Deserialize)]
pub struct Program {
    pub name: String,
    /// In the order of the set's forms: the first is the baseline.
    pub forms: Vec<Measured>,
}

/// One form of a program.
#[derive(Serialize, Deserialize)]
pub struct Measured {
    /// The form's name.
    pub form: String,
    /// How much code it has, if the set's report says so.
    pub code: Option<Code>,
    /// Samples of several forms with the same index are of the same round.
    pub samples: Vec<Sample>,
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
    /// The median of something in each form.
    pub fn medians(&self, what: impl Fn(&Sample) -> f64) -> Vec<f64> {
        let median = |form: &Measured| Spread::of(form.samples.iter().map(&what)).median;
        self.forms.iter().map(median).collect()
    }

    /// How many times as long the baseline takes as each other form: by pairs of samples of the same round.
    pub fn ratios(&self) -> Vec<Spread> {
        let (baseline, others) = self.forms.split_first().expect("a set has a baseline");
        let ratio = |form: &Measured| {
            let pairs = baseline.samples.iter().zip(&form.samples);
            Spread::of(pairs.map(|(baseline, sample)| baseline.time() / sample.time()))
        };
        others.iter().map(ratio).collect()
    }
}

impl Results {
    /// The version of one of the set's tools.
    pub fn version(&self, tool: &str) -> &str {
        &self.versions[tool]
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_string(self)? + "\n";
        fs::write(path, json).with_context(|| format!("cannot write the results to {}", path.display()))
    }

    /// Reads such a file.
    pub fn read(path: &Path, set: &Set) -> Result<Results> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let results = Results::parse(&text, set);
        results.with_context(|| format!("{} does not hold results of {} programs", path.display(), set.title))
    }

    /// Reads the text of such a file, and checks what the rest relies on.
    pub fn parse(text: &str, set: &Set) -> Result<Results> {
        let results: Results = serde_json::from_str(text)?;
        for tool in set.tools {
            ensure!(results.versions.contains_key(*tool), "the version of {tool} is missing");
        }
        for Program { name, forms } in &results.programs {
            let names = || forms.iter().map(|form| form.form.as_str());
            let expected = || set.forms.iter().map(|form| form.name);
            ensure!(
                names().eq(expected()),
                "the forms of {name} are {:?}, and not {:?}",
                names().collect::<Vec<_>>(),
                expected().collect::<Vec<_>>()
            );
            let rounds = forms[0].samples.len();
            for Measured { form, code, samples } in forms {
                ensure!(
                    rounds > 0 && samples.len() == rounds,
                    "the samples of {name} are {} of {form} and {rounds} of {}: they must be as many, and some",
                    samples.len(),
                    forms[0].form
                );
                ensure!(
                    samples.iter().all(|sample| sample.user + sample.kernel > 0.0),
                    "a sample of {name} took no time"
                );
                ensure!(code.is_some() == set.code, "whether there are sizes of code is wrong for {name}");
            }
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
    use crate::programs::{C, KOTLIN};

    /// Two programs: one that gains from stack switching, one that loses.
    pub const KOTLIN_SAMPLE: &str = r#"{
        "quick": false,
        "machine": { "cpu": "A CPU", "cores": 2, "system": "Linux 6", "rustc": "rustc 1", "wasmtime": "48.0.8",
                     "v8": null },
        "versions": { "kotlin": "2.4.20", "binaryen": "132.0.0" },
        "programs": [
            { "name": "finished", "forms": [
                { "form": "state machine", "code": null, "samples": [
                    { "user": 5.0, "kernel": 0.0, "peak": 16777216 },
                    { "user": 8.0, "kernel": 0.1, "peak": 16777216 },
                    { "user": 6.0, "kernel": 0.2, "peak": 33554432 } ] },
                { "form": "stack switching", "code": null, "samples": [
                    { "user": 4.0, "kernel": 0.5, "peak": 104857600 },
                    { "user": 4.0, "kernel": 0.5, "peak": 104857600 },
                    { "user": 4.0, "kernel": 0.5, "peak": 104857600 } ] } ] },
            { "name": "sequences", "forms": [
                { "form": "state machine", "code": null, "samples": [
                    { "user": 0.5, "kernel": 0.0, "peak": 16777216 } ] },
                { "form": "stack switching", "code": null, "samples": [
                    { "user": 2.0, "kernel": 0.0, "peak": 16777216 } ] } ] } ] }"#;

    /// A program in three forms, with its sizes.
    pub const C_SAMPLE: &str = r#"{
        "quick": true,
        "machine": { "cpu": "A CPU", "cores": 2, "system": "Linux 6", "rustc": "rustc 1", "wasmtime": "48.0.8",
                     "v8": null },
        "versions": { "ziglang": "0.15.2", "binaryen": "132.0.0" },
        "programs": [
            { "name": "ring", "forms": [
                { "form": "Asyncify", "code": { "wasm": 1500, "machine": 4000 }, "samples": [
                    { "user": 3.0, "kernel": 0.0, "peak": 16777216 } ] },
                { "form": "stack switching", "code": { "wasm": 999, "machine": 2000 }, "samples": [
                    { "user": 6.0, "kernel": 0.0, "peak": 33554432 } ] },
                { "form": "stack switching, inlined", "code": { "wasm": 999, "machine": 3000 }, "samples": [
                    { "user": 1.0, "kernel": 0.5, "peak": 50331648 } ] } ] } ] }"#;

    #[test]
    fn medians() {
        let results = Results::parse(KOTLIN_SAMPLE, &KOTLIN).unwrap();
        let finished = &results.programs[0];
        assert_eq!(finished.medians(|sample| sample.user), [6.0, 4.0]);
        assert_eq!(finished.medians(|sample| sample.kernel), [0.1, 0.5]);
        assert_eq!(finished.medians(|sample| sample.peak as f64), [16777216.0, 104857600.0]);
        // By pairs 5 / 4.5, 8.1 / 4.5 and 6.2 / 4.5.
        let Spread { low, median, high } = finished.ratios()[0];
        for (is, by_hand) in [(low, 11.2 / 9.0), (median, 6.2 / 4.5), (high, 14.3 / 9.0)] {
            assert!((is - by_hand).abs() < 1e-9, "{is} is not {by_hand}");
        }
        assert_eq!(results.programs[1].ratios()[0].median, 0.25);
        let ratios = Results::parse(C_SAMPLE, &C).unwrap().programs[0].ratios();
        assert_eq!(ratios.iter().map(|ratio| ratio.median).collect::<Vec<_>>(), [0.5, 2.0]);
    }

    #[test]
    fn written_and_read() {
        let results = Results::parse(C_SAMPLE, &C).unwrap();
        let path = std::env::temp_dir().join(format!("wasmfx-programs-{}.json", std::process::id()));
        results.write(&path).unwrap();
        let (again, other) = (Results::read(&path, &C), Results::read(&path, &KOTLIN));
        fs::remove_file(&path).unwrap();
        let [again, results] = [again.unwrap(), results].map(|r| serde_json::to_string(&r).unwrap());
        assert_eq!(again, results);
        assert!(other.err().unwrap().to_string().contains("results of Kotlin programs"));
        assert!(Results::read(&path, &C).is_err());
    }

    #[test]
    fn broken_results() {
        for (set, sample, from, to) in [
            (&KOTLIN, KOTLIN_SAMPLE, "{ \"user\": 2.0, \"kernel\": 0.0, \"peak\": 16777216 }", ""),
            (&KOTLIN, KOTLIN_SAMPLE, "\"user\": 2.0", "\"user\": 0.0"),
            (&KOTLIN, KOTLIN_SAMPLE, "\"kotlin\": \"2.4.20\",", ""),
            (&KOTLIN, KOTLIN_SAMPLE, "\"peak\": 33554432", "\"peak\": -1"),
            (&KOTLIN, KOTLIN_SAMPLE, "\"state machine\"", "\"Asyncify\""),
            (&KOTLIN, KOTLIN_SAMPLE, "null, \"samples\"", "{ \"wasm\": 1, \"machine\": 1 }, \"samples\""),
            (&C, C_SAMPLE, "{ \"wasm\": 1500, \"machine\": 4000 }", "null"),
        ] {
            let broken = sample.replace(from, to);
            assert!(broken != sample && Results::parse(&broken, set).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn filters() {
        let only = |filter| Results::parse(KOTLIN_SAMPLE, &KOTLIN).unwrap().only(filter);
        assert_eq!(only("seq").unwrap().programs[0].name, "sequences");
        assert!(only("nothing").err().unwrap().to_string().contains("`nothing`"));
    }
}
