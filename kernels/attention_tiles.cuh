// Tiles of a head's rows in shared memory, as the matrix instructions want them: [rows, Size] of 16-bit storage, swizzled in
// columns of 16 bytes, zero where there is no row or no column. Size is the size of the head rounded up.
#pragma once
#include "attention.cuh"
#include "mma.cuh"

constexpr int AttentionThreads = 128;

extern __shared__ uint4 shared[];

template <int Size> constexpr int RowBytes = Size * 2;

// Starts to load rows `first` to first + Rows - 1 of a head. A thread has one column and goes through the rows; 16 bytes at a
// time where rows are aligned, else element by element. Complete after copy_wait and a barrier.
template <int Rows, int Size>
__device__ __forceinline__ void load_tile(word tile, const storage* head, int first, int rows, int pitch, int size, int aligned)
{
    constexpr int Columns = Size / Lanes, RowsAtOnce = AttentionThreads / Columns, Rounds = (Rows + RowsAtOnce - 1) / RowsAtOnce;
    int row = threadIdx.x / Columns, column = threadIdx.x % Columns;
    if (row >= RowsAtOnce) return;
    asm volatile("" : "+r"(pitch), "+r"(row), "+r"(column)); // or what follows from them would be kept in registers from tile to tile
    const storage* from = head + (first + row) * pitch + column * Lanes;
    if (aligned)
    {
        int end = column * Lanes < size ? rows - first : 0;
#pragma unroll
        for (int i = 0; i < Rounds; i++, row += RowsAtOnce, from += RowsAtOnce * pitch)
            if (Rows % RowsAtOnce == 0 || row < Rows) copy_async(tile + swizzle<Columns>(row, column), from, row < end);
    }
    else
    {
#pragma unroll 1
        for (; row < Rows; row += RowsAtOnce, from += RowsAtOnce * pitch)
        {
            Pack pack;
#pragma unroll
            for (int i = 0; i < Lanes; i++) pack.element[i] = first + row < rows && column * Lanes + i < size ? from[i] : (storage)0;
            store_shared(tile + swizzle<Columns>(row, column), pack);
        }
    }
}

// Writes a warp's 16 RowTiles rows of fp32 sums, each row times its factor, through the warp's own rows of a tile.
template <int RowTiles, int Size>
__device__ __forceinline__ void store_rows(word tile, int tile_row, const float (&sums)[RowTiles][Size / 8][4], const float (&factor)[RowTiles][2],
    storage* head, int first, int rows, int pitch, int size, int aligned)
{
    constexpr int Columns = Size / Lanes, Pieces = RowTiles * 16 * Columns;
    int lane = threadIdx.x % 32, group = lane / 4, pair = lane % 4;
    __syncwarp(); // the warp's lanes are done with what the rows held
#pragma unroll
    for (int r = 0; r < RowTiles; r++)
#pragma unroll
        for (int n = 0; n < Size / 8; n++)
#pragma unroll
            for (int half = 0; half < 2; half++)
            {
                int row = tile_row + r * 16 + half * 8 + group;
                word packed = pack2(sums[r][n][2 * half] * factor[r][half], sums[r][n][2 * half + 1] * factor[r][half]);
                store_shared(tile + swizzle<Columns>(row, n) + pair * 4, packed);
            }
    __syncwarp(); // all of the warp's rows are written
#pragma unroll 1
    for (int piece = lane; piece < Pieces; piece += 32)
    {
        int row = tile_row + piece / Columns, column = piece % Columns;
        if (first + row >= rows || column * Lanes >= size) continue;
        storage* to = head + (first + row) * pitch + column * Lanes;
        Pack pack = load_shared(tile + swizzle<Columns>(row, column));
        if (aligned) store_pack(to, pack);
        else
        {
#pragma unroll
            for (int i = 0; i < Lanes; i++)
                if (column * Lanes + i < size) to[i] = pack.element[i];
        }
    }
}

#if defined(STORAGE_F16) || defined(STORAGE_BF16)

// Rows `row` to row + 15 and columns 16 k to 16 k + 15 of a tile as the left operand of mma.
template <int Size> __device__ __forceinline__ void left_fragment(word (&a)[4], word tile, int row, int k)
{
    int lane = threadIdx.x % 32;
    load_matrices(a, tile + row * RowBytes<Size> + swizzle<Size / Lanes>(lane % 16, 2 * k, lane / 16));
}

// sums[rows, n] += left[rows, 16] tile[n, 16 k to 16 k + 15]^T for the 8 NTiles rows n of a tile.
template <int Size, int RowTiles, int NTiles>
__device__ __forceinline__ void add_scores_part(float (&sums)[RowTiles][NTiles][4], const word (&left)[RowTiles][4], word tile, int k)
{
    int lane = threadIdx.x % 32, row = lane / 16 * 8 + lane % 8, column = lane / 8 % 2;
#pragma unroll
    for (int n = 0; n < NTiles; n += 2)
    {
        word b[4]; // rows 8 n to 8 n + 7 in the first two, the next 8 in the others
        load_matrices(b, tile + n * 8 * RowBytes<Size> + swizzle<Size / Lanes>(row, 2 * k, column));
#pragma unroll
        for (int r = 0; r < RowTiles; r++)
        {
            mma16816(sums[r][n], left[r], {b[0], b[1]});
            mma16816(sums[r][n + 1], left[r], {b[2], b[3]});
        }
    }
}

// sums[rows, Size] += weights[rows, n] tile[n, Size]. The weights stand where mma leaves its sums, which is where it takes its
// left operand from; they are rounded to storage.
template <int Size, int RowTiles, int NTiles>
__device__ __forceinline__ void add_weighted(float (&sums)[RowTiles][Size / 8][4], const float (&weights)[RowTiles][NTiles][4], word tile)
{
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int n = 0; n < NTiles; n += 2)
    {
        word left[RowTiles][4];
#pragma unroll
        for (int r = 0; r < RowTiles; r++)
#pragma unroll
            for (int i = 0; i < 4; i++) left[r][i] = pack2(weights[r][n + i / 2][i % 2 * 2], weights[r][n + i / 2][i % 2 * 2 + 1]);
#pragma unroll
        for (int column = 0; column < Size / 8; column += 2)
        {
            word b[4]; // the first 8 columns in the first two, the next 8 in the others
            load_matrices_transposed(b, tile + n * 8 * RowBytes<Size> + swizzle<Size / Lanes>(lane % 16, column, lane / 16));
#pragma unroll
            for (int r = 0; r < RowTiles; r++)
            {
                mma16816(sums[r][column], left[r], {b[0], b[1]});
                mma16816(sums[r][column + 1], left[r], {b[2], b[3]});
            }
        }
    }
}

#endif
