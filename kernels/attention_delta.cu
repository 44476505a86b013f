// WHAT:    delta[b, head, i] = sum over the head of dY[b, i, head] y[b, i, head]: what the softmax's gradient subtracts
// SHAPES:  y, dY [batch, queries, heads * size], delta F32 [batch, heads, queries]
// LAUNCH:  256 threads, grid (ceil(queries / 256), heads, batch); a warp has 32 queries, eight lanes for each of four at a time.
//          `aligned` says that every row of a head starts at a multiple of 16 bytes
// TRAFFIC: y, dY read once, delta written once: the minimum
// NEEDS:   AttentionDelta: 256 threads, 80 registers, 0 bytes of shared memory, sm_70
// WRITES:  =
// ORDER:   deterministic
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  Dao et al., "FlashAttention", appendix B.4
// TRIED:   -
#include "attention.cuh"
#include "reduce.cuh"

constexpr int LanesPerRow = 8, RowsAtOnce = WarpSize / LanesPerRow, Rounds = WarpSize / RowsAtOnce;

// Sum of the products of this lane's elements of two rows.
__device__ __forceinline__ float lane_dot(const storage* a, const storage* b, int size, int aligned)
{
    int lane = threadIdx.x % LanesPerRow;
    float sum = 0;
    if (aligned)
        for (int i = lane * Lanes; i < size; i += LanesPerRow * Lanes)
        {
            Pack left = load_pack(a + i), right = load_pack(b + i);
#pragma unroll
            for (int j = 0; j < Lanes; j++) sum = fmaf(widen(left.element[j]), widen(right.element[j]), sum);
        }
    else
        for (int i = lane; i < size; i += LanesPerRow) sum = fmaf(widen(a[i]), widen(b[i]), sum);
    return sum;
}

extern "C" __global__ void __launch_bounds__(256) AttentionDelta(const storage* y, const storage* dY, float* delta, int queries, int size, int aligned)
{
    int lane = threadIdx.x % WarpSize, first = blockIdx.x * blockDim.x + threadIdx.x / WarpSize * WarpSize;
    int pitch = heads_pitch(size);
    wide head = head_start(queries, size, pitch);
    float own = 0;
#pragma unroll 2
    for (int round = 0; round < Rounds; round++)
    {
        int query = first + lane / LanesPerRow * Rounds + round;
        float sum = 0;
        if (query < queries)
        {
            wide at = head + query * pitch;
            sum = lane_dot(y + at, dY + at, size, aligned);
        }
#pragma unroll
        for (int distance = LanesPerRow / 2; distance > 0; distance /= 2) sum += __shfl_xor_sync(AllLanes, sum, distance);
        if (lane % LanesPerRow == round) own = sum; // so that lane i ends with query i
    }
    if (first + lane < queries) delta[row_start(queries) + first + lane] = own;
}
