namespace CommonCanvas.Training;

/// <summary>
/// DDPM's ancestral sampling (Ho et al., equations 6 and 7) over any subset of timesteps, with the smaller of the two
/// variances.
/// </summary>
sealed class DdpmSampler(Models.SchedulerConfig config, NoiseSchedule schedule, int steps) : AlphaSampler(config, schedule,
    ToFloat(TimestepSpacing.Descending(config.TimestepSpacing, schedule.Steps, steps, config.StepsOffset)), endsAtOne: true)
{
    /// <inheritdoc/>
    public override bool NeedsNoise(int i) => TimestepArray[i] > 0;

    /// <inheritdoc/>
    public override void Step(ReadOnlySpan<float> modelOutput, int i, Span<float> sample, ReadOnlySpan<float> noise)
    {
        int t = (int)TimestepArray[i], next = i + 1 < TimestepArray.Length ? (int)TimestepArray[i + 1] : -1;
        double bar = Alpha(t), nextBar = Alpha(next), alpha = bar / nextBar, beta = 1 - alpha;
        double cleanFactor = Math.Sqrt(nextBar) * beta / (1 - bar);
        double sampleFactor = Math.Sqrt(alpha) * (1 - nextBar) / (1 - bar);
        double deviation = t > 0 ? Math.Sqrt(Math.Max(1e-20, (1 - nextBar) / (1 - bar) * beta)) : 0;
        double signal = Math.Sqrt(bar), noiseLevel = Math.Sqrt(1 - bar);
        for (int k = 0; k < sample.Length; k++)
        {
            double clean = Math.Clamp(Clean(modelOutput[k], sample[k], signal, noiseLevel), -ClipRange, ClipRange);
            double mean = cleanFactor * clean + sampleFactor * sample[k];
            sample[k] = (float)(deviation > 0 ? mean + deviation * noise[k] : mean);
        }
    }
}
