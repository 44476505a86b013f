using CommonCanvas.Tensors;

namespace CommonCanvas.Models.Tests;

/// <summary>Projections that are one product, and what stays of the parameters that they are made of.</summary>
public sealed class AttentionTests
{
    const int Batch = 2, Tokens = 5, ContextTokens = 3, Heads = 2;

    /// <summary>Biases, or widths whose square is no multiple of a parameter's alignment, stand between the weights.</summary>
    [Theory]
    [InlineData(8, 16, false, 2, 3)]
    [InlineData(8, 16, true, 4, 4)]
    [InlineData(12, 16, false, 4, 3)]
    [InlineData(12, 6, false, 4, 4)]
    public void Weights_that_lie_next_to_each_other_are_one_product(int width, int contextWidth, bool bias, int ofSelf, int ofCross)
    {
        Assert.Equal((ofSelf, ofSelf), Products(width, null, bias));
        Assert.Equal((ofCross, ofCross), Products(width, contextWidth, bias));
    }

    /// <summary>The same as products of their own, which layers with biases have: here of zero.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void One_product_gives_what_several_give(bool cross)
    {
        const int Width = 16, ContextWidth = 24;
        using var ops = new CpuOps();
        using Case joined = new(ops, Width, cross ? ContextWidth : null, bias: false), apart = new(ops, Width, cross ? ContextWidth : null, bias: true);
        foreach (var parameter in joined.Parameters.All)
        {
            apart.Parameters.Assign(apart.Parameters[parameter.Name], joined.Parameters.ToFile(parameter, joined.Parameters.Master));
            foreach (string name in (string[])["to_q.bias", "to_k.bias", "to_v.bias"]) apart.Parameters.Assign(apart.Parameters[name], new float[Width]);
        }
        foreach (bool accumulate in new[] { false, true, false })
        {
            joined.Run(accumulate);
            apart.Run(accumulate);
            Assert.Equal(apart.Y, joined.Y);
            foreach (var parameter in joined.Parameters.All)
                Assert.Equal(apart.Parameters[parameter.Name].Gradient.Span<float>(), parameter.Gradient.Span<float>());
            Close(apart.DX, joined.DX);
            Close(apart.DText, joined.DText);
        }
    }

    // Sums of two or three products, rounded after each or once.
    static void Close(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        float largest = expected.Select(Math.Abs).DefaultIfEmpty().Max();
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 3 * largest / (1 << 23)));
    }

    static (long Forward, long Backward) Products(int width, int? contextWidth, bool bias)
    {
        using var ops = new TimedOps(new CpuOps());
        using var run = new Case(ops, width, contextWidth, bias);
        run.Run(accumulate: false);
        long Calls(string name) => ops.Rows.Single(row => row.Name == name).Calls;
        return (Calls("LinearForward"), Calls("LinearBackward"));
    }

    /// <summary>An attention with parameters and gradients of its own.</summary>
    sealed class Case : IDisposable
    {
        readonly IOps ops;
        readonly Attention attention;
        readonly int width;
        readonly int? contextWidth;

        public Case(IOps ops, int width, int? contextWidth, bool bias)
        {
            (this.ops, this.width, this.contextWidth) = (ops, width, contextWidth);
            Parameters.BeginUnit("attention");
            attention = new(new LayerContext(ops, true), Parameters.Root, width, contextWidth, Heads, bias, AttentionNames.Diffusers);
            Parameters.Allocate(ops, DType.F32, training: true);
            Parameters.Initialize(5);
        }

        public ParameterSet Parameters { get; } = new();

        public float[] Y { get; private set; } = [];

        public float[] DX { get; private set; } = [];

        public float[] DText { get; private set; } = [];

        public void Run(bool accumulate)
        {
            int live = ops.Arena.LiveBlocks;
            Tensor x = Slope.Random(ops, DType.F32, 1, Batch, Tokens, width), dY = Slope.Random(ops, DType.F32, 2, Batch, Tokens, width);
            var text = contextWidth is { } inputs ? Slope.Random(ops, DType.F32, 3, Batch, ContextTokens, inputs) : Tensor.None;
            var y = attention.Forward(x, text, x);
            Tensor dX = default, dText = default;
            Parameters.ReceiveGradients(accumulate, () => (dX, dText) = attention.Backward(dY, needText: contextWidth is not null));
            (Y, DX, DText) = (y.Span<float>().ToArray(), dX.Span<float>().ToArray(), dText.IsNone ? [] : dText.Span<float>().ToArray());
            foreach (var tensor in new[] { x, dY, text, y, dX, dText }) ops.Arena.Release(tensor);
            Assert.Equal(live, ops.Arena.LiveBlocks);
        }

        public void Dispose() => Parameters.Dispose();
    }
}
