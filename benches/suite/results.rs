//! Collects what was measured, and prints it.

use crate::catalogue::Benchmark;
use crate::schema::{LeftOut, Measured, Samples};
use crate::spread::Spread;
use std::time::Duration;

impl LeftOut {
    pub(crate) fn new(name: &str, why: &str) -> LeftOut {
        LeftOut { name: name.to_owned(), why: why.to_owned() }
    }
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
            place: header.place,
            contestants: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Has a place for a contestant's samples. What others are compared with is the first.
    pub(crate) fn enter(&mut self, name: &str) {
        if !self.contestants.iter().any(|samples| samples.name == name) {
            self.contestants.push(Samples { name: name.to_owned(), ns: Vec::new() });
        }
    }

    /// A sample took this long.
    pub(crate) fn add(&mut self, name: &str, sample: Duration) {
        let ns = sample.as_secs_f64() * 1e9 / f64::from(self.size);
        let contestant = self.contestants.iter_mut().find(|samples| samples.name == name);
        contestant.expect("it was entered").ns.push(ns);
    }

    /// Takes back all that the contestant may have, for that reason.
    pub(crate) fn leave_out(&mut self, left_out: LeftOut) {
        self.contestants.retain(|samples| samples.name != left_out.name);
        if !self.leaves_out(&left_out.name) {
            self.left_out.push(left_out);
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
