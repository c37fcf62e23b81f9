//! The section of `benches/REPORT.md` that a set has.
//!
//! The sections are the last ones of the report. Each has a mark of its own, because the suite's benchmarks and the programs of
//! each set are measured by different runs: each run leaves what the others wrote.

use super::{Results, SETS, Set};
use crate::report::{gain, number, table};
use std::fmt::Write;

/// How the line begins at which a set's section begins.
fn mark(set: &Set) -> String {
    format!("<!-- Written by `cargo xtask bench --{}`:", set.option)
}

/// A report, taken apart.
pub struct Parts<'a> {
    /// What the suite's run writes.
    suite: &'a str,
    /// The section of each set, in the order of [`SETS`]. It is empty if there is none.
    sections: [&'a str; SETS.len()],
}

impl<'a> Parts<'a> {
    /// Of a report that [`Parts::report`] has made, or of one without sections.
    pub fn of(report: &'a str) -> Parts<'a> {
        let starts = SETS.map(|set| report.find(&mark(set)));
        let end = |after| starts.into_iter().flatten().filter(|at| *at >= after).min();
        let part = |from: usize, next| &report[from..end(next).unwrap_or(report.len())];
        let section = |start: Option<usize>| start.map_or("", |at| part(at, at + 1));
        Parts { suite: part(0, 0), sections: starts.map(section) }
    }

    /// The same with what another run of the suite has written.
    pub fn with_suite(self, suite: &'a str) -> Parts<'a> {
        Parts { suite, ..self }
    }

    /// The same with another section of this set.
    pub fn with_section(mut self, set: &Set, section: &'a str) -> Parts<'a> {
        for (at, other) in SETS.iter().enumerate() {
            if other.option == set.option {
                self.sections[at] = section;
            }
        }
        self
    }

    /// The report.
    pub fn report(&self) -> String {
        let mut report = format!("{}\n", self.suite.trim_end());
        for section in self.sections.iter().filter(|section| !section.is_empty()) {
            let _ = write!(report, "\n{}\n", section.trim_end());
        }
        report
    }
}

/// The section of a set. `chart` is the chart's file name.
pub fn section(set: &Set, results: &Results, chart: &str) -> String {
    let rounds = results.programs.first().map_or(0, |program| program.forms[0].samples.len());
    let rounds = if rounds == 1 { "one round".into() } else { format!("{rounds} rounds") };
    format!(
        "{} change xtask/src/programs/, and not this file. -->\n\
         ## {}\n\n\
         Measured on: {}.\n\n\
         ```console\n$ cargo xtask bench --{}\n```\n\n\
         {}\n\
         {HOW}{}\
         This section has {rounds}.\n\n\
         ![Time of each program {} divided by its time {}, on a logarithmic axis]({chart})\n\n\
         {}",
        mark(set),
        set.title,
        results.machine.line(),
        set.option,
        (set.about)(results),
        if set.code { CODE } else { "" },
        set.forms[0].how,
        set.forms[1].how,
        tables(set, results)
    )
}

const HOW: &str = "\
A round runs each program in all its forms, one after the other. The form that goes first changes from round to round. Each run is a
process of its own, and all forms must print the same.
The times are seconds of CPU time of the process, from its start to its end, with the time in the kernel. *Kernel* is that part alone.
*Peak memory* is what was resident at most, in MiB, with Wasmtime itself. All of these are medians.
A ratio is taken between two runs of the same round. The table has the median of these ratios, and their quartiles. Below 1, stack
switching is slower.
";

const CODE: &str = "\
The second table has bytes of code, with the C library's. *Wasm* is the code section of the module. *Machine code* is what Wasmtime
makes of it: all functions, with those that Wasmtime adds for calls between the module and the host.
";

/// Bytes in the unit of the table.
const MIB: f64 = 1024.0 * 1024.0;

/// The tables: what runs took and, for some sets, the sizes of code.
pub fn tables(set: &Set, results: &Results) -> String {
    let baseline = set.forms[0].name;
    let names = || set.forms.iter().map(|form| form.name);
    let mut head = vec!["program".to_string()];
    head.extend(names().map(|name| format!("{name}, s")));
    head.extend(names().skip(1).map(|name| format!("{baseline} / {name}")));
    head.extend(names().map(|name| format!("kernel: {name}, s")));
    head.extend(names().map(|name| format!("peak memory: {name}, MiB")));
    let rows = results.programs.iter().map(|program| {
        let mut row = vec![program.name.clone()];
        row.extend(program.medians(|sample| sample.time()).into_iter().map(number));
        row.extend(program.ratios().into_iter().map(gain));
        row.extend(program.medians(|sample| sample.kernel).into_iter().map(number));
        row.extend(program.medians(|sample| sample.peak as f64 / MIB).into_iter().map(number));
        row
    });
    let mut text = of(&head, rows);
    if set.code {
        let _ = write!(text, "\n{}", sizes(set, results));
    }
    text
}

/// The table of the sizes of code. Forms that share a module have one column for it.
fn sizes(set: &Set, results: &Results) -> String {
    let of_module = |at: &usize| set.forms[..*at].iter().all(|form| form.module != set.forms[*at].module);
    let modules: Vec<_> = (0..set.forms.len()).filter(of_module).collect();
    let mut head = vec!["program".to_string()];
    head.extend(modules.iter().map(|at| format!("Wasm: {}", set.forms[*at].name)));
    head.extend(set.forms.iter().map(|form| format!("machine code: {}", form.name)));
    let rows = results.programs.iter().map(|program| {
        let codes: Vec<_> = program.forms.iter().filter_map(|form| form.code).collect();
        let mut row = vec![program.name.clone()];
        row.extend(modules.iter().map(|at| number(codes[*at].wasm as f64)));
        row.extend(codes.iter().map(|code| number(code.machine as f64)));
        row
    });
    of(&head, rows)
}

fn of(head: &[String], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head: Vec<_> = head.iter().map(String::as_str).collect();
    table(&head, &rows.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::results::tests::{C_SAMPLE, KOTLIN_SAMPLE};
    use crate::programs::{C, KOTLIN};

    fn kotlin() -> Results {
        Results::parse(KOTLIN_SAMPLE, &KOTLIN).unwrap()
    }

    fn c() -> Results {
        Results::parse(C_SAMPLE, &C).unwrap()
    }

    /// The cells of a table's rows.
    fn cells(table: &str) -> Vec<Vec<&str>> {
        table.lines().map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
    }

    #[test]
    fn whole_section() {
        let mut results = kotlin();
        let text = section(&KOTLIN, &results, "chart.svg");
        for part in [
            "\n## Kotlin\n",
            "A CPU, 2 cores, Linux 6; rustc 1, Wasmtime 48.0.8.",
            "$ cargo xtask bench --kotlin\n",
            "kotlin-compiler 2.4.20 ",
            "binaryen 132.0.0\n",
            "Time of each program as a state machine divided by its time with stack switching, on",
            "](chart.svg)",
            "3 rounds.\n",
        ] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
        assert!(!text.contains("bytes of code"), "{text}");
        results.programs.remove(0);
        assert!(section(&KOTLIN, &results, "chart.svg").contains("one round.\n"));
        let text = section(&C, &c(), "chart.svg");
        for part in ["\n## C\n", "$ cargo xtask bench --c\n", "ziglang 0.15.2 ", "bytes of code"] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
    }

    #[test]
    fn rows() {
        let text = tables(&KOTLIN, &kotlin());
        let rows = cells(&text);
        assert_eq!(rows[2], ["finished", "6.20", "4.50", "1.38 (1.24–1.59)", "0.10", "0.50", "16.0", "100"]);
        assert_eq!(rows[3][..4], ["sequences", "0.50", "2.00", "0.25 (0.25–0.25)"]);
        assert_eq!(rows.len(), 4);
    }

    #[test]
    fn rows_with_three_forms() {
        let text = tables(&C, &c());
        let (times, sizes) = text.split_once("\n\n").unwrap();
        let rows = cells(times);
        assert_eq!(rows[0][4..6], ["Asyncify / stack switching", "Asyncify / stack switching, inlined"]);
        assert_eq!(rows[2][..6], ["ring", "3.00", "6.00", "1.50", "0.50 (0.50–0.50)", "2.00 (2.00–2.00)"]);
        assert_eq!(rows[2][6..], ["0.00", "0.00", "0.50", "16.0", "32.0", "48.0"]);
        let rows = cells(sizes);
        assert_eq!(rows[0][1..4], ["Wasm: Asyncify", "Wasm: stack switching", "machine code: Asyncify"]);
        assert_eq!(rows[2], ["ring", "1,500", "999", "4,000", "2,000", "3,000"]);
    }

    #[test]
    fn runs_leave_what_the_others_wrote() {
        let [kotlin, c] = [(&KOTLIN, kotlin()), (&C, c())].map(|(set, r)| section(set, &r, "chart.svg"));
        let report = |old: &str, set, section| Parts::of(old).with_section(set, section).report();
        let first = report("# Report\n\ntext\n", &KOTLIN, &kotlin);
        assert_eq!(first, format!("# Report\n\ntext\n\n{kotlin}"));
        let both = report(&first, &C, &c);
        assert_eq!(both, format!("{first}\n{c}"));
        // In the other order of runs, and each again.
        let other = report("# Report\n\ntext\n", &C, &c);
        assert_eq!(other, format!("# Report\n\ntext\n\n{c}"));
        assert_eq!(report(&other, &KOTLIN, &kotlin), both);
        assert_eq!(report(&both, &KOTLIN, &kotlin), both);
        assert_eq!(report(&both, &C, &c), both);
        // The suite again.
        let again = Parts::of(&both).with_suite("# Other\n").report();
        assert_eq!(again, format!("# Other\n\n{kotlin}\n{c}"));
        // No sections.
        assert_eq!(Parts::of("# Report\n").report(), "# Report\n");
        assert_eq!(Parts::of("# Report\n").suite, "# Report\n");
    }
}
