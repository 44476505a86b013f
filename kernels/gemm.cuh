// A block's part of a product d[m, n] = sum_k a[m, k] b[n, k]: which tile, which share of k. Blocks are of Tile::Threads.
#pragma once
#include "gemm_main.cuh"
#include "gemm_output.cuh"
#include "gemm_simt.cuh"

#if defined(STORAGE_F16) || defined(STORAGE_BF16)
typedef TensorTile<160, 160, 80, 40, 1> Tile160x160;
typedef TensorTile<128, 128, 64, 64, 2> Tile128x128;
typedef TensorTile<80, 160, 80, 40, 2> Tile80x160;
typedef TensorTile<96, 128, 48, 64, 2> Tile96x128;
typedef TensorTile<64, 64, 32, 32, 4> Tile64x64;
typedef TensorTile<64, 64, 32, 32, 2> TileUnaligned; // its addresses need registers
#endif

// A launch of one product: (tiles of m * tiles of n, 1, splits) blocks.
struct WholeLaunch
{
    __device__ __forceinline__ word block() const { return blockIdx.x; }
    __device__ __forceinline__ word split() const { return blockIdx.z; }
    __device__ __forceinline__ word splits() const { return gridDim.z; }
};

// `Launch`: which tile's block this is, for which share of how many.
template <typename Tile, bool aligned, Major major_a, Major major_b, typename A, typename B, typename Output, typename Launch = WholeLaunch>
__device__ __forceinline__ void product(const A& a, const B& b, int m, int n, int k, const Output& output, const Launch& launch = Launch())
{
    // Neighbouring blocks take up to 8 tiles of m by all of n, so that what runs at the same time shares lines of a and b in L2.
    constexpr int Group = 8;
    int tiles_m = (m + Tile::M - 1) / Tile::M, tiles_n = (n + Tile::N - 1) / Tile::N;
    int group = launch.block() / (Group * tiles_n), within = launch.block() % (Group * tiles_n);
    int height = min(tiles_m - group * Group, Group);
    int tile_m = group * Group + within % height, tile_n = within / height;

    int tiles_k = (k + Tile::K - 1) / Tile::K, share = (tiles_k + launch.splits() - 1) / launch.splits();
    int begin = min((int)launch.split() * share, tiles_k), end = min(begin + share, tiles_k);
    Tile::template run<aligned, major_a, major_b>(a, b, tile_m * Tile::M, tile_n * Tile::N, begin * Tile::K, end * Tile::K, output);
}
