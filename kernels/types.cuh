// The element type of activations and weights, and how it becomes the fp32 that all arithmetic is done in.
//
// Every kernel file is compiled once for each storage type, with one of STORAGE_F32, STORAGE_F16 and STORAGE_BF16 defined.
// No CUDA header is needed: 16-bit numbers are bits here, and converted by instructions.
#pragma once

typedef unsigned char byte_t;
typedef unsigned short half_bits;
typedef unsigned int word;
typedef unsigned long long wide;

__device__ __forceinline__ float f16_to_f32(half_bits bits)
{
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

// to nearest, ties to even
__device__ __forceinline__ half_bits f32_to_f16(float value)
{
    half_bits bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}

__device__ __forceinline__ float bf16_to_f32(half_bits bits) { return __uint_as_float((word)bits << 16); }

// to nearest, ties to even; not a number stays one
__device__ __forceinline__ half_bits f32_to_bf16(float value)
{
#if __CUDA_ARCH__ >= 800
    half_bits bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
#else
    word bits = __float_as_uint(value);
    return (bits & 0x7fffffffu) > 0x7f800000u ? (half_bits)0x7fff : (half_bits)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
#endif
}

#if defined(STORAGE_F32)
typedef float storage;
__device__ __forceinline__ float widen(storage x) { return x; }
__device__ __forceinline__ storage narrow(float x) { return x; }
#elif defined(STORAGE_F16)
typedef half_bits storage;
__device__ __forceinline__ float widen(storage x) { return f16_to_f32(x); }
__device__ __forceinline__ storage narrow(float x) { return f32_to_f16(x); }
#elif defined(STORAGE_BF16)
typedef half_bits storage;
__device__ __forceinline__ float widen(storage x) { return bf16_to_f32(x); }
__device__ __forceinline__ storage narrow(float x) { return f32_to_bf16(x); }
#else
#error "define one of STORAGE_F32, STORAGE_F16 and STORAGE_BF16"
#endif

// Elements of 16 bytes, which one instruction moves where the address is a multiple of 16.
constexpr int Lanes = 16 / (int)sizeof(storage);

struct alignas(16) Pack
{
    storage element[Lanes];
};

__device__ __forceinline__ Pack load_pack(const storage* from) { return *reinterpret_cast<const Pack*>(from); }
__device__ __forceinline__ void store_pack(storage* to, const Pack& pack) { *reinterpret_cast<Pack*>(to) = pack; }
