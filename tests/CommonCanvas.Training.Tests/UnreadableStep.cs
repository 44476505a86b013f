using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

/// <summary>Finds its data damaged at one step.</summary>
sealed class UnreadableStep(ITrainStep inner, long at) : ITrainStep
{
    public ParameterSet Parameters => inner.Parameters;

    public int BatchSize => inner.BatchSize;

    public void Seek(long step) => inner.Seek(step);

    public void Record(Action<string> note) => inner.Record(note);

    public void Run(long step, float lossScale, Tensor losses)
    {
        if (step == at) throw new InvalidDataException("shard.00001.mds: the shard is damaged");
        inner.Run(step, lossScale, losses);
    }

    public void Repeat(long step, float lossScale, Tensor losses) => inner.Repeat(step, lossScale, losses);

    public double? Validate() => inner.Validate();

    public void Dispose() => inner.Dispose();
}
