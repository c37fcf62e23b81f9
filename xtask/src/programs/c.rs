//! The C programs of `examples/c/fiber`, with fibers by Asyncify and by stack switching.

use super::{Form, Large, Results, Set};
use crate::c_programs;

/// See the module.
pub static C: Set = Set {
    title: "C",
    option: "c",
    sources: "examples/c/fiber/programs",
    extension: "c",
    built: c_programs::BUILT,
    tools: &["ziglang", "binaryen"],
    forms: &[
        Form { name: "Asyncify", how: "with Asyncify", module: "asyncify", file: "asyncify", options: &[] },
        Form {
            name: "stack switching",
            how: "with stack switching",
            module: "switching",
            file: "switching",
            options: &[],
        },
        Form {
            name: "stack switching, inlined",
            how: "with stack switching and inlining",
            module: "switching",
            file: "switching-inlined",
            options: &["-C", "inlining=y"],
        },
    ],
    baseline: "Asyncify",
    code: true,
    large,
    build: |_, target, programs| {
        let programs: Vec<_> = programs.iter().map(|program| program.to_string()).collect();
        c_programs::build(&target.join(c_programs::BUILT), &programs)
    },
    about,
};

/// A line ` * Large: OPTION... N` of the source's comment has the size, and before it the options that the size needs.
fn large(source: &str) -> Option<Large> {
    let size = source.lines().find_map(|line| line.strip_prefix(" * Large: "))?;
    let mut words: Vec<_> = size.trim_end_matches("*/").split_whitespace().map(String::from).collect();
    let argument = words.pop()?;
    Some(Large { options: words, argument })
}

fn about(results: &Results) -> String {
    format!(
        "These are [the programs of examples/c/fiber](../examples/c/fiber/programs), which use a library of fibers, at the sizes that their\n\
         comments have. The library has two implementations. One makes a continuation for each fiber. The other is for\n\
         [Asyncify](https://github.com/WebAssembly/binaryen/blob/main/src/passes/Asyncify.cpp), which rewrites all functions that may\n\
         pause. To pause, these save their local variables in memory and return. When the fiber goes on, they are called again, and\n\
         restore their variables. `zig cc -O3` of ziglang {} compiled each program with each implementation, and `wasm-opt -O3` of\n\
         binaryen {} optimized the modules.\n\
         `wasmtime compile` made machine code of each module before the measurements, so that compilation is not a part of the times.\n\
         Stack switching has the native backend. *Inlined* is the module for stack switching, compiled with `-C inlining=y`, which is not\n\
         the default. All other options are the same for all forms.\n",
        results.version("ziglang"),
        results.version("binaryen")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments() {
        let argument = |source| large(source).map(|large| large.argument);
        assert_eq!(argument("/* A program.\n * Large: 4000 */\nint x;").unwrap(), "4000");
        assert_eq!(argument("/* A program.\n * Large: 5\n * Other: 6 */").unwrap(), "5");
        let deep = large("/* A program.\n * Large: -W a=1 6 */").unwrap();
        assert_eq!((deep.options, deep.argument), (vec!["-W".into(), "a=1".into()], "6".into()));
        assert_eq!(argument("/* A program.\n * Fails: it does */\nint main() {}"), None);
        assert_eq!(argument("int Large; /* Large: 7 */"), None);
    }

    #[test]
    fn sizes() {
        let folder = crate::tools::root().join(C.sources);
        let mut without = Vec::new();
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == C.extension) {
                match large(&std::fs::read_to_string(&path).unwrap()) {
                    Some(large) => assert!(large.argument.parse::<u32>().is_ok(), "{}", path.display()),
                    None => without.push(path.file_stem().unwrap().to_owned()),
                }
            }
        }
        assert_eq!(without, ["overflow"]);
    }
}
