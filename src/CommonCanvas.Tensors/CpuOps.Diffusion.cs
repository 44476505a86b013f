namespace CommonCanvas.Tensors;

/// <summary>Noise, targets and losses of diffusion and of the autoencoder.</summary>
public unsafe partial class CpuOps
{
    /// <inheritdoc/>
    public virtual void TimestepEmbedding(Tensor timesteps, bool flipSinToCos, float freqShift, Tensor y)
    {
        // w[i] = 10000^(-i / (D/2 - shift));  y[b] = (sin(t w), cos(t w)), or the cosines first; an odd D ends in 0
        OpChecks.TimestepEmbedding(timesteps, y);
        int half = y[1] / 2;
        using Values ts = Read(timesteps), ys = Write(y);
        for (int b = 0; b < y[0]; b++)
        {
            var to = ys.Row(b);
            to.Clear();
            for (int i = 0; i < half; i++)
            {
                double angle = ts[b] * Math.Exp(-Math.Log(10000) * i / (half - freqShift));
                to[flipSinToCos ? half + i : i] = (float)Math.Sin(angle);
                to[flipSinToCos ? i : half + i] = (float)Math.Cos(angle);
            }
        }
    }

    /// <inheritdoc/>
    public virtual void AddNoise(Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y)
    {
        // y = signal[b] x0 + noiseLevel[b] noise
        OpChecks.AddNoise(x0, noise, signal, noiseLevel, y);
        long size = x0.Count / x0[0];
        using Values xs = Read(x0), ns = Read(noise), signals = Read(signal), levels = Read(noiseLevel), ys = Write(y);
        for (long i = 0; i < y.Count; i++) ys[i] = (float)((double)signals[i / size] * xs[i] + (double)levels[i / size] * ns[i]);
    }

    /// <inheritdoc/>
    public virtual void Velocity(Tensor x0, Tensor noise, Tensor signal, Tensor noiseLevel, Tensor y)
    {
        // y = signal[b] noise - noiseLevel[b] x0
        OpChecks.Velocity(x0, noise, signal, noiseLevel, y);
        long size = x0.Count / x0[0];
        using Values xs = Read(x0), ns = Read(noise), signals = Read(signal), levels = Read(noiseLevel), ys = Write(y);
        for (long i = 0; i < y.Count; i++) ys[i] = (float)((double)signals[i / size] * ns[i] - (double)levels[i / size] * xs[i]);
    }

    /// <inheritdoc/>
    public virtual void MseForward(Tensor prediction, Tensor target, Tensor weight, Tensor loss)
    {
        // loss[b] = weight[b] * average of (prediction - target)^2
        OpChecks.MseForward(prediction, target, weight, loss);
        long size = prediction.Count / prediction[0];
        using Values ps = Read(prediction), ts = Read(target), weights = Read(weight), losses = Write(loss);
        for (int b = 0; b < prediction[0]; b++)
        {
            double sum = 0;
            for (long i = b * size; i < (b + 1) * size; i++)
            {
                double difference = (double)ps[i] - ts[i];
                sum += difference * difference;
            }
            losses[b] = (float)(weights[b] * sum / size);
        }
    }

    /// <inheritdoc/>
    public virtual void MseBackward(Tensor prediction, Tensor target, Tensor weight, float scale, Tensor dPrediction)
    {
        // dPrediction = scale weight[b] 2 (prediction - target) / elements of a sample
        OpChecks.MseBackward(prediction, target, weight, dPrediction);
        long size = prediction.Count / prediction[0];
        using Values ps = Read(prediction), ts = Read(target), weights = Read(weight), ds = Write(dPrediction);
        for (long i = 0; i < prediction.Count; i++)
            ds[i] = (float)((double)scale * weights[i / size] * 2 * ((double)ps[i] - ts[i]) / size);
    }

    const double LowestLogVariance = -30, HighestLogVariance = 20;

    /// <inheritdoc/>
    public virtual void PosteriorForward(Tensor moments, Tensor noise, Tensor latent, Tensor kl)
    {
        // l = clamp(logvar);  latent = mean + exp(l / 2) noise;  kl[b] = 1/2 sum of (mean^2 + exp(l) - 1 - l)
        OpChecks.PosteriorForward(moments, noise, latent, kl);
        int channels = latent.Channels;
        long pixels = latent.Rows / latent[0];
        using Values ms = Read(moments), ns = Read(noise), latents = Write(latent), kls = Write(kl);
        for (int b = 0; b < latent[0]; b++)
        {
            double sum = 0;
            for (long p = b * pixels; p < (b + 1) * pixels; p++)
                for (int c = 0; c < channels; c++)
                {
                    double mean = ms.Row(p)[c], logVariance = Math.Clamp(ms.Row(p)[channels + c], LowestLogVariance, HighestLogVariance);
                    double sample = noise.IsNone ? mean : mean + Math.Exp(logVariance / 2) * ns.Row(p)[c];
                    latents.Row(p)[c] = (float)sample;
                    sum += mean * mean + Math.Exp(logVariance) - 1 - logVariance;
                }
            if (!kl.IsNone) kls[b] = (float)(sum / 2);
        }
    }

    /// <inheritdoc/>
    public virtual void PosteriorBackward(Tensor moments, Tensor noise, Tensor dLatent, float klScale, Tensor dMoments)
    {
        // dMean = dLatent + klScale mean;  dLogvar = dLatent noise exp(l / 2) / 2 + klScale (exp(l) - 1) / 2, 0 where clamped
        OpChecks.PosteriorBackward(moments, noise, dLatent, dMoments);
        int channels = dLatent.Channels;
        using Values ms = Read(moments), ns = Read(noise), ds = Read(dLatent), dMs = Write(dMoments);
        for (long p = 0; p < dLatent.Rows; p++)
            for (int c = 0; c < channels; c++)
            {
                double mean = ms.Row(p)[c], logVariance = ms.Row(p)[channels + c], slope = ds.Row(p)[c];
                double epsilon = noise.IsNone ? 0 : ns.Row(p)[c];
                bool clamped = logVariance is < LowestLogVariance or > HighestLogVariance;
                double dLogVariance = slope * epsilon * Math.Exp(logVariance / 2) / 2 + klScale * (Math.Exp(logVariance) - 1) / 2;
                dMs.Row(p)[c] = (float)(slope + klScale * mean);
                dMs.Row(p)[channels + c] = clamped ? 0 : (float)dLogVariance;
            }
    }

    /// <inheritdoc/>
    public virtual void RandomNormal(ReadOnlySpan<RandomKey> keys, Tensor y)
    {
        OpChecks.RandomNormal(keys.Length, y);
        int size = (int)(y.Count / y[0]);
        using var ys = Write(y);
        for (int b = 0; b < keys.Length; b++) Philox.Normal(keys[b], ys.Slice((long)b * size, size));
    }

    /// <inheritdoc/>
    public virtual void RandomUniform(ReadOnlySpan<RandomKey> keys, Tensor y)
    {
        OpChecks.RandomUniform(keys.Length, y);
        int size = (int)(y.Count / y[0]);
        using var ys = Write(y);
        for (int b = 0; b < keys.Length; b++) Philox.Uniform(keys[b], ys.Slice((long)b * size, size));
    }
}
