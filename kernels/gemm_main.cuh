// The main loop of all matrix products on tensor cores: d[m, n] = sum_k a[m, k] b[n, k] for one tile of d, in fp32.
//
// Tiles of a and b of 32 deep in k are copied asynchronously to shared memory, three stages of them in a ring, so that two are
// on their way while one is multiplied. A warp holds WarpM x WarpN of d in registers and reads its rows of a and b with
// ldmatrix, plain or transposed as k runs along or across the lines. The swizzle keeps copies and ldmatrix free of bank
// conflicts. One barrier for each tile of k. What is multiplied next is read before what is there is multiplied, across the
// barrier too, so that shared memory's latency passes under matrix instructions.
#pragma once
#include "gemm_tile.cuh"
#include "mma.cuh"

#if defined(STORAGE_F16) || defined(STORAGE_BF16)

// Where a warp's 16x16 pieces of a tile lie in shared memory, for ldmatrix. Of the four 8x8 matrices of a piece, lanes 8 i to
// 8 i + 7 give the rows of the i-th; `outer` and `inner` say which half of the rows (m or n) and of k that one is. Of half a
// piece, 8 rows, two matrices are read, which must be those of lanes 0 to 15.
template <Major major, int Extent, int Depth, int Pieces> struct Fragments
{
    static constexpr int Columns = (major == AlongK ? Depth : Extent) / Lanes;
    static constexpr int Offsets = major == AlongK ? Depth / 16 : Pieces;

    word offset[Offsets]; // the swizzle mixes the column with the line, so each column has its own

    __device__ __forceinline__ Fragments(int first, int outer, int inner)
    {
        int lane = threadIdx.x % 8;
#pragma unroll
        for (int i = 0; i < Offsets; i++)
        {
            offset[i] = major == AlongK ? swizzle<Columns>(first + outer * 8 + lane, i * 2 + inner) : swizzle<Columns>(inner * 8 + lane, first / 8 + i * 2 + outer);
            keep(offset[i]);
        }
    }

    // All pieces of 16 of k, `r` as a takes them: 16 rows in four words.
    template <int Step, int Piece = 0> __device__ __forceinline__ void load(word (&r)[Pieces][4], word tile) const
    {
        read<Piece, Step>(r[Piece], tile);
        if constexpr (Piece + 1 < Pieces) load<Step, Piece + 1>(r, tile);
    }

    // The same as b takes them: 8 rows in two words, of the last piece perhaps half.
    template <int Step, int Piece = 0, int Eighths> __device__ __forceinline__ void load(word (&r)[Eighths][2], word tile) const
    {
        if constexpr (Piece * 2 + 1 < Eighths)
        {
            word four[4];
            read<Piece, Step>(four, tile);
#pragma unroll
            for (int i = 0; i < 4; i++) r[Piece * 2 + i / 2][i % 2] = four[i];
        }
        else read<Piece, Step>(r[Piece * 2], tile);
        if constexpr (Piece + 1 < Pieces) load<Step, Piece + 1>(r, tile);
    }

private:
    template <int Piece, int Step, int Words> __device__ __forceinline__ void read(word (&r)[Words], word tile) const
    {
        if constexpr (major == AlongK) load_matrices<Piece * 16 * Columns * 16>(r, tile + offset[Step]);
        else load_matrices_transposed<Step * 16 * Columns * 16>(r, tile + offset[Piece]);
    }
};

template <int TileM, int TileN, int WarpM, int WarpN, int BlocksPerMultiprocessor> struct TensorTile
{
    static constexpr int M = TileM, N = TileN, K = 32, Stages = 3, Blocks = BlocksPerMultiprocessor;
    static constexpr int WarpsM = M / WarpM, WarpsN = N / WarpN, Threads = WarpsM * WarpsN * 32;
    static constexpr int PiecesM = WarpM / 16, PiecesN = (WarpN + 15) / 16, EighthsN = WarpN / 8;
    static constexpr int BytesA = M * K * (int)sizeof(storage), BytesB = N * K * (int)sizeof(storage), StageBytes = BytesA + BytesB;
    static constexpr int StagedRows = WarpsM * 16, StagedStride = N + 8; // numbers; 8 more than a multiple of 32 spread 4 rows over all banks
    static_assert(M % WarpM == 0 && N % WarpN == 0 && WarpM % 16 == 0 && WarpN % 8 == 0 && N % 32 == 0, "warps fill the tile, matrix instructions a warp's part");
    static_assert(2 * StagedRows * StagedStride * 4 <= Stages * StageBytes, "the ring's memory holds two lots of staged rows");

    // Where a thread's copies go in a tile: the swizzle repeats every 8 lines, and after as many columns as it mixes.
    template <Major major, typename Fetch> struct Places
    {
        static constexpr int Period = major == AlongK ? 8 : SwizzleGroup<Fetch::Columns>;
        static constexpr int Repeat = Fetch::Step % Period == 0 ? 1 : Period / Fetch::Step;
        static constexpr int StepBytes = Fetch::Step * (major == AlongK ? Fetch::Columns : 1) * 16;
        static_assert(Fetch::Step * Repeat % Period == 0, "passes end where the swizzle repeats");
        static_assert(major != AlongK || Repeat == 1, "a pass is of whole periods of lines");
        word first[Repeat];

        __device__ __forceinline__ explicit Places(const Fetch& fetch)
        {
#pragma unroll
            for (int pass = 0; pass < Repeat; pass++)
            {
                first[pass] = swizzle<Fetch::Columns>(fetch.line, fetch.column + pass * Fetch::Step);
                keep(first[pass]);
            }
        }
    };

    template <bool aligned, Major major, typename Fetch>
    static __device__ __forceinline__ void copy(Fetch& fetch, const Places<major, Fetch>& places, int k, word tile)
    {
        fetch.seek(k);
        copy_passes<aligned, 0>(fetch, places, tile);
    }

    template <bool aligned, int Pass, Major major, typename Fetch>
    static __device__ __forceinline__ void copy_passes(const Fetch& fetch, const Places<major, Fetch>& places, word tile)
    {
        typedef Places<major, Fetch> Place;
        constexpr int Offset = Pass / Place::Repeat * Place::Repeat * Place::StepBytes;
        if (fetch.has(Pass))
        {
            word to = tile + places.first[Pass % Place::Repeat];
            if constexpr (aligned)
            {
                Source here = fetch.source(Pass);
                copy_async<Offset>(to, here.from, here.inside);
            }
            else store_shared(to + Offset, fetch.template load<false>(Pass));
        }
        if constexpr (Pass + 1 < Fetch::Passes) copy_passes<aligned, Pass + 1>(fetch, places, tile);
    }

    // A warp's rows of a and b, 16 of k.
    struct Operands
    {
        word a[PiecesM][4], b[EighthsN][2];

        template <int Step, typename FragmentsA, typename FragmentsB>
        __device__ __forceinline__ void load(const FragmentsA& from_a, const FragmentsB& from_b, word tile)
        {
            from_a.template load<Step>(a, tile);
            from_b.template load<Step>(b, tile + BytesA);
        }

        // d += a b
        __device__ __forceinline__ void multiply(float (&d)[PiecesM][EighthsN][4]) const
        {
#pragma unroll
            for (int j = 0; j < EighthsN; j++)
#pragma unroll
                for (int i = 0; i < PiecesM; i++) mma16816(d[i][j], a[i], b[j]);
        }
    };

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

        typedef TileFetch<major_a, A, M, K, Threads> FetchA;
        typedef TileFetch<major_b, B, N, K, Threads> FetchB;
        FetchA fetch_a(a, m);
        FetchB fetch_b(b, n);
        Places<major_a, FetchA> places_a(fetch_a);
        Places<major_b, FetchB> places_b(fetch_b);
        Fragments<major_a, M, K, PiecesM> fragments_a(warp_m, lane / 8 % 2, lane / 16);
        Fragments<major_b, N, K, PiecesN> fragments_b(warp_n, lane / 16, lane / 8 % 2);

        float d[PiecesM][EighthsN][4]; // (WarpM / 16, WarpN / 8, fragment)
#pragma unroll
        for (int j = 0; j < EighthsN; j++)
        {
            int column = n + warp_n + j * 8 + lane % 4 * 2;
            float first = output.initial(column), second = output.initial(column + 1);
#pragma unroll
            for (int i = 0; i < PiecesM; i++)
            {
                d[i][j][0] = d[i][j][2] = first;
                d[i][j][1] = d[i][j][3] = second;
            }
        }

        int k_next = k_begin;
        word filled = ring_address;
        auto fill = [&]() {
            if (k_next < k_end)
            {
                copy<aligned, major_a>(fetch_a, places_a, k_next, filled);
                copy<aligned, major_b>(fetch_b, places_b, k_next, filled + BytesA);
            }
            copy_commit(); // empty at the end, so that copy_wait counts on
            k_next += K;
            filled += StageBytes;
            if (filled == ring_address + Stages * StageBytes) filled = ring_address;
        };
#pragma unroll 1
        for (int stage = 0; stage < Stages - 1; stage++) fill();

        static_assert(K == 32, "two steps of 16");
        word current = ring_address;
        Operands first, second;
        auto arrive = [&]() {
            copy_wait<Stages - 2>();
            __syncthreads(); // every thread's part of the tile has arrived, and the one before, which is filled next, has been read by all
            first.template load<0>(fragments_a, fragments_b, current);
        };
        if (k_begin < k_end) arrive();
        for (int k = k_begin; k < k_end; k += K)
        {
            second.template load<1>(fragments_a, fragments_b, current);
            fill();
            first.multiply(d);
            current += StageBytes;
            if (current == ring_address + Stages * StageBytes) current = ring_address;
            if (k + K < k_end) arrive();
            second.multiply(d);
        }

        // Through shared memory, 16 rows of every warp at a time, so that memory is written in whole rows of the tile. Two
        // lots of rows take turns, and one barrier for each is enough: what the next one overwrites has been read before it.
        // No copy is under way any more: the latest groups are empty.
        __syncthreads(); // every warp has read the ring for the last time
        bool quads = output.together();
#pragma unroll
        for (int i = 0; i < PiecesM; i++)
        {
            float* staged = reinterpret_cast<float*>(ring) + i % 2 * StagedRows * StagedStride;
            float* to = staged + (warp % WarpsM * 16 + lane / 4) * StagedStride + warp_n + lane % 4 * 2;
#pragma unroll
            for (int j = 0; j < EighthsN; j++)
            {
                *reinterpret_cast<float2*>(to + j * 8) = make_float2(d[i][j][0], d[i][j][1]);
                *reinterpret_cast<float2*>(to + j * 8 + 8 * StagedStride) = make_float2(d[i][j][2], d[i][j][3]);
            }
            __syncthreads(); // the rows are complete
            output.template emit<StagedRows, N, StagedStride, Threads, 16, WarpM>(quads, staged, m + i * 16, n);
            __syncwarp(); // lanes whose rows are outside meet the next barrier with the others
        }
#endif
    }
};

#endif
