// How a block fetches a tile of an operand: which thread takes which 16 bytes, and where they are.
#pragma once
#include "gemm_operand.cuh"

// A tile of `Extent` rows (of m or n) by `Depth` of k, fetched by `Threads` threads in `Passes` of 16 bytes each. In shared
// memory its lines are `Columns` pieces of 16 bytes wide, k along them or across them as in the operand. `Across` threads take
// a line. Where k runs along the lines, a pass is some lines, and the column of a thread stays within the tile; where k runs
// across them, a pass is some columns of all lines. Either way what changes with k is computed once for all passes.
template <Major major, typename Operand, int Extent, int Depth, int Threads> struct TileFetch
{
    static constexpr int Lines = major == AlongK ? Extent : Depth, Columns = (major == AlongK ? Depth : Extent) / Lanes;
    static constexpr int Across = major == AlongK ? Columns : Threads / Depth;
    static constexpr int Step = major == AlongK ? Threads / Across : Across; // lines or columns from one pass to the next
    static constexpr int Passes = ((major == AlongK ? Lines : Columns) + Step - 1) / Step;
    static constexpr int LineCount = major == AlongK ? Passes : 1, ColumnCount = major == AlongK ? 1 : Passes;
    static_assert(Threads % Across == 0 && (major == AlongK || Threads == Across * Depth), "passes are of whole lines or of whole columns");

    const Operand& operand;
    int line, column; // of this thread in the first pass, within the tile, the column in pieces
    int origin;       // first row of m or n
    int start;        // first k
    typename Operand::Line at_line[LineCount];
    typename Operand::Column at_column[ColumnCount];

    __device__ __forceinline__ TileFetch(const Operand& operand, int origin) : operand(operand), origin(origin)
    {
        column = threadIdx.x % Across;
        line = major == AlongK ? threadIdx.x / Across : spread(threadIdx.x / Across);
        if constexpr (major == AlongK)
        {
#pragma unroll
            for (int pass = 0; pass < Passes; pass++) at_line[pass] = operand.template line<major>(origin + line + pass * Step).kept();
        }
        else
        {
#pragma unroll
            for (int pass = 0; pass < Passes; pass++) at_column[pass] = operand.column(first_column(pass));
        }
    }

    // Goes to the tile that starts at k.
    __device__ __forceinline__ void seek(int k)
    {
        start = k;
        if constexpr (major == AlongK) at_column[0] = operand.column(first_column(0));
        else at_line[0] = operand.template line<major>(k + line);
    }

    // Whether this thread has 16 bytes of a pass.
    __device__ __forceinline__ bool has(int pass) const
    {
        constexpr int Extents = major == AlongK ? Lines : Columns;
        return Extents % Step == 0 || pass < Passes - 1 || (major == AlongK ? line : column) + pass * Step < Extents;
    }

    // Where they are.
    __device__ __forceinline__ Source source(int pass) const
    {
        return operand.template at<major>(at_line[major == AlongK ? pass : 0], at_column[major == AlongK ? 0 : pass]);
    }

    // The bytes themselves: in one load where the operand is aligned, else element by element.
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
                Source here = operand.template at<major>(at_line[major == AlongK ? pass : 0], operand.column(first_column(pass) + lane));
                pack.element[lane] = 0;
                if (here.inside) pack.element[lane] = *here.from;
            }
        }
        return pack;
    }

private:
    // The first element of a pass, counted in the operand's columns.
    __device__ __forceinline__ int first_column(int pass) const
    {
        return major == AlongK ? start + column * Lanes : origin + (column + pass * Step) * Lanes;
    }

    // Which line the i-th group of `Across` threads takes. A quarter of a warp stores at once: two groups of 4 threads, whose
    // lines have to lie in different halves of the 8 groups of banks, as swizzle() places them. So neighbouring groups take
    // lines `Apart` apart.
    static __device__ __forceinline__ int spread(int i)
    {
        constexpr int Apart = Across >= 8 || Columns % 8 == 4 ? 1 : Columns % 8 == 0 ? 4 : 2;
        int low = i % (2 * Apart);
        return i - low + low / 2 + low % 2 * Apart;
    }
};
