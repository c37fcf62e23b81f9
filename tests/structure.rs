//! No file of the two crates imports, directly or by a chain, a file that imports it.
//!
//! What counts is `use`, and each path in code that begins with `crate`, `self`, `super` or the name of a module: one that the
//! file declares by `mod NAME;`, or has a `use` of. Comments, strings and tests do not count, nor does `mod`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The files of a crate, by module path: `""` is the root.
struct Crate {
    modules: BTreeMap<String, String>,
}

/// Modules by the names that they have in a file. Several files may have one name, each for other targets.
type Names = BTreeMap<String, BTreeSet<String>>;

impl Crate {
    fn read(folder: &Path) -> Crate {
        let mut texts = BTreeMap::new();
        let mut folders = vec![folder.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "rs") {
                    texts.insert(path.clone(), fs::read_to_string(path).unwrap());
                }
            }
        }
        let name = |path: &PathBuf| {
            let path = path.strip_prefix(folder).unwrap().with_extension("");
            let mut parts: Vec<_> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if matches!(parts.last().map(String::as_str), Some("mod" | "lib")) {
                parts.pop();
            }
            parts.join("::")
        };
        let modules = texts.iter().map(|(path, text)| (name(path), text.clone()));
        Crate { modules: modules.filter(|(name, _)| name.split("::").all(|part| part != "tests")).collect() }
    }

    /// The modules that each imports, itself excepted.
    fn imports(&self) -> BTreeMap<&str, BTreeSet<String>> {
        let files: BTreeMap<_, _> =
            self.modules.iter().map(|(module, text)| (module.as_str(), File::read(module, text))).collect();
        for (module, file) in &files {
            for declared in file.declared.values().flatten() {
                assert!(
                    files.contains_key(declared.as_str()),
                    "`{module}` declares {declared}: no such file"
                );
            }
        }
        let imports = files.iter().map(|(&module, file)| {
            let mut scope = file.declared.clone();
            for Use { path, name } in &file.uses {
                let Resolved { whole, .. } = resolve(module, path, &file.declared, &files);
                if name == "*" {
                    for (name, modules) in whole.iter().flat_map(|module| &files[module.as_str()].declared) {
                        scope.entry(name.clone()).or_default().extend(modules.iter().cloned());
                    }
                } else {
                    scope.entry(name.clone()).or_default().extend(whole);
                }
            }
            let paths = file.uses.iter().map(|used| &used.path).chain(&file.paths);
            let mut imports = BTreeSet::new();
            for path in paths {
                let Resolved { whole, part } = resolve(module, path, &scope, &files);
                imports.extend(whole.into_iter().chain(part));
            }
            imports.remove(module);
            (module, imports)
        });
        imports.collect()
    }

    /// A circle of imports, if there is one.
    fn circle(&self) -> Option<Vec<String>> {
        fn visit(
            at: &str,
            imports: &BTreeMap<&str, BTreeSet<String>>,
            way: &mut Vec<String>,
            done: &mut BTreeSet<String>,
        ) -> Option<Vec<String>> {
            if let Some(start) = way.iter().position(|name| name == at) {
                return Some(way[start..].to_vec());
            }
            if done.contains(at) {
                return None;
            }
            way.push(at.to_string());
            let found = imports[at].iter().find_map(|next| visit(next, imports, way, done));
            way.pop();
            done.insert(at.to_string());
            found
        }
        let imports = self.imports();
        let mut done = BTreeSet::new();
        imports.keys().find_map(|name| visit(name, &imports, &mut Vec::new(), &mut done))
    }
}

/// Where a path leads.
struct Resolved {
    /// The modules that the path names.
    whole: BTreeSet<String>,
    /// The modules in which the rest of the path names something else.
    part: BTreeSet<String>,
}

/// Where `path` leads in the file of `module`, in which the modules in `scope` have names.
fn resolve(module: &str, path: &[String], scope: &Names, files: &BTreeMap<&str, File>) -> Resolved {
    let parent = |module: &str| module.rsplit_once("::").map_or("", |(parent, _)| parent).to_string();
    let mut whole: BTreeSet<String> = match path[0].as_str() {
        "crate" => [String::new()].into(),
        "self" => [module.to_string()].into(),
        "super" => [parent(module)].into(),
        first => scope.get(first).cloned().unwrap_or_default(),
    };
    let mut part = BTreeSet::new();
    for name in &path[1..] {
        for module in std::mem::take(&mut whole) {
            match (name.as_str(), files[module.as_str()].declared.get(name)) {
                ("self", _) => whole.extend([module]),
                ("super", _) => whole.extend([parent(&module)]),
                (_, Some(modules)) => whole.extend(modules.iter().cloned()),
                (_, None) => part.extend([module]),
            }
        }
    }
    Resolved { whole, part }
}

/// What counts in a file.
#[derive(Default)]
struct File {
    /// The modules that it declares by `mod NAME;`.
    declared: Names,
    /// A `use` for each name.
    uses: Vec<Use>,
    /// The paths in code.
    paths: Vec<Vec<String>>,
}

/// A `use` of one name: the path, and the name that it gets. If that is `*`, the names inside the path.
struct Use {
    path: Vec<String>,
    name: String,
}

impl File {
    fn read(module: &str, text: &str) -> File {
        let tokens = tokens(text);
        let token = |at: usize| tokens.get(at).copied().unwrap_or_default();
        let mut file = File::default();
        // The file that the next `mod` names by an attribute.
        let mut other_file = None;
        // The braces that are open, and, for each `mod NAME {` that is, how many were open before it.
        let (mut open, mut inline) = (0, Vec::new());
        let mut at = 0;
        while at < tokens.len() {
            match token(at) {
                "{" => open += 1,
                "}" => {
                    open -= 1;
                    inline.pop_if(|before| *before == open);
                }
                "path" if token(at + 1) == "=" && token(at + 2).starts_with('"') => {
                    other_file = Some(token(at + 2).trim_matches('"').trim_end_matches(".rs"));
                }
                "mod" if token(at + 2) == ";" => {
                    let name = token(at + 1);
                    let named = other_file.take().unwrap_or(name);
                    let named =
                        if module.is_empty() { named.to_string() } else { format!("{module}::{named}") };
                    if name != "tests" {
                        file.declared.entry(name.to_string()).or_default().insert(named);
                    }
                    at += 2;
                }
                "mod" if token(at + 2) == "{" => {
                    let before = open;
                    if token(at + 1) == "tests" {
                        at += 3;
                        open += 1;
                        while open > before {
                            match token(at) {
                                "{" => open += 1,
                                "}" => open -= 1,
                                "" => panic!("`{module}`: no end of the tests"),
                                _ => {}
                            }
                            at += 1;
                        }
                        continue;
                    }
                    inline.push(before);
                    at += 1;
                }
                "use" if token(at + 1) != "<" => {
                    let first = file.uses.len();
                    at = uses(&tokens, at + 1, &[], &mut file.uses);
                    for used in file.uses.split_off(first) {
                        file.uses.extend(outside(used.path, inline.len()).map(|path| Use { path, ..used }));
                    }
                    continue;
                }
                name if is_name(name) && token(at + 1) == "::" => {
                    let mut path = vec![name.to_string()];
                    let global = at > 0 && token(at - 1) == "::";
                    while token(at + 1) == "::" && is_name(token(at + 2)) {
                        path.push(token(at + 2).to_string());
                        at += 2;
                    }
                    if !global {
                        file.paths.extend(outside(path, inline.len()));
                    }
                }
                _ => {}
            }
            at += 1;
        }
        file
    }
}

/// A path in a module `depth` levels inside a file, as the file would write it. `None` if it does not lead out of that module.
fn outside(path: Vec<String>, mut depth: usize) -> Option<Vec<String>> {
    if depth == 0 || !["self", "super"].contains(&path[0].as_str()) {
        return Some(path);
    }
    let mut rest = path.as_slice();
    while let [first, more @ ..] = rest
        && (first == "self" || first == "super" && depth > 0)
    {
        depth -= usize::from(first == "super");
        rest = more;
    }
    (depth == 0).then(|| [&["self".to_string()], rest].concat())
}

/// Adds what the `use` at `tokens[at..]` names, all inside `prefix`. Returns where it ends.
fn uses(tokens: &[&str], mut at: usize, prefix: &[String], found: &mut Vec<Use>) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens[at] {
            "{" => loop {
                at += 1;
                if tokens[at] != "}" {
                    at = uses(tokens, at, &path, found);
                }
                if tokens[at] == "}" {
                    return at + 1;
                }
            },
            "::" => {
                at += 1;
                continue;
            }
            "*" => {
                found.push(Use { path, name: "*".to_string() });
                return at + 1;
            }
            "self" if !path.is_empty() => at += 1,
            name => {
                path.push(name.to_string());
                at += 1;
            }
        }
        if tokens[at] != "::" {
            let renamed = (tokens[at] == "as").then(|| tokens[at + 1].to_string());
            at += if renamed.is_some() { 2 } else { 0 };
            let name = renamed.unwrap_or_else(|| path[path.len() - 1].clone());
            found.push(Use { path, name });
            return at;
        }
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The names, strings, `::` and other characters of a text, without its comments.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let name = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (prefix, hashes) =
            (&rest[..name], rest[name..].len() - rest[name..].trim_start_matches('#').len());
        let raw = ["r", "br", "cr"].contains(&prefix) && rest[name + hashes..].starts_with('"');
        let length = if raw {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = name + hashes + 1;
            start + rest[start..].find(&end).expect("the end of a raw string") + end.len()
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment(rest)
        } else if first == '"' {
            1 + quoted(&rest[1..], '"')
        } else if first == '\'' && (rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'')) {
            1 + quoted(&rest[1..], '\'')
        } else if rest.starts_with("::") {
            2
        } else {
            name.max(first.len_utf8())
        };
        let token = &rest[..length];
        if !first.is_whitespace() && !token.starts_with("//") && !token.starts_with("/*") {
            tokens.push(token);
        }
        rest = &rest[length..];
    }
    tokens
}

/// The length of what comes before the next `end` that no backslash is before, and of that `end`.
fn quoted(text: &str, end: char) -> usize {
    let mut escaped = false;
    let end = text.char_indices().find(|&(_, c)| {
        let found = c == end && !escaped;
        escaped = c == '\\' && !escaped;
        found
    });
    end.expect("the end of a string").0 + 1
}

/// The length of the comment at the beginning of `text`, in which there may be others.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        let step = match text.get(at..at + 2) {
            Some("/*") => 1,
            Some("*/") => -1,
            _ => 0,
        };
        depth += step;
        at += if step == 0 { text[at..].chars().next().expect("the end of a comment").len_utf8() } else { 2 };
        if depth == 0 {
            return at;
        }
    }
}

#[test]
fn no_file_imports_what_imports_it() {
    for name in ["wasmfx-runtime", "wasmfx-cranelift"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name).join("src");
        let all = Crate::read(&folder);
        let imports = all.imports();
        assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 40, "{name}: {imports:#?}");
        assert_eq!(all.circle(), None, "{name}: a circle of imports");
    }
}

/// `tests/README.md` says of each file what it guards.
#[test]
fn each_test_is_on_the_map() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let map = fs::read_to_string(folder.join("README.md")).unwrap();
    let mut names = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let folder = !name.contains('.');
        let here = format!("`{name}{}`", if folder { "/" } else { "" });
        assert!(name == "README.md" || map.contains(&here), "tests/README.md does not name {here}");
        names += 1;
    }
    assert!(names > 30);
}

#[test]
fn circles_are_found() {
    let all = |texts: &[(&str, &str)]| Crate {
        modules: texts.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect(),
    };
    let root = ("", "mod a; mod b; pub use self::a::A;");
    let circle = |a, b| all(&[root, ("a", a), ("b", b)]).circle();
    let both = Some(vec!["a".to_string(), "b".to_string()]);
    assert_eq!(circle("use crate::b::B;", "struct B;"), None);
    assert_eq!(circle("use crate::{b::{self, B}};", "use super::a::A;"), both);
    assert_eq!(circle("fn f() { crate::b::g() }", "pub(crate) use super::a::f;"), both);
    assert_eq!(circle("fn f() { use crate::{b::D, b::B as C}; }", "pub use super::a::{self as c};"), both);
    // By way of what the root exports.
    assert_eq!(circle("struct A;\nuse crate::b::B;", "use crate::A;").map(|all| all.len()), Some(3));
    // What only looks like a path.
    let others = [
        "/// [`crate::b::B`]\nstruct A;",
        "/* /* */ use crate::b::B; */ struct A;",
        "const A: &str = \"'\\\"; use crate::b::B; '\"; fn f<'a>() -> &'a str { r#\"\" crate::b::B\"# }",
        "const A: char = '\"'; fn f() { std::crate::b::B }",
        "struct A;\n#[cfg(test)]\nmod tests { fn f() { crate::b::B } }",
        "fn f() -> impl Copy + use<> {} struct A;",
    ];
    for a in others {
        assert_eq!(circle(a, "use crate::a::A;"), None, "{a}");
    }
    // What a character in quotes, or tests, come before.
    assert_eq!(circle("const A: char = '\"'; use crate::b::B;", "use super::a::A;"), both);
    assert_eq!(circle("mod tests { fn f() {} } use crate::b::B;", "use super::a::A;"), both);
    // A `use` behind code that no semicolon ends.
    assert_eq!(circle("fn f() { crate::b::g() }\nuse std::fmt::Debug;", "use super::a::f;"), both);

    // Paths that begin with the name of a module.
    for (path, to) in
        [("a::f()", "a"), ("a::A::null()", "a"), ("a::c::f()", "a::c"), ("self::a::c::C {}", "a::c")]
    {
        let root = format!("mod a; struct X; fn f() {{ {path} }}");
        let (a, c) = if to == "a" { ("mod c; use super::X;", "") } else { ("mod c;", "use crate::X;") };
        let circle = all(&[("", &root), ("a", a), ("a::c", c)]).circle();
        assert_eq!(circle, Some(vec![String::new(), to.to_string()]), "{path}");
        assert_eq!(all(&[("", &root), ("a", "mod c;"), ("a::c", "")]).circle(), None, "{path}");
    }
    let used =
        |d| all(&[("", "mod a; mod d;"), ("a", "mod c;"), ("a::c", "use crate::d::D;"), ("d", d)]).circle();
    for d in ["use crate::a; fn f() { a::c::g() }", "use crate::a as x; fn f() { x::c::g() }"] {
        assert!(used(d).is_some(), "{d}");
    }
    assert!(used("use super::*; fn f() { a::c::g() }").is_some());
    assert_eq!(used("use crate::a; fn f(a: A) { a.c(); x::c::g() }"), None);

    // Modules inside a file.
    assert_eq!(circle("mod c { use super::A; } struct A;", "use crate::a::A;"), None);
    assert_eq!(circle("mod c { use self::d::X; mod d { use super::super::A; } }", "use crate::a::A;"), None);
    assert_eq!(circle("mod c { fn f() { super::super::b::g() } }", "use crate::a::A;"), both);

    // Files with other names, and several with one name.
    let path = ("", "#[path = \"unix.rs\"]\nmod imp;\nuse imp::X;\nstruct Y;");
    assert!(all(&[path, ("unix", "use super::Y;")]).circle().is_some());
    let other = "#[cfg(a)]\nmod imp;\n#[cfg(not(a))]\n#[path = \"no_imp.rs\"]\nmod imp;\nuse imp::X;";
    for (imp, no_imp) in [("use super::Y;", ""), ("", "use super::Y;"), ("mod c; use super::Y;", "")] {
        assert!(all(&[("", other), ("imp", imp), ("imp::c", ""), ("no_imp", no_imp)]).circle().is_some());
    }
    let deep = all(&[("", other), ("imp", "mod c;"), ("imp::c", "use super::X;"), ("no_imp", "")]);
    assert_eq!(deep.circle(), None);
    let deep =
        all(&[("", other), ("imp", "mod c; fn f() { c::g() }"), ("imp::c", "use super::X;"), ("no_imp", "")]);
    assert_eq!(deep.circle().map(|all| all.len()), Some(2));
}

/// Each of these would make a circle in the crate as it is.
#[test]
fn circles_would_be_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("wasmfx-cranelift/src");
    for (module, more) in [
        ("libcall::resume", "use super::Libcall;"),
        ("native::search", "use super::Native;"),
        ("libcall::create", "fn more() { crate::cont_new }"),
        ("view::contobj", "use crate::null;"),
        ("no_native", "use crate::FuncEnv;"),
    ] {
        let mut all = Crate::read(&folder);
        all.modules.get_mut(module).unwrap().push_str(more);
        assert!(all.circle().is_some_and(|circle| circle.contains(&module.to_string())), "{module}: {more}");
    }
}
