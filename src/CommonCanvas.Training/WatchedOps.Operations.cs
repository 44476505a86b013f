using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>Every operation: done by the device, counted, inspected.</summary>
public sealed partial class WatchedOps
{
    /// <inheritdoc/>
    public void Upload<T>(ReadOnlySpan<T> host, Tensor y) where T : unmanaged => inner.Upload(host, y);

    /// <inheritdoc/>
    public void Download<T>(Tensor x, Span<T> host) where T : unmanaged => inner.Download(x, host);

    /// <inheritdoc/>
    public void Fill(float value, Tensor y)
    {
        inner.Fill(value, y);
        if (Watching) Inspect(nameof(Fill), Tensor.None, y);
    }

    /// <inheritdoc/>
    public void Cast(Tensor x, Tensor y)
    {
        inner.Cast(x, y);
        if (Watching) Inspect(nameof(Cast), Tensor.None, y);
    }

    /// <inheritdoc/>
    public void Transpose(Tensor x, Tensor y)
    {
        inner.Transpose(x, y);
        if (Watching) Inspect(nameof(Transpose), Tensor.None, y);
    }

    /// <inheritdoc/>
    public void Synchronize() => inner.Synchronize();

    /// <inheritdoc/>
    public void BeginStep() => inner.BeginStep();

    /// <inheritdoc/>
    public void EndStep() => inner.EndStep();

    /// <inheritdoc/>
    public void Label(Tensor memory, string name)
    {
        names[memory.Data] = name;
        inner.Label(memory, name);
    }

    /// <inheritdoc/>
    public void BeginRange(string name) => inner.BeginRange(name);

    /// <inheritdoc/>
    public void EndRange() => inner.EndRange();

    /// <inheritdoc/>
    public bool Records => inner.Records;

    /// <inheritdoc/>
    public IRecording Record(Action work)
    {
        if (Watching) throw new InvalidOperationException("results that are inspected are read back one by one, which cannot be recorded");
        double before = Flops;
        try
        {
            var recording = inner.Record(work);
            return new CountedRecording(this, recording, Flops - before);
        }
        finally { Flops = before; }
    }

    sealed class CountedRecording(WatchedOps owner, IRecording recording, double flops) : IRecording
    {
        public void Replay()
        {
            recording.Replay();
            owner.Flops += flops;
        }

        public void Dispose() => recording.Dispose();
    }

    /// <inheritdoc/>
    public void LinearForward(Tensor x, Tensor weight, Tensor bias, Tensor residual, Tensor y)
    {
        inner.LinearForward(x, weight, bias, residual, y);
        Flops += 2 * x.Rows * weight.Count;
        if (Watching) Inspect(nameof(LinearForward), weight, y);
    }

    /// <inheritdoc/>
    public void LinearBackward(Tensor x, Tensor weight, Tensor dY, Tensor residual, Tensor dX, GradientTarget dWeight, GradientTarget dBias)
    {
        inner.LinearBackward(x, weight, dY, residual, dX, dWeight, dBias);
        Flops += 2 * x.Rows * weight.Count * Wanted(dX, dWeight.Tensor);
        if (Watching) Inspect(nameof(LinearBackward), weight, dX, dWeight.Tensor, dBias.Tensor);
    }

    /// <inheritdoc/>
    public bool GathersWeights => inner.GathersWeights;

    /// <inheritdoc/>
    public void LinearBackwardWeights(IReadOnlyList<LinearGradient> gradients)
    {
        inner.LinearBackwardWeights(gradients);
        for (int i = 0; i < gradients.Count; i++)
        {
            var (x, dY, dWeight) = gradients[i];
            Flops += 2 * x.Count * dY.Channels;
            if (Watching) Inspect(nameof(LinearBackwardWeights), dWeight.Tensor, dWeight.Tensor);
        }
    }

    /// <inheritdoc/>
    public void LinearGegluForward(Tensor x, Tensor weight, Tensor bias, Tensor u, Tensor y)
    {
        inner.LinearGegluForward(x, weight, bias, u, y);
        Flops += 2 * x.Rows * weight.Count;
        if (Watching) Inspect(nameof(LinearGegluForward), weight, u, y);
    }

    /// <inheritdoc/>
    public void LinearGegluBackward(Tensor u, Tensor weight, Tensor dY, Tensor dU)
    {
        inner.LinearGegluBackward(u, weight, dY, dU);
        Flops += 2 * dY.Rows * weight.Count;
        if (Watching) Inspect(nameof(LinearGegluBackward), weight, dU);
    }

    /// <inheritdoc/>
    public void ConvForward(Tensor x, Tensor weight, Tensor bias, Tensor perSample, Tensor residual, ConvGeometry geometry, Tensor y)
    {
        inner.ConvForward(x, weight, bias, perSample, residual, geometry, y);
        Flops += 2 * y.Rows * weight.Count;
        if (Watching) Inspect(nameof(ConvForward), weight, y);
    }

    /// <inheritdoc/>
    public void ConvBackward(Tensor x, Tensor weight, Tensor dY, ConvGeometry geometry, Tensor dX, GradientTarget dWeight, GradientTarget dBias, Tensor dPerSample)
    {
        inner.ConvBackward(x, weight, dY, geometry, dX, dWeight, dBias, dPerSample);
        Flops += 2 * dY.Rows * weight.Count * Wanted(dX, dWeight.Tensor);
        if (Watching) Inspect(nameof(ConvBackward), weight, dX, dWeight.Tensor, dBias.Tensor, dPerSample);
    }

    /// <inheritdoc/>
    public void GroupNormForward(Tensor x, Tensor gamma, Tensor beta, int groups, float eps, bool silu, Tensor y, Tensor mean, Tensor rstd)
    {
        inner.GroupNormForward(x, gamma, beta, groups, eps, silu, y, mean, rstd);
        if (Watching) Inspect(nameof(GroupNormForward), gamma, y);
    }

    /// <inheritdoc/>
    public void GroupNormBackward(Tensor x, Tensor gamma, Tensor beta, Tensor mean, Tensor rstd, Tensor dY, int groups, bool silu, Tensor residual, Tensor dX, GradientTarget dGamma, GradientTarget dBeta)
    {
        inner.GroupNormBackward(x, gamma, beta, mean, rstd, dY, groups, silu, residual, dX, dGamma, dBeta);
        if (Watching) Inspect(nameof(GroupNormBackward), gamma, dX, dGamma.Tensor, dBeta.Tensor);
    }

    /// <inheritdoc/>
    public void LayerNormForward(Tensor x, Tensor gamma, Tensor beta, float eps, Tensor y, Tensor mean, Tensor rstd)
    {
        inner.LayerNormForward(x, gamma, beta, eps, y, mean, rstd);
        if (Watching) Inspect(nameof(LayerNormForward), gamma, y);
    }

    /// <inheritdoc/>
    public void LayerNormBackward(Tensor x, Tensor gamma, Tensor mean, Tensor rstd, Tensor dY, Tensor residual, Tensor dX, GradientTarget dGamma, GradientTarget dBeta)
    {
        inner.LayerNormBackward(x, gamma, mean, rstd, dY, residual, dX, dGamma, dBeta);
        if (Watching) Inspect(nameof(LayerNormBackward), gamma, dX, dGamma.Tensor, dBeta.Tensor);
    }

    /// <inheritdoc/>
    public void AttentionForward(Columns q, Columns k, Columns v, int heads, bool causal, Tensor y, Tensor logSumExp)
    {
        inner.AttentionForward(q, k, v, heads, causal, y, logSumExp);
        Flops += 4 * q.Count * k[1];
        if (Watching) Inspect(nameof(AttentionForward), Tensor.None, y);
    }

    /// <inheritdoc/>
    public void AttentionBackward(Columns q, Columns k, Columns v, Tensor y, Tensor logSumExp, Tensor dY, int heads, bool causal, Columns dQ, Columns dK, Columns dV)
    {
        inner.AttentionBackward(q, k, v, y, logSumExp, dY, heads, causal, dQ, dK, dV);
        Flops += 10 * q.Count * k[1];
        if (Watching) Inspect(nameof(AttentionBackward), Tensor.None, dQ, dK, dV);
    }

    /// <inheritdoc/>
    public void ActivationForward(Tensor x, Activation f, Tensor y)
    {
        inner.ActivationForward(x, f, y);
        if (Watching) Inspect(nameof(ActivationForward), Tensor.None, y);
    }

    /// <inheritdoc/>
    public void ActivationBackward(Tensor x, Activation f, Tensor dY, Tensor dX)
    {
        inner.ActivationBackward(x, f, dY, dX);
        if (Watching) Inspect(nameof(ActivationBackward), Tensor.None, dX);
    }

    /// <inheritdoc/>
    public void GegluForward(Tensor x, Tensor y)
    {
        inner.GegluForward(x, y);
        if (Watching) Inspect(nameof(GegluForward), Tensor.None, y);
    }

    /// <inheritdoc/>
    public void GegluBackward(Tensor x, Tensor dY, Tensor dX)
    {
        inner.GegluBackward(x, dY, dX);
        if (Watching) Inspect(nameof(GegluBackward), Tensor.None, dX);
    }

    /// <inheritdoc/>
    public void Add(Tensor a, Tensor b, Tensor y)
    {
        inner.Add(a, b, y);
        if (Watching) Inspect(nameof(Add), Tensor.None, y);
    }

    /// <inheritdoc/>
    public void Scale(Tensor x, float factor, Tensor y)
    {
        inner.Scale(x, factor, y);
        if (Watching) Inspect(nameof(Scale), Tensor.None, y);
    }

    /// <inheritdoc/>
    public void UpsampleForward(Tensor x, Tensor y)
    {
        inner.UpsampleForward(x, y);
        if (Watching) Inspect(nameof(UpsampleForward), Tensor.None, y);
    }

    /// <inheritdoc/>
    public void UpsampleBackward(Tensor dY, Tensor dX)
    {
        inner.UpsampleBackward(dY, dX);
        if (Watching) Inspect(nameof(UpsampleBackward), Tensor.None, dX);
    }

    /// <inheritdoc/>
    public void ConcatForward(Tensor a, Tensor b, Tensor y)
    {
        inner.ConcatForward(a, b, y);
        if (Watching) Inspect(nameof(ConcatForward), Tensor.None, y);
    }

    /// <inheritdoc/>
    public void ConcatBackward(Tensor dY, Tensor dA, Tensor dB)
    {
        inner.ConcatBackward(dY, dA, dB);
        if (Watching) Inspect(nameof(ConcatBackward), Tensor.None, dA, dB);
    }

    /// <inheritdoc/>
    public void EmbeddingForward(Tensor ids, Tensor table, Tensor position, Tensor y)
    {
        inner.EmbeddingForward(ids, table, position, y);
        if (Watching) Inspect(nameof(EmbeddingForward), table, y);
    }

    /// <inheritdoc/>
    public void EmbeddingBackward(Tensor ids, Tensor dY, GradientTarget dTable, GradientTarget dPosition)
    {
        inner.EmbeddingBackward(ids, dY, dTable, dPosition);
        if (Watching) Inspect(nameof(EmbeddingBackward), dTable.Tensor, dTable.Tensor, dPosition.Tensor);
    }

    /// <inheritdoc/>
    public void TimestepEmbedding(Tensor timesteps, bool flipSinToCos, float freqShift, Tensor y)
    {
        inner.TimestepEmbedding(timesteps, flipSinToCos, freqShift, y);
        if (Watching) Inspect(nameof(TimestepEmbedding), Tensor.None, y);
    }

    /// <inheritdoc/>
    public void AddNoise(Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y)
    {
        inner.AddNoise(x0, noise, signal, noiseLevel, y);
        if (Watching) Inspect(nameof(AddNoise), Tensor.None, y);
    }

    /// <inheritdoc/>
    public void Velocity(Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y)
    {
        inner.Velocity(x0, noise, signal, noiseLevel, y);
        if (Watching) Inspect(nameof(Velocity), Tensor.None, y);
    }

    /// <inheritdoc/>
    public void MseForward(Tensor prediction, Tensor target, Tensor weight, Tensor loss)
    {
        inner.MseForward(prediction, target, weight, loss);
        if (Watching) Inspect(nameof(MseForward), Tensor.None, loss);
    }

    /// <inheritdoc/>
    public void MseBackward(Tensor prediction, Tensor target, Tensor weight, float scale, Tensor dPrediction)
    {
        inner.MseBackward(prediction, target, weight, scale, dPrediction);
        if (Watching) Inspect(nameof(MseBackward), Tensor.None, dPrediction);
    }

    /// <inheritdoc/>
    public void PosteriorForward(Tensor moments, Tensor noise, Tensor latent, Tensor kl)
    {
        inner.PosteriorForward(moments, noise, latent, kl);
        if (Watching) Inspect(nameof(PosteriorForward), Tensor.None, latent, kl);
    }

    /// <inheritdoc/>
    public void PosteriorBackward(Tensor moments, Tensor noise, Tensor dLatent, float klScale, Tensor dMoments)
    {
        inner.PosteriorBackward(moments, noise, dLatent, klScale, dMoments);
        if (Watching) Inspect(nameof(PosteriorBackward), Tensor.None, dMoments);
    }

    /// <inheritdoc/>
    public void RandomNormal(ReadOnlySpan<RandomKey> keys, Tensor y) => inner.RandomNormal(keys, y);

    /// <inheritdoc/>
    public void RandomUniform(ReadOnlySpan<RandomKey> keys, Tensor y) => inner.RandomUniform(keys, y);

    /// <inheritdoc/>
    public void SumSquares(Tensor x, Tensor sum) => inner.SumSquares(x, sum);

    /// <inheritdoc/>
    public void ClipScale(Tensor sumSquares, float unscale, float maxNorm, Tensor norm, Tensor scale) => inner.ClipScale(sumSquares, unscale, maxNorm, norm, scale);

    /// <inheritdoc/>
    public void AdamW(Tensor master, Tensor gradient, Tensor m, Tensor v, Tensor scale, in AdamWSettings settings, Tensor compute) => inner.AdamW(master, gradient, m, v, scale, in settings, compute);

    /// <inheritdoc/>
    public void Ema(Tensor average, Tensor value, double decay) => inner.Ema(average, value, decay);

    /// <inheritdoc/>
    public long CountNonFinite(Tensor x) => inner.CountNonFinite(x);
}
