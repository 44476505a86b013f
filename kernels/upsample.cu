// WHAT:    nearest-neighbour upsampling to any size, forward and backward
// SHAPES:  x, dX [batch, height, width, channels], y, dY [batch, out_height, out_width, channels]
// LAUNCH:  grid (rows of the output, parts of a row): rows are batch * out_height, backward batch * height; a thread takes 16
//          bytes, or one element where `packed` is 0
// TRAFFIC: x read once (its copies within a row and from row to row come from the caches), y written once; backward the reverse
// NEEDS:   UpsampleForward: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// NEEDS:   UpsampleBackward: 256 threads, 64 registers, 0 bytes of shared memory, sm_70
// WRITES:  =
// ORDER:   deterministic: rows and columns are added from the first to the last
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  torch.nn.functional.interpolate, mode "nearest"
// TRIED:   -
#include "packs.cuh"

// y[b, h, w] = x[b, h height / out_height, w width / out_width]
template <int N>
__device__ __forceinline__ void forward(const storage* x, storage* y, word height, word width, word channels, word out_height, word out_width)
{
    word h = blockIdx.x % out_height, b = blockIdx.x / out_height, packs = channels / N;
    const storage* from = x + (wide)(b * height + h * height / out_height) * width * channels;
    storage* to = y + (wide)blockIdx.x * out_width * channels;
    for (word i = blockIdx.y * blockDim.x + threadIdx.x; i < out_width * packs; i += gridDim.y * blockDim.x)
    {
        word w = i / packs, c = (i - w * packs) * N;
        *reinterpret_cast<Packed<storage, N>*>(to + (wide)i * N) =
            *reinterpret_cast<const Packed<storage, N>*>(from + (wide)(w * width / out_width) * channels + c);
    }
}

extern "C" __global__ void __launch_bounds__(256) UpsampleForward(const storage* x, storage* y, word height, word width, word channels, word out_height,
    word out_width, int packed)
{
    if (packed) forward<Lanes>(x, y, height, width, channels, out_height, out_width);
    else forward<1>(x, y, height, width, channels, out_height, out_width);
}

// The first output that copies input i or a later one.
__device__ __forceinline__ word first_copy(word i, word inputs, word outputs) { return (i * outputs + inputs - 1) / inputs; }

// dX[b, i, j] = sum of dY[b, h, w] over the h, w that copied it
template <int N>
__device__ __forceinline__ void backward(const storage* dY, storage* dX, word height, word width, word channels, word out_height, word out_width)
{
    word row = blockIdx.x % height, b = blockIdx.x / height, packs = channels / N;
    word top = first_copy(row, height, out_height), bottom = first_copy(row + 1, height, out_height);
    storage* to = dX + (wide)blockIdx.x * width * channels;
    for (word i = blockIdx.y * blockDim.x + threadIdx.x; i < width * packs; i += gridDim.y * blockDim.x)
    {
        word column = i / packs, c = (i - column * packs) * N;
        word left = first_copy(column, width, out_width), right = first_copy(column + 1, width, out_width);
        Floats<N> sum;
#pragma unroll
        for (int lane = 0; lane < N; lane++) sum[lane] = 0.0f;
        for (word h = top; h < bottom; h++)
            for (word w = left; w < right; w++)
            {
                Floats<N> slope = load<N>(dY + ((wide)(b * out_height + h) * out_width + w) * channels + c);
#pragma unroll
                for (int lane = 0; lane < N; lane++) sum[lane] += slope[lane];
            }
        store(to + (wide)i * N, sum);
    }
}

extern "C" __global__ void __launch_bounds__(256, 1) UpsampleBackward(const storage* dY, storage* dX, word height, word width, word channels, word out_height,
    word out_width, int packed)
{
    if (packed) backward<Lanes>(dY, dX, height, width, channels, out_height, out_width);
    else backward<1>(dY, dX, height, width, channels, out_height, out_width);
}
