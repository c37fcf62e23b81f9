#!/usr/bin/env bash
# Compiles the programs of tests/kotlin both with coroutines as state machines and with stack switching, runs both, and compares
# what they print. Without npm, node, a JDK or a network it says so and leaves them out.
#
#   ci/kotlin.sh [PROGRAM...]               runs these programs, or all of them
#   ci/kotlin.sh --build-only [PROGRAM...]  only compiles them, and also makes versions that wasm-opt has optimized
#
# The modules are target/kotlin/PROGRAM/{state-machine,stack-switching}{,.opt}.wasm. From the environment: WASMTIME is the
# wasmtime that runs them, FLAGS are more options for it, SIZE is the argument of each program (small, large or a number).
set -euo pipefail
cd "$(dirname "$0")/.."
export RUST_BACKTRACE=0

# shellcheck source=versions.env
source ci/versions.env
target=${CARGO_TARGET_DIR:-target}
out=$target/kotlin
npm=$out/npm
lib=$npm/node_modules/kotlin-compiler/lib
size=${SIZE:-small}
read -r -a flags <<< "${FLAGS:-}"

build_only=
if [ "${1:-}" = --build-only ]; then
    build_only=1
    shift
fi
if [ $# -eq 0 ]; then
    # shellcheck disable=SC2046 # no names with spaces
    set -- $(cd tests/kotlin && ls -- *.kt)
fi
programs=("${@%.kt}")
for program in "${programs[@]}"; do
    if [ ! -f "tests/kotlin/$program.kt" ]; then
        echo "error: there is no tests/kotlin/$program.kt" >&2
        exit 1
    fi
done

left_out() {
    echo "left out: the Kotlin programs, for $1"
    exit 0
}

for tool in npm node java; do
    command -v $tool > /dev/null || left_out "there is no $tool here"
done
# A Java runtime alone cannot run support/Compile.java.
java --list-modules 2> /dev/null | grep '^jdk.compiler' > /dev/null || left_out "this java has no compiler (a JDK from 11 on has)"

# The file says which versions are there: npm takes seconds to find that out. The standard library is a part of the package.
mkdir -p "$npm"
if [ "$(cat "$npm/versions" 2> /dev/null)" != "$kotlin $binaryen" ]; then
    rm -f "$npm/versions"
    npm install --prefix "$npm" --ignore-scripts --no-audit --no-fund --no-save --save-exact \
        "kotlin-compiler@$kotlin" "binaryen@$binaryen" > "$npm/log" 2>&1 ||
        left_out "npm cannot install kotlin-compiler $kotlin and binaryen $binaryen (see $npm/log)"
    echo "$kotlin $binaryen" > "$npm/versions"
fi

# The compiler needs its libraries by name: it is not started by its own script.
classes=$lib/kotlin-compiler.jar:$lib/kotlin-stdlib.jar:$lib/kotlin-reflect.jar:$lib/kotlin-script-runtime.jar
classes=$classes:$lib/kotlinx-coroutines-core-jvm.jar:$lib/kotlin-daemon-client.jar:$lib/annotations-13.0.jar
common="-kotlin-home $npm/node_modules/kotlin-compiler -libraries $lib/kotlin-stdlib-wasm-wasi.klib -Xwasm-target=wasm-wasi"
# Wasmtime has the exception handling that became a part of WebAssembly 3.0, and not the one before.
link="-Xir-produce-js -Xir-dce -Xwasm-use-new-exception-proposal"
switching=-Xwasm-use-stack-switching-proposal
# No more than what Wasmtime has: wasm-opt would use the others too.
optimize=(-O3 --debuginfo --enable-gc --enable-reference-types --enable-exception-handling --enable-multivalue
    --enable-bulk-memory --enable-sign-ext --enable-mutable-globals --enable-nontrapping-float-to-int --enable-stack-switching)

# hash FILE...: of these files, and of all that decides what becomes of them.
hash() {
    { cat "$@" && echo "$kotlin $binaryen $common $link $switching ${optimize[*]}"; } | node -e '
        const hash = require("crypto").createHash("sha256");
        process.stdout.write(hash.update(require("fs").readFileSync(0)).digest("hex"));'
}

# Two Java processes, one for each half of the programs.
rm -f "$out"/jobs.*
stale=()
for program in "${programs[@]}"; do
    folder=$out/$program
    key=$(hash "tests/kotlin/$program.kt" tests/kotlin/support/*)
    [ "$(cat "$folder/key" 2> /dev/null)" = "$key" ] && continue
    rm -rf "$folder"
    mkdir -p "$folder"
    echo "$key" > "$folder/key.new"
    {
        echo "$common -ir-output-dir $folder -ir-output-name $program tests/kotlin/$program.kt tests/kotlin/support/support.kt"
        for form in state-machine stack-switching; do
            [ $form = stack-switching ] && extra=$switching || extra=
            echo "$common $link $extra -Xinclude=$folder/$program.klib -ir-output-dir $folder -ir-output-name $form"
        done
    } >> "$out/jobs.$((${#stale[@]} % 2))"
    stale+=("$program")
done
if [ ${#stale[@]} -gt 0 ]; then
    echo "compiling: ${stale[*]}"
    pids=()
    for jobs in "$out"/jobs.*; do
        # The quick compiler alone and one thread for the garbage: these processes do not live long.
        java -Xmx2g -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$classes" tests/kotlin/support/Compile.java < "$jobs" &
        pids+=($!)
    done
    failed=
    for pid in "${pids[@]}"; do
        wait "$pid" || failed=1
    done
    [ -z "$failed" ] || exit 1
    for program in "${stale[@]}"; do
        rm -f "$out/$program"/*.mjs
        mv "$out/$program/key.new" "$out/$program/key"
    done
fi

if [ -n "$build_only" ]; then
    modules=()
    for program in "${programs[@]}"; do
        for form in state-machine stack-switching; do
            module=$out/$program/$form
            [ -f "$module.opt.wasm" ] || modules+=("$module")
        done
    done
    if [ ${#modules[@]} -gt 0 ]; then
        echo "optimizing: ${modules[*]#"$out/"}"
        # shellcheck disable=SC2016 # this shell leaves $0 and $@ to the one that xargs starts
        printf '%s\n' "${modules[@]}" | xargs -P 2 -I MODULE bash -c '"$@" && mv "$0.opt.new" "$0.opt.wasm"' MODULE \
            "$npm/node_modules/.bin/wasm-opt" "${optimize[@]}" MODULE.wasm -o MODULE.opt.new
    fi
    exit
fi

if [ -z "${WASMTIME:-}" ]; then
    # Builds it if need be.
    cargo xtask wasmtime --version > /dev/null
    WASMTIME=$target/release/wasmtime
fi

# run FORM FLAG...: runs a program, and leaves what it prints in a file. Its last line says how it ended.
run() {
    local form=$1 module=$out/$program/${1%%,*}.wasm result=0
    shift
    "$WASMTIME" run -W gc,function-references,exceptions "$@" "${flags[@]}" "${stack[@]}" "$module" "$size" \
        > "$out/$program/$form.txt" 2> "$out/$program/$form.err" || result=$?
    echo "exit code $result" >> "$out/$program/$form.txt"
    if [ $result -ne 0 ]; then
        echo "$program, $form: exit code $result"
        sed 's/^/    /' "$out/$program/$form.err"
        return 1
    fi
}

failures=0
for program in "${programs[@]}"; do
    stack=()
    if [ "$size" != small ]; then
        # Some programs say in a comment what they need for their large size.
        read -r -a stack < <(sed -n 's|^// large: ||p' "tests/kotlin/$program.kt") || true
    fi
    good=1
    run state-machine || good=
    for backend in libcall native; do
        form=stack-switching,$backend
        run "$form" -W stack-switching -C "stack-switching-backend=$backend" || good=
        diff -u "$out/$program/state-machine.txt" "$out/$program/$form.txt" || good=
    done
    if [ -n "$good" ]; then
        echo "$program: the same $(($(wc -l < "$out/$program/state-machine.txt") - 1)) lines in each form"
    else
        failures=$((failures + 1))
    fi
done
if [ $failures -gt 0 ]; then
    echo "error: $failures of ${#programs[@]} Kotlin programs failed; see above" >&2
    exit 1
fi
