// What kernels/ uses of CUDA's own headers, declared for clang, which then checks the sources without a CUDA installation:
// tests/kernels.sh. nvcc and NVRTC know these by themselves. Nothing here is linked or run.
#pragma once

#define __device__ __attribute__((device))
#define __host__ __attribute__((host))
#define __global__ __attribute__((global))
#define __shared__ __attribute__((shared))
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))

typedef __SIZE_TYPE__ size_t;

struct uint3
{
    unsigned int x, y, z;
};

extern const __device__ uint3 threadIdx, blockIdx, blockDim, gridDim;

struct alignas(8) float2
{
    float x, y;
};

struct alignas(16) float4
{
    float x, y, z, w;
};

struct alignas(16) uint4
{
    unsigned int x, y, z, w;
};

__device__ float2 make_float2(float x, float y);
__device__ float4 make_float4(float x, float y, float z, float w);
__device__ uint4 make_uint4(unsigned int x, unsigned int y, unsigned int z, unsigned int w);

__device__ void __syncthreads();
__device__ int __syncthreads_or(int predicate);
__device__ void __syncwarp(unsigned int mask = 0xffffffffu);
__device__ void __threadfence();
__device__ int __any_sync(unsigned int mask, int predicate);
__device__ int __shfl_sync(unsigned int mask, int value, int lane, int width = 32);
__device__ float __shfl_sync(unsigned int mask, float value, int lane, int width = 32);
__device__ int __shfl_xor_sync(unsigned int mask, int value, int lanes, int width = 32);
__device__ float __shfl_xor_sync(unsigned int mask, float value, int lanes, int width = 32);
__device__ int atomicAdd(int* address, int value);
__device__ unsigned int atomicAdd(unsigned int* address, unsigned int value);
__device__ unsigned long long atomicAdd(unsigned long long* address, unsigned long long value);
__device__ float atomicAdd(float* address, float value);
__device__ unsigned int atomicInc(unsigned int* address, unsigned int value);

__device__ size_t __cvta_generic_to_shared(const void* pointer);
__device__ size_t __cvta_generic_to_global(const void* pointer);

__device__ unsigned int __umulhi(unsigned int a, unsigned int b);
__device__ float __uint_as_float(unsigned int x);
__device__ unsigned int __float_as_uint(float x);
__device__ float __int_as_float(int x);
__device__ float __int2float_rn(int x);
__device__ int __float2int_rn(float x);
__device__ int __double2int_rn(double x);
__device__ int __double2loint(double x);
__device__ int __double2hiint(double x);
__device__ double __hiloint2double(int high, int low);

__device__ int min(int a, int b);
__device__ unsigned int min(unsigned int a, unsigned int b);
__device__ int max(int a, int b);
__device__ unsigned int max(unsigned int a, unsigned int b);
__device__ float fminf(float a, float b);
__device__ float fmaxf(float a, float b);
__device__ float fabsf(float x);
__device__ float fmaf(float a, float b, float c);
__device__ double fma(double a, double b, double c);
__device__ float sqrtf(float x);
__device__ double sqrt(double x);
__device__ double rint(double x);
__device__ bool isfinite(float x);
__device__ float expf(float x);
__device__ float __log2f(float x);
__device__ float __fdividef(float a, float b);
