#!/usr/bin/env bash
# Builds tests for other processors and runs them under qemu-user, in target/TARGET. Arguments: names of processors (aarch64, s390x,
# riscv64), or nothing for aarch64 alone; macos checks the types of the crates for macOS. Before them --all for all tests rather
# than those that can differ by processor.
#
# Needs, and takes from Debian where it may: a C compiler that links for the target, and qemu 10 (bookworm-backports, unpacked
# aside). Needs the target's standard library, which rustup has. Says what it leaves out.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUST_BACKTRACE=0
. ci/versions.env

all=
if [ "${1-}" = --all ]; then
    all=1
    shift
fi
processors=("${@:-aarch64}")
tools=$PWD/target/targets
mkdir -p "$tools"

# Installs packages, if this is the administrator of a Debian.
install() {
    [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null &&
        { apt-get install -y --no-install-recommends "$@" || { apt-get update && apt-get install -y --no-install-recommends "$@"; }; } \
            > "$tools/apt.log" 2>&1
}

# qemu-user from backports, in a folder of its own: that of Debian 12 takes memory without end for mappings that are only reserved.
qemu() {
    local found
    for found in "$(command -v "qemu-$1" || true)" "$tools/qemu/usr/bin/qemu-$1"; do
        if [ -x "$found" ] && "$found" --version | grep -Eq 'version (1[0-9]|[2-9][0-9])\.'; then
            echo "$found"
            return
        fi
    done
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || return 1
    local apt=$tools/apt
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $qemu_suite main" \
        > "$apt/sources.list"
    local options=(-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$apt/lists"
        -o "Dir::Cache=$apt/cache")
    (cd "$apt" && apt-get "${options[@]}" update && apt-get "${options[@]}" download qemu-user &&
        dpkg -x qemu-user_*.deb "$tools/qemu") > "$tools/qemu.log" 2>&1 || return 1
    [ -x "$tools/qemu/usr/bin/qemu-$1" ] && echo "$tools/qemu/usr/bin/qemu-$1"
}

# Ends this user's emulators that take more than half of the memory, before they take the machine with them. A limit of the process
# would count what the tests only reserve.
watch() {
    local half=$(($(awk '/^MemTotal:/ { print $2 }' /proc/meminfo) / 2))
    while sleep 2; do
        { ps -C "$1" -o pid=,uid=,rss= || true; } | awk -v uid="$(id -u)" -v half="$half" '$2 == uid && $3 > half { print $1 }' |
            xargs --no-run-if-empty kill -KILL
    done
}

# In a shell of its own, whose end ends the watch.
run() (
    local processor=$1 target=$1-unknown-linux-gnu options=() emulator
    [ "$processor" = riscv64 ] && target=riscv64gc-unknown-linux-gnu && options=(-cpu rv64,v=true)
    local root=/usr/$processor-linux-gnu compiler=$processor-linux-gnu-gcc debian=${processor/aarch64/arm64}
    if ! command -v "$compiler" > /dev/null || [ ! -e "$root/lib/libc.so.6" ]; then
        install "gcc-$processor-linux-gnu" "libc6-dev-$debian-cross" || true
    fi
    if ! command -v "$compiler" > /dev/null; then
        echo "left out: $processor: no $compiler here (Debian: gcc-$processor-linux-gnu libc6-dev-$debian-cross)"
        return
    fi
    if ! emulator=$(qemu "$processor"); then
        echo "left out: $processor: no qemu-$processor 10 or later here (Debian: qemu-user of $qemu_suite; $tools/qemu.log)"
        return
    fi
    if [ ! -d "$(rustc --print target-libdir --target "$target")" ] && ! rustup target add "$target" > "$tools/rustup.log" 2>&1; then
        echo "left out: $processor: no standard library for $target here (rustup target add $target)"
        return
    fi
    local upper=${target^^}
    upper=${upper//-/_}
    export "CARGO_TARGET_${upper}_LINKER=$compiler" "CC_${target//-/_}=$compiler"
    export WASMFX_EMULATOR="$emulator ${options[*]} -L $root"
    export "CARGO_TARGET_${upper}_RUNNER=$WASMFX_EMULATOR"
    watch "$(basename "$emulator")" &
    trap "kill $! 2> /dev/null || true" EXIT
    echo "$processor, under $("$emulator" --version | head -n 1)"
    local cargo=(cargo test --locked --target "$target")
    if [ "$all" ]; then
        "${cargo[@]}" --no-fail-fast --package wasmfx --package wasmfx-runtime
        return
    fi
    "${cargo[@]}" --package wasmfx-runtime --lib
    "${cargo[@]}" --test frames --test detours --test host_resume --test host_suspend --test embed --test config
    "${cargo[@]}" --test attacks_host -- --skip a_million
    "${cargo[@]}" --test reclaim -- what_is what_something what_the
    # Each rule in optimized code: the native backend with all kinds of traps, libcall with one.
    "${cargo[@]}" --test wast -- native::speed
    "${cargo[@]}" --test wast -- libcall::speed::signals
    # 125 random programs on each backend.
    "${cargo[@]}" --test random -- 0-124
)

# Wasmtime itself needs a C library of macOS.
macos() {
    local target
    for target in aarch64-apple-darwin x86_64-apple-darwin; do
        rustup target add "$target" > "$tools/rustup.log" 2>&1 || { echo "left out: no standard library for $target here"; continue; }
        cargo check --locked --target "$target" --package wasmfx-runtime --package wasmfx-cranelift --features wasmfx-runtime/runtime
    done
}

for processor in "${processors[@]}"; do
    case $processor in
        aarch64 | s390x | riscv64) run "$processor" ;;
        macos) macos ;;
        *) echo "$0: $processor is none of aarch64, s390x, riscv64, macos" >&2; exit 2 ;;
    esac
done
