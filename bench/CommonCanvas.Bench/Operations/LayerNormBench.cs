using BenchmarkDotNet.Attributes;
using CommonCanvas.Tensors;

namespace CommonCanvas.Bench.Operations;

/// <summary>A layer normalisation of rows.</summary>
public sealed record LayerNormShape(string Model, int Rows, int Channels)
{
    /// <summary>For the table.</summary>
    public override string ToString() => $"{Model}: {Rows} x {Channels}";
}

/// <summary>LayerNorm of transformers, from the finest to the coarsest resolution.</summary>
public class LayerNormBench : OperationBench
{
    Tensor x, gamma, beta, y, mean, rstd, dY, dX, dGamma, dBeta;

    /// <summary>Layers of both models.</summary>
    public static IEnumerable<LayerNormShape> Shapes =>
    [
        new("small", 4096, 64), new("small", 64, 256),
        new("sd2", 4096, 320), new("sd2", 1024, 640), new("sd2", 256, 1280),
    ];

    /// <summary>The layer.</summary>
    [ParamsSource(nameof(Shapes), Priority = -1)]
    public LayerNormShape Shape { get; set; } = null!;

    /// <summary>Storage of activations and weights.</summary>
    [Params(DType.F32, DType.BF16)]
    public DType Type { get; set; }

    /// <inheritdoc/>
    protected override void Prepare()
    {
        var (_, rows, channels) = Shape;
        (x, y, dY, dX) = (Random(Type, rows, channels), Random(Type, rows, channels), Random(Type, rows, channels), Random(Type, rows, channels));
        (gamma, beta, mean, rstd) = (Ones(Type, channels), Ones(Type, channels), Ones(DType.F32, rows), Ones(DType.F32, rows));
        (dGamma, dBeta) = (Ones(DType.F32, channels), Ones(DType.F32, channels));
        Forward();
    }

    /// <summary>y and its statistics.</summary>
    [Benchmark]
    public void Forward() => Ops.LayerNormForward(x, gamma, beta, 1e-5f, y, mean, rstd);

    /// <summary>dX, dGamma and dBeta.</summary>
    [Benchmark]
    public void Backward() => Ops.LayerNormBackward(x, gamma, mean, rstd, dY, Tensor.None, dX, Assigned(dGamma), Assigned(dBeta));
}
