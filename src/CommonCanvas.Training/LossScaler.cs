namespace CommonCanvas.Training;

/// <summary>
/// Dynamic loss scaling for fp16 (Micikevicius et al., "Mixed precision training"): the loss is multiplied by
/// <see cref="Scale"/> so that small gradients do not vanish; a step whose gradients overflow is skipped and counted and
/// the scale halved; after a stretch of clean steps it doubles. Without it (fp32, bf16) the scale stays 1 and an
/// overflow is an error of the run.
/// </summary>
public sealed class LossScaler
{
    /// <summary>Creates a scaler.</summary>
    /// <param name="enabled">Whether to scale at all.</param>
    /// <param name="initialScale">First scale.</param>
    /// <param name="growthInterval">Clean steps before the scale doubles.</param>
    public LossScaler(bool enabled, float initialScale = 65536, int growthInterval = 2000)
    {
        if (enabled && !(initialScale >= 1)) throw new ArgumentException($"the initial loss scale is {initialScale}; it must be at least 1");
        if (growthInterval < 1) throw new ArgumentException($"the loss scale's growth interval is {growthInterval}; it must be at least 1");
        (Enabled, GrowthInterval, Scale) = (enabled, growthInterval, enabled ? initialScale : 1);
    }

    /// <summary>Whether overflows are handled here.</summary>
    public bool Enabled { get; }

    /// <summary>Clean steps before the scale doubles.</summary>
    public int GrowthInterval { get; }

    /// <summary>Factor of the loss.</summary>
    public float Scale { get; private set; }

    /// <summary>Clean steps since the last change.</summary>
    public int CleanSteps { get; private set; }

    /// <summary>Steps skipped since the start of the run.</summary>
    public long Skipped { get; private set; }

    /// <summary>Whether halving has run out: the loss overflows without any scaling, which is a fault of the run.</summary>
    public bool Exhausted { get; private set; }

    /// <summary>Records a step.</summary>
    /// <param name="finite">Whether all gradients were finite.</param>
    /// <returns>Whether the step counts; false: it must be skipped.</returns>
    public bool Update(bool finite)
    {
        if (!Enabled) return finite;
        if (!finite)
        {
            Exhausted = Scale <= 1;
            Scale = Math.Max(1, Scale / 2);
            CleanSteps = 0;
            Skipped++;
            return false;
        }
        // More than the interval where a resumed run has a shorter one.
        if (++CleanSteps >= GrowthInterval)
        {
            Scale = Math.Min(Scale * 2, 1 << 24);
            CleanSteps = 0;
        }
        return true;
    }

    /// <summary>Restores what a checkpoint holds.</summary>
    /// <param name="scale">Factor of the loss.</param>
    /// <param name="cleanSteps">Clean steps since its last change.</param>
    /// <param name="skipped">Steps skipped since the start of the run.</param>
    /// <param name="scaled">Whether the loss was scaled there; a run that goes on in another precision keeps nothing but the count.</param>
    public void Restore(float scale, int cleanSteps, long skipped, bool scaled)
    {
        Skipped = skipped;
        if (Enabled && scaled) (Scale, CleanSteps) = (scale, cleanSteps);
    }
}
