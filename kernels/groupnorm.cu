// WHAT:    GroupNorm over NHWC with an optional SiLU, forward
// SHAPES:  x, y [batch, pixels, channels]; gamma, beta [channels]; mean, rstd float[batch, groups];
//          partial float2[batch, groups, slabs, pieces]: mean and sum of squared deviations of the part of a group in a block
// LAUNCH:  GroupNormForwardStatistics, then GroupNormForward: grid (strips of channels, slabs of pixels, batch); a strip has 8
//          packs (64 channels of 16 bits), or 32 channels where `packed` is 0: channels no multiple of a pack, or misaligned
// TRAFFIC: x read twice, y written once; partial adds 8 bytes for each group, slab and strip: 0.3 % at 320 channels. The
//          second read comes from the L2 cache where x is smaller than it (10 MiB of 40 on an A100 at batch 16, 32x32x320)
// NEEDS:   GroupNormForwardStatistics: 256 threads, 80 registers, 16640 bytes of shared memory, sm_70
// NEEDS:   GroupNormForward: 256 threads, 64 registers, 512 bytes of shared memory, sm_70
// WRITES:  =
// ORDER:   deterministic: parts are merged in a fixed order
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  Wu and He, "Group normalization" (2018); Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
//          computing sample variances" (1979)
// TRIED:   -
#include "channels.cuh"
#include "math.cuh"

struct Part
{
    float mean, squares; // squares: the sum of (x - mean)^2
};

struct Statistics
{
    float mean, rstd;
};

// The blocks that have a part of a group: slabs of pixels, and strips of channels from `first` on.
struct Pieces
{
    int first, count;
    int begin, end, strip, pixels, slab;

    __device__ __forceinline__ Pieces(int g, int size, int strip, int pixels, int slab)
        : first(g * size / strip), count(((g + 1) * size - 1) / strip - first + 1), begin(g * size), end((g + 1) * size), strip(strip), pixels(pixels), slab(slab)
    {
    }

    // Elements of the part in slab s and strip first + p.
    __device__ __forceinline__ float elements(int s, int p) const
    {
        int channels = min(end, (first + p + 1) * strip) - max(begin, (first + p) * strip);
        return (float)(min(slab, pixels - s * slab) * channels);
    }
};

// A thread's pixels of its channels. Deviations are taken from its first pixel: d is one of those whose squares are summed, so
// sum d^2 is at most n times the sum of squared deviations from the mean, and the difference below loses n units at most.
template <int N>
__device__ __forceinline__ void measure(const storage* x, int pixels, int channels, Floats<N>& mean, Floats<N>& squares)
{
    Floats<N> shift, sum;
#pragma unroll
    for (int lane = 0; lane < N; lane++) mean[lane] = shift[lane] = sum[lane] = squares[lane] = 0.0f;
    if (pixels <= 0) return;
    shift = load<N>(x);
#pragma unroll 4
    for (int i = 1; i < pixels; i++)
    {
        Floats<N> values = load<N>(x + (wide)i * Strip<N>::Rows * channels);
#pragma unroll
        for (int lane = 0; lane < N; lane++)
        {
            float d = values[lane] - shift[lane];
            sum[lane] += d;
            squares[lane] = fmaf(d, d, squares[lane]);
        }
    }
    float share = 1.0f / pixels;
#pragma unroll
    for (int lane = 0; lane < N; lane++)
    {
        float offset = sum[lane] * share;
        mean[lane] = shift[lane] + offset;
        squares[lane] = fmaxf(fmaf(-offset, sum[lane], squares[lane]), 0.0f);
    }
}

template <int N>
__device__ __forceinline__ void write_parts(const storage* x, Part* partial, int pixels, int channels, int groups, int slab, int pieces,
    StripSums& shared)
{
    typedef Strip<N> S;
    float *means = shared[0], *deviations = shared[1];
    S strip(channels);
    int size = channels / groups, start = blockIdx.y * slab, count = min(slab, pixels - start);
    Floats<N> mean, squares;
    const storage* from = x + ((wide)blockIdx.z * pixels + start + strip.row) * channels + strip.channel;
    measure<N>(from, strip.inside ? S::pixels(count, strip.row) : 0, channels, mean, squares);
#pragma unroll
    for (int lane = 0; lane < N; lane++)
    {
        means[strip.place(lane)] = mean[lane];
        deviations[strip.place(lane)] = squares[lane];
    }
    __syncthreads(); // every thread's parts are written

    // A warp merges the parts of a group: rows beside each other, channels one after another.
    int lane = threadIdx.x % WarpSize, row = lane % S::Rows;
    float weight = S::pixels(count, row);
    for (int g = strip.begin / size + threadIdx.x / WarpSize; g * size < strip.end; g += Threads / WarpSize)
    {
        int first = max(g * size, strip.begin) - strip.begin, end = min((g + 1) * size, strip.end) - strip.begin;
        float elements = (float)count * (end - first), sum = 0.0f, drift = 0.0f, total = 0.0f;
        for (int c = first + lane / S::Rows; c < end; c += WarpSize / S::Rows) sum = fmaf(weight, means[row * S::Pitch + c], sum);
        float average = warp_sum(sum) / elements, reference = coarse(average);
        for (int c = first + lane / S::Rows; c < end; c += WarpSize / S::Rows)
        {
            float mean = means[row * S::Pitch + c], d = mean - average;
            drift = fmaf(weight, mean - reference, drift);
            total += fmaf(weight * d, d, deviations[row * S::Pitch + c]);
        }
        average = reference + warp_sum(drift) / elements;
        total = warp_sum(total);
        int piece = blockIdx.x - g * size / S::Channels;
        if (lane == 0) partial[(((wide)blockIdx.z * groups + g) * gridDim.y + blockIdx.y) * pieces + piece] = Part{average, total};
    }
}

extern "C" __global__ void __launch_bounds__(Threads) GroupNormForwardStatistics(const storage* x, Part* partial, int pixels, int channels, int groups,
    int slab, int pieces, int packed)
{
    __shared__ StripSums shared;
    if (packed) write_parts<Lanes>(x, partial, pixels, channels, groups, slab, pieces, shared);
    else write_parts<1>(x, partial, pixels, channels, groups, slab, pieces, shared);
}

// Every lane receives the mean and 1 / sqrt(variance + eps) of group g, merged from the parts [slabs, pieces].
__device__ __forceinline__ Statistics merge(const Part* parts, int g, int size, int strip, int pixels, int slab, int slabs, int pieces, float eps)
{
    int lane = threadIdx.x % WarpSize;
    Pieces of(g, size, strip, pixels, slab);
    float elements = (float)pixels * size, sum = 0.0f, drift = 0.0f, total = 0.0f;
    for (int s = lane; s < slabs; s += WarpSize)
        for (int p = 0; p < of.count; p++) sum = fmaf(of.elements(s, p), parts[s * pieces + p].mean, sum);
    float mean = warp_sum(sum) / elements, reference = coarse(mean);
    for (int s = lane; s < slabs; s += WarpSize)
        for (int p = 0; p < of.count; p++)
        {
            Part part = parts[s * pieces + p];
            float weight = of.elements(s, p), d = part.mean - mean;
            drift = fmaf(weight, part.mean - reference, drift);
            total += fmaf(weight * d, d, part.squares);
        }
    mean = reference + warp_sum(drift) / elements;
    return Statistics{mean, 1.0f / sqrtf(warp_sum(total) / elements + eps)};
}

template <int N>
__device__ __forceinline__ void normalize(const storage* x, const storage* gamma, const storage* beta, const Part* partial, storage* y, float* mean,
    float* rstd, int pixels, int channels, int groups, float eps, int activate, int slab, int pieces, Statistics* statistics)
{
    typedef Strip<N> S;
    S strip(channels);
    int size = channels / groups, start = blockIdx.y * slab, count = min(slab, pixels - start), firstGroup = strip.begin / size;
    for (int g = firstGroup + threadIdx.x / WarpSize; g * size < strip.end; g += Threads / WarpSize)
    {
        wide group = (wide)blockIdx.z * groups + g;
        Statistics merged = merge(partial + group * gridDim.y * pieces, g, size, S::Channels, pixels, slab, gridDim.y, pieces, eps);
        if (threadIdx.x % WarpSize != 0) continue;
        statistics[g - firstGroup] = merged;
        if (blockIdx.y > 0 || g * size < strip.begin) continue; // another block's to write
        mean[group] = merged.mean;
        rstd[group] = merged.rstd;
    }
    __syncthreads(); // the strip's statistics are there
    if (!strip.inside) return;

    Floats<N> average, scale = load<N>(gamma + strip.channel), shift = load<N>(beta + strip.channel);
    int group = strip.channel / size - firstGroup, left = size - strip.channel % size;
#pragma unroll
    for (int lane = 0; lane < N; lane++)
    {
        average[lane] = statistics[group].mean;
        scale[lane] *= statistics[group].rstd;
        if (--left == 0 && lane + 1 < N)
        {
            left = size;
            group++;
        }
    }
    wide offset = ((wide)blockIdx.z * pixels + start + strip.row) * channels + strip.channel;
#pragma unroll 2
    for (int i = strip.row; i < count; i += S::Rows, offset += (wide)S::Rows * channels)
    {
        Floats<N> values = load<N>(x + offset);
#pragma unroll
        for (int lane = 0; lane < N; lane++)
        {
            float u = fmaf(values[lane] - average[lane], scale[lane], shift[lane]); // the difference first: a large mean goes without loss
            values[lane] = activate ? silu(u) : u;
        }
        store(y + offset, values);
    }
}

extern "C" __global__ void __launch_bounds__(Threads) GroupNormForward(const storage* x, const storage* gamma, const storage* beta, const Part* partial,
    storage* y, float* mean, float* rstd, int pixels, int channels, int groups, float eps, int activate, int slab, int pieces, int packed)
{
    __shared__ Statistics statistics[Strip<Lanes>::Channels];
    if (packed) normalize<Lanes>(x, gamma, beta, partial, y, mean, rstd, pixels, channels, groups, eps, activate, slab, pieces, statistics);
    else normalize<1>(x, gamma, beta, partial, y, mean, rstd, pixels, channels, groups, eps, activate, slab, pieces, statistics);
}
