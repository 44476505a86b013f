namespace CommonCanvas.Training;

/// <summary>What the learning rate does after the warm-up.</summary>
public enum LearningRateDecay
{
    /// <summary>Stays.</summary>
    Constant,
    /// <summary>Falls along half a cosine to the floor at the last step.</summary>
    Cosine,
}

/// <summary>Linear warm-up, then constant or cosine.</summary>
/// <param name="Peak">Rate after the warm-up.</param>
/// <param name="WarmupSteps">Step w of these has w / WarmupSteps of the peak, so that the first is not lost on a rate of 0.</param>
/// <param name="Decay">What follows.</param>
/// <param name="TotalSteps">Length of the run; cosine only.</param>
/// <param name="Floor">Smallest share of the peak; cosine only.</param>
public sealed record LearningRateSchedule(double Peak, int WarmupSteps = 0, LearningRateDecay Decay = LearningRateDecay.Constant, long TotalSteps = 0, double Floor = 0)
{
    /// <summary>The rate of a step, counted from 1.</summary>
    public double At(long step)
    {
        if (step < WarmupSteps) return Peak * step / WarmupSteps;
        if (Decay == LearningRateDecay.Constant) return Peak;
        double span = Math.Max(1, TotalSteps - WarmupSteps);
        double part = Math.Clamp((step - WarmupSteps) / span, 0, 1);
        return Peak * (Floor + (1 - Floor) * (1 + Math.Cos(Math.PI * part)) / 2);
    }
}
