// WHAT:    y = x weight^T + bias + perSample + residual; dX = dY weight + residual; dWeight = or += dY^T x
// SHAPES:  x, dX [rows, inputs]; weight [outputs, inputs]; y, residual, dY [rows, outputs]; bias [outputs];
//          perSample [samples, outputs]; dWeight F32[outputs, inputs]; shares F32[splits, result's shape]
// LAUNCH:  (tiles of the result, 1, splits) blocks; where splits > 1, shares are given and the kernels of split.cu finish from
//          them. The tile stands in the name; Unaligned: where 16 bytes from a multiple of 16 do not lie in one line of every
//          operand; Simt: without tensor cores, for fp32 storage, and SimtUnaligned for any. by_*: see divide()
// TRAFFIC: operands as often as rounds of blocks need them, 8 tiles of m at a time, mostly from L2; result once, shares twice
// NEEDS:   LinearForward160x160: 256 threads, 224 registers, 61440 bytes of shared memory, sm_75, mma
// NEEDS:   LinearForward128x128: 128 threads, 248 registers, 49152 bytes of shared memory, sm_75, mma
// NEEDS:   LinearForward80x160: 128 threads, 216 registers, 46080 bytes of shared memory, sm_75, mma
// NEEDS:   LinearForward96x128: 128 threads, 216 registers, 43008 bytes of shared memory, sm_75, mma
// NEEDS:   LinearForward64x64: 128 threads, 112 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   LinearForwardUnaligned: 128 threads, 120 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   LinearForwardSimt: 64 threads, 192 registers, 16384 bytes of shared memory, sm_70
// NEEDS:   LinearForwardSimtUnaligned: 64 threads, 192 registers, 16384 bytes of shared memory, sm_70
// NEEDS:   LinearBackwardInput160x160: 256 threads, 208 registers, 61440 bytes of shared memory, sm_75, mma
// NEEDS:   LinearBackwardInput128x128: 128 threads, 248 registers, 49152 bytes of shared memory, sm_75, mma
// NEEDS:   LinearBackwardInput80x160: 128 threads, 224 registers, 46080 bytes of shared memory, sm_75, mma
// NEEDS:   LinearBackwardInput96x128: 128 threads, 208 registers, 43008 bytes of shared memory, sm_75, mma
// NEEDS:   LinearBackwardInput64x64: 128 threads, 120 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   LinearBackwardInputUnaligned: 128 threads, 120 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   LinearBackwardInputSimt: 64 threads, 176 registers, 16384 bytes of shared memory, sm_70
// NEEDS:   LinearBackwardInputSimtUnaligned: 64 threads, 176 registers, 16384 bytes of shared memory, sm_70
// NEEDS:   LinearBackwardWeight160x160: 256 threads, 200 registers, 61440 bytes of shared memory, sm_75, mma
// NEEDS:   LinearBackwardWeight128x128: 128 threads, 255 registers, 49152 bytes of shared memory, sm_75, mma
// NEEDS:   LinearBackwardWeight80x160: 128 threads, 216 registers, 46080 bytes of shared memory, sm_75, mma
// NEEDS:   LinearBackwardWeight96x128: 128 threads, 208 registers, 43008 bytes of shared memory, sm_75, mma
// NEEDS:   LinearBackwardWeight64x64: 128 threads, 112 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   LinearBackwardWeightUnaligned: 128 threads, 128 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   LinearBackwardWeightSimt: 64 threads, 176 registers, 16384 bytes of shared memory, sm_70
// NEEDS:   LinearBackwardWeightSimtUnaligned: 64 threads, 176 registers, 16384 bytes of shared memory, sm_70
// WRITES:  y, dX =; dWeight =, or += where accumulate; shares =
// ORDER:   deterministic
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  -
// TRIED:   forecasts for an A100: tiles of 256x64 for 320 columns move 1.6 times the bytes of 160x160 between L2 and the
//          multiprocessors, 18.1 us for 16384x320x320 where 160x160 takes 14.6; the rows of each warp written on their own,
//          40 columns and 2.5 sectors of 32 bytes wide: 16.0; a thread that fetches lines of one column instead of columns of
//          one line, where k runs across: 28.2 for the weight's gradient instead of 22.1.
//          Measured on an H100: a tile of 256x128 is 7 % faster than 128x128 at 8192x4096x4096 and not at any product of Stable
//          Diffusion 2 (106 us to 105 for 16384x320x2560); four stages take 0.78 to 1.08 of the time, 0.99 in the middle of all tiles and
//          products, and an mma that is not volatile 0.97 to 1.08
#include "gemm.cuh"

template <typename Tile, bool aligned>
__device__ __forceinline__ void linear_forward(const storage* x, const storage* weight, const storage* bias, const storage* per_sample,
    const storage* residual, storage* y, float* shares, int rows, int inputs, int outputs, wide by_sample)
{
    Matrix a = {x, rows, inputs}, b = {weight, outputs, inputs};
    Output<Activations> output = {{y, bias, per_sample, residual, outputs, by_sample}, shares, rows, rows, {}};
    product<Tile, aligned, AlongK, AlongK>(a, b, rows, outputs, inputs, output);
}

template <typename Tile, bool aligned>
__device__ __forceinline__ void linear_backward_input(const storage* dY, const storage* weight, const storage* residual, storage* dX, float* shares, int rows, int inputs, int outputs)
{
    Matrix a = {dY, rows, outputs}, b = {weight, outputs, inputs};
    Output<Activations> output = {{dX, nullptr, nullptr, residual, inputs, 0}, shares, rows, rows, {}};
    product<Tile, aligned, AlongK, AcrossK>(a, b, rows, inputs, outputs, output);
}

template <typename Tile, bool aligned>
__device__ __forceinline__ void linear_backward_weight(const storage* dY, const storage* x, float* dWeight, float* shares, int rows, int inputs, int outputs,
    int accumulate)
{
    Matrix a = {dY, rows, outputs}, b = {x, rows, inputs};
    Output<Gradients> output = {{dWeight, inputs, accumulate}, shares, outputs, outputs, {}};
    product<Tile, aligned, AcrossK, AcrossK>(a, b, outputs, inputs, rows, output);
}

#define FORWARD(SUFFIX, TILE) \
    extern "C" __global__ void __launch_bounds__(TILE::Threads, TILE::Blocks) LinearForward##SUFFIX(const storage* x, const storage* weight, \
        const storage* bias, const storage* per_sample, const storage* residual, storage* y, float* shares, int rows, int inputs, int outputs, wide by_sample)
#define FORWARD_BODY(TILE, ALIGNED) \
    linear_forward<TILE, ALIGNED>(x, weight, bias, per_sample, residual, y, shares, rows, inputs, outputs, by_sample)

#define INPUT(SUFFIX, TILE) \
    extern "C" __global__ void __launch_bounds__(TILE::Threads, TILE::Blocks) LinearBackwardInput##SUFFIX(const storage* dY, const storage* weight, \
        const storage* residual, storage* dX, float* shares, int rows, int inputs, int outputs)
#define INPUT_BODY(TILE, ALIGNED) linear_backward_input<TILE, ALIGNED>(dY, weight, residual, dX, shares, rows, inputs, outputs)

#define WEIGHT(SUFFIX, TILE) \
    extern "C" __global__ void __launch_bounds__(TILE::Threads, TILE::Blocks) LinearBackwardWeight##SUFFIX(const storage* dY, const storage* x, \
        float* dWeight, float* shares, int rows, int inputs, int outputs, int accumulate)
#define WEIGHT_BODY(TILE, ALIGNED) linear_backward_weight<TILE, ALIGNED>(dY, x, dWeight, shares, rows, inputs, outputs, accumulate)

#include "gemm_kernels.cuh"
