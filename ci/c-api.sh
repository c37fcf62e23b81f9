#!/usr/bin/env bash
# Builds the C API, compiles examples/c against it, and runs that under AddressSanitizer on each backend. Without a C compiler, or
# if there is no cmake and PyPI has none for us, it says so, and ends well.
#
# Upstream's own tests of the C API are not published with the crate: they are in its repository only, and need GoogleTest from
# GitHub. examples/c/tests/values.c tests what stack switching touches there.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUST_BACKTRACE=0

cmake=3.31.6
target=${CARGO_TARGET_DIR:-target}
out=$target/c-api-dev
tools=$target/c-api-tools
cc=${CC:-cc}
cxx=${CXX:-c++}

left_out() {
    echo "left out: the C API, for $1"
    exit 0
}

command -v "$cc" > /dev/null || left_out "there is no C compiler here"
if ! command -v cmake > /dev/null; then
    if [ ! -x "$tools/bin/cmake" ]; then
        command -v python3 > /dev/null || left_out "there is neither cmake nor python3 here"
        mkdir -p "$tools"
        { python3 -m venv "$tools" && "$tools/bin/pip" install --quiet --disable-pip-version-check "cmake==$cmake"; } \
            > "$tools/log" 2>&1 || left_out "there is no cmake here, and pip cannot install cmake $cmake (see $tools/log)"
    fi
    PATH=$(cd "$tools/bin" && pwd):$PATH
fi

cargo xtask c-api --dev
# No features: also Wasmtime itself without a garbage collector.
cargo check --locked --package wasmtime-c-api-impl
mkdir -p "$out/bin"

flags=(-std=c11 -Wall -Wextra -Werror -g "-I$out/include")
# Each header stands alone, in both languages.
for header in wasmtime.h wasmtime/{cont,suspend,stack_switching,val}.h wasmtime/types/{cont,val}.h; do
    echo "#include <$header>" | "$cc" "${flags[@]}" -fsyntax-only -x c -
    if command -v "$cxx" > /dev/null; then
        echo "#include <$header>" | "$cxx" -std=c++17 -Wall -Wextra -Werror -fsyntax-only -x c++ "-I$out/include" -
    fi
done
if command -v "$cxx" > /dev/null; then
    echo "#include <wasmtime.hh>" | "$cxx" -std=c++17 -Wall -fsyntax-only -x c++ "-I$out/include" -
fi

# What this system has of the sanitizers.
sanitize=(-fsanitize=address,undefined -fno-sanitize-recover=undefined)
echo 'int main(void) { return 0; }' > "$out/bin/probe.c"
if ! "$cc" "${sanitize[@]}" "$out/bin/probe.c" -o "$out/bin/probe" 2> /dev/null; then
    echo "without AddressSanitizer, which $cc does not have"
    sanitize=()
elif ! "$out/bin/probe" 2> /dev/null; then
    echo "without a search for leaks, which does not work here"
    export ASAN_OPTIONS=detect_leaks=0
fi

backends=(libcall)
case $(uname -sm) in
    'Linux x86_64' | 'Linux aarch64' | 'Darwin x86_64' | 'Darwin arm64') backends=(libcall native) ;;
esac
libraries=(-lpthread -ldl -lm)
[ "$(uname -s)" != Darwin ] || libraries=(-framework CoreFoundation)

# run PROGRAM EXPECTED: on each backend.
run() {
    for backend in "${backends[@]}"; do
        # The library's panics go to a file: some tests cause them on purpose.
        if ! "$1" "$backend" > "$1.$backend" 2> "$1.err"; then
            echo "error: $1 $backend failed:" >&2
            cat "$1.$backend" "$1.err" >&2
            exit 1
        fi
        diff -u "$2" "$1.$backend"
    done
    echo "$(basename "$1"): as expected on ${backends[*]}"
}

for source in examples/c/*.c examples/c/tests/*.c; do
    name=$(basename "$source" .c)
    "$cc" "${flags[@]}" "${sanitize[@]}" "$source" "$out/lib/libwasmtime.a" "${libraries[@]}" -o "$out/bin/$name"
    expected=${source%.c}.out
    if [ ! -f "$expected" ]; then
        expected=$out/bin/$name.expected
        echo "$name: ok" > "$expected"
    fi
    run "$out/bin/$name" "$expected"
done

# The program of the documentation.
sed -n '/^```c$/,/^```$/{/^```/!p}' docs/c-api.md > "$out/bin/documented.c"
"$cc" "${flags[@]}" -Wno-unused-parameter "${sanitize[@]}" "$out/bin/documented.c" "$out/lib/libwasmtime.a" "${libraries[@]}" -o "$out/bin/documented"
diff -u <(printf '%s\n' 0 1 2) <("$out/bin/documented")

# The shared library, as docs/c-api.md says.
"$cc" "${flags[@]}" examples/c/generator.c "-L$out/lib" -lwasmtime "-Wl,-rpath,$(cd "$out/lib" && pwd)" -o "$out/bin/shared"
run "$out/bin/shared" examples/c/generator.out
