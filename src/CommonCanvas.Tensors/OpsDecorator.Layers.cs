namespace CommonCanvas.Tensors;

/// <summary>Operations with weights, and attention.</summary>
public abstract partial class OpsDecorator
{
    /// <inheritdoc/>
    public void LinearForward(Tensor x, Tensor weight, Tensor bias, Tensor residual, Tensor y) => // 2 M I O
        Run(nameof(LinearForward), [Reads(x), Reads(weight), Reads(bias), Reads(residual), Writes(y)],
            () => new(2.0 * x.Count * weight[0], weight[1]),
            (ops, at) => ops.LinearForward(at(x), at(weight), at(bias), at(residual), at(y)));

    /// <inheritdoc/>
    public void LinearBackward(Tensor x, Tensor weight, Tensor dY, Tensor residual, Tensor dX, GradientTarget dWeight, GradientTarget dBias) => // 2 M I O for each of dX and dWeight, M O for dBias
        Run(nameof(LinearBackward), [Reads(x), Reads(weight), Reads(dY), Reads(residual), Writes(dX), Receives(dWeight), Receives(dBias)],
            () => new(2.0 * x.Count * weight[0] * Present(dX, dWeight.Tensor) + dY.Count * Present(dBias.Tensor), Math.Max(x.Rows, weight[0])),
            (ops, at) => ops.LinearBackward(at(x), at(weight), at(dY), at(residual), at(dX), dWeight.Through(at), dBias.Through(at)));

    /// <inheritdoc/>
    public bool GathersWeights => Inner.GathersWeights;

    /// <inheritdoc/>
    public void LinearBackwardWeights(IReadOnlyList<LinearGradient> gradients) // 2 M I O for each
    {
        var arguments = new OpArgument[3 * gradients.Count];
        for (int i = 0; i < gradients.Count; i++)
        {
            var (x, dY, dWeight) = gradients[i];
            (arguments[3 * i], arguments[3 * i + 1], arguments[3 * i + 2]) = (Reads(x, $"x{i}"), Reads(dY, $"dY{i}"), Receives(dWeight, $"dWeight{i}"));
        }
        Run(nameof(LinearBackwardWeights), arguments,
            () => new(gradients.Sum(gradient => 2.0 * gradient.X.Count * gradient.DY.Channels), gradients.Select(gradient => gradient.X.Rows).DefaultIfEmpty().Max()),
            (ops, at) => ops.LinearBackwardWeights([.. gradients.Select(gradient => new LinearGradient(at(gradient.X), at(gradient.DY), gradient.DWeight.Through(at)))]));
    }

    /// <inheritdoc/>
    public void LinearGegluForward(Tensor x, Tensor weight, Tensor bias, Tensor u, Tensor y) => // as LinearForward and GegluForward
        Run(nameof(LinearGegluForward), [Reads(x), Reads(weight), Reads(bias), Writes(u), Writes(y)],
            () => new(2.0 * x.Count * weight[0] + 6.0 * y.Count, weight[1], RoundedFactors: 2),
            (ops, at) => ops.LinearGegluForward(at(x), at(weight), at(bias), at(u), at(y)));

    /// <inheritdoc/>
    public void LinearGegluBackward(Tensor u, Tensor weight, Tensor dY, Tensor dU) => // as LinearBackward's dX and GegluBackward
        Run(nameof(LinearGegluBackward), [Reads(u), Reads(weight), Reads(dY), Writes(dU)],
            () => new(2.0 * dY.Count * weight[1] + 6.5 * u.Count, weight[0], RoundedFactors: 1),
            (ops, at) => ops.LinearGegluBackward(at(u), at(weight), at(dY), at(dU)));

    /// <inheritdoc/>
    public void ConvForward(Tensor x, Tensor weight, Tensor bias, Tensor perSample, Tensor residual, ConvGeometry geometry, Tensor y) => // 2 B Ho Wo O k k I
        Run(nameof(ConvForward), [Reads(x), Reads(weight), Reads(bias), Reads(perSample), Reads(residual), Writes(y)],
            () => new(2.0 * y.Rows * weight.Count, weight.Count / weight[0]),
            (ops, at) => ops.ConvForward(at(x), at(weight), at(bias), at(perSample), at(residual), geometry, at(y)));

    /// <inheritdoc/>
    public void ConvBackward(Tensor x, Tensor weight, Tensor dY, ConvGeometry geometry, Tensor dX, GradientTarget dWeight, GradientTarget dBias, Tensor dPerSample) =>
        // 2 B Ho Wo O k k I for each of dX and dWeight, B Ho Wo O for each of dBias and dPerSample
        Run(nameof(ConvBackward), [Reads(x), Reads(weight), Reads(dY), Writes(dX), Receives(dWeight), Receives(dBias), Writes(dPerSample)],
            () => new(2.0 * dY.Rows * weight.Count * Present(dX, dWeight.Tensor) + dY.Count * Present(dBias.Tensor, dPerSample), Math.Max(dY.Rows, weight.Count / x[3])),
            (ops, at) => ops.ConvBackward(at(x), at(weight), at(dY), geometry, at(dX), dWeight.Through(at), dBias.Through(at), at(dPerSample)));

    /// <inheritdoc/>
    public void GroupNormForward(Tensor x, Tensor gamma, Tensor beta, int groups, float eps, bool silu, Tensor y, Tensor mean, Tensor rstd) =>
        // an element: 1 for the mean, 3 for the variance, 4 to normalise, 4 for SiLU
        Run(nameof(GroupNormForward), [Reads(x), Reads(gamma), Reads(beta), Writes(y), Writes(mean), Writes(rstd)],
            () => new((silu ? 12.0 : 8.0) * x.Count, x.Count / mean.Count),
            (ops, at) => ops.GroupNormForward(at(x), at(gamma), at(beta), groups, eps, silu, at(y), at(mean), at(rstd)));

    /// <inheritdoc/>
    public void GroupNormBackward(Tensor x, Tensor gamma, Tensor beta, Tensor mean, Tensor rstd, Tensor dY, int groups, bool silu, Tensor residual, Tensor dX, GradientTarget dGamma, GradientTarget dBeta) =>
        // an element: 2 to normalise, 3 for dGamma and dBeta, 4 for the averages, 4 for dX; 10 for SiLU's slope
        Run(nameof(GroupNormBackward), [Reads(x), Reads(gamma), Reads(beta), Reads(mean), Reads(rstd), Reads(dY), Reads(residual), Writes(dX), Receives(dGamma), Receives(dBeta)],
            () => new((silu ? 23.0 : 13.0) * x.Count, Math.Max(x.Count / mean.Count, x.Rows)),
            (ops, at) => ops.GroupNormBackward(at(x), at(gamma), at(beta), at(mean), at(rstd), at(dY), groups, silu, at(residual), at(dX), dGamma.Through(at), dBeta.Through(at)));

    /// <inheritdoc/>
    public void LayerNormForward(Tensor x, Tensor gamma, Tensor beta, float eps, Tensor y, Tensor mean, Tensor rstd) => // as GroupNorm
        Run(nameof(LayerNormForward), [Reads(x), Reads(gamma), Reads(beta), Writes(y), Writes(mean), Writes(rstd)],
            () => new(8.0 * x.Count, x.Channels),
            (ops, at) => ops.LayerNormForward(at(x), at(gamma), at(beta), eps, at(y), at(mean), at(rstd)));

    /// <inheritdoc/>
    public void LayerNormBackward(Tensor x, Tensor gamma, Tensor mean, Tensor rstd, Tensor dY, Tensor residual, Tensor dX, GradientTarget dGamma, GradientTarget dBeta) => // as GroupNorm
        Run(nameof(LayerNormBackward), [Reads(x), Reads(gamma), Reads(mean), Reads(rstd), Reads(dY), Reads(residual), Writes(dX), Receives(dGamma), Receives(dBeta)],
            () => new(13.0 * x.Count, Math.Max(x.Rows, x.Channels)),
            (ops, at) => ops.LayerNormBackward(at(x), at(gamma), at(mean), at(rstd), at(dY), at(residual), at(dX), dGamma.Through(at), dBeta.Through(at)));

    /// <inheritdoc/>
    public void AttentionForward(Columns q, Columns k, Columns v, int heads, bool causal, Tensor y, Tensor logSumExp) =>
        // two products of 2 C for each pair of query and key; the softmax, 4 for each pair and head
        Run(nameof(AttentionForward), [Reads(q), Reads(k), Reads(v), Writes(y), Writes(logSumExp)],
            () => new(Pairs(q, k, causal) * (4.0 * q.Width + 4.0 * heads), q.Width / heads + k[1]),
            (ops, at) => ops.AttentionForward(q.Through(at), k.Through(at), v.Through(at), heads, causal, at(y), at(logSumExp)));

    /// <inheritdoc/>
    public void AttentionBackward(Columns q, Columns k, Columns v, Tensor y, Tensor logSumExp, Tensor dY, int heads, bool causal, Columns dQ, Columns dK, Columns dV) =>
        // five products of 2 C for each pair: scores, dY v, dQ, dK, dV; exp and dS, 5 for each pair and head
        Run(nameof(AttentionBackward), [Reads(q), Reads(k), Reads(v), Reads(y), Reads(logSumExp), Reads(dY), Writes(dQ), Writes(dK), Writes(dV)],
            () => new(Pairs(q, k, causal) * ((4.0 + 2.0 * Present(dQ.Tensor, dK.Tensor, dV.Tensor)) * q.Width + 5.0 * heads), q.Width / heads + Math.Max(q[1], k[1])),
            (ops, at) => ops.AttentionBackward(q.Through(at), k.Through(at), v.Through(at), at(y), at(logSumExp), at(dY), heads, causal, dQ.Through(at), dK.Through(at), dV.Through(at)));

    /// <summary>Pairs of a query and a key that it sees, in the batch.</summary>
    static double Pairs(Columns q, Columns k, bool causal) => q[0] * (causal ? q[1] * (q[1] + 1.0) / 2 : (double)q[1] * k[1]);

    static int Present(Tensor a, Tensor b = default, Tensor c = default) => (a.IsNone ? 0 : 1) + (b.IsNone ? 0 : 1) + (c.IsNone ? 0 : 1);
}
