namespace CommonCanvas.Tensors.Tests;

public class CheckedOpsTests
{
    /// <summary>A device with one wrong element, and a gradient that is assigned where it should accumulate.</summary>
    sealed class Wrong : CpuOps
    {
        public override void LinearForward(Tensor x, Tensor weight, Tensor bias, Tensor residual, Tensor y)
        {
            base.LinearForward(x, weight, bias, residual, y);
            if (y.Type == DType.F32) y.Span<float>()[7] *= 1.001f;
            else y.Span<ushort>()[7] += 2;
        }

        public override void LinearBackward(Tensor x, Tensor weight, Tensor dY, Tensor dX, GradientTarget dWeight, GradientTarget dBias)
        {
            if (!dBias.IsNone) dBias.Tensor.Span<float>().Clear();
            base.LinearBackward(x, weight, dY, dX, dWeight, dBias);
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
            ops.LinearBackward(run.Input("x", 3, 6), run.Input("weight", 5, 6), run.Input("dY", 3, 5), run.Output("dX", 3, 6), run.Sum("dWeight", 5, 6), run.Sum("dBias", 5)));
        Assert.Contains("dBias[0]", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_arguments_are_the_devices_error()
    {
        using var ops = new CheckedOps(new CpuOps());
        using var run = new OpRun(ops, DType.F32);
        Assert.Throws<ArgumentException>(() => ops.LinearForward(default, run.Input("weight", 5, 6), default, default, run.Output("y", 3, 5)));
    }
}
