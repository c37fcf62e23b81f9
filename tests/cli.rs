//! The patched `wasmtime` binary, which is built in release mode first: minutes, if it never was.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use wasmfx::StackSwitchingBackend;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--release", "--package", "wasmtime-cli", "--bin", "wasmtime"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    // target/PROFILE/deps/this -> target/release/wasmtime
    let this = std::env::current_exe().unwrap();
    let name = format!("wasmtime{}", std::env::consts::EXE_SUFFIX);
    this.ancestors().nth(3).unwrap().join("release").join(name)
});

fn wasmtime(args: &[&str]) -> Output {
    Command::new(&*BINARY).args(args).current_dir(root()).output().unwrap()
}

fn printed(args: &[&str]) -> String {
    let output = wasmtime(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(args: &[&str]) -> String {
    let output = wasmtime(args);
    assert!(!output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_readme_command() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let command = "cargo xtask wasmtime run -W stack-switching examples/generator.wat";
    assert!(readme.contains(command), "the README has another command");
    let args: Vec<&str> = command.split(' ').skip(3).collect();
    assert_eq!(printed(&args), "1\n2\n3\n4\n5\n");
}

#[test]
fn the_flag_that_turns_stack_switching_on() {
    for command in ["run", "compile"] {
        let error = refused(&[command, "examples/generator.wat"]);
        assert!(error.contains("add `-W stack-switching`"), "{error}");
        assert!(error.contains("when stack switching is disabled"), "{error}");
    }
    let file = std::env::temp_dir().join(format!("wasmfx-flag-{}.wat", std::process::id()));
    let of_module = |module: &str| {
        std::fs::write(&file, module).unwrap();
        refused(&["run", file.to_str().unwrap()])
    };
    for module in [
        "(module (func (param contref)))",
        "(module (type $f (func)) (type $c (cont $f)))",
        "(module (tag (param i32) (result i32)))",
        "(component (core module (type $f (func)) (type $c (cont $f))))",
    ] {
        let error = of_module(module);
        assert!(error.contains("add `-W stack-switching`"), "{module}: {error}");
    }
    // What is wrong for another reason is not for want of the flag, even if the text that it quotes has these words.
    let error = of_module("(module (func (export \"stack switching\") (result i32)))");
    assert!(!error.contains("-W stack-switching"), "{error}");
    let error = of_module("(module ;; stack switching\n (unknown))");
    assert!(!error.contains("-W stack-switching"), "{error}");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn the_version_names_wasmfx() {
    let version = printed(&["--version"]);
    let wasmfx = format!(" with wasmfx {}", env!("CARGO_PKG_VERSION"));
    assert!(version.starts_with("wasmtime ") && version.contains(&wasmfx), "{version}");
}

#[test]
fn a_subcommand_that_is_not_built_in() {
    let error = refused(&["serve", "component.wasm"]);
    assert!(
        error.contains("`wasmtime serve` is not in this build") && error.contains("--features serve"),
        "{error}"
    );
    // As a file it is looked for, and not found.
    assert!(refused(&["run", "serve"]).contains("failed to open wasm module"));
}

#[test]
fn an_unhandled_tag_says_where() {
    const MODULE: &str =
        "(module (tag $t) (func $nobody (suspend $t)) (func (export \"_start\") (call $nobody)))";
    let file = std::env::temp_dir().join(format!("wasmfx-unhandled-{}.wat", std::process::id()));
    std::fs::write(&file, MODULE).unwrap();
    each_backend(|flags| {
        let error = refused(&[&["run"], flags, &[file.to_str().unwrap()]].concat());
        assert!(error.contains("this suspend or switch has no handler for its tag"), "{error}");
        let first = error.lines().find(|line| line.contains(" - <unknown>!")).unwrap_or_default();
        assert!(first.ends_with("!nobody"), "{error}");
    });
    std::fs::remove_file(file).unwrap();
}

/// The flags for stack switching on each backend.
fn each_backend(test: impl Fn(&[&str])) {
    for (name, _) in support::backends() {
        eprintln!("on the {name} backend:");
        test(&["-W", "stack-switching", "-C", &format!("stack-switching-backend={name}")]);
    }
}

#[test]
fn backends() {
    let generator = |backend: &str| {
        let flag = format!("stack-switching-backend={backend}");
        wasmtime(&["run", "-W", "stack-switching", "-C", &flag, "examples/generator.wat"])
    };
    for (name, _) in support::backends().into_iter().chain([("auto", StackSwitchingBackend::Auto)]) {
        assert_eq!(String::from_utf8(generator(name).stdout).unwrap(), "1\n2\n3\n4\n5\n");
    }
    let error = String::from_utf8(generator("fastest").stderr).unwrap();
    assert!(error.contains("only `auto`, `native`, and `libcall` accepted"), "{error}");
}

/// A timeout ends a loop on the innermost of three stacks, and one that makes continuations for ever.
#[test]
fn timeouts() {
    let module = std::env::temp_dir().join(format!("wasmfx-timeout-{}.wat", std::process::id()));
    std::fs::write(
        &module,
        r#"(module
            (type $ft (func)) (type $ct (cont $ft))
            (func $inner (loop $l (br $l)))
            (func $middle (resume $ct (cont.new $ct (ref.func $inner))))
            (func $outer (resume $ct (cont.new $ct (ref.func $middle))))
            (func $nothing)
            (elem declare func $inner $middle $outer $nothing)
            (func (export "nested") (resume $ct (cont.new $ct (ref.func $outer))))
            (func (export "create") (loop $l (resume $ct (cont.new $ct (ref.func $nothing))) (br $l))))"#,
    )
    .unwrap();
    each_backend(|flags| {
        for name in ["nested", "create"] {
            let mut args = vec!["run", "-W", "timeout=100ms", "--invoke", name];
            args.extend(flags);
            args.push(module.to_str().unwrap());
            let error = refused(&args);
            assert!(error.contains("wasm trap: interrupt"), "{error}");
        }
    });
    std::fs::remove_file(module).unwrap();
}

#[test]
fn a_conflict_is_named() {
    let args = ["run", "-W", "stack-switching,exceptions=n", "examples/generator.wat"];
    let error = refused(&args);
    assert!(error.contains("needs the exceptions proposal, which was disabled"), "{error}");
}

#[test]
fn precompiled_modules_run() {
    let file = std::env::temp_dir().join(format!("wasmfx-cli-{}.cwasm", std::process::id()));
    let file = file.to_str().unwrap();
    printed(&["compile", "-W", "stack-switching", "-o", file, "examples/generator.wat"]);
    let run = ["run", "-W", "stack-switching", "--allow-precompiled", file];
    assert_eq!(printed(&run), "1\n2\n3\n4\n5\n");
    refused(&["run", "--allow-precompiled", file]);
    printed(&["objdump", file]);
    std::fs::remove_file(file).unwrap();
}

/// `proc_exit` leaves through the host from the innermost of three stacks.
#[test]
fn proc_exit_in_a_continuation() {
    let module = std::env::temp_dir().join(format!("wasmfx-exit-{}.wat", std::process::id()));
    std::fs::write(
        &module,
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (type $ft (func)) (type $ct (cont $ft)) (tag $t)
            (func $inner (suspend $t) (call $exit (i32.const 42)))
            (func $middle (resume $ct (cont.new $ct (ref.func $inner))))
            (elem declare func $inner $middle)
            (func (export "_start")
              (block $h (result (ref $ct))
                (resume $ct (on $t $h) (cont.new $ct (ref.func $middle))) (return))
              (resume $ct)))"#,
    )
    .unwrap();
    each_backend(|flags| {
        let output = wasmtime(&[&["run"], flags, &[module.to_str().unwrap()]].concat());
        assert_eq!(output.status.code(), Some(42), "{}", String::from_utf8_lossy(&output.stderr));
    });
    std::fs::remove_file(module).unwrap();
}

/// Compiled modules come from the cache the second time, and a profile names functions on every stack.
#[test]
fn cache_and_profile() {
    let folder = std::env::temp_dir().join(format!("wasmfx-cache-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = folder.join("config.toml");
    std::fs::write(&config, format!("[cache]\ndirectory = {:?}\n", folder.join("cache"))).unwrap();
    let flag = format!("cache,cache-config={}", config.display());
    for _ in 0..2 {
        let args = ["run", "-W", "stack-switching", "-C", &flag, "examples/generator.wat"];
        assert_eq!(printed(&args), "1\n2\n3\n4\n5\n");
    }
    let cached = walk(&folder.join("cache"));
    assert!(cached > 0, "nothing was cached");

    let profile = folder.join("profile.json");
    let flag = format!("--profile=guest,{},1ms", profile.display());
    printed(&["run", "-W", "stack-switching", &flag, "examples/threads.wat"]);
    assert!(std::fs::read_to_string(&profile).unwrap().contains("threads.wat"));
    std::fs::remove_dir_all(folder).unwrap();
}

/// How many files there are in a folder and below.
fn walk(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { 1 }).sum()
}

/// Code that a debugger can stop in switches stacks as other code does.
#[test]
fn guest_debugging() {
    each_backend(|flags| {
        let args = [&["run", "-D", "guest-debug"], flags, &["examples/generator.wat"]].concat();
        assert_eq!(printed(&args), "1\n2\n3\n4\n5\n");
    });
    for file in [
        "suspend/round_trips",
        "switch/hand_over",
        "exceptions/cross_resume",
        "unwinding/from_any_depth",
        "payloads/round_trip",
    ] {
        let file = format!("tests/wast/{file}.wast");
        each_backend(|flags| {
            printed(&[&["wast", "-D", "guest-debug"], flags, &[&file]].concat());
        });
    }
    // A collector that moves what it finds.
    for file in ["exceptions/collections", "resume_throw_ref/fresh"] {
        let file = format!("tests/wast/{file}.wast");
        each_backend(|flags| {
            printed(&[&["wast", "-D", "guest-debug", "-C", "collector=copying"], flags, &[&file]].concat());
        });
    }
}

/// Component model programs, with every collector: the files say what they show.
#[test]
fn components() {
    const FLAGS: &str = "stack-switching,gc,component-model-async,component-model-more-async-builtins,\
                         component-model-async-stackful,component-model-threading";
    let folder = root().join("tests/component");
    let files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        for collector in ["drc", "copying", "null"] {
            let collector = format!("collector={collector}");
            let file = file.to_str().unwrap();
            each_backend(|flags| {
                let args = ["wast", "-W", FLAGS, "-C", &collector, "-O", "gc-heap-initial-size=65536"];
                printed(&[&args, flags, &[file]].concat());
            });
        }
    }
}

#[test]
fn wast_scripts_run() {
    printed(&["wast", "-W", "stack-switching", "tests/wast/suspend/round_trips.wast"]);
}

/// Limits end a program as a trap does, and say which they are; statistics come in any case.
#[test]
fn limits_and_statistics() {
    let run = |flags: &[&str], options: &str, n: &str| {
        let options = ["-O", options, "-D", "continuation-statistics", "--invoke", "park"];
        let output = wasmtime(&[&["run"], flags, &options, &["benches/modules/park.wat", n]].concat());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    each_backend(|flags| {
        let (code, error) = run(flags, "continuation-stacks=10", "10");
        assert_eq!(code, Some(0), "{error}");
        assert!(
            error.contains("continuations: 10 alive, 10 at most, 10 made, 0 reclaimed; stacks: 10, "),
            "{error}"
        );
        let limits = [
            (
                "continuation-stacks=9",
                "all 9 continuation stacks of the engine are taken (continuation-stacks)",
            ),
            ("continuations-per-store=9", "the most that a store may (continuations-per-store)"),
        ];
        for (option, text) in limits {
            let (code, error) = run(flags, option, "10");
            // As after any trap: SIGABRT's exit code, on Unix.
            assert_eq!(code, Some(134), "{error}");
            assert!(error.contains("limit on continuations reached") && error.contains(text), "{error}");
            assert!(error.contains("continuations: "), "{error}");
        }
        let (_, error) = run(flags, "continuation-stack-size=1000", "1");
        assert!(error.contains("(continuation-stack-size) is too small"), "{error}");
        let size = "continuation-stack-size=262144,continuation-keep-resident=0";
        let (code, error) = run(flags, size, "100");
        assert_eq!(code, Some(0), "{error}");
        let bytes: usize =
            error.split("; stacks: ").nth(1).unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
        // A store takes more than it needs, and a stack has a guard and other overhead.
        assert!((30 << 20..40 << 20).contains(&bytes), "{error}");
    });
}

/// What the binary must have; `serve` is left out on purpose.
#[test]
fn commands() {
    let help = printed(&["--help"]);
    for command in ["run", "compile", "wast", "explore", "objdump", "config", "settings"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is missing:\n{help}");
    }
    let debug = printed(&["run", "-D", "help"]);
    assert!(debug.contains("coredump"), "{debug}");
    assert!(debug.contains("continuation-statistics"), "{debug}");
    let optimize = printed(&["run", "-O", "help"]);
    assert!(optimize.contains("continuation-stack-size"), "{optimize}");
    let codegen = printed(&["run", "-C", "help"]);
    assert!(codegen.contains("stack-switching-backend"), "{codegen}");
    assert!(codegen.contains("cache"), "{codegen}");
}

/// A trap inside a continuation leaves a core dump and an exit code, like any other.
#[test]
fn a_trap_in_a_continuation_dumps_core() {
    let folder = std::env::temp_dir();
    let module = folder.join(format!("wasmfx-trap-{}.wat", std::process::id()));
    let core = folder.join(format!("wasmfx-trap-{}.coredump", std::process::id()));
    std::fs::write(
        &module,
        r#"(module (type $ft (func)) (type $ct (cont $ft)) (global (mut contref) (ref.null cont))
            (func $inner unreachable) (elem declare func $inner)
            (func $outer (export "_start") (resume $ct (cont.new $ct (ref.func $inner)))))"#,
    )
    .unwrap();
    let flag = format!("coredump={}", core.display());
    each_backend(|flags| {
        let error = refused(&[&["run", "-D", &flag], flags, &[module.to_str().unwrap()]].concat());
        let (inner, outer) = (error.find("!inner"), error.find("!outer"));
        assert!(inner.is_some() && inner < outer, "both stacks are in the backtrace: {error}");
        assert!(std::fs::metadata(&core).unwrap().len() > 0);
        std::fs::remove_file(&core).unwrap();
    });
    std::fs::remove_file(module).unwrap();
}

/// gdb walks from the innermost of three continuations to the host, with the unwinding rules that compiled code
/// comes with.
#[test]
fn gdb_walks_through_continuations() {
    let gdb = |args: &[&str]| Command::new("gdb").args(["-nx", "-q", "-batch"]).args(args).output();
    let native = support::backends().iter().any(|(name, _)| *name == "native");
    if !native || !cfg!(target_os = "linux") || gdb(&["-ex", "show version"]).is_err() {
        eprintln!("skipped: no gdb, or no native backend");
        return;
    }
    let module = std::env::temp_dir().join(format!("wasmfx-gdb-{}.wat", std::process::id()));
    std::fs::write(
        &module,
        r#"(module
            (type $ft (func)) (type $ct (cont $ft))
            (func $fx_inner) (func $fx_nothing)
            (func $fx_middle (resume $ct (cont.new $ct (ref.func $fx_inner))) (call $fx_nothing))
            (func $fx_outer (resume $ct (cont.new $ct (ref.func $fx_middle))) (call $fx_nothing))
            (elem declare func $fx_inner $fx_middle $fx_outer)
            (func $fx_main (export "_start")
              (resume $ct (cont.new $ct (ref.func $fx_outer))) (call $fx_nothing)))"#,
    )
    .unwrap();
    let backend = "stack-switching-backend=native";
    let output = gdb(&[
        "-iex",
        "set debuginfod enabled off",
        "-ex",
        "set breakpoint pending on",
        "-ex",
        "break fx_inner",
        "-ex",
        "run",
        "-ex",
        "bt",
        "--args",
        BINARY.to_str().unwrap(),
        "run",
        "-D",
        "debug-info",
        "-W",
        "stack-switching",
        "-C",
        backend,
        module.to_str().unwrap(),
    ])
    .unwrap();
    std::fs::remove_file(module).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    if !text.contains("Breakpoint 1, ") {
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("ptrace"), "gdb did not get there: {text}{errors}");
        eprintln!("skipped: gdb may not trace processes here");
        return;
    }
    let mut rest = &text[text.find("#0 ").expect("there is a backtrace")..];
    for name in [
        "fx_inner",
        "continuation_entry",
        "fx_middle",
        "continuation_entry",
        "fx_outer",
        "continuation_entry",
        "fx_main",
        "array_to_wasm_trampoline",
    ] {
        let Some(at) = rest.find(name) else { panic!("{name} is missing: {text}") };
        rest = &rest[at + name.len()..];
    }
}
