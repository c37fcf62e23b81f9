//! The results as a chart: `benches/report.svg`.
//!
//! A group of bars per benchmark, in two columns that share a logarithmic axis.

use crate::report::number;
use crate::schema::{COROSENSEI, FIBER, LIBCALL, Measured, NATIVE, Results, UNPATCHED, V8};
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Contestants with their names in the legend and their colours, which colour-blind readers can tell apart.
const BARS: [(&str, &str, RGBColor); 6] = [
    (NATIVE, "native", RGBColor(0, 90, 160)),
    (LIBCALL, "libcall", RGBColor(110, 185, 235)),
    (UNPATCHED, "unpatched Wasmtime", RGBColor(230, 145, 20)),
    (V8, "V8", RGBColor(0, 150, 110)),
    (COROSENSEI, "floor: corosensei", RGBColor(90, 90, 90)),
    (FIBER, "floor: wasmtime-fiber", RGBColor(175, 175, 175)),
];

pub const INK: RGBColor = RGBColor(30, 30, 30);
pub const FAINT: RGBColor = RGBColor(110, 110, 110);
pub const GRID: RGBColor = RGBColor(222, 222, 222);

/// All in pixels.
const WIDTH: u32 = 1000;
pub const MARGIN: i32 = 14;
const HEAD: i32 = 80;
/// The room for the axis' numbers, above and below the bars.
pub const AXIS: i32 = 20;
/// The room for a benchmark's name.
const NAME: i32 = 150;
const BAR: i32 = 7;
const GAP: i32 = 10;
/// The least height of a group, which two lines of text need.
const GROUP: i32 = 28;

/// The chart, as the text of an SVG file.
pub fn svg(results: &Results) -> Result<String> {
    let all = &results.benchmarks;
    let times = all.iter().flat_map(|b| BARS.iter().filter_map(|(name, ..)| b.median(name)));
    let (least, most) = times.fold((f64::MAX, 0.0_f64), |(least, most), ns| (least.min(ns), most.max(ns)));
    // Bars begin at a power of ten, and each can be seen.
    let range = 10_f64.powf((least / 1.3).log10().floor())..most * 1.1;

    let columns = columns(all);
    let height = columns.iter().map(|column| column.iter().map(group).sum::<i32>()).max().unwrap_or(0);
    let mut text = String::new();
    {
        let size = (WIDTH, (HEAD + AXIS + height + AXIS + MARGIN) as u32);
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        drawn(root.fill(&WHITE))?;
        head(&root, results)?;
        let width = (WIDTH as i32 - MARGIN) / 2;
        for (at, column) in columns.iter().enumerate() {
            let left = MARGIN + at as i32 * width;
            let area = root.clone().shrink((left, HEAD), (width - MARGIN, height + 2 * AXIS));
            draw(&area, column, range.clone(), height)?;
        }
        drawn(root.present())?;
    }
    Ok(text)
}

/// The two columns, as equal in height as they can be in the order of the suite.
fn columns(all: &[Measured]) -> [&[Measured]; 2] {
    let height = |part: &[Measured]| part.iter().map(group).sum::<i32>();
    let at = (0..=all.len()).min_by_key(|at| height(&all[..*at]).max(height(&all[*at..])));
    let (left, right) = all.split_at(at.unwrap_or(0));
    [left, right]
}

/// The height of a benchmark's group of bars.
fn group(b: &Measured) -> i32 {
    GROUP.max(BAR * b.contestants.len() as i32) + GAP
}

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The title and the legend.
fn head(root: &Area, results: &Results) -> Result<()> {
    let quick = if results.quick { " (a quick run)" } else { "" };
    let title =
        format!("Nanoseconds per operation{quick}: shorter is faster; each line is ten times the one before");
    write(root, &title, (MARGIN, 20), 16.0, INK, HPos::Left)?;
    let small =
        "Below a name: native\u{2019}s time, and how many times as fast as unpatched Wasmtime that is";
    write(root, small, (MARGIN, 40), 11.5, FAINT, HPos::Left)?;
    let mut x = MARGIN;
    for (name, label, colour) in BARS {
        if results.has(name) {
            let square = [(x, 56), (x + 12, 68)];
            drawn(root.draw(&Rectangle::new(square, colour.filled())))?;
            write(root, label, (x + 18, 62), 13.0, INK, HPos::Left)?;
            // Fonts differ: what a letter takes is estimated from the widest of the usual ones.
            x += 18 + label.len() as i32 * 8 + 12;
        }
    }
    Ok(())
}

/// A column: names on the left, bars on the right, the axis above and below.
fn draw(area: &Area, column: &[Measured], range: std::ops::Range<f64>, height: i32) -> Result<()> {
    let mut chart = drawn(
        ChartBuilder::on(area)
            .margin_left(NAME)
            .margin_top(AXIS)
            .margin_bottom(AXIS)
            .build_cartesian_2d(range.clone().log_scale(), f64::from(height)..0.0),
    )?;
    let tens = (range.start.log10().round() as i32..).map(|power| 10_f64.powi(power));
    for ns in tens.take_while(|ns| *ns < range.end) {
        let line = PathElement::new([(ns, 0.0), (ns, f64::from(height))], GRID);
        drawn(chart.draw_series([line]))?;
        let (x, _) = chart.backend_coord(&(ns, 0.0));
        let (x, label) = (x - area.get_base_pixel().0, duration(ns));
        for y in [AXIS / 2, AXIS + height + AXIS / 2] {
            write(area, &label, (x, y), 11.0, FAINT, HPos::Center)?;
        }
    }
    let mut y = 0;
    for b in column {
        let bars: Vec<_> =
            BARS.iter().filter_map(|(name, _, colour)| Some((b.median(name)?, colour))).collect();
        let top = y + (group(b) - BAR * bars.len() as i32) / 2;
        for (at, (ns, colour)) in bars.into_iter().enumerate() {
            let top = f64::from(top + BAR * at as i32);
            let bar = [(range.start, top), (ns, top + f64::from(BAR) - 1.0)];
            drawn(chart.draw_series([Rectangle::new(bar, colour.filled())]))?;
        }
        let middle = AXIS + y + group(b) / 2;
        write(area, &b.name, (NAME - 8, middle - 7), 13.0, INK, HPos::Right)?;
        write(area, &summary(b), (NAME - 8, middle + 8), 10.5, FAINT, HPos::Right)?;
        y += group(b);
    }
    Ok(())
}

/// The figures that matter most, beside a benchmark's bars.
fn summary(b: &Measured) -> String {
    let native = b.median(NATIVE).map_or(String::new(), |ns| format!("{} ns", number(ns)));
    match b.ratio(UNPATCHED, NATIVE) {
        Some(gain) => format!("{native}, {} × as fast", number(gain.median)),
        None => native,
    }
}

fn duration(ns: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let (unit, name) = units.into_iter().find(|(unit, _)| ns >= *unit * 0.999).unwrap_or((1.0, "ns"));
    format!("{} {name}", (ns / unit * 1000.0).round() / 1000.0)
}

/// Writes a line of text whose middle is at `at.1`.
pub fn write(area: &Area, text: &str, at: (i32, i32), size: f64, colour: RGBColor, side: HPos) -> Result<()> {
    let style = ("sans-serif", size * FONT).into_font().color(&colour).pos(Pos::new(side, VPos::Center));
    drawn(area.draw(&Text::new(text, at, style)))
}

/// The size of a font in plotters is this many times what it writes into the file.
const FONT: f64 = 1.24;

/// Plotters' errors are not `Sync` for every backend.
pub fn drawn<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T> {
    result.map_err(|error| anyhow!("cannot draw the chart: {error}"))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::results::tests::SAMPLE;

    /// Each element is closed by itself or by its end, in the right order.
    pub fn assert_well_formed(text: &str) {
        let mut open = Vec::new();
        for tag in text.split('<').skip(1) {
            let (tag, _) = tag.split_once('>').unwrap();
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "{text}");
            } else if !tag.ends_with('/') && !tag.starts_with(['?', '!']) {
                open.push(tag.split_whitespace().next().unwrap());
            }
        }
        assert_eq!(open, [""; 0], "{text}");
        assert!(text.starts_with("<svg "));
    }

    #[test]
    fn well_formed() {
        let text = svg(&Results::parse(SAMPLE).unwrap()).unwrap();
        assert_well_formed(&text);
        for part in
            ["round", "payload_v128_1", "5.00 ns, 3.00 × as fast", "unpatched Wasmtime", "10 ns", "1 µs"]
        {
            assert!(text.lines().any(|line| line == part), "no `{part}` in\n{text}");
        }
    }

    #[test]
    fn each_contestant_has_a_bar() {
        let results = Results::parse(SAMPLE).unwrap();
        let text = svg(&results).unwrap();
        for (name, label, RGBColor(r, g, b)) in BARS {
            let bars = results.benchmarks.iter().filter(|b| b.contestant(name).is_some()).count();
            // And one in the legend.
            assert_eq!(
                text.matches(&format!("fill=\"#{r:02X}{g:02X}{b:02X}\"")).count() - 1,
                bars,
                "{label}"
            );
        }
    }

    #[test]
    fn columns_are_balanced() {
        let results = Results::parse(SAMPLE).unwrap();
        let [left, right] = columns(&results.benchmarks);
        assert_eq!((left.len(), right.len()), (1, 1));
        assert_eq!(columns(&[]).map(<[Measured]>::len), [0, 0]);
    }

    #[test]
    fn durations() {
        let texts = [0.1, 1.0, 100.0, 1e3, 1e4, 1e6].map(duration);
        assert_eq!(texts, ["0.1 ns", "1 ns", "100 ns", "1 µs", "10 µs", "1 ms"]);
    }
}
