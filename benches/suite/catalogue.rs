//! What there is to measure: the modules in `../modules` that begin with a header, and the generated ones.

use crate::generate;
use crate::schema::{EXPORTED, Exported};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use wasmfx::wasmtime::{Engine, Module};

/// The first characters of a header's lines; TOML follows.
const PREFIX: &str = ";;!";

/// What a module says about its benchmarks.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// What one operation is.
    pub(crate) operation: String,
    /// Operations of a sample, the argument of `run`.
    pub(crate) size: u32,
    /// Why Wasmtime as published cannot run it.
    pub(crate) no_unpatched: Option<String>,
    /// Why V8 cannot run it.
    pub(crate) no_v8: Option<String>,
    /// What libraries do beside it.
    pub(crate) floor: Option<Floor>,
    /// How many times as long libcall took as native, in the talk of 2025.
    pub(crate) talk: Option<f64>,
    /// Whether its instructions are counted.
    #[serde(default)]
    pub(crate) micro: bool,
    /// Whether it looks like programs that people write. The README begins with these.
    #[serde(default)]
    pub(crate) typical: bool,
    /// Whether there is a second benchmark of the same code, compiled with inlining.
    #[serde(default)]
    pub(crate) inlined: bool,
}

#[derive(Clone, Copy, Deserialize)]
pub(crate) enum Floor {
    #[serde(rename = "round trip")]
    RoundTrip,
    #[serde(rename = "create")]
    Create,
}

/// An export of a module: `run size` makes so many operations, and must return what `expected size` does.
#[derive(Clone)]
pub(crate) struct Benchmark {
    pub(crate) name: String,
    pub(crate) header: Header,
    pub(crate) wasm: Vec<u8>,
    pub(crate) export: String,
    /// Whether this build's compiler may inline functions. As published it does not inline those that switch stacks.
    pub(crate) inlining: bool,
}

/// All of them. The engine is one that can compile them.
pub(crate) fn all(engine: &Engine) -> Result<Vec<Benchmark>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/modules");
    let mut paths = std::fs::read_dir(&directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .with_context(|| format!("cannot list {}", directory.display()))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wat"));
    paths.sort();

    let mut all = Vec::new();
    for path in paths {
        add_file(engine, &path, &mut all).with_context(|| path.display().to_string())?;
    }
    for (name, header, wasm) in generate::all() {
        add(engine, &name, header, wasm, &mut all).with_context(|| format!("the generated module {name}"))?;
    }
    Ok(all)
}

fn add_file(engine: &Engine, path: &Path, all: &mut Vec<Benchmark>) -> Result<()> {
    let text = std::fs::read_to_string(path)?;
    let header: Vec<&str> = text.lines().map_while(|line| line.strip_prefix(PREFIX)).collect();
    if header.is_empty() {
        return Ok(());
    }
    let header = toml::from_str(&header.join("\n")).context("its header")?;
    let name = path.file_stem().expect("it has an extension").to_string_lossy();
    add(engine, &name, header, wat::parse_str(&text)?, all)
}

/// Adds a benchmark for each export `run` or `run_X`.
fn add(engine: &Engine, name: &str, header: Header, wasm: Vec<u8>, all: &mut Vec<Benchmark>) -> Result<()> {
    let module = Module::new(engine, &wasm)?;
    let before = all.len();
    for export in module.exports().map(|export| export.name()) {
        let name = match export.strip_prefix("run") {
            Some("") => name.to_owned(),
            Some(variant) if variant.starts_with('_') => format!("{name}{variant}"),
            _ => continue,
        };
        let plain = Benchmark {
            name,
            header: header.clone(),
            wasm: wasm.clone(),
            export: export.to_owned(),
            inlining: false,
        };
        if header.inlined {
            all.push(inlined(&plain));
        }
        all.push(plain);
    }
    ensure!(all.len() > before, "it exports neither `run` nor `run_X`");
    Ok(())
}

/// The same code with inlining.
fn inlined(plain: &Benchmark) -> Benchmark {
    let Header { operation, no_unpatched, no_v8, .. } = &plain.header;
    let forbidden = "unpatched Wasmtime cannot inline in an engine with stack switching".to_owned();
    let header = Header {
        operation: format!("{operation}; with inlining"),
        no_unpatched: Some(no_unpatched.clone().unwrap_or(forbidden)),
        no_v8: Some(
            no_v8
                .clone()
                .unwrap_or("V8 decides itself what it inlines: see the row without inlining".to_owned()),
        ),
        // As it was in the talk.
        talk: None,
        typical: false,
        micro: false,
        ..plain.header.clone()
    };
    Benchmark { name: format!("{}_inlined", plain.name), header, inlining: true, ..plain.clone() }
}

/// Writes the modules of those whose instructions are counted to `directory`, and a list of them.
pub(crate) fn export(engine: &Engine, all: &[Benchmark], directory: &Path) -> Result<()> {
    let mut exported = Vec::new();
    for benchmark in all.iter().filter(|benchmark| benchmark.header.micro) {
        let Benchmark { name, header, wasm, export, .. } = benchmark.clone();
        let module = Module::new(engine, &wasm)?;
        let obstacle = if module.imports().len() > 0 {
            Some("it imports what the command line does not have".to_owned())
        } else if module.get_export("setup").is_some() {
            Some("it needs its `setup`, and the command line calls one function".to_owned())
        } else {
            None
        };
        let file = PathBuf::from(format!("{name}.wasm"));
        std::fs::write(directory.join(&file), wasm)?;
        exported.push(Exported { name, module: file, export, size: header.size, obstacle });
    }
    Ok(std::fs::write(directory.join(EXPORTED), serde_json::to_string(&exported)?)?)
}
