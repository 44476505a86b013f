namespace CommonCanvas.Training;

/// <summary>
/// What DDIM, DDPM and PNDM share: they live in the coordinates of training (x_t = signal x0 + noiseLevel noise), start
/// from unit noise and show the U-Net the sample as it is.
/// </summary>
abstract class AlphaSampler : ISampler
{
    readonly double finalAlpha;

    protected AlphaSampler(Models.SchedulerConfig config, NoiseSchedule schedule, float[] timesteps, bool endsAtOne)
    {
        (Schedule, TimestepArray) = (schedule, timesteps);
        Prediction = NoiseSchedule.ParsePrediction(config.PredictionType);
        ClipRange = config.ClipSample ? config.ClipSampleRange : double.PositiveInfinity;
        finalAlpha = endsAtOne ? 1 : schedule.AlphasCumprod[0];
    }

    /// <inheritdoc/>
    public IReadOnlyList<float> Timesteps => TimestepArray;

    /// <inheritdoc/>
    public float InitialNoiseSigma => 1;

    protected NoiseSchedule Schedule { get; }

    protected float[] TimestepArray { get; }

    protected PredictionType Prediction { get; }

    protected double ClipRange { get; }

    /// <inheritdoc/>
    public void ScaleModelInput(ReadOnlySpan<float> sample, int i, Span<float> scaled) => sample.CopyTo(scaled);

    /// <inheritdoc/>
    public virtual bool NeedsNoise(int i) => false;

    /// <inheritdoc/>
    public abstract void Step(ReadOnlySpan<float> modelOutput, int i, Span<float> sample, ReadOnlySpan<float> noise);

    /// <summary>signal^2 at a timestep; before the first one, the configuration's end value.</summary>
    protected double Alpha(int t) => t < 0 ? finalAlpha : Schedule.AlphasCumprod[t];

    /// <summary>The clean latent that a prediction implies.</summary>
    protected double Clean(double output, double sample, double signal, double noiseLevel) => Prediction switch
    {
        PredictionType.Epsilon => (sample - noiseLevel * output) / signal,
        PredictionType.VPrediction => signal * sample - noiseLevel * output,
        _ => output,
    };

    protected static float[] ToFloat(double[] values) => Array.ConvertAll(values, v => (float)v);
}
