//! Lays the pinned upstream crates out in `wasmtime/` and applies `patches/`.
//!
//! ```text
//! xtask/upstream/Cargo.{toml,lock} --cargo--> registry (checksums checked against the lock file)
//!     --copy, each crate to its `path_in_vcs`--> wasmtime/, one commit, tag `base`
//!     --git am the patches--> one commit per patch
//!     --remove `REPLACED`, to which no code refers any more--> one commit --> wasmtime/.stamp
//! ```
//!
//! The folders are those of Wasmtime's repository, so that a patch applies both here and to a checkout
//! of the commit that the crates were published from.

use crate::{stamp, tools};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What may lie in the tree and is in no commit.
const OURS: [&str; 2] = [".stamp", "target/"];

/// The commit of the published crates, which the patches build on.
pub const BASE: &str = "base";

/// The branch of the series in the tree.
const SERIES: &str = "wasmfx";

/// The subject of the commit that removes [`REPLACED`].
pub const REMOVAL: &str = "wasmfx: remove what the crates replace";

/// Upstream's own stack switching, which our crates replace. The patches take out every reference to these files. They are
/// removed here by name, so that no patch carries their text.
const REPLACED: &[&str] = &[
    "crates/cranelift/src/func_environ/stack_switching",
    "crates/environ/src/stack_switching.rs",
    "crates/wasmtime/src/runtime/vm/stack_switching",
    "crates/wasmtime/src/runtime/vm/stack_switching.rs",
];

/// What cargo adds to a crate when it publishes or unpacks it.
const UNWANTED: &[&str] = &[".cargo-ok", ".cargo_vcs_info.json", "Cargo.lock", "Cargo.toml.orig"];

/// Where a tree is made, before it takes the place of the old one.
pub const NEW: &str = "wasmtime.new";

/// The file in a new tree that says that a patch did not apply there.
const MENDING: &str = ".git/mending";

/// A fixed date, so that every machine makes the same base commit.
const BASE_DATE: &str = "2026-01-01T00:00:00Z";

/// Makes `wasmtime/` if it is missing or out of date.
pub fn setup(force: bool) -> Result<ExitCode> {
    let root = tools::root();
    if stamp::is_current(&root) && root.join(stamp::TREE).join(".git").exists() && !force {
        return Ok(ExitCode::SUCCESS);
    }
    let tree = root.join(stamp::TREE);
    if !force {
        ensure_nothing_lost(&tree)?;
    }

    let new = root.join(NEW);
    ensure!(
        force || !is_mending(&root),
        "{NEW}/ is where a patch did not apply. Once it does and `git am --continue` has run there,\n\
         `cargo xtask patches export` takes the series from it; or throw it away: `cargo xtask setup --force`"
    );
    let crates = fetch(&root)?;
    remove(&new)?;
    eprintln!("Laying out {} upstream crates in {}/", crates.len(), stamp::TREE);
    for package in &crates {
        copy_crate(package, &new.join(&package.path_in_vcs))
            .with_context(|| format!("cannot lay out {}", package.name))?;
    }
    commit_base(&new, &crates)?;
    apply(&root, &new)?;

    fs::write(new.join(".stamp"), stamp::inputs(&root)?)?;
    keep_commits(&tree, &new)?;
    adopt(&root)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether the new tree is one in which a patch did not apply, rather than one that was cut short.
pub fn is_mending(root: &Path) -> bool {
    root.join(NEW).join(MENDING).exists()
}

/// Puts the new tree, in which a patch was mended, in the place of the old one.
pub fn adopt_mended(root: &Path) -> Result<()> {
    let new = root.join(NEW);
    if tools::output(tools::git(&new, ["log", "-1", "--format=%s"]))?.trim() != REMOVAL {
        remove_replaced(&new)?;
    }
    mark_applied(&new)?;
    keep_commits(&root.join(stamp::TREE), &new)?;
    adopt(root)
}

/// Puts the new tree in the place of the old one.
fn adopt(root: &Path) -> Result<()> {
    let tree = root.join(stamp::TREE);
    remove(&root.join(NEW).join(MENDING))?;
    remove(&tree)?;
    fs::rename(root.join(NEW), &tree).context("cannot move the new tree to wasmtime/")
}

/// Makes `wasmtime/` if it is missing or out of date, for a command that needs it.
pub fn ensure() -> Result<()> {
    setup(false).map(drop)
}

/// Refuses to overwrite commits or changes in `wasmtime/` that are in no patch.
fn ensure_nothing_lost(tree: &Path) -> Result<()> {
    if !tree.exists() {
        return Ok(());
    }
    ensure!(
        tree.join(".git").exists(),
        "wasmtime/ is no git repository of its own, so that its changes cannot be seen: if there is nothing \
         to keep in it, run `cargo xtask setup --force`"
    );
    let mut found = Vec::new();
    let status = tools::output(tools::git(tree, ["status", "--porcelain", "--ignored"]))?;
    found.extend(
        status.lines().filter(|line| !OURS.iter().any(|ours| line.ends_with(ours))).map(str::to_string),
    );
    found.extend(tools::output(tools::git(tree, ["stash", "list"]))?.lines().map(str::to_string));
    let head = tools::output(tools::git(tree, ["rev-parse", "HEAD"]))?;
    let applied = fs::read_to_string(tree.join(".git/applied")).unwrap_or_default();
    if !applied.is_empty() && head != applied {
        found.push("commits that were not exported".to_string());
    }
    let found = found.join("\n  ");
    ensure!(
        found.is_empty(),
        "wasmtime/ holds work that is in no patch, and patches/ or the pins have changed since it was set up:\n  {found}\n\
         Commit in wasmtime/ what you want to keep, and run `cargo xtask setup --force`: it keeps all branches and commits, and\n\
         neither changes, ignored files nor stashes. Then `git cherry-pick` the commits, and `cargo xtask patches export`"
    );
    Ok(())
}

/// Keeps in `new` what has a name in `old`: all branches but the series', and the series' commits on a branch of their own, since
/// they may have been exported into a `patches/` that is no more.
fn keep_commits(old: &Path, new: &Path) -> Result<()> {
    if !old.join(".git").exists() {
        return Ok(());
    }
    let head = |tree| tools::output(tools::git(tree, ["rev-parse", "HEAD"]));
    let was = head(old)?;
    let mut refs = vec!["+refs/heads/*:refs/heads/*".to_string(), format!("^refs/heads/{SERIES}")];
    let branch = format!("before-{}", &was[..9]);
    let is_new = was != head(new)?;
    // The same series comes to the same commits, so that it may have its branch from an earlier time.
    let known = tools::output(tools::git(old, ["branch", "--list", &branch]))?;
    if is_new && known.is_empty() {
        refs.push(format!("+HEAD:refs/heads/{branch}"));
    }
    let mut fetch = tools::git(new, ["fetch", "--quiet", "--no-tags"]);
    fetch.arg(old).args(refs);
    tools::output(fetch).context(
        "cannot keep the commits of wasmtime/, and nothing was changed: if you need none of them, remove wasmtime/",
    )?;
    if is_new {
        eprintln!("The commits that {}/ had are on its branch {branch}", stamp::TREE);
    }
    Ok(())
}

/// Notes that the tree's commits are those of `patches/`.
pub fn mark_applied(tree: &Path) -> Result<()> {
    let head = tools::output(tools::git(tree, ["rev-parse", "HEAD"]))?;
    Ok(fs::write(tree.join(".git/applied"), head)?)
}

/// One upstream crate in cargo's registry.
pub struct Upstream {
    /// The package's name.
    pub name: String,
    /// The version that is pinned.
    pub version: String,
    source: PathBuf,
    /// Its folder in Wasmtime's repository, and so in `wasmtime/`.
    pub path_in_vcs: PathBuf,
}

/// Downloads what `xtask/upstream` pins, and returns its direct dependencies.
pub fn fetch(root: &Path) -> Result<Vec<Upstream>> {
    let manifest = root.join(stamp::PINS[0]);
    let mut command = tools::cargo();
    command.args(["fetch", "--locked", "--manifest-path"]).arg(&manifest);
    if !command.status().context("cannot run cargo")?.success() {
        bail!(
            "cannot fetch the pinned upstream crates.\n\
             - Without a network: connect once; what was fetched is kept.\n\
             - If a checksum differs: do not build. Compare xtask/upstream/Cargo.lock with its history, \
             remove the crate from cargo's registry cache, and try again."
        );
    }
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(&manifest)
        .other_options(["--locked".into(), "--offline".into()])
        .exec()
        .context("cannot read the pinned upstream crates")?;
    let pins = metadata.root_package().context("xtask/upstream is a package")?;
    let mut crates = Vec::new();
    for pin in &pins.dependencies {
        let package = metadata
            .packages
            .iter()
            .find(|p| *p.name == pin.name)
            .with_context(|| format!("{} is not in the lock file", pin.name))?;
        let source = package.manifest_path.parent().context("a manifest lies in a folder")?;
        crates.push(Upstream {
            name: pin.name.clone(),
            version: package.version.to_string(),
            source: source.into(),
            path_in_vcs: path_in_vcs(source.as_std_path())?,
        });
    }
    Ok(crates)
}

/// The crate's folder in the repository that it was published from.
fn path_in_vcs(source: &Path) -> Result<PathBuf> {
    let file = source.join(".cargo_vcs_info.json");
    let text = fs::read_to_string(&file)
        .with_context(|| format!("{} does not say where it was published from", file.display()))?;
    #[derive(serde::Deserialize)]
    struct Info {
        path_in_vcs: PathBuf,
    }
    let Info { path_in_vcs: path } =
        serde_json::from_str(&text).with_context(|| format!("cannot understand {}", file.display()))?;
    ensure!(path.is_relative(), "`path_in_vcs` is not a relative path");
    Ok(path)
}

fn copy_crate(package: &Upstream, to: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(&package.source) {
        let entry = entry?;
        let relative = entry.path().strip_prefix(&package.source)?;
        if UNWANTED.iter().any(|name| relative == Path::new(name)) {
            continue;
        }
        let to = to.join(relative);
        if entry.file_type().is_dir() {
            fs::create_dir_all(&to)?;
        } else {
            fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

fn commit_base(tree: &Path, crates: &[Upstream]) -> Result<()> {
    let mut message = "As published\n\nThe crates as they are on crates.io:\n".to_string();
    for package in crates {
        message += &format!("{} {}\n", package.name, package.version);
    }
    tools::output(tools::git(tree, ["init", "--quiet", &format!("--initial-branch={SERIES}")]))?;
    fs::create_dir_all(tree.join(".git/info"))?;
    fs::write(tree.join(".git/info/exclude"), OURS.join("\n"))?;
    // Whoever commits here, the series has one author.
    for (key, value) in [("user.name", tools::NAME), ("user.email", tools::EMAIL)] {
        tools::output(tools::git(tree, ["config", key, value]))?;
    }
    tools::output(tools::git(tree, ["add", "--all", "--force", "."]))?;
    let mut commit = tools::git(tree, ["commit", "--quiet", "--message", &message]);
    commit.env("GIT_AUTHOR_DATE", BASE_DATE).env("GIT_COMMITTER_DATE", BASE_DATE);
    tools::output(commit)?;
    tools::output(tools::git(tree, ["tag", BASE]))?;
    Ok(())
}

/// Commits the removal of [`REPLACED`].
fn remove_replaced(tree: &Path) -> Result<()> {
    for path in REPLACED {
        let path = tree.join(path);
        ensure!(
            path.exists(),
            "upstream has no {}: bring REPLACED in xtask/src/setup.rs up to date",
            path.display()
        );
        remove(&path)?;
    }
    let mut commit = tools::git(tree, ["commit", "--quiet", "--all", "--message", REMOVAL]);
    commit.env("GIT_AUTHOR_DATE", BASE_DATE).env("GIT_COMMITTER_DATE", BASE_DATE);
    tools::output(commit).map(drop)
}

fn apply(root: &Path, tree: &Path) -> Result<()> {
    for patch in stamp::patch_files(root)? {
        let name = patch.file_name().unwrap_or_default().to_string_lossy().into_owned();
        eprintln!("Applying {name}");
        let mut am =
            tools::git(tree, ["am", "--quiet", "--keep-non-patch", "--committer-date-is-author-date"]);
        am.arg(&patch);
        let applied = tools::output(am);
        if applied.is_err() {
            fs::write(tree.join(MENDING), &name)?;
        }
        applied.with_context(|| {
            format!(
                "patches/{name} does not apply to the pinned upstream crates; wasmtime/ is as it was.\n\
                 Either restore patches/ and xtask/upstream/ from git and run `cargo xtask setup --force`, or mend the patch in {NEW}/, where the\n\
                 series stopped: `git am --show-current-patch`, `git am --continue`, the patches that are left,\n\
                 and then `cargo xtask patches export`"
            )
        })?;
    }
    remove_replaced(tree)?;
    mark_applied(tree)
}

fn remove(path: &Path) -> Result<()> {
    let result = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => Err(e),
        Ok(m) if m.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    result.with_context(|| format!("cannot remove {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree as `setup` makes it, with one commit of that text.
    fn tree(parent: &Path, name: &str, text: &str) -> PathBuf {
        let tree = parent.join(name);
        fs::create_dir_all(&tree).unwrap();
        let git = |args: &[&str]| tools::output(tools::git(&tree, args)).unwrap();
        git(&["init", "--quiet", &format!("--initial-branch={SERIES}")]);
        fs::write(tree.join("file"), text).unwrap();
        git(&["add", "file"]);
        git(&["commit", "--quiet", "--message", text]);
        tree
    }

    #[test]
    fn commits_are_kept() {
        let parent = std::env::temp_dir().join(format!("wasmfx-setup-{}", std::process::id()));
        let [first, second, third] = ["first", "second", "third"].map(|name| tree(&parent, name, name));
        tools::output(tools::git(&first, ["branch", "mine"])).unwrap();
        let head = tools::output(tools::git(&first, ["rev-parse", "HEAD"])).unwrap();
        keep_commits(&first, &second).unwrap();
        keep_commits(&second, &third).unwrap();
        let is = |branch: &str| tools::output(tools::git(&third, ["rev-parse", branch])).unwrap();
        // Twice over, and by both names; the series' own branch is the new one.
        assert_eq!(is(&format!("before-{}", &head[..9])), head);
        assert_eq!(is("mine"), head);
        assert_eq!(is(SERIES), is("HEAD"));
        assert_ne!(is(SERIES), head);
        // Back to a series that has its branch already.
        let fourth = tree(&parent, "fourth", "fourth");
        let again = tree(&parent, "first again", "fourth");
        tools::output(tools::git(
            &again,
            ["fetch", "--quiet", third.to_str().unwrap(), "+refs/heads/*:refs/heads/*", "^refs/heads/wasmfx"],
        ))
        .unwrap();
        tools::output(tools::git(&again, ["reset", "--quiet", "--hard", &format!("before-{}", &head[..9])]))
            .unwrap();
        keep_commits(&again, &fourth).unwrap();
        let kept =
            tools::output(tools::git(&fourth, ["rev-parse", &format!("before-{}", &head[..9])])).unwrap();
        assert_eq!(kept, head);
        // What is the same needs no branch.
        let branches = || tools::output(tools::git(&third, ["branch", "--list"])).unwrap();
        let before = branches();
        keep_commits(&third, &third).unwrap();
        assert_eq!(branches(), before);
        fs::remove_dir_all(&parent).unwrap();
    }
}
