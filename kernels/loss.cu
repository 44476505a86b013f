// WHAT:    the mean squared error, and a diagonal Gaussian's sample with its divergence from the standard one; gradients
// SHAPES:  prediction, target, dPrediction [batch, size]; weight, loss, kl float[batch]; moments, dMoments [batch, pixels,
//          2 channels], means beside log-variances; noise, latent, dLatent [batch, pixels, channels]; partial float[batch, blocks]
// LAUNCH:  grid (blocks over a sample, batch), one thread for each 16 bytes of the mean squared error, else for each element;
//          MseForwardEnd and PosteriorForwardEnd one warp for each sample
// TRAFFIC: each input read once, each output written once: the minimum
// NEEDS:   MseForward: 256 threads, 40 registers, 32 bytes of shared memory, sm_70
// NEEDS:   MseForwardEnd: 32 threads, 48 registers, 0 bytes of shared memory, sm_70
// NEEDS:   MseBackward: 256 threads, 40 registers, 0 bytes of shared memory, sm_70
// NEEDS:   PosteriorForward: 256 threads, 40 registers, 32 bytes of shared memory, sm_70
// NEEDS:   PosteriorForwardEnd: 32 threads, 48 registers, 0 bytes of shared memory, sm_70
// NEEDS:   PosteriorBackward: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// WRITES:  =
// ORDER:   deterministic: partial sums in the order of blocks, whose number depends on the size alone
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  Kingma and Welling, "Auto-encoding variational Bayes" (2014); diffusers' DiagonalGaussianDistribution
// TRIED:   -
#include "packs.cuh"
#include "reduce.cuh"

constexpr int Threads = 256;

typedef float Scratch[Threads / WarpSize];

// partial[b, block] = the block's sum
__device__ __forceinline__ void store_partial(float sum, float* partial, Scratch& scratch)
{
    float total = block_sum(sum, scratch);
    if (threadIdx.x == 0) partial[blockIdx.y * gridDim.x + blockIdx.x] = total;
}

// A sample's sum, in every lane of its warp.
__device__ __forceinline__ float add_partial(const float* partial, int blocks)
{
    float sum = 0.0f;
    for (int i = threadIdx.x; i < blocks; i += WarpSize) sum += partial[blockIdx.x * blocks + i];
    return warp_sum(sum);
}

struct SquareAt
{
    const storage *prediction, *target;
    float& sum;

    template <int N>
    __device__ __forceinline__ void at(wide i) const
    {
        Floats<N> p = load<N>(prediction + i), t = load<N>(target + i);
#pragma unroll
        for (int lane = 0; lane < N; lane++)
        {
            float difference = p[lane] - t[lane];
            sum = fmaf(difference, difference, sum);
        }
    }
};

extern "C" __global__ void __launch_bounds__(Threads) MseForward(const storage* prediction, const storage* target, float* partial, wide size, int aligned)
{
    __shared__ Scratch scratch;
    float sum = 0.0f;
    wide start = blockIdx.y * size;
    for_each_pack<Lanes>(size, aligned, SquareAt{prediction + start, target + start, sum});
    store_partial(sum, partial, scratch);
}

// loss[b] = weight[b] * average of (prediction - target)^2
extern "C" __global__ void __launch_bounds__(WarpSize) MseForwardEnd(const float* partial, int blocks, const float* weight, float size, float* loss)
{
    float sum = add_partial(partial, blocks);
    if (threadIdx.x == 0) loss[blockIdx.x] = weight[blockIdx.x] * sum / size;
}

struct DifferenceAt
{
    const storage *prediction, *target;
    float factor;
    storage* dPrediction;

    template <int N>
    __device__ __forceinline__ void at(wide i) const
    {
        Floats<N> p = load<N>(prediction + i), t = load<N>(target + i);
#pragma unroll
        for (int lane = 0; lane < N; lane++) p[lane] = factor * (p[lane] - t[lane]);
        store(dPrediction + i, p);
    }
};

// dPrediction = factor weight[b] (prediction - target), factor = 2 scale / size
extern "C" __global__ void __launch_bounds__(Threads) MseBackward(const storage* prediction, const storage* target, const float* weight, float factor,
    storage* dPrediction, wide size, int aligned)
{
    wide start = blockIdx.y * size;
    for_each_pack<Lanes>(size, aligned, DifferenceAt{prediction + start, target + start, factor * weight[blockIdx.y], dPrediction + start});
}

constexpr float LowestLogVariance = -30.0f, HighestLogVariance = 20.0f;

// Not a number stays one.
__device__ __forceinline__ float clamp_log_variance(float x)
{
    return x < LowestLogVariance ? LowestLogVariance : x > HighestLogVariance ? HighestLogVariance : x;
}

// l = clamp(logvar);  latent = mean + exp(l / 2) noise, or the mean;  partial: mean^2 + exp(l) - 1 - l, where there is one
extern "C" __global__ void __launch_bounds__(Threads) PosteriorForward(const storage* moments, const storage* noise, storage* latent, float* partial,
    word size, word channels)
{
    __shared__ Scratch scratch;
    float sum = 0.0f;
    wide start = (wide)blockIdx.y * size;
    for (word i = blockIdx.x * Threads + threadIdx.x; i < size; i += gridDim.x * Threads)
    {
        const storage* moment = moments + 2 * start + i + (wide)(i / channels) * channels; // a pixel of moments is two of latent
        float mean = widen(moment[0]), log_variance = clamp_log_variance(widen(moment[channels]));
        latent[start + i] = narrow(noise ? fmaf(expf(0.5f * log_variance), widen(noise[start + i]), mean) : mean);
        sum += fmaf(mean, mean, expf(log_variance) - 1.0f - log_variance);
    }
    if (partial) store_partial(sum, partial, scratch);
}

// kl[b] = 1/2 of the sum
extern "C" __global__ void __launch_bounds__(WarpSize) PosteriorForwardEnd(const float* partial, int blocks, float* kl)
{
    float sum = add_partial(partial, blocks);
    if (threadIdx.x == 0) kl[blockIdx.x] = 0.5f * sum;
}

// dMean = dLatent + scale mean;  dLogvar = dLatent noise exp(l / 2) / 2 + scale (exp(l) - 1) / 2, 0 where clamped
extern "C" __global__ void __launch_bounds__(Threads) PosteriorBackward(const storage* moments, const storage* noise, const storage* dLatent, float scale,
    storage* dMoments, word size, word channels)
{
    wide start = (wide)blockIdx.y * size;
    for (word i = blockIdx.x * Threads + threadIdx.x; i < size; i += gridDim.x * Threads)
    {
        wide at = 2 * start + i + (wide)(i / channels) * channels;
        float mean = widen(moments[at]), log_variance = widen(moments[at + channels]), slope = widen(dLatent[start + i]);
        float deviation = expf(0.5f * log_variance), epsilon = noise ? widen(noise[start + i]) : 0.0f;
        bool clamped = log_variance < LowestLogVariance || log_variance > HighestLogVariance;
        float dLogVariance = 0.5f * fmaf(slope * epsilon, deviation, scale * (expf(log_variance) - 1.0f));
        dMoments[at] = narrow(fmaf(scale, mean, slope));
        dMoments[at + channels] = narrow(clamped ? 0.0f : dLogVariance);
    }
}
