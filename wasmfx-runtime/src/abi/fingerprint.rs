//! The hash that tells compiled code of different builds apart.
//!
//! Code of one build must not run with code, or with a runtime, of another build that differs in what they share. Two sets of
//! files decide what they share: files of this crate (`SOURCES`), and the files of `wasmfx-cranelift` ([`TRANSLATION`]). Both
//! decide, for example, where the payload is that code of one module sends and code of another takes. So the fingerprint is a
//! hash of these files. Lines that are comments do not count.

/// The hash of the sources of `wasmfx-cranelift`. That crate does not compile if this constant differs from the hash of its
/// sources; the error says what the constant should be. The constant is in this crate because a runtime without a compiler needs
/// it too.
pub const TRANSLATION: u64 = 0x8c903ea2b8c63de5;

/// The files of this crate that compiled code depends on.
const SOURCES: &[(&str, &[u8])] = &[
    ("abi/mod.rs", include_bytes!("mod.rs")),
    ("abi/context.rs", include_bytes!("context.rs")),
    ("abi/contref.rs", include_bytes!("contref.rs")),
    ("abi/fingerprint.rs", include_bytes!("fingerprint.rs")),
    ("abi/frame.rs", include_bytes!("frame.rs")),
    ("abi/offsets.rs", include_bytes!("offsets.rs")),
    ("abi/outcome.rs", include_bytes!("outcome.rs")),
    ("abi/stack.rs", include_bytes!("stack.rs")),
    ("native.rs", include_bytes!("../native.rs")),
    ("arch/x86_64.rs", include_bytes!("../arch/x86_64.rs")),
];

/// A hash of everything that compiled code shares with this crate and with code of other modules. Code that was compiled by a
/// build with another fingerprint must not run.
pub const FINGERPRINT: u64 =
    fingerprint(fingerprint_of_sources(0, SOURCES), env!("CARGO_PKG_VERSION").as_bytes());

/// A hash of the names and the code of `files`, in order, seeded with another hash.
pub const fn fingerprint_of_sources(seed: u64, files: &[(&str, &[u8])]) -> u64 {
    let mut hash = seed;
    let mut i = 0;
    while i < files.len() {
        hash = fingerprint(hash, files[i].0.as_bytes());
        hash = fingerprint_of_code(hash, files[i].1);
        i += 1;
    }
    hash
}

/// A hash of `text` without indentation and without the lines that are comments, seeded with another hash.
const fn fingerprint_of_code(seed: u64, text: &[u8]) -> u64 {
    let mut hash = fingerprint(seed, &[]);
    let mut start = 0;
    while start < text.len() {
        let mut end = start;
        while end < text.len() && text[end] != b'\n' {
            end += 1;
        }
        let mut first = start;
        while first < end && text[first] == b' ' {
            first += 1;
        }
        let comment = first + 1 < end && text[first] == b'/' && text[first + 1] == b'/';
        if !comment {
            let mut i = first;
            while i < end {
                hash = mix(hash, text[i]);
                i += 1;
            }
            hash = mix(hash, b'\n');
        }
        start = end + 1;
    }
    hash
}

/// The [`fingerprint`] of the last text, where that of each text is the seed for the next.
pub const fn fingerprints(seed: u64, texts: &[&[u8]]) -> u64 {
    let mut hash = seed;
    let mut i = 0;
    while i < texts.len() {
        hash = fingerprint(hash, texts[i]);
        i += 1;
    }
    hash
}

/// A hash of `text`, seeded with another hash (64-bit FNV-1a). It protects against mix-ups, not against malice.
pub const fn fingerprint(seed: u64, text: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed;
    let mut i = 0;
    while i < text.len() {
        hash = mix(hash, text[i]);
        i += 1;
    }
    hash
}

const fn mix(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3)
}

/// `prefix`, followed by `fingerprint` in 16 hexadecimal digits. `N` must be the length of both together.
pub const fn with_fingerprint<const N: usize>(prefix: &str, fingerprint: u64) -> [u8; N] {
    let mut text = [0; N];
    let (start, digits) = text.split_at_mut(prefix.len());
    start.copy_from_slice(prefix.as_bytes());
    let mut i = 0;
    while i < 16 {
        digits[i] = b"0123456789abcdef"[(fingerprint >> (60 - 4 * i)) as usize & 15];
        i += 1;
    }
    text
}

#[cfg(all(test, feature = "runtime"))]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_tell_texts_and_seeds_apart() {
        let all =
            [fingerprint(0, b"one"), fingerprint(0, b"two"), fingerprint(1, b"one"), fingerprint(0, b"")];
        for (i, one) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| one != other));
        }
        assert_eq!(&with_fingerprint::<19>("48-", 0x0123_4567_89ab_cdef), b"48-0123456789abcdef");
    }

    #[test]
    fn code_counts_and_comments_do_not() {
        let of = |text: &str| fingerprint_of_code(0, text.as_bytes());
        assert_eq!(of("a\n// b\n    /// c\nd\n"), of("  a\nd"));
        assert_ne!(of("a\nd"), of("a\ne"));
        assert_ne!(of("a\nd"), of("ad"));
        assert_ne!(of("a / b"), of("a"));
    }

    /// A change in any listed file changes the fingerprint, and every file in `abi/` is listed.
    #[test]
    fn each_source_counts() {
        let all = fingerprint_of_sources(0, SOURCES);
        for (i, (name, text)) in SOURCES.iter().enumerate() {
            let other = [text, b"\nfn more() {}".as_slice()].concat();
            let mut sources = SOURCES.to_vec();
            sources[i].1 = &other;
            assert_ne!(fingerprint_of_sources(0, &sources), all, "{name}");
        }
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/abi");
        for entry in std::fs::read_dir(folder).expect("the sources are there") {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            let listed = SOURCES.iter().any(|(listed, _)| *listed == format!("abi/{name}"));
            assert!(listed, "{name} is not in `SOURCES`");
        }
    }
}
