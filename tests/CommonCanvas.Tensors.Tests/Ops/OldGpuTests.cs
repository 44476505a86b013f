namespace CommonCanvas.Tensors.Tests;

/// <summary>
/// What the kernels do otherwise before compute capability 8.0: products of fp16 by shallower matrix instructions and without
/// copies that run beside them, those of bf16 without any, and bf16 rounded by integers. The newer ways are every other test's.
/// </summary>
[Trait("Category", "Kernels")]
public sealed class OldGpuTests() : OpTests(TestDevice.OldEmulator)
{
    [Fact]
    public void Numbers_are_rounded_to_bf16_to_nearest_ties_to_even()
    {
        float[] special = [0, -0f, 1 + 1f / 256, 1 + 3f / 256, -1 - 1f / 256, 1 + 1.01f / 256, 3.4e38f, -3.4e38f, 1e-40f, 9.2e-41f, float.PositiveInfinity, float.NegativeInfinity, float.NaN];
        using var run = new OpRun(Device, DType.F32);
        float[] values = [.. special, .. run.Normal("x", 1000)];
        run.Ops.Cast(run.Values("x", DType.F32, values, values.Length), run.Output("y", DType.BF16, values.Length));
        Assert.Equal(values.Select(v => Rounding.Round(v, DType.BF16)), run.Read("y"));
    }

    [Theory, InlineData(DType.F16, 72, 40), InlineData(DType.F16, 33, 17), InlineData(DType.BF16, 72, 40)]
    public void Linear_agrees(DType type, int inputs, int outputs)
    {
        const int Rows = 140;
        Agree(type, inputs, run => run.Ops.LinearForward(run.Input("x", Rows, inputs), run.Input("weight", outputs, inputs), run.Input("bias", outputs),
            run.Input("residual", Rows, outputs), run.Output("y", Rows, outputs)));
        Agree(type, Rows, run => run.Ops.LinearBackward(run.Input("x", Rows, inputs), run.Input("weight", outputs, inputs), run.Input("dY", Rows, outputs),
            default, run.Output("dX", Rows, inputs), run.Gradient("dWeight", outputs, inputs), run.Gradient("dBias", outputs)));
        Agree(type, Rows, run => run.Ops.LinearBackwardWeights(
        [
            new(run.Input("x", Rows, inputs), run.Input("dY", Rows, outputs), run.Gradient("dWeight", outputs, inputs)),
            new(run["dY"], run["x"], run.Gradient("dOther", inputs, outputs)),
        ]));
    }

    [Theory, InlineData(DType.F16), InlineData(DType.BF16)]
    public void Convolutions_agree(DType type)
    {
        const int Side = 9, Inputs = 16, Outputs = 24;
        foreach (var geometry in new[] { ConvGeometry.Same3, ConvGeometry.Down3 })
        {
            int side = geometry.OutHeight(Side);
            Agree(type, 9 * Inputs, run => run.Ops.ConvForward(run.Input("x", 2, Side, Side, Inputs), run.Input("weight", Outputs, 3, 3, Inputs), run.Input("bias", Outputs),
                default, default, geometry, run.Output("y", 2, side, side, Outputs)));
            Agree(type, Math.Max(9 * Outputs, 2 * side * side), run => run.Ops.ConvBackward(run.Input("x", 2, Side, Side, Inputs), run.Input("weight", Outputs, 3, 3, Inputs),
                run.Input("dY", 2, side, side, Outputs), geometry, run.Output("dX", 2, Side, Side, Inputs), run.Gradient("dWeight", Outputs, 3, 3, Inputs), default, default));
        }
    }

    [Theory, InlineData(DType.F16, 77, 64, false), InlineData(DType.F16, 70, 40, true), InlineData(DType.F16, 20, 160, false), InlineData(DType.BF16, 70, 40, false)]
    public void Attention_agrees(DType type, int keys, int size, bool causal)
    {
        const int Heads = 2;
        int queries = causal ? keys : 33;
        Agree(type, size + keys, run => AttentionTests.Forward(run, 1, queries, keys, Heads, size, causal), HasMatrixInstructions);
        Agree(type, 3 * size + 2 * Math.Max(queries, keys), run => AttentionTests.Backward(run, 1, queries, keys, Heads, size, causal, 7, ofForward: false), HasMatrixInstructions);
    }
}
