//! The lines in which traces of the model and of engines can differ, and still agree.

/// How many continuations are alive after a collection: the model's line.
pub(crate) fn alive(least: usize, most: usize) -> String {
    format!("alive {least} to {most}")
}

/// An engine's line for the same; without a number if it did not collect.
pub(crate) fn counted(alive: Option<usize>) -> String {
    match alive {
        Some(alive) => format!("alive {alive}"),
        None => "alive, not counted".to_string(),
    }
}

/// Whether a line of an engine is one that the model allows. `counts` says whether it
/// collects after each entry, and so must count. Where stores do not search, more may be alive.
pub(crate) fn agrees(expected: &str, seen: &str, counts: bool) -> bool {
    let range = expected.strip_prefix("alive ").and_then(|range| range.split_once(" to "));
    let Some((least, most)) = range else { return expected == seen };
    if seen == counted(None) {
        return !counts;
    }
    let number = |text: &str| text.parse::<usize>().ok();
    let seen = seen.strip_prefix("alive ").and_then(number);
    matches!((number(least), seen, number(most)), (Some(least), Some(seen), Some(most))
        if least <= seen && (seen <= most || !crate::support::SEARCHES))
}

/// Whether a trace is one that the model allows.
pub(crate) fn all_agree(expected: &[String], seen: &[String], counts: bool) -> bool {
    expected.len() == seen.len()
        && expected.iter().zip(seen).all(|(expected, seen)| agrees(expected, seen, counts))
}
