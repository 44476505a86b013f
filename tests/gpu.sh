#!/usr/bin/env bash
# Runs what only a GPU can show: the kernels' tests and the comparisons with PyTorch on the silicon, runs that train there, and
# measured times. Takes at most 8 minutes. Without a GPU it says so and succeeds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
limit=480

have_gpu() { [ -e /proc/driver/nvidia/version ] || { command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; }; }
if ! have_gpu; then
    echo "tests/gpu.sh: no NVIDIA GPU on this machine, so nothing was run. All else about the kernels is shown without one: ./build.sh test --kernels"
    exit 0
fi

./build.sh
start=$SECONDS failed=""
# step NAME COMMAND...: runs it in what is left of the time and remembers whether it failed
step() {
    local name=$1 left=$((limit - SECONDS + start))
    shift
    echo
    echo "== $name"
    if [ "$left" -le 0 ]; then failed="$failed  $name: no time was left"$'\n'; return; fi
    timeout -k 5 "$left" "$@" || failed="$failed  $name"$'\n'
}

step "what is here" dotnet Trainer/bin/Release/net10.0/Trainer.dll doctor --device cuda
for project in CommonCanvas.Tensors.Tests CommonCanvas.Models.Tests CommonCanvas.Training.Tests; do
    step "$project on the GPU" dotnet "tests/$project/bin/Release/net10.0/$project.dll" --no-ansi --progress off --filter-trait Device=cuda
done
for precision in fp32 bf16; do
    step "a training step, $precision" dotnet Trainer/bin/Release/net10.0/Trainer.dll profile --device cuda --shape sd2 --latent 32 --batch 16 --precision "$precision"
done

echo
if [ -n "$failed" ]; then printf 'Failed:\n%s' "$failed"; exit 1; fi
echo "Everything passed on the GPU in $((SECONDS - start)) s."
