namespace CommonCanvas.Training;

/// <summary>DDIM with eta = 0 (Song et al., "Denoising diffusion implicit models", equation 12).</summary>
sealed class DdimSampler(Models.SchedulerConfig config, NoiseSchedule schedule, int steps) : AlphaSampler(config, schedule,
    ToFloat(TimestepSpacing.Descending(config.TimestepSpacing, schedule.Steps, steps, config.StepsOffset)), config.SetAlphaToOne)
{
    readonly int stride = schedule.Steps / steps;

    /// <inheritdoc/>
    public override void Step(ReadOnlySpan<float> modelOutput, int i, Span<float> sample, ReadOnlySpan<float> noise)
    {
        int t = (int)TimestepArray[i];
        double alpha = Alpha(t), next = Alpha(t - stride);
        double signal = Math.Sqrt(alpha), noiseLevel = Math.Sqrt(1 - alpha);
        double nextSignal = Math.Sqrt(next), nextNoise = Math.Sqrt(1 - next);
        for (int k = 0; k < sample.Length; k++)
        {
            double clean = Clean(modelOutput[k], sample[k], signal, noiseLevel);
            // The noise that is taken out is the one before clipping, as in diffusers' default.
            double epsilon = Prediction switch
            {
                PredictionType.Epsilon => modelOutput[k],
                PredictionType.VPrediction => signal * modelOutput[k] + noiseLevel * sample[k],
                _ => (sample[k] - signal * clean) / noiseLevel,
            };
            clean = Math.Clamp(clean, -ClipRange, ClipRange);
            sample[k] = (float)(nextSignal * clean + nextNoise * epsilon);
        }
    }
}
