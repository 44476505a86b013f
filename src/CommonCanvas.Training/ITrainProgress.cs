namespace CommonCanvas.Training;

/// <summary>What one step did.</summary>
/// <param name="Step">Its number, from 1.</param>
/// <param name="Loss">Mean loss of the batch.</param>
/// <param name="GradientNorm">Global norm before clipping.</param>
/// <param name="LearningRate">Of this step.</param>
/// <param name="ImagesPerSecond">Over the last steps.</param>
/// <param name="FlopsPerSecond">Over the last steps; 0 where operations are not counted.</param>
/// <param name="Skipped">Whether its gradient overflowed in fp16 and the update was left out.</param>
public readonly record struct StepReport(long Step, double Loss, double GradientNorm, double LearningRate, double ImagesPerSecond, double FlopsPerSecond, bool Skipped);

/// <summary>Watches a run: the console, or a test. Called from the thread that trains.</summary>
public interface ITrainProgress
{
    /// <summary>The run begins.</summary>
    /// <param name="doneSteps">Steps that a checkpoint brought.</param>
    /// <param name="totalSteps">Steps in all.</param>
    void Started(long doneSteps, long totalSteps);

    /// <summary>A step is done.</summary>
    void Stepped(in StepReport report);

    /// <summary>A validation loss was measured.</summary>
    void Validated(long step, double loss);

    /// <summary>A checkpoint is on the disk.</summary>
    void Saved(long step, string path);

    /// <summary>Something that a person should know.</summary>
    void Note(string text);
}

/// <summary>Says nothing.</summary>
public sealed class SilentProgress : ITrainProgress
{
    /// <inheritdoc/>
    public void Started(long doneSteps, long totalSteps) { }

    /// <inheritdoc/>
    public void Stepped(in StepReport report) { }

    /// <inheritdoc/>
    public void Validated(long step, double loss) { }

    /// <inheritdoc/>
    public void Saved(long step, string path) { }

    /// <inheritdoc/>
    public void Note(string text) { }
}
