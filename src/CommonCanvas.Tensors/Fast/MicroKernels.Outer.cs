using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>Tiles of a sum of outer products: A is stored with k outermost, as for the gradient of weights.</summary>
internal static unsafe partial class MicroKernels<TV, S>
{
    /// <summary>Rows of a tile of <see cref="Outer"/>.</summary>
    public static int OuterTile { [MethodImpl(MethodImplOptions.AggressiveInlining)] get => S.Width == 16 ? 14 : 6; }

    /// <summary>tile[r, c] = sum over k of a[k * stride + r] * b[k, c].</summary>
    /// <param name="length">Number of k.</param>
    /// <param name="a">Rows of OuterTile values at least.</param>
    /// <param name="stride">Values from one k to the next.</param>
    /// <param name="b">Packed: [length][Columns].</param>
    /// <param name="tile">[OuterTile][Columns].</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Outer(nint length, float* a, nint stride, float* b, float* tile)
    {
        if (S.Width == 16) Outer14(length, a, stride, b, tile);
        else Outer6(length, a, stride, b, tile);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void Outer14(nint length, float* a, nint stride, float* b, float* tile)
    {
        int w = S.Width;
        TV c00 = S.Zero, c01 = S.Zero, c10 = S.Zero, c11 = S.Zero, c20 = S.Zero, c21 = S.Zero, c30 = S.Zero, c31 = S.Zero;
        TV c40 = S.Zero, c41 = S.Zero, c50 = S.Zero, c51 = S.Zero, c60 = S.Zero, c61 = S.Zero, c70 = S.Zero, c71 = S.Zero;
        TV c80 = S.Zero, c81 = S.Zero, c90 = S.Zero, c91 = S.Zero, c100 = S.Zero, c101 = S.Zero, c110 = S.Zero, c111 = S.Zero;
        TV c120 = S.Zero, c121 = S.Zero, c130 = S.Zero, c131 = S.Zero;
        for (nint k = 0; k < length; k++, a += stride, b += 2 * w)
        {
            TV b0 = S.Load(b), b1 = S.Load(b + w), x;
            x = S.Broadcast(a[0]); c00 = S.Fma(x, b0, c00); c01 = S.Fma(x, b1, c01);
            x = S.Broadcast(a[1]); c10 = S.Fma(x, b0, c10); c11 = S.Fma(x, b1, c11);
            x = S.Broadcast(a[2]); c20 = S.Fma(x, b0, c20); c21 = S.Fma(x, b1, c21);
            x = S.Broadcast(a[3]); c30 = S.Fma(x, b0, c30); c31 = S.Fma(x, b1, c31);
            x = S.Broadcast(a[4]); c40 = S.Fma(x, b0, c40); c41 = S.Fma(x, b1, c41);
            x = S.Broadcast(a[5]); c50 = S.Fma(x, b0, c50); c51 = S.Fma(x, b1, c51);
            x = S.Broadcast(a[6]); c60 = S.Fma(x, b0, c60); c61 = S.Fma(x, b1, c61);
            x = S.Broadcast(a[7]); c70 = S.Fma(x, b0, c70); c71 = S.Fma(x, b1, c71);
            x = S.Broadcast(a[8]); c80 = S.Fma(x, b0, c80); c81 = S.Fma(x, b1, c81);
            x = S.Broadcast(a[9]); c90 = S.Fma(x, b0, c90); c91 = S.Fma(x, b1, c91);
            x = S.Broadcast(a[10]); c100 = S.Fma(x, b0, c100); c101 = S.Fma(x, b1, c101);
            x = S.Broadcast(a[11]); c110 = S.Fma(x, b0, c110); c111 = S.Fma(x, b1, c111);
            x = S.Broadcast(a[12]); c120 = S.Fma(x, b0, c120); c121 = S.Fma(x, b1, c121);
            x = S.Broadcast(a[13]); c130 = S.Fma(x, b0, c130); c131 = S.Fma(x, b1, c131);
        }
        S.Store(c00, tile); S.Store(c01, tile + w); tile += 2 * w;
        S.Store(c10, tile); S.Store(c11, tile + w); tile += 2 * w;
        S.Store(c20, tile); S.Store(c21, tile + w); tile += 2 * w;
        S.Store(c30, tile); S.Store(c31, tile + w); tile += 2 * w;
        S.Store(c40, tile); S.Store(c41, tile + w); tile += 2 * w;
        S.Store(c50, tile); S.Store(c51, tile + w); tile += 2 * w;
        S.Store(c60, tile); S.Store(c61, tile + w); tile += 2 * w;
        S.Store(c70, tile); S.Store(c71, tile + w); tile += 2 * w;
        S.Store(c80, tile); S.Store(c81, tile + w); tile += 2 * w;
        S.Store(c90, tile); S.Store(c91, tile + w); tile += 2 * w;
        S.Store(c100, tile); S.Store(c101, tile + w); tile += 2 * w;
        S.Store(c110, tile); S.Store(c111, tile + w); tile += 2 * w;
        S.Store(c120, tile); S.Store(c121, tile + w); tile += 2 * w;
        S.Store(c130, tile); S.Store(c131, tile + w);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    static void Outer6(nint length, float* a, nint stride, float* b, float* tile)
    {
        int w = S.Width;
        TV c00 = S.Zero, c01 = S.Zero, c10 = S.Zero, c11 = S.Zero, c20 = S.Zero, c21 = S.Zero, c30 = S.Zero, c31 = S.Zero;
        TV c40 = S.Zero, c41 = S.Zero, c50 = S.Zero, c51 = S.Zero;
        for (nint k = 0; k < length; k++, a += stride, b += 2 * w)
        {
            TV b0 = S.Load(b), b1 = S.Load(b + w), x;
            x = S.Broadcast(a[0]); c00 = S.Fma(x, b0, c00); c01 = S.Fma(x, b1, c01);
            x = S.Broadcast(a[1]); c10 = S.Fma(x, b0, c10); c11 = S.Fma(x, b1, c11);
            x = S.Broadcast(a[2]); c20 = S.Fma(x, b0, c20); c21 = S.Fma(x, b1, c21);
            x = S.Broadcast(a[3]); c30 = S.Fma(x, b0, c30); c31 = S.Fma(x, b1, c31);
            x = S.Broadcast(a[4]); c40 = S.Fma(x, b0, c40); c41 = S.Fma(x, b1, c41);
            x = S.Broadcast(a[5]); c50 = S.Fma(x, b0, c50); c51 = S.Fma(x, b1, c51);
        }
        S.Store(c00, tile); S.Store(c01, tile + w); tile += 2 * w;
        S.Store(c10, tile); S.Store(c11, tile + w); tile += 2 * w;
        S.Store(c20, tile); S.Store(c21, tile + w); tile += 2 * w;
        S.Store(c30, tile); S.Store(c31, tile + w); tile += 2 * w;
        S.Store(c40, tile); S.Store(c41, tile + w); tile += 2 * w;
        S.Store(c50, tile); S.Store(c51, tile + w);
    }
}
