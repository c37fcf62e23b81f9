//! The hash of this crate's sources, which is part of the runtime's fingerprint.
//!
//! The translation decides what the code of all modules has to agree on, for example where a payload is. After a change of code
//! in one of the files below, this crate does not compile until [`TRANSLATION`] in the runtime's `abi/fingerprint.rs` is the
//! value that the error message names. Lines that are comments do not count.

use wasmfx_runtime::abi::{TRANSLATION, fingerprint_of_sources, with_fingerprint};

/// Every file whose code influences the emitted code.
const SOURCES: &[(&str, &[u8])] = &[
    ("backend.rs", include_bytes!("backend.rs")),
    ("barrier.rs", include_bytes!("barrier.rs")),
    ("dispatch.rs", include_bytes!("dispatch.rs")),
    ("env.rs", include_bytes!("env.rs")),
    ("frame.rs", include_bytes!("frame.rs")),
    ("function.rs", include_bytes!("function.rs")),
    ("heap.rs", include_bytes!("heap.rs")),
    ("lib.rs", include_bytes!("lib.rs")),
    ("libcall/create.rs", include_bytes!("libcall/create.rs")),
    ("libcall/mod.rs", include_bytes!("libcall/mod.rs")),
    ("libcall/resume.rs", include_bytes!("libcall/resume.rs")),
    ("libcall/suspend.rs", include_bytes!("libcall/suspend.rs")),
    ("libcall/switch.rs", include_bytes!("libcall/switch.rs")),
    ("native/create.rs", include_bytes!("native/create.rs")),
    ("native/current.rs", include_bytes!("native/current.rs")),
    ("native/engine.rs", include_bytes!("native/engine.rs")),
    ("native/entry.rs", include_bytes!("native/entry.rs")),
    ("native/mod.rs", include_bytes!("native/mod.rs")),
    ("native/resume.rs", include_bytes!("native/resume.rs")),
    ("native/search.rs", include_bytes!("native/search.rs")),
    ("native/start.rs", include_bytes!("native/start.rs")),
    ("native/suspend.rs", include_bytes!("native/suspend.rs")),
    ("native/switch.rs", include_bytes!("native/switch.rs")),
    ("operands.rs", include_bytes!("operands.rs")),
    ("usable.rs", include_bytes!("usable.rs")),
    ("view/context.rs", include_bytes!("view/context.rs")),
    ("view/contobj.rs", include_bytes!("view/contobj.rs")),
    ("view/contref.rs", include_bytes!("view/contref.rs")),
    ("view/frame.rs", include_bytes!("view/frame.rs")),
    ("view/mod.rs", include_bytes!("view/mod.rs")),
    ("view/native/context.rs", include_bytes!("view/native/context.rs")),
    ("view/native/contref.rs", include_bytes!("view/native/contref.rs")),
    ("view/native/control.rs", include_bytes!("view/native/control.rs")),
    ("view/native/frame.rs", include_bytes!("view/native/frame.rs")),
    ("view/native/handler_cache.rs", include_bytes!("view/native/handler_cache.rs")),
    ("view/native/mod.rs", include_bytes!("view/native/mod.rs")),
    ("view/native/payload.rs", include_bytes!("view/native/payload.rs")),
    ("view/native/stack_header.rs", include_bytes!("view/native/stack_header.rs")),
    ("view/native/switch_result.rs", include_bytes!("view/native/switch_result.rs")),
    ("view/object.rs", include_bytes!("view/object.rs")),
    ("view/payload.rs", include_bytes!("view/payload.rs")),
    ("view/switch_result.rs", include_bytes!("view/switch_result.rs")),
];

const HASH: u64 = fingerprint_of_sources(0, SOURCES);
const PREFIX: &str = "`TRANSLATION` in wasmfx-runtime/src/abi/fingerprint.rs should be 0x";
const MESSAGE: [u8; PREFIX.len() + 16] = with_fingerprint(PREFIX, HASH);

const _: () = {
    if HASH != TRANSLATION {
        match core::str::from_utf8(&MESSAGE) {
            Ok(message) => panic!("{}", message),
            Err(_) => unreachable!(),
        }
    }
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Each listed file counts. All files of the crate are listed except this one, `no_native.rs`, which emits
    /// no code, and `reach.rs`: no function has to know how another one returns.
    #[test]
    fn each_source_counts() {
        for (i, (name, text)) in SOURCES.iter().enumerate() {
            let other = [text, b"\nfn more() {}".as_slice()].concat();
            let mut sources = SOURCES.to_vec();
            sources[i].1 = &other;
            assert_ne!(fingerprint_of_sources(0, &sources), HASH, "{name}");
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                let listed = SOURCES.iter().any(|(listed, _)| *listed == name);
                let exempt = name.starts_with("tests/")
                    || ["fingerprint.rs", "no_native.rs", "reach.rs"].contains(&name.as_str());
                assert!(listed != exempt, "{name}");
            }
        }
    }
}
