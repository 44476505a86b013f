namespace CommonCanvas.Training;

/// <summary>
/// Walks from noise to a latent. For i over <see cref="Timesteps"/>: scale the sample by <see cref="ScaleModelInput"/>,
/// run the U-Net at Timesteps[i], hand its output to <see cref="Step"/>. Latents are tiny, so all is on the host; what
/// steps remember is kept inside, so one instance makes one picture (or batch) at a time, from i = 0.
/// Numbers agree with the scheduler of the same purpose in diffusers.
/// </summary>
public interface ISampler
{
    /// <summary>The timestep of each evaluation of the U-Net, in order. Second-order samplers evaluate some times twice.</summary>
    IReadOnlyList<float> Timesteps { get; }

    /// <summary>Standard deviation of the noise to start from.</summary>
    float InitialNoiseSigma { get; }

    /// <summary>What the U-Net is shown of a sample in evaluation <paramref name="i"/>; may write over its input.</summary>
    void ScaleModelInput(ReadOnlySpan<float> sample, int i, Span<float> scaled);

    /// <summary>Whether the step after evaluation <paramref name="i"/> wants standard normal noise.</summary>
    bool NeedsNoise(int i);

    /// <summary>Replaces the sample by the one after evaluation <paramref name="i"/>.</summary>
    /// <param name="modelOutput">The U-Net's output (guidance already applied).</param>
    /// <param name="i">Index into <see cref="Timesteps"/>; must follow the call before.</param>
    /// <param name="sample">In: the unscaled sample. Out: the next one.</param>
    /// <param name="noise">Standard normal numbers where <see cref="NeedsNoise"/>, else ignored.</param>
    void Step(ReadOnlySpan<float> modelOutput, int i, Span<float> sample, ReadOnlySpan<float> noise);
}
