// WHAT:    y = f(x) for SiLU, GELU and quick GELU, and GEGLU, with their gradients
// SHAPES:  x, y, dY, dX [n]; GEGLU: x, dX [rows, 2 width], y, dY [rows, width]
// LAUNCH:  one thread for each 16 bytes (grid-stride); `aligned` says that all pointers, and rows of GEGLU, are multiples of 16
// TRAFFIC: each input read once, each output written once: the minimum
// NEEDS:   ActivationForwardSilu: 256 threads, 40 registers, 0 bytes of shared memory, sm_70
// NEEDS:   ActivationForwardGelu: 256 threads, 40 registers, 0 bytes of shared memory, sm_70
// NEEDS:   ActivationForwardQuickGelu: 256 threads, 40 registers, 0 bytes of shared memory, sm_70
// NEEDS:   ActivationBackwardSilu: 256 threads, 48 registers, 0 bytes of shared memory, sm_70
// NEEDS:   ActivationBackwardGelu: 256 threads, 48 registers, 0 bytes of shared memory, sm_70
// NEEDS:   ActivationBackwardQuickGelu: 256 threads, 48 registers, 0 bytes of shared memory, sm_70
// NEEDS:   GegluForward: 256 threads, 40 registers, 0 bytes of shared memory, sm_70
// NEEDS:   GegluBackward: 256 threads, 64 registers, 0 bytes of shared memory, sm_70
// WRITES:  =
// ORDER:   deterministic
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  Hendrycks and Gimpel, "Gaussian error linear units" (2016); Shazeer, "GLU variants improve transformer" (2020)
// TRIED:   -
#include "math.cuh"
#include "packs.cuh"

struct Silu
{
    static __device__ __forceinline__ float value(float x) { return silu(x); }
    static __device__ __forceinline__ float slope(float x) { return silu_slope(x); }
};

struct Gelu
{
    static __device__ __forceinline__ float value(float x) { return gelu(x); }
    static __device__ __forceinline__ float slope(float x) { return gelu_slope(x); }
};

struct QuickGelu
{
    static __device__ __forceinline__ float value(float x) { return x * Sigmoid(1.702f * x).value; }

    static __device__ __forceinline__ float slope(float x)
    {
        Sigmoid s(1.702f * x);
        return fmaf(1.702f * x, s.slope(), s.value);
    }
};

template <typename F>
struct ForwardAt
{
    const storage* x;
    storage* y;

    template <int N>
    __device__ __forceinline__ void at(wide i) const
    {
        Floats<N> values = load<N>(x + i);
#pragma unroll
        for (int lane = 0; lane < N; lane++) values[lane] = F::value(values[lane]);
        store(y + i, values);
    }
};

extern "C" __global__ void __launch_bounds__(256) ActivationForwardSilu(const storage* x, storage* y, wide n, int aligned)
{
    for_each_pack<Lanes>(n, aligned, ForwardAt<Silu>{x, y});
}

extern "C" __global__ void __launch_bounds__(256) ActivationForwardGelu(const storage* x, storage* y, wide n, int aligned)
{
    for_each_pack<Lanes>(n, aligned, ForwardAt<Gelu>{x, y});
}

extern "C" __global__ void __launch_bounds__(256) ActivationForwardQuickGelu(const storage* x, storage* y, wide n, int aligned)
{
    for_each_pack<Lanes>(n, aligned, ForwardAt<QuickGelu>{x, y});
}

template <typename F>
struct BackwardAt
{
    const storage *x, *dY;
    storage* dX;

    template <int N>
    __device__ __forceinline__ void at(wide i) const
    {
        Floats<N> values = load<N>(x + i), slopes = load<N>(dY + i);
#pragma unroll
        for (int lane = 0; lane < N; lane++) slopes[lane] *= F::slope(values[lane]);
        store(dX + i, slopes);
    }
};

extern "C" __global__ void __launch_bounds__(256) ActivationBackwardSilu(const storage* x, const storage* dY, storage* dX, wide n, int aligned)
{
    for_each_pack<Lanes>(n, aligned, BackwardAt<Silu>{x, dY, dX});
}

extern "C" __global__ void __launch_bounds__(256) ActivationBackwardGelu(const storage* x, const storage* dY, storage* dX, wide n, int aligned)
{
    for_each_pack<Lanes>(n, aligned, BackwardAt<Gelu>{x, dY, dX});
}

extern "C" __global__ void __launch_bounds__(256) ActivationBackwardQuickGelu(const storage* x, const storage* dY, storage* dX, wide n, int aligned)
{
    for_each_pack<Lanes>(n, aligned, BackwardAt<QuickGelu>{x, dY, dX});
}

// y[row, i] = x[row, i] gelu(x[row, width + i])
struct GegluForwardAt
{
    const storage* x;
    storage* y;
    word width;

    template <int N>
    __device__ __forceinline__ void at(wide i) const
    {
        const storage* from = x + i + (wide)((word)(i / N) / (width / N)) * width; // a row of x is two of y
        Floats<N> value = load<N>(from), gate = load<N>(from + width);
#pragma unroll
        for (int lane = 0; lane < N; lane++) value[lane] = geglu(value[lane], gate[lane]);
        store(y + i, value);
    }
};

extern "C" __global__ void __launch_bounds__(256) GegluForward(const storage* x, storage* y, word width, wide n, int aligned)
{
    for_each_pack<Lanes>(n, aligned, GegluForwardAt{x, y, width});
}

// dX[row, i] = dY[row, i] gelu(gate), dX[row, width + i] = dY[row, i] x[row, i] gelu'(gate), gate = x[row, width + i]
struct GegluBackwardAt
{
    const storage *x, *dY;
    storage* dX;
    word width;

    template <int N>
    __device__ __forceinline__ void at(wide i) const
    {
        wide start = i + (wide)((word)(i / N) / (width / N)) * width;
        Floats<N> value = load<N>(x + start), gate = load<N>(x + start + width), slope = load<N>(dY + i);
#pragma unroll
        for (int lane = 0; lane < N; lane++) geglu_slopes(value[lane], gate[lane], slope[lane]);
        store(dX + start, value);
        store(dX + start + width, gate);
    }
};

extern "C" __global__ void __launch_bounds__(256) GegluBackward(const storage* x, const storage* dY, storage* dX, word width, wide n, int aligned)
{
    for_each_pack<Lanes>(n, aligned, GegluBackwardAt{x, dY, dX, width});
}
