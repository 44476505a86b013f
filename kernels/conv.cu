// WHAT:    y = x * weight + bias + perSample + residual; its gradients dX and dWeight: convolutions as matrix products whose
//          operand is gathered from the image while it is copied (implicit GEMM), nothing is unfolded in memory
// SHAPES:  x, dX [samples, height, width, inputs]; weight, dWeight [outputs, kernel, kernel, inputs]; y, residual, dY
//          [samples, out_height, out_width, outputs]; bias [outputs]; perSample [samples, outputs]; dWeight F32.
//          Forward: [pixels of y, outputs], contracts taps and inputs. Weight: [outputs, taps and inputs], contracts pixels of y.
//          Input: [pixels of x, inputs], contracts taps and outputs. With stride 2 a pixel of x meets only every other tap in
//          each direction: its four classes of pixels (even and odd rows and columns) are a product and a launch each
// LAUNCH:  as linear.cu. by_*: see divide() in gemm_operand.cuh. plane, row: pixels of y in an image and in one of its rows;
//          for Input pixels of the class, of which rows first_row + stride i, columns first_column + stride j are the image's
// TRAFFIC: as linear.cu; a pixel's repetitions for the taps come from L2
// NEEDS:   ConvForward160x160: 256 threads, 224 registers, 61440 bytes of shared memory, sm_75, mma
// NEEDS:   ConvForward128x128: 128 threads, 255 registers, 49152 bytes of shared memory, sm_75, mma
// NEEDS:   ConvForward80x160: 128 threads, 224 registers, 46080 bytes of shared memory, sm_75, mma
// NEEDS:   ConvForward96x128: 128 threads, 216 registers, 43008 bytes of shared memory, sm_75, mma
// NEEDS:   ConvForward64x64: 128 threads, 112 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   ConvForwardUnaligned: 128 threads, 168 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   ConvForwardSimt: 64 threads, 208 registers, 16384 bytes of shared memory, sm_70
// NEEDS:   ConvForwardSimtUnaligned: 64 threads, 208 registers, 16384 bytes of shared memory, sm_70
// NEEDS:   ConvBackwardInput160x160: 256 threads, 216 registers, 61440 bytes of shared memory, sm_75, mma
// NEEDS:   ConvBackwardInput128x128: 128 threads, 248 registers, 49152 bytes of shared memory, sm_75, mma
// NEEDS:   ConvBackwardInput80x160: 128 threads, 232 registers, 46080 bytes of shared memory, sm_75, mma
// NEEDS:   ConvBackwardInput96x128: 128 threads, 216 registers, 43008 bytes of shared memory, sm_75, mma
// NEEDS:   ConvBackwardInput64x64: 128 threads, 112 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   ConvBackwardInputUnaligned: 128 threads, 168 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   ConvBackwardInputSimt: 64 threads, 176 registers, 16384 bytes of shared memory, sm_70
// NEEDS:   ConvBackwardInputSimtUnaligned: 64 threads, 176 registers, 16384 bytes of shared memory, sm_70
// NEEDS:   ConvBackwardWeight160x160: 256 threads, 216 registers, 61440 bytes of shared memory, sm_75, mma
// NEEDS:   ConvBackwardWeight128x128: 128 threads, 255 registers, 49152 bytes of shared memory, sm_75, mma
// NEEDS:   ConvBackwardWeight80x160: 128 threads, 232 registers, 46080 bytes of shared memory, sm_75, mma
// NEEDS:   ConvBackwardWeight96x128: 128 threads, 224 registers, 43008 bytes of shared memory, sm_75, mma
// NEEDS:   ConvBackwardWeight64x64: 128 threads, 112 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   ConvBackwardWeightUnaligned: 128 threads, 232 registers, 24576 bytes of shared memory, sm_75, mma
// NEEDS:   ConvBackwardWeightSimt: 64 threads, 176 registers, 16384 bytes of shared memory, sm_70
// NEEDS:   ConvBackwardWeightSimtUnaligned: 64 threads, 176 registers, 16384 bytes of shared memory, sm_70
// WRITES:  y, dX =; dWeight =, or += where accumulate; shares =
// ORDER:   deterministic
// DEFINES: STORAGE_F32 | STORAGE_F16 | STORAGE_BF16
// SOURCE:  implicit GEMM: Chetlur et al., cuDNN: Efficient Primitives for Deep Learning (2014)
// TRIED:   a thread that fetches pixels of one column instead of columns of one pixel for the weight's gradient: forecast for an
//          A100 199 us for 1280 channels of 8x8, batch 16, instead of 122, for the place of every pixel has to be found;
//          all four classes of a stride in one launch: tiles then mix long and short contractions
#include "gemm.cuh"

// Where the pixels of a class lie in the image.
struct ClassRows
{
    int height, width, plane, row, stride, first_row, first_column;
    wide by_plane, by_row;

    __device__ __forceinline__ int operator()(int pixel) const
    {
        int sample = divide(pixel, by_plane), rest = pixel - sample * plane, r = divide(rest, by_row), c = rest - r * row;
        return (sample * height + first_row + r * stride) * width + first_column + c * stride;
    }
};

template <typename Tile, bool aligned>
__device__ __forceinline__ void conv_forward(const Window& x, const storage* weight, const Activations& y, float* shares)
{
    Matrix w = {weight, y.columns, x.columns};
    Output<Activations> output = {y, shares, x.lines, x.lines, {}};
    product<Tile, aligned, AlongK, AlongK>(x, w, x.lines, y.columns, x.columns, output);
}

template <typename Tile, bool aligned>
__device__ __forceinline__ void conv_backward_input(const Window& dY, const TapWeights& weight, storage* dX, float* shares, int all_pixels, const ClassRows& rows)
{
    Output<Activations, ClassRows> output = {{dX, nullptr, nullptr, nullptr, weight.inputs, 0}, shares, dY.lines, all_pixels, rows};
    product<Tile, aligned, AlongK, AcrossK>(dY, weight, dY.lines, weight.inputs, dY.columns, output);
}

template <typename Tile, bool aligned>
__device__ __forceinline__ void conv_backward_weight(const Matrix& dY, const Window& x, float* dWeight, float* shares, int accumulate)
{
    Output<Gradients> output = {{dWeight, x.columns, accumulate}, shares, dY.columns, dY.columns, {}};
    product<Tile, aligned, AcrossK, AcrossK>(dY, x, dY.columns, x.columns, dY.lines, output);
}

#define FORWARD(SUFFIX, TILE) \
    extern "C" __global__ void __launch_bounds__(TILE::Threads, TILE::Blocks) ConvForward##SUFFIX(const storage* x, const storage* weight, \
        const storage* bias, const storage* per_sample, const storage* residual, storage* y, float* shares, int pixels, int outputs, \
        int height, int width, int inputs, int plane, int row, wide by_plane, wide by_row, wide by_inputs, wide by_kernel, \
        int kernel, int stride, int top, int left)
#define FORWARD_BODY(TILE, ALIGNED) \
    Activations to = {y, bias, per_sample, residual, outputs, by_plane}; \
    conv_forward<TILE, ALIGNED>(IMAGE, weight, to, shares)

// dY's pixel of a tap lies at (class pixel + shift - tap); the weight's place of a tap is first + stride tap.
#define INPUT(SUFFIX, TILE) \
    extern "C" __global__ void __launch_bounds__(TILE::Threads, TILE::Blocks) ConvBackwardInput##SUFFIX(const storage* dY, const storage* weight, \
        storage* dX, float* shares, int pixels, int all_pixels, int height, int width, int inputs, int out_height, int out_width, int outputs, \
        int plane, int row, wide by_plane, wide by_row, wide by_outputs, wide by_tap_columns, int tap_rows, int tap_columns, int kernel, int stride, \
        int first_row, int first_column, int first_tap_row, int first_tap_column, int shift_height, int shift_width)
#define INPUT_BODY(TILE, ALIGNED) \
    int depth = tap_rows * tap_columns * outputs; \
    Window image = {dY, out_height, out_width, outputs, pixels, depth, plane, row, by_plane, by_row, by_outputs, by_tap_columns, tap_columns, \
        1, shift_height, shift_width, -1}; \
    TapWeights taps = {weight, outputs, inputs, kernel, depth, by_outputs, by_tap_columns, tap_columns, stride, first_tap_row, first_tap_column}; \
    ClassRows rows = {height, width, plane, row, stride, first_row, first_column, by_plane, by_row}; \
    conv_backward_input<TILE, ALIGNED>(image, taps, dX, shares, all_pixels, rows)

#define WEIGHT(SUFFIX, TILE) \
    extern "C" __global__ void __launch_bounds__(TILE::Threads, TILE::Blocks) ConvBackwardWeight##SUFFIX(const storage* dY, const storage* x, \
        float* dWeight, float* shares, int pixels, int outputs, int height, int width, int inputs, int plane, int row, \
        wide by_plane, wide by_row, wide by_inputs, wide by_kernel, int kernel, int stride, int top, int left, int accumulate)
#define WEIGHT_BODY(TILE, ALIGNED) \
    Matrix gradient = {dY, pixels, outputs}; \
    conv_backward_weight<TILE, ALIGNED>(gradient, IMAGE, dWeight, shares, accumulate)

// What Forward and Weight read: a line for each pixel of y.
#define IMAGE \
    Window{x, height, width, inputs, pixels, kernel * kernel * inputs, plane, row, by_plane, by_row, by_inputs, by_kernel, kernel, stride, -top, -left, 1}

#include "gemm_kernels.cuh"
