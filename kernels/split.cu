// WHAT:    finishes a product whose contraction was split over blocks (linear.cu, conv.cu): result from the sum of the shares
// SHAPES:  shares F32[splits, rows, columns]; y, residual [rows, columns]; bias [columns]; perSample [samples, columns];
//          gradient F32[rows, columns]
// LAUNCH:  one thread for four numbers in a row (grid-stride), or for one where four cannot be moved together
// TRAFFIC: shares once, result once: the minimum
// NEEDS:   FinishActivations: 256 threads, 64 registers, 0 bytes of shared memory, sm_70
// NEEDS:   FinishGradients: 256 threads, 64 registers, 0 bytes of shared memory, sm_70
// WRITES:  y =; gradient +=
// ORDER:   deterministic: shares are added in order
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  -
// TRIED:   -
#include "gemm_output.cuh"

template <typename Sums> __device__ __forceinline__ Sums sum_shares(const float* shares, int splits, wide count, int at);

template <> __device__ __forceinline__ float sum_shares<float>(const float* shares, int splits, wide count, int at)
{
    float sum = 0.0f;
#pragma unroll 4
    for (int split = 0; split < splits; split++) sum += shares[split * count + at];
    return sum;
}

template <> __device__ __forceinline__ float4 sum_shares<float4>(const float* shares, int splits, wide count, int at)
{
    float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
#pragma unroll 4
    for (int split = 0; split < splits; split++)
    {
        float4 share = *reinterpret_cast<const float4*>(shares + split * count + at);
        sum = make_float4(sum.x + share.x, sum.y + share.y, sum.z + share.z, sum.w + share.w);
    }
    return sum;
}

template <typename Sums, typename Result>
__device__ __forceinline__ void finish(const Result& result, const float* shares, int splits, int rows, wide by_columns)
{
    constexpr int Width = sizeof(Sums) / sizeof(float);
    int count = rows * result.columns; // the launching side splits only what is small
    for (int at = (blockIdx.x * blockDim.x + threadIdx.x) * Width; at < count; at += gridDim.x * blockDim.x * Width)
    {
        int row = divide(at, by_columns);
        result.finish(row, at - row * result.columns, sum_shares<Sums>(shares, splits, (wide)count, at));
    }
}

template <typename Result>
__device__ __forceinline__ void finish_all(const Result& result, const float* shares, int splits, int rows, wide by_columns)
{
    if (result.together()) finish<float4>(result, shares, splits, rows, by_columns);
    else finish<float>(result, shares, splits, rows, by_columns);
}

extern "C" __global__ void __launch_bounds__(256) FinishActivations(const float* shares, int splits, const storage* bias, const storage* per_sample,
    const storage* residual, storage* y, int rows, int columns, wide by_columns, wide by_sample)
{
    Activations result = {y, bias, per_sample, residual, columns, by_sample};
    finish_all(result, shares, splits, rows, by_columns);
}

extern "C" __global__ void __launch_bounds__(256) FinishGradients(const float* shares, int splits, float* gradient, int rows, int columns, wide by_columns)
{
    Gradients result = {gradient, columns};
    finish_all(result, shares, splits, rows, by_columns);
}
