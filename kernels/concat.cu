// WHAT:    two tensors beside each other along channels, and apart again
// SHAPES:  a, dA [rows, left], b, dB [rows, right], y, dY [rows, left + right]
// LAUNCH:  one thread for each 16 bytes of y (grid-stride), or for each element where `packed` is 0
// TRAFFIC: each element read once and written once: the minimum
// NEEDS:   ConcatForward: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// NEEDS:   ConcatBackward: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// WRITES:  =
// ORDER:   deterministic
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  -
// TRIED:   -
#include "packs.cuh"

// Calls move(place in y, place in a or b, whether in a) for each pack of N elements.
template <int N, typename Move>
__device__ __forceinline__ void for_each_place(word rows, word left, word right, Move move)
{
    word packs = (left + right) / N, threads = gridDim.x * blockDim.x;
    for (wide i = blockIdx.x * blockDim.x + threadIdx.x; i < (wide)rows * packs; i += threads)
    {
        word row = (word)i / packs, c = ((word)i - row * packs) * N;
        bool in_a = c < left;
        move(i * N, in_a ? (wide)row * left + c : (wide)row * right + (c - left), in_a);
    }
}

template <int N>
__device__ __forceinline__ void copy(const storage* from, storage* to)
{
    *reinterpret_cast<Packed<storage, N>*>(to) = *reinterpret_cast<const Packed<storage, N>*>(from);
}

template <int N>
__device__ __forceinline__ void join(const storage* a, const storage* b, storage* y, word rows, word left, word right)
{
    for_each_place<N>(rows, left, right, [=](wide whole, wide part, bool in_a) { copy<N>((in_a ? a : b) + part, y + whole); });
}

template <int N>
__device__ __forceinline__ void split(const storage* dY, storage* dA, storage* dB, word rows, word left, word right)
{
    for_each_place<N>(rows, left, right, [=](wide whole, wide part, bool in_a) { copy<N>(dY + whole, (in_a ? dA : dB) + part); });
}

extern "C" __global__ void __launch_bounds__(256) ConcatForward(const storage* a, const storage* b, storage* y, word rows, word left, word right, int packed)
{
    if (packed) join<Lanes>(a, b, y, rows, left, right);
    else join<1>(a, b, y, rows, left, right);
}

extern "C" __global__ void __launch_bounds__(256) ConcatBackward(const storage* dY, storage* dA, storage* dB, word rows, word left, word right, int packed)
{
    if (packed) split<Lanes>(dY, dA, dB, rows, left, right);
    else split<1>(dY, dA, dB, rows, left, right);
}
