using System.Runtime.InteropServices;

namespace CommonCanvas.Tensors;

/// <summary>Passes over flat buffers of parameters: <c>optimizer.cu</c>.</summary>
public sealed partial class CudaOps
{
    const string OptimizerFile = "optimizer.cu";

    /// <summary>Partial sums of a reduction over everything. Not the device's size, so that all devices add in the same order.</summary>
    const int SumBlocks = 1024;

    /// <inheritdoc/>
    public void SumSquares(Tensor x, Tensor sum)
    {
        OpChecks.SumSquares(x, sum);
        int blocks = (int)Math.Clamp((Packs(x) + ElementThreads - 1) / ElementThreads, 1, SumBlocks);
        var partial = Arena.Rent(DType.F32, blocks);
        Launch(Kernel(OptimizerFile, DType.F32, nameof(SumSquares)), blocks, ElementThreads, 0, [x.Data, partial.Data, x.Count, Aligned(x) ? 1 : 0]);
        Launch(Kernel(OptimizerFile, DType.F32, "SumSquaresEnd"), 1, ElementThreads, 0, [partial.Data, blocks, sum.Data]);
        Arena.Release(partial);
    }

    /// <inheritdoc/>
    public void ClipScale(Tensor sumSquares, float unscale, float maxNorm, Tensor norm, Tensor scale)
    {
        OpChecks.ClipScale(sumSquares, norm, scale);
        Launch(Kernel(OptimizerFile, DType.F32, nameof(ClipScale)), 1, 1, 0, [sumSquares.Data, unscale, maxNorm, norm.Data, scale.Data]);
    }

    /// <inheritdoc/>
    public void AdamW(Tensor master, Tensor gradient, Tensor m, Tensor v, Tensor scale, in AdamWSettings settings, Tensor compute)
    {
        OpChecks.AdamW(master, gradient, m, v, scale, settings, compute);
        double stepSize = settings.LearningRate / (1 - Math.Pow(settings.Beta1, settings.Step));
        double root = Math.Sqrt(1 - Math.Pow(settings.Beta2, settings.Step));
        bool aligned = Aligned(master, gradient, m, v) && Aligned(compute);
        LaunchOver(Packs(master), Kernel(OptimizerFile, compute.IsNone ? DType.F32 : compute.Type, nameof(AdamW)),
            [master.Data, gradient.Data, m.Data, v.Data, scale.Data, (float)(1 - settings.Beta1), (float)(1 - settings.Beta2),
                (float)(settings.LearningRate * settings.WeightDecay), (float)stepSize, (float)(1 / root), (float)settings.Epsilon,
                compute.Data, master.Count, aligned ? 1 : 0]);
    }

    /// <inheritdoc/>
    public void Ema(Tensor average, Tensor value, double decay)
    {
        OpChecks.Ema(average, value);
        LaunchOver(Packs(average), Kernel(OptimizerFile, DType.F32, nameof(Ema)),
            [average.Data, value.Data, (float)(1 - decay), average.Count, Aligned(average, value) ? 1 : 0]);
    }

    /// <inheritdoc/>
    public long CountNonFinite(Tensor x)
    {
        OpChecks.CountNonFinite(x);
        var counter = Arena.Rent(DType.I32, sizeof(long) / sizeof(int));
        Fill(0, counter);
        LaunchOver(Packs(x), Kernel(OptimizerFile, x.Type, nameof(CountNonFinite)), [x.Data, x.Count, Aligned(x) ? 1 : 0, counter.Data]);
        long count = 0;
        Download(counter, MemoryMarshal.Cast<long, int>(new Span<long>(ref count)));
        Arena.Release(counter);
        return count;
    }
}
