namespace CommonCanvas.Tensors;

/// <summary>Scaled dot-product attention, one query (or key) at a time: no N x M matrix is ever kept.</summary>
public unsafe partial class CpuOps
{
    /// <inheritdoc/>
    public virtual void AttentionForward(Columns q, Columns k, Columns v, int heads, bool causal, Tensor y, Tensor logSumExp)
    {
        // s[i, j] = q[i] . k[j] / sqrt(D),  lse[i] = log sum_j exp(s[i, j]),  y[i] = sum_j exp(s[i, j] - lse[i]) v[j]
        OpChecks.AttentionForward(q, k, v, heads, causal, y, logSumExp);
        var shape = new HeadShape(q, k, heads);
        using Values qs = Read(q), ks = Read(k), vs = Read(v), ys = Write(y), lses = Write(logSumExp);
        using Sums scores = RentSums(shape.Keys), sums = RentSums(shape.Size);
        for (int b = 0; b < shape.Batch; b++)
            for (int head = 0; head < heads; head++)
                for (int i = 0; i < shape.Queries; i++)
                {
                    int seen = causal ? i + 1 : shape.Keys;
                    double highest = double.NegativeInfinity, total = 0;
                    for (int j = 0; j < seen; j++)
                    {
                        scores[j] = Dot(shape.Query(qs, b, head, i), shape.Key(ks, b, head, j)) * shape.Scale;
                        highest = Math.Max(highest, scores[j]);
                    }
                    for (int j = 0; j < seen; j++) total += Math.Exp(scores[j] - highest);
                    double lse = highest + Math.Log(total);
                    sums.Clear();
                    for (int j = 0; j < seen; j++) AddScaled(sums.Row, Math.Exp(scores[j] - lse), shape.Key(vs, b, head, j));
                    Assign(shape.Query(ys, b, head, i), sums.Row);
                    lses[((long)b * heads + head) * shape.Queries + i] = (float)lse;
                }
    }

    /// <inheritdoc/>
    public virtual void AttentionBackward(Columns q, Columns k, Columns v, Tensor y, Tensor logSumExp, Tensor dY, int heads, bool causal, Columns dQ, Columns dK, Columns dV)
    {
        // p[i, j] = exp(s[i, j] - lse[i]),  delta[i] = dY[i] . y[i],  dS[i, j] = p[i, j] (dY[i] . v[j] - delta[i])
        //   dQ[i] = sum_j dS[i, j] k[j] / sqrt(D),  dK[j] = sum_i dS[i, j] q[i] / sqrt(D),  dV[j] = sum_i p[i, j] dY[i]
        OpChecks.AttentionBackward(q, k, v, y, logSumExp, dY, heads, causal, dQ, dK, dV);
        var shape = new HeadShape(q, k, heads);
        using Values qs = Read(q), ks = Read(k), vs = Read(v), ys = Read(y), lses = Read(logSumExp), dYs = Read(dY);
        using Values dQs = Write(dQ), dKs = Write(dK), dVs = Write(dV);
        using Sums delta = RentSums(shape.Queries), forK = RentSums(shape.Size), forV = RentSums(shape.Size);
        for (int b = 0; b < shape.Batch; b++)
            for (int head = 0; head < heads; head++)
            {
                long first = ((long)b * heads + head) * shape.Queries;
                for (int i = 0; i < shape.Queries; i++)
                {
                    delta[i] = Dot(shape.Query(dYs, b, head, i), shape.Query(ys, b, head, i));
                    if (dQ.IsNone) continue;
                    var sums = forK.Row;
                    sums.Clear();
                    for (int j = 0; j < (causal ? i + 1 : shape.Keys); j++)
                    {
                        double p = Math.Exp(Dot(shape.Query(qs, b, head, i), shape.Key(ks, b, head, j)) * shape.Scale - lses[first + i]);
                        double dS = p * (Dot(shape.Query(dYs, b, head, i), shape.Key(vs, b, head, j)) - delta[i]);
                        AddScaled(sums, dS * shape.Scale, shape.Key(ks, b, head, j));
                    }
                    Assign(shape.Query(dQs, b, head, i), sums);
                }
                for (int j = 0; j < shape.Keys && !(dK.IsNone && dV.IsNone); j++)
                {
                    forK.Clear();
                    forV.Clear();
                    for (int i = causal ? j : 0; i < shape.Queries; i++)
                    {
                        double p = Math.Exp(Dot(shape.Query(qs, b, head, i), shape.Key(ks, b, head, j)) * shape.Scale - lses[first + i]);
                        double dS = p * (Dot(shape.Query(dYs, b, head, i), shape.Key(vs, b, head, j)) - delta[i]);
                        AddScaled(forK.Row, dS * shape.Scale, shape.Query(qs, b, head, i));
                        AddScaled(forV.Row, p, shape.Query(dYs, b, head, i));
                    }
                    if (!dK.IsNone) Assign(shape.Key(dKs, b, head, j), forK.Row);
                    if (!dV.IsNone) Assign(shape.Key(dVs, b, head, j), forV.Row);
                }
            }
    }

    /// <summary>Where the rows of a head lie in [batch, tokens, heads * size]; <see cref="Values"/> leaves out other columns.</summary>
    readonly ref struct HeadShape(Columns q, Columns k, int heads)
    {
        readonly int channels = q.Width;

        public int Batch { get; } = q[0];
        public int Queries { get; } = q[1];
        public int Keys { get; } = k[1];
        public int Size { get; } = q.Width / heads;
        public double Scale => 1 / Math.Sqrt(Size);

        public Span<float> Query(Values values, int b, int head, int i) => values.Slice(((long)b * Queries + i) * channels + head * Size, Size);

        public Span<float> Key(Values values, int b, int head, int j) => values.Slice(((long)b * Keys + j) * channels + head * Size, Size);
    }
}
