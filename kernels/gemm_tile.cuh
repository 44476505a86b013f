// How a block fetches a tile of an operand: which thread takes which 16 bytes, and where they are.
#pragma once
#include "gemm_operand.cuh"

__host__ __device__ constexpr int power_of_two_from(int n) { return n <= 1 ? 1 : 2 * power_of_two_from((n + 1) / 2); }

// A tile of `Extent` rows (of m or n) by `Depth` of k, fetched by `Threads` threads in `Passes` of 16 bytes each. In shared
// memory its lines are `Columns` pieces of 16 bytes wide, k along them or across them as in the operand; a power of two, for the
// swizzle's sake, of which `Used` are fetched.
template <Major major, typename Operand, int Extent, int Depth, int Threads> struct TileFetch
{
    static constexpr int Lines = major == AlongK ? Extent : Depth;
    static constexpr int Used = (major == AlongK ? Depth : Extent) / Lanes, Columns = power_of_two_from(Used);
    static constexpr int Step = Threads / Columns; // lines from one pass to the next
    static constexpr int Passes = Lines / Step;
    static_assert(Threads % Columns == 0 && Lines % Step == 0, "every pass is full");

    const Operand& operand;
    int origin;                         // first row of m or n
    int line, column;                   // of this thread, within the tile, the column in pieces
    typename Operand::Line at_line[Passes];
    typename Operand::Column at_column;
    int first_line, first_column;       // of this thread, within the operand

    __device__ __forceinline__ TileFetch(const Operand& operand, int origin) : operand(operand), origin(origin)
    {
        line = threadIdx.x / Columns;
        column = threadIdx.x % Columns;
        if constexpr (major == AlongK) seek_lines(origin);
        else seek_column(origin);
    }

    // Goes to the tile that starts at k.
    __device__ __forceinline__ void seek(int k)
    {
        if constexpr (major == AlongK) seek_column(k);
        else seek_lines(k);
    }

    // Where this thread's 16 bytes are.
    __device__ __forceinline__ Source source(int pass) const { return operand.at(at_line[pass], at_column); }

    // The 16 bytes themselves: in one load where the operand is aligned, else element by element.
    template <bool aligned> __device__ __forceinline__ Pack load(int pass) const
    {
        Pack pack;
        if constexpr (aligned)
        {
            Source here = source(pass);
            uint4 bits = make_uint4(0, 0, 0, 0);
            if (here.inside) bits = *reinterpret_cast<const uint4*>(here.from);
            *reinterpret_cast<uint4*>(&pack) = bits;
        }
        else
        {
#pragma unroll
            for (int lane = 0; lane < Lanes; lane++)
            {
                Source here = operand.at(at_line[pass], operand.column(first_column + lane));
                pack.element[lane] = 0;
                if (here.inside) pack.element[lane] = *here.from;
            }
        }
        return pack;
    }

private:
    __device__ __forceinline__ void seek_lines(int start)
    {
        first_line = start + line;
#pragma unroll
        for (int pass = 0; pass < Passes; pass++) at_line[pass] = operand.line(first_line + pass * Step);
    }

    __device__ __forceinline__ void seek_column(int start)
    {
        first_column = start + column * Lanes;
        at_column = operand.column(first_column);
    }
};
