using BenchmarkDotNet.Attributes;
using CommonCanvas.Tensors;

namespace CommonCanvas.Bench.Operations;

/// <summary>What follows a step's gradients: their norm, AdamW and the average of weights. A pass over memory each.</summary>
public class OptimizerBench : OperationBench
{
    static readonly AdamWSettings settings = new(1e-4, 0.9, 0.999, 1e-8, 0.01, 1);
    Tensor master, gradient, moment1, moment2, average, compute, scale, sum;

    /// <summary>Number of weights: the second is more than any cache holds, and stands for Stable Diffusion 2's 866 million.</summary>
    [Params(1 << 20, 1 << 25)]
    public int Weights { get; set; }

    /// <inheritdoc/>
    protected override void Prepare()
    {
        Tensor Flat() => Ones(DType.F32, Weights);
        (master, gradient, moment1, moment2, average) = (Flat(), Flat(), Flat(), Flat(), Flat());
        (scale, sum) = (Ones(DType.F32, 1), Ones(DType.F32, 1));
        compute = Ones(DType.BF16, Weights);
    }

    /// <summary>For the clipped norm.</summary>
    [Benchmark]
    public void SumSquares() => Ops.SumSquares(gradient, sum);

    /// <summary>With fp32 weights.</summary>
    [Benchmark]
    public void AdamW() => Ops.AdamW(master, gradient, moment1, moment2, scale, settings, Tensor.None);

    /// <summary>With bf16 weights beside the fp32 ones.</summary>
    [Benchmark]
    public void AdamWToBF16() => Ops.AdamW(master, gradient, moment1, moment2, scale, settings, compute);

    /// <summary>The average of weights that samples are made with.</summary>
    [Benchmark]
    public void Ema() => Ops.Ema(average, master, 0.999);
}
