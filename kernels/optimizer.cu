// WHAT:    passes over flat buffers of parameters: sum of squares, clipping, AdamW, moving average, count of non-finite numbers
// SHAPES:  master, gradient, m, v, average, value float[n]; compute storage[n]; sum, norm, scale float[1]; partial float[blocks]
// LAUNCH:  SumSquares 1024 blocks at most and SumSquaresEnd one block; ClipScale one thread; else grid-stride, one thread for
//          each 16 bytes of float (CountNonFinite: of storage). `aligned` says that all pointers are multiples of 16
// TRAFFIC: AdamW reads 16 bytes an element and writes 12, and compute; Ema reads 8 and writes 4; sums read once: the minimum
// NEEDS:   SumSquares: 256 threads, 32 registers, 32 bytes of shared memory, sm_70
// NEEDS:   SumSquaresEnd: 256 threads, 40 registers, 32 bytes of shared memory, sm_70
// NEEDS:   ClipScale: 1 threads, 32 registers, 0 bytes of shared memory, sm_70
// NEEDS:   AdamW: 256 threads, 64 registers, 0 bytes of shared memory, sm_70
// NEEDS:   Ema: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// NEEDS:   CountNonFinite: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// WRITES:  =; CountNonFinite +=
// ORDER:   deterministic: partial sums in the order of blocks, the same on every device; counting is exact
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  Loshchilov and Hutter, "Decoupled weight decay regularization" (2019); torch.optim.AdamW, clip_grad_norm_
// TRIED:   sums by compensated fp32 additions: an infinity becomes not a number, which the log should tell apart
#include "packs.cuh"
#include "reduce.cuh"

constexpr int Threads = 256;
constexpr int FloatLanes = 4;

struct AddSquares
{
    const float* x;
    double& sum;

    template <int N>
    __device__ __forceinline__ void at(wide i) const
    {
        Floats<N> values = load<N>(x + i);
        float squares = 0.0f;
#pragma unroll
        for (int lane = 0; lane < N; lane++) squares = fmaf(values[lane], values[lane], squares);
        sum += squares; // fp64: a thread adds thousands of these
    }
};

// partial[block] = sum of x^2 over the block's elements
extern "C" __global__ void __launch_bounds__(Threads) SumSquares(const float* x, float* partial, wide n, int aligned)
{
    __shared__ float scratch[Threads / WarpSize];
    double sum = 0.0;
    for_each_pack<FloatLanes>(n, aligned, AddSquares{x, sum});
    float total = block_sum((float)sum, scratch);
    if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

// sum = sum of partial
extern "C" __global__ void __launch_bounds__(Threads) SumSquaresEnd(const float* partial, int count, float* sum)
{
    __shared__ float scratch[Threads / WarpSize];
    float mine = 0.0f;
    for (int i = threadIdx.x; i < count; i += Threads) mine += partial[i];
    float total = block_sum(mine, scratch);
    if (threadIdx.x == 0) *sum = total;
}

// norm = unscale sqrt(sum), scale = unscale min(1, largest / (norm + 1e-6)), not a number where the norm is not finite
extern "C" __global__ void __launch_bounds__(1) ClipScale(const float* sum, float unscale, float largest, float* norm, float* scale)
{
    float length = unscale * sqrtf(*sum);
    *norm = length;
    *scale = isfinite(length) ? unscale * fminf(1.0f, largest / (length + 1e-6f)) : __int_as_float(0x7fffffff);
}

// g = scale gradient
// m += mShare (g - m);  v += vShare (g^2 - v);  p -= decay p + stepSize m / (inverseRoot sqrt(v) + epsilon)
struct AdamWAt
{
    float *master, *m, *v;
    const float* gradient;
    storage* compute;
    float factor, mShare, vShare, decay, stepSize, inverseRoot, epsilon;

    template <int N>
    __device__ __forceinline__ void at(wide i) const
    {
        Floats<N> p = load<N>(master + i), g = load<N>(gradient + i), first = load<N>(m + i), second = load<N>(v + i);
#pragma unroll
        for (int lane = 0; lane < N; lane++)
        {
            float slope = factor * g[lane];
            first[lane] = fmaf(mShare, slope - first[lane], first[lane]);
            second[lane] = fmaf(vShare, fmaf(slope, slope, -second[lane]), second[lane]);
            float step = stepSize * first[lane] / fmaf(inverseRoot, sqrtf(second[lane]), epsilon);
            p[lane] -= fmaf(decay, p[lane], step); // decay is too small to be taken from 1 in fp32
        }
        store(master + i, p);
        store(m + i, first);
        store(v + i, second);
        if (compute) store(compute + i, p);
    }
};

// inverseRoot = 1 / sqrt(1 - beta2^step), stepSize = rate / (1 - beta1^step); nothing happens where scale is not finite
extern "C" __global__ void __launch_bounds__(Threads) AdamW(float* master, const float* gradient, float* m, float* v, const float* scale,
    float mShare, float vShare, float decay, float stepSize, float inverseRoot, float epsilon, storage* compute, wide n, int aligned)
{
    float factor = *scale;
    if (!isfinite(factor)) return;
    for_each_pack<FloatLanes>(n, aligned, AdamWAt{master, m, v, gradient, compute, factor, mShare, vShare, decay, stepSize, inverseRoot, epsilon});
}

struct EmaAt
{
    float* average;
    const float* value;
    float share;

    template <int N>
    __device__ __forceinline__ void at(wide i) const
    {
        Floats<N> old = load<N>(average + i), now = load<N>(value + i);
#pragma unroll
        for (int lane = 0; lane < N; lane++) old[lane] = fmaf(share, now[lane] - old[lane], old[lane]);
        store(average + i, old);
    }
};

// average += share (value - average), share = 1 - decay
extern "C" __global__ void __launch_bounds__(Threads) Ema(float* average, const float* value, float share, wide n, int aligned)
{
    for_each_pack<FloatLanes>(n, aligned, EmaAt{average, value, share});
}

struct CountAt
{
    const storage* x;
    word& count;

    template <int N>
    __device__ __forceinline__ void at(wide i) const
    {
        Floats<N> values = load<N>(x + i);
#pragma unroll
        for (int lane = 0; lane < N; lane++) count += isfinite(values[lane]) ? 0 : 1;
    }
};

// count += how many are infinite or not a number
extern "C" __global__ void __launch_bounds__(Threads) CountNonFinite(const storage* x, wide n, int aligned, wide* count)
{
    word mine = 0;
    for_each_pack<Lanes>(n, aligned, CountAt{x, mine});
    if (mine > 0) atomicAdd(count, (wide)mine);
}
