#!/usr/bin/env bash
# What CI runs. Each step can be run by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUST_BACKTRACE=0
# Each crate is built once here, and nobody looks at those of other workspaces in a debugger: less to write, and much less disk.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0

free() {
    df -Pk . | awk 'END { print int($4 / 1024 / 1024) }'
}

step() {
    echo
    echo "== $*"
    local begin=$SECONDS
    "$@"
    echo "-- $((SECONDS - begin)) s; $(free) GiB of disk left"
}

# Where the disk is nearly full, what no later step uses goes.
make_room() {
    if [ "$(free)" -lt 12 ]; then
        echo "-- removing $*: the disk is nearly full"
        rm -rf "$@"
    fi
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
step cargo test --locked --package wasmfx --features call-hook,debug --test hooks --test debugger
# The layout alone is what a compiler needs: no dependencies, no standard library.
step cargo check --locked --package wasmfx-runtime --no-default-features
step cargo build --locked --package wasmfx-runtime
# The stacks of systems other than Unix.
step env RUSTFLAGS="--cfg wasmfx_portable" cargo test --locked --package wasmfx-runtime --target-dir target/portable
rm -r target/portable
step bash ci/miri.sh
step bash ci/kotlin.sh
step bash ci/c-api.sh
make_room target/debug target/release
step bash ci/embedder.sh
make_room target/debug target/release target/kotlin target/c-programs
step bash ci/targets.sh
