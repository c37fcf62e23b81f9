//! The patch series: export, check, list, and the table for embedders.

use crate::series::{self, FIXES, Patch};
use crate::setup::Upstream;
use crate::{c_api, prefixes, setup, stamp, tools};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

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
    ensure!(
        mended || stamp::has_these_patches(&root),
        "patches/ is not what wasmtime/ was made from, and `export` would write over what changed there (a `git pull`?).\n\
         To have both: `cargo xtask setup --force`, which keeps your commits on a branch of wasmtime/, and `git cherry-pick` them there"
    );
    let series = series(&tree)?;
    for (name, text) in &series {
        let subject = series::subject(text);
        ensure!(
            !["fixup! ", "squash! ", "amend! "].iter().any(|mark| subject.starts_with(mark)),
            "{name} is meant for another commit: run `git rebase --interactive --autosquash {}` in wasmtime/ first",
            setup::BASE
        );
    }
    for file in stamp::patch_files(&root)? {
        fs::remove_file(file)?;
    }
    for (name, text) in &series {
        fs::write(root.join(stamp::PATCHES).join(name), text)?;
    }
    if mended {
        setup::adopt_mended(&root)?;
    } else {
        setup::mark_applied(&tree)?;
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
            // The patch that removes what the crates replace is not written.
            "--irreversible-delete",
            "--src-prefix=a/",
            "--dst-prefix=b/",
        ],
    );
    command.arg("--output-directory").arg(&scratch).arg(format!("{}..HEAD", setup::BASE));
    tools::output(command)?;
    let mut series = BTreeMap::new();
    if scratch.exists() {
        let mut paths = fs::read_dir(&scratch)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.sort();
        for path in paths {
            let text = fs::read_to_string(&path)?;
            if series::subject(&text) == setup::REMOVAL {
                continue;
            }
            let name = path.file_name().context("a patch has a name")?.to_string_lossy().into_owned();
            let (_, name) = name.split_once('-').context("a patch has a number")?;
            series.insert(format!("{:04}-{name}", series.len() + 1), text);
        }
        fs::remove_dir_all(&scratch)?;
    }
    Ok(series)
}

/// Compares `patches/` with `wasmtime/`, looks at each header, and says whether each prefix was built.
pub fn check() -> Result<ExitCode> {
    let count = check_series()?;
    prefixes::ensure_checked(&tools::root())
        .context("patches/, wasmtime/, headers and groups agree, but not every prefix was built")?;
    println!("{count} patches agree with wasmtime/, and each prefix was built");
    Ok(ExitCode::SUCCESS)
}

/// As [`check`], but for the prefixes. Returns how many patches there are.
pub fn check_series() -> Result<usize> {
    setup::ensure()?;
    let root = tools::root();
    let tree = root.join(stamp::TREE);
    ensure_settled(&tree)?;
    let mut problems = Vec::new();
    let dirty = tools::output(tools::git(&tree, ["status", "--porcelain"]))?;
    if !dirty.is_empty() {
        problems.push(format!("wasmtime/ has changes that are in no commit:\n{dirty}"));
    }
    let patches = Patch::read_all(&root)?;
    let files: BTreeMap<_, _> = patches.iter().map(|patch| (&patch.name, &patch.text)).collect();
    let series = series(&tree)?;
    for name in files.keys().copied().chain(series.keys().filter(|n| !files.contains_key(n))) {
        if files.get(name).copied() != series.get(name) {
            problems.push(format!(
                "patches/{name} is not what wasmtime/ holds: run `cargo xtask patches export`"
            ));
        }
    }
    for patch in &patches {
        if let Err(problem) = patch.check().and_then(|()| patch.check_files(&root)) {
            problems.push(format!("patches/{}: {problem}", patch.name));
        }
    }
    if let Err(problem) = series::groups(&patches) {
        problems.push(problem.to_string());
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(patches.len())
}

/// Prints a line per patch: lines added and removed, files, subject; by group.
pub fn list() -> Result<ExitCode> {
    let (mut all_added, mut all_removed) = (0, 0);
    println!("  added removed files  patch");
    let listed = Patch::read_all(&tools::root())?;
    for (group, patches) in series::groups(&listed)? {
        println!("{group}:");
        for patch in patches {
            let (added, removed, files) = patch.size();
            println!("{added:7} {removed:7} {files:5}  {} {}", patch.number(), patch.subject());
            all_added += added;
            all_removed += removed;
        }
    }
    println!("{all_added:7} {all_removed:7}        in all");
    let root = tools::root();
    let tree = root.join(stamp::TREE);
    if tree.join(".git").exists() {
        let files: BTreeMap<_, _> = listed.iter().map(|patch| (&patch.name, &patch.text)).collect();
        if !series(&tree)?.iter().eq(files) {
            eprintln!("the commits in wasmtime/ differ from these: `cargo xtask patches check` says where");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the text of a pull request for a group: a title, what its maintainers want to know, how it was tested.
pub fn pull_request(group: &str) -> Result<ExitCode> {
    let patches = Patch::read_all(&tools::root())?;
    let groups = series::groups(&patches)?;
    let one = patches.iter().find(|patch| patch.number() == group);
    let group = &*one.map_or(group.to_string(), |one| one.group());
    let Some((_, of_group)) = groups.iter().find(|(name, _)| name == group) else {
        let names: Vec<_> = groups.iter().map(|(name, _)| name.as_str()).collect();
        bail!("there is no group and no patch `{group}`: the groups are {}", names.join(", "));
    };
    let patches = one.map_or(of_group.clone(), |one| vec![one]);
    match patches[..] {
        [one] => println!("# {}\n", one.subject()),
        _ if group == FIXES => println!("# Fixes: {} commits\n", patches.len()),
        _ => println!("# Stack switching, {group}: {} commits\n", patches.len()),
    }
    let before = groups.iter().take_while(|(name, _)| name != group).map(|(name, _)| name.as_str());
    let before: Vec<_> = before.filter(|name| *name != FIXES).collect();
    if group == FIXES {
        println!(
            "These are bugs of Wasmtime's own, or of Cranelift's. The commits apply in this order, and each has one concern."
        );
    } else if before.is_empty() {
        println!("This needs the crates wasmfx-runtime and wasmfx-cranelift.");
    } else {
        println!("This comes after: {}.", before.join(", "));
    }
    if group != FIXES {
        println!(
            "Stack switching is off by default. It is safe to enable once all groups have been applied."
        );
    }
    for patch in patches {
        let (added, removed, files) = patch.size();
        println!("\n## {}\n\n{}\n", patch.subject(), patch.body());
        let field = |name: &str| patch.field(name).unwrap_or_default();
        println!("- Why it is here: {}", field("Why here"));
        println!("- Tested: {}", field("Tested"));
        println!("- Tests that move: {}", field("Carries"));
        let why = patch.field("Size").map_or(String::new(), |why| format!(": {why}"));
        println!("- Size: {added} lines added, {removed} removed, in {files} files{why}");
    }
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
    relative_to: Option<PathBuf>,
}

/// A crate's name, and where it lies.
type Crate = (String, PathBuf);

/// The crates of this project, and those that are patched, which lie in `tree`. No Rust program depends on the C API.
pub fn crates(upstream: Vec<Upstream>, root: &Path, tree: &Path) -> [Vec<Crate>; 2] {
    let ours = ["wasmfx-cranelift", "wasmfx-runtime"].map(|name| (name.to_string(), root.join(name)));
    let mut theirs: Vec<_> = upstream.into_iter().map(|p| (p.name, tree.join(p.path_in_vcs))).collect();
    theirs.retain(|(name, _)| name != c_api::PACKAGE);
    theirs.sort();
    [ours.into(), theirs]
}

/// Prints the `[patch]` table that an embedder's own workspace needs.
pub fn table(args: &TableArgs) -> Result<ExitCode> {
    setup::ensure()?;
    let root = tools::root();
    let upstream = setup::fetch(&root)?;
    let wasmtime = upstream.iter().find(|package| package.name == "wasmtime");
    let version = wasmtime.context("wasmtime is not pinned")?.version.clone();
    let [mut ours, mut theirs] = crates(upstream, &root, &root.join(stamp::TREE));
    let base = args
        .relative_to
        .as_ref()
        .map(|dir| dir.canonicalize().with_context(|| format!("there is no folder {}", dir.display())));
    let base = base.transpose()?;
    eprintln!(
        "[dependencies]\nwasmtime = {{ version = \"={version}\", features = [\"patched-by-wasmfx\"] }}\n\n\
         With this feature cargo stops if the table below does not apply: then `cargo update wasmtime`, with the names of\n\
         all other crates of Wasmtime that you depend on, and pin those too. The table:\n"
    );
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
fn relative(path: &Path, from: &Path) -> Result<PathBuf> {
    let path = path.canonicalize()?;
    let common = path.components().zip(from.components()).take_while(|(a, b)| a == b).count();
    let ups = from.components().skip(common).map(|_| std::path::Component::ParentDir);
    Ok(ups.chain(path.components().skip(common)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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
