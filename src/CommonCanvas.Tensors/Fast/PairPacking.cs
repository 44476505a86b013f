using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CommonCanvas.Tensors;

/// <summary>
/// Interleaves rows of bf16 values into pairs of 32 bits, for products whose k runs down the rows: the even row in the low
/// half, the odd one above it. (Where k runs along a row, pairs are what lies in memory.) For processors with AVX-512.
/// </summary>
internal static unsafe class PairPacking
{
    /// <summary>Columns of a panel and rows of an outer product's tile, as the native kernels have them.</summary>
    const int Columns = 32, Tile = 14;

    static readonly Vector512<ushort> LowPairs = Interleaving(0), HighPairs = Interleaving(16);

    /// <summary>A panel row: <paramref name="columns"/> pairs, then zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Row(ushort* even, ushort* odd, nint columns, float* to)
    {
        if (columns >= Columns)
        {
            Vector512<ushort> a = Vector512.Load(even), b = Vector512.Load(odd);
            Avx512BW.PermuteVar32x16x2(a, LowPairs, b).Store((ushort*)to);
            Avx512BW.PermuteVar32x16x2(a, HighPairs, b).Store((ushort*)to + Columns);
            return;
        }
        uint* pairs = (uint*)to;
        for (nint i = 0; i < columns; i++) pairs[i] = even[i] | (uint)odd[i] << 16;
        for (nint i = columns; i < Columns; i++) pairs[i] = 0;
    }

    /// <summary>A tile of A of an outer product: tile[k, r] = the pair of rows 2 k and 2 k + 1 at r, zero from <paramref name="rows"/> on.</summary>
    /// <param name="from">Value r of row 0.</param>
    /// <param name="stride">Values from one row to the next.</param>
    /// <param name="rows">How many r there are.</param>
    /// <param name="length">How many rows there are; an odd last one is paired with zeros.</param>
    /// <param name="tile">[(length + 1) / 2][14].</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Outer(ushort* from, nint stride, nint rows, nint length, float* tile)
    {
        uint* pairs = (uint*)tile;
        for (nint k = 0; k < length; k += 2, from += 2 * stride, pairs += Tile)
        {
            ushort* odd = from + stride;
            if (rows >= Tile && k + 1 < length)
            {
                // the first eight and the last eight, which overlap
                Eight(from, odd).Store(pairs);
                Eight(from + Tile - 8, odd + Tile - 8).Store(pairs + Tile - 8);
                continue;
            }
            for (nint r = 0; r < Tile; r++) pairs[r] = r >= rows ? 0 : k + 1 < length ? from[r] | (uint)odd[r] << 16 : from[r];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector256<uint> Eight(ushort* even, ushort* odd) =>
        Avx2.ConvertToVector256Int32(Vector128.Load(even)).AsUInt32() | Avx2.ConvertToVector256Int32(Vector128.Load(odd)).AsUInt32() << 16;

    static Vector512<ushort> Interleaving(int start)
    {
        var indices = new ushort[32];
        for (int i = 0; i < 16; i++) (indices[2 * i], indices[2 * i + 1]) = ((ushort)(start + i), (ushort)(32 + start + i));
        return Vector512.Create(indices);
    }
}
