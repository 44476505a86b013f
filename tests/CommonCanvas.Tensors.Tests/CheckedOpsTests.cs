namespace CommonCanvas.Tensors.Tests;

public class CheckedOpsTests
{
    /// <summary>A device with wrong elements, and a gradient that is assigned where it should accumulate.</summary>
    sealed class Wrong : CpuOps
    {
        public override void LinearForward(Tensor x, Tensor weight, Tensor bias, Tensor residual, Tensor y)
        {
            base.LinearForward(x, weight, bias, residual, y);
            if (y.Type == DType.F32) y.Span<float>()[7] *= 1.001f;
            else y.Span<ushort>()[7] += 2;
        }

        public override void LinearBackward(Tensor x, Tensor weight, Tensor dY, Tensor residual, Tensor dX, GradientTarget dWeight, GradientTarget dBias)
        {
            if (!dBias.IsNone) dBias.Tensor.Span<float>().Clear();
            base.LinearBackward(x, weight, dY, residual, dX, dWeight, dBias);
        }

        public override void AttentionBackward(Columns q, Columns k, Columns v, Tensor y, Tensor logSumExp, Tensor dY, int heads, bool causal, Columns dQ, Columns dK, Columns dV)
        {
            base.AttentionBackward(q, k, v, y, logSumExp, dY, heads, causal, dQ, dK, dV);
            dV.Tensor.Span<float>()[dV.Pitch + dV.First + 3] += 1; // of the second token
        }
    }

    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.F16)]
    [InlineData(DType.BF16)]
    public void The_first_difference_is_named(DType type)
    {
        using var ops = new CheckedOps(new Wrong());
        using var run = new OpRun(ops, type);
        var error = Assert.Throws<OpMismatchException>(() =>
            ops.LinearForward(run.Input("x", 3, 6), run.Input("weight", 5, 6), default, default, run.Output("y", 3, 5)));
        foreach (string part in new[] { "LinearForward on cpu-reference: y[1, 2] is ", "tolerance", $"x {type}[3, 6], weight {type}[5, 6], bias none, residual none, y {type}[3, 5]" })
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_gradient_that_does_not_accumulate_is_found()
    {
        using var ops = new CheckedOps(new Wrong());
        using var run = new OpRun(ops, DType.F32);
        var error = Assert.Throws<OpMismatchException>(() =>
            ops.LinearBackward(run.Input("x", 3, 6), run.Input("weight", 5, 6), run.Input("dY", 3, 5), default, run.Output("dX", 3, 6), run.Sum("dWeight", 5, 6), run.Sum("dBias", 5)));
        Assert.Contains("dBias[0]", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Of columns that several results have of one tensor, each result's own are compared.</summary>
    [Fact]
    public void A_difference_among_columns_is_named()
    {
        using var ops = new CheckedOps(new Wrong());
        using var run = new OpRun(ops, DType.F32);
        Tensor qkv = run.Input("qkv", 1, 3, 24), slopes = run.Output("slopes", 1, 3, 26), y = run.Output("y", 1, 3, 8), logSumExp = run.Output("logSumExp", 1, 2, 3);
        Columns q = new(qkv, 0, 8), k = new(qkv, 8, 8), v = new(qkv, 16, 8);
        ops.AttentionForward(q, k, v, 2, false, y, logSumExp);
        var error = Assert.Throws<OpMismatchException>(() =>
            ops.AttentionBackward(q, k, v, y, logSumExp, run.Input("dY", 1, 3, 8), 2, false, new(slopes, 0, 8), new(slopes, 8, 8), new(slopes, 17, 8)));
        foreach (string part in new[] { "AttentionBackward on cpu-reference: dV[0, 1, 3] is ", "dK columns 8 to 15 of F32[1, 3, 26]" })
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
    }

    /// <summary>Sums of which some are rounded to the other neighbour, by another order of adding, on the way into GEGLU and back.</summary>
    [Fact]
    public void Another_rounding_on_the_way_is_no_difference()
    {
        const int Rows = 150, Inputs = 320, Width = 200;
        using var ops = new CheckedOps(CpuFastOps.Create(1, CpuIsa.Portable));
        using var run = new OpRun(ops, DType.F16);
        using var reference = new CpuOps();
        using var there = new OpRun(reference, DType.F16);
        foreach (var at in new[] { run, there })
        {
            at.Ops.LinearGegluForward(at.Input("x", Rows, Inputs), at.Input("weight", 2 * Width, Inputs), at.Input("bias", 2 * Width), default, at.Output("y", Rows, Width));
            at.Ops.LinearGegluBackward(at.Input("u", Rows, 2 * Width), at.Input("next", Inputs, Width), at.Input("dY", Rows, Inputs), at.Output("dU", Rows, 2 * Width));
        }
        // by more than the rounding of the result itself, so the case is there
        foreach (string name in new[] { "y", "dU" })
            Assert.Contains(there.Read(name).Zip(run.Read(name)), pair => Math.Abs(pair.First - pair.Second) > 1.01 * Math.Pow(2, -10) * Math.Abs(pair.First));
    }

    [Fact]
    public void Wrong_arguments_are_the_devices_error()
    {
        using var ops = new CheckedOps(new CpuOps());
        using var run = new OpRun(ops, DType.F32);
        Assert.Throws<ArgumentException>(() => ops.LinearForward(default, run.Input("weight", 5, 6), default, default, run.Output("y", 3, 5)));
    }
}
