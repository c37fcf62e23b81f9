//! The Kotlin programs of `tests/kotlin`, with their coroutines as state machines and by stack switching.

use super::{Form, Large, Results, Set};
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// See the module.
pub static KOTLIN: Set = Set {
    title: "Kotlin",
    option: "kotlin",
    sources: "tests/kotlin",
    extension: "kt",
    built: "kotlin",
    tools: &["kotlin", "binaryen"],
    forms: &[
        Form {
            name: "state machine",
            how: "as a state machine",
            module: "state-machine",
            file: "state-machine",
            options: &[],
        },
        Form {
            name: "stack switching",
            how: "with stack switching",
            module: "stack-switching",
            file: "stack-switching",
            options: &[],
        },
    ],
    baseline: "state machines",
    code: false,
    large: |source| Some(large(source)),
    build,
    about,
};

/// The script that compiles the programs.
const SCRIPT: &str = "ci/kotlin.sh";

/// The size has a name, and a comment `// large: OPTION...` has the options that it needs.
fn large(source: &str) -> Large {
    let line = source.lines().find_map(|line| line.strip_prefix("// large: "));
    let options = line.unwrap_or_default().split_whitespace().map(String::from).collect();
    Large { options, argument: "large".into() }
}

/// Compiles the programs to modules, and optimizes these.
fn build(root: &Path, target: &Path, programs: &[&str]) -> Result<()> {
    let mut script = Command::new("bash");
    script.args([SCRIPT, "--build-only"]).args(programs);
    // The script runs in the root, and compiles all again when this path is another one than before. A user who calls it has
    // the relative path.
    script.current_dir(root).env("CARGO_TARGET_DIR", target.strip_prefix(root).unwrap_or(target));
    let mut child = script
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {SCRIPT} with bash"))?;
    let stdout = child.stdout.take().context("the script's output is a pipe")?;
    let mut left_out = false;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        left_out |= line.starts_with("left out:");
        eprintln!("{line}");
    }
    ensure!(child.wait()?.success(), "{SCRIPT} did not end well; see above");
    // The script succeeds without its tools. Modules of an earlier run may be there, but of other sources.
    ensure!(!left_out, "the Kotlin programs cannot be built here; see above why");
    Ok(())
}

fn about(results: &Results) -> String {
    format!(
        "These are [the programs of tests/kotlin](../tests/kotlin/README.md) at their size `large`. kotlin-compiler {} compiled each\n\
         of them in two forms: with coroutines as state machines, and with stack switching. `wasm-opt -O3` of binaryen {}\n\
         optimized both forms.\n\
         `wasmtime compile` made machine code of each module before the measurements, with the same options for both forms, so that\n\
         compilation is not a part of the times. Stack switching has the native backend. Both forms have the copying collector, which is\n\
         the default.\n",
        results.version("kotlin"),
        results.version("binaryen")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments() {
        let options = |source| large(source).options;
        assert_eq!(options("// A program.\n// large: -W a=1 -W b\nval x = 1"), ["-W", "a=1", "-W", "b"]);
        assert!(options("val x = \"// large: -W a\"").is_empty());
        assert_eq!(large("").argument, "large");
    }

    #[test]
    fn recursion_needs_a_larger_stack() {
        let source = crate::tools::root().join(KOTLIN.sources).join("recursion.kt");
        let options = large(&std::fs::read_to_string(source).unwrap()).options;
        assert!(options.contains(&"-W".to_string()), "{options:?}");
    }
}
