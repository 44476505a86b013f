// WHAT:    GroupNorm over NHWC with an optional SiLU, backward
// SHAPES:  x, dY, residual, dX [batch, pixels, channels]; gamma, beta [channels]; mean, rstd float[batch, groups];
//          sums float[2][batch, slabs, channels]: of dU n and of dU, n = (x - mean) rstd, u = gamma n + beta, dU = dL/du
// LAUNCH:  GroupNormBackwardSums: grid (strips of channels, slabs of pixels, batch) as forward; then GroupNormBackward: grid (strips,
//          slabs, 1 + batch), or 1 where there is no dX. Its first layer makes dGamma and dBeta, 32 channels a block at a time
// TRAFFIC: x and dY read twice, a residual once, dX written once; sums add 16 bytes for each channel and slab of 256 pixels: 0.6 % in 16 bits
// NEEDS:   GroupNormBackwardSums: 256 threads, 80 registers, 16640 bytes of shared memory, sm_70
// NEEDS:   GroupNormBackward: 256 threads, 112 registers, 2560 bytes of shared memory, sm_70
// WRITES:  dX =; dGamma, dBeta =, or += where accumulate_*
// ORDER:   deterministic: rows, slabs and samples are added in a fixed order
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  Wu and He, "Group normalization" (2018)
// TRIED:   -
#include "channels.cuh"
#include "math.cuh"

// What a thread's channels need to recompute n and dU.
template <int N>
struct Recompute
{
    Floats<N> mean, rstd, gamma, beta;

    __device__ __forceinline__ Recompute(const Strip<N>& strip, const storage* gammas, const storage* betas, const float* means, const float* rstds, int size)
        : gamma(load<N>(gammas + strip.channel)), beta(load<N>(betas + strip.channel))
    {
        int group = strip.channel / size, left = size - strip.channel % size;
#pragma unroll
        for (int lane = 0; lane < N; lane++)
        {
            mean[lane] = means[group];
            rstd[lane] = rstds[group];
            if (--left == 0 && lane + 1 < N)
            {
                left = size;
                group++;
            }
        }
    }

    __device__ __forceinline__ float normalized(int lane, float x) const { return (x - mean[lane]) * rstd[lane]; }

    __device__ __forceinline__ float slope(int lane, float n, float dY, int activate) const
    {
        return activate ? dY * silu_slope(fmaf(gamma[lane], n, beta[lane])) : dY;
    }
};

template <int N>
__device__ __forceinline__ void write_sums(const storage* x, const storage* gamma, const storage* beta, const float* mean, const float* rstd,
    const storage* dY, float* sums, int pixels, int channels, int groups, int activate, int slab, StripSums& shared)
{
    typedef Strip<N> S;
    S strip(channels);
    int start = blockIdx.y * slab, count = min(slab, pixels - start);
    Floats<N> dGamma, dBeta;
#pragma unroll
    for (int lane = 0; lane < N; lane++) dGamma[lane] = dBeta[lane] = 0.0f;
    if (strip.inside)
    {
        wide sample = blockIdx.z, offset = (sample * pixels + start + strip.row) * channels + strip.channel;
        Recompute<N> of(strip, gamma, beta, mean + sample * groups, rstd + sample * groups, channels / groups);
#pragma unroll 2
        for (int i = strip.row; i < count; i += S::Rows, offset += (wide)S::Rows * channels)
        {
            Floats<N> values = load<N>(x + offset), slopes = load<N>(dY + offset);
#pragma unroll
            for (int lane = 0; lane < N; lane++)
            {
                float n = of.normalized(lane, values[lane]), dU = of.slope(lane, n, slopes[lane], activate);
                dGamma[lane] = fmaf(dU, n, dGamma[lane]);
                dBeta[lane] += dU;
            }
        }
    }
    wide row = (wide)blockIdx.z * gridDim.y + blockIdx.y, rows = (wide)gridDim.z * gridDim.y;
    store_column_sums(strip, dGamma, dBeta, shared, sums + row * channels, sums + (rows + row) * channels);
}

extern "C" __global__ void __launch_bounds__(Threads) GroupNormBackwardSums(const storage* x, const storage* gamma, const storage* beta, const float* mean,
    const float* rstd, const storage* dY, float* sums, int pixels, int channels, int groups, int activate, int slab, int packed)
{
    __shared__ StripSums shared;
    if (packed) write_sums<Lanes>(x, gamma, beta, mean, rstd, dY, sums, pixels, channels, groups, activate, slab, shared);
    else write_sums<1>(x, gamma, beta, mean, rstd, dY, sums, pixels, channels, groups, activate, slab, shared);
}

// Averages over a group.
struct Averages
{
    float slope, product; // of gamma dU and of gamma dU n
};

// dX = rstd (gamma dU - average of (gamma dU) - n * average of (gamma dU n)) + residual, which is optional and may be dX
template <int N>
__device__ __forceinline__ void write_slopes(const storage* x, const storage* gamma, const storage* beta, const float* mean, const float* rstd,
    const storage* dY, const float* sums, const storage* residual, storage* dX, int rows, int pixels, int channels, int groups, int activate, int slab,
    Averages* averages)
{
    typedef Strip<N> S;
    S strip(channels);
    int size = channels / groups, start = blockIdx.y * slab, count = min(slab, pixels - start), firstGroup = strip.begin / size;
    int slabs = gridDim.y;
    wide sample = blockIdx.z - 1;

    // A warp adds up a group: channels beside each other, slabs one after another.
    int threadLane = threadIdx.x % WarpSize;
    const float *dGamma = sums + sample * slabs * channels, *dBeta = dGamma + (wide)rows * channels;
    for (int g = firstGroup + threadIdx.x / WarpSize; g * size < strip.end; g += Threads / WarpSize)
    {
        float slope = 0.0f, product = 0.0f;
        for (int c = g * size + threadLane; c < (g + 1) * size; c += WarpSize)
        {
            float slopes = 0.0f, products = 0.0f, factor = widen(gamma[c]);
            for (int s = 0; s < slabs; s++)
            {
                products += dGamma[(wide)s * channels + c];
                slopes += dBeta[(wide)s * channels + c];
            }
            slope = fmaf(factor, slopes, slope);
            product = fmaf(factor, products, product);
        }
        slope = warp_sum(slope);
        product = warp_sum(product);
        float elements = (float)pixels * size;
        if (threadLane == 0) averages[g - firstGroup] = Averages{slope / elements, product / elements};
    }
    __syncthreads(); // the strip's averages are there
    if (!strip.inside) return;

    Recompute<N> of(strip, gamma, beta, mean + sample * groups, rstd + sample * groups, size);
    Floats<N> slope, product;
    int group = strip.channel / size - firstGroup, left = size - strip.channel % size;
#pragma unroll
    for (int lane = 0; lane < N; lane++)
    {
        slope[lane] = averages[group].slope;
        product[lane] = averages[group].product;
        if (--left == 0 && lane + 1 < N)
        {
            left = size;
            group++;
        }
    }
    wide offset = (sample * pixels + start + strip.row) * channels + strip.channel;
    for (int i = strip.row; i < count; i += S::Rows, offset += (wide)S::Rows * channels)
    {
        Floats<N> values = load<N>(x + offset), slopes = load<N>(dY + offset), added = load_optional<N>(residual, offset);
#pragma unroll
        for (int lane = 0; lane < N; lane++)
        {
            float n = of.normalized(lane, values[lane]), dU = of.slope(lane, n, slopes[lane], activate);
            values[lane] = added[lane] + of.rstd[lane] * (fmaf(of.gamma[lane], dU, -slope[lane]) - n * product[lane]);
        }
        store(dX + offset, values);
    }
}

// rows: of sums, batch * slabs. dGamma[c] = or += sum of sums[0][.., c], dBeta[c] = or += sum of sums[1][.., c]; each optional
extern "C" __global__ void __launch_bounds__(Threads) GroupNormBackward(const storage* x, const storage* gamma, const storage* beta, const float* mean,
    const float* rstd, const storage* dY, const float* sums, const storage* residual, storage* dX, float* dGamma, float* dBeta, int rows, int pixels,
    int channels, int groups, int activate, int slab, int packed, int accumulate_gamma, int accumulate_beta)
{
    if (blockIdx.z == 0)
    {
        if (dGamma == nullptr && dBeta == nullptr) return;
        for (int first = (blockIdx.y * gridDim.x + blockIdx.x) * WarpSize; first < channels; first += gridDim.y * gridDim.x * WarpSize)
            add_rows(sums, rows, first, channels, dGamma, dBeta, accumulate_gamma, accumulate_beta);
        return;
    }
    __shared__ Averages averages[Strip<Lanes>::Channels];
    if (packed) write_slopes<Lanes>(x, gamma, beta, mean, rstd, dY, sums, residual, dX, rows, pixels, channels, groups, activate, slab, averages);
    else write_slopes<1>(x, gamma, beta, mean, rstd, dY, sums, residual, dX, rows, pixels, channels, groups, activate, slab, averages);
}
