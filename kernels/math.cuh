// Functions of fp32 numbers by few instructions: no branches, no local memory, no tables.
#pragma once
#include "types.cuh"

// 2^x within 2 units in the last place; results below 2^-126 are 0.
__device__ __forceinline__ float exp2_fast(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// 1 / x within one unit in the last place; 0 where |x| is above 2^126.
__device__ __forceinline__ float reciprocal(float x)
{
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

constexpr float Log2OfE = 1.44269504f;

// exp(-x), and the sigmoid of x with an error of 0.3 eps at most relative to 1 / |x|, which is what x sigmoid(x) needs.
struct Sigmoid
{
    float exponential, value;
    __device__ __forceinline__ explicit Sigmoid(float x) : exponential(exp2_fast(-Log2OfE * x)), value(reciprocal(1.0f + exponential)) {}

    // s (1 - s) without the cancellation of 1 - s; infinity times zero would be no number
    __device__ __forceinline__ float slope() const { return fminf(exponential, 1e38f) * value * value; }
};

__device__ __forceinline__ float silu(float x) { return x * Sigmoid(x).value; }

__device__ __forceinline__ float silu_slope(float x)
{
    Sigmoid s(x);
    return fmaf(x, s.slope(), s.value);
}

// Phi(x), the probability that a standard normal number is below x. 2 Phi(-z) = 2^(z P(z)) with P of degree 9, fitted for z up
// to 5: error 5.3e-8 at most, and 1.1e-6 of Phi itself for z up to 4; 0 from 11 on.
__device__ __forceinline__ float normal_cdf(float x)
{
    float z = fabsf(x), p = -2.95550505e-8f;
    p = fmaf(p, z, 8.4804054e-7f);
    p = fmaf(p, z, -1.05691077e-5f);
    p = fmaf(p, z, 7.26600449e-5f);
    p = fmaf(p, z, -2.62066673e-4f);
    p = fmaf(p, z, -4.46892122e-5f);
    p = fmaf(p, z, 7.00994775e-3f);
    p = fmaf(p, z, -5.24883273e-2f);
    p = fmaf(p, z, -0.459204551f);
    p = fmaf(p, z, -1.15110604f);
    float tail = exp2_fast(fmaf(p, z, -1.0f));
    return x < 0.0f ? tail : 1.0f - tail;
}

// The density of the standard normal distribution.
__device__ __forceinline__ float normal_density(float x) { return 0.39894228f * exp2_fast(-0.5f * Log2OfE * x * x); }

__device__ __forceinline__ float gelu(float x) { return x * normal_cdf(x); }

__device__ __forceinline__ float gelu_slope(float x) { return fmaf(x, normal_density(x), normal_cdf(x)); }

__device__ __forceinline__ float geglu(float value, float gate) { return value * gelu(gate); }

// Turns a value and its gate into their gradients: slope gelu(gate) and slope value gelu'(gate).
__device__ __forceinline__ void geglu_slopes(float& value, float& gate, float slope)
{
    float cdf = normal_cdf(gate), for_value = slope * (gate * cdf);
    gate = value * (slope * fmaf(gate, normal_density(gate), cdf));
    value = for_value;
}
