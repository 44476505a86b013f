// WHAT:    y = a + b, y = factor x
// SHAPES:  x, a, b, y [n]
// LAUNCH:  one thread for each 16 bytes (grid-stride); `aligned` says that all pointers are multiples of 16
// TRAFFIC: each input read once, each output written once: the minimum
// NEEDS:   Add: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// NEEDS:   Scale: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// WRITES:  =
// ORDER:   deterministic
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  -
// TRIED:   -
#include "packs.cuh"

struct AddAt
{
    const storage *a, *b;
    storage* y;

    template <int N>
    __device__ __forceinline__ void at(wide i) const
    {
        Floats<N> left = load<N>(a + i), right = load<N>(b + i), sum;
#pragma unroll
        for (int lane = 0; lane < N; lane++) sum[lane] = left[lane] + right[lane];
        store(y + i, sum);
    }
};

extern "C" __global__ void __launch_bounds__(256) Add(const storage* a, const storage* b, storage* y, wide n, int aligned)
{
    for_each_pack<Lanes>(n, aligned, AddAt{a, b, y});
}

struct ScaleAt
{
    const storage* x;
    float factor;
    storage* y;

    template <int N>
    __device__ __forceinline__ void at(wide i) const
    {
        Floats<N> values = load<N>(x + i);
#pragma unroll
        for (int lane = 0; lane < N; lane++) values[lane] *= factor;
        store(y + i, values);
    }
};

extern "C" __global__ void __launch_bounds__(256) Scale(const storage* x, float factor, storage* y, wide n, int aligned)
{
    for_each_pack<Lanes>(n, aligned, ScaleAt{x, factor, y});
}
