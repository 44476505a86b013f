// What the attention kernels share. A head's rows lie `stride` elements apart in [batch, tokens, heads * size]; block (tile,
// head, sample) works on one of them.
#pragma once
#include "types.cuh"

constexpr float Log2E = 1.44269504088896341f, Ln2 = 0.693147180559945309f;

__device__ __forceinline__ float infinity() { return __uint_as_float(0x7f800000u); }

// 2^x within 2 ulp; below 2^-126 zero.
__device__ __forceinline__ float exp2_approx(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// Elements from one token to the next. A sample has fewer than 2^31, so positions within it are ints.
__device__ __forceinline__ int token_stride(int size) { return (int)gridDim.y * size; }

// Where this block's head starts in a tensor of `tokens` tokens.
__device__ __forceinline__ wide head_start(int tokens, int size)
{
    return (wide)blockIdx.z * tokens * token_stride(size) + blockIdx.y * size;
}

// Where this block's head starts in [batch, heads, tokens].
__device__ __forceinline__ wide row_start(int tokens) { return ((wide)blockIdx.z * gridDim.y + blockIdx.y) * tokens; }

// Whether a query sees a key that exists.
__device__ __forceinline__ bool sees(int query, int key, int keys, int causal) { return key < keys && !(causal && key > query); }
