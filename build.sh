#!/usr/bin/env bash
# Builds and tests CommonCanvas; build.ps1 does the same from PowerShell. "./build.sh help" lists the verbs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 TESTINGPLATFORM_TELEMETRY_OPTOUT=1 DOTNET_CLI_UI_LANGUAGE=en

usage() {
    cat <<'TEXT'
./build.sh                          restore the packages, build native/ and everything else
./build.sh test [--golden | --kernels] [NAME]
                                    build, then run the tests; NAME: only those with it in namespace, class or method;
                                    --golden: only the comparisons with PyTorch's reference cases;
                                    --kernels: only the proofs of the CUDA kernels
./build.sh fuzz [N] [NAME]          run the mutation tests with N mutated inputs each (default 100000)
./build.sh mutate [N] [NAME]        change a barrier, wait, bound or sign of the kernels and see that their proofs fail: every
                                    N-th change (default 1) of the files and kinds with NAME (several: A,B) in them; build/mutants.txt lists all
./build.sh nvrtc                    fetch NVRTC, the CUDA run-time compiler, into build/nvrtc where none is installed
./build.sh clean                    delete what was built
./build.sh help                     this text
TEXT
}

# Stack frames of the test runner and of the reflection that calls a test.
runner_frames='/^ *at \(Xunit\.v3\|InvokeStub_\|System\.Reflection\|System\.Runtime\.CompilerServices\|System\.Threading\)/d'

# A skipped test's line and the indented lines of its reason; the reasons are counted instead.
without_skipped=':again
/^skipped /{
:more
$d
N
s/^.*\n//
/^ /b more
b again
}'

fail() { echo "build.sh: $*" >&2; exit 1; }
misuse() { echo "build.sh: $*" >&2; usage >&2; exit 2; }

# Restores, calls CMake for native/ (through the target in native/native.targets) and compiles, in Release. NVRTC is fetched
# where none is installed; without it the tests of the kernels are skipped.
build() {
    command -v dotnet >/dev/null || fail "dotnet is not on the PATH: install the .NET 10 SDK, https://dot.net"
    bash native/fetch-nvrtc.sh >/dev/null || true
    dotnet restore CommonCanvas.sln -v q
    dotnet build CommonCanvas.sln -c Release --no-restore -v q --nologo -clp:NoSummary
}

# run_tests MINUTES FILTER...: runs every test project, one after another, with these filters of the test runner. A project
# that takes longer than MINUTES (0: no limit) hangs, and counts as failed.
run_tests() {
    local log passed=0 failed=0 skipped=0 broken="" limit=""
    log=$(mktemp)
    trap "rm -f '$log'" EXIT
    if command -v timeout >/dev/null; then limit="timeout --foreground -k 10 ${1}m"; fi
    shift
    for project in tests/*/*.csproj; do
        local name code=0 start=$SECONDS p f s
        name=$(basename "$project" .csproj)
        echo "== $name"
        $limit dotnet "tests/$name/bin/Release/net10.0/$name.dll" --no-ansi --progress off \
            --show-test-results failed,skipped --show-stdout failed --show-stderr failed "$@" 2>&1 |
            tee "$log" | sed -e "$without_skipped" -e '/^Test run summary:/,$d' -e '/^$/d' -e "$runner_frames" || code=$?
        read -r p f s < <(awk '/^Test run summary:/ { p = f = s = 0; seen = 1 }
            seen && $1 == "succeeded:" { p = $2 } seen && $1 == "failed:" { f = $2 } seen && $1 == "skipped:" { s = $2 }
            END { print p + 0, f + 0, s + 0 }' "$log")
        # 0: passed, 2: tests failed, 8: the filter left none. Anything else is a crash or a hang, whatever the counts say.
        if [ "$code" -ne 0 ] && [ "$code" -ne 8 ] && { [ "$code" -ne 2 ] || [ "$f" -eq 0 ]; }; then
            f=$((f + 1))
            broken="$broken  $name ended with exit code $code before its tests were done"$'\n'
        fi
        broken="$broken$(sed -n 's/^failed \(.*\) ([^()]*)$/  \1/p' "$log" | sort -u; echo .)"
        broken="${broken%.}"
        if [ $((p + f + s)) -gt 0 ]; then echo "   $p of $((p + f + s)) tests passed, $s skipped, $((SECONDS - start)) s"; fi
        sed -n '/^skipped /{n;s/^ */   skipped: /p;}' "$log" | sort | uniq -c | sed 's/^ *\([0-9]*\)  */   \1 /'
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    done
    echo
    if [ -n "$broken" ]; then printf 'Failed:\n%s\n' "$broken"; fi
    if [ $((passed + failed)) -eq 0 ]; then echo "No test ran."; fi
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

verb=${1:-build}
[ $# -eq 0 ] || shift
case "$verb" in
    build)
        [ $# -eq 0 ] || misuse "build takes no arguments"
        build
        ;;
    test)
        filters=()
        case "${1:-}" in
        --golden) filters=(--filter-trait Category=Golden); shift ;;
        --kernels) filters=(--filter-trait Category=Kernels); shift ;;
        esac
        case "${1:-}" in -*) misuse "unknown option $1" ;; esac
        [ $# -le 1 ] || misuse "test takes one NAME"
        if [ $# -eq 1 ]; then filters+=(--filter-method "*$1*"); fi
        build
        run_tests 30 ${filters[@]+"${filters[@]}"}
        ;;
    fuzz)
        count=${1:-100000}
        case "$count" in *[!0-9]*) misuse "'$count' is not a number of inputs" ;; esac
        [ $# -le 2 ] || misuse "fuzz takes N and one NAME"
        filters=(--filter-trait Category=Fuzz)
        if [ $# -eq 2 ]; then filters+=(--filter-method "*$2*"); fi
        export COMMONCANVAS_FUZZ=$count
        build
        run_tests 0 "${filters[@]}"
        ;;
    mutate)
        export COMMONCANVAS_MUTANTS=${1:-1} COMMONCANVAS_MUTANTS_OF=${2:-} COMMONCANVAS_MUTANTS_LOG=$PWD/build/mutants.txt
        case "$COMMONCANVAS_MUTANTS" in *[!0-9]* | 0) misuse "'$1' is not a step between mutants" ;; esac
        [ $# -le 2 ] || misuse "mutate takes N and one NAME"
        build
        rm -f "$COMMONCANVAS_MUTANTS_LOG"
        trap 'grep -E "^[A-Z][a-z]+: " "$COMMONCANVAS_MUTANTS_LOG" || true' EXIT
        run_tests 0 --filter-trait Category=Mutation
        ;;
    nvrtc)
        [ $# -eq 0 ] || misuse "nvrtc takes no arguments"
        bash native/fetch-nvrtc.sh
        ;;
    clean)
        [ $# -eq 0 ] || misuse "clean takes no arguments"
        rm -rf build {src,tests,bench}/*/{bin,obj} Trainer/{bin,obj}
        ;;
    help | -h | --help) usage ;;
    *) misuse "unknown verb '$verb'" ;;
esac
