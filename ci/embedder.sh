#!/usr/bin/env bash
# Builds and runs the embedder's project of docs/embedding.md, with and without a compiler in it, and compares the
# `[patch]` tables that stand in files with what xtask prints.
set -euo pipefail
cd "$(dirname "$0")/.."
project=examples/embedder

# FILE FOLDER: the table in FILE, up to the first empty line or fence, is the one for FOLDER.
same_table() {
    diff <(sed -n '/^\[patch.crates-io\]/,/^$\|^```/p' "$1" | grep .. | grep -v '^```') \
        <(cargo xtask patches table --relative-to "$2") || {
        echo "error: the table in $1 is out of date: paste what this prints:" >&2
        echo "  cargo xtask patches table --relative-to $2" >&2
        exit 1
    }
}
same_table Cargo.toml .
same_table $project/Cargo.toml $project
same_table docs/embedding.md $project

# If the table is missing, or the lock file has another version, cargo stops and says why. The advice for the latter helps, also with
# other crates of Wasmtime.
alone=$(mktemp -d)
trap 'rm -rf "$alone"' EXIT
mkdir "$alone/src"
echo 'fn main() {}' > "$alone/src/main.rs"

# manifest VERSION FEATURE: an embedder without a table.
manifest() {
    cat << END
[package]
name = "alone"
version = "0.0.0"
edition = "2024"
[workspace]
[dependencies]
wasmtime = { version = "$1", features = ["$2"] }
wasmtime-wasi = "$1"
END
}

# stops WHAT: cargo does.
stops() {
    if cargo metadata --format-version 1 --manifest-path "$alone/Cargo.toml" > /dev/null 2> "$alone/said"; then
        echo "error: an embedder is built with Wasmtime as published if $1" >&2
        exit 1
    fi
    grep 'with feature `patched-by-wasmfx` but `wasmtime` does not have that feature' "$alone/said" ||
        { cat "$alone/said" >&2; exit 1; }
}
manifest 48 patched-by-wasmfx > "$alone/Cargo.toml"
stops "the table is missing"
manifest =48.0.0 stack-switching > "$alone/Cargo.toml"
cargo generate-lockfile --quiet --manifest-path "$alone/Cargo.toml"
{ manifest 48 patched-by-wasmfx && echo && cargo xtask patches table 2> /dev/null; } > "$alone/Cargo.toml"
stops "its lock file has another version"
cargo update --quiet --manifest-path "$alone/Cargo.toml" wasmtime wasmtime-wasi
grep -A 2 '^name = "wasmtime"$' "$alone/Cargo.lock" | grep -q '^source' &&
    { echo "error: the lock file still has Wasmtime as published" >&2; exit 1; }

# embedder OPTION... -- ARGUMENT...: builds the project with cargo's options, and runs it.
embedder() {
    cargo run --locked --quiet --manifest-path $project/Cargo.toml --target-dir target "$@"
}

# same COMMAND...: the program prints the numbers.
same() {
    local output
    output=$("$@")
    echo "$output"
    [ "$output" = "1 2 3 4 5" ]
}
same embedder
compiled=$alone/compiled
embedder -- compile "$compiled"
# The same without a compiler in the program, driven by the host.
same embedder --no-default-features -- run "$compiled"
