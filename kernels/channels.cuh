// How the norms walk over [pixels, channels]: a block takes a strip of channels, one line of memory wide where elements come in
// packs, and a slab of pixels. A thread keeps to its channels; the threads of a column take the slab's pixels in turn.
#pragma once
#include "packs.cuh"
#include "reduce.cuh"

constexpr int Threads = 256;

// x to 9 bits. An average is taken of differences from such a number: they are exact for values of 16 bits and for values near
// it, and those from x itself would all be rounded to the same side.
__device__ __forceinline__ float coarse(float x) { return __uint_as_float(__float_as_uint(x) & 0xffff8000u); }

// For N elements of a thread: packs of 16 bytes, or single elements where channels are no multiple of a pack.
template <int N>
struct Strip
{
    static constexpr int Columns = N == 1 ? 32 : 8;
    static constexpr int Rows = Threads / Columns;
    static constexpr int Channels = Columns * N;
    static constexpr int Pitch = Channels + 1; // floats between rows in shared memory: the rows of a channel lie in different banks

    int column, row;  // of the thread
    int begin, end;   // the block's channels
    int channel;      // the thread's first
    bool inside;      // whether the thread has channels

    __device__ __forceinline__ explicit Strip(int channels)
        : column(threadIdx.x % Columns), row(threadIdx.x / Columns), begin(blockIdx.x * Channels), end(min(begin + Channels, channels)),
          channel(begin + column * N), inside(channel < channels) {}

    // Pixels of a slab of `count` that belong to row `of`.
    static __device__ __forceinline__ int pixels(int count, int of) { return (count - of + Rows - 1) / Rows; }

    // Place of the thread's channel `lane` in a [Rows, Pitch] array.
    __device__ __forceinline__ int place(int lane) const { return row * Pitch + column * N + lane; }
};

// A number for each row and channel of either strip.
constexpr int StripFloats = Strip<Lanes>::Rows * Strip<Lanes>::Pitch;
static_assert(StripFloats >= Strip<1>::Rows * Strip<1>::Pitch, "a strip of single elements needs no more");

typedef float StripSums[2][StripFloats];

// first[c] and second[c], c from begin to end, receive the sums over the block's rows, added from the first to the last.
template <int N>
__device__ __forceinline__ void store_column_sums(const Strip<N>& strip, const Floats<N>& a, const Floats<N>& b, StripSums& sums, float* first, float* second)
{
#pragma unroll
    for (int lane = 0; lane < N; lane++)
    {
        sums[0][strip.place(lane)] = a[lane];
        sums[1][strip.place(lane)] = b[lane];
    }
    __syncthreads(); // every row's sums are written
    constexpr int Channels = Strip<N>::Channels;
    int which = threadIdx.x / Channels, channel = threadIdx.x % Channels;
    if (which > 1 || strip.begin + channel >= strip.end) return;
    float sum = 0.0f;
    for (int row = 0; row < Strip<N>::Rows; row++) sum += sums[which][row * Strip<N>::Pitch + channel];
    (which == 0 ? first : second)[strip.begin + channel] = sum;
}

// first[c] = or += sum over rows of sums[0][row, c], second[c] = or += sum over rows of sums[1][row, c] for the 32 channels from
// `begin` on; each optional. Eight threads have a channel. One thread adds to both, so they may be the same memory.
__device__ __forceinline__ void add_rows(const float* sums, int rows, int begin, int channels, float* first, float* second, int accumulate_first,
    int accumulate_second)
{
    constexpr int Parts = Threads / WarpSize;
    __shared__ float parts[2][Parts][WarpSize];
    int lane = threadIdx.x % WarpSize, part = threadIdx.x / WarpSize, channel = begin + lane;
    float a = 0.0f, b = 0.0f;
    if (channel < channels)
    {
#pragma unroll 8
        for (int row = part; row < rows; row += Parts)
        {
            a += sums[(wide)row * channels + channel];
            b += sums[(wide)(rows + row) * channels + channel];
        }
    }
    parts[0][part][lane] = a;
    parts[1][part][lane] = b;
    __syncthreads(); // every warp's sums are written
    if (part == 0 && channel < channels)
    {
        for (int other = 1; other < Parts; other++)
        {
            a += parts[0][other][lane];
            b += parts[1][other][lane];
        }
        if (first) first[channel] = (accumulate_first ? first[channel] : 0.0f) + a;
        if (second) second[channel] = (accumulate_second ? second[channel] : 0.0f) + b;
    }
    __syncthreads(); // and read: the next channels' may be
}
