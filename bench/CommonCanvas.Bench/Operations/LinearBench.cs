using BenchmarkDotNet.Attributes;
using CommonCanvas.Tensors;

namespace CommonCanvas.Bench.Operations;

/// <summary>A linear layer: rows of In numbers to rows of Out.</summary>
public sealed record LinearShape(string Model, int Rows, int In, int Out)
{
    /// <summary>For the table.</summary>
    public override string ToString() => $"{Model}: {Rows} x {In} -> {Out}";
}

/// <summary>Linear layers of transformers, from the finest to the coarsest resolution.</summary>
public class LinearBench : OperationBench
{
    Tensor x, weight, bias, y, dY, dX, dWeight, dBias;

    /// <summary>Layers of both models.</summary>
    public static IEnumerable<LinearShape> Shapes =>
    [
        new("small", 4096, 64, 64), new("small", 64, 256, 256),
        new("sd2", 4096, 320, 320), new("sd2", 1024, 640, 640), new("sd2", 256, 1280, 1280),
    ];

    /// <summary>The layer.</summary>
    [ParamsSource(nameof(Shapes), Priority = -1)]
    public LinearShape Shape { get; set; } = null!;

    /// <summary>Storage of activations and weights.</summary>
    [Params(DType.F32, DType.BF16)]
    public DType Type { get; set; }

    /// <inheritdoc/>
    protected override void Prepare()
    {
        (x, weight, bias) = (Random(Type, Shape.Rows, Shape.In), Random(Type, Shape.Out, Shape.In), Random(Type, Shape.Out));
        (y, dY, dX) = (Random(Type, Shape.Rows, Shape.Out), Random(Type, Shape.Rows, Shape.Out), Random(Type, Shape.Rows, Shape.In));
        (dWeight, dBias) = (Random(DType.F32, Shape.Out, Shape.In), Random(DType.F32, Shape.Out));
    }

    /// <summary>y.</summary>
    [Benchmark]
    public void Forward() => Ops.LinearForward(x, weight, bias, Tensor.None, y);

    /// <summary>dX.</summary>
    [Benchmark]
    public void BackwardInput() => Ops.LinearBackward(x, weight, dY, Tensor.None, dX, default, default);

    /// <summary>dWeight and dBias.</summary>
    [Benchmark]
    public void BackwardWeight() => Ops.LinearBackward(x, weight, dY, Tensor.None, Tensor.None, Assigned(dWeight), Assigned(dBias));
}
