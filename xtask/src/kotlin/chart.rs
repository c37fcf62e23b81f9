//! The chart of the Kotlin programs: `benches/kotlin.svg`.
//!
//! A bar per program goes from 1 to the ratio of the two times, on a logarithmic axis. So a program that is twice as
//! fast and one that is half as fast have bars of the same length, to the two sides.

use super::Results;
use super::results::{Program, Sample};
use crate::chart::{AXIS, Area, FAINT, GRID, INK, MARGIN, drawn, write};
use crate::report::number;
use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// The colours of the suite's chart for the native backend and for what it is compared with.
const FASTER: RGBColor = RGBColor(0, 90, 160);
const SLOWER: RGBColor = RGBColor(230, 145, 20);

/// All in pixels.
const WIDTH: u32 = 760;
const HEAD: i32 = 60;
/// The room for a program's name, on the left.
const NAME: i32 = 130;
/// The room for its ratio, on the right.
const RATIO: i32 = 50;
const ROW: i32 = 36;
const BAR: i32 = 14;

/// The chart, as the text of an SVG file.
pub fn svg(results: &Results) -> Result<String> {
    let height = ROW * results.programs.len() as i32;
    let mut text = String::new();
    {
        let size = (WIDTH, (HEAD + AXIS + height + AXIS + MARGIN) as u32);
        let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
        drawn(root.fill(&WHITE))?;
        let quick = if results.quick { " (a quick run)" } else { "" };
        let title = format!(
            "How many times as fast Kotlin programs are with stack switching as with state machines{quick}"
        );
        write(&root, &title, (MARGIN, 20), 16.0, INK, HPos::Left)?;
        let small = "Below a name: seconds as a state machine, and with stack switching. \
                     Bars to the right: stack switching is faster";
        write(&root, small, (MARGIN, 40), 11.5, FAINT, HPos::Left)?;
        let area = root.clone().shrink((MARGIN, HEAD), (WIDTH as i32 - 2 * MARGIN, height + 2 * AXIS));
        draw(&area, &results.programs, height)?;
        drawn(root.present())?;
    }
    Ok(text)
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
        let (ratio, middle) = (program.ratio(), at as i32 * ROW + ROW / 2);
        let (top, bottom) = (f64::from(middle - BAR / 2), f64::from(middle + BAR / 2));
        let colour = if ratio.median < 1.0 { SLOWER } else { FASTER };
        drawn(chart.draw_series([Rectangle::new([(1.0, top), (ratio.median, bottom)], colour.filled())]))?;
        let middle = AXIS + middle;
        let [state_machine, stack_switching] = program.medians(Sample::time).map(number);
        let times = format!("{state_machine} s, {stack_switching} s");
        write(area, &program.name, (NAME - 8, middle - 7), 13.0, INK, HPos::Right)?;
        write(area, &times, (NAME - 8, middle + 8), 10.5, FAINT, HPos::Right)?;
        let right = WIDTH as i32 - 2 * MARGIN;
        write(area, &number(ratio.median), (right, middle), 13.0, INK, HPos::Right)?;
    }
    Ok(())
}

/// The lines of the axis: 1, 2 and 5 times each power of ten, from below all ratios to above them, with 1 between.
fn steps(programs: &[Program]) -> Vec<f64> {
    let ratios = || programs.iter().map(|program| program.ratio().median);
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
    use crate::kotlin::results::tests::SAMPLE;

    #[test]
    fn well_formed() {
        let text = svg(&Results::parse(SAMPLE).unwrap()).unwrap();
        assert_well_formed(&text);
        for part in ["finished", "6.20 s, 4.50 s", "1.38", "sequences", "0.25", "1 ×", "2 ×"] {
            assert!(text.lines().any(|line| line == part), "no `{part}` in\n{text}");
        }
        for RGBColor(r, g, b) in [FASTER, SLOWER] {
            assert_eq!(text.matches(&format!("fill=\"#{r:02X}{g:02X}{b:02X}\"")).count(), 1);
        }
    }

    #[test]
    fn axes() {
        let mut results = Results::parse(SAMPLE).unwrap();
        assert_eq!(steps(&results.programs), [0.2, 0.5, 1.0, 2.0]);
        results.programs[1].stack_switching[0].user = 30.0;
        assert_eq!(steps(&results.programs), [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0]);
        results.programs[1].stack_switching[0].user = 0.03;
        assert_eq!(steps(&results.programs), [0.5, 1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(steps(&[]), [0.5, 1.0, 2.0]);
    }
}
