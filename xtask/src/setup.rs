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
    adopt(&root)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether the new tree is one in which a patch did not apply, rather than one that was cut short.
pub fn is_mending(root: &Path) -> bool {
    root.join(NEW).join(MENDING).exists()
}

/// Puts the new tree in the place of the old one.
pub fn adopt(root: &Path) -> Result<()> {
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
    let dirty = tools::output(tools::git(tree, ["status", "--porcelain", "--ignored"]))?;
    let dirty = dirty.lines().any(|line| !OURS.iter().any(|ours| line.ends_with(ours)));
    let head = tools::output(tools::git(tree, ["rev-parse", "HEAD"]))?;
    let applied = fs::read_to_string(tree.join(".git/applied")).unwrap_or_default();
    ensure!(
        !dirty && (applied.is_empty() || head == applied),
        "wasmtime/ holds work that is in no patch, and patches/ or the pins have changed since it was \
         set up.\nEither keep the work: commit it in wasmtime/ and run `cargo xtask patches export`,\n\
         or throw it away: run `cargo xtask setup --force`"
    );
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
    version: String,
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
    tools::output(tools::git(tree, ["init", "--quiet", "--initial-branch=wasmfx"]))?;
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
