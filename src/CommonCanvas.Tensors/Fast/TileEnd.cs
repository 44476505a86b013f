using System.Runtime.CompilerServices;

namespace CommonCanvas.Tensors;

/// <summary>Takes a finished tile from the micro-kernel's buffer to C, with what is to be added to it.</summary>
internal static unsafe class TileEnd<TV, S> where TV : struct where S : struct, ILanes<TV>
{
    /// <summary>
    /// Adds the blocks of K before this one unless <paramref name="first"/>, and bias, per-sample values and residual where
    /// <paramref name="last"/>; then stores.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Finish(ref RowsProduct p, nint m0, nint rows, nint n0, nint columns, float* tile, bool first, bool last)
    {
        int w = S.Width, all = 2 * w;
        if (columns < all)
        {
            Slowly(ref p, m0, rows, n0, columns, tile, first, last);
            return;
        }
        bool narrow = last && p.CType != DType.F32;
        TV bias0 = S.Zero, bias1 = S.Zero;
        if (last && p.Bias != null) (bias0, bias1) = (S.Load(p.Bias + n0), S.Load(p.Bias + n0 + w));
        for (nint r = 0; r < rows; r++, tile += all)
        {
            nint at = (m0 + r) * p.N + n0;
            float* sums = (p.CType == DType.F32 ? (float*)p.C : p.Partial) + at;
            TV v0 = S.Add(S.Load(tile), bias0), v1 = S.Add(S.Load(tile + w), bias1);
            if (!first) (v0, v1) = (S.Add(v0, S.Load(sums)), S.Add(v1, S.Load(sums + w)));
            if (last && p.PerSample != null)
            {
                float* sample = p.PerSample + (m0 + r) / p.RowsPerSample * p.N + n0;
                (v0, v1) = (S.Add(v0, S.Load(sample)), S.Add(v1, S.Load(sample + w)));
            }
            if (last && p.Residual != null)
                (v0, v1) = (S.Add(v0, Packing<TV, S>.Load(p.Residual, p.CType, at)), S.Add(v1, Packing<TV, S>.Load(p.Residual, p.CType, at + w)));
            if (narrow)
            {
                Packing<TV, S>.Store(v0, p.C, p.CType, at);
                Packing<TV, S>.Store(v1, p.C, p.CType, at + w);
                continue;
            }
            S.Store(v0, sums);
            S.Store(v1, sums + w);
        }
    }

    /// <summary>The same, value by value, in the same order: a narrow last panel.</summary>
    static void Slowly(ref RowsProduct p, nint m0, nint rows, nint n0, nint columns, float* tile, bool first, bool last)
    {
        int all = 2 * S.Width;
        bool reduced = p.CType != DType.F32;
        float* residual = stackalloc float[all];
        for (nint r = 0; r < rows; r++, tile += all)
        {
            nint at = (m0 + r) * p.N + n0;
            float* sums = (reduced ? p.Partial : (float*)p.C) + at;
            float* sample = p.PerSample == null ? null : p.PerSample + (m0 + r) / p.RowsPerSample * p.N + n0;
            if (last && p.Residual != null) Packing<TV, S>.Widen(p.Residual, p.CType, at, columns, residual);
            for (nint n = 0; n < columns; n++)
            {
                float v = tile[n];
                if (last && p.Bias != null) v += p.Bias[n0 + n];
                if (!first) v += sums[n];
                if (last && sample != null) v += sample[n];
                if (last && p.Residual != null) v += residual[n];
                if (last) tile[n] = v;
                else sums[n] = v;
            }
            if (last) Packing<TV, S>.Narrow(tile, p.C, p.CType, at, columns);
        }
    }
}
