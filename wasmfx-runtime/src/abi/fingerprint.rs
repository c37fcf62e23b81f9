//! The hash that tells compiled code of different builds apart.
//!
//! Code of one build must not run with code, or with a runtime, of another build that differs in what they share. Two sets of
//! files decide what they share: files of this crate (`SOURCES`), and the files of `wasmfx-cranelift` ([`TRANSLATION`]). Both
//! decide, for example, where the payload is that code of one module sends and code of another takes. So the fingerprint is a
//! hash of these files. Lines that are comments do not count.
//!
//! A file of this crate is in `SOURCES` if it lays out or interprets memory that compiled code writes or reads, or gives a
//! meaning to the arguments or the result of a builtin. The test `each_source_counts` has a list of all other files, with reasons.

/// The hash of the sources of `wasmfx-cranelift`. That crate does not compile if this constant differs from the hash of its
/// sources; the error says what the constant should be. The constant is in this crate because a runtime without a compiler needs
/// it too.
pub const TRANSLATION: u64 = 0xbadc2898ce71dc45;

/// The files of this crate that compiled code depends on, for whatever target and backend.
const SOURCES: &[(&str, &[u8])] = &[
    ("abi/mod.rs", include_bytes!("mod.rs")),
    ("abi/context.rs", include_bytes!("context.rs")),
    ("abi/contref.rs", include_bytes!("contref.rs")),
    ("abi/fingerprint.rs", include_bytes!("fingerprint.rs")),
    ("abi/frame.rs", include_bytes!("frame.rs")),
    ("abi/heap.rs", include_bytes!("heap.rs")),
    ("abi/isa.rs", include_bytes!("isa.rs")),
    ("abi/offsets.rs", include_bytes!("offsets.rs")),
    ("abi/outcome.rs", include_bytes!("outcome.rs")),
    ("abi/stack.rs", include_bytes!("stack.rs")),
    // How stacks are entered and left, and whose registers a switch finds.
    ("arch/aarch64.rs", include_bytes!("../arch/aarch64.rs")),
    ("arch/x86_64.rs", include_bytes!("../arch/x86_64.rs")),
    ("native.rs", include_bytes!("../native.rs")),
    ("hostcall.rs", include_bytes!("../hostcall.rs")),
    ("walk.rs", include_bytes!("../walk.rs")),
    // The builtins of the libcall backend.
    ("libcall.rs", include_bytes!("../libcall.rs")),
    ("heap.rs", include_bytes!("../heap.rs")),
    // What the host does in the place of a `resume`.
    ("resume.rs", include_bytes!("../resume.rs")),
    // What a function of the host does in the place of a `suspend`.
    ("suspend.rs", include_bytes!("../suspend.rs")),
    // What a continuation is when compiled code gets it from the runtime, and what the runtime expects of it afterwards.
    ("cont.rs", include_bytes!("../cont.rs")),
    ("store/mod.rs", include_bytes!("../store/mod.rs")),
    // The idle stacks on the store's list, and the header of each.
    ("store/stacks.rs", include_bytes!("../store/stacks.rs")),
    ("stack/portable.rs", include_bytes!("../stack/portable.rs")),
    ("stack/unix.rs", include_bytes!("../stack/unix.rs")),
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

    /// The files that no code of another build depends on, each with the reason.
    const EXEMPT: &[(&str, &str)] = &[
        ("alloc.rs", "the callers decide what is in the memory"),
        ("arch/detour.rs", "between the assembly and the runtime, which are of one build"),
        ("arch/entry.rs", "between the assembly and the runtime, which are of one build"),
        ("arch/mod.rs", "chooses a file"),
        ("arch/none.rs", "does nothing that code of the libcall backend, which is alone there, could see"),
        ("check.rs", "only asserts what other files decide"),
        ("error.rs", "the embedder alone sees errors"),
        ("fiber.rs", "what frames of the runtime tell each other"),
        ("host.rs", "between the runtime and the engine, which are of one build"),
        ("lib.rs", "only declares the other files"),
        ("limits.rs", "the runtime's own limits: those that compiled code relies on are in `abi/`"),
        ("pool/config.rs", "the embedder's choices"),
        ("pool/index.rs", "numbers of stacks"),
        (
            "pool/mod.rs",
            "which store has which stack; compiled code learns from the store's context how large they are",
        ),
        ("pool/tests.rs", "a test"),
        ("stack/guards.rs", "the embedder's choice"),
        ("stack/mod.rs", "where stacks are in memory"),
        ("search.rs", "whatever it finds, a continuation that it ends is as if it was consumed"),
        ("store/arena.rs", "where continuations are in memory"),
        ("roots.rs", "writes `control` only, as the files in `arch/` expect it, which is of the same build"),
        ("store/statistics.rs", "only counts"),
        ("store/tests.rs", "a test"),
    ];

    /// A change in any listed file changes the fingerprint. Every file of the crate is either listed or exempt.
    #[test]
    fn each_source_counts() {
        let all = fingerprint_of_sources(0, SOURCES);
        for (i, (name, text)) in SOURCES.iter().enumerate() {
            let other = [text, b"\nfn more() {}".as_slice()].concat();
            let mut sources = SOURCES.to_vec();
            sources[i].1 = &other;
            assert_ne!(fingerprint_of_sources(0, &sources), all, "{name}");
        }
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut folders, mut files) = (vec![root.clone()], 0);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("the sources are there") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&root).expect("below it").to_str().expect("a name");
                let name = name.replace('\\', "/");
                let listed = SOURCES.iter().filter(|(listed, _)| *listed == name).count();
                let exempt = EXEMPT.iter().filter(|(exempt, _)| *exempt == name).count();
                assert_eq!(listed + exempt, 1, "{name} is to be in `SOURCES` or in `EXEMPT`");
                files += 1;
            }
        }
        assert_eq!(files, SOURCES.len() + EXEMPT.len(), "each of these is a file");
    }
}
