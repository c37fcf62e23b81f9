//! The chart of a set: `benches/kotlin.svg` and `benches/c.svg`.
//!
//! A bar per program goes from 1 to the ratio of the two times, on a logarithmic axis. So a program that is twice as
//! fast and one that is half as fast have bars of the same length, to the two sides. Variants of stack switching have thin bars
//! below.

use super::results::{Program, Sample};
use super::{Results, Set};
use crate::chart::{AXIS, Area, FAINT, GRID, INK, MARGIN, drawn, write};
use crate::report::number;
use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// The colours of the suite's chart for the native backend and for what it is compared with.
const FASTER: RGBColor = RGBColor(0, 90, 160);
const SLOWER: RGBColor = RGBColor(230, 145, 20);
/// The same for a thin bar.
const FASTER_THIN: RGBColor = RGBColor(110, 185, 235);
const SLOWER_THIN: RGBColor = RGBColor(245, 205, 140);

/// All in pixels.
const WIDTH: u32 = 760;
/// With one line of the legend.
const HEAD: i32 = 60;
/// Each further line.
const LINE: i32 = 16;
/// The room for a program's name, on the left.
const NAME: i32 = 130;
/// The room for its ratio, on the right.
const RATIO: i32 = 50;
const ROW: i32 = 36;
const BAR: i32 = 14;
const THIN_BAR: i32 = 7;

/// The chart, as the text of an SVG file.
pub fn svg(set: &Set, results: &Results) -> Result<String> {
    let height = ROW * results.programs.len() as i32;
    let legend = legend(set);
    let head = HEAD + LINE * (legend.len() as i32 - 1);
    let mut text = String::new();
    {
        let size = (WIDTH, (head + AXIS + height + AXIS + MARGIN) as u32);
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        drawn(root.fill(&WHITE))?;
        let quick = if results.quick { " (a quick run)" } else { "" };
        let title = format!(
            "How many times as fast {} programs are with stack switching as with {}{quick}",
            set.title, set.baseline
        );
        write(&root, &title, (MARGIN, 20), 16.0, INK, HPos::Left)?;
        for (at, line) in legend.iter().enumerate() {
            write(&root, line, (MARGIN, 40 + LINE * at as i32), 11.5, FAINT, HPos::Left)?;
        }
        let area = root.clone().shrink((MARGIN, head), (WIDTH as i32 - 2 * MARGIN, height + 2 * AXIS));
        draw(&area, &results.programs, height)?;
        drawn(root.present())?;
    }
    Ok(text)
}

/// What the figures and the bars are: a line or two.
fn legend(set: &Set) -> Vec<String> {
    let (last, forms) = set.forms.split_last().expect("a set has a baseline");
    let forms: Vec<_> = forms.iter().map(|form| form.how).collect();
    let figures = format!("Below a name: seconds {}, and {}.", forms.join(", "), last.how);
    let bars = "Bars to the right: stack switching is faster";
    let variants: Vec<_> = set.forms[2..].iter().map(|variant| variant.how).collect();
    if variants.is_empty() {
        vec![format!("{figures} {bars}")]
    } else {
        vec![figures, format!("{bars}. Thin bars: {}", variants.join(", "))]
    }
}

fn draw(area: &Area, programs: &[Program], height: i32) -> Result<()> {
    let steps = steps(programs);
    let range = steps[0]..steps[steps.len() - 1];
    let mut chart = drawn(
        ChartBuilder::on(area)
            .margin_left(NAME)
            .margin_right(RATIO)
            .margin_top(AXIS)
            .margin_bottom(AXIS)
            .build_cartesian_2d(range.log_scale(), f64::from(height)..0.0),
    )?;
    for step in steps {
        let colour = if step == 1.0 { FAINT } else { GRID };
        drawn(chart.draw_series([PathElement::new([(step, 0.0), (step, f64::from(height))], colour)]))?;
        let x = chart.backend_coord(&(step, 0.0)).0 - area.get_base_pixel().0;
        for y in [AXIS / 2, AXIS + height + AXIS / 2] {
            write(area, &format!("{step} ×"), (x, y), 11.0, FAINT, HPos::Center)?;
        }
    }
    for (at, program) in programs.iter().enumerate() {
        let (ratios, middle) = (program.ratios(), at as i32 * ROW + ROW / 2);
        let mut labels = Vec::new();
        let mut top = middle - (BAR + THIN_BAR * (ratios.len() as i32 - 1)) / 2;
        for (at, ratio) in ratios.iter().map(|ratio| ratio.median).enumerate() {
            let (height, faster, slower, size, ink) = match at {
                0 => (BAR, FASTER, SLOWER, 13.0, INK),
                _ => (THIN_BAR, FASTER_THIN, SLOWER_THIN, 10.5, FAINT),
            };
            let colour = if ratio < 1.0 { slower } else { faster };
            let bar = [(1.0, f64::from(top)), (ratio, f64::from(top + height))];
            drawn(chart.draw_series([Rectangle::new(bar, colour.filled())]))?;
            // The text of a thin bar is higher than the bar.
            let place = AXIS + top + height / 2 + if at == 0 { 0 } else { 3 };
            labels.push((number(ratio), place, size, ink));
            top += height;
        }
        let middle = AXIS + middle;
        let times = program.medians(Sample::time).into_iter().map(|time| format!("{} s", number(time)));
        write(area, &program.name, (NAME - 8, middle - 7), 13.0, INK, HPos::Right)?;
        let times = times.collect::<Vec<_>>().join(", ");
        write(area, &times, (NAME - 8, middle + 8), 10.5, FAINT, HPos::Right)?;
        for (label, place, size, ink) in labels {
            write(area, &label, (WIDTH as i32 - 2 * MARGIN, place), size, ink, HPos::Right)?;
        }
    }
    Ok(())
}

/// The lines of the axis: 1, 2 and 5 times each power of ten, from below all ratios to above them, with 1 between.
fn steps(programs: &[Program]) -> Vec<f64> {
    let ratios = || programs.iter().flat_map(Program::ratios).map(|ratio| ratio.median);
    // 1 itself has a line on each side.
    let (least, most) = (ratios().fold(0.9, f64::min), ratios().fold(1.1, f64::max));
    // One division or multiplication of whole numbers is exact enough for a step to print as 0.2, and not 0.19999.
    let step = |at: i32| {
        let (power, digit) =
            (10_f64.powi(at.div_euclid(3).abs()), [1.0, 2.0, 5.0][at.rem_euclid(3) as usize]);
        if at < 0 { digit / power } else { digit * power }
    };
    let first = (0..).map(|at| -at).find(|at| step(*at) <= least).unwrap_or(0);
    let last = (0..).find(|at| step(*at) >= most).unwrap_or(0);
    (first..=last).map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::tests::assert_well_formed;
    use crate::programs::results::tests::{C_SAMPLE, KOTLIN_SAMPLE};
    use crate::programs::{C, KOTLIN};

    /// Fails unless each of these is a text of the chart, and each of these colours is that of one bar.
    fn check(text: &str, parts: &[&str], colours: &[RGBColor]) {
        assert_well_formed(text);
        for part in parts {
            assert!(text.lines().any(|line| line == *part), "no `{part}` in\n{text}");
        }
        for RGBColor(r, g, b) in colours {
            assert_eq!(text.matches(&format!("fill=\"#{r:02X}{g:02X}{b:02X}\"")).count(), 1);
        }
    }

    #[test]
    fn well_formed() {
        let text = svg(&KOTLIN, &Results::parse(KOTLIN_SAMPLE, &KOTLIN).unwrap()).unwrap();
        let parts = ["finished", "6.20 s, 4.50 s", "1.38", "sequences", "0.25", "1 ×", "2 ×"];
        check(&text, &parts, &[FASTER, SLOWER]);
        assert!(!text.contains("Thin bars"));
    }

    #[test]
    fn thin_bars() {
        let text = svg(&C, &Results::parse(C_SAMPLE, &C).unwrap()).unwrap();
        check(&text, &["ring", "3.00 s, 6.00 s, 1.50 s", "0.50", "2.00"], &[SLOWER, FASTER_THIN]);
        assert!(text.contains("faster. Thin bars: with stack switching and inlining"), "{text}");
    }

    #[test]
    fn axes() {
        let mut results = Results::parse(KOTLIN_SAMPLE, &KOTLIN).unwrap();
        assert_eq!(steps(&results.programs), [0.2, 0.5, 1.0, 2.0]);
        results.programs[1].forms[1].samples[0].user = 30.0;
        assert_eq!(steps(&results.programs), [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0]);
        results.programs[1].forms[1].samples[0].user = 0.03;
        assert_eq!(steps(&results.programs), [0.5, 1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(steps(&[]), [0.5, 1.0, 2.0]);
    }
}
