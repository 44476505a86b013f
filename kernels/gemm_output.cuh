// What becomes of a product's sums, four in a row at a time: an activation with its epilogue, or a gradient.
// Where the contraction is split over blocks, each stores its share in a workspace [splits, rows, columns] instead, and the
// kernels of split.cu add the shares in order and finish.
#pragma once
#include "gemm_operand.cuh"

// Four elements as they lie in memory.
struct alignas(4 * sizeof(storage)) Quad
{
    storage element[4];
};

// Whether four elements in a row can be moved together, where the rows begin at a multiple of four.
__device__ __forceinline__ bool in_quads(const void* row) { return ((wide)row & (sizeof(Quad) - 1)) == 0; }

__device__ __forceinline__ float4 operator+(float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }

// `Sums`: float, or float4 for four in a row.
template <typename Sums> __device__ __forceinline__ Sums widened(const storage* from);

template <> __device__ __forceinline__ float widened<float>(const storage* from) { return widen(*from); }

__device__ __forceinline__ float4 widened(const Quad& quad)
{
    return make_float4(widen(quad.element[0]), widen(quad.element[1]), widen(quad.element[2]), widen(quad.element[3]));
}

template <> __device__ __forceinline__ float4 widened<float4>(const storage* from) { return widened(*reinterpret_cast<const Quad*>(from)); }

__device__ __forceinline__ void store_narrowed(storage* to, float sum) { *to = narrow(sum); }

__device__ __forceinline__ void store_narrowed(storage* to, float4 sums)
{
    *reinterpret_cast<Quad*>(to) = Quad{{narrow(sums.x), narrow(sums.y), narrow(sums.z), narrow(sums.w)}};
}

// The rows of a result that are consecutive in memory.
struct AllRows
{
    __device__ __forceinline__ int operator()(int row) const { return row; }
};

// Where four numbers in a row of a result go, if they are inside.
struct Place
{
    int row, column;
    bool inside;

    __device__ __forceinline__ wide at(int columns) const { return (wide)row * (word)columns + column; }
};

// A result has `initial`, what the sums of a column begin with; `Least`, the sums that it takes at least together; `together`,
// whether it takes four in a row; and `finish`, of such sums and of several places.

// y = sum + per_sample[sample, column] + residual, each optional. The bias is what sums begin with.
struct Activations
{
    storage* y; // [rows, columns]
    const storage *bias, *per_sample, *residual;
    int columns;
    wide by_sample; // rows of a sample

    typedef float Least;

    __device__ __forceinline__ float initial(int column) const { return bias && column < columns ? widen(bias[column]) : 0.0f; }
    __device__ __forceinline__ bool together() const { return columns % 4 == 0 && in_quads(y) && in_quads(per_sample) && in_quads(residual); }

    template <typename Sums> __device__ __forceinline__ void finish(int row, int column, Sums sums) const
    {
        wide at = (wide)row * (word)columns + column;
        if (per_sample) sums = sums + widened<Sums>(per_sample + (wide)divide(row, by_sample) * (word)columns + column);
        if (residual) sums = sums + widened<Sums>(residual + at);
        store_narrowed(y + at, sums);
    }

    // The same for several at once. What is added is loaded first, all of it under way together: memory is far away.
    template <int Count> __device__ __forceinline__ void finish(const Place (&places)[Count], const float* const (&sums)[Count]) const
    {
        Quad samples[Count], residuals[Count];
        if (per_sample)
        {
#pragma unroll
            for (int i = 0; i < Count; i++)
                if (places[i].inside) samples[i] = *reinterpret_cast<const Quad*>(per_sample + (wide)divide(places[i].row, by_sample) * (word)columns + places[i].column);
        }
        if (residual)
        {
#pragma unroll
            for (int i = 0; i < Count; i++)
                if (places[i].inside) residuals[i] = *reinterpret_cast<const Quad*>(residual + places[i].at(columns));
        }
#pragma unroll
        for (int i = 0; i < Count; i++)
        {
            if (!places[i].inside) continue;
            float4 sum = *reinterpret_cast<const float4*>(sums[i]);
            if (per_sample) sum = sum + widened(samples[i]);
            if (residual) sum = sum + widened(residuals[i]);
            store_narrowed(y + places[i].at(columns), sum);
        }
    }
};

// gradient = or += sum.
struct Gradients
{
    float* gradient; // [rows, columns]
    int columns, accumulate;

    typedef float Least;

    __device__ __forceinline__ float initial(int) const { return 0.0f; }
    __device__ __forceinline__ bool together() const { return columns % 4 == 0 && ((wide)gradient & 15) == 0; }

    template <typename Sums> __device__ __forceinline__ void finish(int row, int column, Sums sums) const
    {
        Sums* to = reinterpret_cast<Sums*>(gradient + (wide)row * (word)columns + column);
        Sums before = accumulate ? *to : Sums();
        *to = before + sums;
    }

    template <int Count> __device__ __forceinline__ void finish(const Place (&places)[Count], const float* const (&sums)[Count]) const
    {
        float4 before[Count];
#pragma unroll
        for (int i = 0; i < Count; i++)
            before[i] = accumulate && places[i].inside ? *reinterpret_cast<const float4*>(gradient + places[i].at(columns)) : float4();
#pragma unroll
        for (int i = 0; i < Count; i++)
            if (places[i].inside) *reinterpret_cast<float4*>(gradient + places[i].at(columns)) = before[i] + *reinterpret_cast<const float4*>(sums[i]);
    }
};

// Finishes a sum, or stores it as this block's share.
template <typename Result, typename Rows = AllRows> struct Output
{
    Result result;
    float* shares;   // where the contraction is not split: nullptr
    int rows;        // of the product
    int result_rows; // of a share
    Rows result_row; // from a row of the product to one of the result

    // What the sums of a column begin with.
    __device__ __forceinline__ float initial(int column) const { return shares ? 0.0f : result.initial(column); }

    __device__ __forceinline__ bool together() const { return shares ? result.columns % 4 == 0 : result.together(); }

    // Hands on rows of sums that lie in shared memory with `Stride` numbers from row to row; (row, column) is their corner.
    // They are of one or more bands of the result, each `Band` rows high and `Apart` rows after the one before. `quads`: together().
    template <int Height, int Columns, int Stride, int Threads, int Band = Height, int Apart = Height>
    __device__ __forceinline__ void emit(bool quads, const float* sums, int row, int column) const
    {
        constexpr int Side = 8; // threads side by side, four columns each
        static_assert(Columns % (Side * 4) == 0 && Height * Side % Threads == 0 && Threads % Side == 0 && Height % Band == 0, "passes are of whole rows and fill them");
        word thread = threadIdx.x;
        if (__builtin_expect(quads, 1))
        {
            constexpr int Passes = Height * Side / Threads, InRow = Columns / (Side * 4), AtOnce = InRow * Passes <= 8 ? Passes : 1;
#pragma unroll
            for (int first = 0; first < Passes; first += AtOnce)
            {
                Place places[AtOnce * InRow];
                const float* from[AtOnce * InRow];
#pragma unroll
                for (int pass = 0; pass < AtOnce; pass++)
                {
                    word r = thread / Side + (first + pass) * (Threads / Side), c = thread % Side * 4;
                    int at = row + (int)(r / Band * Apart + r % Band);
                    bool inside = at < rows;
                    int to = inside ? result_row(at) : 0;
#pragma unroll
                    for (int i = 0; i < InRow; i++)
                    {
                        int there = column + (int)c + i * Side * 4;
                        places[pass * InRow + i] = Place{to, there, inside && there < result.columns};
                        from[pass * InRow + i] = sums + r * Stride + c + i * Side * 4;
                    }
                }
                take(places, from);
            }
            return;
        }
        typedef typename Result::Least Least;
        constexpr int Width = sizeof(Least) / sizeof(float);
#pragma unroll 1
        for (word e = thread * Width; e < Height * Columns; e += Threads * Width)
        {
            word r = e / Columns, c = e % Columns;
            int at = row + (int)(r / Band * Apart + r % Band), to = column + (int)c;
            if (at < rows && to < result.columns) take(result_row(at), to, *reinterpret_cast<const Least*>(sums + r * Stride + c));
        }
    }

private:
    template <int Count> __device__ __forceinline__ void take(const Place (&places)[Count], const float* const (&sums)[Count]) const
    {
        if (shares == nullptr) return result.finish(places, sums);
#pragma unroll
        for (int i = 0; i < Count; i++)
            if (places[i].inside) *reinterpret_cast<float4*>(share(places[i].row, places[i].column)) = *reinterpret_cast<const float4*>(sums[i]);
    }

    template <typename Sums> __device__ __forceinline__ void take(int row, int column, Sums sums) const
    {
        if (shares == nullptr) result.finish(row, column, sums);
        else *reinterpret_cast<Sums*>(share(row, column)) = sums;
    }

    // Where a number of this block's share goes.
    __device__ __forceinline__ float* share(int row, int column) const
    {
        return shares + ((wide)blockIdx.z * (word)result_rows + row) * (word)result.columns + column;
    }
};
