#!/usr/bin/env bash
# Checks that every prefix of the series builds, from the second patch on. Minutes for each: not part of every
# CI run, but of every change to the series.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone --quiet . "$work/clone"
cd "$work/clone"
mapfile -t patches < <(ls patches/*.patch)
for ((n = ${#patches[@]}; n >= 2; n--)); do
    echo "== the first $n patches, up to ${patches[n - 1]}"
    cargo xtask setup --force
    cargo check --locked --package wasmtime-cli --target-dir "$work/target"
    rm "${patches[n - 1]}"
done
