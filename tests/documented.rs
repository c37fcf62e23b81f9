//! The limits that pages state in numbers are those that the runtime has, and modules in pages compile or are refused as said.

use std::fs;
use std::path::Path;
use wasmfx_runtime::abi::{INLINE_ARGS, MAX_UNCHECKED_FRAME, SLOT_SIZE};
use wasmfx_runtime::limits::*;

/// A number with the expression that it is the value of.
type Limit = (&'static str, u64);

/// Text with `{}` in the place of each number, and those numbers.
type Sentence = (&'static str, &'static [Limit]);

macro_rules! limits {
    ($($limit:expr),*) => { &[$((stringify!($limit), $limit as u64)),*] };
}

/// Each page, with what it says.
const PAGES: &[(&str, &[Sentence])] = &[
    (
        "docs/design.md",
        &[
            ("stores the payload: up to {} values in `g`'s `VMContRef`", limits![INLINE_ARGS]),
            ("if the function has more than {} parameters, whose buffer", limits![INLINE_ARGS]),
            ("A continuation with more than {} parameters always comes from", limits![INLINE_ARGS]),
            ("Payloads are in slots of {} bytes", limits![SLOT_SIZE]),
            ("the `VMContRef` has room for {} values.", limits![INLINE_ARGS]),
            ("with more than {} values, in a stack slot", limits![INLINE_ARGS]),
            ("if there are more than {} of either", limits![INLINE_ARGS]),
            ("up to {} bytes that spread the tops of stacks", limits![COLOUR * (COLOURS - 1)]),
            // The number of the region that has the last stack, plus 1: `stack/mod.rs`.
            (
                "one mapping: {} for a million stacks",
                limits![(1_000_000 / (FIRST_REGION / (DEFAULT_WASM_STACK + RESERVE)) + 1).ilog2() + 1],
            ),
            ("With fewer than {} stacks per store", limits![IDLE_PART]),
            ("gave back, {} at most, keep their memory", limits![MAX_HOT_STACKS]),
            ("lives in a chunk of {} (", limits![CHUNK]),
        ],
    ),
    (
        "docs/embedding.md",
        &[
            (
                "| `continuation_stack_size` | bytes, from {} to `max_wasm_stack` (at least {})",
                limits![MIN_WASM_STACK, MIN_WASM_STACK],
            ),
            ("the largest size allowed: {} unless", limits![DEFAULT_WASM_STACK]),
            ("| `continuation_stacks` | stacks | {} |", limits![DEFAULT_STACKS]),
            ("| `continuations_per_store` | continuations | {} |", limits![MAX_CONTINUATIONS]),
            (
                "| `continuation_keep_resident` | bytes, rounded up to pages | {} |",
                limits![DEFAULT_KEEP_RESIDENT],
            ),
            ("A store's {} last used idle stacks", limits![MAX_HOT_STACKS]),
            ("Wasm's part, {} pages of reserve", limits![RESERVE / 4096]),
            ("a reserve of {} of addresses", limits![RESERVE]),
            ("the reserve is {} instead", limits![RESERVE + MAX_UNCHECKED_FRAME]),
            ("a frame larger than {} does", limits![MAX_UNCHECKED_FRAME]),
            ("continuations may take {} together", limits![MAX_SLOTS * SLOT_SIZE]),
            ("The first region is about {},", limits![FIRST_REGION]),
            ("| the last ones of a store | {},", limits![MAX_HOT_STACKS]),
            ("if it may have fewer than {} |", limits![MAX_IDLE_STACKS]),
            ("| the others of a store | up to {} ", limits![MAX_IDLE_STACKS]),
            ("as its last search has reclaimed, but no more than {} or", limits![MAX_RECLAIMED_STACKS]),
            ("| in the engine | {} |", limits![MAX_WARM_STACKS]),
            ("of the latter, and by one for each {} of heap", limits![OBJECTS_PER_CONTINUATION]),
            ("that followed its last search, and more than {}.", limits![2 * MIN_SEARCHED_OBJECTS]),
            ("It searches if there are {} at least", limits![MIN_SEARCHED]),
            ("twice as many, and one for each {} of heap", limits![OBJECTS_PER_CONTINUATION]),
            ("The {} are parts of the heap", limits![OBJECTS_PER_CONTINUATION]),
            ("a program that makes fewer than {} continuations", limits![MIN_SEARCHED]),
        ],
    ),
    (
        "wasmtime/crates/wasmtime/src/config.rs",
        &[
            (
                "reserves addresses for {} more, or {} without",
                limits![RESERVE, RESERVE + MAX_UNCHECKED_FRAME],
            ),
            ("the larger of [`Config::max_wasm_stack`] and {}.", limits![MIN_WASM_STACK]),
            ("if this is less than {} or more than that default.", limits![MIN_WASM_STACK]),
            ("up to {} of them, if so many are a {}th", limits![MAX_IDLE_STACKS, IDLE_PART]),
            ("Address space is reserved as needed: {},", limits![FIRST_REGION]),
            ("By default this is {}. pub fn continuation_stacks(", limits![DEFAULT_STACKS]),
            ("By default this is {}. pub fn continuations_per_store(", limits![MAX_CONTINUATIONS]),
            ("rounded up to pages. {} idle stacks of an engine", limits![MAX_WARM_STACKS]),
            ("The last {} of a store", limits![MAX_HOT_STACKS]),
            ("By default this is {}. pub fn continuation_keep_resident(", limits![DEFAULT_KEEP_RESIDENT]),
        ],
    ),
    (
        "wasmtime/crates/cli-flags/src/lib.rs",
        &[
            ("a continuation's stack: {} at least,", limits![MIN_WASM_STACK]),
            ("(default: {}) pub continuation_stacks:", limits![DEFAULT_STACKS]),
            ("(default: {}) pub continuations_per_store:", limits![MAX_CONTINUATIONS]),
            ("(default: {}) pub continuation_keep_resident:", limits![DEFAULT_KEEP_RESIDENT]),
        ],
    ),
];

/// The text of a page in one line, without what makes lines comments.
fn flat(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim_start().trim_start_matches("///"));
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

/// The numbers that pages have as words, from 1 on.
const WORDS: [&str; 5] = ["one", "two", "three", "four", "five"];

/// The number at the beginning of `text`, as `1,048,576`, `48 KiB` or `three`, and what follows it.
fn number(text: &str) -> Option<(u64, &str)> {
    let (word, rest) = text.split_at(text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len()));
    if let Some(at) = WORDS.iter().position(|one| *one == word) {
        return Some((at as u64 + 1, rest));
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(text.len());
    let digits = text[..end].trim_end_matches(',');
    let value: u64 = digits.replace(',', "").parse().ok()?;
    let rest = &text[digits.len()..];
    let units = [(" KiB", 10), (" MiB", 20), (" GiB", 30)];
    let unit = units.into_iter().find_map(|(unit, shift)| Some((value << shift, rest.strip_prefix(unit)?)));
    Some(unit.unwrap_or((value, rest)))
}

/// The numbers that the page has in the places of `{}`, if it has the sentence once.
fn numbers(page: &str, sentence: &str) -> Option<Vec<u64>> {
    let mut parts = sentence.split("{}");
    let first = parts.next()?;
    let mut found = page.match_indices(first).filter_map(|(at, _)| {
        let mut rest = &page[at + first.len()..];
        let mut numbers = Vec::new();
        for part in parts.clone() {
            let (value, after) = number(rest)?;
            numbers.push(value);
            rest = after.strip_prefix(part)?;
        }
        Some(numbers)
    });
    found.next().filter(|_| found.next().is_none())
}

#[test]
fn pages_have_the_limits_of_the_runtime() {
    let mut wrong = Vec::new();
    for (page, sentences) in PAGES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        let text = flat(&fs::read_to_string(path).unwrap());
        for (sentence, limits) in *sentences {
            let Some(found) = numbers(&text, sentence) else {
                wrong.push(format!("{page} does not have this once, with numbers for {{}}: {sentence}"));
                continue;
            };
            assert_eq!(found.len(), limits.len(), "a limit for each {{}} of: {sentence}");
            for (found, (limit, value)) in found.into_iter().zip(*limits) {
                if found != *value {
                    wrong.push(format!(
                        "{page} says {found} where `{limit}` of wasmfx-runtime is {value}: {sentence}"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn numbers_are_read() {
    assert_eq!(number("1,048,576 |"), Some((1_048_576, " |")));
    assert_eq!(number("48 KiB, or"), Some((48 << 10, ", or")));
    assert_eq!(number("64, or"), Some((64, ", or")));
    assert_eq!(number("three values"), Some((3, " values")));
    assert_eq!(number("twofold"), None);
    assert_eq!(number("many"), None);
    let page = flat("    /// From 16 KiB\n    /// to 2 GiB.\n  /// to 3");
    assert_eq!(numbers(&page, "From {} to {}."), Some(vec![16 << 10, 2 << 30]));
    assert_eq!(numbers(&page, "to {}"), None, "it is there twice");
    assert_eq!(numbers(&page, "From {} on"), None);
}

/// The modules of a page, between ```` ```wat ```` and ```` ``` ````.
fn modules(page: &str) -> Vec<&str> {
    page.split("\n```wat\n").skip(1).map(|rest| rest.split("\n```").next().expect("a part")).collect()
}

/// A module compiles unless its first line says with which error it does not.
#[test]
fn modules_in_pages_compile() {
    let engine = wasmfx::wasmtime::Engine::new(&wasmfx::config()).unwrap();
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/syntax.md")).unwrap();
    let modules = modules(&page);
    assert!(modules.len() > 5);
    for text in modules {
        let result =
            wasmfx::wasmtime::Module::new(&engine, text).map(drop).map_err(|error| format!("{error:?}"));
        match (text.strip_prefix(";; invalid: ").and_then(|text| text.lines().next()), result) {
            (None, Ok(())) => {}
            (Some(wanted), Err(error)) if error.contains(wanted) => {}
            (_, result) => panic!("{result:?}: {text}"),
        }
    }
}

/// What the README shows of an example is there: lines, and `...` for those that are left out.
fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The figures of the first screen are those of the table below it.
#[test]
fn the_readme_quotes_its_table() {
    let readme = read("README.md");
    let quoted = |benchmark: &str| {
        let row = readme.lines().find(|line| line.starts_with(&format!("| {benchmark} ")));
        let cells: Vec<_> = row.expect("a row of the table").split('|').map(str::trim).collect();
        (cells[3].to_string(), cells[4].to_string())
    };
    let ((generator, before), (library, library_before)) =
        (quoted("generator"), quoted("suspend_resume_library"));
    let sentence =
        format!("takes {generator} ns ({before} unpatched), and {library} ns ({library_before}) where");
    assert!(flat(&readme).contains(&sentence), "README.md does not say: {sentence}");
}

#[test]
fn the_readme_quotes_an_example() {
    let (readme, example) = (read("README.md"), read("examples/generator.wat"));
    let [quoted] = modules(&readme)[..] else { panic!("one module") };
    let mut rest = &*example;
    for part in quoted.split("\n...\n") {
        let at =
            rest.find(part).unwrap_or_else(|| panic!("not in examples/generator.wat, or not there: {part}"));
        rest = &rest[at + part.len()..];
    }
}
