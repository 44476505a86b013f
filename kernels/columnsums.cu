// WHAT:    dBias = or += sums of dY's columns; dPerSample = the same for each sample; each optional
// SHAPES:  dY [rows, columns], samples of sample_rows rows, each cut into `parts` of part_rows; shares F32[samples parts, columns];
//          arrivals [columns / Width], zero before and after; dBias F32[columns]; dPerSample [samples, columns]
// LAUNCH:  (columns / Width, samples parts) blocks, of which the last to come among those of the same columns adds the shares
// TRAFFIC: dY once: the minimum; shares are small
// NEEDS:   ColumnSums: 256 threads, 64 registers, 8256 bytes of shared memory, sm_70
// WRITES:  shares, dPerSample =; dBias =, or += where accumulate
// ORDER:   deterministic: rows within a thread, threads, parts and samples are added in order, whichever block does it
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  -
// TRIED:   sums in shared memory in the order of the columns: 3.5 passes more for each pass without bank conflicts. A launch of its
//          own to add the shares: 3.5 us on an H100, 186 times a step
#include "arrivals.cuh"

constexpr int PackColumns = 8, RowGroups = 32, Width = PackColumns * Lanes; // 256 threads: 8 packs of columns by 32 rows

// The shares of the block's columns, each thread with those of one column and of every Groups-th part or sample, in order.
__device__ __forceinline__ void finish(const float* shares, int columns, float* dBias, storage* dPerSample, int samples, int parts, int accumulate,
    float (&totals)[RowGroups][Width])
{
    constexpr int Groups = 256 / Width;
    int lane = threadIdx.x % Width, group = threadIdx.x / Width, column = blockIdx.x * Width + lane;
    float total = 0.0f;
    if (column < columns && dPerSample)
        for (int sample = group; sample < samples; sample += Groups)
        {
            float sum = 0.0f;
#pragma unroll 4
            for (int part = 0; part < parts; part++) sum += shares[(wide)(sample * parts + part) * (word)columns + column];
            dPerSample[(wide)sample * (word)columns + column] = narrow(sum);
            total += sum;
        }
    if (column < columns && !dPerSample)
    {
#pragma unroll 8
        for (int share = group; share < samples * parts; share += Groups) total += shares[(wide)share * (word)columns + column];
    }
    totals[group][lane] = total;
    __syncthreads(); // every group's total is written
    if (group > 0 || column >= columns || dBias == nullptr) return;
#pragma unroll
    for (int other = 1; other < Groups; other++) total += totals[other][lane];
    dBias[column] = (accumulate ? dBias[column] : 0.0f) + total;
}

extern "C" __global__ void __launch_bounds__(256) ColumnSums(const storage* dY, float* shares, word* arrivals, float* dBias, storage* dPerSample, int rows,
    int columns, int sample_rows, int samples, int parts, int part_rows, int accumulate, int aligned)
{
    // Of a row first the fours that begin the packs, then the next fours: 8 threads store 8 fours beside each other.
    alignas(16) __shared__ float sums[RowGroups][Width];
    int pack = threadIdx.x % PackColumns, group = threadIdx.x / PackColumns;
    int column = blockIdx.x * Width + pack * Lanes;
    int sample = blockIdx.y / parts, begin = sample * sample_rows + blockIdx.y % parts * part_rows;
    int end = min(min(begin + part_rows, (sample + 1) * sample_rows), rows);

    float sum[Lanes];
#pragma unroll
    for (int lane = 0; lane < Lanes; lane++) sum[lane] = 0.0f;
    if (aligned && column < columns)
    {
#pragma unroll 4
        for (int row = begin + group; row < end; row += RowGroups)
        {
            Pack values = load_pack(dY + (wide)row * (word)columns + column);
#pragma unroll
            for (int lane = 0; lane < Lanes; lane++) sum[lane] += widen(values.element[lane]);
        }
    }
    if (!aligned)
    {
        for (int row = begin + group; row < end; row += RowGroups)
#pragma unroll
            for (int lane = 0; lane < Lanes; lane++)
                if (column + lane < columns) sum[lane] += widen(dY[(wide)row * (word)columns + column + lane]);
    }
#pragma unroll
    for (int lane = 0; lane < Lanes; lane += 4)
        *reinterpret_cast<float4*>(&sums[group][lane * PackColumns + pack * 4]) = make_float4(sum[lane], sum[lane + 1], sum[lane + 2], sum[lane + 3]);
    __syncthreads(); // every thread's sums are written

    int four = threadIdx.x / 4, mine = blockIdx.x * Width + four % PackColumns * Lanes + four / PackColumns * 4 + threadIdx.x % 4;
    if (threadIdx.x < Width && mine < columns)
    {
        float total = 0.0f;
#pragma unroll 8
        for (int g = 0; g < RowGroups; g++) total += sums[g][threadIdx.x];
        shares[(wide)blockIdx.y * (word)columns + mine] = total;
    }
    if (comes_last(arrivals + blockIdx.x, gridDim.y)) finish(shares, columns, dBias, dPerSample, samples, parts, accumulate, sums);
}
