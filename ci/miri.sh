#!/usr/bin/env bash
# Runs the runtime crate's unit tests under Miri where a toolchain has it. Miri knows neither guard pages nor switches
# of stacks: there stacks are wasmtime-fiber's stand-ins, which are threads.
set -euo pipefail
cd "$(dirname "$0")/.."
for toolchain in "" +nightly; do
    if cargo $toolchain miri --version > /dev/null 2>&1; then
        MIRIFLAGS="-Zmiri-permissive-provenance -Zmiri-disable-isolation" PROPTEST_CASES=4 \
            cargo $toolchain miri test --locked --target-dir target/miri --package wasmfx-runtime
        exit
    fi
done
echo "left out: no toolchain here has the component miri (rustup +nightly component add miri)"
