//! The results as Markdown: `benches/REPORT.md`, and the part of them that stands in the README.

use crate::schema::{COROSENSEI, FIBER, LIBCALL, Measured, NATIVE, Results, UNPATCHED, V8};
use crate::spread::Spread;
use anyhow::{Context, Result, ensure};
use std::fmt::Write;

/// The marks in the README between which its part stands.
const BEGIN: &str = "<!-- benchmarks: begin, written by cargo xtask bench -->";
const END: &str = "<!-- benchmarks: end -->";

/// How many of the best and of the worst stand in the README, besides those that are typical.
const FEW: usize = 2;

/// `benches/REPORT.md`. `chart` is the chart's file name.
pub fn report(results: &Results, chart: &str) -> String {
    let node = if results.has(V8) { " --node NODE" } else { "" };
    let samples = results.benchmarks.iter().map(|b| b.contestants[0].ns.len());
    let samples = match (samples.clone().min(), samples.max()) {
        (Some(least), Some(most)) if least == most => least.to_string(),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => "no".into(),
    };
    format!(
        "<!-- Written by `cargo xtask bench`: change xtask/src/report.rs, and not this file. -->\n\
         # Stack switching, measured\n\n\
         Measured on: {}.\n\n\
         ```console\n$ cargo xtask bench{node}\n```\n\n\
         {COLUMNS}\n\
         {HOW}\
         This report has {samples} samples of each.\n\n\
         ![Nanoseconds per operation of each benchmark, by contestant, on a logarithmic axis]({chart})\n\n\
         {}",
        machine(results),
        tables(results)
    )
}

const COLUMNS: &str = "\
* **native** and **libcall** are this project's backends. The first switches stacks in compiled code, the second with `wasmtime-fiber`.
* **unpatched** is the same version of Wasmtime as published, with its own stack switching.
* **V8** is that of node, with `--experimental-wasm-wasmfx`. `--node` says which node.
* **corosensei** and **wasmtime-fiber** are floors: a round trip with nothing passed, or a coroutine made, run and released, in Rust
  without WebAssembly. corosensei has a very fast switch of stacks. The libcall backend is made of wasmtime-fiber.
";

const HOW: &str = "\
Each sample has a new store and instance. It runs a few operations untimed, then as many operations as the column *size* says, timed
as one, and compares the result with the expected one. The time divided by the size is the sample's time per operation.
The suite takes the samples of all contestants in turn, so that noise on the machine affects all of them alike. On Linux all
contestants of a turn run on the same processor, except for the threads in which V8 compiles and collects. A loop that has nothing to
do with the contestants finds the processor that is least disturbed just then. Times are medians.
A ratio is taken between samples of the same turn. The tables have the median of these ratios, and their quartiles.
";

const TALK: &str = "\
The talk is: Emrich and Hillerström, *Continuing Stack Switching in Wasmtime*, WebAssembly Workshop 2025. Its programs and its machine
were others, so that only the order of magnitude compares.
";

fn machine(results: &Results) -> String {
    match &results.machine {
        Some(machine) => machine.line(),
        None => "a machine that the results do not name (`cargo xtask bench` records it)".into(),
    }
}

/// The tables and their footnotes.
pub fn tables(results: &Results) -> String {
    let mut notes = Notes::default();
    let mut text = String::new();
    let mut section = |title: &str, head: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            let _ = write!(text, "## {title}\n\n{}\n", table(head, &rows));
        }
    };
    let all = &results.benchmarks;

    let times = all.iter().map(|b| {
        let mut row = vec![b.name.clone(), cell(&b.operation), number(f64::from(b.size))];
        row.extend([NATIVE, LIBCALL, UNPATCHED, V8].map(|name| time(b, name, &mut notes)));
        row
    });
    let head = ["benchmark", "operation", "size", "native", "libcall", "unpatched", "V8"];
    section("Nanoseconds per operation", &head, times.collect());

    let gains = all.iter().map(|b| {
        let mut row = vec![b.name.clone()];
        row.extend([UNPATCHED, V8, LIBCALL].map(|name| ratio(b, name, NATIVE, &mut notes)));
        row
    });
    let head = ["benchmark", "unpatched / native", "V8 / native", "libcall / native"];
    section(
        "Time of the others divided by the time of native: below 1, native is slower",
        &head,
        gains.collect(),
    );

    let floors = all.iter().filter(|b| b.contestant(COROSENSEI).or(b.contestant(FIBER)).is_some()).map(|b| {
        let mut row = vec![b.name.clone()];
        for (ours, floor) in [(NATIVE, COROSENSEI), (LIBCALL, FIBER)] {
            row.extend([time(b, ours, &mut notes), time(b, floor, &mut notes)]);
            row.push(ratio(b, ours, floor, &mut notes));
        }
        row
    });
    let head = [
        "benchmark",
        "native",
        "corosensei",
        "native / corosensei",
        "libcall",
        "wasmtime-fiber",
        "libcall / wasmtime-fiber",
    ];
    section("Beside the floors, in nanoseconds", &head, floors.collect());

    let talk = all.iter().filter_map(|b| {
        let talk = number(b.talk?);
        Some(vec![b.name.clone(), talk, ratio(b, LIBCALL, NATIVE, &mut notes)])
    });
    let head = ["benchmark", "the talk's", "here"];
    let talk: Vec<_> = talk.collect();
    let comment = if talk.is_empty() { String::new() } else { format!("{TALK}\n") };
    section("libcall / native, beside the talk's", &head, talk);

    text + &comment + &notes.text()
}

/// The README with the results in the place of what stands between its marks. `report` and `chart` are paths.
pub fn readme(readme: &str, results: &Results, report: &str, chart: &str) -> Result<String> {
    let (mut typical, mut gains): (Vec<_>, Vec<_>) =
        results.benchmarks.iter().partition(|b| b.place.is_some());
    typical.sort_by_key(|b| b.place);
    gains.retain(|b| b.contestant(UNPATCHED).is_some());
    let median = |b: &Measured| b.ratio(UNPATCHED, NATIVE).map_or(0.0, |gain| gain.median);
    gains.sort_by(|a, b| median(b).total_cmp(&median(a)));
    let text = if gains.is_empty() {
        "Wasmtime as published did not take part.".to_string()
    } else {
        let few = gains.len() > 2 * FEW;
        if few {
            gains.drain(FEW..gains.len() - FEW);
        }
        let which = if few {
            format!(
                " The table begins with what\nprograms do most; then come the {FEW} benchmarks with the highest ratio of all others, and the {FEW} with the lowest."
            )
        } else {
            String::new()
        };
        let mut head = vec!["benchmark", "operation", "native", "unpatched", "V8", "unpatched / native"];
        let mut rows: Vec<_> = typical.into_iter().chain(gains).map(readme_row).collect();
        if !results.has(V8) {
            let column = head.iter().position(|name| *name == "V8").expect("it stands above");
            head.remove(column);
            rows.iter_mut().for_each(|row| drop(row.remove(column)));
        }
        format!(
            "Nanoseconds per operation. The last column is the time of Wasmtime as published divided by the time of the\n\
             native backend (quartiles): below 1, native is slower.{which}\n\n{}",
            table(&head, &rows)
        )
    };
    let block = format!(
        "[![Nanoseconds per operation of each benchmark]({chart})]({report})\n\n{}\n\n\
         Measured on: {}.\nAll figures, and how they were measured: [{report}]({report}).",
        text.trim_end(),
        machine(results)
    );
    replace(readme, &block)
}

/// A row of the README, without footnotes: these are in the report.
fn readme_row(b: &Measured) -> Vec<String> {
    let mut row = vec![b.name.clone(), cell(&b.operation)];
    row.extend([NATIVE, UNPATCHED, V8].map(|name| b.median(name).map_or(NONE.to_string(), number)));
    row.push(b.ratio(UNPATCHED, NATIVE).map_or(NONE.to_string(), gain));
    row
}

/// `text` with `block` in the place of what stands between the marks.
fn replace(text: &str, block: &str) -> Result<String> {
    let missing = || {
        format!(
            "README.md does not have each of these lines once, in this order: put them where the results are to be\n\
             {BEGIN}\n{END}"
        )
    };
    let (before, rest) = text.split_once(BEGIN).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    ensure!(![before, after].iter().any(|part| part.contains(BEGIN) || part.contains(END)), missing());
    Ok(format!("{before}{BEGIN}\n{block}\n{END}{after}"))
}

/// What stands where there is nothing.
const NONE: &str = "–";

/// Footnotes; the same text is one note however often it is called for.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    fn mark(&mut self, text: String) -> String {
        let at = self.0.iter().position(|note| *note == text).unwrap_or_else(|| {
            self.0.push(text);
            self.0.len() - 1
        });
        format!("[^{}]", at + 1)
    }

    fn text(&self) -> String {
        self.0.iter().enumerate().map(|(at, note)| format!("[^{}]: {note}\n", at + 1)).collect()
    }
}

/// The median of one contestant, or why there is none.
fn time(b: &Measured, name: &str, notes: &mut Notes) -> String {
    match b.contestant(name) {
        Some(c) => number(c.time().median),
        None => absent(b, name, notes),
    }
}

/// The ratio of two contestants with its quartiles, or why there is none.
fn ratio(b: &Measured, over: &str, under: &str, notes: &mut Notes) -> String {
    match b.ratio(over, under) {
        Some(spread) => gain(spread),
        None => absent(b, if b.contestant(over).is_none() { over } else { under }, notes),
    }
}

/// A ratio with its quartiles.
pub fn gain(Spread { low, median, high }: Spread) -> String {
    format!("{} ({}–{})", number(median), number(low), number(high))
}

fn absent(b: &Measured, name: &str, notes: &mut Notes) -> String {
    match b.left_out.iter().find(|l| l.name == name) {
        Some(left_out) => NONE.to_string() + &notes.mark(format!("Left out: {}", cell(&left_out.why))),
        None => NONE.into(),
    }
}

/// With three digits that count, or all of those before the point.
pub fn number(value: f64) -> String {
    let places = [10.0, 100.0].iter().filter(|limit| value < **limit).count();
    // What rounds up to the next power of ten has a place less.
    let text = format!("{value:.places$}");
    let text = if places > 0 && text.len() > 4 { format!("{value:.0$}", places - 1) } else { text };
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// Text that does not end a cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// A table whose columns also stand below one another as plain text; columns of numbers are aligned to the right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let words = |name: &str| matches!(name, "benchmark" | "operation" | "program");
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count(), 3]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    let mut line = |cells: Vec<String>| {
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    };
    let pad = |cell: &str, column: usize| {
        let width = widths[column];
        if words(head[column]) { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    };
    line(head.iter().enumerate().map(|(column, name)| pad(name, column)).collect());
    let rule = |(column, name): (usize, &&str)| {
        let dashes = "-".repeat(widths[column] - 1);
        if words(name) { format!("{dashes}-") } else { format!("{dashes}:") }
    };
    line(head.iter().enumerate().map(rule).collect());
    for row in rows {
        line(row.iter().enumerate().map(|(column, cell)| pad(cell, column)).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::SAMPLE;

    #[test]
    fn numbers() {
        for (value, text) in [
            (0.456, "0.46"),
            (6.7049, "6.70"),
            (9.996, "10.0"),
            (67.04, "67.0"),
            (99.96, "100"),
            (670.4, "670"),
            (1234.5, "1,234"),
            (1234567.0, "1,234,567"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn whole_report() {
        let results = Results::parse(SAMPLE).unwrap();
        let text = report(&results, "chart.svg");
        for part in [
            "A CPU, 2 cores, Linux 6; rustc 1, Wasmtime 48.0.8, V8 14.1",
            "$ cargo xtask bench --node NODE\n",
            "](chart.svg)",
            "1 to 3 samples",
            "resume \\| suspend",
            "18.0",
            "3.00 (2.50–3.50)",
            "| round     |       5.97 | 6.00 (5.50–6.00) |",
            "[^1]: Left out: it has no vectors\n",
        ] {
            assert!(text.contains(part), "no `{part}` in\n{text}");
        }
        assert!(!text.contains("[^2]"), "{text}");
        // The times and the gains have a row for each.
        for benchmark in &results.benchmarks {
            let rows = text.lines().filter(|l| l.starts_with(&format!("| {} ", benchmark.name))).count();
            assert!(rows >= 2, "{}", benchmark.name);
        }
    }

    #[test]
    fn unknown_machines() {
        let mut results = Results::parse(SAMPLE).unwrap();
        results.machine = None;
        assert!(report(&results, "chart.svg").contains("a machine that the results do not name"));
    }

    #[test]
    fn best_and_worst() {
        let mut results = Results::parse(SAMPLE).unwrap();
        let marks = format!("{BEGIN}{END}");
        let readme = |results: &Results| readme(&marks, results, "REPORT.md", "chart.svg").unwrap();
        assert!(readme(&results).contains("| round") && readme(&results).contains(" V8 |"));
        assert!(!readme(&results).contains("| payload_v128_1"), "it has nothing to compare");

        let text = SAMPLE.replace("\"benchmarks\": [", "\"benchmarks\": [ ONE,");
        let one = |at: usize| {
            format!(
                r#"{{ "name": "b{at}", "operation": "o", "size": 1, "talk": null, "contestants": [
                    {{ "name": "native", "size": 1, "ns": [1] }},
                    {{ "name": "unpatched", "size": 1, "ns": [{at}] }} ] }}"#
            )
        };
        let more: Vec<_> = [14, 11, 17, 12, 16, 13, 15].map(one).into();
        results = Results::parse(&text.replace("ONE", &more.join(","))).unwrap();
        let text = readme(&results);
        let names: Vec<_> = text.lines().filter_map(|l| l.strip_prefix("| ")?.split(' ').next()).collect();
        assert_eq!(names[2..], ["b17", "b16", "b11", "round"], "{text}");

        for (name, place) in [("b12", 2), ("b13", 1)] {
            results.benchmarks.iter_mut().find(|b| b.name == name).unwrap().place = Some(place);
        }
        let text = readme(&results);
        let names: Vec<_> = text.lines().filter_map(|l| l.strip_prefix("| ")?.split(' ').next()).collect();
        assert_eq!(names[2..], ["b13", "b12", "b17", "b16", "b11", "round"], "{text}");

        results.benchmarks.iter_mut().for_each(|b| b.contestants.retain(|c| c.name != V8));
        assert!(!readme(&results).contains(" V8 |"));
        results.benchmarks.iter_mut().for_each(|b| b.contestants.retain(|c| c.name != UNPATCHED));
        assert!(readme(&results).contains("did not take part"));
    }

    #[test]
    fn marks() {
        let text = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = replace(&text, "new").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}\nnew\n{END}\nafter\n"));
        assert_eq!(replace(&new, "new").unwrap(), new);
        for broken in ["".into(), BEGIN.into(), format!("{END}{BEGIN}"), format!("{text}{text}"), END.into()]
        {
            let error = replace(&broken, "new").unwrap_err().to_string();
            assert!(error.contains(BEGIN) && error.contains("README.md"), "{error}");
        }
    }

    #[test]
    fn the_readme_has_the_marks() {
        let path = crate::tools::root().join("README.md");
        replace(&std::fs::read_to_string(path).unwrap(), "").unwrap();
    }
}
