// What the matrix products read. GEMM and the three products of a convolution are all d[m, n] = sum_k a[m, k] b[n, k]; they
// differ in where an operand's elements lie in memory. An operand is a grid of lines and columns, of which the columns are
// contiguous. It answers in two steps, so that the part that does not change in the main loop is computed once:
//
//   line(i), column(j)   whatever is expensive about a coordinate; any non-negative i and j, also outside
//   at(line, column)     where the element is, and whether it is there; outside it counts as zero
//   kept()               a line that is used in a loop: see keep()
//
// Both know which way k runs. Where it runs along the lines, a line that is outside adds only to results that nobody takes, but
// is not read from another instead: all blocks would ask for that one at once, of the one slice of L2 that has it. 16 bytes
// from a column that is a multiple of `Lanes` lie in one line and are inside or outside together wherever the launching side
// says that an operand is aligned.
#pragma once
#include "types.cuh"

// Which way the contracted index k runs: along the columns, x[m, k], or across them from line to line, w[k, n].
enum Major { AlongK, AcrossK };

struct Source
{
    const storage* from; // not to be read outside
    bool inside;
};

// Keeps a value that is used in a loop in a register: without, the compiler computes it anew in every turn.
__device__ __forceinline__ void keep(word& x) { asm volatile("" : "+r"(x)); }
__device__ __forceinline__ void keep(const storage*& x) { asm volatile("" : "+l"(x)); }

// n / d for n < 2^31 by a multiplication (Granlund, Montgomery). The launching side makes `divider`: the multiplier
// ceil(2^(31 + shift) / d) in the lower half, shift = ceil(log2 d) in the upper.
__device__ __forceinline__ int divide(int n, wide divider) { return (int)(__umulhi((word)n * 2, (word)divider) >> (word)(divider >> 32)); }

// A line whose columns follow each other in memory.
struct PlainLine
{
    const storage* from;
    bool inside;

    __device__ __forceinline__ PlainLine kept() const
    {
        PlainLine line = *this;
        keep(line.from);
        return line;
    }
};

// A matrix, line by line.
struct Matrix
{
    const storage* data; // [lines, columns]
    int lines, columns;

    typedef PlainLine Line;
    typedef int Column;

    template <Major major> __device__ __forceinline__ Line line(int i) const
    {
        return {data + (wide)i * (word)columns, i < lines};
    }

    __device__ __forceinline__ Column column(int j) const { return j; }

    template <Major major> __device__ __forceinline__ Source at(const Line& line, Column column) const
    {
        return {line.from + column, column < columns && line.inside};
    }
};

// An image as a convolution sees it: a line is a pixel of the result, a column is a place of the kernel (tap) and a channel of
// the image. Result pixel (r, c) and tap (th, tw) meet in image pixel (r scale + shift + direction t), zero where that is
// outside the image. Forward: scale = stride, shift = -padding, direction = 1. Gradient of the image: see conv.cu.
struct Window
{
    const storage* image; // [samples, height, width, channels]
    int height, width, channels;
    int lines, columns; // samples * plane, taps * channels
    int plane, row;     // pixels of a result image, of one of its rows
    wide by_plane, by_row, by_channels, by_tap_columns;
    int tap_columns;
    int scale, shift_height, shift_width, direction;

    static constexpr int Outside = 1 << 28; // further from an image than any tap

    struct Line
    {
        const storage* pixel; // of tap (0, 0), perhaps outside
        int h, w;

        __device__ __forceinline__ Line kept() const
        {
            Line line = *this;
            keep(line.pixel);
            return line;
        }
    };

    struct Column
    {
        int offset; // from there
        int h, w;
    };

    template <Major> __device__ __forceinline__ Line line(int i) const
    {
        int sample = divide(i, by_plane), rest = i - sample * plane, r = divide(rest, by_row), c = rest - r * row;
        int h = r * scale + shift_height, w = c * scale + shift_width;
        return {image + (long long)((sample * height + h) * width + w) * channels, i < lines ? h : Outside, w};
    }

    __device__ __forceinline__ Column column(int j) const
    {
        int tap = divide(j, by_channels), channel = j - tap * channels, th = divide(tap, by_tap_columns), tw = tap - th * tap_columns;
        th *= direction;
        tw *= direction;
        return {(th * width + tw) * channels + channel, j < columns ? th : Outside, tw};
    }

    template <Major> __device__ __forceinline__ Source at(const Line& line, const Column& column) const
    {
        return {line.pixel + column.offset, (word)(line.h + column.h) < (word)height && (word)(line.w + column.w) < (word)width};
    }
};

// A convolution's weight [outputs, kernel, kernel, inputs] as the image's gradient contracts it: a line is a tap and an output
// channel, a column is an input channel. Of a kernel's places those take part that lie `stride` apart, from `first` on.
struct TapWeights
{
    const storage* weight;
    int outputs, inputs, kernel;
    int lines; // taps * outputs
    wide by_outputs, by_tap_columns;
    int tap_columns, stride, first_row, first_column;

    typedef PlainLine Line;
    typedef int Column;

    template <Major> __device__ __forceinline__ Line line(int i) const
    {
        int tap = divide(i, by_outputs), output = i - tap * outputs, th = divide(tap, by_tap_columns), tw = tap - th * tap_columns;
        int place = (output * kernel + first_row + th * stride) * kernel + first_column + tw * stride;
        return {weight + (wide)place * (word)inputs, i < lines};
    }

    __device__ __forceinline__ Column column(int j) const { return j; }
    template <Major> __device__ __forceinline__ Source at(const Line& line, Column column) const { return {line.from + column, column < inputs && line.inside}; }
};
