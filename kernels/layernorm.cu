// WHAT:    LayerNorm over rows, forward and backward
// SHAPES:  x, y, dY, residual, dX [rows, channels]; gamma, beta [channels]; mean, rstd float[rows]; sums float[2][slabs, channels]: of
//          dY n and of dY, n = (x - mean) rstd
// LAUNCH:  LayerNormForward, LayerNormBackward: one warp for each row, 8 rows a block. LayerNormBackwardSums: grid (strips of
//          channels, slabs of rows); then LayerNormBackwardParameters: one block for each 32 channels. `packed`: channels are a
//          multiple of 16 bytes and all pointers of 16
// TRAFFIC: forward reads x and writes y once: the second pass over a row finds it in the L1 cache. dX reads x and dY and writes
//          dX once, the same way, and a residual once; the gradients of parameters read x and dY once more and add 16 bytes a channel and slab
// NEEDS:   LayerNormForward: 256 threads, 64 registers, 0 bytes of shared memory, sm_70
// NEEDS:   LayerNormBackward: 256 threads, 64 registers, 0 bytes of shared memory, sm_70
// NEEDS:   LayerNormBackwardSums: 256 threads, 72 registers, 16640 bytes of shared memory, sm_70
// NEEDS:   LayerNormBackwardParameters: 256 threads, 56 registers, 2048 bytes of shared memory, sm_70
// WRITES:  y, mean, rstd, dX =; dGamma, dBeta =, or += where accumulate_*
// ORDER:   deterministic: lanes, rows and slabs are added in a fixed order
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  Ba, Kiros and Hinton, "Layer normalization" (2016); Chan, Golub and LeVeque (1979) for merging variances
// TRIED:   -
#include "channels.cuh"

constexpr int RowsPerBlock = Threads / WarpSize;

__device__ __forceinline__ int warp_row() { return blockIdx.x * RowsPerBlock + threadIdx.x / WarpSize; }

// Elements lane N, lane N + 1, ..., then 32 N further, and so on.
template <int N>
__device__ __forceinline__ int first_channel() { return threadIdx.x % WarpSize * N; }

template <int N>
__device__ __forceinline__ void forward(const storage* x, const storage* gamma, const storage* beta, storage* y, float* means, float* rstds, int rows,
    int channels, float eps)
{
    int row = warp_row();
    if (row >= rows) return;
    x += (wide)row * channels;
    y += (wide)row * channels;

    // Deviations from the lane's first element lose no more than the lane has elements (see groupnorm.cu).
    int first = first_channel<N>();
    float shift = first < channels ? widen(x[first]) : 0.0f, sum = 0.0f, squares = 0.0f, count = 0.0f;
    for (int c = first; c < channels; c += WarpSize * N)
    {
        Floats<N> values = load<N>(x + c);
#pragma unroll
        for (int lane = 0; lane < N; lane++)
        {
            float d = values[lane] - shift;
            sum += d;
            squares = fmaf(d, d, squares);
        }
        count += N;
    }
    float offset = count > 0.0f ? sum / count : 0.0f, reference = __shfl_sync(AllLanes, shift, 0);
    float mean = reference + warp_sum(count * (shift - reference + offset)) / channels;
    float d = shift + offset - mean;
    squares = warp_sum(fmaf(count * d, d, fmaf(-offset, sum, squares)));
    float rstd = 1.0f / sqrtf(fmaxf(squares, 0.0f) / channels + eps);
    if (first == 0)
    {
        means[row] = mean;
        rstds[row] = rstd;
    }

    for (int c = first; c < channels; c += WarpSize * N)
    {
        Floats<N> values = load<N>(x + c), scale = load<N>(gamma + c), added = load<N>(beta + c);
#pragma unroll
        for (int lane = 0; lane < N; lane++) values[lane] = fmaf((values[lane] - mean) * rstd, scale[lane], added[lane]);
        store(y + c, values);
    }
}

extern "C" __global__ void __launch_bounds__(Threads) LayerNormForward(const storage* x, const storage* gamma, const storage* beta, storage* y, float* mean,
    float* rstd, int rows, int channels, float eps, int packed)
{
    if (packed) forward<Lanes>(x, gamma, beta, y, mean, rstd, rows, channels, eps);
    else forward<1>(x, gamma, beta, y, mean, rstd, rows, channels, eps);
}

// dX = rstd (gamma dY - average of (gamma dY) - n * average of (gamma dY n)) + residual, which is optional and may be dX
template <int N>
__device__ __forceinline__ void backward(const storage* x, const storage* gamma, const float* means, const float* rstds, const storage* dY,
    const storage* residual, storage* dX, int rows, int channels)
{
    int row = warp_row();
    if (row >= rows) return;
    wide start = (wide)row * channels;
    float mean = means[row], rstd = rstds[row], slope = 0.0f, product = 0.0f;
    for (int c = first_channel<N>(); c < channels; c += WarpSize * N)
    {
        Floats<N> values = load<N>(x + start + c), slopes = load<N>(dY + start + c), scale = load<N>(gamma + c);
#pragma unroll
        for (int lane = 0; lane < N; lane++)
        {
            float scaled = scale[lane] * slopes[lane];
            slope += scaled;
            product = fmaf(scaled, (values[lane] - mean) * rstd, product);
        }
    }
    slope = warp_sum(slope) / channels;
    product = warp_sum(product) / channels;
    for (int c = first_channel<N>(); c < channels; c += WarpSize * N)
    {
        Floats<N> values = load<N>(x + start + c), slopes = load<N>(dY + start + c), scale = load<N>(gamma + c), added = load_optional<N>(residual, start + c);
#pragma unroll
        for (int lane = 0; lane < N; lane++)
        {
            float n = (values[lane] - mean) * rstd;
            values[lane] = added[lane] + rstd * (fmaf(scale[lane], slopes[lane], -slope) - n * product);
        }
        store(dX + start + c, values);
    }
}

extern "C" __global__ void __launch_bounds__(Threads) LayerNormBackward(const storage* x, const storage* gamma, const float* mean, const float* rstd,
    const storage* dY, const storage* residual, storage* dX, int rows, int channels, int packed)
{
    if (packed) backward<Lanes>(x, gamma, mean, rstd, dY, residual, dX, rows, channels);
    else backward<1>(x, gamma, mean, rstd, dY, residual, dX, rows, channels);
}

template <int N>
__device__ __forceinline__ void write_sums(const storage* x, const float* mean, const float* rstd, const storage* dY, float* sums, int rows, int channels,
    int slab, StripSums& shared)
{
    typedef Strip<N> S;
    S strip(channels);
    Floats<N> dGamma, dBeta;
#pragma unroll
    for (int lane = 0; lane < N; lane++) dGamma[lane] = dBeta[lane] = 0.0f;
    int start = blockIdx.y * slab, end = min(start + slab, rows);
    if (strip.inside)
        for (int row = start + strip.row; row < end; row += S::Rows)
        {
            wide offset = (wide)row * channels + strip.channel;
            Floats<N> values = load<N>(x + offset), slopes = load<N>(dY + offset);
            float average = mean[row], inverse = rstd[row];
#pragma unroll
            for (int lane = 0; lane < N; lane++)
            {
                dGamma[lane] = fmaf(slopes[lane], (values[lane] - average) * inverse, dGamma[lane]);
                dBeta[lane] += slopes[lane];
            }
        }
    wide slabs = gridDim.y;
    store_column_sums(strip, dGamma, dBeta, shared, sums + blockIdx.y * (wide)channels, sums + (slabs + blockIdx.y) * channels);
}

extern "C" __global__ void __launch_bounds__(Threads) LayerNormBackwardSums(const storage* x, const float* mean, const float* rstd, const storage* dY,
    float* sums, int rows, int channels, int slab, int packed)
{
    __shared__ StripSums shared;
    if (packed) write_sums<Lanes>(x, mean, rstd, dY, sums, rows, channels, slab, shared);
    else write_sums<1>(x, mean, rstd, dY, sums, rows, channels, slab, shared);
}

// dGamma[c] = or += sum of sums[0][.., c], dBeta[c] = or += sum of sums[1][.., c]; each optional
extern "C" __global__ void __launch_bounds__(Threads) LayerNormBackwardParameters(const float* sums, int slabs, int channels, float* dGamma, float* dBeta,
    int accumulate_gamma, int accumulate_beta)
{
    add_rows(sums, slabs, channels, dGamma, dBeta, accumulate_gamma, accumulate_beta);
}
