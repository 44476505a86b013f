// Several consecutive elements moved by one instruction and held as fp32, and the loop over all of them.
#pragma once
#include "types.cuh"

// N numbers in registers.
template <int N>
struct Floats
{
    float value[N];
    __device__ __forceinline__ float& operator[](int i) { return value[i]; }
    __device__ __forceinline__ const float& operator[](int i) const { return value[i]; }
};

// N elements in memory, whose address is a multiple of their size together.
template <typename T, int N>
struct alignas(sizeof(T) * N) Packed
{
    T element[N];
};

__device__ __forceinline__ void convert(float from, float& to) { to = from; }
#if !defined(STORAGE_F32)
__device__ __forceinline__ void convert(storage from, float& to) { to = widen(from); }
__device__ __forceinline__ void convert(float from, storage& to) { to = narrow(from); }
#endif

template <int N, typename T>
__device__ __forceinline__ Floats<N> load(const T* from)
{
    Packed<T, N> pack = *reinterpret_cast<const Packed<T, N>*>(from);
    Floats<N> values;
#pragma unroll
    for (int i = 0; i < N; i++) convert(pack.element[i], values[i]);
    return values;
}

// Zeros where there is nothing to load from.
template <int N, typename T>
__device__ __forceinline__ Floats<N> load_optional(const T* from, wide offset)
{
    Floats<N> values = {};
    if (from) values = load<N>(from + offset);
    return values;
}

template <int N, typename T>
__device__ __forceinline__ void store(T* to, const Floats<N>& values)
{
    Packed<T, N> pack;
#pragma unroll
    for (int i = 0; i < N; i++) convert(values[i], pack.element[i]);
    *reinterpret_cast<Packed<T, N>*>(to) = pack;
}

// Calls body.at<N>(first element) for all of n elements: N = Width at a time where `aligned`, and one at a time for the rest. In
// a grid-stride loop over all threads.
template <int Width, typename Body>
__device__ __forceinline__ void for_each_pack(wide n, int aligned, const Body& body)
{
    wide thread = (wide)blockIdx.x * blockDim.x + threadIdx.x, threads = (wide)gridDim.x * blockDim.x;
    wide packs = aligned ? n / Width : 0;
    for (wide i = thread; i < packs; i += threads) body.template at<Width>(i * Width);
    for (wide i = packs * Width + thread; i < n; i += threads) body.template at<1>(i);
}
