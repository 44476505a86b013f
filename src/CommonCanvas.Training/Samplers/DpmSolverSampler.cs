namespace CommonCanvas.Training;

/// <summary>
/// DPM-Solver++(2M) (Lu et al., algorithm 2, midpoint form): second order from the two latest clean latents; the first
/// and the last step are of first order.
/// </summary>
sealed class DpmSolverSampler(Models.SchedulerConfig config, NoiseSchedule schedule, int steps) : SolverSampler(config, schedule, steps)
{
    float[] before = [];

    /// <inheritdoc/>
    public override void Step(ReadOnlySpan<float> modelOutput, int i, Span<float> sample, ReadOnlySpan<float> noise)
    {
        float[] clean = Clean(modelOutput, i, sample);
        var (_, sigma, lambda) = At(i);
        var (nextAlpha, nextSigma, nextLambda) = At(i + 1);
        double h = nextLambda - lambda, phi = Math.Exp(-h) - 1;
        bool second = i > 0 && i < Steps - 1;
        // Slope of the clean latent over lambda from the step before, for half a step.
        double ahead = second ? h / (lambda - At(i - 1).Lambda) / 2 : 0;
        for (int k = 0; k < sample.Length; k++)
        {
            double target = second ? clean[k] + ahead * (clean[k] - before[k]) : clean[k];
            sample[k] = (float)(nextSigma / sigma * sample[k] - nextAlpha * phi * target);
        }
        before = clean;
    }
}
