// WHAT:    functions of single elements: y = f(x), y = a + b, y = factor x, GEGLU, with their gradients
// SHAPES:  x, a, b, y, dY, dX [n]; GEGLU x, dX [rows, 2 width], y, dY [rows, width]
// LAUNCH:  one thread for each 16 bytes (grid-stride); `aligned` says that all pointers are multiples of 16
// TRAFFIC: each input read once, each output written once: the minimum
// NEEDS:   Add: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// NEEDS:   Scale: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// WRITES:  =
// ORDER:   deterministic
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  -
// TRIED:   -
#include "types.cuh"

// Calls element(i) for every i below n, and pack(i) for whole packs where that is possible.
template <typename PackBody, typename ElementBody>
__device__ __forceinline__ void for_each_pack(wide n, int aligned, PackBody pack, ElementBody element)
{
    wide thread = (wide)blockIdx.x * blockDim.x + threadIdx.x, threads = (wide)gridDim.x * blockDim.x;
    wide packs = aligned ? n / Lanes : 0;
    for (wide i = thread; i < packs; i += threads) pack(i * Lanes);
    for (wide i = packs * Lanes + thread; i < n; i += threads) element(i);
}

extern "C" __global__ void __launch_bounds__(256) Add(const storage* a, const storage* b, storage* y, wide n, int aligned)
{
    for_each_pack(n, aligned,
        [=](wide i) {
            Pack left = load_pack(a + i), right = load_pack(b + i), sum;
#pragma unroll
            for (int lane = 0; lane < Lanes; lane++) sum.element[lane] = narrow(widen(left.element[lane]) + widen(right.element[lane]));
            store_pack(y + i, sum);
        },
        [=](wide i) { y[i] = narrow(widen(a[i]) + widen(b[i])); });
}

extern "C" __global__ void __launch_bounds__(256) Scale(const storage* x, float factor, storage* y, wide n, int aligned)
{
    for_each_pack(n, aligned,
        [=](wide i) {
            Pack from = load_pack(x + i), to;
#pragma unroll
            for (int lane = 0; lane < Lanes; lane++) to.element[lane] = narrow(factor * widen(from.element[lane]));
            store_pack(y + i, to);
        },
        [=](wide i) { y[i] = narrow(factor * widen(x[i])); });
}
