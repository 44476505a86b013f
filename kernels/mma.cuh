// Matrix instructions and what feeds them: mma.sync on 16-bit storage with fp32 sums, ldmatrix, cp.async, the swizzle of
// shared memory. The only file with these instructions. F16 has them from sm_75 on, BF16 from sm_80; on older devices a body
// is empty, and the launching side does not choose kernels that call it.
//
// Fragments of mma.m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16"): lane = 4 g + t holds
//   a[0] = A[g, 2t..2t+1]       a[1] = A[g + 8, 2t..2t+1]     a[2] = A[g, 2t+8..2t+9]     a[3] = A[g + 8, 2t+8..2t+9]
//   b[0] = B[2t..2t+1, g]       b[1] = B[2t+8..2t+9, g]
//   d[0..1] = D[g, 2t..2t+1]    d[2..3] = D[g + 8, 2t..2t+1]
#pragma once
#include "types.cuh"

// The address of shared memory as the 32-bit number that the instructions below take.
__device__ __forceinline__ word shared_address(const void* pointer) { return (word)__cvta_generic_to_shared(pointer); }

// Shared memory by address: 4 and 16 bytes.
__device__ __forceinline__ void store_shared(word to, word value) { asm volatile("st.shared.u32 [%0], %1;" :: "r"(to), "r"(value) : "memory"); }

__device__ __forceinline__ void store_shared(word to, const Pack& pack)
{
    uint4 value = *reinterpret_cast<const uint4*>(&pack);
    asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" :: "r"(to), "r"(value.x), "r"(value.y), "r"(value.z), "r"(value.w) : "memory");
}

__device__ __forceinline__ Pack load_shared(word from)
{
    uint4 value;
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w) : "r"(from) : "memory");
    return *reinterpret_cast<const Pack*>(&value);
}

// Two floats, 8 bytes.
__device__ __forceinline__ float2 load_shared_pair(word from)
{
    float2 pair;
    asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(pair.x), "=f"(pair.y) : "r"(from) : "memory");
    return pair;
}

// Whether this compilation is for a device that has them for the storage type.
#if (defined(STORAGE_F16) && __CUDA_ARCH__ >= 750) || (defined(STORAGE_BF16) && __CUDA_ARCH__ >= 800)
constexpr bool HasMatrixInstructions = true;
#else
constexpr bool HasMatrixInstructions = false;
#endif

#if defined(STORAGE_F16) || defined(STORAGE_BF16)

// Two fp32 numbers as two of storage, the first in the lower half.
__device__ __forceinline__ word pack2(float low, float high)
{
#if __CUDA_ARCH__ >= 800
    word pair;
#if defined(STORAGE_BF16)
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
#else
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
#endif
    return pair;
#else
    return (word)narrow(low) | (word)narrow(high) << 16;
#endif
}

// d[16, 8] += a[16, 16] b[16, 8]
__device__ __forceinline__ void mma16816(float (&d)[4], const word (&a)[4], const word (&b)[2])
{
#if __CUDA_ARCH__ >= 800 && defined(STORAGE_BF16)
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#elif __CUDA_ARCH__ >= 750 && defined(STORAGE_F16)
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(b[0]));
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[2]), "r"(a[3]), "r"(b[1]));
#endif
}

// Four 8x8 matrices of 16-bit elements; lanes 8 i to 8 i + 7 give the addresses of matrix i's rows, each 16 bytes, from
// which `Offset` bytes further is read.
template <int Offset = 0> __device__ __forceinline__ void load_matrices(word (&r)[4], word address)
{
#if __CUDA_ARCH__ >= 750
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4+%5];"
        : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address), "n"(Offset) : "memory");
#endif
}

// Two of them; the addresses of lanes 16 to 31 are ignored.
template <int Offset = 0> __device__ __forceinline__ void load_matrices(word (&r)[2], word address)
{
#if __CUDA_ARCH__ >= 750
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2+%3];" : "=r"(r[0]), "=r"(r[1]) : "r"(address), "n"(Offset) : "memory");
#endif
}

// The same, each matrix transposed.
template <int Offset = 0> __device__ __forceinline__ void load_matrices_transposed(word (&r)[4], word address)
{
#if __CUDA_ARCH__ >= 750
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4+%5];"
        : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(address), "n"(Offset) : "memory");
#endif
}

template <int Offset = 0> __device__ __forceinline__ void load_matrices_transposed(word (&r)[2], word address)
{
#if __CUDA_ARCH__ >= 750
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2+%3];" : "=r"(r[0]), "=r"(r[1]) : "r"(address), "n"(Offset) : "memory");
#endif
}

#endif

// Whether copies go past the registers; where not, they are complete at once.
#if __CUDA_ARCH__ >= 800
constexpr bool HasAsyncCopy = true;
#else
constexpr bool HasAsyncCopy = false;
#endif

// Starts a copy of 16 bytes to shared memory; zeros where not `inside`, and then `from` is not read. It has arrived after
// copy_wait and a barrier. `Offset`: bytes from `to`.
template <int Offset = 0> __device__ __forceinline__ void copy_async(word to, const void* from, bool inside)
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0+%3], [%1], 16, %2;" :: "r"(to), "l"(__cvta_generic_to_global(from)), "r"(inside ? 16 : 0), "n"(Offset) : "memory");
#else
    store_shared(to + Offset, inside ? *reinterpret_cast<const Pack*>(from) : Pack{});
#endif
}

// The same for 4 bytes.
__device__ __forceinline__ void copy_async4(word to, const void* from, bool inside)
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" :: "r"(to), "l"(__cvta_generic_to_global(from)), "r"(inside ? 4 : 0) : "memory");
#else
    store_shared(to, inside ? *reinterpret_cast<const word*>(from) : 0);
#endif
}

// Closes a group of copies.
__device__ __forceinline__ void copy_commit()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most `Pending` of the latest groups are under way.
template <int Pending> __device__ __forceinline__ void copy_wait()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" :: "n"(Pending) : "memory");
#endif
}

// Byte offset of 16-byte column `column` in row `row` of a tile whose rows are `Columns` such columns. ldmatrix reads a column
// of 8 rows that lie Columns apart: they fall on 8 / G of the 8 groups of banks, where G is the largest power of two up to 8
// that divides Columns. Exclusive-or of the column with the number of the row's group of 8 / G rows spreads them over all.
template <int Columns> constexpr int SwizzleGroup = Columns % 8 == 0 ? 8 : Columns % 4 == 0 ? 4 : Columns % 2 == 0 ? 2 : 1;

template <int Columns> __device__ __forceinline__ int swizzle(int row, int column)
{
    constexpr int G = SwizzleGroup<Columns>;
    return (row * Columns + (column ^ (row / (8 / G) & (G - 1)))) * 16;
}

// The same for column `even + odd` of a known even number and 0 or 1: only even % G takes part in the exclusive-or, so a loop over
// columns has G / 2 addresses, and the rest is a constant.
template <int Columns> __device__ __forceinline__ int swizzle(int row, int even, int odd)
{
    constexpr int G = SwizzleGroup<Columns>;
    return swizzle<Columns>(row, even % G + odd) + even / G * G * 16;
}
