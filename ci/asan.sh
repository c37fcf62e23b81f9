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
export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" RUST_BACKTRACE=0
# Locals must lie on the stack that runs: the libcall backend finds its end so. What is left on the stacks that a
# store drops, with what they point to, would be reported as leaks.
export ASAN_OPTIONS="detect_stack_use_after_return=0:detect_leaks=0:${ASAN_OPTIONS:-}"
if [ $# -eq 0 ]; then
    cargo test --locked --target "$host" --target-dir target/asan --package wasmfx-runtime
    set -- --test wast --test embed --test unwind --test limits --test reuse --test async_host --test random
fi
cargo test --locked --target "$host" --target-dir target/asan --package wasmfx "$@"
