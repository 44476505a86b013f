using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>Brings matrices into the panels [k][Columns] that the micro-kernels read, and 16-bit values to fp32.</summary>
internal static unsafe class Packing<TV, S> where TV : struct where S : struct, ILanes<TV>
{
    /// <summary>
    /// A panel whose columns are rows of memory: panel[k, c] = from[c * stride + k] for k below <paramref name="length"/>, zero
    /// for the columns from <paramref name="columns"/> on. Squares of lanes are transposed in registers.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transposed(float* from, nint stride, nint columns, nint length, float* panel)
    {
        int w = S.Width, all = 2 * w;
        for (nint c = 0; c < all; c += w)
        {
            nint k = 0;
            if (c + w <= columns)
                for (; k + w <= length; k += w) S.Transpose(from + c * stride + k, stride, panel + k * all + c, all);
            nint there = Math.Clamp(columns - c, 0, w);
            for (; k < length; k++)
            {
                float* to = panel + k * all + c;
                for (nint i = 0; i < there; i++) to[i] = from[(c + i) * stride + k];
                for (nint i = there; i < w; i++) to[i] = 0;
            }
        }
    }

    /// <summary>A panel row: <paramref name="columns"/> values, then zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Row(float* from, nint columns, float* to)
    {
        int w = S.Width;
        if (columns >= 2 * w)
        {
            S.Store(S.Load(from), to);
            S.Store(S.Load(from + w), to + w);
            return;
        }
        for (nint i = 0; i < columns; i++) to[i] = from[i];
        for (nint i = columns; i < 2 * w; i++) to[i] = 0;
    }

    /// <summary>A panel whose rows are pieces of rows of memory: panel[k, c] = from[k * stride + c].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Straight(float* from, nint stride, nint columns, nint length, float* panel)
    {
        int all = 2 * S.Width;
        for (nint k = 0; k < length; k++, from += stride, panel += all) Row(from, columns, panel);
    }

    /// <summary>A tile of A with k outermost: tile[k, r] = from[k * stride + r], zero from <paramref name="rows"/> on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Outer(float* from, nint stride, nint rows, nint length, float* tile)
    {
        int all = MicroKernels<TV, S>.OuterTile;
        if (rows >= all && S.Width == 16)
        {
            // 14 values: the first 8 and the last 8, which overlap
            for (nint k = 0; k < length; k++, from += stride, tile += all)
            {
                var low = System.Runtime.Intrinsics.Vector256.Load(from);
                var high = System.Runtime.Intrinsics.Vector256.Load(from + 6);
                System.Runtime.Intrinsics.Vector256.Store(low, tile);
                System.Runtime.Intrinsics.Vector256.Store(high, tile + 6);
            }
            return;
        }
        for (nint k = 0; k < length; k++, from += stride, tile += all)
        {
            for (nint r = 0; r < rows && r < all; r++) tile[r] = from[r];
            for (nint r = rows; r < all; r++) tile[r] = 0;
        }
    }

    /// <summary>A vector from element <paramref name="at"/> on of type F16, BF16 or F32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TV Load(void* from, DType type, nint at) =>
        type == DType.F32 ? S.Load((float*)from + at) : type == DType.BF16 ? S.LoadBFloat16((ushort*)from + at) : S.LoadHalf((ushort*)from + at);

    /// <summary>Rounds a vector to the elements from <paramref name="at"/> on of type F16, BF16 or F32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(TV v, void* to, DType type, nint at)
    {
        if (type == DType.F32) S.Store(v, (float*)to + at);
        else if (type == DType.BF16) S.StoreBFloat16(v, (ushort*)to + at);
        else S.StoreHalf(v, (ushort*)to + at);
    }

    /// <summary><paramref name="count"/> values of type F16, BF16 or F32 from element <paramref name="start"/> on, as fp32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Widen(void* from, DType type, nint start, nint count, float* to)
    {
        int w = S.Width;
        if (type == DType.F32)
        {
            Buffer.MemoryCopy((float*)from + start, to, count * sizeof(float), count * sizeof(float));
            return;
        }
        ushort* p = (ushort*)from + start;
        nint i = 0;
        if (type == DType.BF16)
        {
            for (; i + w <= count; i += w) S.Store(S.LoadBFloat16(p + i), to + i);
            for (; i < count; i++) to[i] = Rounding.FromBFloat16(p[i]);
        }
        else
        {
            for (; i + w <= count; i += w) S.Store(S.LoadHalf(p + i), to + i);
            for (; i < count; i++) to[i] = (float)BitConverter.UInt16BitsToHalf(p[i]);
        }
    }

    /// <summary>Rounds fp32 to elements <paramref name="start"/> and on of type F16, BF16 or F32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Narrow(float* from, void* to, DType type, nint start, nint count)
    {
        int w = S.Width;
        if (type == DType.F32)
        {
            Buffer.MemoryCopy(from, (float*)to + start, count * sizeof(float), count * sizeof(float));
            return;
        }
        ushort* p = (ushort*)to + start;
        nint i = 0;
        if (type == DType.BF16)
        {
            for (; i + w <= count; i += w) S.StoreBFloat16(S.Load(from + i), p + i);
            for (; i < count; i++) p[i] = Rounding.ToBFloat16(from[i]);
        }
        else
        {
            for (; i + w <= count; i += w) S.StoreHalf(S.Load(from + i), p + i);
            for (; i < count; i++) p[i] = BitConverter.HalfToUInt16Bits((Half)from[i]);
        }
    }
}
