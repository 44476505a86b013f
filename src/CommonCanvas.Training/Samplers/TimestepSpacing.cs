namespace CommonCanvas.Training;

/// <summary>
/// Which training timesteps a sampler visits ("Common diffusion noise schedules and sample steps are flawed", table 2):
/// <c>leading</c>, <c>trailing</c> or <c>linspace</c>, rounded as diffusers does (halves to even). Products and sums are
/// those of NumPy's arange and linspace, in their order, as a half may fall on either side of the last bit.
/// </summary>
static class TimestepSpacing
{
    /// <summary>Timesteps from the noisiest to the cleanest.</summary>
    /// <param name="spacing">The word of scheduler_config.json.</param>
    /// <param name="train">Number of training timesteps.</param>
    /// <param name="steps">Number of sampling steps.</param>
    /// <param name="offset">steps_offset; leading only.</param>
    /// <param name="multistep">The convention of the multistep solvers: leading and linspace divide into one more step and drop timestep 0.</param>
    /// <param name="round">Whether linspace is rounded to integers (the Euler family is not).</param>
    public static double[] Descending(string spacing, int train, int steps, int offset, bool multistep = false, bool round = true)
    {
        if (steps < 1 || steps > train) throw new ArgumentException($"{steps} sampling steps; choose 1 to {train}, the model's training timesteps");
        int extra = multistep ? 1 : 0;
        var result = new double[steps];
        for (int i = 0; i < steps; i++)
        {
            int fromEnd = steps - 1 - i + extra;
            result[i] = spacing switch
            {
                "leading" => (long)fromEnd * (train / (steps + extra)) + offset,
                "trailing" => Math.Round(train + i * (train - (double)train / steps - train)) - 1,
                "linspace" => Linspace(fromEnd, steps + extra, train, round),
                _ => throw new ArgumentException($"timestep_spacing '{spacing}' is unknown; use leading, trailing or linspace"),
            };
            if (result[i] >= train)
                throw new ArgumentException($"steps_offset {offset} with {steps} steps reaches timestep {result[i]}, but the model was trained on {train}; take fewer steps or another timestep_spacing");
        }
        return result;
    }

    static double Linspace(int index, int count, int train, bool round)
    {
        double value = count == 1 ? 0 : index == count - 1 ? train - 1 : index * ((train - 1.0) / (count - 1));
        return round ? Math.Round(value) : value;
    }
}
