namespace CommonCanvas.Training;

/// <summary>What the U-Net predicts.</summary>
public enum PredictionType
{
    /// <summary>The noise that was added (DDPM).</summary>
    Epsilon,
    /// <summary>v = signal * noise - noiseLevel * x0 (Salimans and Ho, "Progressive distillation").</summary>
    VPrediction,
    /// <summary>The clean latent.</summary>
    Sample,
}

/// <summary>
/// How much signal and noise a latent holds at each of the training timesteps: x_t = signal(t) x0 + noiseLevel(t) noise,
/// with signal^2 = the cumulative product of (1 - beta) and signal^2 + noiseLevel^2 = 1 (Ho et al., "Denoising diffusion
/// probabilistic models"). Tables are double.
/// </summary>
public sealed class NoiseSchedule
{
    readonly double[] alphasCumprod;

    /// <summary>Builds the tables.</summary>
    /// <param name="schedule"><c>linear</c>, <c>scaled_linear</c> (linear in the root of beta: Stable Diffusion) or <c>squaredcos_cap_v2</c>.</param>
    /// <param name="betaStart">First beta.</param>
    /// <param name="betaEnd">Last beta.</param>
    /// <param name="steps">Number of training timesteps.</param>
    /// <param name="zeroTerminalSnr">Rescale so that the last timestep is pure noise (Lin et al., "Common diffusion noise schedules and sample steps are flawed").</param>
    public NoiseSchedule(string schedule = "scaled_linear", double betaStart = 0.00085, double betaEnd = 0.012, int steps = 1000, bool zeroTerminalSnr = false)
    {
        if (steps < 2) throw new ArgumentException($"num_train_timesteps is {steps}; it must be at least 2");
        if (!(betaStart > 0) || !(betaEnd < 1) || betaEnd < betaStart)
            throw new ArgumentException($"beta_start {betaStart} and beta_end {betaEnd} must satisfy 0 < beta_start <= beta_end < 1");
        alphasCumprod = new double[steps];
        double product = 1;
        for (int t = 0; t < steps; t++)
        {
            product *= 1 - Beta(schedule, betaStart, betaEnd, t, steps);
            alphasCumprod[t] = product;
        }
        if (zeroTerminalSnr) RescaleToZeroTerminalSnr();
    }

    /// <summary>The schedule that a scheduler's configuration describes.</summary>
    public static NoiseSchedule From(Models.SchedulerConfig config) =>
        new(config.BetaSchedule, config.BetaStart, config.BetaEnd, config.NumTrainTimesteps, config.RescaleBetasZeroSnr);

    /// <summary>Number of training timesteps.</summary>
    public int Steps => alphasCumprod.Length;

    /// <summary>signal^2 by timestep.</summary>
    public ReadOnlySpan<double> AlphasCumprod => alphasCumprod;

    /// <summary>Factor of x0 at timestep <paramref name="t"/>.</summary>
    public double Signal(int t) => Math.Sqrt(alphasCumprod[t]);

    /// <summary>Factor of the noise at timestep <paramref name="t"/>.</summary>
    public double NoiseLevel(int t) => Math.Sqrt(1 - alphasCumprod[t]);

    /// <summary>Signal-to-noise ratio of powers; 0 where there is no signal.</summary>
    public double Snr(int t) => alphasCumprod[t] / (1 - alphasCumprod[t]);

    /// <summary>noiseLevel / signal: the noise's deviation in the coordinates where the signal is not scaled (Karras et al.).</summary>
    public double Sigma(int t) => Math.Sqrt((1 - alphasCumprod[t]) / alphasCumprod[t]);

    /// <summary>
    /// The loss weight of min-SNR-gamma (Hang et al.): the weight min(snr, gamma) on x0's error, seen from what is
    /// predicted: / snr for epsilon, / (snr + 1) for v. Finite at zero SNR, where epsilon's tends to 1.
    /// </summary>
    public double MinSnrWeight(int t, PredictionType prediction, double gamma)
    {
        double snr = Snr(t), capped = Math.Min(snr, gamma);
        return prediction switch
        {
            PredictionType.Epsilon => snr > gamma ? gamma / snr : 1,
            PredictionType.VPrediction => capped / (snr + 1),
            _ => capped,
        };
    }

    /// <summary>The configuration files' word for a prediction type.</summary>
    public static PredictionType ParsePrediction(string word) => word switch
    {
        "epsilon" => PredictionType.Epsilon,
        "v_prediction" => PredictionType.VPrediction,
        "sample" => PredictionType.Sample,
        _ => throw new ArgumentException($"prediction_type '{word}' is unknown; use epsilon, v_prediction or sample"),
    };

    /// <summary>The word that configuration files use.</summary>
    public static string Word(PredictionType prediction) => prediction switch
    {
        PredictionType.Epsilon => "epsilon",
        PredictionType.VPrediction => "v_prediction",
        _ => "sample",
    };

    static double Beta(string schedule, double start, double end, int t, int steps)
    {
        double part = (double)t / (steps - 1);
        switch (schedule)
        {
            case "linear":
                return start + (end - start) * part;
            case "scaled_linear":
                double root = Math.Sqrt(start) + (Math.Sqrt(end) - Math.Sqrt(start)) * part;
                return root * root;
            case "squaredcos_cap_v2":
                return Math.Min(0.999, 1 - CosineBar((t + 1.0) / steps) / CosineBar((double)t / steps));
            default:
                throw new ArgumentException($"beta_schedule '{schedule}' is unknown; use linear, scaled_linear or squaredcos_cap_v2");
        }
    }

    // Nichol and Dhariwal, "Improved denoising diffusion probabilistic models", equation 17.
    static double CosineBar(double time)
    {
        double c = Math.Cos((time + 0.008) / 1.008 * Math.PI / 2);
        return c * c;
    }

    // The root of the cumulative product is shifted so that it ends at 0 and stretched so that it starts where it did.
    void RescaleToZeroTerminalSnr()
    {
        double first = Math.Sqrt(alphasCumprod[0]), last = Math.Sqrt(alphasCumprod[^1]);
        for (int t = 0; t < alphasCumprod.Length; t++)
        {
            double root = (Math.Sqrt(alphasCumprod[t]) - last) * first / (first - last);
            alphasCumprod[t] = root * root;
        }
        alphasCumprod[^1] = 0;
    }
}
