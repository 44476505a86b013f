// WHAT:    y[b, c, r] = x[b, r, c]: NHWC to NCHW and back
// SHAPES:  x [batch, rows, columns], y [batch, columns, rows]
// LAUNCH:  one block of 32x8 threads for each tile of 32x32 elements, the column tiles of a row tile first
// TRAFFIC: x read once, y written once: the minimum, in whole sectors where rows and columns are multiples of 16
// NEEDS:   Transpose: 256 threads, 40 registers, 4224 bytes of shared memory, sm_70
// WRITES:  =
// ORDER:   deterministic
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  the tiled transpose of NVIDIA's CUDA samples
// TRIED:   -
#include "types.cuh"

constexpr int Tile = 32;
constexpr int RowsAtOnce = 8;

extern "C" __global__ void __launch_bounds__(Tile * RowsAtOnce) Transpose(const storage* x, storage* y, int rows, int columns)
{
    // A row of 33 elements puts the elements of a column into 32 different banks: 33 i words, or 33 i / 2 for 16 bits.
    __shared__ storage tile[Tile][Tile + 1];
    int column_tiles = (columns + Tile - 1) / Tile, row_tiles = (rows + Tile - 1) / Tile;
    int column0 = blockIdx.x % column_tiles * Tile, row0 = blockIdx.x / column_tiles % row_tiles * Tile;
    wide image = (wide)(blockIdx.x / column_tiles / row_tiles) * rows * columns;

    int column = column0 + threadIdx.x;
    for (int i = threadIdx.y; i < Tile; i += RowsAtOnce)
        if (row0 + i < rows && column < columns) tile[i][threadIdx.x] = x[image + (wide)(row0 + i) * columns + column];

    __syncthreads(); // the tile is there: columns are read that other warps wrote

    int row = row0 + threadIdx.x;
    for (int i = threadIdx.y; i < Tile; i += RowsAtOnce)
        if (column0 + i < columns && row < rows) y[image + (wide)(column0 + i) * rows + row] = tile[threadIdx.x][i];
}
