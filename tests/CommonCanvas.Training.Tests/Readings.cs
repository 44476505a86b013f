using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

/// <summary>Results that a run leaves on the device, read at once.</summary>
static class Readings
{
    /// <summary>Runs a step; the mean loss.</summary>
    public static double Run(this ITrainStep step, IOps ops, long number, float lossScale = 1) =>
        Mean(ops, step.BatchSize, losses => step.Run(number, lossScale, losses));

    /// <summary>Repeats a step; the mean loss.</summary>
    public static double Repeat(this ITrainStep step, IOps ops, long number, float lossScale = 1) =>
        Mean(ops, step.BatchSize, losses => step.Repeat(number, lossScale, losses));

    /// <summary>The gradient's norm.</summary>
    public static float Norm(this Optimizer optimizer, IOps ops, float lossScale = 1) => (float)Mean(ops, 1, norm => optimizer.MeasureNorm(lossScale, norm));

    static double Mean(IOps ops, int count, Action<Tensor> fill)
    {
        var tensor = ops.Arena.Rent(DType.F32, count);
        fill(tensor);
        var values = new float[count];
        ops.Download<float>(tensor, values);
        ops.Arena.Release(tensor);
        return values.Sum(value => (double)value) / count;
    }
}
