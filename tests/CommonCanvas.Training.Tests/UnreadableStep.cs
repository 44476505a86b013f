using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

/// <summary>Finds its data damaged at one step, or in the first validation after it.</summary>
sealed class UnreadableStep(ITrainStep inner, long at, bool validating = false) : ITrainStep
{
    bool reached;

    public ParameterSet Parameters => inner.Parameters;

    public int BatchSize => inner.BatchSize;

    public void Seek(long step) => inner.Seek(step);

    public void Record(Action<string> note) => inner.Record(note);

    public void Run(long step, float lossScale, Tensor losses)
    {
        reached |= step == at;
        if (reached && !validating) throw Damaged();
        inner.Run(step, lossScale, losses);
    }

    public void Repeat(long step, float lossScale, Tensor losses) => inner.Repeat(step, lossScale, losses);

    public double? Validate() => reached ? throw Damaged() : inner.Validate();

    public void Dispose() => inner.Dispose();

    static InvalidDataException Damaged() => new("shard.00001.mds: the shard is damaged");
}
