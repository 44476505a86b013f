// The main loop of all matrix products on tensor cores: d[m, n] = sum_k a[m, k] b[n, k] for one tile of d, in fp32.
//
// Tiles of a and b of 32 deep in k are copied asynchronously to shared memory, three stages of them in a ring, so that two are
// on their way while one is multiplied. A warp holds WarpM x WarpN of d in registers and reads its rows of a and b with
// ldmatrix, plain or transposed as k runs along or across the lines. The swizzle keeps copies and ldmatrix free of bank
// conflicts. One barrier for each tile of k.
#pragma once
#include "gemm_tile.cuh"
#include "mma.cuh"

#if defined(STORAGE_F16) || defined(STORAGE_BF16)

// Where a warp's 16x16 pieces of a tile lie in shared memory, for ldmatrix. Of the four 8x8 matrices of a piece, lanes 8 i to
// 8 i + 7 give the rows of the i-th; `outer` and `inner` say which half of the rows (m or n) and of k that one is.
template <Major major, int Extent, int Depth, int Pieces> struct Fragments
{
    static constexpr int Columns = power_of_two_from((major == AlongK ? Depth : Extent) / Lanes);
    static constexpr int Steps = Depth / 16;

    word offset[major == AlongK ? Steps : Pieces]; // the swizzle mixes the column with the line, so each column has its own

    __device__ __forceinline__ Fragments(int first, int outer, int inner)
    {
        int lane = threadIdx.x % 8;
        if constexpr (major == AlongK)
        {
#pragma unroll
            for (int step = 0; step < Steps; step++) offset[step] = swizzle<Columns>(first + outer * 8 + lane, step * 2 + inner);
        }
        else
        {
#pragma unroll
            for (int piece = 0; piece < Pieces; piece++) offset[piece] = swizzle<Columns>(inner * 8 + lane, first / 8 + piece * 2 + outer);
        }
    }

    __device__ __forceinline__ void load(word (&r)[4], word tile, int piece, int step) const
    {
        if constexpr (major == AlongK) load_matrix4(r, tile + offset[step] + piece * 16 * Columns * 16);
        else load_matrix4_transposed(r, tile + offset[piece] + step * 16 * Columns * 16);
    }
};

template <int TileM, int TileN, int WarpM, int WarpN, int BlocksPerMultiprocessor> struct TensorTile
{
    static constexpr int M = TileM, N = TileN, K = 32, Stages = 3, Blocks = BlocksPerMultiprocessor;
    static constexpr int WarpsM = M / WarpM, WarpsN = N / WarpN, Threads = WarpsM * WarpsN * 32;
    static constexpr int PiecesM = WarpM / 16, PiecesN = WarpN / 16;
    static constexpr int BytesA = power_of_two_from(M) * K * (int)sizeof(storage), BytesB = power_of_two_from(N) * K * (int)sizeof(storage), StageBytes = BytesA + BytesB;
    static constexpr int StagingRows = WarpM % 32 == 0 ? 32 : 16, StagingStride = WarpN + 8; // numbers; 8 more than a multiple of 32 spread 4 rows over all banks
    static_assert(Threads / 32 * StagingRows * StagingStride * 4 <= Stages * StageBytes, "the ring's memory holds the staged rows");

    template <bool aligned, int Columns, typename Fetch> static __device__ __forceinline__ void copy(Fetch& fetch, int k, word tile)
    {
        // the swizzle repeats every 8 lines
        constexpr int Repeat = Fetch::Step % 8 == 0 ? 1 : 8 / Fetch::Step;
        static_assert(Fetch::Step * Repeat % 8 == 0, "passes end where the swizzle repeats");
        word first[Repeat];
#pragma unroll
        for (int pass = 0; pass < Repeat; pass++) first[pass] = tile + swizzle<Columns>(fetch.line + pass * Fetch::Step, fetch.column);
        fetch.seek(k);
        if (Fetch::Used < Columns && fetch.column >= Fetch::Used) return;
#pragma unroll
        for (int pass = 0; pass < Fetch::Passes; pass++)
        {
            word to = first[pass % Repeat] + pass / Repeat * Repeat * Fetch::Step * Columns * 16;
            if constexpr (aligned)
            {
                Source here = fetch.source(pass);
                copy_async(to, here.from, here.inside);
            }
            else
            {
                Pack pack = fetch.template load<false>(pass);
                const uint4& bits = *reinterpret_cast<const uint4*>(&pack);
                asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" :: "r"(to), "r"(bits.x), "r"(bits.y), "r"(bits.z), "r"(bits.w) : "memory");
            }
        }
    }

    // Hands the tile at (m, n), summed over k_begin <= k < k_end (both multiples of K; operands are zero beyond their end), to
    // output(row, column, four values in a row).
    template <bool aligned, Major major_a, Major major_b, typename A, typename B, typename Output>
    static __device__ __forceinline__ void run(const A& a, const B& b, int m, int n, int k_begin, int k_end, const Output& output)
    {
#if __CUDA_ARCH__ >= 800 || (__CUDA_ARCH__ >= 750 && defined(STORAGE_F16))
        extern __shared__ uint4 ring[];
        word ring_address = shared_address(ring);
        int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        int warp_m = warp % WarpsM * WarpM, warp_n = warp / WarpsM * WarpN;

        TileFetch<major_a, A, M, K, Threads> fetch_a(a, m);
        TileFetch<major_b, B, N, K, Threads> fetch_b(b, n);
        constexpr int ColumnsA = TileFetch<major_a, A, M, K, Threads>::Columns, ColumnsB = TileFetch<major_b, B, N, K, Threads>::Columns;
        Fragments<major_a, M, K, PiecesM> fragments_a(warp_m, lane / 8 % 2, lane / 16);
        Fragments<major_b, N, K, PiecesN> fragments_b(warp_n, lane / 16, lane / 8 % 2);

        float d[PiecesM][PiecesN * 2][4]; // (WarpM / 16, WarpN / 8, fragment)
#pragma unroll
        for (int i = 0; i < PiecesM; i++)
#pragma unroll
            for (int j = 0; j < PiecesN * 2; j++)
#pragma unroll
                for (int e = 0; e < 4; e++) d[i][j][e] = 0.0f;

        int k_next = k_begin;
        word filled = ring_address;
        auto fill = [&]() {
            if (k_next < k_end)
            {
                copy<aligned, ColumnsA>(fetch_a, k_next, filled);
                copy<aligned, ColumnsB>(fetch_b, k_next, filled + BytesA);
            }
            copy_commit(); // empty at the end, so that copy_wait counts on
            k_next += K;
            filled += StageBytes;
            if (filled == ring_address + Stages * StageBytes) filled = ring_address;
        };
#pragma unroll 1
        for (int stage = 0; stage < Stages - 1; stage++) fill();

        word current = ring_address;
        for (int k = k_begin; k < k_end; k += K)
        {
            copy_wait<Stages - 2>();
            __syncthreads(); // every thread's part of this tile has arrived, and the tile that is filled next has been multiplied by all
            fill();
#pragma unroll
            for (int step = 0; step < K / 16; step++)
            {
                word fragment_a[PiecesM][4], fragment_b[PiecesN][4];
#pragma unroll
                for (int i = 0; i < PiecesM; i++) fragments_a.load(fragment_a[i], current, i, step);
#pragma unroll
                for (int j = 0; j < PiecesN; j++) fragments_b.load(fragment_b[j], current + BytesA, j, step);
#pragma unroll
                for (int j = 0; j < PiecesN * 2; j++)
                {
                    const word half[2] = {fragment_b[j / 2][j % 2 * 2], fragment_b[j / 2][j % 2 * 2 + 1]};
#pragma unroll
                    for (int i = 0; i < PiecesM; i++) mma16816(d[i][j], fragment_a[i], half);
                }
            }
            current += StageBytes;
            if (current == ring_address + Stages * StageBytes) current = ring_address;
        }

        // Through shared memory, 32 rows of the warp at a time, so that memory is written in whole rows.
        copy_wait<0>();
        __syncthreads(); // every warp has read the ring for the last time
        float* staging = reinterpret_cast<float*>(ring) + warp * StagingRows * StagingStride;
#pragma unroll
        for (int first = 0; first < PiecesM; first += StagingRows / 16)
        {
#pragma unroll
            for (int i = 0; i < StagingRows / 16; i++)
#pragma unroll
                for (int j = 0; j < PiecesN * 2; j++)
                {
                    const float(&sums)[4] = d[first + i][j];
                    float* to = staging + (i * 16 + lane / 4) * StagingStride + j * 8 + lane % 4 * 2;
                    *reinterpret_cast<float2*>(to) = make_float2(sums[0], sums[1]);
                    *reinterpret_cast<float2*>(to + 8 * StagingStride) = make_float2(sums[2], sums[3]);
                }
            __syncwarp(); // the rows are complete
            output.template emit<StagingRows, WarpN, StagingStride, 32>(staging, lane, m + warp_m + first * 16, n + warp_n);
            __syncwarp(); // all lanes have read before the next rows overwrite
        }
#endif
    }
};

#endif
