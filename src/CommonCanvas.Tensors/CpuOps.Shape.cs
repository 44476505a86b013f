namespace CommonCanvas.Tensors;

/// <summary>Copies that change the shape, and their sums backwards.</summary>
public unsafe partial class CpuOps
{
    /// <inheritdoc/>
    public virtual void UpsampleForward(Tensor x, Tensor y)
    {
        // y[b, h, w, c] = x[b, floor(h H / Ho), floor(w W / Wo), c]
        OpChecks.UpsampleForward(x, y);
        using Values xs = Read(x), ys = Write(y);
        long to = 0;
        for (int b = 0; b < y[0]; b++)
            for (int h = 0; h < y[1]; h++)
                for (int w = 0; w < y[2]; w++, to++)
                    xs.Row(NearestPixel(x, y, b, h, w)).CopyTo(ys.Row(to));
    }

    /// <inheritdoc/>
    public virtual void UpsampleBackward(Tensor dY, Tensor dX)
    {
        // dX[b, i, j, c] = sum of dY[b, h, w, c] over the h, w with floor(h H / Ho) = i, floor(w W / Wo) = j
        OpChecks.UpsampleBackward(dY, dX);
        using Values dYs = Read(dY), dXs = Write(dX);
        using var sums = RentSums(dX.Channels);
        long to = 0;
        for (int b = 0; b < dX[0]; b++)
            for (int i = 0; i < dX[1]; i++)
                for (int j = 0; j < dX[2]; j++, to++)
                {
                    sums.Clear();
                    for (int h = FirstCopy(i, dX[1], dY[1]); h < FirstCopy(i + 1, dX[1], dY[1]); h++)
                        for (int w = FirstCopy(j, dX[2], dY[2]); w < FirstCopy(j + 1, dX[2], dY[2]); w++)
                            AddScaled(sums.Row, 1, dYs.Row(((long)b * dY[1] + h) * dY[2] + w));
                    Assign(dXs.Row(to), sums.Row);
                }
    }

    /// <inheritdoc/>
    public virtual void ConcatForward(Tensor a, Tensor b, Tensor y)
    {
        // y[r, 0..Ca] = a[r], y[r, Ca..Ca+Cb] = b[r]
        OpChecks.ConcatForward(a, b, y);
        using Values aS = Read(a), bS = Read(b), ys = Write(y);
        for (long r = 0; r < y.Rows; r++)
        {
            aS.Row(r).CopyTo(ys.Row(r));
            bS.Row(r).CopyTo(ys.Row(r)[a.Channels..]);
        }
    }

    /// <inheritdoc/>
    public virtual void ConcatBackward(Tensor dY, Tensor dA, Tensor dB)
    {
        // dA[r] = dY[r, 0..Ca], dB[r] = dY[r, Ca..Ca+Cb]
        OpChecks.ConcatBackward(dY, dA, dB);
        using Values dYs = Read(dY), dAs = Write(dA), dBs = Write(dB);
        for (long r = 0; r < dY.Rows; r++)
        {
            dYs.Row(r)[..dA.Channels].CopyTo(dAs.Row(r));
            dYs.Row(r)[dA.Channels..].CopyTo(dBs.Row(r));
        }
    }

    /// <inheritdoc/>
    public virtual void EmbeddingForward(Tensor ids, Tensor table, Tensor position, Tensor y)
    {
        // y[.., t, c] = table[ids[.., t], c] + position[t, c]
        OpChecks.EmbeddingForward(ids, table, position, y);
        int tokens = ids.Channels, channels = table[1];
        var id = ids.Span<int>();
        OpChecks.Ids(id, table[0]);
        using Values ts = Read(table), ps = Read(position), ys = Write(y);
        for (int r = 0; r < id.Length; r++)
        {
            Span<float> from = ts.Row(id[r]), to = ys.Row(r);
            for (int c = 0; c < channels; c++) to[c] = position.IsNone ? from[c] : from[c] + ps[(long)(r % tokens) * channels + c];
        }
    }

    /// <inheritdoc/>
    public virtual void EmbeddingBackward(Tensor ids, Tensor dY, GradientTarget dTable, GradientTarget dPosition)
    {
        OpChecks.EmbeddingBackward(ids, dY, dTable, dPosition);
        var id = ids.Span<int>();
        using var dYs = Read(dY);
        using var sums = RentSums(dY.Channels);

        // dTable[i] += sum of dY[r] over the r with ids[r] = i, each i at its first occurrence
        if (!dTable.IsNone)
        {
            OpChecks.Ids(id, dTable.Tensor[0]);
            if (!dTable.Accumulate) Fill(0, dTable.Tensor);
            using var dTs = Read(dTable.Tensor);
            for (int r = 0; r < id.Length; r++)
            {
                if (id[..r].Contains(id[r])) continue;
                sums.Clear();
                for (int other = r; other < id.Length; other++)
                    if (id[other] == id[r]) AddScaled(sums.Row, 1, dYs.Row(other));
                Receive(dTs.Row(id[r]), sums.Row, accumulate: true);
            }
        }

        // dPosition[t] += sum_b dY[b, t]
        if (!dPosition.IsNone)
        {
            if (!dPosition.Accumulate) Fill(0, dPosition.Tensor);
            using var dPs = Read(dPosition.Tensor);
            int tokens = ids.Channels;
            for (int t = 0; t < tokens; t++)
            {
                sums.Clear();
                for (int r = t; r < id.Length; r += tokens) AddScaled(sums.Row, 1, dYs.Row(r));
                Receive(dPs.Row(t), sums.Row, accumulate: true);
            }
        }
    }

    /// <summary>The pixel of x that pixel (h, w) of y copies.</summary>
    static long NearestPixel(Tensor x, Tensor y, int b, int h, int w) =>
        ((long)b * x[1] + (long)h * x[1] / y[1]) * x[2] + (long)w * x[2] / y[2];

    /// <summary>The first of <paramref name="outputs"/> positions that copy position <paramref name="i"/> of <paramref name="inputs"/> or a later one: ceil(i * outputs / inputs).</summary>
    static int FirstCopy(int i, int inputs, int outputs) => (int)(((long)i * outputs + inputs - 1) / inputs);
}
