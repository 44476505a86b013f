// WHAT:    attention in fp32 arithmetic for any storage: for fp32, for devices without matrix instructions, for heads larger than 160
// SHAPES:  as attention_forward.cu and attention_backward.cu; kernels of N take a size up to N
// LAUNCH:  256 threads, grid (ceil(rows / 64), heads, batch); a launch of AttentionBackwardSimtN makes one of dV, dK, dQ:
//            dV: own k, other q, values dY, slopes 0    dK: own k, v, other q, dY, values q, slopes 1    dQ: own q, dY, other k, v, values k, slopes 1
// TRAFFIC: forward as attention_forward.cu; backward 8 products instead of 5 and each input up to three times
// NEEDS:   AttentionForwardSimt64: 256 threads, 128 registers, 35328 bytes of shared memory, sm_70
// NEEDS:   AttentionForwardSimt192: 256 threads, 152 registers, 35328 bytes of shared memory, sm_70
// NEEDS:   AttentionForwardSimt512: 256 threads, 232 registers, 35328 bytes of shared memory, sm_70
// NEEDS:   AttentionBackwardSimt64: 256 threads, 128 registers, 35328 bytes of shared memory, sm_70
// NEEDS:   AttentionBackwardSimt192: 256 threads, 176 registers, 35328 bytes of shared memory, sm_70
// NEEDS:   AttentionBackwardSimt512: 256 threads, 255 registers, 35328 bytes of shared memory, sm_70
// WRITES:  =
// ORDER:   deterministic
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  Dao et al., "FlashAttention"
// TRIED:   -
#include "attention_simt.cuh"

template <int Chunks>
__device__ __forceinline__ void attention_forward(const storage* q, const storage* k, const storage* v, storage* y, float* log_sum_exp,
    int queries, int keys, int size, int q_pitch, int kv_pitch, float scale, int causal, int aligned)
{
    __shared__ SimtTiles tiles;
    int ty = threadIdx.x / 16, tx = threadIdx.x % 16, first = blockIdx.x * OwnRows;
    q += head_start(queries, size, q_pitch);
    k += head_start(keys, size, kv_pitch);
    v += head_start(keys, size, kv_pitch);
    float sums[Chunks][4][4] = {}, highest[4], total[4] = {};
#pragma unroll
    for (int i = 0; i < 4; i++) highest[i] = -infinity();
    int end = keys_seen(first + OwnRows - 1, keys, causal);
    for (int from = 0; from < end; from += OtherRows)
    {
        float scores[4][2];                                                                                          // [64, 32] in all
        dots(tiles, scores, q, first, queries, q_pitch, k, from, keys, kv_pitch, size, aligned);
#pragma unroll
        for (int i = 0; i < 4; i++)
        {
            int row = first + 4 * ty + i;
#pragma unroll
            for (int j = 0; j < 2; j++)
                if (!sees(row, from + tx + 16 * j, keys, causal)) scores[i][j] = -infinity();
            float most = fmaxf(highest[i], fmaxf(scores[i][0], scores[i][1]));
#pragma unroll
            for (int distance = 8; distance > 0; distance /= 2) most = fmaxf(most, __shfl_xor_sync(AllLanes, most, distance));
            float rescale = exp2_approx((highest[i] - most) * (scale * Log2E)); // 0 the first time
            highest[i] = most;
#pragma unroll
            for (int j = 0; j < 2; j++) scores[i][j] = exp2_approx((scores[i][j] - most) * (scale * Log2E));
            total[i] = fmaf(total[i], rescale, scores[i][0] + scores[i][1]);
#pragma unroll
            for (int chunk = 0; chunk < Chunks; chunk++)
#pragma unroll
                for (int j = 0; j < 4; j++) sums[chunk][i][j] *= rescale;
        }
        store_weights(tiles, scores); // the barriers of dots stand between the weights' readers before and here
        add_weighted<Chunks>(tiles, sums, v, from, keys, kv_pitch, size, aligned);
    }
    float inverse[4];
#pragma unroll
    for (int i = 0; i < 4; i++)
    {
#pragma unroll
        for (int distance = 8; distance > 0; distance /= 2) total[i] += __shfl_xor_sync(AllLanes, total[i], distance);
        inverse[i] = __fdividef(1.0f, total[i]);
        int row = first + 4 * ty + i;
        if (tx == 0 && row < queries) log_sum_exp[row_start(queries) + row] = fmaf(highest[i], scale, __log2f(total[i]) * Ln2);
    }
    store_sums<Chunks>(sums, inverse, y + head_start(queries, size, heads_pitch(size)), first, queries, heads_pitch(size), size, aligned);
}

// One gradient of 64 own rows, a sum over the others of weights[own, other] times `values`:
//   dV: own k, other q, values dY, weights p          dK: own k, v, other q, dY, values q, weights dS          dQ: own q, dY, other k, v, values k, weights dS
template <int Chunks>
__device__ __forceinline__ void attention_backward(const storage* own, const storage* own_grad, const storage* other, const storage* other_grad, const storage* values,
    const float* log_sum_exp, const float* delta, storage* result, int queries, int keys, int size,
    int own_pitch, int own_grad_pitch, int other_pitch, int other_grad_pitch, int values_pitch, int result_pitch, float scale, int causal, int own_keys, int slopes, int aligned)
{
    __shared__ SimtTiles tiles;
    int ty = threadIdx.x / 16, tx = threadIdx.x % 16, first = blockIdx.x * OwnRows;
    int owned = own_keys ? keys : queries, others = own_keys ? queries : keys;
    own += head_start(owned, size, own_pitch);
    own_grad += head_start(owned, size, own_grad_pitch);
    other += head_start(others, size, other_pitch);
    other_grad += head_start(others, size, other_grad_pitch);
    values += head_start(others, size, values_pitch);
    log_sum_exp += row_start(queries);
    delta += row_start(queries);
    float sums[Chunks][4][4] = {};
    int begin = own_keys && causal ? first : 0, end = own_keys ? others : keys_seen(first + OwnRows - 1, keys, causal);
    for (int from = begin; from < end; from += OtherRows)
    {
        float weights[4][2], gradients[4][2] = {};                                                                   // [64, 32] in all
        dots(tiles, weights, own, first, owned, own_pitch, other, from, others, other_pitch, size, aligned);
        if (slopes) dots(tiles, gradients, own_grad, first, owned, own_grad_pitch, other_grad, from, others, other_grad_pitch, size, aligned);
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int j = 0; j < 2; j++)
            {
                int mine = first + 4 * ty + i, its = from + tx + 16 * j, query = own_keys ? its : mine, key = own_keys ? mine : its;
                float weight = 0;
                if (query < queries && sees(query, key, keys, causal))
                {
                    weight = exp2_approx(fmaf(weights[i][j], scale, -log_sum_exp[query]) * Log2E);
                    if (slopes) weight *= gradients[i][j] - delta[query];
                }
                weights[i][j] = weight;
            }
        store_weights(tiles, weights); // the barriers of dots stand between the weights' readers before and here
        add_weighted<Chunks>(tiles, sums, values, from, others, values_pitch, size, aligned);
    }
    float factor = slopes ? scale : 1;
    const float factors[4] = {factor, factor, factor, factor};
    store_sums<Chunks>(sums, factors, result + head_start(owned, size, result_pitch), first, owned, result_pitch, size, aligned);
}

#define FORWARD_PARAMETERS const storage *q, const storage *k, const storage *v, storage *y, float *logSumExp, \
    int queries, int keys, int size, int qPitch, int kvPitch, float scale, int causal, int aligned
#define FORWARD_ARGUMENTS q, k, v, y, logSumExp, queries, keys, size, qPitch, kvPitch, scale, causal, aligned
#define BACKWARD_PARAMETERS const storage *own, const storage *ownGrad, const storage *other, const storage *otherGrad, const storage *values, \
    const float *logSumExp, const float *delta, storage *result, int queries, int keys, int size, \
    int ownPitch, int ownGradPitch, int otherPitch, int otherGradPitch, int valuesPitch, int resultPitch, float scale, int causal, int ownKeys, int slopes, int aligned
#define BACKWARD_ARGUMENTS own, ownGrad, other, otherGrad, values, logSumExp, delta, result, queries, keys, size, ownPitch, ownGradPitch, otherPitch, otherGradPitch, valuesPitch, resultPitch, \
    scale, causal, ownKeys, slopes, aligned

extern "C" __global__ void __launch_bounds__(SimtThreads, 1) AttentionForwardSimt64(FORWARD_PARAMETERS)
{
    attention_forward<1>(FORWARD_ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(SimtThreads, 1) AttentionForwardSimt192(FORWARD_PARAMETERS)
{
    attention_forward<3>(FORWARD_ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(SimtThreads, 1) AttentionForwardSimt512(FORWARD_PARAMETERS)
{
    attention_forward<8>(FORWARD_ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(SimtThreads, 1) AttentionBackwardSimt64(BACKWARD_PARAMETERS)
{
    attention_backward<1>(BACKWARD_ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(SimtThreads, 1) AttentionBackwardSimt192(BACKWARD_PARAMETERS)
{
    attention_backward<3>(BACKWARD_ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(SimtThreads, 1) AttentionBackwardSimt512(BACKWARD_PARAMETERS)
{
    attention_backward<8>(BACKWARD_ARGUMENTS);
}
