//! The section "Kotlin" of `benches/REPORT.md`.
//!
//! The section is the last one of the report. It has a mark of its own, because the suite's benchmarks and the Kotlin
//! programs are measured by different runs: each run leaves what the other wrote.

use super::Results;
use super::results::Sample;
use crate::report::{gain, number, table};

/// The mark at which the section begins.
const MARK: &str =
    "<!-- Written by `cargo xtask bench --kotlin`: change xtask/src/kotlin/report.rs, and not this file. -->";

/// The report without the section, and the section, which is empty if there is none.
pub fn split(report: &str) -> (&str, &str) {
    report.split_at(report.find(MARK).unwrap_or(report.len()))
}

/// The report with `section` in the place of the one that it has.
pub fn join(report: &str, section: &str) -> String {
    let before = split(report).0.trim_end();
    if section.is_empty() { format!("{before}\n") } else { format!("{before}\n\n{section}") }
}

/// The section. `chart` is the chart's file name.
pub fn section(results: &Results, chart: &str) -> String {
    let rounds = results.programs.first().map_or(0, |program| program.state_machine.len());
    let rounds = if rounds == 1 { "one round".into() } else { format!("{rounds} rounds") };
    format!(
        "{MARK}\n\
         ## Kotlin\n\n\
         Measured on: {}.\n\n\
         ```console\n$ cargo xtask bench --kotlin\n```\n\n\
         These are [the programs of tests/kotlin](../tests/kotlin/README.md) at their size `large`. kotlin-compiler {} compiled each\n\
         of them in two forms: with coroutines as state machines, and with stack switching. `wasm-opt -O3` of binaryen {}\n\
         optimized both forms.\n\
         {HOW}\
         This section has {rounds}.\n\n\
         ![Time of each program as a state machine divided by its time with stack switching, on a logarithmic axis]({chart})\n\n\
         {}",
        results.machine.line(),
        results.kotlin,
        results.binaryen,
        times(results)
    )
}

const HOW: &str = "\
`wasmtime compile` made machine code of each module before the measurements, with the same options for both forms, so that
compilation is not a part of the times. Stack switching has the native backend. Both forms have the copying collector, which is
the default.

A round runs each program in both forms, one after the other. The form that goes first alternates from round to round. Each run is a
process of its own, and the two forms must print the same.
The times are seconds of CPU time of the process, from its start to its end, with the time in the kernel. *Kernel* is that part alone.
*Peak memory* is what was resident at most, in MiB, with Wasmtime itself. All of these are medians.
A ratio is taken between the two runs of the same round. The table has the median of these ratios, and their quartiles. Below 1, stack
switching is slower.
";

/// Bytes in the unit of the table.
const MIB: f64 = 1024.0 * 1024.0;

/// The table.
pub fn times(results: &Results) -> String {
    let rows = results.programs.iter().map(|program| {
        let [state_machine, stack_switching] = program.medians(Sample::time).map(number);
        let mut row = vec![program.name.clone(), state_machine, stack_switching, gain(program.ratio())];
        row.extend(program.medians(|sample| sample.kernel).map(number));
        row.extend(program.medians(|sample| sample.peak as f64 / MIB).map(number));
        row
    });
    let head = [
        "program",
        "state machine, s",
        "stack switching, s",
        "state machine / stack switching",
        "kernel: state machine, s",
        "kernel: stack switching, s",
        "peak memory: state machine, MiB",
        "peak memory: stack switching, MiB",
    ];
    table(&head, &rows.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kotlin::results::tests::SAMPLE;

    #[test]
    fn whole_section() {
        let mut results = Results::parse(SAMPLE).unwrap();
        let text = section(&results, "chart.svg");
        for part in [
            "A CPU, 2 cores, Linux 6; rustc 1, Wasmtime 48.0.8.",
            "$ cargo xtask bench --kotlin\n",
            "kotlin-compiler 2.4.20 ",
            "binaryen 132.0.0\n",
            "](chart.svg)",
            "3 rounds.\n",
        ] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
        results.programs.remove(0);
        assert!(section(&results, "chart.svg").contains("one round.\n"));
    }

    #[test]
    fn rows() {
        let text = times(&Results::parse(SAMPLE).unwrap());
        let rows: Vec<Vec<_>> = text.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
        assert_eq!(
            rows[2][1..9],
            ["finished", "6.20", "4.50", "1.38 (1.24–1.59)", "0.10", "0.50", "16.0", "100"]
        );
        assert_eq!(rows[3][1..5], ["sequences", "0.50", "2.00", "0.25 (0.25–0.25)"]);
        assert_eq!(rows.len(), 4);
    }

    #[test]
    fn runs_leave_what_the_other_wrote() {
        let section = section(&Results::parse(SAMPLE).unwrap(), "chart.svg");
        let first = join("# Report\n\ntext\n", &section);
        assert_eq!(first, format!("# Report\n\ntext\n\n{section}"));
        assert_eq!(split(&first).1, section);
        // Kotlin again, then the suite again.
        assert_eq!(join(&first, &section), first);
        assert_eq!(join("# Other\n", split(&first).1), format!("# Other\n\n{section}"));
        // Never Kotlin.
        assert_eq!(split("# Report\n"), ("# Report\n", ""));
        assert_eq!(join("# Report\n", ""), "# Report\n");
    }
}
