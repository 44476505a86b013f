namespace CommonCanvas.Training;

/// <summary>
/// The coordinates of the multistep solvers: those of training, x = alpha x0 + sigma noise, with lambda = log(alpha /
/// sigma); they integrate the clean latent over lambda (Lu et al., "DPM-Solver++").
/// </summary>
abstract class SolverSampler(Models.SchedulerConfig config, NoiseSchedule schedule, int steps) : SigmaSampler(config, schedule,
    TimestepSpacing.Descending(config.TimestepSpacing, schedule.Steps, steps, config.StepsOffset, multistep: true))
{
    /// <inheritdoc/>
    public override float InitialNoiseSigma => 1;

    /// <inheritdoc/>
    public override void ScaleModelInput(ReadOnlySpan<float> sample, int i, Span<float> scaled) => sample.CopyTo(scaled);

    protected int Steps => TimestepArray.Length;

    /// <summary>Signal, noise level and half the log of their ratio's square before step <paramref name="i"/>; lambda is infinite at the end.</summary>
    protected (double Alpha, double Sigma, double Lambda) At(int i)
    {
        double ratio = Sigmas[i], alpha = 1 / Math.Sqrt(ratio * ratio + 1);
        return (alpha, ratio * alpha, -Math.Log(ratio));
    }

    /// <summary>The clean latent that the model's output at step <paramref name="i"/> implies.</summary>
    protected float[] Clean(ReadOnlySpan<float> output, int i, ReadOnlySpan<float> sample)
    {
        var (alpha, sigma, _) = At(i);
        var clean = new float[output.Length];
        for (int k = 0; k < clean.Length; k++)
            clean[k] = (float)(Prediction switch
            {
                PredictionType.Epsilon => (sample[k] - sigma * output[k]) / alpha,
                PredictionType.VPrediction => alpha * sample[k] - sigma * output[k],
                _ => output[k],
            });
        return clean;
    }
}
