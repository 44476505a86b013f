// What becomes of a product's sums, four in a row at a time: an activation with its epilogue, or a gradient that is added to.
// Where the contraction is split over blocks, each stores its share in a workspace [splits, rows, columns] instead, and the
// kernels of split.cu add the shares in order and finish.
#pragma once
#include "gemm_operand.cuh"

// Four elements as they lie in memory.
struct alignas(4 * sizeof(storage)) Quad
{
    storage element[4];
};

// The rows of a result that are consecutive in memory.
struct AllRows
{
    __device__ __forceinline__ int operator()(int row) const { return row; }
};

// y = sum + bias[column] + per_sample[sample, column] + residual, each optional.
struct Activations
{
    storage* y; // [rows, columns]
    const storage *bias, *per_sample, *residual;
    int columns;
    wide by_sample; // rows of a sample

    // Whether four in a row can be moved together.
    __device__ __forceinline__ bool together() const
    {
        return columns % 4 == 0 && (((wide)y | (wide)bias | (wide)per_sample | (wide)residual) & (sizeof(Quad) - 1)) == 0;
    }

    __device__ __forceinline__ void finish(int row, int column, float4 sums) const
    {
        wide at = (wide)row * (word)columns + column;
        if (bias) add(sums, bias + column);
        if (per_sample) add(sums, per_sample + sample(row) + column);
        if (residual) add(sums, residual + at);
        *reinterpret_cast<Quad*>(y + at) = Quad{{narrow(sums.x), narrow(sums.y), narrow(sums.z), narrow(sums.w)}};
    }

    __device__ __forceinline__ void finish(int row, int column, float sum) const
    {
        wide at = (wide)row * (word)columns + column;
        if (bias) sum += widen(bias[column]);
        if (per_sample) sum += widen(per_sample[sample(row) + column]);
        if (residual) sum += widen(residual[at]);
        y[at] = narrow(sum);
    }

private:
    __device__ __forceinline__ wide sample(int row) const { return (wide)divide(row, by_sample) * (word)columns; }

    static __device__ __forceinline__ void add(float4& sums, const storage* from)
    {
        Quad quad = *reinterpret_cast<const Quad*>(from);
        sums.x += widen(quad.element[0]);
        sums.y += widen(quad.element[1]);
        sums.z += widen(quad.element[2]);
        sums.w += widen(quad.element[3]);
    }
};

// gradient += sum.
struct Gradients
{
    float* gradient; // [rows, columns]
    int columns;

    __device__ __forceinline__ bool together() const { return columns % 4 == 0 && ((wide)gradient & 15) == 0; }

    __device__ __forceinline__ void finish(int row, int column, float4 sums) const
    {
        float4* to = reinterpret_cast<float4*>(gradient + (wide)row * (word)columns + column);
        float4 was = *to;
        *to = make_float4(was.x + sums.x, was.y + sums.y, was.z + sums.z, was.w + sums.w);
    }

    __device__ __forceinline__ void finish(int row, int column, float sum) const { gradient[(wide)row * (word)columns + column] += sum; }
};

// Finishes a sum, or stores it as this block's share.
template <typename Result, typename Rows = AllRows> struct Output
{
    Result result;
    float* shares;   // where the contraction is not split: nullptr
    int rows;        // of the product
    int result_rows; // of a share
    Rows result_row; // from a row of the product to one of the result

    __device__ __forceinline__ bool together() const { return shares ? result.columns % 4 == 0 : result.together(); }

    // Sums: float, or float4 where together.
    template <typename Sums> __device__ __forceinline__ void operator()(int row, int column, Sums sums) const
    {
        if (row >= rows || column >= result.columns) return;
        int to = result_row(row);
        if (shares == nullptr) result.finish(to, column, sums);
        else *reinterpret_cast<Sums*>(shares + ((wide)blockIdx.z * (word)result_rows + to) * (word)result.columns + column) = sums;
    }

    // Hands on a tile of sums that lies in shared memory with `Stride` numbers from row to row; (row, column) is its corner.
    template <int Height, int Columns, int Stride, int Threads> __device__ __forceinline__ void emit(const float* sums, int thread, int row, int column) const
    {
        if (together())
        {
#pragma unroll 4
            for (int q = thread; q < Height * Columns / 4; q += Threads)
            {
                int r = q / (Columns / 4), c = q % (Columns / 4) * 4;
                (*this)(row + r, column + c, *reinterpret_cast<const float4*>(sums + r * Stride + c));
            }
            return;
        }
#pragma unroll 1
        for (int e = thread; e < Height * Columns; e += Threads) (*this)(row + e / Columns, column + e % Columns, sums[e / Columns * Stride + e % Columns]);
    }
};
