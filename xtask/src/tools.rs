//! git and cargo as child processes, with errors that say what to do.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The project's root folder.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask lies in the root").to_path_buf()
}

/// Where the versions of the packages are that xtask and the scripts in `ci/` install, relative to the root.
const VERSIONS: &str = "ci/versions.env";

/// The version of a package: that of the line `package=version`.
pub fn version(of: &str) -> Result<String> {
    let text =
        fs::read_to_string(root().join(VERSIONS)).with_context(|| format!("cannot read {VERSIONS}"))?;
    let version = text.lines().find_map(|line| line.strip_prefix(of)?.strip_prefix('='));
    Ok(version.with_context(|| format!("{VERSIONS} has no line `{of}=…`"))?.to_string())
}

/// The cargo that runs this program.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The author of every commit in `wasmtime/`, and so of every patch.
pub const NAME: &str = "The wasmfx developers";
/// See [`NAME`].
pub const EMAIL: &str = "developers@wasmfx.invalid";

/// git in `dir`, cut off from the user's own configuration, identity and hooks, so that every machine
/// makes the same commits.
pub fn git<S: AsRef<OsStr>>(dir: &Path, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("git");
    for var in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(var);
    }
    command
        .current_dir(dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", if cfg!(windows) { "NUL" } else { "/dev/null" })
        .env("GIT_AUTHOR_NAME", NAME)
        .env("GIT_AUTHOR_EMAIL", EMAIL)
        .env("GIT_COMMITTER_NAME", NAME)
        .env("GIT_COMMITTER_EMAIL", EMAIL)
        .args(["-c", "core.autocrlf=false", "-c", "core.hooksPath=", "-c", "commit.gpgSign=false"])
        .args(args);
    command
}

/// Runs `command` and returns its standard output; its standard error becomes part of the error.
pub fn output(command: Command) -> Result<String> {
    outputs(command).map(|(output, _)| output)
}

/// Runs `command` and returns its standard output and its standard error.
pub fn outputs(mut command: Command) -> Result<(String, String)> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{program}`: install it, or put it on the PATH"))?;
    if !output.status.success() {
        let args: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        bail!(
            "`{program} {}` failed:\n{}{}",
            args.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
    }
    let text = |bytes| String::from_utf8(bytes).context("a tool printed something other than UTF-8");
    Ok((text(output.stdout)?, text(output.stderr)?))
}

/// Runs `command` with the user's terminal and hands its exit code on.
pub fn status(mut command: Command) -> Result<ExitCode> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot run `{program}`"))?;
    Ok(match status.code() {
        Some(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        None => ExitCode::FAILURE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for package in ["binaryen", "kotlin", "ziglang"] {
            let version = version(package).unwrap();
            assert!(version.chars().all(|c| c.is_ascii_digit() || c == '.'), "{package} {version}");
        }
        assert!(version("node").unwrap_err().to_string().contains("`node=…`"));
        // Not a part of a name.
        assert!(version("kot").is_err());
    }
}
