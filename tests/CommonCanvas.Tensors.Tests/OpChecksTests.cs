namespace CommonCanvas.Tensors.Tests;

/// <summary>Wrong arguments are refused before anything is read or written, with the operation, the argument and the shapes.</summary>
public sealed class OpChecksTests : IDisposable
{
    readonly CpuOps ops = new();

    public void Dispose() => ops.Dispose();

    [Fact]
    public void A_shape_that_does_not_fit_is_named()
    {
        Refused("LinearForward: weight is F32[4, 7], must be F32[4, 8]", () => ops.LinearForward(T(3, 8), T(4, 7), default, default, T(3, 4)));
        Refused("LinearForward: bias is F32[3], must be F32[4]", () => ops.LinearForward(T(3, 8), T(4, 8), T(3), default, T(3, 4)));
        Refused("LinearForward: y is F32[2, 4], must be F32 of 3 rows of 4", () => ops.LinearForward(T(3, 8), T(4, 8), default, default, T(2, 4)));
        Refused("LinearForward: x is none", () => ops.LinearForward(default, T(4, 8), default, default, T(2, 4)));
        Refused("LinearGegluForward: weight is F32[5, 8], must be of an even number of rows, values before gates", () => ops.LinearGegluForward(T(3, 8), T(5, 8), default, default, T(3, 2)));
        Refused("LinearGegluForward: u is F32[3, 2], must be F32 of 3 rows of 4", () => ops.LinearGegluForward(T(3, 8), T(4, 8), default, T(3, 2), T(3, 2)));
        Refused("LinearGegluBackward: weight is F32[5, 4], must be F32[5, 3]", () => ops.LinearGegluBackward(T(2, 6), T(5, 4), T(2, 5), T(2, 6)));
        Refused("AttentionBackward: q is F32[1, 0, 8], must be of one token at least",
            () => ops.AttentionBackward(T(1, 0, 8), T(1, 5, 8), T(1, 5, 8), T(1, 0, 8), T(1, 2, 0), T(1, 0, 8), 2, false, default, T(1, 5, 8), T(1, 5, 8)));
        Refused("AttentionForward: k is F32[1, 0, 8], must be of one token at least",
            () => ops.AttentionForward(T(1, 5, 8), T(1, 0, 8), T(1, 0, 8), 2, false, T(1, 5, 8), T(1, 2, 5)));
        Refused("ConvForward: y is F32[1, 5, 5, 2], must be F32[1, 3, 3, 2]",
            () => ops.ConvForward(T(1, 5, 5, 3), T(2, 3, 3, 3), default, default, default, ConvGeometry.Down3, T(1, 5, 5, 2)));
        Refused("ConvBackward: x is F32[1, 1, 1, 3], must be as large as the kernel with its padding",
            () => ops.ConvBackward(T(1, 1, 1, 3), T(2, 3, 3, 3), T(1, 1, 1, 2), ConvGeometry.DownAsymmetric3, default, default, default, default));
        Refused("GroupNormForward: x is F32[2, 3, 10], must be [samples, ..., channels] with channels a multiple of 4 groups",
            () => ops.GroupNormForward(T(2, 3, 10), T(10), T(10), 4, 1e-5f, true, T(2, 3, 10), T(2, 4), T(2, 4)));
        Refused("AttentionForward: k is F32[1, 6, 8], must be F32[1, 5, 8]",
            () => ops.AttentionForward(T(1, 5, 8), T(1, 6, 8), T(1, 6, 8), 2, true, T(1, 5, 8), T(1, 2, 5)));
        Refused("AttentionForward: q is F32[1, 5, 8], must be of channels that are a multiple of 3 heads",
            () => ops.AttentionForward(T(1, 5, 8), T(1, 5, 8), T(1, 5, 8), 3, true, T(1, 5, 8), T(1, 3, 5)));
        Refused("AttentionForward: q is columns 17 to 24 of F32[1, 5, 24], must be within the tensor",
            () => ops.AttentionForward(new(T(1, 5, 24), 17, 8), T(1, 5, 8), T(1, 5, 8), 2, true, T(1, 5, 8), T(1, 2, 5)));
        Refused("AttentionForward: v is columns 8 to 15 of F32[1, 5, 24], must be of a tensor as wide as k's, 16",
            () => ops.AttentionForward(T(1, 5, 8), new(T(1, 5, 16), 0, 8), new(T(1, 5, 24), 8, 8), 2, true, T(1, 5, 8), T(1, 2, 5)));
        Refused("AttentionBackward: dK is columns 8 to 14 of F32[1, 5, 16], must be F32[1, 5, 8]",
            () => ops.AttentionBackward(T(1, 5, 8), T(1, 5, 8), T(1, 5, 8), T(1, 5, 8), T(1, 2, 5), T(1, 5, 8), 2, true, default, new(T(1, 5, 16), 8, 7), default));
        Refused("EmbeddingForward: position is F32[3, 8], must be F32[4, 8]",
            () => ops.EmbeddingForward(new Tensor(1, DType.I32, 2, 4), T(9, 8), T(3, 8), T(2, 4, 8)));
        Refused("MseForward: weight is F32[1], must be F32[2]", () => ops.MseForward(T(2, 5), T(2, 5), T(1), T(2)));
        Refused("Velocity: noise is F32[2, 4], must be F32[2, 5] or a view of it", () => ops.Velocity(T(2, 5), T(2, 4), T(2), T(2), T(2, 5)));
        Refused("RandomUniform: y is F32[3, 4], must be of one sample for each key", () => ops.RandomUniform([default, default], T(3, 4)));
        Refused("AdamW: m is F32[6], must be F32[7] or a view of it", () => ops.AdamW(T(7), T(7), T(6), T(7), T(1), new AdamWSettings(1, 0, 0, 1, 0, 1), default));
        Refused("AdamW: settings.Step is 0", () => ops.AdamW(T(7), T(7), T(7), T(7), T(1), default, default));
        Refused("Upload: y is F32[7], must be of the host's count and element size", () => ops.Upload<float>([1, 2], T(7)));
    }

    [Fact]
    public void A_type_that_does_not_fit_is_named()
    {
        var half = new Tensor(1, DType.F16, 3, 8);
        Refused("LinearForward: weight is F32[4, 8], must be F16[4, 8]", () => ops.LinearForward(half, T(4, 8), default, default, T(3, 4)));
        Refused("LayerNormForward: mean is F16[3, 8], must be F32 of 3 elements", () => ops.LayerNormForward(T(3, 8), T(8), T(8), 1e-5f, T(3, 8), half, T(3)));
        Refused("Add: b is F16[3, 8], must be F32[3, 8] or a view of it", () => ops.Add(T(3, 8), half, T(3, 8)));
        Refused("ActivationForward: x is I32[3], must be F32, F16 or BF16", () => ops.ActivationForward(new Tensor(1, DType.I32, 3), Activation.Silu, T(3)));
        Refused("SumSquares: x is F16[3, 8], must be F32", () => ops.SumSquares(half, T(1)));
        Refused("Cast: y is F16[3, 8], must be I32 or F32 where x is I32", () => ops.Cast(new Tensor(1, DType.I32, 24), half));
    }

    /// <summary>The checks stand in the path of every operation of a training step.</summary>
    [Fact]
    public void Right_arguments_cost_no_memory()
    {
        Tensor x = T(3, 8), weight = T(4, 8), y = T(3, 4), half = T(3, 2), image = T(1, 5, 5, 8), kernel = T(4, 3, 3, 8), result = T(1, 3, 3, 4), q = T(1, 5, 8), channels = T(8), one = T(1);
        void Run()
        {
            OpChecks.LinearForward(x, weight, default, y, y);
            OpChecks.LinearBackward(x, weight, y, default, x, weight, default);
            OpChecks.LinearGegluForward(x, weight, default, y, half);
            OpChecks.LinearGegluBackward(x, weight.Reshape(8, 4), x, x);
            OpChecks.ConvForward(image, kernel, default, default, result, ConvGeometry.Down3, result);
            OpChecks.GroupNormForward(image, channels, channels, 1, image, one, one);
            OpChecks.AttentionForward(q, q, q, 1, true, q, T(1, 1, 5));
            OpChecks.EmbeddingForward(new Tensor(1, DType.I32, 3), weight, weight, x);
            OpChecks.AdamW(x, x, x, x, one, new AdamWSettings(1, 0, 0, 1, 0, 1), x);
            OpChecks.RandomNormal(3, x);
        }
        Run();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Run();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    /// <summary>A tensor that nothing may touch: its address is no memory.</summary>
    static Tensor T(int d0, int d1 = -1, int d2 = -1, int d3 = -1) => new(1, DType.F32, d0, d1, d2, d3);

    static void Refused(string message, Action call) => Assert.StartsWith(message, Assert.Throws<ArgumentException>(call).Message, StringComparison.Ordinal);
}
