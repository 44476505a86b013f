using System.Globalization;
using CommonCanvas.Trainer.Terminal;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Runs;

/// <summary>Shows a run's steps in a progress display; what a person should know goes above it.</summary>
public sealed class RunProgress(AppConsole console, IWorkProgress display) : ITrainProgress
{
    const double Smoothing = 0.95;
    double loss = double.NaN, validation = double.NaN;

    /// <inheritdoc/>
    public void Started(long doneSteps, long totalSteps)
    {
        if (doneSteps > 0) console.Note($"resumed after step {doneSteps}");
        display.Report(doneSteps);
    }

    /// <inheritdoc/>
    public void Stepped(in StepReport report)
    {
        loss = double.IsNaN(loss) ? report.Loss : Smoothing * loss + (1 - Smoothing) * report.Loss;
        string detail = string.Create(CultureInfo.InvariantCulture, $"loss {loss:F4}");
        if (!double.IsNaN(validation)) detail += string.Create(CultureInfo.InvariantCulture, $"  validation {validation:F4}");
        if (report.FlopsPerSecond > 0) detail += string.Create(CultureInfo.InvariantCulture, $"  {report.FlopsPerSecond / 1e9:G3} GFLOP/s");
        display.Report(report.Step, detail);
    }

    /// <inheritdoc/>
    public void Validated(long step, double loss) => validation = loss;

    /// <inheritdoc/>
    public void Saved(long step, string path) { }

    /// <inheritdoc/>
    public void Note(string text) => console.Note(text);
}
