namespace CommonCanvas.Tensors.Tests;

/// <summary>Every tile of the matrix kernels, whole and split, on results of several tiles that none of them divides.</summary>
[Trait("Category", "Kernels")]
public class ProductTilesTests() : OpTests(TestDevice.Emulator)
{
    const int Rows = 280, Inputs = 136, Outputs = 264, WholeTiles = 640;

    /// <summary>Tile and shares; of four shares of 5 or 9 steps the last is empty.</summary>
    public static TheoryData<int, int> Plans => new() { { 0, 1 }, { 1, 1 }, { 2, 1 }, { 3, 1 }, { 4, 1 }, { 0, 3 }, { 2, 2 }, { 3, 4 } };

    [Theory, MemberData(nameof(Plans))]
    public void Linear_agrees(int tile, int splits)
    {
        With(tile, splits, () =>
        {
            Agree(DType.F16, Inputs, run => run.Ops.LinearForward(run.Input("x", Rows, Inputs), run.Input("weight", Outputs, Inputs),
                run.Input("bias", Outputs), run.Input("residual", Rows, Outputs), run.Output("y", Rows, Outputs)));
            Agree(DType.F16, Rows, Backward);
            Assigns(DType.F16, Backward);
        });

        static void Backward(OpRun run) => run.Ops.LinearBackward(run.Input("x", Rows, Inputs), run.Input("weight", Outputs, Inputs),
            run.Input("dY", Rows, Outputs), run.Input("residual", Rows, Inputs), run.Output("dX", Rows, Inputs), run.Gradient("dWeight", Outputs, Inputs), run.Gradient("dBias", Outputs));
    }

    /// <summary>Several products in a launch, all in as many shares, of which some are empty.</summary>
    [Theory, InlineData(0, 1), InlineData(1, 1), InlineData(2, 1), InlineData(0, 3), InlineData(1, 2), InlineData(2, 4)]
    public void Weights_of_several_layers_agree(int tile, int splits)
    {
        With(tile, splits, () =>
        {
            Agree(DType.F16, Rows, Weights);
            Assigns(DType.F16, Weights);
        });

        static void Weights(OpRun run) => run.Ops.LinearBackwardWeights(
        [
            new(run.Input("x0", Rows, Inputs), run.Input("dY0", Rows, Outputs), run.Gradient("dWeight0", Outputs, Inputs)),
            new(run.Input("x1", 96, Outputs), run.Input("dY1", 96, 40), run.Gradient("dWeight1", 40, Outputs)),
            new(run["x0"], run["x0"], run.Gradient("dWeight2", Inputs, Inputs)),
            new(run.Input("x3", 96, WholeTiles), run["dY1"], run.Gradient("dWeight3", 40, WholeTiles)),
            new(run["dY1"], run["x3"], run.Gradient("dWeight4", WholeTiles, 40)),
        ]);
    }

    [Theory, MemberData(nameof(Plans))]
    public void Linear_with_geglu_agrees(int tile, int splits)
    {
        With(tile, splits, () =>
        {
            foreach (bool stored in new[] { true, false })
                Agree(DType.F16, Inputs, run => LinearGegluTests.Forward(run, Rows, Inputs, Outputs / 2, bias: true, stored));
            Agree(DType.F16, Outputs, run => LinearGegluTests.Backward(run, Rows, Outputs, Inputs));
            LinearGegluTests.SameBitsAsParts(Variants, Rows, Inputs, Outputs / 2);
        });
    }

    /// <summary>Shares whose rows are no multiple of four numbers.</summary>
    [Fact]
    public void Odd_shares_of_linear_with_geglu_agree() => With(0, 3, () => LinearGegluTests.SameBitsAsParts(Variants, rows: 70, inputs: 600, width: 33));

    [Theory, MemberData(nameof(Plans))]
    public void Conv_agrees(int tile, int splits)
    {
        const int Samples = 3, Height = 11, Width = 9, In = 24, Out = 72;
        foreach (var geometry in new[] { ConvGeometry.Same3, ConvGeometry.Down3 })
        {
            int outHeight = geometry.OutHeight(Height), outWidth = geometry.OutWidth(Width);
            With(tile, splits, () =>
            {
                Agree(DType.F16, 9 * In, run => run.Ops.ConvForward(run.Input("x", Samples, Height, Width, In), run.Input("weight", Out, 3, 3, In),
                    run.Input("bias", Out), run.Input("perSample", Samples, Out), run.Input("residual", Samples, outHeight, outWidth, Out), geometry,
                    run.Output("y", Samples, outHeight, outWidth, Out)));
                Agree(DType.F16, 9 * Out, Backward);
                Assigns(DType.F16, Backward);
            });

            void Backward(OpRun run) => run.Ops.ConvBackward(run.Input("x", Samples, Height, Width, In), run.Input("weight", Out, 3, 3, In),
                run.Input("dY", Samples, outHeight, outWidth, Out), geometry, run.Output("dX", Samples, Height, Width, In),
                run.Gradient("dWeight", Out, 3, 3, In), run.Gradient("dBias", Out), run.Output("dPerSample", Samples, Out));
        }
    }

    /// <summary>
    /// With stride 2 the pixels of every other row use the middle taps alone, the others the outer ones: neither multiplies what is
    /// the others', not even by zero.
    /// </summary>
    [Theory, InlineData(8), InlineData(5)]
    public void A_tap_that_is_not_a_number_stays_with_the_pixels_that_use_it(int outputs)
    {
        const int Side = 8, Inputs = 16;
        foreach (var type in Types)
        {
            using var run = new OpRun(Device, type);
            float[] weight = run.Normal("weight", outputs * 9 * Inputs);
            for (int output = 0; output < outputs; output++) weight.AsSpan((output * 3 + 1) * 3 * Inputs, 3 * Inputs).Fill(float.NaN);
            run.Ops.ConvBackward(run.Input("x", 1, Side, Side, Inputs), run.Values("weight", type, weight, outputs, 3, 3, Inputs), run.Input("dY", 1, Side / 2, Side / 2, outputs),
                ConvGeometry.Down3, run.Output("dX", 1, Side, Side, Inputs), default, default, default);
            float[] dX = run.Read("dX");
            for (int i = 0; i < dX.Length; i++) Assert.Equal(i / Inputs / Side % 2 == 0, float.IsNaN(dX[i]));
        }
    }

    /// <summary>fp32 has one tile; its shares are the same kernels' as of 16-bit storage.</summary>
    [Fact]
    public void Shares_of_fp32_agree() => With(0, 4, () => Agree(DType.F32, Inputs, run => run.Ops.LinearForward(run.Input("x", Rows, Inputs),
        run.Input("weight", Outputs - 1, Inputs), run.Input("bias", Outputs - 1), default, run.Output("y", Rows, Outputs - 1))));

    void With(int tile, int splits, Action action)
    {
        foreach (CudaOps ops in Variants) ops.FixedPlan = (tile, splits);
        try { action(); }
        finally { foreach (CudaOps ops in Variants) ops.FixedPlan = null; }
    }
}
