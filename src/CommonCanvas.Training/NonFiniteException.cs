namespace CommonCanvas.Training;

/// <summary>A loss or gradient that is infinite or not a number; the run stops, its last checkpoint is good.</summary>
public sealed class NonFiniteException : Exception
{
    /// <summary>Says where.</summary>
    /// <param name="step">The step.</param>
    /// <param name="where">The first layer and operation in which it appeared.</param>
    /// <param name="checkpoint">The last good checkpoint's step; 0: none.</param>
    public NonFiniteException(long step, string where, long checkpoint)
        : base($"step {step}: {where}; {(checkpoint > 0 ? $"the checkpoint of step {checkpoint} is good" : "there is no checkpoint yet")}. Lower the learning rate, clip the gradient, or train in a wider precision")
        => (Step, Where) = (step, where);

    /// <summary>The step.</summary>
    public long Step { get; }

    /// <summary>The first layer and operation in which it appeared.</summary>
    public string Where { get; }
}
