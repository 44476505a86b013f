using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// What the host has to know of a step, side by side in one block on the device, so that one read fetches it: the only wait
/// for the device in a step.
/// </summary>
sealed class StepReadout : IDisposable
{
    readonly IOps ops;
    readonly float[] values;
    readonly int batchSize;
    Tensor block;

    /// <summary>Rents the block.</summary>
    public StepReadout(IOps ops, int batchSize)
    {
        (this.ops, this.batchSize) = (ops, batchSize);
        values = new float[batchSize + 1];
        block = ops.Arena.Rent(DType.F32, values.Length);
    }

    /// <summary>Each sample's loss: F32[batch size].</summary>
    public Tensor Losses => block.Slice(0, batchSize);

    /// <summary>The gradient's norm: F32[1].</summary>
    public Tensor Norm => block.Slice(batchSize, 1);

    /// <summary>Waits for the device; the mean loss and the norm.</summary>
    public (double Loss, float Norm) Read()
    {
        ops.Download<float>(block, values);
        double sum = 0;
        foreach (float loss in values.AsSpan(0, batchSize)) sum += loss;
        return (sum / batchSize, values[batchSize]);
    }

    /// <inheritdoc/>
    public void Dispose() => ops.Arena.Drop(ref block);
}
