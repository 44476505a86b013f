// WHAT:    dBias = or += sums of dY's columns; dPerSample = the same for each sample
// SHAPES:  dY [rows, columns], samples of sample_rows rows, each cut into `parts` of part_rows; shares F32[samples parts, columns];
//          dBias F32[columns]; dPerSample [samples, columns]
// LAUNCH:  ColumnSums: (columns / Width, samples parts) blocks; ColumnSumsFinish: a block for 32 columns
// TRAFFIC: dY once: the minimum; shares are small
// NEEDS:   ColumnSums: 256 threads, 64 registers, 8192 bytes of shared memory, sm_70
// NEEDS:   ColumnSumsFinish: 256 threads, 40 registers, 1024 bytes of shared memory, sm_70
// WRITES:  shares, dPerSample =; dBias =, or += where accumulate
// ORDER:   deterministic: rows within a thread, threads, parts and samples are added in order
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  -
// TRIED:   sums in shared memory in the order of the columns: 3.5 passes more for each pass without bank conflicts
#include "types.cuh"

constexpr int PackColumns = 8, RowGroups = 32, Width = PackColumns * Lanes; // 256 threads: 8 packs of columns by 32 rows

extern "C" __global__ void __launch_bounds__(256) ColumnSums(const storage* dY, float* shares, int rows, int columns, int sample_rows,
    int parts, int part_rows, int aligned)
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
    if (threadIdx.x >= Width || mine >= columns) return;
    float total = 0.0f;
#pragma unroll 8
    for (int g = 0; g < RowGroups; g++) total += sums[g][threadIdx.x];
    shares[(wide)blockIdx.y * (word)columns + mine] = total;
}

// Eight groups of threads share the samples; dBias and dPerSample are optional.
extern "C" __global__ void __launch_bounds__(256) ColumnSumsFinish(const float* shares, float* dBias, storage* dPerSample, int samples, int parts, int columns,
    int accumulate)
{
    constexpr int Groups = 8;
    __shared__ float totals[Groups][32];
    int lane = threadIdx.x % 32, group = threadIdx.x / 32, column = blockIdx.x * 32 + lane;
    float total = 0.0f;
    if (column < columns)
        for (int sample = group; sample < samples; sample += Groups)
        {
            float sum = 0.0f;
#pragma unroll 4
            for (int part = 0; part < parts; part++) sum += shares[(wide)(sample * parts + part) * (word)columns + column];
            if (dPerSample) dPerSample[(wide)sample * (word)columns + column] = narrow(sum);
            total += sum;
        }
    totals[group][lane] = total;
    __syncthreads(); // every group's total is written
    if (group > 0 || column >= columns || dBias == nullptr) return;
    for (int g = 1; g < Groups; g++) total += totals[g][lane];
    dBias[column] = (accumulate ? dBias[column] : 0.0f) + total;
}
