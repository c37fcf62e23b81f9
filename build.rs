//! Stops a plain `cargo build` when `wasmtime/` was not made from the `patches/` that are here now. Collects the examples in the
//! documentation of the API that the patches add, so that this package's doc tests run them.

#[path = "xtask/src/stamp.rs"]
#[allow(dead_code, reason = "xtask uses the rest")]
mod stamp;

use std::fs;
use std::io::Result;
use std::path::{Path, PathBuf};

/// The folder in whose documentation the examples are.
const API: &str = "wasmtime/crates/wasmtime/src/runtime";

/// What each example of the API has in it, and no example of Wasmtime as published.
const OURS: &str = "wasm_stack_switching(true)";

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    println!("cargo::rerun-if-changed={}", stamp::PATCHES);
    println!("cargo::rerun-if-changed={}", stamp::path(root).display());
    for pin in stamp::PINS.iter().chain([&stamp::LAYOUT]) {
        println!("cargo::rerun-if-changed={pin}");
    }
    if !stamp::is_current(root) {
        println!(
            "cargo::error=wasmtime/ is not what patches/ and xtask/upstream/ make: run `cargo xtask setup`"
        );
    }
    println!("cargo::rerun-if-changed={API}");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets it");
    let mut examples = String::new();
    match collect(&root.join(API), &mut examples) {
        Err(error) => println!("cargo::warning=the examples of the API are not tested: {error}"),
        Ok(()) if examples.is_empty() => println!("cargo::error={API} has no example with `{OURS}` to test"),
        Ok(()) => {}
    }
    fs::write(Path::new(&out).join("examples.md"), examples).expect("cargo's folder is writable");
}

/// Appends the examples in the sources in this folder.
fn collect(folder: &Path, examples: &mut String) -> Result<()> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, examples)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            of_file(&path, examples)?;
        }
    }
    Ok(())
}

/// Appends the examples in this file: what stands between fences in comments of documentation.
fn of_file(path: &Path, examples: &mut String) -> Result<()> {
    let mut example: Option<String> = None;
    for (line, number) in fs::read_to_string(path)?.lines().zip(1..) {
        let Some(text) = line.trim_start().strip_prefix("///") else { continue };
        let text = text.strip_prefix(' ').unwrap_or(text);
        match &mut example {
            None if text.starts_with("```") => {
                let name = path.file_name().unwrap_or_default().display();
                example = Some(format!("Line {number} of {name}:\n\n{text}\n"));
            }
            None => {}
            Some(code) => {
                *code += &format!("{text}\n");
                if text == "```" {
                    examples.extend(example.take().filter(|code| code.contains(OURS)));
                }
            }
        }
    }
    Ok(())
}
