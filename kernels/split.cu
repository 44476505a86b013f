// WHAT:    finishes a product whose contraction was split over blocks (linear.cu, conv.cu, linear_geglu.cu): result from the sum
//          of the shares
// SHAPES:  shares F32[splits, rows, columns]; y, residual [rows, columns]; bias [columns]; perSample [samples, columns];
//          gradient F32[rows, columns]. Geglu: shares F32[splits, rows, 2 width], values and gates in turn; u, dU [rows, 2 width];
//          bias [2 width]; y [rows, width]. GegluBackward: shares F32[splits, rows, width]
// LAUNCH:  one thread for four numbers in a row (grid-stride), or for one where four cannot be moved together
// TRAFFIC: shares once, result once: the minimum
// NEEDS:   FinishActivations: 256 threads, 64 registers, 0 bytes of shared memory, sm_70
// NEEDS:   FinishGradients: 256 threads, 64 registers, 0 bytes of shared memory, sm_70
// NEEDS:   FinishGeglu: 256 threads, 64 registers, 0 bytes of shared memory, sm_70
// NEEDS:   FinishGegluBackward: 256 threads, 64 registers, 0 bytes of shared memory, sm_70
// WRITES:  y, u, dU =; gradient =, or += where accumulate
// ORDER:   deterministic: shares are added in order
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  -
// TRIED:   -
#include "gemm_geglu.cuh"

// What sums begin with: the bias, or nothing.
__device__ __forceinline__ bool together(const Activations& result) { return result.together() && in_quads(result.bias); }
template <typename Result> __device__ __forceinline__ bool together(const Result& result) { return result.together(); }
template <typename Sums> __device__ __forceinline__ Sums initial(const Activations& result, int column) { return result.bias ? widened<Sums>(result.bias + column) : Sums(); }
template <typename Sums> __device__ __forceinline__ Sums initial(const Gradients&, int) { return Sums(); }
template <typename Sums> __device__ __forceinline__ Sums initial(const GatedSlopes&, int) { return Sums(); }

template <typename Sums> __device__ __forceinline__ Sums initial(const Gated& result, int column)
{
    if constexpr (sizeof(Sums) == sizeof(float2)) return make_float2(result.initial(column), result.initial(column + 1));
    else return make_float4(result.initial(column), result.initial(column + 1), result.initial(column + 2), result.initial(column + 3));
}

template <typename Sums, typename Result>
__device__ __forceinline__ void finish(const Result& result, const float* shares, int splits, int rows, wide by_columns)
{
    constexpr int Width = sizeof(Sums) / sizeof(float);
    int count = rows * result.columns; // the launching side splits only what is small
    for (int at = (blockIdx.x * blockDim.x + threadIdx.x) * Width; at < count; at += gridDim.x * blockDim.x * Width)
    {
        int row = divide(at, by_columns), column = at - row * result.columns;
        Sums sums = initial<Sums>(result, column);
#pragma unroll 4
        for (int split = 0; split < splits; split++) sums = sums + *reinterpret_cast<const Sums*>(shares + split * (wide)count + at);
        result.finish(row, column, sums);
    }
}

template <typename Result>
__device__ __forceinline__ void finish_all(const Result& result, const float* shares, int splits, int rows, wide by_columns)
{
    if (together(result)) finish<float4>(result, shares, splits, rows, by_columns);
    else finish<typename Result::Least>(result, shares, splits, rows, by_columns);
}

extern "C" __global__ void __launch_bounds__(256) FinishActivations(const float* shares, int splits, const storage* bias, const storage* per_sample,
    const storage* residual, storage* y, int rows, int columns, wide by_columns, wide by_sample)
{
    Activations result = {y, bias, per_sample, residual, columns, by_sample};
    finish_all(result, shares, splits, rows, by_columns);
}

extern "C" __global__ void __launch_bounds__(256) FinishGradients(const float* shares, int splits, float* gradient, int rows, int columns, wide by_columns,
    int accumulate)
{
    Gradients result = {gradient, columns, accumulate};
    finish_all(result, shares, splits, rows, by_columns);
}

extern "C" __global__ void __launch_bounds__(256) FinishGeglu(const float* shares, int splits, const storage* bias, storage* u, storage* y,
    int rows, int columns, wide by_columns)
{
    Gated result = {y, u, bias, columns};
    finish_all(result, shares, splits, rows, by_columns);
}

extern "C" __global__ void __launch_bounds__(256) FinishGegluBackward(const float* shares, int splits, const storage* u, storage* dU,
    int rows, int columns, wide by_columns)
{
    GatedSlopes result = {u, dU, columns};
    finish_all(result, shares, splits, rows, by_columns);
}
