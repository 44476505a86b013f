namespace CommonCanvas.Training;

/// <summary>
/// What the Euler family and the multistep solvers share: a table of sigmas (noise deviation where the signal is not
/// scaled; Karras et al., "Elucidating the design space of diffusion-based generative models") by step, ending in 0.
/// </summary>
abstract class SigmaSampler : ISampler
{
    /// <summary>The signal left at the last timestep of a zero-terminal-SNR schedule, so that sigma stays finite (as diffusers).</summary>
    const double SmallestAlpha = 1.0 / (1 << 24);

    protected SigmaSampler(Models.SchedulerConfig config, NoiseSchedule schedule, double[] steps)
    {
        Prediction = NoiseSchedule.ParsePrediction(config.PredictionType);
        Sigmas = new double[steps.Length + 1];
        for (int i = 0; i < steps.Length; i++) Sigmas[i] = SigmaAt(schedule, steps[i]);
        TimestepArray = Array.ConvertAll(steps, t => (float)t);
    }

    /// <inheritdoc/>
    public IReadOnlyList<float> Timesteps => TimestepArray;

    /// <inheritdoc/>
    public abstract float InitialNoiseSigma { get; }

    /// <summary>Sigma before each step, then 0.</summary>
    internal double[] Sigmas { get; private protected set; }

    protected float[] TimestepArray { get; private protected set; }

    protected PredictionType Prediction { get; }

    /// <inheritdoc/>
    public abstract void ScaleModelInput(ReadOnlySpan<float> sample, int i, Span<float> scaled);

    /// <inheritdoc/>
    public virtual bool NeedsNoise(int i) => false;

    /// <inheritdoc/>
    public abstract void Step(ReadOnlySpan<float> modelOutput, int i, Span<float> sample, ReadOnlySpan<float> noise);

    // Between timesteps sigma is interpolated linearly, as diffusers' default.
    static double SigmaAt(NoiseSchedule schedule, double t)
    {
        int low = (int)Math.Floor(t), high = Math.Min(low + 1, schedule.Steps - 1);
        double part = t - low;
        return (1 - part) * Sigma(schedule, low) + part * Sigma(schedule, high);
    }

    static double Sigma(NoiseSchedule schedule, int t)
    {
        double alpha = Math.Max(schedule.AlphasCumprod[t], SmallestAlpha);
        return Math.Sqrt((1 - alpha) / alpha);
    }
}
