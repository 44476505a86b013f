using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>What a latent diffusion model is trained to do, and with which random numbers.</summary>
public sealed record DiffusionObjective
{
    /// <summary>Noise by timestep.</summary>
    public required NoiseSchedule Schedule { get; init; }

    /// <summary>What the U-Net predicts.</summary>
    public PredictionType Prediction { get; init; }

    /// <summary>gamma of min-SNR weighting; infinite: every timestep weighs 1.</summary>
    public double MinSnrGamma { get; init; } = double.PositiveInfinity;

    /// <summary>Deviation of a constant per sample and channel that is added to the noise (offset noise); 0: none.</summary>
    public double OffsetNoise { get; init; }

    /// <summary>Share of samples whose text is replaced by the empty caption's, for guidance without a classifier.</summary>
    public double CaptionDropout { get; init; } = 0.1;

    /// <summary>The run's seed.</summary>
    public ulong Seed { get; init; } = 17;

    /// <summary>The timestep of a sample: uniform.</summary>
    /// <param name="position">The sample's number in the run's stream of samples.</param>
    /// <param name="step">Training step.</param>
    public int Timestep(long position, long step) => Philox.Integer(Key(RandomPurpose.Timestep, position, step), Schedule.Steps);

    /// <summary>Whether a sample's caption is dropped.</summary>
    public bool DropsCaption(long position, long step) =>
        CaptionDropout > 0 && Philox.Uniform(Key(RandomPurpose.CaptionDropout, position, step)) < CaptionDropout;

    /// <summary>The weight of the squared error at a timestep.</summary>
    public float Weight(int timestep) =>
        double.IsPositiveInfinity(MinSnrGamma) ? 1 : (float)Schedule.MinSnrWeight(timestep, Prediction, MinSnrGamma);

    /// <summary>The key of a sample's random numbers.</summary>
    public RandomKey Key(RandomPurpose purpose, long position, long step) => new(Seed, purpose, (ulong)position, (uint)step);
}
