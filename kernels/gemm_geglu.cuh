// What becomes of a product's sums around GEGLU: values times gelu(gates), and back. Sums are rounded to storage before they
// enter, so that results are the same as those of the product and of activation.cu one after the other.
#pragma once
#include "gemm_output.cuh"
#include "math.cuh"

__device__ __forceinline__ float2 operator+(float2 a, float2 b) { return make_float2(a.x + b.x, a.y + b.y); }

// Two elements as they lie in memory.
struct alignas(2 * sizeof(storage)) Duo
{
    storage element[2];
};

// Whether two elements in a row can be moved together, where the rows begin at a multiple of two.
__device__ __forceinline__ bool in_duos(const void* row) { return ((wide)row & (sizeof(Duo) - 1)) == 0; }

__device__ __forceinline__ float rounded(float x) { return widen(narrow(x)); }

// A weight [2 width, columns] whose lines are a value's and its gate's in turn, so that both lie side by side in the result.
struct GatedWeight
{
    const storage* data;
    int width, columns;

    typedef PlainLine Line;
    typedef int Column;

    template <Major> __device__ __forceinline__ Line line(int i) const { return {data + (wide)(i / 2 + i % 2 * width) * (word)columns, i < 2 * width}; }
    __device__ __forceinline__ Column column(int j) const { return j; }
    template <Major> __device__ __forceinline__ Source at(const Line& line, Column column) const { return {line.from + column, column < columns && line.inside}; }
};

// u = sum, y = value gelu(gate) of u, where sums are of a value and of its gate in turn. u is optional. The bias is what sums
// begin with.
struct Gated
{
    storage* y;          // [rows, columns / 2]
    storage* u;          // [rows, columns], values before gates
    const storage* bias; // [columns], likewise
    int columns;

    typedef float2 Least;

    __device__ __forceinline__ float initial(int column) const
    {
        return bias && column < columns ? widen(bias[column / 2 + column % 2 * (columns / 2)]) : 0.0f;
    }

    __device__ __forceinline__ bool together() const { return columns % 4 == 0 && in_duos(y) && in_duos(u); }

    __device__ __forceinline__ void finish(int row, int column, float2 sums) const
    {
        storage value = narrow(sums.x), gate = narrow(sums.y);
        if (u)
        {
            storage* to = u + at(row, column) + (wide)row * (word)(columns / 2);
            to[0] = value;
            to[columns / 2] = gate;
        }
        y[at(row, column)] = narrow(geglu(widen(value), widen(gate)));
    }

    __device__ __forceinline__ void finish(int row, int column, float4 sums) const
    {
        Duo values = {{narrow(sums.x), narrow(sums.z)}}, gates = {{narrow(sums.y), narrow(sums.w)}}, products;
        if (u)
        {
            storage* to = u + at(row, column) + (wide)row * (word)(columns / 2);
            *reinterpret_cast<Duo*>(to) = values;
            *reinterpret_cast<Duo*>(to + columns / 2) = gates;
        }
#pragma unroll
        for (int i = 0; i < 2; i++) products.element[i] = narrow(geglu(widen(values.element[i]), widen(gates.element[i])));
        *reinterpret_cast<Duo*>(y + at(row, column)) = products;
    }

    template <int Count> __device__ __forceinline__ void finish(const Place (&places)[Count], const float* const (&sums)[Count]) const
    {
#pragma unroll
        for (int i = 0; i < Count; i++)
            if (places[i].inside) finish(places[i].row, places[i].column, *reinterpret_cast<const float4*>(sums[i]));
    }

private:
    __device__ __forceinline__ wide at(int row, int column) const { return (wide)row * (word)(columns / 2) + (word)(column / 2); }
};

// dU = the gradient of u where sums are the gradient of value gelu(gate). dU may be u.
struct GatedSlopes
{
    const storage* u; // [rows, 2 columns], values before gates
    storage* dU;
    int columns;

    typedef float Least;

    __device__ __forceinline__ float initial(int) const { return 0.0f; }
    __device__ __forceinline__ bool together() const { return columns % 4 == 0 && in_quads(u) && in_quads(dU); }

    template <typename Sums> __device__ __forceinline__ void finish(int row, int column, Sums sums) const
    {
        wide at = (wide)row * 2 * (word)columns + column;
        put(at, widened<Sums>(u + at), widened<Sums>(u + at + columns), sums);
    }

    // The same for several at once, whose u is loaded first, all of it under way together.
    template <int Count> __device__ __forceinline__ void finish(const Place (&places)[Count], const float* const (&sums)[Count]) const
    {
        Quad values[Count], gates[Count];
#pragma unroll
        for (int i = 0; i < Count; i++)
        {
            if (!places[i].inside) continue;
            const storage* from = u + places[i].at(2 * columns);
            values[i] = *reinterpret_cast<const Quad*>(from);
            gates[i] = *reinterpret_cast<const Quad*>(from + columns);
        }
#pragma unroll
        for (int i = 0; i < Count; i++)
            if (places[i].inside) put(places[i].at(2 * columns), widened(values[i]), widened(gates[i]), *reinterpret_cast<const float4*>(sums[i]));
    }

private:
    template <typename Sums> __device__ __forceinline__ void put(wide at, Sums value, Sums gate, Sums sums) const
    {
        slopes(value, gate, sums);
        store_narrowed(dU + at, value);
        store_narrowed(dU + at + columns, gate);
    }

    static __device__ __forceinline__ void slopes(float& value, float& gate, float sum) { geglu_slopes(value, gate, rounded(sum)); }

    static __device__ __forceinline__ void slopes(float4& value, float4& gate, float4 sums)
    {
        slopes(value.x, gate.x, sums.x);
        slopes(value.y, gate.y, sums.y);
        slopes(value.z, gate.z, sums.z);
        slopes(value.w, gate.w, sums.w);
    }
};
