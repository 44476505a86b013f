using System.Buffers.Binary;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>From the autoencoder's moments to the bytes of a cache: scaled once, channel by channel, fp16.</summary>
static class LatentCodec
{
    // The bounds of diffusers' DiagonalGaussianDistribution.
    const float LowestLogVariance = -30, HighestLogVariance = 20;

    /// <summary>Encodes the moments of one picture.</summary>
    /// <param name="moments">[pixels, 2 channels], mean beside log-variance, NHWC, unscaled.</param>
    /// <param name="channels">Channels of a latent.</param>
    /// <param name="scale">The autoencoder's scaling factor.</param>
    /// <param name="noise">Key of the posterior's sample; null: store mean and log-variance of the scaled latent.</param>
    public static byte[] Encode(ReadOnlySpan<float> moments, int channels, double scale, RandomKey? noise)
    {
        int pixels = moments.Length / (2 * channels);
        var values = new float[(noise is null ? 2 : 1) * channels * pixels];
        var random = new float[noise is null ? 0 : channels * pixels];
        if (noise is { } key) Philox.Normal(key, random);
        double shift = 2 * Math.Log(scale);
        for (int p = 0; p < pixels; p++)
            for (int c = 0; c < channels; c++)
            {
                double mean = moments[p * 2 * channels + c] * scale;
                double logVariance = Math.Clamp(moments[p * 2 * channels + channels + c], LowestLogVariance, HighestLogVariance) + shift;
                if (noise is null) (values[c * pixels + p], values[(channels + c) * pixels + p]) = ((float)mean, (float)logVariance);
                else values[c * pixels + p] = (float)(mean + Math.Exp(logVariance / 2) * random[p * channels + c]);
            }
        return ToHalves(values);
    }

    /// <summary>Little-endian fp16; what is too large for it becomes the largest it has.</summary>
    public static byte[] ToHalves(ReadOnlySpan<float> values)
    {
        var bytes = new byte[values.Length * 2];
        float largest = (float)Half.MaxValue;
        for (int i = 0; i < values.Length; i++) BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(i * 2), (Half)Math.Clamp(values[i], -largest, largest));
        return bytes;
    }
}
