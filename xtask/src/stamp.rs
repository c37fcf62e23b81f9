//! Whether `wasmtime/` was made from the `patches/` and the lock file that are here now.
//!
//! The stamp is not a hash: it holds the inputs themselves, so that comparing needs no dependency and
//! cannot collide. The root workspace's build script includes this file too.

use std::io;
use std::path::{Path, PathBuf};

/// Where the patched tree lies, relative to the root.
pub(crate) const TREE: &str = "wasmtime";
/// The folder of the patch series, relative to the root.
pub(crate) const PATCHES: &str = "patches";
/// The manifest and lock file that pin upstream, relative to the root.
pub(crate) const PINS: [&str; 2] = ["xtask/upstream/Cargo.toml", "xtask/upstream/Cargo.lock"];
/// The source file that says how the tree is laid out, relative to the root.
pub(crate) const LAYOUT: &str = "xtask/src/setup.rs";

/// The stamp's place, inside the tree so that removing the tree removes the stamp.
pub(crate) fn path(root: &Path) -> PathBuf {
    root.join(TREE).join(".stamp")
}

/// The patches in the order in which they apply.
pub(crate) fn patch_files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root.join(PATCHES))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "patch") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What the tree is made from, as it is now.
pub(crate) fn inputs(root: &Path) -> io::Result<Vec<u8>> {
    let mut inputs = contents(root, patch_files(root)?)?;
    inputs.extend(contents(root, PINS.iter().chain([&LAYOUT]).map(|pin| root.join(pin)).collect())?);
    Ok(inputs)
}

/// Whether the tree was made from the patches that are here now, whatever else may have changed.
pub(crate) fn has_these_patches(root: &Path) -> bool {
    let first_pin = format!("== {} ", PINS[0]);
    match (patch_files(root).and_then(|files| contents(root, files)), std::fs::read(path(root))) {
        (Ok(now), Ok(then)) => {
            then.strip_prefix(&*now).is_some_and(|rest| rest.starts_with(first_pin.as_bytes()))
        }
        _ => false,
    }
}

/// The files' names, lengths and bytes.
fn contents(root: &Path, files: Vec<PathBuf>) -> io::Result<Vec<u8>> {
    let mut inputs = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file);
        let bytes = std::fs::read(&file)?;
        inputs.extend(format!("== {} {}\n", name.display(), bytes.len()).bytes());
        inputs.extend(bytes);
    }
    Ok(inputs)
}

/// Whether the tree is there and was made from these inputs.
pub(crate) fn is_current(root: &Path) -> bool {
    match (inputs(root), std::fs::read(path(root))) {
        (Ok(now), Ok(then)) => now == then,
        _ => false,
    }
}
