//! How much code a form of a program has.

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSymbol, SymbolKind};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use wasmparser::{Parser, Payload};

/// Bytes of code.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Code {
    /// The code section of the module. Names are not in it.
    pub wasm: u64,
    /// The machine code of all functions, with those that the compiler adds to those of the module.
    pub machine: u64,
}

impl Code {
    /// Of a module, and of what `wasmtime compile` has made of it.
    pub fn of(module: &Path, compiled: &Path) -> Result<Code> {
        let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let wasm = wasm(&read(module)?).with_context(|| format!("{} is not a module", module.display()))?;
        let machine = machine(&read(compiled)?)
            .with_context(|| format!("{} is not a compiled module", compiled.display()))?;
        Ok(Code { wasm, machine })
    }
}

fn wasm(module: &[u8]) -> Result<u64> {
    let mut bytes = 0;
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CodeSectionStart { range, .. } = payload? {
            bytes = range.len() as u64;
        }
    }
    ensure!(bytes > 0, "it has no code");
    Ok(bytes)
}

/// The symbols have the sizes. The section of code itself is filled up to whole pages.
fn machine(compiled: &[u8]) -> Result<u64> {
    let file = object::File::parse(compiled)?;
    let functions = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
    let bytes = functions.map(|function| function.size()).sum();
    ensure!(bytes > 0, "it has no functions");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_sections() {
        // A function without parameters, whose body of 2 bytes is empty: the section has their count, its length, and itself.
        let module = b"\0asm\x01\0\0\0\
            \x01\x04\x01\x60\0\0\
            \x03\x02\x01\0\
            \x0a\x04\x01\x02\0\x0b\
            \0\x0a\x04name\0\x03\x02ab";
        assert_eq!(wasm(module).unwrap(), 4);
        assert!(wasm(&module[..8]).unwrap_err().to_string().contains("no code"));
        assert!(wasm(b"text").is_err());
    }

    #[test]
    fn machine_code() {
        // This program is one.
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        if own.starts_with(b"\x7fELF") {
            let bytes = machine(&own).unwrap();
            assert!(bytes > 1000 && bytes < own.len() as u64, "{bytes}");
        }
        assert!(machine(b"text").is_err());
    }
}
