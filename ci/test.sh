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
for own in xtask benches/unpatched examples/embedder; do
    step cargo fmt --check --manifest-path $own/Cargo.toml
done
# What one of the tests runs.
step cargo xtask c-programs --if-possible
# The README's test command.
step cargo xtask test
# The tests have built the release CLI that this counts.
step cargo xtask instructions --if-possible
step cargo clippy --locked --package wasmfx --package wasmfx-runtime --package wasmfx-cranelift \
    --all-targets -- --deny warnings
step cargo clippy --locked --manifest-path xtask/Cargo.toml --all-targets -- --deny warnings
# Without the native backend everything is there but that; a compiler alone needs no runtime.
step cargo check --locked --package wasmfx-cranelift --no-default-features
step cargo test --locked --package wasmfx --no-default-features --test config --test wast
step cargo check --locked --package wasmtime-cli --no-default-features --features compile,cranelift
step cargo test --locked --package wasmfx --features call-hook --test hooks
# The layout alone is what a compiler needs: no dependencies, no standard library.
step cargo check --locked --package wasmfx-runtime --no-default-features
step cargo build --locked --package wasmfx-runtime
# The stacks of systems other than Unix.
step env RUSTFLAGS="--cfg wasmfx_portable" cargo test --locked --package wasmfx-runtime --target-dir target/portable
step bash ci/miri.sh
step bash ci/kotlin.sh
step bash ci/c-api.sh
step bash ci/embedder.sh
step bash ci/targets.sh
