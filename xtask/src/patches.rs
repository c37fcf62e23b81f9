//! The patch series: export, check, list, and the table for embedders.

use crate::{setup, stamp, tools};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// The longest subject line that still reads as one line.
const SUBJECT_MAX: usize = 72;

/// Rewrites `patches/` from the commits in `wasmtime/`.
pub fn export() -> Result<ExitCode> {
    let root = tools::root();
    // Where a patch did not apply, the series was mended there.
    let mended = setup::is_mending(&root);
    let tree = root.join(if mended { setup::NEW } else { stamp::TREE });
    ensure!(tree.join(".git").exists(), "there is no wasmtime/: run `cargo xtask setup`");
    ensure_settled(&tree)?;
    let dirty = tools::output(tools::git(&tree, ["status", "--porcelain"]))?;
    ensure!(dirty.is_empty(), "wasmtime/ has changes that are in no commit:\n{dirty}commit them there first");
    let series = series(&tree)?;
    for file in stamp::patch_files(&root)? {
        fs::remove_file(file)?;
    }
    for (name, text) in &series {
        fs::write(root.join(stamp::PATCHES).join(name), text)?;
    }
    setup::mark_applied(&tree)?;
    if mended {
        setup::adopt(&root)?;
    }
    fs::write(stamp::path(&root), stamp::inputs(&root)?)?;
    eprintln!("Wrote {} patches", series.len());
    Ok(ExitCode::SUCCESS)
}

/// Refuses a tree in the middle of something, whose commits are not the whole series.
fn ensure_settled(tree: &Path) -> Result<()> {
    for (file, what) in [("rebase-merge", "rebase"), ("rebase-apply", "am")] {
        ensure!(
            !tree.join(".git").join(file).exists(),
            "a `git {what}` is under way in {}: finish it first, or abort it",
            tree.display()
        );
    }
    Ok(())
}

/// The patches that the commits in `wasmtime/` make, by file name.
///
/// The options keep the text the same from run to run and from git to git: no commit hashes, no git
/// version, no statistics, no numbers in the subjects; whole index lines, so that `git am -3` works.
fn series(tree: &Path) -> Result<BTreeMap<String, String>> {
    let scratch = tree.join(".git/export");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    let mut command = tools::git(
        tree,
        [
            "format-patch",
            "--quiet",
            "--zero-commit",
            "--full-index",
            "--no-signature",
            "--no-stat",
            "--no-numbered",
            "--no-renames",
            "--no-color",
            "--diff-algorithm=myers",
            "--unified=3",
            "--src-prefix=a/",
            "--dst-prefix=b/",
        ],
    );
    command.arg("--output-directory").arg(&scratch).arg(format!("{}..HEAD", setup::BASE));
    tools::output(command)?;
    let mut series = BTreeMap::new();
    if scratch.exists() {
        for entry in fs::read_dir(&scratch)? {
            let path = entry?.path();
            let name = path.file_name().context("a patch has a name")?.to_string_lossy().into_owned();
            series.insert(name, fs::read_to_string(&path)?);
        }
        fs::remove_dir_all(&scratch)?;
    }
    Ok(series)
}

/// Compares `patches/` with `wasmtime/`, and looks at each header.
pub fn check() -> Result<ExitCode> {
    setup::ensure()?;
    let root = tools::root();
    let tree = root.join(stamp::TREE);
    ensure_settled(&tree)?;
    let mut problems = Vec::new();
    let dirty = tools::output(tools::git(&tree, ["status", "--porcelain"]))?;
    if !dirty.is_empty() {
        problems.push(format!("wasmtime/ has changes that are in no commit:\n{dirty}"));
    }
    let mut files = BTreeMap::new();
    for file in stamp::patch_files(&root)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(name, fs::read_to_string(file)?);
    }
    let series = series(&tree)?;
    for name in files.keys().chain(series.keys().filter(|n| !files.contains_key(*n))) {
        if files.get(name) != series.get(name) {
            problems.push(format!(
                "patches/{name} is not what wasmtime/ holds: run `cargo xtask patches export`"
            ));
        }
    }
    for (name, text) in &files {
        if let Err(problem) = check_header(text) {
            problems.push(format!("patches/{name}: {problem}"));
        }
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    println!("{} patches agree with wasmtime/", files.len());
    Ok(ExitCode::SUCCESS)
}

/// A header is `area: what`, a body that says why and how it was tested, and where it was forwarded.
fn check_header(text: &str) -> Result<()> {
    let subject = subject(text);
    ensure!(subject.contains(": "), "the subject `{subject}` is not `area: what`");
    ensure!(subject.len() <= SUBJECT_MAX, "the subject is longer than {SUBJECT_MAX} characters");
    ensure!(
        subject.starts_with("manifests: ")
            || !text.lines().any(|l| l.starts_with("diff --git ") && l.ends_with("Cargo.toml")),
        "published manifests differ from upstream's: what changes them goes into the patch `manifests: …`"
    );
    let header = text.split("\ndiff --git ").next().unwrap_or_default();
    let (head, body) = header.split_once("\n\n").context("the header has no body")?;
    let from = format!("From: {} <{}>", tools::NAME, tools::EMAIL);
    ensure!(head.lines().any(|line| line == from), "the author is not the series' author: `{from}`");
    let (why, fields) = body.split_once("\nTested: ").context("the header has no line `Tested: …`")?;
    ensure!(why.trim().len() > 80, "the header does not say what the patch hooks, and why here");
    let forwarded = fields.lines().find_map(|line| line.strip_prefix("Forwarded: "));
    let forwarded = forwarded.context("the header has no line `Forwarded: …`")?;
    ensure!(
        forwarded == "no" || forwarded.starts_with("https://") || forwarded.starts_with("not-needed ("),
        "`Forwarded: {forwarded}` is neither a URL, nor `no`, nor `not-needed (reason)`"
    );
    Ok(())
}

fn subject(text: &str) -> String {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("Subject: "));
    let mut subject = lines.next().unwrap_or_default().trim_start_matches("Subject: [PATCH] ").to_string();
    subject.extend(lines.take_while(|line| line.starts_with(' ')));
    subject
}

/// Prints a line per patch: lines added and removed, files, subject.
pub fn list() -> Result<ExitCode> {
    let (mut all_added, mut all_removed) = (0, 0);
    println!("  added removed files  patch");
    for file in stamp::patch_files(&tools::root())? {
        let text = fs::read_to_string(&file)?;
        let diff = text.split_once("\ndiff --git ").map_or("", |(_, diff)| diff);
        let added = diff.lines().filter(|l| l.starts_with('+') && !l.starts_with("+++ ")).count();
        let removed = diff.lines().filter(|l| l.starts_with('-') && !l.starts_with("--- ")).count();
        let files = text.matches("\ndiff --git ").count();
        let number = file.file_name().unwrap_or_default().to_string_lossy();
        let number = number.split('-').next().unwrap_or_default();
        println!("{added:7} {removed:7} {files:5}  {number} {}", subject(&text));
        all_added += added;
        all_removed += removed;
    }
    println!("{all_added:7} {all_removed:7}        in all");
    Ok(ExitCode::SUCCESS)
}

/// Where the embedder's workspace finds the crates.
#[derive(clap::Args)]
pub struct TableArgs {
    /// A git repository that holds the patched tree (push `wasmtime/` there), in place of paths
    #[arg(long, value_name = "URL", requires = "wasmfx_git")]
    git: Option<String>,
    /// A git repository that holds this project
    #[arg(long, value_name = "URL", requires = "git")]
    wasmfx_git: Option<String>,
    /// Paths relative to this folder, in place of absolute ones
    #[arg(long, value_name = "DIR", conflicts_with = "git")]
    relative_to: Option<std::path::PathBuf>,
}

/// Prints the `[patch]` table that an embedder's own workspace needs.
pub fn table(args: &TableArgs) -> Result<ExitCode> {
    setup::ensure()?;
    let root = tools::root();
    let mut ours: Vec<_> =
        ["wasmfx-cranelift", "wasmfx-runtime"].map(|n| (n.to_string(), root.join(n))).into();
    let mut theirs: Vec<_> = setup::fetch(&root)?
        .into_iter()
        .map(|p| (p.name, root.join(stamp::TREE).join(p.path_in_vcs)))
        .collect();
    theirs.sort();
    let base = args.relative_to.as_ref().map(|dir| dir.canonicalize().context("no such folder"));
    let base = base.transpose()?;
    println!("[patch.crates-io]");
    match (&args.git, &args.wasmfx_git) {
        (Some(tree), Some(project)) => {
            for (name, _) in &ours {
                println!("{name} = {{ git = {project:?} }}");
            }
            for (name, _) in &theirs {
                println!("{name} = {{ git = {tree:?}, branch = \"wasmfx\" }}");
            }
        }
        _ => {
            ours.append(&mut theirs);
            for (name, path) in &ours {
                let path = match &base {
                    Some(dir) => relative(path, dir)?,
                    None => path.clone(),
                };
                let path = path.to_str().context("the path is not UTF-8")?.trim_end_matches('/');
                println!("{name} = {{ path = {path:?} }}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `path` as seen from the folder `from`.
fn relative(path: &Path, from: &Path) -> Result<std::path::PathBuf> {
    let path = path.canonicalize()?;
    let common = path.components().zip(from.components()).take_while(|(a, b)| a == b).count();
    let ups = from.components().skip(common).map(|_| std::path::Component::ParentDir);
    Ok(ups.chain(path.components().skip(common)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: The wasmfx developers <developers@wasmfx.invalid>
Date: Thu, 1 Jan 2026 00:00:00 +0000
Subject: [PATCH] area: what

It calls what is at home in the crates, from the one place that knows when: that is why it is here.

Tested: so
Forwarded: no

diff --git a/x b/x
";

    #[test]
    fn headers() {
        check_header(PATCH).unwrap();
        let long = "area: what that goes on for much longer than anybody would want to read in one line";
        for (from, to) in [
            ("area: what", "what"),
            ("area: what", long),
            ("The wasmfx developers", "Somebody else"),
            ("from the one place that knows when: that is why it is here.", ""),
            ("Tested: so\n", ""),
            ("Forwarded: no\n", ""),
            ("Forwarded: no\n", "Forwarded: maybe\n"),
        ] {
            assert!(check_header(&PATCH.replace(from, to)).is_err(), "{from} -> {to}");
        }
        // What is in the diff is not the header.
        let moved = PATCH.replace("Tested: so\n", "") + "+\nTested: so\nForwarded: no\n";
        assert!(check_header(&moved).is_err());
    }

    #[test]
    fn folded_subjects() {
        assert_eq!(subject("Subject: [PATCH] area: one\n two\n\nBody"), "area: one two");
    }

    #[test]
    fn relative_paths() {
        let root = tools::root();
        let from = root.join("xtask/src").canonicalize().unwrap();
        assert_eq!(relative(&root.join("patches"), &from).unwrap(), Path::new("../../patches"));
        assert_eq!(relative(&from, &root.canonicalize().unwrap()).unwrap(), Path::new("xtask/src"));
    }

    /// What is exported from the tree is what is there, twice over: nothing in it changes from run to run.
    #[test]
    fn export_is_stable() {
        let tree = tools::root().join(stamp::TREE);
        if tree.join(".git").exists() {
            assert_eq!(series(&tree).unwrap(), series(&tree).unwrap());
        }
    }
}
