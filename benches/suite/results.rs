//! What was measured, for people and for programs.

use crate::spread::Spread;
use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
pub(crate) struct Results {
    pub(crate) quick: bool,
    pub(crate) benchmarks: Vec<Measured>,
}

#[derive(Serialize)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) operation: String,
    pub(crate) size: u32,
    pub(crate) talk: Option<f64>,
    pub(crate) micro: bool,
    pub(crate) contestants: Vec<Samples>,
    pub(crate) left_out: Vec<LeftOut>,
}

/// Nanoseconds of an operation, in each of the interleaved samples.
#[derive(Serialize)]
pub(crate) struct Samples {
    pub(crate) name: &'static str,
    pub(crate) size: u32,
    pub(crate) ns: Vec<f64>,
}

#[derive(Serialize)]
pub(crate) struct LeftOut {
    pub(crate) name: &'static str,
    pub(crate) why: String,
}

impl Measured {
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
