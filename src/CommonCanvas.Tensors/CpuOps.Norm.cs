namespace CommonCanvas.Tensors;

/// <summary>Group and layer normalisation; the variance is the biased one (division by the count).</summary>
public unsafe partial class CpuOps
{
    /// <inheritdoc/>
    public virtual void GroupNormForward(Tensor x, Tensor gamma, Tensor beta, int groups, float eps, bool silu, Tensor y, Tensor mean, Tensor rstd)
    {
        // over the pixels p and the channels c of group g in sample b:
        //   mean = average of x,  rstd = 1 / sqrt(average of (x - mean)^2 + eps)
        //   u = gamma[c] (x - mean) rstd + beta[c],  y = silu ? u sigmoid(u) : u
        OpChecks.GroupNormForward(x, gamma, beta, groups, y, mean, rstd);
        int channels = x.Channels, size = channels / groups;
        long pixels = x.Rows / x[0];
        double count = (double)pixels * size;
        using Values xs = Read(x), gs = Read(gamma), bs = Read(beta), ys = Write(y), means = Write(mean), rstds = Write(rstd);
        for (int b = 0; b < x[0]; b++)
            for (int g = 0; g < groups; g++)
            {
                long start = b * pixels * channels + g * size;
                double sum = 0, squares = 0;
                for (long p = 0; p < pixels; p++)
                    foreach (float value in xs.Slice(start + p * channels, size)) sum += value;
                double average = sum / count;
                for (long p = 0; p < pixels; p++)
                    foreach (float value in xs.Slice(start + p * channels, size)) squares += (value - average) * (value - average);
                double inverse = 1 / Math.Sqrt(squares / count + eps);
                for (long p = 0; p < pixels; p++)
                    for (int c = 0; c < size; c++)
                    {
                        long i = start + p * channels + c;
                        double u = gs[g * size + c] * (xs[i] - average) * inverse + bs[g * size + c];
                        ys[i] = (float)(silu ? u * Sigmoid(u) : u);
                    }
                means[b * groups + g] = (float)average;
                rstds[b * groups + g] = (float)inverse;
            }
    }

    /// <inheritdoc/>
    public virtual void GroupNormBackward(Tensor x, Tensor gamma, Tensor beta, Tensor mean, Tensor rstd, Tensor dY, int groups, bool silu, Tensor residual, Tensor dX, GradientTarget dGamma, GradientTarget dBeta)
    {
        // n = (x - mean) rstd,  u = gamma n + beta,  dU = silu ? dY silu'(u) : dY
        //   dBeta[c] += sum of dU,  dGamma[c] += sum of dU n
        //   dX = rstd (gamma dU - average of (gamma dU) - n * average of (gamma dU n)) + residual, averages over the group
        OpChecks.GroupNormBackward(x, gamma, beta, mean, rstd, dY, groups, residual, dX, dGamma, dBeta);
        int channels = x.Channels, size = channels / groups;
        long pixels = x.Rows / x[0];
        double count = (double)pixels * size;
        using Values xs = Read(x), gs = Read(gamma), bs = Read(beta), means = Read(mean), rstds = Read(rstd), dYs = Read(dY), added = Read(residual), dXs = Write(dX);
        using Sums gammas = RentSums(channels), betas = RentSums(channels);
        for (int b = 0; b < x[0]; b++)
            for (int g = 0; g < groups; g++)
            {
                double average = means[b * groups + g], inverse = rstds[b * groups + g];
                double sum = 0, sumN = 0;
                for (long p = 0; p < pixels; p++)
                    for (int c = g * size; c < (g + 1) * size; c++)
                    {
                        long i = (b * pixels + p) * channels + c;
                        double n = (xs[i] - average) * inverse;
                        double dU = silu ? dYs[i] * SiluSlope(gs[c] * n + bs[c]) : dYs[i];
                        betas[c] += dU;
                        gammas[c] += dU * n;
                        sum += gs[c] * dU;
                        sumN += gs[c] * dU * n;
                    }
                if (dX.IsNone) continue;
                for (long p = 0; p < pixels; p++)
                    for (int c = g * size; c < (g + 1) * size; c++)
                    {
                        long i = (b * pixels + p) * channels + c;
                        double n = (xs[i] - average) * inverse;
                        double dU = silu ? dYs[i] * SiluSlope(gs[c] * n + bs[c]) : dYs[i];
                        dXs[i] = (float)(inverse * (gs[c] * dU - sum / count - n * sumN / count) + (residual.IsNone ? 0 : added[i]));
                    }
            }
        if (!dGamma.IsNone) Receive(dGamma.Tensor.Span<float>(), gammas.Row, dGamma.Accumulate);
        if (!dBeta.IsNone) Receive(dBeta.Tensor.Span<float>(), betas.Row, dBeta.Accumulate);
    }

    /// <inheritdoc/>
    public virtual void LayerNormForward(Tensor x, Tensor gamma, Tensor beta, float eps, Tensor y, Tensor mean, Tensor rstd)
    {
        // mean = average of x over the row,  rstd = 1 / sqrt(average of (x - mean)^2 + eps)
        // y[c] = gamma[c] (x[c] - mean) rstd + beta[c]
        OpChecks.LayerNormForward(x, gamma, beta, y, mean, rstd);
        int channels = x.Channels;
        using Values xs = Read(x), gs = Read(gamma), bs = Read(beta), ys = Write(y), means = Write(mean), rstds = Write(rstd);
        for (long r = 0; r < x.Rows; r++)
        {
            Span<float> from = xs.Row(r), to = ys.Row(r);
            double sum = 0, squares = 0;
            foreach (float value in from) sum += value;
            double average = sum / channels;
            foreach (float value in from) squares += (value - average) * (value - average);
            double inverse = 1 / Math.Sqrt(squares / channels + eps);
            for (int c = 0; c < channels; c++) to[c] = (float)(gs[c] * (from[c] - average) * inverse + bs[c]);
            means[r] = (float)average;
            rstds[r] = (float)inverse;
        }
    }

    /// <inheritdoc/>
    public virtual void LayerNormBackward(Tensor x, Tensor gamma, Tensor mean, Tensor rstd, Tensor dY, Tensor residual, Tensor dX, GradientTarget dGamma, GradientTarget dBeta)
    {
        // n = (x - mean) rstd
        //   dBeta[c] += sum over rows of dY,  dGamma[c] += sum over rows of dY n
        //   dX = rstd (gamma dY - average of (gamma dY) - n * average of (gamma dY n)) + residual, averages over the row
        OpChecks.LayerNormBackward(x, gamma, mean, rstd, dY, residual, dX, dGamma, dBeta);
        int channels = x.Channels;
        using Values xs = Read(x), gs = Read(gamma), means = Read(mean), rstds = Read(rstd), dYs = Read(dY), added = Read(residual), dXs = Write(dX);
        using Sums gammas = RentSums(channels), betas = RentSums(channels);
        for (long r = 0; r < x.Rows; r++)
        {
            Span<float> from = xs.Row(r), slope = dYs.Row(r);
            double average = means[r], inverse = rstds[r];
            double sum = 0, sumN = 0;
            for (int c = 0; c < channels; c++)
            {
                double n = (from[c] - average) * inverse;
                betas[c] += slope[c];
                gammas[c] += slope[c] * n;
                sum += (double)gs[c] * slope[c];
                sumN += (double)gs[c] * slope[c] * n;
            }
            if (dX.IsNone) continue;
            var to = dXs.Row(r);
            for (int c = 0; c < channels; c++)
            {
                double n = (from[c] - average) * inverse;
                to[c] = (float)(inverse * ((double)gs[c] * slope[c] - sum / channels - n * sumN / channels) + (residual.IsNone ? 0 : added[r * channels + c]));
            }
        }
        if (!dGamma.IsNone) Receive(dGamma.Tensor.Span<float>(), gammas.Row, dGamma.Accumulate);
        if (!dBeta.IsNone) Receive(dBeta.Tensor.Span<float>(), betas.Row, dBeta.Accumulate);
    }
}
