// What the attention kernels share. A head's rows lie `pitch` elements apart in columns of [batch, tokens, pitch]; block (tile,
// head, sample) works on one of them. Pointers are to the first of the columns.
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

// The pitch of y and dY, which have no columns but the heads'. A sample has fewer than 2^31 elements, so positions within it are
// ints.
__device__ __forceinline__ int heads_pitch(int size) { return (int)gridDim.y * size; }

// Where this block's head starts in a tensor of `tokens` tokens.
__device__ __forceinline__ wide head_start(int tokens, int size, int pitch)
{
    return (wide)blockIdx.z * tokens * pitch + blockIdx.y * size;
}

// Where this block's head starts in [batch, heads, tokens].
__device__ __forceinline__ wide row_start(int tokens) { return ((wide)blockIdx.z * gridDim.y + blockIdx.y) * tokens; }

// How many keys, the first ones, a query sees.
__device__ __forceinline__ int keys_seen(int query, int keys, int causal) { return causal ? min(keys, query + 1) : keys; }

// Whether a query sees a key that exists.
__device__ __forceinline__ bool sees(int query, int key, int keys, int causal) { return key < keys && !(causal && key > query); }
