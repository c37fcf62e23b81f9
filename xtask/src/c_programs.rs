//! Builds the C programs in `examples/c/fiber`, each for stack switching and for Asyncify.
//!
//! ```text
//!   PROGRAM.c, switching.c --zig cc--> C ----+
//!                switching.wat --wasm-as--> W -+--wasm-merge--> switching.wasm ----wasm-opt -O3--> switching.opt.wasm
//!                                                                             +-wasm-opt, types--> switching.types.wasm
//!   PROGRAM.c, asyncify.c --zig cc--> C --wasm-opt --asyncify--> asyncify.wasm
//!                                     +---wasm-opt --asyncify -O3--> asyncify.opt.wasm
//! ```
//!
//! Before the last step `wasm-metadce` removes all exports but those that WASI asks for: wasm-opt inlines no function that is called
//! once if somebody else could call it.
//!
//! `switching.debug.wasm` and `asyncify.debug.wasm` are made as the forms without further name, with `FIBER_DEBUG`.

use crate::{run, tools};
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;

/// The library and its programs, relative to the root.
const SOURCES: &str = "examples/c/fiber";

/// The folder of what is built, relative to cargo's target folder. It has a folder for each program.
pub const BUILT: &str = "c-programs";

/// No more of WebAssembly than Wasmtime has: wasm-opt would use the rest too.
const FEATURES: [&str; 9] = [
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-exception-handling",
    "--enable-gc",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];
/// Asyncify does not know this one.
const SWITCHING: &str = "--enable-stack-switching";
/// The functions of WASI return, and never later.
const ASYNCIFY: [&str; 2] = ["--asyncify", "--pass-arg=asyncify-ignore-imports"];
/// What changes types, which stack switching has more of than other programs.
const TYPES: [&str; 5] = ["--closed-world", "--unsubtyping", "--gufa", "--type-merging", "-O3"];
/// What a program is left with: `wasm-metadce` takes a graph in which `outside` reaches the exports that are used.
const EXPORTS: &str = r#"[
    {"name": "outside", "reaches": ["start", "memory"], "root": true},
    {"name": "start", "export": "_start"},
    {"name": "memory", "export": "memory"}
]"#;
const COMPILE: [&str; 7] =
    ["-target", "wasm32-wasi", "-O3", "-Wall", "-Wextra", "-Werror", "-Wl,--strip-debug"];

/// The implementations of the library, as they are and with `FIBER_DEBUG`.
const FORMS: [(&str, &str); 4] =
    [("switching", ""), ("switching", ".debug"), ("asyncify", ""), ("asyncify", ".debug")];

#[derive(clap::Args)]
pub struct CProgramsArgs {
    /// Only these programs, by their names without `.c`
    programs: Vec<String>,
    /// If the tools cannot be had, say so and end well
    #[arg(long)]
    if_possible: bool,
}

/// Builds the programs, and says where they are.
pub fn c_programs(args: &CProgramsArgs) -> Result<ExitCode> {
    let programs = programs(&args.programs)?;
    let out = run::target_directory()?.join(BUILT);
    let tools = match Tools::find(&out) {
        Ok(tools) => tools,
        Err(error) if args.if_possible => {
            println!("left out: the C programs, as {error:#}");
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => return Err(error),
    };
    tools.build_all(&programs)?;
    println!("{}", out.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds programs in this folder. It fails if the tools cannot be had.
pub fn build(out: &Path, programs: &[String]) -> Result<()> {
    Tools::find(out)?.build_all(programs)
}

/// The names of all programs, or of those that were asked for.
fn programs(only: &[String]) -> Result<Vec<String>> {
    let folder = tools::root().join(SOURCES).join("programs");
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            all.extend(path.file_stem().and_then(OsStr::to_str).map(str::to_owned));
        }
    }
    all.sort();
    if let Some(unknown) = only.iter().find(|name| !all.contains(name)) {
        bail!("there is no {SOURCES}/programs/{unknown}.c, but there are: {}", all.join(", "));
    }
    if !only.is_empty() {
        all.retain(|name| only.contains(name));
    }
    Ok(all)
}

struct Tools {
    out: PathBuf,
    python: PathBuf,
    binaryen: PathBuf,
    /// What decides what becomes of a source.
    versions: String,
}

impl Tools {
    /// Installs what is not there yet.
    fn find(out: &Path) -> Result<Tools> {
        fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
        let (zig, binaryen) = (tools::version("ziglang")?, tools::version("binaryen")?);
        let python = out.join("python");
        install(&python, &zig, || {
            let mut venv = Command::new("python3");
            venv.args(["-m", "venv"]).arg(&python);
            tools::output(venv)
                .context("python3 cannot make a virtual environment: `apt install python3-venv`")?;
            eprintln!("Installing ziglang {zig} from PyPI, which takes 440 MB");
            let mut pip = Command::new(python.join("bin/pip"));
            pip.args(["install", "--quiet", "--disable-pip-version-check"]).arg(format!("ziglang=={zig}"));
            tools::output(pip)
                .with_context(|| format!("pip cannot install ziglang {zig}, a C compiler"))
                .map(drop)
        })?;
        let npm = out.join("npm");
        install(&npm, &binaryen, || {
            eprintln!("Installing binaryen {binaryen} from npm");
            let mut npm_ = Command::new("npm");
            npm_.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix"])
                .arg(&npm);
            npm_.arg(format!("binaryen@{binaryen}"));
            tools::output(npm_)
                .with_context(|| format!("npm cannot install binaryen {binaryen}, which has wasm-opt"))
                .map(drop)
        })?;
        Ok(Tools {
            out: out.to_path_buf(),
            python: python.join("bin/python"),
            binaryen: npm.join("node_modules/.bin"),
            versions: format!(
                "ziglang {zig}, binaryen {binaryen}, {FEATURES:?} {ASYNCIFY:?} {TYPES:?} {} {COMPILE:?} {FORMS:?}\n",
                EXPORTS.replace('\n', " ")
            ),
        })
    }

    fn build_all(&self, programs: &[String]) -> Result<()> {
        let mut stale = Vec::new();
        for program in programs {
            let inputs = self.inputs(program)?;
            if !fs::read_to_string(self.stamp(program)).is_ok_and(|built| built == inputs) {
                stale.push((program, inputs));
            }
        }
        if stale.is_empty() {
            return Ok(());
        }
        let instructions = self.out.join("switching.wasm");
        self.binaryen("wasm-as", |command| {
            command.args(FEATURES).arg(SWITCHING).arg(source("switching.wat")).arg("-o").arg(&instructions)
        })?;
        // Zig compiles its C library at the first time, which two at once would both do.
        let (first, rest) = stale.split_first().expect("one at least");
        self.build(first.0, &first.1, &instructions)?;
        let left = Mutex::new(rest.iter());
        std::thread::scope(|scope| {
            let work = || {
                loop {
                    let Some((program, inputs)) = left.lock().expect("nobody panics").next() else {
                        return Ok(());
                    };
                    self.build(program, inputs, &instructions)?;
                }
            };
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().expect("it does not panic"))
        })
    }

    /// All that decides what becomes of a program: each source with its name and its length, the library and what programs share.
    fn inputs(&self, program: &str) -> Result<String> {
        let own = format!("programs/{program}.c");
        let mut names = vec![own];
        for (folder, extensions) in [("", &["c", "h", "wat"][..]), ("programs/", &["h"])] {
            for entry in
                fs::read_dir(source(folder)).with_context(|| format!("cannot read {SOURCES}/{folder}"))?
            {
                let name = entry?.file_name();
                let extension = Path::new(&name).extension().and_then(OsStr::to_str);
                if extension.is_some_and(|extension| extensions.contains(&extension)) {
                    names.push(format!("{folder}{}", name.display()));
                }
            }
        }
        names.sort();
        let mut inputs = self.versions.clone();
        for name in names {
            let text =
                fs::read_to_string(source(&name)).with_context(|| format!("cannot read {SOURCES}/{name}"))?;
            inputs += &format!("== {name} {}\n{text}", text.len());
        }
        Ok(inputs)
    }

    fn stamp(&self, program: &str) -> PathBuf {
        self.out.join(program).join("inputs")
    }

    /// Builds a program in all its forms.
    fn build(&self, program: &str, inputs: &str, instructions: &Path) -> Result<()> {
        eprintln!("building {program}");
        let folder = self.out.join(program);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let file = |name: &str| folder.join(name);
        for (implementation, debug) in FORMS {
            let mut zig = Command::new(&self.python);
            zig.args(["-m", "ziglang", "cc"]).args(COMPILE);
            if !debug.is_empty() {
                zig.arg("-DFIBER_DEBUG=1");
            }
            zig.arg("-I").arg(source("")).arg("-I").arg(source("programs"));
            zig.args([source(&format!("{implementation}.c")), source(&format!("programs/{program}.c"))]);
            zig.args(["-Wl,--export=__stack_pointer", "-Wl,--export-table", "-o"]);
            zig.arg(file(&format!("{implementation}{debug}.c.wasm")));
            for (variable, name) in [("ZIG_GLOBAL_CACHE_DIR", "zig"), ("ZIG_LOCAL_CACHE_DIR", "zig-local")] {
                zig.env(variable, self.out.join(name));
            }
            tools::output(zig)?;
        }
        for debug in ["", ".debug"] {
            self.binaryen("wasm-merge", |command| {
                command.args(FEATURES).args([SWITCHING, "-g"]);
                command
                    .arg(file(&format!("switching{debug}.c.wasm")))
                    .arg("main")
                    .arg(instructions)
                    .arg("fiber");
                command.arg("-o").arg(file(&format!("switching{debug}.wasm")))
            })?;
        }
        let exports = file("exports.json");
        fs::write(&exports, EXPORTS).with_context(|| format!("cannot write {}", exports.display()))?;
        for module in ["switching.wasm", "switching.debug.wasm", "asyncify.c.wasm", "asyncify.debug.c.wasm"] {
            self.binaryen("wasm-metadce", |command| {
                command.args(FEATURES).args([SWITCHING, "-g", "-f"]).arg(&exports);
                command.arg(file(module)).arg("-o").arg(file(module))
            })?;
        }
        let merged = file("switching.wasm");
        let optimize = |from: &Path, options: &[&str], to: &str| {
            self.binaryen("wasm-opt", |command| {
                command.args(FEATURES).arg("-g").args(options).arg(from).arg("-o").arg(file(to))
            })
        };
        optimize(&merged, &[SWITCHING, "-O3"], "switching.opt.wasm")?;
        optimize(&merged, &[&[SWITCHING][..], &TYPES].concat(), "switching.types.wasm")?;
        optimize(&file("asyncify.c.wasm"), &ASYNCIFY, "asyncify.wasm")?;
        optimize(&file("asyncify.debug.c.wasm"), &ASYNCIFY, "asyncify.debug.wasm")?;
        optimize(&file("asyncify.c.wasm"), &[&ASYNCIFY[..], &["-O3"]].concat(), "asyncify.opt.wasm")?;
        for (implementation, debug) in FORMS {
            fs::remove_file(file(&format!("{implementation}{debug}.c.wasm")))?;
        }
        fs::write(self.stamp(program), inputs).context("cannot write a stamp")
    }

    fn binaryen(&self, tool: &str, args: impl FnOnce(&mut Command) -> &mut Command) -> Result<()> {
        let mut command = Command::new(self.binaryen.join(tool));
        args(&mut command);
        tools::output(command).map(drop)
    }
}

/// Calls `install` unless the folder says that it has this version.
fn install(folder: &Path, version: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let installed = folder.join("version");
    if fs::read_to_string(&installed).is_ok_and(|is| is == version) {
        return Ok(());
    }
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    install()?;
    fs::write(&installed, version).with_context(|| format!("cannot write {}", installed.display()))
}

fn source(name: &str) -> PathBuf {
    tools::root().join(SOURCES).join(name)
}
