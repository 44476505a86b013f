// WHAT:    y = value gelu(gate) with (value, gate) = u = x weight^T + bias; and back over the linear layer that follows:
//          dU = the gradient of u where that of value gelu(gate) is dY weight
// SHAPES:  Forward: x [rows, inputs]; weight [2 width, inputs], bias [2 width], u [rows, 2 width], all values before all gates;
//          y [rows, width]; shares F32[splits, rows, 2 width], values and gates in turn.
//          Backward: dY [rows, outputs]; weight [outputs, width]; u, dU [rows, 2 width]; shares F32[splits, rows, width]
// LAUNCH:  as linear.cu
// TRAFFIC: operands as linear.cu; Forward: y once, and u once where it is given; Backward: u and dU once. What linear.cu and
//          activation.cu one after the other move besides: u, or the gradient of y, once more
// NEEDS:   LinearGegluForward160x160: 256 threads, 224 registers, 61440 bytes of shared memory, sm_75, mma
// NEEDS:   LinearGegluForward128x128: 128 threads, 255 registers, 49152 bytes of shared memory, sm_75, mma
// NEEDS:   LinearGegluForward80x160: 128 threads, 232 registers, 46080 bytes of shared memory, sm_75, mma
// NEEDS:   LinearGegluForward96x128: 128 threads, 216 registers, 43008 bytes of shared memory, sm_75, mma
// NEEDS:   LinearGegluForward64x64: 128 threads, 112 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   LinearGegluForwardUnaligned: 128 threads, 128 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   LinearGegluForwardSimt: 64 threads, 208 registers, 16384 bytes of shared memory, sm_70
// NEEDS:   LinearGegluForwardSimtUnaligned: 64 threads, 208 registers, 16384 bytes of shared memory, sm_70
// NEEDS:   LinearGegluBackward160x160: 256 threads, 208 registers, 61440 bytes of shared memory, sm_75, mma
// NEEDS:   LinearGegluBackward128x128: 128 threads, 248 registers, 49152 bytes of shared memory, sm_75, mma
// NEEDS:   LinearGegluBackward80x160: 128 threads, 224 registers, 46080 bytes of shared memory, sm_75, mma
// NEEDS:   LinearGegluBackward96x128: 128 threads, 208 registers, 43008 bytes of shared memory, sm_75, mma
// NEEDS:   LinearGegluBackward64x64: 128 threads, 120 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   LinearGegluBackwardUnaligned: 128 threads, 120 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   LinearGegluBackwardSimt: 64 threads, 168 registers, 16384 bytes of shared memory, sm_70
// NEEDS:   LinearGegluBackwardSimtUnaligned: 64 threads, 168 registers, 16384 bytes of shared memory, sm_70
// WRITES:  y, u, dU =; shares =
// ORDER:   deterministic
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  Shazeer, "GLU variants improve transformer" (2020)
// TRIED:   -
#include "gemm.cuh"
#include "gemm_geglu.cuh"

template <typename Tile, bool aligned>
__device__ __forceinline__ void linear_geglu_forward(const storage* x, const storage* weight, const storage* bias, storage* u, storage* y, float* shares,
    int rows, int inputs, int width)
{
    Matrix a = {x, rows, inputs};
    GatedWeight b = {weight, width, inputs};
    Output<Gated> output = {{y, u, bias, 2 * width}, shares, rows, rows, {}};
    product<Tile, aligned, AlongK, AlongK>(a, b, rows, 2 * width, inputs, output);
}

template <typename Tile, bool aligned>
__device__ __forceinline__ void linear_geglu_backward(const storage* u, const storage* weight, const storage* dY, storage* dU, float* shares,
    int rows, int outputs, int width)
{
    Matrix a = {dY, rows, outputs}, b = {weight, outputs, width};
    Output<GatedSlopes> output = {{u, dU, width}, shares, rows, rows, {}};
    product<Tile, aligned, AlongK, AcrossK>(a, b, rows, width, outputs, output);
}

#define FORWARD(SUFFIX, TILE) \
    extern "C" __global__ void __launch_bounds__(TILE::Threads, TILE::Blocks) LinearGegluForward##SUFFIX(const storage* x, const storage* weight, \
        const storage* bias, storage* u, storage* y, float* shares, int rows, int inputs, int width)
#define FORWARD_BODY(TILE, ALIGNED) linear_geglu_forward<TILE, ALIGNED>(x, weight, bias, u, y, shares, rows, inputs, width)

#define INPUT(SUFFIX, TILE) \
    extern "C" __global__ void __launch_bounds__(TILE::Threads, TILE::Blocks) LinearGegluBackward##SUFFIX(const storage* u, const storage* weight, \
        const storage* dY, storage* dU, float* shares, int rows, int outputs, int width)
#define INPUT_BODY(TILE, ALIGNED) linear_geglu_backward<TILE, ALIGNED>(u, weight, dY, dU, shares, rows, outputs, width)

#include "gemm_kernels.cuh"
