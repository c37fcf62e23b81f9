#!/usr/bin/env bash
# Builds and runs the embedder's project of docs/embedding.md with the table that xtask prints.
set -euo pipefail
cd "$(dirname "$0")/.."
project=examples/embedder
# The project's manifest ends in the table; it must be the one that xtask prints.
diff <(sed -n '/^\[patch.crates-io\]/,$p' $project/Cargo.toml) \
    <(cargo xtask patches table --relative-to $project) || {
    echo "error: the table in $project/Cargo.toml is out of date: paste what this prints:" >&2
    echo "  cargo xtask patches table --relative-to $project" >&2
    exit 1
}
output=$(cargo run --locked --quiet --manifest-path $project/Cargo.toml --target-dir target)
echo "$output"
[ "$output" = "1 2 3 4 5" ]
