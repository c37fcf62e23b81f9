#!/usr/bin/env bash
# Runs tests under AddressSanitizer: the runtime's own, and those that reach it through the engine. Takes a build of
# its own, and is not part of what CI runs. Further arguments go to `cargo test` instead of the list below.
#
# rustc wants a nightly toolchain for this, or to be told that it is one.
set -euo pipefail
cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
runtime=$(rustc --print sysroot)/lib/rustlib/$host/lib
if ! ls "$runtime"/*rt.asan.a > /dev/null 2>&1; then
    echo "left out: this toolchain has no AddressSanitizer for $host"
    exit 0
fi
cargo xtask setup
# The heap is checked, and what is on stacks is not: a trap leaves Rust's frames without their returning, and compiled
# code switches stacks unannounced, both of which leave marks behind that later frames of Wasm run into.
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cllvm-args=-asan-stack=0" RUST_BACKTRACE=0
# With this sanitizer wasmtime-fiber takes stacks of its own: those of our pool serve the native backend alone.
# What is left on the stacks that a store drops would be reported as leaks, with what it points to.
export ASAN_OPTIONS="detect_stack_use_after_return=0:detect_leaks=0:${ASAN_OPTIONS:-}"
if [ $# -eq 0 ]; then
    cargo test --locked --target "$host" --target-dir target/asan --package wasmfx-runtime
    # Left out: stacks larger than what the sanitizer leaves of the address space.
    set -- --no-fail-fast --test random --test wast --test embed --test unwind --test hostcalls --test limits --test reuse \
        --test async_host --test attacks_adapters --test attacks_async --test attacks_chains --test attacks_components \
        --test attacks_exceptions --test attacks_reentry --test attacks_stores --test attacks_host --test host_resume \
        --test host_suspend --test reclaim --test heap --test detours -- --skip sizes_that_cannot_be
fi
cargo test --locked --target "$host" --target-dir target/asan --package wasmfx "$@"
