namespace CommonCanvas.Training;

/// <summary>
/// Pseudo linear multistep sampling (Liu et al., "Pseudo numerical methods for diffusion models on manifolds"): the
/// noise of up to four evaluations, combined as in Adams-Bashforth. It warms up with one step of Heun's kind, as Stable
/// Diffusion does, instead of Runge-Kutta; so the second timestep is evaluated twice.
/// </summary>
sealed class PndmSampler : AlphaSampler
{
    static readonly double[][] Weights = [[1], [3.0 / 2, -1.0 / 2], [23.0 / 12, -16.0 / 12, 5.0 / 12], [55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24]];

    readonly int stride;
    readonly List<float[]> outputs = [];
    float[] start = [];

    public PndmSampler(Models.SchedulerConfig config, NoiseSchedule schedule, int steps)
        : base(config, schedule, WarmUp(TimestepSpacing.Descending(config.TimestepSpacing, schedule.Steps, steps, config.StepsOffset)), config.SetAlphaToOne)
    {
        if (Prediction == PredictionType.Sample)
            throw new ArgumentException("sampler pndm needs a model that predicts epsilon or v; for prediction_type sample use ddim");
        stride = schedule.Steps / steps;
    }

    static float[] WarmUp(double[] steps)
    {
        if (steps.Length < 2) throw new ArgumentException("sampler pndm needs at least 2 steps");
        return ToFloat([steps[0], steps[1], .. steps[1..]]);
    }

    /// <inheritdoc/>
    public override void Step(ReadOnlySpan<float> modelOutput, int i, Span<float> sample, ReadOnlySpan<float> noise)
    {
        int t = (int)TimestepArray[i], next = t - stride;
        if (i == 0) outputs.Clear();
        if (i == 1)
        {
            // The second evaluation corrects the first step: it starts again from the first sample.
            (t, next) = (t + stride, t);
            start.CopyTo(sample);
        }
        else
        {
            if (i == 0) start = sample.ToArray();
            if (outputs.Count == 4) outputs.RemoveAt(0);
            outputs.Add(modelOutput.ToArray());
        }

        double bar = Alpha(Math.Min(t, Schedule.Steps - 1)), nextBar = Alpha(next);
        double signal = Math.Sqrt(bar), noiseLevel = Math.Sqrt(1 - bar);
        // Equation 11 of the paper.
        double sampleFactor = Math.Sqrt(nextBar / bar);
        double noiseFactor = (nextBar - bar) / (bar * Math.Sqrt(1 - nextBar) + Math.Sqrt(bar * (1 - bar) * nextBar));
        double[] weights = Weights[outputs.Count - 1];
        for (int k = 0; k < sample.Length; k++)
        {
            double combined = 0;
            if (i == 1) combined = (modelOutput[k] + (double)outputs[0][k]) / 2;
            else for (int w = 0; w < weights.Length; w++) combined += weights[w] * outputs[^(w + 1)][k];
            if (Prediction == PredictionType.VPrediction) combined = signal * combined + noiseLevel * sample[k];
            sample[k] = (float)(sampleFactor * sample[k] - noiseFactor * combined);
        }
    }
}
