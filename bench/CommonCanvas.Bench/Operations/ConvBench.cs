using BenchmarkDotNet.Attributes;
using CommonCanvas.Tensors;

namespace CommonCanvas.Bench.Operations;

/// <summary>A convolution of a batch of square images.</summary>
public sealed record ConvShape(string Model, int Batch, int Side, int In, int Out)
{
    /// <summary>For the table.</summary>
    public override string ToString() => $"{Model}: {Batch} x {Side}x{Side}, {In} -> {Out}";
}

/// <summary>3x3 convolutions of residual blocks, from the finest to the coarsest resolution.</summary>
public class ConvBench : OperationBench
{
    Tensor x, weight, bias, y, dY, dX, dWeight, dBias;

    /// <summary>Layers of both models.</summary>
    public static IEnumerable<ConvShape> Shapes =>
    [
        new("small", 4, 32, 64, 64), new("small", 4, 4, 256, 256),
        new("sd2", 4, 32, 320, 320), new("sd2", 4, 16, 640, 640), new("sd2", 4, 8, 1280, 1280),
    ];

    /// <summary>The layer.</summary>
    [ParamsSource(nameof(Shapes), Priority = -1)]
    public ConvShape Shape { get; set; } = null!;

    /// <summary>Storage of activations and weights.</summary>
    [Params(DType.F32, DType.BF16)]
    public DType Type { get; set; }

    /// <inheritdoc/>
    protected override void Prepare()
    {
        var (_, batch, side, inputs, outputs) = Shape;
        (x, weight, bias) = (Random(Type, batch, side, side, inputs), Random(Type, outputs, 3, 3, inputs), Random(Type, outputs));
        (y, dY, dX) = (Random(Type, batch, side, side, outputs), Random(Type, batch, side, side, outputs), Random(Type, batch, side, side, inputs));
        (dWeight, dBias) = (Random(DType.F32, outputs, 3, 3, inputs), Random(DType.F32, outputs));
    }

    /// <summary>y.</summary>
    [Benchmark]
    public void Forward() => Ops.ConvForward(x, weight, bias, Tensor.None, Tensor.None, ConvGeometry.Same3, y);

    /// <summary>dX.</summary>
    [Benchmark]
    public void BackwardInput() => Ops.ConvBackward(x, weight, dY, ConvGeometry.Same3, dX, default, default, Tensor.None);

    /// <summary>dWeight and dBias.</summary>
    [Benchmark]
    public void BackwardWeight() => Ops.ConvBackward(x, weight, dY, ConvGeometry.Same3, Tensor.None, Assigned(dWeight), Assigned(dBias), Tensor.None);
}
