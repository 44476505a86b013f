// WHAT:    dWeight of several linear layers in one launch: small products of the same kind that together fill the device, most of
//          them without splitting their contraction
// SHAPES:  each: dY [rows, outputs], x [rows, inputs], dWeight F32[outputs, inputs], shares F32[splits, outputs, inputs]
// LAUNCH:  LinearBackwardWeights: for each product, in order, tiles * splits blocks of Tile::Threads, a share's tiles after those of the share
//          before; inputs and outputs are multiples of the elements in 16 bytes. FinishWeights: for each split product, in order,
//          outputs * inputs / 4 threads in blocks of 256 (grid-stride)
// TRAFFIC: operands once for each row or column of tiles, mostly from L2; result once; where a product is split, its shares once more
//          written and read
// NEEDS:   LinearBackwardWeights160x160: 256 threads, 216 registers, 61440 bytes of shared memory, sm_75, mma
// NEEDS:   LinearBackwardWeights128x128: 128 threads, 255 registers, 49152 bytes of shared memory, sm_75, mma
// NEEDS:   LinearBackwardWeights64x64: 128 threads, 128 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   FinishWeights: 256 threads, 64 registers, 0 bytes of shared memory, sm_70
// WRITES:  dWeight =, or += where accumulate; shares =
// ORDER:   deterministic: shares are added in order
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  grouped products: CUTLASS, GemmGrouped
// TRIED:   -
#include "gemm.cuh"

constexpr int MaxProducts = 16; // the launching side has the same number

// A layer's weight gradient. Those behind the last one have `first` beyond every block.
struct WeightProduct
{
    const storage *dY, *x;
    float *dWeight, *shares; // shares: where the contraction is not split, nullptr
    int rows, inputs, outputs, splits, accumulate;
    int first; // its first block
};

struct WeightProducts
{
    WeightProduct of[MaxProducts];
};

// The product whose part of the launch holds `place`. The list lies among the kernel's parameters, which are read where they lie as long as
// every index is a constant.
__device__ __forceinline__ WeightProduct product_at(const WeightProducts& products, int place)
{
    WeightProduct found = products.of[0];
#pragma unroll
    for (int i = 1; i < MaxProducts; i++)
        if (place >= products.of[i].first) found = products.of[i];
    return found;
}

// first: in fours of numbers.
extern "C" __global__ void __launch_bounds__(256) FinishWeights(WeightProducts products, int fours)
{
    for (int four = blockIdx.x * blockDim.x + threadIdx.x; four < fours; four += gridDim.x * blockDim.x)
    {
        WeightProduct p = product_at(products, four);
        wide count = (wide)p.outputs * (word)p.inputs, at = (wide)(four - p.first) * 4;
        float4 sum = float4();
#pragma unroll 4
        for (int split = 0; split < p.splits; split++) sum = sum + *reinterpret_cast<const float4*>(p.shares + split * count + at);
        float4* to = reinterpret_cast<float4*>(p.dWeight + at);
        *to = (p.accumulate ? *to : float4()) + sum;
    }
}

#if defined(STORAGE_F16) || defined(STORAGE_BF16)

// A part of a launch of several products.
struct PartOfLaunch
{
    word blocks, of_product, shares; // of a share; this one's number within the product; of the product

    __device__ __forceinline__ word block() const { return of_product % blocks; }
    __device__ __forceinline__ word split() const { return of_product / blocks; }
    __device__ __forceinline__ word splits() const { return shares; }
};

template <typename Tile> __device__ __forceinline__ void weights(const WeightProducts& products)
{
    WeightProduct p = product_at(products, blockIdx.x);
    int tiles = (p.outputs + Tile::M - 1) / Tile::M * ((p.inputs + Tile::N - 1) / Tile::N);
    PartOfLaunch part = {(word)tiles, blockIdx.x - p.first, (word)p.splits};
    Matrix a = {p.dY, p.rows, p.outputs}, b = {p.x, p.rows, p.inputs};
    float* shares = p.shares ? p.shares + (wide)part.split() * (word)p.outputs * (word)p.inputs : nullptr;
    Output<Gradients> output = {{p.dWeight, p.inputs, p.accumulate}, shares, p.outputs, p.outputs, {}};
    product<Tile, true, AcrossK, AcrossK>(a, b, p.outputs, p.inputs, p.rows, output, part);
}

extern "C" __global__ void __launch_bounds__(Tile160x160::Threads, Tile160x160::Blocks) LinearBackwardWeights160x160(WeightProducts products)
{
    weights<Tile160x160>(products);
}

extern "C" __global__ void __launch_bounds__(Tile128x128::Threads, Tile128x128::Blocks) LinearBackwardWeights128x128(WeightProducts products)
{
    weights<Tile128x128>(products);
}

extern "C" __global__ void __launch_bounds__(Tile64x64::Threads, Tile64x64::Blocks) LinearBackwardWeights64x64(WeightProducts products)
{
    weights<Tile64x64>(products);
}

#endif
