namespace CommonCanvas.Tensors;

/// <summary>Passes over flat buffers of parameters.</summary>
public unsafe partial class CpuOps
{
    /// <inheritdoc/>
    public virtual void SumSquares(Tensor x, Tensor sum)
    {
        // sum = sum of x^2
        OpChecks.SumSquares(x, sum);
        using Values xs = Read(x), result = Write(sum);
        double total = 0;
        for (long i = 0; i < x.Count; i++) total += (double)xs[i] * xs[i];
        result[0] = (float)total;
    }

    /// <inheritdoc/>
    public virtual void ClipScale(Tensor sumSquares, float unscale, float maxNorm, Tensor norm, Tensor scale)
    {
        // norm = unscale sqrt(sumSquares);  scale = unscale min(1, maxNorm / (norm + 1e-6)), not a number where norm is not finite
        OpChecks.ClipScale(sumSquares, norm, scale);
        using Values sums = Read(sumSquares), norms = Write(norm), scales = Write(scale);
        double length = unscale * Math.Sqrt(sums[0]);
        norms[0] = (float)length;
        scales[0] = float.IsFinite(norms[0]) ? (float)(unscale * Math.Min(1, maxNorm / (length + 1e-6))) : float.NaN;
    }

    /// <inheritdoc/>
    public virtual void AdamW(Tensor master, Tensor gradient, Tensor m, Tensor v, Tensor scale, in AdamWSettings settings, Tensor compute)
    {
        // g = scale gradient
        // m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
        // p = (1 - lr decay) p - lr / (1 - beta1^step) m / (sqrt(v) / sqrt(1 - beta2^step) + epsilon)
        OpChecks.AdamW(master, gradient, m, v, scale, settings, compute);
        using Values ps = Read(master), gs = Read(gradient), ms = Read(m), vs = Read(v), scales = Read(scale);
        double factor = scales[0];
        if (!double.IsFinite(factor)) return;
        double shrink = 1 - settings.LearningRate * settings.WeightDecay;
        double stepSize = settings.LearningRate / (1 - Math.Pow(settings.Beta1, settings.Step));
        double root = Math.Sqrt(1 - Math.Pow(settings.Beta2, settings.Step));
        using var cs = Write(compute);
        for (long i = 0; i < master.Count; i++)
        {
            double g = factor * gs[i];
            double first = settings.Beta1 * ms[i] + (1 - settings.Beta1) * g;
            double second = settings.Beta2 * vs[i] + (1 - settings.Beta2) * g * g;
            (ms[i], vs[i]) = ((float)first, (float)second);
            ps[i] = (float)(shrink * ps[i] - stepSize * first / (Math.Sqrt(second) / root + settings.Epsilon));
            if (!compute.IsNone) cs[i] = ps[i];
        }
    }

    /// <inheritdoc/>
    public virtual void Ema(Tensor average, Tensor value, double decay)
    {
        // average = decay average + (1 - decay) value
        OpChecks.Ema(average, value);
        using Values averages = Read(average), values = Read(value);
        for (long i = 0; i < average.Count; i++) averages[i] = (float)(decay * averages[i] + (1 - decay) * values[i]);
    }

    /// <inheritdoc/>
    public virtual long CountNonFinite(Tensor x)
    {
        OpChecks.CountNonFinite(x);
        using var xs = Read(x);
        long count = 0;
        for (long i = 0; i < x.Count; i++)
            if (!float.IsFinite(xs[i])) count++;
        return count;
    }
}
