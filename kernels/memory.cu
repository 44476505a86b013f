// WHAT:    y = x in another element type, to nearest, ties to even
// SHAPES:  x, y [n]; `storage` is x's type, and y's in CastFromI32
// LAUNCH:  one thread for each 8 elements (grid-stride); `aligned` says that both pointers are multiples of 16
// TRAFFIC: x read once, y written once: the minimum
// NEEDS:   CastToF32: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// NEEDS:   CastToF16: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// NEEDS:   CastToBF16: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// NEEDS:   CastToI32: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// NEEDS:   CastFromI32: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// WRITES:  =
// ORDER:   deterministic
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  -
// TRIED:   -
#include "types.cuh"

constexpr int GroupSize = 8;

// Moved as one or two instructions of 16 bytes.
template <typename T>
struct alignas(16) Group
{
    T element[GroupSize];
};

template <typename From, typename To, typename Convert>
__device__ __forceinline__ void convert_each(const From* x, To* y, wide n, int aligned, Convert convert)
{
    wide thread = (wide)blockIdx.x * blockDim.x + threadIdx.x, threads = (wide)gridDim.x * blockDim.x;
    wide groups = aligned ? n / GroupSize : 0;
    for (wide i = thread; i < groups; i += threads)
    {
        Group<From> from = reinterpret_cast<const Group<From>*>(x)[i];
        Group<To> to;
#pragma unroll
        for (int lane = 0; lane < GroupSize; lane++) to.element[lane] = convert(from.element[lane]);
        reinterpret_cast<Group<To>*>(y)[i] = to;
    }
    for (wide i = groups * GroupSize + thread; i < n; i += threads) y[i] = convert(x[i]);
}

extern "C" __global__ void __launch_bounds__(256) CastToF32(const storage* x, float* y, wide n, int aligned)
{
    convert_each(x, y, n, aligned, [](storage from) { return widen(from); });
}

extern "C" __global__ void __launch_bounds__(256) CastToF16(const storage* x, half_bits* y, wide n, int aligned)
{
    convert_each(x, y, n, aligned, [](storage from) { return f32_to_f16(widen(from)); });
}

extern "C" __global__ void __launch_bounds__(256) CastToBF16(const storage* x, half_bits* y, wide n, int aligned)
{
    convert_each(x, y, n, aligned, [](storage from) { return f32_to_bf16(widen(from)); });
}

extern "C" __global__ void __launch_bounds__(256) CastToI32(const storage* x, int* y, wide n, int aligned)
{
    convert_each(x, y, n, aligned, [](storage from) { return __float2int_rn(widen(from)); });
}

extern "C" __global__ void __launch_bounds__(256) CastFromI32(const int* x, storage* y, wide n, int aligned)
{
    convert_each(x, y, n, aligned, [](int from) { return narrow(__int2float_rn(from)); });
}
