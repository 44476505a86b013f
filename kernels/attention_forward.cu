// WHAT:    y = softmax(q k^T scale) v and logSumExp = log sum exp(q k^T scale), for each head
// SHAPES:  q, y [batch, queries, heads * size], k, v [batch, keys, heads * size], logSumExp F32 [batch, heads, queries]; causal: query i sees
//          keys 0 to i. q, k and v are columns of tensors of qPitch and kvPitch columns. AttentionForwardN takes a size up to N, padded with
//          zeros in shared memory
// LAUNCH:  128 threads, grid (ceil(queries / rows), heads, batch), 128 rows for N up to 64, else 64. `aligned` says that all rows of a head
//          start at multiples of 16 bytes; if not, elements are moved one at a time
// TRAFFIC: q, k, v read once from device memory (k, v again for each block of rows, from the L2 cache), y, logSumExp written once: the minimum
// NEEDS:   AttentionForward32: 128 threads, 144 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   AttentionForward48: 128 threads, 168 registers, 36864 bytes of shared memory, sm_75, mma
// NEEDS:   AttentionForward64: 128 threads, 192 registers, 49152 bytes of shared memory, sm_75, mma
// NEEDS:   AttentionForward80: 128 threads, 152 registers, 51200 bytes of shared memory, sm_75, mma
// NEEDS:   AttentionForward96: 128 threads, 168 registers, 61440 bytes of shared memory, sm_75, mma
// NEEDS:   AttentionForward128: 128 threads, 192 registers, 49152 bytes of shared memory, sm_75, mma
// NEEDS:   AttentionForward160: 128 threads, 224 registers, 61440 bytes of shared memory, sm_75, mma
// WRITES:  =
// ORDER:   deterministic: a row's keys are added in one order by one warp
// DEFINES: STORAGE_F16 | STORAGE_BF16 (nothing is left with STORAGE_F32)
// SOURCE:  Dao, "FlashAttention-2"; Milakov and Gimelshein, "Online normalizer calculation for softmax"
// TRIED:   16 rows a warp at size 64, reckoned: shared memory is read for 512 cycles a tile, as long as the matrix units compute; with 32 rows 256
#include "attention_softmax.cuh"
#include "attention_tiles.cuh"

#if !defined(STORAGE_F32)

// A block has four warps of 16 RowTiles queries each, and goes through the keys in tiles of `Keys`, `Step` at a time.
template <int Size> struct ForwardShape
{
    static constexpr int RowTiles = Size <= 64 ? 2 : 1, Queries = 64 * RowTiles, Keys = Size <= 96 ? 64 : 32, Step = 32;
    static constexpr int TileBytes = Keys * RowBytes<Size>;
};

template <int Size>
__device__ __forceinline__ void attention_forward(const storage* q, const storage* k, const storage* v, storage* y, float* log_sum_exp,
    int queries, int keys, int size, int q_pitch, int kv_pitch, float scale, int causal, int aligned)
{
    using Shape = ForwardShape<Size>;
    constexpr int RowTiles = Shape::RowTiles, NTiles = Shape::Step / 8;
    word query_tile = shared_address(shared);                               // [Queries, Size], then y
    word stages = query_tile + Shape::Queries * RowBytes<Size>;            // two of k [Keys, Size] and v [Keys, Size]
    int lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * RowTiles * 16;
    int first = blockIdx.x * Shape::Queries, first_row = first + warp_row;
    wide keys_start = head_start(keys, size, kv_pitch); // added to k and v at each use: a sum of a register and a parameter
    int seen = keys_seen(first + Shape::Queries - 1, keys, causal);
    float factor = scale * Log2E;

    load_tile<Shape::Queries, Size>(query_tile, q + head_start(queries, size, q_pitch), first, queries, q_pitch, size, aligned);
    load_tile<Shape::Keys, Size>(stages, k + keys_start, 0, keys, kv_pitch, size, aligned);
    load_tile<Shape::Keys, Size>(stages + Shape::TileBytes, v + keys_start, 0, keys, kv_pitch, size, aligned);
    copy_commit();
    copy_wait<0>();
    __syncthreads(); // the queries are there
    word left[Size / 16][RowTiles][4];
#pragma unroll
    for (int r = 0; r < RowTiles; r++)
#pragma unroll
        for (int part = 0; part < Size / 16; part++) left_fragment<Size>(left[part][r], query_tile, warp_row + r * 16, part);

    float sums[RowTiles][Size / 8][4] = {};
    OnlineSoftmax<RowTiles> softmax;
    for (int key = 0, stage = 0; key < seen; key += Shape::Keys, stage ^= 1)
    {
        copy_wait<0>();
        __syncthreads(); // this tile is there, and every warp is done with the one before, where the next one goes
        word k_tile = stages + stage * 2 * Shape::TileBytes;
        word v_tile = k_tile + Shape::TileBytes;
        if (key + Shape::Keys < seen)
        {
            word next = stages + (stage ^ 1) * 2 * Shape::TileBytes;
            load_tile<Shape::Keys, Size>(next, k + keys_start, key + Shape::Keys, keys, kv_pitch, size, aligned);
            load_tile<Shape::Keys, Size>(next + Shape::TileBytes, v + keys_start, key + Shape::Keys, keys, kv_pitch, size, aligned);
            copy_commit();
        }
#pragma unroll 1
        for (int step = 0; step < Shape::Keys && key + step < (first_row < queries ? keys_seen(first_row + RowTiles * 16 - 1, keys, causal) : 0); step += Shape::Step)
        {
            float scores[RowTiles][NTiles][4] = {};                                                        // [16 RowTiles, Step]
#pragma unroll
            for (int part = 0; part < Size / 16; part++) add_scores_part<Size>(scores, left[part], k_tile + step * RowBytes<Size>, part);
            if (key + step + Shape::Step > keys_seen(first_row, keys, causal)) // some row does not see some key
            {
#pragma unroll
                for (int r = 0; r < RowTiles; r++)
#pragma unroll
                    for (int n = 0; n < NTiles; n++)
#pragma unroll
                        for (int i = 0; i < 4; i++)
                            if (!sees(first_row + r * 16 + lane / 4 + i / 2 * 8, key + step + n * 8 + lane % 4 * 2 + i % 2, keys, causal)) scores[r][n][i] = -infinity();
            }
            softmax.weigh(scores, sums, factor);
            add_weighted<Size>(sums, scores, v_tile + step * RowBytes<Size>);
        }
    }
    softmax.finish();

    float inverse[RowTiles][2];
#pragma unroll
    for (int r = 0; r < RowTiles; r++)
#pragma unroll
        for (int half = 0; half < 2; half++)
        {
            int row = first_row + r * 16 + half * 8 + lane / 4;
            inverse[r][half] = __fdividef(1.0f, softmax.total[r][half]);
            if (row < queries && lane % 4 == 0)
                log_sum_exp[row_start(queries) + row] = fmaf(softmax.reference[r][half], scale, __log2f(softmax.total[r][half]) * Ln2);
        }
    store_rows<RowTiles, Size>(query_tile, warp_row, sums, inverse, y + head_start(queries, size, heads_pitch(size)), first, queries, heads_pitch(size), size, aligned);
}

// The kernels. Each is written out in lines of its own: ptxas 11.8 ends in a segmentation fault for sm_90 where a kernel and an
// inlined call stand on one line, as a macro would put them.
// Blocks on a multiprocessor: before sm_80 it has shared memory for one.
template <int Blocks> constexpr int Resident = HasAsyncCopy ? Blocks : 1;

// For size 64 ptxas 13.0 wants more registers than three blocks leave it; sm_120 has shared memory for two alone.
#if __CUDA_ARCH__ >= 1200
constexpr int Resident64 = 2;
#else
constexpr int Resident64 = Resident<3>;
#endif

#define PARAMETERS const storage *q, const storage *k, const storage *v, storage *y, float *logSumExp, \
    int queries, int keys, int size, int qPitch, int kvPitch, float scale, int causal, int aligned
#define ARGUMENTS q, k, v, y, logSumExp, queries, keys, size, qPitch, kvPitch, scale, causal, aligned

extern "C" __global__ void __launch_bounds__(AttentionThreads, Resident<3>) AttentionForward32(PARAMETERS)
{
    if constexpr (HasMatrixInstructions) attention_forward<32>(ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(AttentionThreads, Resident<3>) AttentionForward48(PARAMETERS)
{
    if constexpr (HasMatrixInstructions) attention_forward<48>(ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(AttentionThreads, Resident64) AttentionForward64(PARAMETERS)
{
    if constexpr (HasMatrixInstructions) attention_forward<64>(ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(AttentionThreads, Resident<3>) AttentionForward80(PARAMETERS)
{
    if constexpr (HasMatrixInstructions) attention_forward<80>(ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(AttentionThreads, Resident<3>) AttentionForward96(PARAMETERS)
{
    if constexpr (HasMatrixInstructions) attention_forward<96>(ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(AttentionThreads, Resident<2>) AttentionForward128(PARAMETERS)
{
    if constexpr (HasMatrixInstructions) attention_forward<128>(ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(AttentionThreads, Resident<2>) AttentionForward160(PARAMETERS)
{
    if constexpr (HasMatrixInstructions) attention_forward<160>(ARGUMENTS);
}

#endif
