// The softmax of a row whose scores come tile by tile (Milakov and Gimelshein, "Online normalizer calculation for softmax").
// The running maximum only keeps exp from overflowing, so any number near it does as well: it is raised, and what was summed
// is rescaled, only where a score lies more than Slack (in powers of two) above it. Weights stay below 2^Slack, which 16-bit
// storage holds with the same relative error as numbers below one.
#pragma once
#include "attention.cuh"
#include "reduce.cuh"

template <int RowTiles> struct OnlineSoftmax
{
    static constexpr float Slack = 8;

    float reference[RowTiles][2]; // near the largest score of rows g and g + 8 of each row tile
    float total[RowTiles][2];     // of this lane's weights

    __device__ __forceinline__ OnlineSoftmax()
    {
#pragma unroll
        for (int r = 0; r < RowTiles; r++)
#pragma unroll
            for (int half = 0; half < 2; half++)
            {
                reference[r][half] = -infinity();
                total[r][half] = 0;
            }
    }

    // Turns scores into weights 2^((score - reference) factor), where they stand, and rescales `sums` where it must.
    template <int NTiles, int OutTiles>
    __device__ __forceinline__ void weigh(float (&scores)[RowTiles][NTiles][4], float (&sums)[RowTiles][OutTiles][4], float factor)
    {
        float highest[RowTiles][2];
        bool grown = false;
#pragma unroll
        for (int r = 0; r < RowTiles; r++)
#pragma unroll
            for (int half = 0; half < 2; half++)
            {
                float most = fmaxf(scores[r][0][2 * half], scores[r][0][2 * half + 1]);
#pragma unroll
                for (int n = 1; n < NTiles; n++) most = fmaxf(most, fmaxf(scores[r][n][2 * half], scores[r][n][2 * half + 1]));
                highest[r][half] = most;
                grown |= (most - reference[r][half]) * factor > Slack;
            }
        if (__any_sync(AllLanes, grown)) raise(highest, sums, factor);
#pragma unroll
        for (int r = 0; r < RowTiles; r++)
#pragma unroll
            for (int half = 0; half < 2; half++)
            {
                float shift = -reference[r][half] * factor;
#pragma unroll
                for (int n = 0; n < NTiles; n++)
#pragma unroll
                    for (int i = 2 * half; i < 2 * half + 2; i++)
                    {
                        scores[r][n][i] = exp2_approx(fmaf(scores[r][n][i], factor, shift));
                        total[r][half] += scores[r][n][i];
                    }
            }
    }

    // Adds up the four lanes of each row.
    __device__ __forceinline__ void finish()
    {
#pragma unroll
        for (int r = 0; r < RowTiles; r++)
#pragma unroll
            for (int half = 0; half < 2; half++)
            {
                total[r][half] += __shfl_xor_sync(AllLanes, total[r][half], 1);
                total[r][half] += __shfl_xor_sync(AllLanes, total[r][half], 2);
            }
    }

private:
    template <int OutTiles>
    __device__ __forceinline__ void raise(float (&highest)[RowTiles][2], float (&sums)[RowTiles][OutTiles][4], float factor)
    {
#pragma unroll
        for (int r = 0; r < RowTiles; r++)
#pragma unroll
            for (int half = 0; half < 2; half++)
            {
                float most = fmaxf(reference[r][half], highest[r][half]);
                most = fmaxf(most, __shfl_xor_sync(AllLanes, most, 1));
                most = fmaxf(most, __shfl_xor_sync(AllLanes, most, 2));
                float rescale = exp2_approx((reference[r][half] - most) * factor); // 0 the first time
                reference[r][half] = most;
                total[r][half] *= rescale;
#pragma unroll
                for (int n = 0; n < OutTiles; n++)
                {
                    sums[r][n][2 * half] *= rescale;
                    sums[r][n][2 * half + 1] *= rescale;
                }
            }
    }
};
