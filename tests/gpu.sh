#!/usr/bin/env bash
# Runs what only a GPU can show: every operation in fp32, fp16 and bf16 against the processor's definition, the models and
# training steps against PyTorch's, ten steps in fp32 and fp16 against the processor's, recorded steps against those launched
# call by call, bit for bit, NCCL, the kernels' machine code for this GPU, the quickstart, and measured times. Takes at most 8 minutes
# after the build. Without a GPU it says so and succeeds. --dry-run builds, shows what would be run and counts the tests, with or without a GPU.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
limit=480

dry=""
case "${1:-}" in
    "") ;;
    --dry-run) dry=1 ;;
    *) echo "tests/gpu.sh: unknown argument $1; there is --dry-run" >&2; exit 2 ;;
esac

have_gpu() { [ -e /proc/driver/nvidia/version ] || { command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; }; }
if [ -z "$dry" ] && ! have_gpu; then
    echo "tests/gpu.sh: no NVIDIA GPU on this machine, so nothing was run. All else about the kernels is shown without one: ./build.sh test --kernels"
    exit 0
fi

if [ -z "${COMMONCANVAS_BUILT:-}" ]; then ./build.sh; fi
start=$SECONDS failed=""

# step NAME COMMAND...: runs it in what is left of the time and remembers whether it failed
step() {
    local name=$1 left=$((limit - SECONDS + start)) begun=$SECONDS
    shift
    echo
    echo "== $name"
    if [ -n "$dry" ]; then echo "   $*"; return; fi
    if [ "$left" -le 0 ]; then failed="$failed  $name: no time was left"$'\n'; return; fi
    timeout -k 5 "$left" "$@" || failed="$failed  $name"$'\n'
    echo "   $((SECONDS - begun)) s"
}

# tests NAME PROJECT FILTER...: the tests that the filters choose, of which there must be some
tests() {
    local name=$1 program="tests/$2/bin/Release/net10.0/$2.dll" count
    shift 2
    step "$name" dotnet "$program" --no-ansi --progress off "$@"
    if [ -z "$dry" ]; then return; fi
    count=$(dotnet "$program" --no-ansi --list-tests "$@" | sed -n 's/.*found \([0-9]*\) test.*/\1/p' | tail -1)
    echo "   ${count:-0} tests"
    if [ "${count:-0}" -eq 0 ]; then failed="$failed  $name: no test is chosen"$'\n'; fi
}

trainer() { step "$1" dotnet Trainer/bin/Release/net10.0/Trainer.dll "${@:2}"; }
profile() { trainer "$1" profile --device cuda --shape sd2 --latent 32 --batch 16 --precision "${@:2}"; }

trainer "what is here" doctor --device cuda
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trainer "the quickstart" quickstart --device cuda --out "$work/quickstart"
tests "operations in fp32, fp16 and bf16" CommonCanvas.Tensors.Tests --filter-trait Device=cuda
tests "ten steps against the processor's, recorded steps bit for bit" CommonCanvas.Training.Tests --filter-trait Device=cuda
tests "sums between the GPUs that there are, by NCCL" CommonCanvas.Cuda.Tests --filter-class "*InstalledNcclTests"
tests "models against PyTorch's" CommonCanvas.Models.Tests --filter-trait Device=cuda
for precision in fp32 fp16 bf16; do profile "a training step in $precision, as a graph" "$precision" --json; done
profile "a training step in fp16, kernel by kernel" fp16 --json --graphs off
profile "a training step in fp16, by operation, and what candidates for its products took" fp16
COMMONCANVAS_LIBRARIES=off profile "a training step in fp16 without cuBLASLt and cuDNN" fp16 --json
tests "machine code for this GPU within what the kernels' heads say" CommonCanvas.Cuda.Tests --filter-class "*KernelBudgetTests"

echo
if [ -n "$failed" ]; then printf 'Failed:\n%s' "$failed"; exit 1; fi
if [ -n "$dry" ]; then echo "Nothing was run: a dry run."; else echo "Everything passed on the GPU in $((SECONDS - start)) s."; fi
