using BenchmarkDotNet.Attributes;
using CommonCanvas.Tensors;

namespace CommonCanvas.Bench.Operations;

/// <summary>An attention with heads of 64 numbers.</summary>
public sealed record AttentionShape(string Model, int Batch, int Queries, int Keys, int Heads)
{
    /// <summary>For the table.</summary>
    public override string ToString() => $"{Model}: {Batch} x {Heads} heads, {Queries} on {Keys}";
}

/// <summary>Self-attention between pixels, and cross-attention to the 77 tokens of a caption.</summary>
public class AttentionBench : OperationBench
{
    const int HeadWidth = 64;
    Tensor q, k, v, y, logSumExp, dY, dQ, dK, dV;

    /// <summary>Layers of both models.</summary>
    public static IEnumerable<AttentionShape> Shapes =>
    [
        new("small", 4, 1024, 1024, 1), new("small", 4, 1024, 77, 1),
        new("sd2", 4, 1024, 1024, 5), new("sd2", 4, 1024, 77, 5), new("sd2", 4, 64, 64, 20), new("sd2", 4, 64, 77, 20),
    ];

    /// <summary>The layer.</summary>
    [ParamsSource(nameof(Shapes), Priority = -1)]
    public AttentionShape Shape { get; set; } = null!;

    /// <summary>Storage of activations.</summary>
    [Params(DType.F32, DType.BF16)]
    public DType Type { get; set; }

    /// <inheritdoc/>
    protected override void Prepare()
    {
        var (_, batch, queries, keys, heads) = Shape;
        int width = heads * HeadWidth;
        (q, k, v) = (Random(Type, batch, queries, width), Random(Type, batch, keys, width), Random(Type, batch, keys, width));
        (y, dY, logSumExp) = (Random(Type, batch, queries, width), Random(Type, batch, queries, width), Random(DType.F32, batch, heads, queries));
        (dQ, dK, dV) = (Random(Type, batch, queries, width), Random(Type, batch, keys, width), Random(Type, batch, keys, width));
        Forward();
    }

    /// <summary>y.</summary>
    [Benchmark]
    public void Forward() => Ops.AttentionForward(q, k, v, Shape.Heads, causal: false, y, logSumExp);

    /// <summary>dQ, dK and dV.</summary>
    [Benchmark]
    public void Backward() => Ops.AttentionBackward(q, k, v, y, logSumExp, dY, Shape.Heads, causal: false, dQ, dK, dV);
}
