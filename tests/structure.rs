//! No file of the two crates imports, directly or by a chain, a file that imports it.
//!
//! What counts is `use` and paths in code that begin with `crate`, `self`, `super` or a module that the file declares. Comments and
//! tests do not count, nor does `mod`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The files of a crate, by module path: `""` is the root.
struct Crate {
    modules: BTreeMap<String, String>,
}

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
        Crate { modules: modules.filter(|(name, _)| !name.ends_with("tests")).collect() }
    }

    /// The modules that each imports, itself excepted.
    fn imports(&self) -> BTreeMap<&str, BTreeSet<String>> {
        let imports = self.modules.iter().map(|(module, text)| {
            let code = code(text);
            let mut imports = BTreeSet::new();
            let parent = |module: &str| module.rsplit_once("::").map_or("", |(parent, _)| parent).to_string();
            let aliases = aliases(&code);
            for path in paths(&code) {
                let mut parts = path.split("::");
                let mut at = match parts.next().unwrap() {
                    "crate" => vec![String::new()],
                    "self" => vec![module.clone()],
                    "super" => vec![parent(module)],
                    first => match aliases.get(first) {
                        Some(files) => files.iter().map(|file| join(module, file)).collect(),
                        None => vec![join(module, first)],
                    },
                };
                for part in parts {
                    let deeper = |at: &String| if part == "super" { parent(at) } else { join(at, part) };
                    let next: Vec<_> = at.iter().map(deeper).collect();
                    if next.iter().any(|name| !self.modules.contains_key(name)) {
                        break;
                    }
                    at = next;
                }
                imports
                    .extend(at.into_iter().filter(|name| name != module && self.modules.contains_key(name)));
            }
            (module.as_str(), imports)
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

fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_string() } else { format!("{module}::{name}") }
}

/// The text without comments, without strings' contents where these matter, and without what is there for tests.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = lines.collect::<Vec<_>>().join("\n");
    // An inline test module is the last thing in its file.
    code.split("\nmod tests {").next().unwrap_or_default().to_string()
}

/// Modules whose files have other names: `#[path = "file.rs"] mod name;`, which may be there for several targets.
fn aliases(code: &str) -> BTreeMap<String, Vec<String>> {
    let mut aliases = BTreeMap::<_, Vec<_>>::new();
    for part in code.split("#[path = \"").skip(1) {
        let (file, rest) = part.split_once(".rs\"]").unwrap();
        let name = rest.trim_start().trim_start_matches("pub(crate) ").trim_start_matches("mod ");
        let name = name.split(';').next().unwrap().to_string();
        aliases.entry(name).or_default().push(file.to_string());
    }
    aliases
}

/// The paths in `use` statements, one for each name, and those that stand in code.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = String::new();
    let mut statements = code.split_inclusive(';');
    for statement in &mut statements {
        match statement.rfind("use ").filter(|at| is_use(&statement[..*at])) {
            Some(at) => expand("", statement[at + 4..].trim_end_matches(';'), &mut found),
            None => rest.push_str(statement),
        }
    }
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for token in rest.split(|c: char| !word(c)) {
        if ["crate::", "self::", "super::"].iter().any(|start| token.starts_with(start)) {
            found.push(token.to_string());
        }
    }
    found
}

/// Whether what stands before `use ` is the beginning of a statement.
fn is_use(before: &str) -> bool {
    let last = before.lines().last().unwrap_or_default().trim();
    last.is_empty() || last.starts_with("pub")
}

/// `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let tree: String = tree.split_whitespace().collect::<Vec<_>>().join(" ");
    match tree.split_once('{') {
        None => found.push(format!("{prefix}{}", tree.split(" as ").next().unwrap_or_default().trim())),
        Some((start, group)) => {
            let group = &group[..group.rfind('}').unwrap_or(group.len())];
            let (mut depth, mut from) = (0, 0);
            for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        let item = group[from..at].trim();
                        if !item.is_empty() {
                            expand(&format!("{prefix}{}", start.trim()), item, found);
                        }
                        from = at + 1;
                    }
                    _ => {}
                }
            }
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
    assert_eq!(circle("use crate::b::B;", "struct B;"), None);
    assert_eq!(circle("use crate::{b::{self, B}};", "use super::a::A;"), Some(vec!["a".into(), "b".into()]));
    assert_eq!(
        circle("fn f() { crate::b::g() }", "pub(crate) use super::a::f;"),
        Some(vec!["a".into(), "b".into()])
    );
    // By way of what the root exports.
    assert_eq!(circle("struct A;\nuse crate::b::B;", "use crate::A;").map(|all| all.len()), Some(3));
    assert_eq!(circle("/// [`crate::b::B`]\nstruct A;", "use crate::a::A;"), None);
    let path = ("", "#[path = \"unix.rs\"]\nmod imp;\nuse imp::X;\nstruct Y;");
    assert!(all(&[path, ("unix", "use super::Y;")]).circle().is_some());
}
