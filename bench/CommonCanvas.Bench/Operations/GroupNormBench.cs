using BenchmarkDotNet.Attributes;
using CommonCanvas.Tensors;

namespace CommonCanvas.Bench.Operations;

/// <summary>A group normalisation of a batch of square images.</summary>
public sealed record GroupNormShape(string Model, int Batch, int Side, int Channels)
{
    /// <summary>For the table.</summary>
    public override string ToString() => $"{Model}: {Batch} x {Side}x{Side}, {Channels} channels";
}

/// <summary>GroupNorm with SiLU before the convolutions of residual blocks, 32 groups.</summary>
public class GroupNormBench : OperationBench
{
    const int Groups = 32;
    Tensor x, gamma, beta, y, mean, rstd, dY, dX, dGamma, dBeta;

    /// <summary>Layers of both models.</summary>
    public static IEnumerable<GroupNormShape> Shapes =>
    [
        new("small", 4, 32, 64), new("small", 4, 4, 256),
        new("sd2", 4, 32, 320), new("sd2", 4, 32, 960), new("sd2", 4, 8, 1280), new("sd2", 4, 4, 2560),
    ];

    /// <summary>The layer.</summary>
    [ParamsSource(nameof(Shapes), Priority = -1)]
    public GroupNormShape Shape { get; set; } = null!;

    /// <summary>Storage of activations and weights.</summary>
    [Params(DType.F32, DType.BF16)]
    public DType Type { get; set; }

    /// <inheritdoc/>
    protected override void Prepare()
    {
        var (_, batch, side, channels) = Shape;
        (x, y) = (Random(Type, batch, side, side, channels), Random(Type, batch, side, side, channels));
        (dY, dX) = (Random(Type, batch, side, side, channels), Random(Type, batch, side, side, channels));
        (gamma, beta, mean, rstd) = (Ones(Type, channels), Ones(Type, channels), Ones(DType.F32, batch, Groups), Ones(DType.F32, batch, Groups));
        (dGamma, dBeta) = (Ones(DType.F32, channels), Ones(DType.F32, channels));
        Forward();
    }

    /// <summary>y and its statistics.</summary>
    [Benchmark]
    public void Forward() => Ops.GroupNormForward(x, gamma, beta, Groups, 1e-5f, silu: true, y, mean, rstd);

    /// <summary>dX, dGamma and dBeta.</summary>
    [Benchmark]
    public void Backward() => Ops.GroupNormBackward(x, gamma, beta, mean, rstd, dY, Groups, silu: true, Tensor.None, dX, Assigned(dGamma), Assigned(dBeta));
}
