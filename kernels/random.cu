// WHAT:    counter-based random numbers, a key for each sample: standard normal, and uniform in [0, 1)
// SHAPES:  keys [samples, 5], y [samples, n]
// LAUNCH:  one row of blocks for each sample, one thread for each 4 elements, grid-stride; `aligned` says that all samples begin
//          at multiples of 4 elements
// TRAFFIC: y written once, 20 bytes of a key read by every block: the minimum
// NEEDS:   RandomNormal: 256 threads, 48 registers, 0 bytes of shared memory, sm_70
// NEEDS:   RandomUniform: 256 threads, 56 registers, 0 bytes of shared memory, sm_70
// WRITES:  =
// ORDER:   deterministic: an element depends on the key and its index alone; uniform numbers have the CPU's bits, and normal
//          ones but for a rounding in a thousand million
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011): Philox4x32-10; Box and Muller (1958)
// TRIED:   Box-Muller in fp32: as close to normal, but every device would draw its own noise; a launch for each
//          sample with its key among the arguments: no copy of keys, but 32 launches for a batch of 16
#include "exact.cuh"
#include "packs.cuh"

struct Key
{
    word seed_low, seed_high, step, sample_low, sample_high;
};

// The ten rounds over counter (block, step, sample) and the mixed seed.
__device__ __forceinline__ void philox(const Key& key, word block, word (&c)[4])
{
    word k0 = key.seed_low, k1 = key.seed_high;
    c[0] = block;
    c[1] = key.step;
    c[2] = key.sample_low;
    c[3] = key.sample_high;
#pragma unroll
    for (int round = 0; round < 10; round++)
    {
        word high0 = __umulhi(0xD2511F53u, c[0]), low0 = 0xD2511F53u * c[0];
        word high1 = __umulhi(0xCD9E8D57u, c[2]), low1 = 0xCD9E8D57u * c[2];
        c[0] = high1 ^ c[1] ^ k0;
        c[1] = low1;
        c[2] = high0 ^ c[3] ^ k1;
        c[3] = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

// Calls make(words, values) for each four elements of a sample and stores them.
template <typename Make>
__device__ __forceinline__ void fill(const Key* keys, storage* y, wide n, int aligned, Make make)
{
    const Key key = keys[blockIdx.y];
    y += blockIdx.y * n;
    wide threads = (wide)gridDim.x * blockDim.x;
    for (wide block = (wide)blockIdx.x * blockDim.x + threadIdx.x; block * 4 < n; block += threads)
    {
        word words[4];
        philox(key, (word)block, words);
        Floats<4> values;
        make(words, values);
        wide i = block * 4;
        if (aligned && i + 4 <= n) store(y + i, values);
        else
        {
#pragma unroll
            for (int lane = 0; lane < 4; lane++)
                if (i + lane < n) y[i + lane] = narrow(values[lane]);
        }
    }
}

// Two words as two standard normal numbers; the first word's uniform is in (0, 1].
__device__ __forceinline__ void box_muller(word first, word second, float& a, float& b)
{
    double radius = sqrt(-2.0 * log_of_24_bits((first >> 8) + 1)), sine, cosine;
    sincos_turns(second * 0x1p-32, sine, cosine);
    a = (float)(radius * cosine);
    b = (float)(radius * sine);
}

extern "C" __global__ void __launch_bounds__(256) RandomNormal(const Key* keys, storage* y, wide n, int aligned)
{
    fill(keys, y, n, aligned, [](const word (&words)[4], Floats<4>& values) {
        box_muller(words[0], words[1], values[0], values[1]);
        box_muller(words[2], words[3], values[2], values[3]);
    });
}

extern "C" __global__ void __launch_bounds__(256) RandomUniform(const Key* keys, storage* y, wide n, int aligned)
{
    fill(keys, y, n, aligned, [](const word (&words)[4], Floats<4>& values) {
#pragma unroll
        for (int lane = 0; lane < 4; lane++) values[lane] = (float)(words[lane] >> 8) * 0x1p-24f;
    });
}
