#!/usr/bin/env bash
# A second compiler's opinion of the CUDA kernels: clang checks every file of kernels/ for every storage type, on sm_70 to
# sm_86 and as host code, and each of its warnings is an error. Needs neither CUDA nor its headers: tests/cuda_builtins.h.
# (Parameters are unused where an older device lacks the instructions.) Without clang it says so and succeeds. CLANG names
# another one; arguments are the files to check instead of all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

clang=${CLANG:-}
for name in clang clang-{21..14}; do
    if [ -z "$clang" ] && command -v "$name" >/dev/null; then clang=$name; fi
done
if [ -z "$clang" ]; then
    echo "tests/kernels.sh: no clang on this machine, so nothing was checked: install it, for example with apt-get install clang"
    exit 0
fi

checked=0 failed=""
for file in "${@:-kernels/*.cu}"; do
    for source in $file; do
        for storage in F32 F16 BF16; do
            checked=$((checked + 1))
            "$clang" -x cuda -fsyntax-only -std=c++17 -nocudainc -nocudalib -include tests/cuda_builtins.h -DSTORAGE_$storage \
                --cuda-gpu-arch=sm_70 --cuda-gpu-arch=sm_75 --cuda-gpu-arch=sm_80 --cuda-gpu-arch=sm_86 \
                -Wall -Wextra -Werror -Wno-unused-parameter -Wno-unknown-cuda-version "$source" || failed="$failed  $source STORAGE_$storage"$'\n'
        done
    done
done
if [ -n "$failed" ]; then
    printf '\nFailed with %s:\n%s' "$clang" "$failed" >&2
    exit 1
fi
echo "$checked compilations of kernels/ by $clang: no warning"
