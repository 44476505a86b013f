using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

/// <summary>Writes an infinity into a gradient after one step.</summary>
sealed class OverflowingStep(IOps ops, ITrainStep inner, long at) : ITrainStep
{
    public ParameterSet Parameters => inner.Parameters;

    public int BatchSize => inner.BatchSize;

    public void Seek(long step) => inner.Seek(step);

    public void Record(Action<string> note) => inner.Record(note);

    public void Run(long step, float lossScale, Tensor losses)
    {
        inner.Run(step, lossScale, losses);
        Break(step);
    }

    public void Repeat(long step, float lossScale, Tensor losses)
    {
        inner.Repeat(step, lossScale, losses);
        Break(step);
    }

    public double? Validate() => inner.Validate();

    public void Dispose() => inner.Dispose();

    void Break(long step)
    {
        if (step == at) ops.Fill(float.PositiveInfinity, Parameters.Gradient.Slice(5, 1));
    }
}
