// The main loop of all matrix products without tensor cores: fp32 storage, and 16-bit storage on devices that lack the
// instructions. d[m, n] = sum_k a[m, k] b[n, k] by fp32 FMA, a tile of 64 x 64 in a block of 64 threads, 8 x 8 of it in each
// thread. The next tiles of a and b are on their way to registers while the current ones are multiplied.
#pragma once
#include "gemm_tile.cuh"

struct ScalarTile
{
    static constexpr int M = 64, N = 64, K = 16, Threads = 64, Blocks = 4;

    // A tile in shared memory: K lines of 64 numbers. Which row stands where depends on the line, so that threads that hold
    // different k of the same rows store to different banks.
    static __device__ __forceinline__ int place(int k, int row) { return k * 64 + (row ^ (k / 4 % 4 * 8)); }

    template <Major major, typename Fetch> static __device__ __forceinline__ void store(const Fetch& fetch, const Pack (&packs)[Fetch::Passes], float* tile)
    {
#pragma unroll
        for (int pass = 0; pass < Fetch::Passes; pass++)
#pragma unroll
            for (int lane = 0; lane < Lanes; lane++)
            {
                int line = fetch.line + (major == AlongK ? pass * Fetch::Step : 0);
                int column = (fetch.column + (major == AlongK ? 0 : pass * Fetch::Step)) * Lanes + lane;
                tile[major == AlongK ? place(column, line) : place(line, column)] = widen(packs[pass].element[lane]);
            }
    }

    template <bool aligned, Major major_a, Major major_b, typename A, typename B, typename Output>
    static __device__ __forceinline__ void run(const A& a, const B& b, int m, int n, int k_begin, int k_end, const Output& output)
    {
        typedef TileFetch<major_a, A, M, K, Threads> FetchA;
        typedef TileFetch<major_b, B, N, K, Threads> FetchB;
        alignas(16) __shared__ float shared[M * N]; // the tiles of a and b, in the end the tile of d
        float *tile_a = shared, *tile_b = shared + K * M;
        FetchA fetch_a(a, m);
        FetchB fetch_b(b, n);
        Pack next_a[FetchA::Passes], next_b[FetchB::Passes];
        auto fetch = [&](int k) {
            fetch_a.seek(k);
            fetch_b.seek(k);
#pragma unroll
            for (int pass = 0; pass < FetchA::Passes; pass++) next_a[pass] = fetch_a.template load<aligned>(pass);
#pragma unroll
            for (int pass = 0; pass < FetchB::Passes; pass++) next_b[pass] = fetch_b.template load<aligned>(pass);
        };

        // rows row..row+3 and row+32..row+35, columns likewise: a warp then reads 32 consecutive numbers of b
        int row = threadIdx.x / 8 * 4, column = threadIdx.x % 8 * 4;
        float d[8][8];
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
            for (int j = 0; j < 8; j++) d[i][j] = i == 0 ? output.initial(n + column + j % 4 + j / 4 * 32) : d[0][j];

        if (k_begin < k_end) fetch(k_begin);
        for (int k = k_begin; k < k_end; k += K)
        {
            __syncthreads(); // the tiles before these have been multiplied by all threads
            store<major_a>(fetch_a, next_a, tile_a);
            store<major_b>(fetch_b, next_b, tile_b);
            __syncthreads(); // the tiles are complete
            if (k + K < k_end) fetch(k + K);
#pragma unroll 1
            for (int four = 0; four < K; four += 4)
            {
                const float *from_a = tile_a + place(four, row), *from_b = tile_b + place(four, column);
#pragma unroll
                for (int depth = 0; depth < 4; depth++, from_a += M, from_b += N)
                {
                    float of_a[8], of_b[8];
#pragma unroll
                    for (int half = 0; half < 2; half++)
                    {
                        *reinterpret_cast<float4*>(of_a + half * 4) = *reinterpret_cast<const float4*>(from_a + half * 32);
                        *reinterpret_cast<float4*>(of_b + half * 4) = *reinterpret_cast<const float4*>(from_b + half * 32);
                    }
#pragma unroll
                    for (int i = 0; i < 8; i++)
#pragma unroll
                        for (int j = 0; j < 8; j++) d[i][j] = fmaf(of_a[i], of_b[j], d[i][j]);
                }
            }
        }

        __syncthreads(); // every thread has read the tiles for the last time
        float* staging = shared;
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
            for (int half = 0; half < 2; half++)
                *reinterpret_cast<float4*>(staging + (row + i % 4 + i / 4 * 32) * N + column + half * 32) =
                    make_float4(d[i][half * 4], d[i][half * 4 + 1], d[i][half * 4 + 2], d[i][half * 4 + 3]);
        __syncthreads(); // the result is complete
        output.template emit<M, N, N, Threads>(output.together(), staging, m, n);
    }
};
