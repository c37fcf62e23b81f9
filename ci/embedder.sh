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
compiled=$(mktemp)
trap 'rm -f "$compiled"' EXIT
embedder -- compile "$compiled"
# The same without a compiler in the program, driven by the host.
same embedder --no-default-features -- run "$compiled"
