//! The patched `wasmtime` binary: `cargo xtask test` builds it in release mode first.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn wasmtime(args: &[&str]) -> Output {
    // target/PROFILE/deps/this -> target/release/wasmtime
    let this = std::env::current_exe().unwrap();
    let target = this.ancestors().nth(3).unwrap();
    let binary: PathBuf = target.join("release").join(format!("wasmtime{}", std::env::consts::EXE_SUFFIX));
    assert!(
        binary.exists(),
        "{} is missing: `cargo xtask test` builds it, and so does `cargo xtask wasmtime`",
        binary.display()
    );
    Command::new(binary).args(args).current_dir(root()).output().unwrap()
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
fn without_the_flag_it_is_off() {
    let error = refused(&["run", "examples/generator.wat"]);
    assert!(error.contains("stack switching"), "{error}");
}

#[test]
fn backends() {
    for backend in ["auto", "libcall"] {
        let flag = format!("stack-switching-backend={backend}");
        let args = ["run", "-W", "stack-switching", "-C", &flag, "examples/generator.wat"];
        assert_eq!(printed(&args), "1\n2\n3\n4\n5\n");
    }
    let refusal = |backend: &str| {
        let flag = format!("stack-switching-backend={backend}");
        refused(&["run", "-W", "stack-switching", "-C", &flag, "examples/generator.wat"])
    };
    let error = refusal("native");
    assert!(error.contains("native stack switching backend is not implemented yet"), "{error}");
    let error = refusal("fastest");
    assert!(error.contains("only `auto`, `native`, and `libcall` accepted"), "{error}");
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

#[test]
fn wast_scripts_run() {
    printed(&["wast", "-W", "stack-switching", "tests/wast/suspend_resume.wast"]);
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
    let error = refused(&["run", "-W", "stack-switching", "-D", &flag, module.to_str().unwrap()]);
    let (inner, outer) = (error.find("!inner"), error.find("!outer"));
    assert!(inner.is_some() && inner < outer, "both stacks are in the backtrace: {error}");
    assert!(std::fs::metadata(&core).unwrap().len() > 0);
    std::fs::remove_file(module).unwrap();
    std::fs::remove_file(core).unwrap();
}
