//! Builds Wasmtime's C API with stack switching, as a library for C and its headers.

use crate::{run, setup, tools};
use anyhow::{Context, Result, bail};
use cargo_metadata::Message;
use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The features of the C API that are built. Those left out are `wasi`, `wasi-http` and the component model, as nothing here uses
/// them and WASI alone takes half as long again to build; Winch and Pulley, which have no stack switching; `logging`,
/// `debug-builtins`, and compilers for other targets (`all-arch`). `--features` adds some of them.
const FEATURES: &str = "addr2line,async,cache,coredump,cranelift,demangle,gc,gc-copying,gc-drc,gc-null,parallel-compilation,\
                        pooling-allocator,profiling,stack-switching,threads,wat";

/// The crate of the C API.
pub const PACKAGE: &str = "wasmtime-c-api-impl";

#[derive(clap::Args)]
pub struct CApiArgs {
    /// Build with the profile of the tests, into `target/c-api-dev`: takes less time to build, and more to run
    #[arg(long)]
    dev: bool,
    /// More features of the C API, separated by commas: `wasi`, for example
    #[arg(long)]
    features: Vec<String>,
}

/// Builds the C API, and says where it is.
pub fn c_api(args: &CApiArgs) -> Result<ExitCode> {
    setup::ensure()?;
    // The build script of the C API writes a header with it.
    let cmake = Command::new("cmake").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !cmake.is_ok_and(|status| status.success()) {
        bail!(
            "the C API needs cmake to build its headers, and there is none on the PATH: `apt install cmake`, or \
             `python3 -m venv target/cmake && target/cmake/bin/pip install cmake` and put `target/cmake/bin` on the PATH"
        );
    }
    let built = build(args)?;
    let name = if args.dev { "c-api-dev" } else { "c-api" };
    let out = run::target_directory()?.join(name);
    install(&built, &out)?;
    println!("{}", out.display());
    Ok(ExitCode::SUCCESS)
}

/// What cargo has built.
struct Built {
    libraries: Vec<PathBuf>,
    headers: PathBuf,
}

fn build(args: &CApiArgs) -> Result<Built> {
    let mut cargo = tools::cargo();
    cargo.args(["rustc", "--locked", "--package", PACKAGE, "--lib", "--crate-type", "staticlib,cdylib"]);
    cargo.args(["--features", FEATURES]);
    for features in &args.features {
        cargo.args(["--features", features]);
    }
    if !args.dev {
        cargo.arg("--release");
    }
    cargo.arg("--message-format=json-render-diagnostics").env_remove("CARGO_BUILD_TARGET");
    // The name that programs look for when they run: the file gets it below.
    if cfg!(target_os = "linux") {
        cargo.args(["--", "-Clink-arg=-Wl,-soname,libwasmtime.so"]);
    } else if cfg!(target_os = "macos") {
        cargo.args(["--", "-Clink-arg=-Wl,-install_name,@rpath/libwasmtime.dylib"]);
    }
    let mut cargo = cargo.stdout(Stdio::piped()).spawn().context("cannot run cargo")?;
    let messages = BufReader::new(cargo.stdout.take().expect("it is piped"));
    let (mut library, mut scripts) = (None, BTreeMap::new());
    for message in Message::parse_stream(messages) {
        match message.context("cannot read what cargo says")? {
            Message::CompilerArtifact(artifact) if artifact.target.name == "wasmtime_c_api" => {
                library = Some(artifact);
            }
            Message::BuildScriptExecuted(script) => {
                scripts.insert(script.package_id, script.out_dir);
            }
            _ => {}
        }
    }
    if !cargo.wait()?.success() {
        bail!("the C API does not build; see above");
    }
    let library = library.context("cargo does not say where it has put the library")?;
    let headers =
        scripts.remove(&library.package_id).context("cargo does not say where it has put the headers")?;
    Ok(Built {
        libraries: library.filenames.into_iter().map(|file| file.into_std_path_buf()).collect(),
        headers: headers.join("include").into_std_path_buf(),
    })
}

/// Copies what was built, under the names that C programs expect.
fn install(built: &Built, out: &Path) -> Result<()> {
    let lib = out.join("lib");
    fs::create_dir_all(&lib).with_context(|| format!("cannot make {}", lib.display()))?;
    for library in &built.libraries {
        let name = library.file_name().and_then(|name| name.to_str()).context("a library without a name")?;
        copy(library, &lib.join(name.replace("wasmtime_c_api", "wasmtime")))?;
    }
    let include = out.join("include");
    if include.exists() {
        fs::remove_dir_all(&include).with_context(|| format!("cannot empty {}", include.display()))?;
    }
    copy_folder(&built.headers, &include)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            copy(&entry.path(), &to)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    // A program that runs may have the old file open.
    let _ = fs::remove_file(to);
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}
