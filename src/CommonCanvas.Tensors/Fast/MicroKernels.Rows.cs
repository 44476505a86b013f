using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>
/// The innermost loops of all matrix products: a tile of C, a few rows by two vectors, in registers while k runs. Each
/// element is one chain of fused multiply-adds in the order of k, so its value does not depend on the tile it falls in.
/// </summary>
/// <remarks>
/// TRIED (2 cores of Zen 4, of 226 GFLOP/s): accumulators in stackalloc, 31 of 111 a core; x * b + c in place of the FMA
/// intrinsic, 75; 16x2 tiles, which spill.
/// </remarks>
internal static unsafe partial class MicroKernels<TV, S> where TV : struct where S : struct, ILanes<TV>
{
    // Unasked the compiler does not inline a choice by S.Width: it would be a call in every turn of a caller's loop.

    /// <summary>Columns of a tile.</summary>
    public static int Columns { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => 2 * S.Width; }

    /// <summary>Rows of a tile of <see cref="Rows"/>.</summary>
    public static int RowTile { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => S.Width == 16 ? 8 : 6; }

    /// <summary>
    /// tile[r, c] = sum over segments s and k of rows[s][r][k] * b[s, k, c]. The rows of A are reached through pointers, so A is
    /// never packed: for a convolution a segment is a tap, and its rows are pixels or a row of zeros.
    /// </summary>
    /// <param name="segments">How many pointer rows follow each other.</param>
    /// <param name="rows">[segments][RowTile] pointers.</param>
    /// <param name="length">Values of a segment.</param>
    /// <param name="b">Packed: [segments * length][Columns].</param>
    /// <param name="tile">[RowTile][Columns].</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Rows(nint segments, float** rows, nint length, float* b, float* tile)
    {
        if (S.Width == 16) Rows8(segments, rows, length, b, tile);
        else Rows6(segments, rows, length, b, tile);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void Rows8(nint segments, float** rows, nint length, float* b, float* tile)
    {
        int w = S.Width;
        TV c00 = S.Zero, c01 = S.Zero, c10 = S.Zero, c11 = S.Zero, c20 = S.Zero, c21 = S.Zero, c30 = S.Zero, c31 = S.Zero;
        TV c40 = S.Zero, c41 = S.Zero, c50 = S.Zero, c51 = S.Zero, c60 = S.Zero, c61 = S.Zero, c70 = S.Zero, c71 = S.Zero;
        for (; segments > 0; segments--, rows += 8)
        {
            float* p0 = rows[0], p1 = rows[1], p2 = rows[2], p3 = rows[3], p4 = rows[4], p5 = rows[5], p6 = rows[6], p7 = rows[7];
            for (nint k = 0; k < length; k++, b += 2 * w)
            {
                TV b0 = S.Load(b), b1 = S.Load(b + w), a;
                a = S.Broadcast(p0[k]); c00 = S.Fma(a, b0, c00); c01 = S.Fma(a, b1, c01);
                a = S.Broadcast(p1[k]); c10 = S.Fma(a, b0, c10); c11 = S.Fma(a, b1, c11);
                a = S.Broadcast(p2[k]); c20 = S.Fma(a, b0, c20); c21 = S.Fma(a, b1, c21);
                a = S.Broadcast(p3[k]); c30 = S.Fma(a, b0, c30); c31 = S.Fma(a, b1, c31);
                a = S.Broadcast(p4[k]); c40 = S.Fma(a, b0, c40); c41 = S.Fma(a, b1, c41);
                a = S.Broadcast(p5[k]); c50 = S.Fma(a, b0, c50); c51 = S.Fma(a, b1, c51);
                a = S.Broadcast(p6[k]); c60 = S.Fma(a, b0, c60); c61 = S.Fma(a, b1, c61);
                a = S.Broadcast(p7[k]); c70 = S.Fma(a, b0, c70); c71 = S.Fma(a, b1, c71);
            }
        }
        S.Store(c00, tile); S.Store(c01, tile + w); tile += 2 * w;
        S.Store(c10, tile); S.Store(c11, tile + w); tile += 2 * w;
        S.Store(c20, tile); S.Store(c21, tile + w); tile += 2 * w;
        S.Store(c30, tile); S.Store(c31, tile + w); tile += 2 * w;
        S.Store(c40, tile); S.Store(c41, tile + w); tile += 2 * w;
        S.Store(c50, tile); S.Store(c51, tile + w); tile += 2 * w;
        S.Store(c60, tile); S.Store(c61, tile + w); tile += 2 * w;
        S.Store(c70, tile); S.Store(c71, tile + w);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void Rows6(nint segments, float** rows, nint length, float* b, float* tile)
    {
        int w = S.Width;
        TV c00 = S.Zero, c01 = S.Zero, c10 = S.Zero, c11 = S.Zero, c20 = S.Zero, c21 = S.Zero;
        TV c30 = S.Zero, c31 = S.Zero, c40 = S.Zero, c41 = S.Zero, c50 = S.Zero, c51 = S.Zero;
        for (; segments > 0; segments--, rows += 6)
        {
            float* p0 = rows[0], p1 = rows[1], p2 = rows[2], p3 = rows[3], p4 = rows[4], p5 = rows[5];
            for (nint k = 0; k < length; k++, b += 2 * w)
            {
                TV b0 = S.Load(b), b1 = S.Load(b + w), a;
                a = S.Broadcast(p0[k]); c00 = S.Fma(a, b0, c00); c01 = S.Fma(a, b1, c01);
                a = S.Broadcast(p1[k]); c10 = S.Fma(a, b0, c10); c11 = S.Fma(a, b1, c11);
                a = S.Broadcast(p2[k]); c20 = S.Fma(a, b0, c20); c21 = S.Fma(a, b1, c21);
                a = S.Broadcast(p3[k]); c30 = S.Fma(a, b0, c30); c31 = S.Fma(a, b1, c31);
                a = S.Broadcast(p4[k]); c40 = S.Fma(a, b0, c40); c41 = S.Fma(a, b1, c41);
                a = S.Broadcast(p5[k]); c50 = S.Fma(a, b0, c50); c51 = S.Fma(a, b1, c51);
            }
        }
        S.Store(c00, tile); S.Store(c01, tile + w); tile += 2 * w;
        S.Store(c10, tile); S.Store(c11, tile + w); tile += 2 * w;
        S.Store(c20, tile); S.Store(c21, tile + w); tile += 2 * w;
        S.Store(c30, tile); S.Store(c31, tile + w); tile += 2 * w;
        S.Store(c40, tile); S.Store(c41, tile + w); tile += 2 * w;
        S.Store(c50, tile); S.Store(c51, tile + w);
    }
}
