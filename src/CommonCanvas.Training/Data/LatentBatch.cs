namespace CommonCanvas.Training;

/// <summary>Host memory for a batch of latents and text embeddings; used again and again.</summary>
/// <param name="size">Samples.</param>
/// <param name="latentSize">Numbers per latent as stored.</param>
/// <param name="textSize">Numbers per text embedding.</param>
public sealed class LatentBatch(int size, int latentSize, int textSize)
{
    /// <summary>Latents, or posterior moments, NHWC, scaled.</summary>
    public float[] Latents { get; } = new float[checked(size * latentSize)];

    /// <summary>Text embeddings [sample, token, width].</summary>
    public float[] Text { get; } = new float[checked(size * textSize)];

    /// <summary>Number of the first sample in the run's stream.</summary>
    public long Position { get; set; }

    /// <summary>A sample as it is stored, while it is read.</summary>
    internal byte[] Stored = [];

    /// <summary>Its latent channel by channel, before it is turned to NHWC.</summary>
    internal float[] Planes { get; } = new float[latentSize];

    /// <summary>A sample's latent.</summary>
    public Span<float> LatentOf(int sample) => Latents.AsSpan(sample * latentSize, latentSize);

    /// <summary>A sample's text embedding.</summary>
    public Span<float> TextOf(int sample) => Text.AsSpan(sample * textSize, textSize);
}
