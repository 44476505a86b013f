// Tiles of a head's rows in shared memory as fp32, and their products without matrix instructions. 256 threads stand in 16 rows
// of 16; thread (ty, tx) works on rows 4 ty to 4 ty + 3 of the block's own 64 rows and, of another tile's 32 rows, on tx and
// tx + 16. Heads longer than 64 are worked on in chunks of 64 columns.
#pragma once
#include "attention.cuh"
#include "reduce.cuh"

constexpr int SimtThreads = 256, OwnRows = 64, OtherRows = 32, Chunk = 64;
constexpr int ChunkPitch = Chunk + 4, WeightPitch = OtherRows + 4; // in floats: 16 lanes' rows fall on different banks

struct alignas(16) SimtTiles
{
    float own[OwnRows][ChunkPitch], other[OtherRows][ChunkPitch], weights[OwnRows][WeightPitch];
};

struct alignas(4 * sizeof(storage)) Quad
{
    storage element[4];
};

// Loads columns `column` to column + 63 of rows `first` to first + Rows - 1, zero outside of the head.
template <int Rows>
__device__ __forceinline__ void load_chunk(float (*chunk)[ChunkPitch], const storage* head, int first, int rows, int pitch, int column, int size, int aligned)
{
    int tx = threadIdx.x % 16 * 4;
#pragma unroll
    for (int row = threadIdx.x / 16; row < Rows; row += SimtThreads / 16)
    {
        const storage* from = head + (first + row) * pitch + column + tx;
        bool inside = first + row < rows;
        Quad quad = {};
        if (aligned && inside && column + tx < size) quad = *reinterpret_cast<const Quad*>(from);
        if (!aligned && inside)
        {
#pragma unroll
            for (int i = 0; i < 4; i++)
                if (column + tx + i < size) quad.element[i] = from[i];
        }
        *reinterpret_cast<float4*>(&chunk[row][tx]) = make_float4(widen(quad.element[0]), widen(quad.element[1]), widen(quad.element[2]), widen(quad.element[3]));
    }
}

// sums += own other^T of the chunks over the first `columns` columns. Sixteen products are added up on their own, so that the
// error of a long sum grows with a sixteenth of its length.
__device__ __forceinline__ void add_dots(const SimtTiles& tiles, float (&sums)[4][2], int columns)
{
    int ty = threadIdx.x / 16, tx = threadIdx.x % 16;
#pragma unroll 1
    for (int first = 0; first < columns; first += 16)
    {
        float part[4][2] = {};
#pragma unroll
        for (int column = first; column < first + 16; column += 4)
        {
            float4 other[2];
#pragma unroll
            for (int j = 0; j < 2; j++) other[j] = *reinterpret_cast<const float4*>(&tiles.other[tx + 16 * j][column]);
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                float4 own = *reinterpret_cast<const float4*>(&tiles.own[4 * ty + i][column]);
#pragma unroll
                for (int j = 0; j < 2; j++)
                    part[i][j] = fmaf(own.w, other[j].w, fmaf(own.z, other[j].z, fmaf(own.y, other[j].y, fmaf(own.x, other[j].x, part[i][j]))));
            }
        }
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int j = 0; j < 2; j++) sums[i][j] += part[i][j];
    }
}

// Products of 64 own rows with 32 others, chunk by chunk. Begins with a barrier and leaves the last chunks in shared memory.
__device__ __forceinline__ void dots(SimtTiles& tiles, float (&sums)[4][2],
    const storage* own, int first, int owned, int own_pitch, const storage* other, int from, int others, int other_pitch, int size, int aligned)
{
#pragma unroll
    for (int i = 0; i < 4; i++) sums[i][0] = sums[i][1] = 0;
    for (int column = 0; column < size; column += Chunk)
    {
        __syncthreads(); // every thread is done with the chunks before
        load_chunk<OwnRows>(tiles.own, own, first, owned, own_pitch, column, size, aligned);
        load_chunk<OtherRows>(tiles.other, other, from, others, other_pitch, column, size, aligned);
        __syncthreads(); // the chunks are there
        add_dots(tiles, sums, min(Chunk, size - column));
    }
}

__device__ __forceinline__ void store_weights(SimtTiles& tiles, const float (&weights)[4][2])
{
    int ty = threadIdx.x / 16, tx = threadIdx.x % 16;
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 2; j++) tiles.weights[4 * ty + i][tx + 16 * j] = weights[i][j];
}

// sums[chunk][i][j] += sum over the other rows of weights[4 ty + i, other] values[other, 64 chunk + 4 tx + j]
template <int Chunks>
__device__ __forceinline__ void add_weighted(SimtTiles& tiles, float (&sums)[Chunks][4][4], const storage* values, int from, int others, int pitch, int size, int aligned)
{
    int ty = threadIdx.x / 16, tx = threadIdx.x % 16;
#pragma unroll
    for (int chunk = 0; chunk < Chunks; chunk++)
    {
        if (chunk * Chunk >= size) break;
        __syncthreads(); // every thread is done with the chunk before
        load_chunk<OtherRows>(tiles.other, values, from, others, pitch, chunk * Chunk, size, aligned);
        __syncthreads(); // the chunk and the weights are there
#pragma unroll 2
        for (int row = 0; row < OtherRows; row += 4)
        {
            float4 value[4];
#pragma unroll
            for (int j = 0; j < 4; j++) value[j] = *reinterpret_cast<const float4*>(&tiles.other[row + j][4 * tx]);
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                float4 weight = *reinterpret_cast<const float4*>(&tiles.weights[4 * ty + i][row]);
                float(&sum)[4] = sums[chunk][i];
                sum[0] = fmaf(weight.w, value[3].x, fmaf(weight.z, value[2].x, fmaf(weight.y, value[1].x, fmaf(weight.x, value[0].x, sum[0]))));
                sum[1] = fmaf(weight.w, value[3].y, fmaf(weight.z, value[2].y, fmaf(weight.y, value[1].y, fmaf(weight.x, value[0].y, sum[1]))));
                sum[2] = fmaf(weight.w, value[3].z, fmaf(weight.z, value[2].z, fmaf(weight.y, value[1].z, fmaf(weight.x, value[0].z, sum[2]))));
                sum[3] = fmaf(weight.w, value[3].w, fmaf(weight.z, value[2].w, fmaf(weight.y, value[1].w, fmaf(weight.x, value[0].w, sum[3]))));
            }
        }
    }
}

// Writes the sums of rows 4 ty to 4 ty + 3, each times its factor.
template <int Chunks>
__device__ __forceinline__ void store_sums(const float (&sums)[Chunks][4][4], const float (&factor)[4], storage* head, int first, int rows, int pitch, int size, int aligned)
{
    int ty = threadIdx.x / 16, tx = threadIdx.x % 16 * 4;
#pragma unroll
    for (int i = 0; i < 4; i++)
    {
        int row = first + 4 * ty + i;
        if (row >= rows) continue;
#pragma unroll
        for (int chunk = 0; chunk < Chunks; chunk++)
        {
            int column = chunk * Chunk + tx;
            storage* to = head + row * pitch + column;
            Quad quad;
#pragma unroll
            for (int j = 0; j < 4; j++) quad.element[j] = narrow(sums[chunk][i][j] * factor[i]);
            if (aligned && column < size) *reinterpret_cast<Quad*>(to) = quad;
            if (!aligned)
            {
#pragma unroll
                for (int j = 0; j < 4; j++)
                    if (column + j < size) to[j] = quad.element[j];
            }
        }
    }
}
