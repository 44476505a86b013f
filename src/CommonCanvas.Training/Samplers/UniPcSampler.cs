namespace CommonCanvas.Training;

/// <summary>
/// UniPC of second order with B(h) = e^h - 1 (Zhao et al., "UniPC: a unified predictor-corrector framework for fast
/// sampling of diffusion models"). Each evaluation first corrects the step that led to it, then predicts the next one,
/// so it costs one evaluation a step.
/// </summary>
sealed class UniPcSampler(Models.SchedulerConfig config, NoiseSchedule schedule, int steps) : SolverSampler(config, schedule, steps)
{
    const int Order = 2;

    float[] latest = [], before = [], lastSample = [];
    int orderOfStep;

    /// <inheritdoc/>
    public override void Step(ReadOnlySpan<float> modelOutput, int i, Span<float> sample, ReadOnlySpan<float> noise)
    {
        float[] clean = Clean(modelOutput, i, sample);
        if (i > 0) Correct(clean, i, sample);
        (before, latest) = (latest, clean);
        lastSample = sample.ToArray();
        orderOfStep = Math.Min(Math.Min(Order, Steps - i), i + 1);
        Predict(i, sample);
    }

    void Predict(int i, Span<float> sample)
    {
        var (_, sigma, lambda) = At(i);
        var (nextAlpha, nextSigma, nextLambda) = At(i + 1);
        double h = nextLambda - lambda, phi = Expm1(-h);
        double slope = orderOfStep > 1 ? 0.5 * h / (At(i - 1).Lambda - lambda) : 0;
        for (int k = 0; k < sample.Length; k++)
        {
            double next = nextSigma / sigma * sample[k] - nextAlpha * phi * latest[k];
            if (orderOfStep > 1) next -= nextAlpha * phi * slope * (before[k] - latest[k]);
            sample[k] = (float)next;
        }
    }

    // Goes again from the sample before to this one, now knowing the clean latent here. With r the place of the older
    // point in units of h, the weights solve  w0 + w1 = b1  and  r w0 + w1 = b2  (the paper's equation 5).
    void Correct(float[] clean, int i, Span<float> sample)
    {
        var (_, sigma, lambda) = At(i - 1);
        var (alphaHere, sigmaHere, lambdaHere) = At(i);
        double h = lambdaHere - lambda, phi = Expm1(-h);
        double older = 0, newer = 0.5;
        double r = 0;
        if (orderOfStep > 1)
        {
            r = (At(i - 2).Lambda - lambda) / h;
            double phi2 = phi / -h - 1, phi3 = phi2 / -h - 0.5;
            double b1 = phi2 / phi, b2 = 2 * phi3 / phi;
            older = (b2 - b1) / (r - 1);
            newer = b1 - older;
        }
        for (int k = 0; k < sample.Length; k++)
        {
            double change = newer * (clean[k] - latest[k]);
            if (orderOfStep > 1) change += older * (before[k] - latest[k]) / r;
            sample[k] = (float)(sigmaHere / sigma * lastSample[k] - alphaHere * phi * latest[k] - alphaHere * phi * change);
        }
    }

    static double Expm1(double x) => Math.Abs(x) < 1e-5 ? x + x * x / 2 : Math.Exp(x) - 1;
}
