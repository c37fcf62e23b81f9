//! What there is to measure: the modules in `../modules` that begin with a header, and the generated ones; or a module of the
//! user's own.

use crate::generate;
use crate::schema::{EXPORTED, Exported};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use wasmfx::wasmtime::{Engine, ExternType, Module, ValType};

/// The export that returns what `run` must, for the same argument.
const EXPECTED: &str = "expected";

/// The first characters of a header's lines; TOML follows.
const PREFIX: &str = ";;!";

/// What a module says about its benchmarks.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    /// What one operation is.
    pub(crate) operation: String,
    /// Operations of a sample, the argument of `run`. Zero: as many as take a few milliseconds.
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
    /// Its place among those that look like programs that people write. The README begins with these.
    pub(crate) place: Option<u32>,
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
        let text = std::fs::read_to_string(&path)?;
        let Some(header) = header(&text) else { continue };
        let added = header
            .and_then(|header| add_checked(engine, &name(&path), header, wat::parse_str(&text)?, &mut all));
        added.with_context(|| path.display().to_string())?;
    }
    for (name, header, wasm) in generate::all() {
        add_checked(engine, &name, header, wasm, &mut all)
            .with_context(|| format!("the generated module {name}"))?;
    }
    Ok(all)
}

/// The benchmarks of a module that lies anywhere, in text or binary; the header is optional, and so is `expected`.
pub(crate) fn own(engine: &Engine, path: &Path) -> Result<Vec<Benchmark>> {
    let bytes = std::fs::read(path)?;
    let header = std::str::from_utf8(&bytes).ok().and_then(header).unwrap_or_else(|| {
        let operation = "one of as many as the argument says".to_owned();
        Ok(generate::header(operation, 0))
    })?;
    let mut all = Vec::new();
    let header = Header { micro: true, ..header };
    if !add(engine, &name(path), header, wat::parse_bytes(&bytes)?.into_owned(), &mut all)? {
        eprintln!("{}: nothing checks the results, since there is no export `{EXPECTED}`", path.display());
    }
    Ok(all)
}

/// The header of a module's text, if it has one.
fn header(text: &str) -> Option<Result<Header>> {
    let lines: Vec<&str> = text.lines().map_while(|line| line.strip_prefix(PREFIX)).collect();
    (!lines.is_empty()).then(|| toml::from_str(&lines.join("\n")).context("its header"))
}

/// The name of a file's benchmark.
fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// As [`add`], for a module of the suite: something says which results are right.
fn add_checked(
    engine: &Engine,
    name: &str,
    header: Header,
    wasm: Vec<u8>,
    all: &mut Vec<Benchmark>,
) -> Result<()> {
    ensure!(add(engine, name, header, wasm, all)?, "it does not export `{EXPECTED}`");
    Ok(())
}

/// Adds a benchmark for each export `run` or `run_X`. Returns whether the module says which results are right.
fn add(engine: &Engine, name: &str, header: Header, wasm: Vec<u8>, all: &mut Vec<Benchmark>) -> Result<bool> {
    let module = Module::new(engine, &wasm)?;
    let before = all.len();
    for export in module.exports().map(|export| export.name()) {
        let name = match export.strip_prefix("run") {
            Some("") => name.to_owned(),
            Some(variant) if variant.starts_with('_') => format!("{name}{variant}"),
            _ => continue,
        };
        ensure!(
            module.get_export(export).is_some_and(|ty| is_benchmark(&ty)),
            "`{export}` is no function (param i32) (result i64): the parameter says how many operations it makes"
        );
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
    ensure!(
        all.len() > before,
        "it exports neither `run` nor `run_X`, a function (param i32) (result i64) that makes as many operations as the \
         parameter says"
    );
    Ok(module.get_export(EXPECTED).is_some())
}

/// Whether it is a function that gets the number of operations, and returns something to check.
fn is_benchmark(ty: &ExternType) -> bool {
    let Some(ty) = ty.func() else { return false };
    let (params, results) = (ty.params().collect::<Vec<_>>(), ty.results().collect::<Vec<_>>());
    matches!((&params[..], &results[..]), ([ValType::I32], [ValType::I64]))
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
        place: None,
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
