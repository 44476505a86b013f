// WHAT:    LayerNorm over rows, forward and backward
// SHAPES:  x, y, dY, residual, dX [rows, channels]; gamma, beta [channels]; mean, rstd float[rows]; sums float[2][slabs, channels]: of
//          dY n and of dY, n = (x - mean) rstd
// LAUNCH:  LayerNormForward, LayerNormBackward: one warp for each row, 8 rows a block. LayerNormBackwardSums: grid (strips of
//          channels, slabs of rows). `packed`: channels are a multiple of 16 bytes and all pointers of 16. Where they are, and no more
//          than N, LayerNormBackwardN does what both do: one warp for each row, 8 rows a block at a time (grid-stride), a block a
//          slab. Then LayerNormBackwardParameters: one block for each 32 channels
// TRAFFIC: forward reads x and writes y once: the second pass over a row finds it in the L1 cache. LayerNormBackwardN reads x, dY and
//          a residual and writes dX once, and adds 16 bytes a channel and slab; the other two read x and dY twice
// NEEDS:   LayerNormForward: 256 threads, 64 registers, 0 bytes of shared memory, sm_70
// NEEDS:   LayerNormBackward: 256 threads, 64 registers, 0 bytes of shared memory, sm_70
// NEEDS:   LayerNormBackward320: 256 threads, 128 registers, 16384 bytes of shared memory, sm_70
// NEEDS:   LayerNormBackward640: 256 threads, 192 registers, 24576 bytes of shared memory, sm_70
// NEEDS:   LayerNormBackward1280: 256 threads, 240 registers, 40960 bytes of shared memory, sm_70
// NEEDS:   LayerNormBackwardSums: 256 threads, 72 registers, 16640 bytes of shared memory, sm_70
// NEEDS:   LayerNormBackwardParameters: 256 threads, 56 registers, 2048 bytes of shared memory, sm_70
// WRITES:  y, mean, rstd, dX =; dGamma, dBeta =, or += where accumulate_*
// ORDER:   deterministic: lanes, rows and slabs are added in a fixed order
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  Ba, Kiros and Hinton, "Layer normalization" (2016); Chan, Golub and LeVeque (1979) for merging variances
// TRIED:   measured on an H100, 16384 x 320 and 4096 x 640: LayerNormBackwardN without the next row on its way, on 132 and 68
//          multiprocessors, 43 and 33 us; it takes 24 and 17
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
    float offset = count > 0.0f ? sum / count : 0.0f, reference = coarse(warp_sum(count * (shift + offset)) / channels);
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

// The first warp receives the sums over the block's warps, of which one half is added to the other until one is left.
template <int Packs> __device__ __forceinline__ void add_warps(Floats<Lanes> (&a)[Packs], Floats<Lanes> (&b)[Packs])
{
    constexpr int Half = Threads / WarpSize / 2;
    __shared__ float passed[Half][2][Packs * Lanes][WarpSize];
    int warp = threadIdx.x / WarpSize, lane = threadIdx.x % WarpSize;
    for (int half = Half; half > 0; half /= 2)
    {
        if (warp >= half && warp < 2 * half)
        {
#pragma unroll
            for (int i = 0; i < Packs * Lanes; i++)
            {
                passed[warp - half][0][i][lane] = a[i / Lanes][i % Lanes];
                passed[warp - half][1][i][lane] = b[i / Lanes][i % Lanes];
            }
        }
        __syncthreads(); // the upper half has passed its sums on
        if (warp < half)
        {
#pragma unroll
            for (int i = 0; i < Packs * Lanes; i++)
            {
                a[i / Lanes][i % Lanes] += passed[warp][0][i][lane];
                b[i / Lanes][i % Lanes] += passed[warp][1][i][lane];
            }
        }
        __syncthreads(); // and the lower half has taken them
    }
}

// What a lane holds of a row: packs of the row's elements, one for every 32 packs.
template <int Packs> struct RowPart
{
    static constexpr int Stride = WarpSize * Lanes;
    typedef Packed<storage, Lanes> Pack;

    Pack x[Packs], dY[Packs];
    float mean, rstd;

    __device__ __forceinline__ void load(const storage* all_x, const storage* all_dY, const float* means, const float* rstds, int row, int channels)
    {
        int first = first_channel<Lanes>();
        wide start = (wide)row * channels + first;
#pragma unroll
        for (int pack = 0; pack < Packs; pack++)
            if (first + pack * Stride < channels)
            {
                x[pack] = *reinterpret_cast<const Pack*>(all_x + start + pack * Stride);
                dY[pack] = *reinterpret_cast<const Pack*>(all_dY + start + pack * Stride);
            }
        mean = means[row];
        rstd = rstds[row];
    }
};

// The slab's sums of dY n and of dY, and dX, which is optional, in one pass over the rows: a lane keeps its packs of a row, and
// the sums of its channels over the warp's rows. While a row is worked on, the warp's next one is on its way, where there are registers
// for both.
template <int MostChannels>
__device__ __forceinline__ void backward_once(const storage* x, const storage* gamma, const float* means, const float* rstds, const storage* dY,
    const storage* residual, storage* dX, float* sums, int rows, int channels)
{
    constexpr int Stride = WarpSize * Lanes, Packs = (MostChannels + Stride - 1) / Stride;
    constexpr bool Ahead = MostChannels <= 640;
    int first = first_channel<Lanes>(), step = gridDim.x * RowsPerBlock;
    Floats<Lanes> dGamma[Packs] = {}, dBeta[Packs] = {};
    RowPart<Packs> part, next;
    int row = warp_row();
    if (Ahead && row < rows) next.load(x, dY, means, rstds, row, channels);
    for (; row < rows; row += step)
    {
        if constexpr (Ahead) part = next;
        else part.load(x, dY, means, rstds, row, channels);
        wide start = (wide)row * channels + first;
        typename RowPart<Packs>::Pack added[Packs] = {};
        if (residual)
        {
#pragma unroll
            for (int pack = 0; pack < Packs; pack++)
                if (first + pack * Stride < channels) added[pack] = *reinterpret_cast<const typename RowPart<Packs>::Pack*>(residual + start + pack * Stride);
        }
        if (Ahead && row + step < rows) next.load(x, dY, means, rstds, row + step, channels);

        float slope = 0.0f, product = 0.0f;
#pragma unroll
        for (int pack = 0; pack < Packs; pack++)
            if (first + pack * Stride < channels)
            {
                Floats<Lanes> scale = load<Lanes>(gamma + first + pack * Stride);
#pragma unroll
                for (int lane = 0; lane < Lanes; lane++)
                {
                    float dN = widen(part.dY[pack].element[lane]), n = (widen(part.x[pack].element[lane]) - part.mean) * part.rstd;
                    dGamma[pack][lane] = fmaf(dN, n, dGamma[pack][lane]);
                    dBeta[pack][lane] += dN;
                    slope = fmaf(scale[lane], dN, slope);
                    product = fmaf(scale[lane] * dN, n, product);
                }
            }
        if (dX == nullptr) continue;
        slope = warp_sum(slope) / channels;
        product = warp_sum(product) / channels;
#pragma unroll
        for (int pack = 0; pack < Packs; pack++)
            if (first + pack * Stride < channels)
            {
                Floats<Lanes> scale = load<Lanes>(gamma + first + pack * Stride), values;
#pragma unroll
                for (int lane = 0; lane < Lanes; lane++)
                {
                    float n = (widen(part.x[pack].element[lane]) - part.mean) * part.rstd;
                    values[lane] = widen(added[pack].element[lane]) + part.rstd * (fmaf(scale[lane], widen(part.dY[pack].element[lane]), -slope) - n * product);
                }
                store(dX + start + pack * Stride, values);
            }
    }
    add_warps(dGamma, dBeta);
    if (threadIdx.x >= WarpSize) return;
#pragma unroll
    for (int pack = 0; pack < Packs; pack++)
        if (first + pack * Stride < channels)
        {
            store(sums + blockIdx.x * (wide)channels + first + pack * Stride, dGamma[pack]);
            store(sums + (gridDim.x + blockIdx.x) * (wide)channels + first + pack * Stride, dBeta[pack]);
        }
}

#define ONCE_PARAMETERS const storage *x, const storage *gamma, const float *mean, const float *rstd, const storage *dY, const storage *residual, \
    storage *dX, float *sums, int rows, int channels
#define ONCE_ARGUMENTS x, gamma, mean, rstd, dY, residual, dX, sums, rows, channels

extern "C" __global__ void __launch_bounds__(Threads, 2) LayerNormBackward320(ONCE_PARAMETERS)
{
    backward_once<320>(ONCE_ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(Threads) LayerNormBackward640(ONCE_PARAMETERS)
{
    backward_once<640>(ONCE_ARGUMENTS);
}

extern "C" __global__ void __launch_bounds__(Threads) LayerNormBackward1280(ONCE_PARAMETERS)
{
    backward_once<1280>(ONCE_ARGUMENTS);
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
    add_rows(sums, slabs, blockIdx.x * WarpSize, channels, dGamma, dBeta, accumulate_gamma, accumulate_beta);
}
