namespace CommonCanvas.Training;

/// <summary>
/// The Euler family's coordinates: sample = x0 + sigma * noise, shown to the U-Net divided by sqrt(sigma^2 + 1).
/// </summary>
abstract class KarrasSampler : SigmaSampler
{
    readonly float initialSigma;

    protected KarrasSampler(Models.SchedulerConfig config, NoiseSchedule schedule, int steps) : base(config, schedule,
        TimestepSpacing.Descending(config.TimestepSpacing, schedule.Steps, steps, config.StepsOffset, round: false))
    {
        // Leading spacing does not start at the noisiest timestep, so the start holds the signal's share as well.
        double first = Sigmas[0];
        initialSigma = (float)(config.TimestepSpacing == "leading" ? Math.Sqrt(first * first + 1) : first);
    }

    /// <inheritdoc/>
    public override float InitialNoiseSigma => initialSigma;

    /// <inheritdoc/>
    public override void ScaleModelInput(ReadOnlySpan<float> sample, int i, Span<float> scaled)
    {
        double factor = 1 / Math.Sqrt(Sigmas[i] * Sigmas[i] + 1);
        for (int k = 0; k < sample.Length; k++) scaled[k] = (float)(sample[k] * factor);
    }

    /// <summary>d sample / d sigma = (sample - x0) / sigma.</summary>
    protected double Derivative(double output, double sample, double sigma) => Prediction switch
    {
        PredictionType.Epsilon => output,
        PredictionType.VPrediction => (sample - (sample / (sigma * sigma + 1) - output * sigma / Math.Sqrt(sigma * sigma + 1))) / sigma,
        _ => (sample - output) / sigma,
    };
}

/// <summary>Euler's method over sigma (Karras et al., algorithm 2 without churn).</summary>
sealed class EulerSampler(Models.SchedulerConfig config, NoiseSchedule schedule, int steps) : KarrasSampler(config, schedule, steps)
{
    /// <inheritdoc/>
    public override void Step(ReadOnlySpan<float> modelOutput, int i, Span<float> sample, ReadOnlySpan<float> noise)
    {
        double sigma = Sigmas[i], dt = Sigmas[i + 1] - sigma;
        for (int k = 0; k < sample.Length; k++)
            sample[k] = (float)(sample[k] + Derivative(modelOutput[k], sample[k], sigma) * dt);
    }
}

/// <summary>
/// Ancestral Euler (k-diffusion): each step goes below the next sigma and adds noise to come up to it.
/// </summary>
sealed class EulerAncestralSampler(Models.SchedulerConfig config, NoiseSchedule schedule, int steps) : KarrasSampler(config, schedule, steps)
{
    /// <inheritdoc/>
    public override bool NeedsNoise(int i) => Sigmas[i + 1] > 0;

    /// <inheritdoc/>
    public override void Step(ReadOnlySpan<float> modelOutput, int i, Span<float> sample, ReadOnlySpan<float> noise)
    {
        double from = Sigmas[i], to = Sigmas[i + 1];
        double up = Math.Sqrt(to * to * (from * from - to * to) / (from * from));
        double down = Math.Sqrt(Math.Max(0, to * to - up * up));
        for (int k = 0; k < sample.Length; k++)
        {
            double next = sample[k] + Derivative(modelOutput[k], sample[k], from) * (down - from);
            sample[k] = (float)(up > 0 ? next + up * noise[k] : next);
        }
    }
}

/// <summary>
/// Heun's method (Karras et al., algorithm 1 without churn): an Euler step, then the same step again with the mean of the
/// slopes at both ends. All timesteps but the first are evaluated twice.
/// </summary>
sealed class HeunSampler : KarrasSampler
{
    float[] start = [];
    double[] slope = [];

    public HeunSampler(Models.SchedulerConfig config, NoiseSchedule schedule, int steps) : base(config, schedule, steps)
    {
        var (times, sigmas) = (TimestepArray, Sigmas);
        TimestepArray = new float[2 * steps - 1];
        Sigmas = new double[2 * steps];
        for (int e = 0; e < TimestepArray.Length; e++) (TimestepArray[e], Sigmas[e]) = (times[(e + 1) / 2], sigmas[(e + 1) / 2]);
    }

    /// <inheritdoc/>
    public override void Step(ReadOnlySpan<float> modelOutput, int i, Span<float> sample, ReadOnlySpan<float> noise)
    {
        bool second = i % 2 == 1;
        double from = Sigmas[second ? i - 1 : i], to = Sigmas[second ? i : i + 1];
        if (!second)
        {
            start = sample.ToArray();
            slope = new double[sample.Length];
        }
        for (int k = 0; k < sample.Length; k++)
        {
            double here = Derivative(modelOutput[k], sample[k], second ? to : from);
            if (!second) slope[k] = here;
            sample[k] = (float)(start[k] + (second ? (slope[k] + here) / 2 : here) * (to - from));
        }
    }
}
