//! Builds every prefix of the series, and notes in `patches/CHECKED` that this series was built.
//!
//! ```text
//! target/prefixes/
//!   wasmtime/      a clone of the patched tree, at one commit after the other
//!   check/         a workspace of its own: the CLI of that tree, the crates by path, and tests of the fixes
//! ```

use crate::series::{FIXES, Patch};
use crate::{patches, setup, stamp, tools};
use anyhow::{Context, Result, bail, ensure};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// What shows that the patches of the group `fixes` work by themselves.
const TESTS: &str = "ci/fixes/fixes.rs";

/// The file that says which series was built.
fn mark(root: &Path) -> PathBuf {
    root.join(stamp::PATCHES).join("CHECKED")
}

/// What the mark holds for a series: git's hash of all its patches.
fn hash(root: &Path, patches: &[Patch]) -> Result<String> {
    let mut all = String::new();
    for patch in patches {
        write!(all, "== {} {}\n{}", patch.name, patch.text.len(), patch.text)?;
    }
    let file = root.join("target/prefixes.txt");
    fs::create_dir_all(root.join("target"))?;
    fs::write(&file, all)?;
    let mut command = tools::git(root, ["hash-object", "--no-filters"]);
    command.arg(&file);
    tools::output(command)
}

/// Says what to do if the series differs from the one that was built.
pub fn ensure_checked(root: &Path) -> Result<()> {
    let noted = fs::read_to_string(mark(root)).unwrap_or_default();
    ensure!(
        noted.trim() == hash(root, &Patch::read_all(root)?)?.trim(),
        "patches/CHECKED is of another series: run `cargo xtask patches prefixes`, which builds each prefix of this \
         one and takes half an hour"
    );
    Ok(())
}

/// Builds each prefix, the whole series first.
pub fn prefixes() -> Result<ExitCode> {
    patches::check_series()?;
    let root = tools::root();
    // What is marked at the end is what is cloned now, also if somebody exports meanwhile.
    let patches = Patch::read_all(&root)?;
    let hash = hash(&root, &patches)?;
    let scratch = root.join("target/prefixes");
    let tree = scratch.join("wasmtime");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    fs::create_dir_all(scratch.join("check/src"))?;
    fs::create_dir_all(scratch.join("check/tests"))?;
    let mut clone = tools::git(&root, ["clone", "--quiet", "--no-hardlinks"]);
    clone.arg(root.join(stamp::TREE)).arg(&tree);
    tools::output(clone)?;
    fs::write(scratch.join("check/src/lib.rs"), "")?;
    fs::write(scratch.join("check/Cargo.toml"), manifest(&root, &tree)?)?;
    fs::copy(root.join("Cargo.lock"), scratch.join("check/Cargo.lock"))?;
    fs::copy(root.join(TESTS), scratch.join("check/tests/fixes.rs"))?;

    let log = tools::output(tools::git(&tree, ["log", "--format=%H %s", &format!("{}..HEAD", setup::BASE)]))?;
    let commits: Vec<_> = log.lines().filter_map(|line| line.split_once(' ')).collect();
    let fixes = patches.iter().filter(|patch| patch.group() == FIXES).count();
    // The log begins with the last commit.
    for (i, (commit, subject)) in commits.iter().enumerate() {
        eprintln!("[{} of {}] up to `{subject}`", i + 1, commits.len());
        tools::output(tools::git(&tree, ["checkout", "--quiet", commit]))?;
        let all_fixes = commits.len() - i == fixes;
        run(cargo(&scratch, if all_fixes { "test" } else { "check" }), subject)?;
    }
    eprintln!("[Wasmtime as published] each test of the fixes fails");
    tools::output(tools::git(&tree, ["checkout", "--quiet", setup::BASE]))?;
    ensure_all_fail(cargo(&scratch, "test"))?;
    fs::write(mark(&root), hash)?;
    eprintln!("Each prefix builds: patches/CHECKED says so");
    Ok(ExitCode::SUCCESS)
}

/// A cargo command in the workspace that needs the tree.
fn cargo(scratch: &Path, command: &str) -> Command {
    let mut cargo = tools::cargo();
    cargo
        .args([command, "--quiet", "--manifest-path"])
        .arg(scratch.join("check/Cargo.toml"))
        .arg("--target-dir")
        .arg(scratch.join("target"))
        .env("RUSTFLAGS", "-Awarnings")
        // A test counts allocations, and a backtrace is more of them.
        .env("RUST_BACKTRACE", "0");
    cargo
}

/// Runs tests, of which none may pass.
fn ensure_all_fail(mut test: Command) -> Result<()> {
    let output = test.args(["--test", "fixes", "--no-fail-fast"]).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        text.contains("test result: FAILED. 0 passed;"),
        "{TESTS}: each test should fail on Wasmtime as published, so that it shows its fix, and this run does not say so:\n\
         {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn run(mut check: Command, subject: &str) -> Result<()> {
    let status = check.stdin(Stdio::null()).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("the series does not build, or its tests do not pass, up to `{subject}`: see the errors above");
    }
    Ok(())
}

/// A package that needs the CLI of `tree`, with every crate by its path.
fn manifest(root: &Path, tree: &Path) -> Result<String> {
    let mut text = String::from(
        "[workspace]\n\n[package]\nname = \"check\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n",
    );
    text += "log = \"*\"\nwasmtime = \"*\"\nwasmtime-cli = \"*\"\n";
    text += "\n[patch.crates-io]\n";
    let [ours, theirs] = patches::crates(setup::fetch(root)?, root, tree);
    for (name, path) in ours.iter().chain(&theirs) {
        writeln!(text, "{name} = {{ path = {path:?} }}")?;
    }
    Ok(text)
}
