//! What the suite and xtask agree on. The suite writes files that xtask reads, and gets its environment from xtask;
//! `xtask/src/main.rs` includes this file.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// This project's backends, by the names that the command line has for them.
pub(crate) const NATIVE: &str = "native";
/// See [`NATIVE`].
pub(crate) const LIBCALL: &str = "libcall";
/// Wasmtime as published.
pub(crate) const UNPATCHED: &str = "unpatched";
/// V8, in node.
pub(crate) const V8: &str = "v8";
/// A very fast switch of stacks in Rust: the floor of the native backend.
pub(crate) const COROSENSEI: &str = "corosensei";
/// What the libcall backend is made of: its floor.
pub(crate) const FIBER: &str = "wasmtime-fiber";

/// The environment variables that `benches/suite.rs` explains.
pub(crate) mod variable {
    pub(crate) const UNPATCHED: &str = "WASMFX_UNPATCHED";
    pub(crate) const NODE: &str = "WASMFX_NODE";
    pub(crate) const RESULTS: &str = "WASMFX_RESULTS";
    pub(crate) const QUICK: &str = "WASMFX_QUICK";
    pub(crate) const EXPORT: &str = "WASMFX_EXPORT";
    pub(crate) const MODULE: &str = "WASMFX_MODULE";
}

/// One run of the suite: the file that `WASMFX_RESULTS` names.
#[derive(Serialize, Deserialize)]
pub(crate) struct Results {
    /// Whether there were only a few samples.
    pub(crate) quick: bool,
    /// Where it ran. The suite leaves this out, and xtask adds it.
    pub(crate) machine: Option<Machine>,
    /// In the order of the suite.
    pub(crate) benchmarks: Vec<Measured>,
}

/// One benchmark and who took part in it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) name: String,
    /// What one operation is.
    pub(crate) operation: String,
    /// How many operations are one sample.
    pub(crate) size: u32,
    /// The gain of native over libcall in the talk of 2025, if the talk has this benchmark.
    pub(crate) talk: Option<f64>,
    /// Its place among those with which the README begins.
    #[serde(default)]
    pub(crate) place: Option<u32>,
    pub(crate) contestants: Vec<Samples>,
    #[serde(default)]
    pub(crate) left_out: Vec<LeftOut>,
}

/// What was measured of a contestant: an engine, or a floor.
#[derive(Serialize, Deserialize)]
pub(crate) struct Samples {
    pub(crate) name: String,
    /// Nanoseconds per operation, one for each sample. Samples with the same index were taken in turn.
    pub(crate) ns: Vec<f64>,
}

/// Who did not take part.
#[derive(Serialize, Deserialize)]
pub(crate) struct LeftOut {
    pub(crate) name: String,
    pub(crate) why: String,
}

/// Where the suite ran.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) system: String,
    pub(crate) rustc: String,
    pub(crate) wasmtime: String,
    /// The version of V8, if it took part.
    pub(crate) v8: Option<String>,
}

impl Results {
    /// Writes the file.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_string(self)? + "\n";
        std::fs::write(path, json).with_context(|| format!("cannot write the results to {}", path.display()))
    }
}

/// The list of benchmarks whose instructions are counted, in the folder that `WASMFX_EXPORT` names.
pub(crate) const EXPORTED: &str = "benchmarks.json";

/// One of them.
#[derive(Serialize, Deserialize)]
pub(crate) struct Exported {
    pub(crate) name: String,
    /// The module's file, relative to the folder.
    pub(crate) module: PathBuf,
    /// The function to call.
    pub(crate) export: String,
    /// Operations to call it for.
    pub(crate) size: u32,
    /// What keeps the module from running alone: an import, or a `setup`.
    pub(crate) obstacle: Option<String>,
}
