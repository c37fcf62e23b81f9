#!/usr/bin/env bash
# What CI runs. Each step can be run by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUST_BACKTRACE=0

step() {
    echo
    echo "== $*"
    "$@"
}

# Lays out and patches Wasmtime first: the root workspace cannot load without it.
step cargo xtask patches check
step cargo fmt --check --package wasmfx --package wasmfx-runtime --package wasmfx-cranelift
step cargo fmt --check --manifest-path xtask/Cargo.toml
# The README's test command.
step cargo xtask test
step cargo clippy --locked --package wasmfx --package wasmfx-runtime --package wasmfx-cranelift \
    --all-targets -- --deny warnings
step cargo clippy --locked --manifest-path xtask/Cargo.toml --all-targets -- --deny warnings
# The layout alone is what a compiler needs: no dependencies, no standard library.
step cargo check --locked --package wasmfx-runtime --no-default-features
step cargo build --locked --package wasmfx-runtime
step bash ci/embedder.sh
