// Sums over the lanes of a warp and the warps of a block, always in the same order.
#pragma once
#include "types.cuh"

constexpr int WarpSize = 32;
constexpr word AllLanes = 0xffffffffu;

// Every lane receives the sum of all 32, added in a butterfly.
__device__ __forceinline__ float warp_sum(float value)
{
#pragma unroll
    for (int distance = WarpSize / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(AllLanes, value, distance);
    return value;
}

// Every thread receives the sum over the block, a whole number of warps. `scratch` holds a float for each warp; a second sum
// through it needs a barrier before.
__device__ __forceinline__ float block_sum(float value, float* scratch)
{
    int lane = threadIdx.x % WarpSize, warp = threadIdx.x / WarpSize, warps = blockDim.x / WarpSize;
    value = warp_sum(value);
    if (lane == 0) scratch[warp] = value;
    __syncthreads(); // every warp's sum is written
    return warp_sum(lane < warps ? scratch[lane] : 0.0f);
}
