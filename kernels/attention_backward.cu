// WHAT:    gradients of attention from p = exp(q k^T scale - logSumExp) and dS = p (dY v^T - delta):
//          dV = p^T dY, dK = scale dS^T q, dQ = scale dS k; delta as attention_delta.cu makes it
// SHAPES:  q, dY, dQ [batch, queries, heads * size], k, v, dK, dV [batch, keys, heads * size], logSumExp, delta F32 [batch, heads, queries];
//          each of dQ, dK, dV may be null. q, k and v are columns of tensors of qPitch and kvPitch columns, dQ, dK and dV of dQPitch and
//          dKVPitch; dYPitch = heads * size. AttentionBackwardN takes a size up to N, padded with zeros in shared memory
// LAUNCH:  128 threads, grid (keyBlocks + queryBlocks, heads, batch): blocks below keyBlocks (0 or ceil(keys / 64)) make dK and dV of 64 keys,
//          those above (0 or ceil(queries / 64)) dQ of 64 queries. `aligned` as in attention_forward.cu
// TRAFFIC: q, k, v, dY read once from device memory: all blocks of a head follow each other and read the rest from the L2 cache; dQ, dK, dV
//          written once. With attention_delta.cu (dY a second time, delta) counted 1.13x the minimum for 1024 tokens, 1.25x for a text of 77
// NEEDS:   AttentionBackward32: 128 threads, 144 registers, 25600 bytes of shared memory, sm_75, mma
// NEEDS:   AttentionBackward48: 128 threads, 168 registers, 37888 bytes of shared memory, sm_75, mma
// NEEDS:   AttentionBackward64: 128 threads, 200 registers, 50176 bytes of shared memory, sm_75, mma
// NEEDS:   AttentionBackward80: 128 threads, 208 registers, 41472 bytes of shared memory, sm_75, mma
// NEEDS:   AttentionBackward96: 128 threads, 240 registers, 49664 bytes of shared memory, sm_75, mma
// NEEDS:   AttentionBackward128: 128 threads, 255 registers, 49408 bytes of shared memory, sm_75, mma
// NEEDS:   AttentionBackward160: 128 threads, 255 registers, 61696 bytes of shared memory, sm_75, mma
// WRITES:  =
// ORDER:   deterministic: every gradient is added up by one warp in one order; the price is that scores are computed twice, seven products
//          instead of five
// DEFINES: STORAGE_F16 | STORAGE_BF16 (nothing is left with STORAGE_F32)
// SOURCE:  Dao, "FlashAttention-2", algorithm 2
// TRIED:   three blocks on a multiprocessor at size 64: 16 bytes spilled on sm_86 and sm_90
#include "attention_tiles.cuh"

#if !defined(STORAGE_F32)

// A block owns 64 keys (and goes through the queries) or 64 queries (and goes through the keys), 16 for each of four warps. The
// others come in tiles of `Others`, `Step` at a time.
template <int Size> struct BackwardShape
{
    static constexpr int Own = 64, Others = Size <= 64 ? 64 : Size <= 96 ? 32 : 16, Step = Size <= 96 ? 32 : 16;
    static constexpr int OwnBytes = Own * RowBytes<Size>, TileBytes = Others * RowBytes<Size>, StageBytes = 2 * TileBytes + 2 * Others * 4;
};

// The warp's own 16 rows as left operands, kept in registers where there is room, else read from their tile each time.
template <int Size> struct OwnRows
{
    static constexpr bool Kept = Size <= 64;

    word fragments[Kept ? Size / 16 : 1][1][4];

    __device__ __forceinline__ void load(word tile, int row)
    {
        if constexpr (Kept)
        {
#pragma unroll
            for (int part = 0; part < Size / 16; part++) left_fragment<Size>(fragments[part][0], tile, row, part);
        }
    }

    // Products with the rows of another tile.
    template <int NTiles> __device__ __forceinline__ void add_scores(float (&sums)[1][NTiles][4], word own_tile, int row, word tile)
    {
        constexpr int AtOnce = Size <= 128 ? Size / 16 : 2;
#pragma unroll AtOnce
        for (int part = 0; part < Size / 16; part++)
        {
            if constexpr (!Kept) left_fragment<Size>(fragments[0][0], own_tile, row, part);
            add_scores_part<Size>(sums, fragments[Kept ? part : 0], tile, part);
        }
    }
};

// The gradients of 64 keys and values (OwnKeys), or of 64 queries. `own` and `other` are the rows of q and k, own_grad and
// other_grad those of dY and v, in the order that OwnKeys says.
template <int Size, bool OwnKeys>
__device__ __forceinline__ void attention_backward(const storage* own, const storage* own_grad, const storage* other, const storage* other_grad,
    storage* d_own, storage* d_own_grad, const float* log_sum_exp, const float* delta, int block, int queries, int keys, int size,
    int own_pitch, int own_grad_pitch, int other_pitch, int other_grad_pitch, int result_pitch, float scale, int causal, int aligned)
{
    using Shape = BackwardShape<Size>;
    constexpr int NTiles = Shape::Step / 8;
    int owned = OwnKeys ? keys : queries, others = OwnKeys ? queries : keys;
    int lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * 16, first = block * Shape::Own, first_row = first + warp_row, row = first_row + lane / 4;
    word own_tile = shared_address(shared), own_grad_tile = own_tile + Shape::OwnBytes; // [Own, Size] each
    word stages = own_grad_tile + Shape::OwnBytes;                                      // two of other, other_grad [Others, Size], logSumExp, delta [Others]
    own += head_start(owned, size, own_pitch);
    own_grad += head_start(owned, size, own_grad_pitch);
    other += head_start(others, size, other_pitch);
    other_grad += head_start(others, size, other_grad_pitch);
    log_sum_exp += row_start(queries);
    delta += row_start(queries);
    // others that any of the block's rows meets
    int begin = OwnKeys && causal ? first / Shape::Others * Shape::Others : 0;
    int end = OwnKeys ? others : keys_seen(first + Shape::Own - 1, keys, causal);

    auto load_stage = [&](word stage, int from)
    {
        load_tile<Shape::Others, Size>(stage, other, from, others, other_pitch, size, aligned);
        load_tile<Shape::Others, Size>(stage + Shape::TileBytes, other_grad, from, others, other_grad_pitch, size, aligned);
        if (OwnKeys && threadIdx.x < 2 * Shape::Others)
        {
            bool second = threadIdx.x >= Shape::Others;
            int query = from + threadIdx.x % Shape::Others;
            copy_async4(stage + 2 * Shape::TileBytes + threadIdx.x * 4, (second ? delta : log_sum_exp) + query, query < queries);
        }
        copy_commit();
    };
    load_tile<Shape::Own, Size>(own_tile, own, first, owned, own_pitch, size, aligned);
    load_tile<Shape::Own, Size>(own_grad_tile, own_grad, first, owned, own_grad_pitch, size, aligned);
    load_stage(stages, begin);

    float factor = scale * Log2E;
    float row_shift[2] = {}, row_delta[2] = {}; // of the own queries
    if (!OwnKeys)
    {
#pragma unroll
        for (int half = 0; half < 2; half++)
            if (row + half * 8 < queries)
            {
                row_shift[half] = log_sum_exp[row + half * 8] * Log2E;
                row_delta[half] = delta[row + half * 8];
            }
    }

    OwnRows<Size> rows, grad_rows;
    float sums[1][Size / 8][4] = {}, grad_sums[1][Size / 8][4] = {};
    for (int from = begin, stage = 0; from < end; from += Shape::Others, stage ^= 1)
    {
        copy_wait<0>();
        __syncthreads(); // this tile is there, and every warp is done with the one before, where the next one goes
        if (from == begin)
        {
            rows.load(own_tile, warp_row);
            grad_rows.load(own_grad_tile, warp_row);
        }
        word tile = stages + stage * Shape::StageBytes, grad_tile = tile + Shape::TileBytes, numbers = grad_tile + Shape::TileBytes;
        if (from + Shape::Others < end) load_stage(stages + (stage ^ 1) * Shape::StageBytes, from + Shape::Others);
        if (first_row >= owned) continue;
#pragma unroll 1
        for (int step = 0; step < Shape::Others && from + step < end; step += Shape::Step)
        {
            int at = from + step;
            if (causal && (OwnKeys ? at + Shape::Step <= first_row : at >= first_row + 16)) continue; // no query of these sees a key of those
            float weights[1][NTiles][4] = {}, slopes[1][NTiles][4] = {};                                                // [16, Step]
            rows.add_scores(weights, own_tile, warp_row, tile + step * RowBytes<Size>);
            grad_rows.add_scores(slopes, own_grad_tile, warp_row, grad_tile + step * RowBytes<Size>);
            bool all_seen = OwnKeys ? !causal || first_row + 15 <= at : at + Shape::Step <= keys_seen(first_row, keys, causal);
#pragma unroll
            for (int n = 0; n < NTiles; n++)
            {
                float2 shift, minus;
                if (OwnKeys)
                {
                    word number = numbers + (step + n * 8 + lane % 4 * 2) * 4;
                    shift = load_shared_pair(number);
                    minus = load_shared_pair(number + Shape::Others * 4);
                    shift.x *= Log2E;
                    shift.y *= Log2E;
                }
#pragma unroll
                for (int i = 0; i < 4; i++)
                {
                    int column = at + n * 8 + lane % 4 * 2 + i % 2, own_row = row + i / 2 * 8;
                    float own_shift = OwnKeys ? i % 2 ? shift.y : shift.x : row_shift[i / 2], own_minus = OwnKeys ? i % 2 ? minus.y : minus.x : row_delta[i / 2];
                    float weight = exp2_approx(fmaf(weights[0][n][i], factor, -own_shift));
                    if (!all_seen && !(OwnKeys ? sees(column, own_row, keys, causal) : sees(own_row, column, keys, causal))) weight = 0;
                    weights[0][n][i] = weight;
                    slopes[0][n][i] = weight * (slopes[0][n][i] - own_minus);
                }
            }
            if constexpr (OwnKeys) add_weighted<Size>(grad_sums, weights, grad_tile + step * RowBytes<Size>);
            add_weighted<Size>(sums, slopes, tile + step * RowBytes<Size>);
        }
    }
    const float by_scale[1][2] = {{scale, scale}}, by_one[1][2] = {{1, 1}};
    if (d_own) store_rows<1, Size>(own_tile, warp_row, sums, by_scale, d_own + head_start(owned, size, result_pitch), first, owned, result_pitch, size, aligned);
    if constexpr (OwnKeys)
        if (d_own_grad) store_rows<1, Size>(own_grad_tile, warp_row, grad_sums, by_one, d_own_grad + head_start(owned, size, result_pitch), first, owned, result_pitch, size, aligned);
}

// Blocks on a multiprocessor: before sm_80 it has shared memory for one.
template <int Blocks> constexpr int Resident = HasAsyncCopy ? Blocks : 1;

// Each kernel is written out in lines of its own, for the reason given in attention_forward.cu.
#define PARAMETERS const storage *q, const storage *k, const storage *v, const storage *dY, const float *logSumExp, const float *delta, storage *dQ, storage *dK, storage *dV, \
    int queries, int keys, int size, int qPitch, int kvPitch, int dYPitch, int dQPitch, int dKVPitch, float scale, int causal, int aligned, int keyBlocks
#define KEYS k, v, q, dY, dK, dV, logSumExp, delta, blockIdx.x, queries, keys, size, kvPitch, kvPitch, qPitch, dYPitch, dKVPitch, scale, causal, aligned
#define QUERIES q, dY, k, v, dQ, nullptr, logSumExp, delta, blockIdx.x - keyBlocks, queries, keys, size, qPitch, dYPitch, kvPitch, kvPitch, dQPitch, scale, causal, aligned

extern "C" __global__ void __launch_bounds__(AttentionThreads, Resident<3>) AttentionBackward32(PARAMETERS)
{
    if constexpr (HasMatrixInstructions)
    {
        if ((int)blockIdx.x < keyBlocks) attention_backward<32, true>(KEYS);
        else attention_backward<32, false>(QUERIES);
    }
}

extern "C" __global__ void __launch_bounds__(AttentionThreads, Resident<3>) AttentionBackward48(PARAMETERS)
{
    if constexpr (HasMatrixInstructions)
    {
        if ((int)blockIdx.x < keyBlocks) attention_backward<48, true>(KEYS);
        else attention_backward<48, false>(QUERIES);
    }
}

extern "C" __global__ void __launch_bounds__(AttentionThreads, Resident<2>) AttentionBackward64(PARAMETERS)
{
    if constexpr (HasMatrixInstructions)
    {
        if ((int)blockIdx.x < keyBlocks) attention_backward<64, true>(KEYS);
        else attention_backward<64, false>(QUERIES);
    }
}

extern "C" __global__ void __launch_bounds__(AttentionThreads, Resident<2>) AttentionBackward80(PARAMETERS)
{
    if constexpr (HasMatrixInstructions)
    {
        if ((int)blockIdx.x < keyBlocks) attention_backward<80, true>(KEYS);
        else attention_backward<80, false>(QUERIES);
    }
}

extern "C" __global__ void __launch_bounds__(AttentionThreads, Resident<2>) AttentionBackward96(PARAMETERS)
{
    if constexpr (HasMatrixInstructions)
    {
        if ((int)blockIdx.x < keyBlocks) attention_backward<96, true>(KEYS);
        else attention_backward<96, false>(QUERIES);
    }
}

extern "C" __global__ void __launch_bounds__(AttentionThreads, Resident<2>) AttentionBackward128(PARAMETERS)
{
    if constexpr (HasMatrixInstructions)
    {
        if ((int)blockIdx.x < keyBlocks) attention_backward<128, true>(KEYS);
        else attention_backward<128, false>(QUERIES);
    }
}

extern "C" __global__ void __launch_bounds__(AttentionThreads, Resident<1>) AttentionBackward160(PARAMETERS)
{
    if constexpr (HasMatrixInstructions)
    {
        if ((int)blockIdx.x < keyBlocks) attention_backward<160, true>(KEYS);
        else attention_backward<160, false>(QUERIES);
    }
}

#endif
