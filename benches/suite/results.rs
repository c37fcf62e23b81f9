//! What was measured, for people and for programs.

use crate::catalogue::Benchmark;
use crate::spread::Spread;
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;

#[derive(Serialize)]
pub(crate) struct Results {
    pub(crate) quick: bool,
    pub(crate) benchmarks: Vec<Measured>,
}

#[derive(Serialize)]
pub(crate) struct Measured {
    name: String,
    operation: String,
    size: u32,
    talk: Option<f64>,
    micro: bool,
    contestants: Vec<Samples>,
    left_out: Vec<LeftOut>,
}

/// Nanoseconds of an operation, in each of the interleaved samples.
#[derive(Serialize)]
pub(crate) struct Samples {
    name: &'static str,
    ns: Vec<f64>,
}

#[derive(Serialize)]
pub(crate) struct LeftOut {
    pub(crate) name: &'static str,
    pub(crate) why: String,
}

impl Measured {
    /// Nothing yet.
    pub(crate) fn new(benchmark: &Benchmark) -> Measured {
        let header = benchmark.header.clone();
        Measured {
            name: benchmark.name.clone(),
            operation: header.operation,
            size: header.size,
            talk: header.talk,
            micro: header.micro,
            contestants: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Has a place for a contestant's samples. What others are compared with is the first.
    pub(crate) fn enter(&mut self, name: &'static str) {
        if !self.contestants.iter().any(|samples| samples.name == name) {
            self.contestants.push(Samples { name, ns: Vec::new() });
        }
    }

    /// A sample took this long.
    pub(crate) fn add(&mut self, name: &str, sample: Duration) {
        let ns = sample.as_secs_f64() * 1e9 / f64::from(self.size);
        let contestant = self.contestants.iter_mut().find(|samples| samples.name == name);
        contestant.expect("it was entered").ns.push(ns);
    }

    /// Takes back all that the contestant may have, for that reason.
    pub(crate) fn leave_out(&mut self, name: &'static str, why: String) {
        self.contestants.retain(|samples| samples.name != name);
        if !self.leaves_out(name) {
            self.left_out.push(LeftOut { name, why });
        }
    }

    /// Whether it does not take part, or not any more.
    pub(crate) fn leaves_out(&self, name: &str) -> bool {
        self.left_out.iter().any(|left_out| left_out.name == name)
    }

    pub(crate) fn print(&self) {
        println!("{}: {}", self.name, self.operation);
        for (i, contestant) in self.contestants.iter().enumerate() {
            let Spread { median, .. } = Spread::of(contestant.ns.iter().copied());
            print!("  {:<14} {median:9.1} ns", contestant.name);
            if i > 0 {
                // Native, where there is one.
                let first = &self.contestants[0];
                let ratios = contestant.ns.iter().zip(&first.ns).map(|(other, first)| other / first);
                let Spread { low, median, high } = Spread::of(ratios);
                print!("  {median:6.2} times {} (quartiles {low:.2} to {high:.2})", first.name);
            }
            println!();
        }
        for LeftOut { name, why } in &self.left_out {
            println!("  {name:<14} left out: {why}");
        }
    }
}

impl Results {
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_string(self)? + "\n";
        std::fs::write(path, json).with_context(|| format!("cannot write the results to {}", path.display()))
    }
}
