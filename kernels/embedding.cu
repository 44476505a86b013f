// WHAT:    rows of a table by id, plus a position's row; gradients of both
// SHAPES:  ids int[n], n = batch * tokens; table, position, [.., channels]; y, dY [n, channels]; dTable, dPosition float[.., channels]
// LAUNCH:  EmbeddingForward and EmbeddingBackwardTable one block for each id, EmbeddingBackwardPosition one block for each token.
//          The host has checked that ids are rows of the table
// TRAFFIC: forward reads a row for each id and writes it: the minimum. dTable: dY once, and each id is compared with all others
// NEEDS:   EmbeddingForward: 256 threads, 40 registers, 0 bytes of shared memory, sm_70
// NEEDS:   EmbeddingBackwardTable: 256 threads, 40 registers, 0 bytes of shared memory, sm_70
// NEEDS:   EmbeddingBackwardPosition: 256 threads, 48 registers, 0 bytes of shared memory, sm_70
// WRITES:  y =; dTable, dPosition +=
// ORDER:   deterministic: an id's gradients are added from its first occurrence to its last
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  -
// TRIED:   -
#include "packs.cuh"

// y[r] = table[ids[r]] + position[r % tokens]
template <int N>
__device__ __forceinline__ void gather(const int* ids, const storage* table, const storage* position, storage* y, word tokens, word channels)
{
    const storage* from = table + (wide)ids[blockIdx.x] * channels;
    const storage* place = position ? position + (wide)(blockIdx.x % tokens) * channels : nullptr;
    storage* to = y + (wide)blockIdx.x * channels;
    for (word c = threadIdx.x * N; c < channels; c += blockDim.x * N)
    {
        Floats<N> values = load<N>(from + c);
        if (place)
        {
            Floats<N> added = load<N>(place + c);
#pragma unroll
            for (int lane = 0; lane < N; lane++) values[lane] += added[lane];
        }
        store(to + c, values);
    }
}

extern "C" __global__ void __launch_bounds__(256) EmbeddingForward(const int* ids, const storage* table, const storage* position, storage* y, word tokens,
    word channels, int packed)
{
    if (packed) gather<Lanes>(ids, table, position, y, tokens, channels);
    else gather<1>(ids, table, position, y, tokens, channels);
}

// dTable[i] += sum of dY[r] over the r with ids[r] = i, by the block of its first occurrence
extern "C" __global__ void __launch_bounds__(256) EmbeddingBackwardTable(const int* ids, const storage* dY, float* dTable, word n, word channels)
{
    int id = ids[blockIdx.x], earlier = 0;
    for (word r = threadIdx.x; r < blockIdx.x; r += blockDim.x) earlier |= ids[r] == id;
    if (__syncthreads_or(earlier)) return; // every thread's part has been searched
    for (word c = threadIdx.x; c < channels; c += blockDim.x)
    {
        float sum = 0.0f;
        for (word r = blockIdx.x; r < n; r++)
            if (ids[r] == id) sum += widen(dY[(wide)r * channels + c]);
        dTable[(wide)id * channels + c] += sum;
    }
}

// dPosition[t] += sum over b of dY[b, t]
extern "C" __global__ void __launch_bounds__(256) EmbeddingBackwardPosition(const storage* dY, float* dPosition, word batch, word tokens, word channels)
{
    for (word c = threadIdx.x; c < channels; c += blockDim.x)
    {
        float sum = 0.0f;
        for (word b = 0; b < batch; b++) sum += widen(dY[((wide)b * tokens + blockIdx.x) * channels + c]);
        dPosition[(wide)blockIdx.x * channels + c] += sum;
    }
}
