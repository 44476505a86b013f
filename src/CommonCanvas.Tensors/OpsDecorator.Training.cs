namespace CommonCanvas.Tensors;

/// <summary>Embeddings, diffusion, losses and the optimizer.</summary>
public abstract partial class OpsDecorator
{
    /// <inheritdoc/>
    public void EmbeddingForward(Tensor ids, Tensor table, Tensor position, Tensor y) =>
        Run(nameof(EmbeddingForward), [Reads(ids), Reads(table), Reads(position), Writes(y)], () => new(y.Count * Present(position), 1, OtherRows(table, ids.Count) + OtherRows(position, ids.Channels)),
            (ops, at) => ops.EmbeddingForward(at(ids), at(table), at(position), at(y)));

    /// <inheritdoc/>
    public void EmbeddingBackward(Tensor ids, Tensor dY, GradientTarget dTable, GradientTarget dPosition) =>
        Run(nameof(EmbeddingBackward), [Reads(ids), Reads(dY), Receives(dTable), Receives(dPosition)],
            () => new((double)dY.Count * Present(dTable.Tensor, dPosition.Tensor), ids.Count, Untouched(dTable, ids.Count) + Untouched(dPosition, ids.Channels)),
            (ops, at) => ops.EmbeddingBackward(at(ids), at(dY), dTable.Through(at), dPosition.Through(at)));

    /// <inheritdoc/>
    public void TimestepEmbedding(Tensor timesteps, bool flipSinToCos, float freqShift, Tensor y) =>
        // product and sine; a rounded angle below 1000 errs like a sum of 1000^2 terms
        Run(nameof(TimestepEmbedding), [Reads(timesteps), Writes(y)], () => new(2.0 * y.Count, 1_000_000),
            (ops, at) => ops.TimestepEmbedding(at(timesteps), flipSinToCos, freqShift, at(y)));

    /// <inheritdoc/>
    public void AddNoise(Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y) =>
        Run(nameof(AddNoise), [Reads(x0), Reads(noise), Reads(signal), Reads(noiseLevel), Writes(y)], () => new(3.0 * y.Count, 2),
            (ops, at) => ops.AddNoise(at(x0), at(noise), at(signal), at(noiseLevel), at(y)));

    /// <inheritdoc/>
    public void Velocity(Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y) =>
        Run(nameof(Velocity), [Reads(x0), Reads(noise), Reads(signal), Reads(noiseLevel), Writes(y)], () => new(3.0 * y.Count, 2),
            (ops, at) => ops.Velocity(at(x0), at(noise), at(signal), at(noiseLevel), at(y)));

    /// <inheritdoc/>
    public void MseForward(Tensor prediction, Tensor target, Tensor weight, Tensor loss) => // difference, square, sum
        Run(nameof(MseForward), [Reads(prediction), Reads(target), Reads(weight), Writes(loss)], () => new(3.0 * prediction.Count, prediction.Count / prediction[0]),
            (ops, at) => ops.MseForward(at(prediction), at(target), at(weight), at(loss)));

    /// <inheritdoc/>
    public void MseBackward(Tensor prediction, Tensor target, Tensor weight, float scale, Tensor dPrediction) => // difference, factor
        Run(nameof(MseBackward), [Reads(prediction), Reads(target), Reads(weight), Writes(dPrediction)], () => new(2.0 * prediction.Count, 1),
            (ops, at) => ops.MseBackward(at(prediction), at(target), at(weight), scale, at(dPrediction)));

    /// <inheritdoc/>
    public void PosteriorForward(Tensor moments, Tensor noise, Tensor latent, Tensor kl) => // clamp, half, exp, product, sum: 6; kl: 6
        Run(nameof(PosteriorForward), [Reads(moments), Reads(noise), Writes(latent), Writes(kl)], () => new(6.0 * latent.Count * (1 + Present(kl)), latent.Count / latent[0]),
            (ops, at) => ops.PosteriorForward(at(moments), at(noise), at(latent), at(kl)));

    /// <inheritdoc/>
    public void PosteriorBackward(Tensor moments, Tensor noise, Tensor dLatent, float klScale, Tensor dMoments) => // dMean 2, dLogvar 9
        Run(nameof(PosteriorBackward), [Reads(moments), Reads(noise), Reads(dLatent), Writes(dMoments)], () => new(11.0 * dLatent.Count, 1),
            (ops, at) => ops.PosteriorBackward(at(moments), at(noise), at(dLatent), klScale, at(dMoments)));

    /// <inheritdoc/>
    public void RandomNormal(ReadOnlySpan<RandomKey> keys, Tensor y)
    {
        var copy = keys.ToArray();
        Run(nameof(RandomNormal), [Writes(y)], () => new(0, 1), (ops, at) => ops.RandomNormal(copy, at(y)));
    }

    /// <inheritdoc/>
    public void RandomUniform(ReadOnlySpan<RandomKey> keys, Tensor y)
    {
        var copy = keys.ToArray();
        Run(nameof(RandomUniform), [Writes(y)], () => new(0, 1), (ops, at) => ops.RandomUniform(copy, at(y)));
    }

    /// <inheritdoc/>
    public void SumSquares(Tensor x, Tensor sum) =>
        Run(nameof(SumSquares), [Reads(x), Writes(sum)], () => new(2.0 * x.Count, x.Count), (ops, at) => ops.SumSquares(at(x), at(sum)));

    /// <inheritdoc/>
    public void ClipScale(Tensor sumSquares, float unscale, float maxNorm, Tensor norm, Tensor scale) =>
        Run(nameof(ClipScale), [Reads(sumSquares), Writes(norm), Writes(scale)], () => new(6, 1),
            (ops, at) => ops.ClipScale(at(sumSquares), unscale, maxNorm, at(norm), at(scale)));

    /// <inheritdoc/>
    public void AdamW(Tensor master, Tensor gradient, Tensor m, Tensor v, Tensor scale, in AdamWSettings settings, Tensor compute)
    {
        // g 1, m 3, v 4, p: root, two divisions, sum, two products, difference: 7
        var copy = settings;
        Run(nameof(AdamW), [Updates(master), Reads(gradient), Updates(m), Updates(v), Reads(scale), Writes(compute)], () => new(15.0 * master.Count, 3),
            (ops, at) => ops.AdamW(at(master), at(gradient), at(m), at(v), at(scale), copy, at(compute)));
    }

    /// <inheritdoc/>
    public void Ema(Tensor average, Tensor value, double decay) =>
        Run(nameof(Ema), [Updates(average), Reads(value)], () => new(3.0 * average.Count, 2), (ops, at) => ops.Ema(at(average), at(value), decay));

    /// <inheritdoc/>
    public long CountNonFinite(Tensor x)
    {
        long count = 0;
        Run(nameof(CountNonFinite), [Reads(x)], () => new(0, 1), (ops, at) => count = ops.CountNonFinite(at(x)));
        return count;
    }

    /// <summary>Bytes of the rows of a table beyond the first so many: no more are used.</summary>
    static long OtherRows(Tensor table, long used) => table.IsNone ? 0 : table.Bytes / table[0] * Math.Max(0, table[0] - used);

    /// <summary>The same of a table's gradient, whose rows are read and written where it is added to, and all written where not.</summary>
    static long Untouched(GradientTarget table, long used) => table.Accumulate ? 2 * OtherRows(table.Tensor, used) : 0;
}
