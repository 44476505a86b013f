// WHAT:    the timestep's sinusoidal embedding, the noised image and the target of v-prediction
// SHAPES:  timesteps, signal, noise_level float[batch]; embedding [batch, width]; x0, noise, y [batch, size]
// LAUNCH:  TimestepEmbedding grid-stride, one thread for each element; AddNoise and Velocity grid (blocks over a sample, batch),
//          one thread for each 16 bytes; `aligned` says that pointers and samples are multiples of 16
// TRAFFIC: each input read once, each output written once: the minimum
// NEEDS:   TimestepEmbedding: 256 threads, 32 registers, 0 bytes of shared memory, sm_70
// NEEDS:   AddNoise: 256 threads, 40 registers, 0 bytes of shared memory, sm_70
// NEEDS:   Velocity: 256 threads, 40 registers, 0 bytes of shared memory, sm_70
// WRITES:  =
// ORDER:   deterministic
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  Vaswani et al. (2017), as diffusers' Timesteps; Ho et al. (2020); Salimans and Ho (2022) for v
// TRIED:   -
#include "exact.cuh"
#include "packs.cuh"

// y[b] = (sin(t w), cos(t w)), or the cosines first, with w[i] = 2^(-rate i); an odd width ends in 0
extern "C" __global__ void __launch_bounds__(256) TimestepEmbedding(const float* timesteps, double rate, int cosines_first, storage* y, word width, word n)
{
    word half = width / 2;
    for (word i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    {
        word b = i / width, c = i % width;
        bool second = c >= half;
        double turns = timesteps[b] * exp2_exact(-rate * (second ? c - half : c)) * 0.15915494309189533577, sine, cosine;
        sincos_turns(turns, sine, cosine);
        double value = second != (cosines_first != 0) ? cosine : sine;
        y[i] = narrow(c < 2 * half ? (float)value : 0.0f);
    }
}

struct MixAt
{
    const storage *a, *b;
    float share_a, share_b;
    storage* y;

    template <int N>
    __device__ __forceinline__ void at(wide i) const
    {
        Floats<N> left = load<N>(a + i), right = load<N>(b + i);
#pragma unroll
        for (int lane = 0; lane < N; lane++) left[lane] = fmaf(share_a, left[lane], share_b * right[lane]);
        store(y + i, left);
    }
};

// y = signal[b] x0 + noise_level[b] noise
extern "C" __global__ void __launch_bounds__(256) AddNoise(const storage* x0, const storage* noise, const float* signal, const float* noise_level, storage* y,
    wide size, int aligned)
{
    wide start = blockIdx.y * size;
    for_each_pack<Lanes>(size, aligned, MixAt{x0 + start, noise + start, signal[blockIdx.y], noise_level[blockIdx.y], y + start});
}

// y = signal[b] noise - noise_level[b] x0
extern "C" __global__ void __launch_bounds__(256) Velocity(const storage* x0, const storage* noise, const float* signal, const float* noise_level, storage* y,
    wide size, int aligned)
{
    wide start = blockIdx.y * size;
    for_each_pack<Lanes>(size, aligned, MixAt{noise + start, x0 + start, signal[blockIdx.y], -noise_level[blockIdx.y], y + start});
}
