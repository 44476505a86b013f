namespace CommonCanvas.Tensors.Tests;

/// <summary>Every tile of the matrix kernels, whole and split, on results of several tiles that none of them divides.</summary>
[Trait("Category", "Kernels")]
public class ProductTilesTests() : OpTests(TestDevice.Emulator)
{
    const int Rows = 280, Inputs = 136, Outputs = 264;

    public static TheoryData<int, int> Plans => new() { { 0, 1 }, { 1, 1 }, { 2, 1 }, { 3, 1 }, { 0, 3 }, { 1, 2 } };

    [Theory, MemberData(nameof(Plans))]
    public void Linear_agrees(int tile, int splits)
    {
        With(tile, splits, () =>
        {
            Agree(DType.F16, Inputs, run => run.Ops.LinearForward(run.Input("x", Rows, Inputs), run.Input("weight", Outputs, Inputs),
                run.Input("bias", Outputs), run.Input("residual", Rows, Outputs), run.Output("y", Rows, Outputs)));
            Agree(DType.F16, Rows, run => run.Ops.LinearBackward(run.Input("x", Rows, Inputs), run.Input("weight", Outputs, Inputs),
                run.Input("dY", Rows, Outputs), run.Output("dX", Rows, Inputs), run.Sum("dWeight", Outputs, Inputs), run.Sum("dBias", Outputs)));
        });
    }

    /// <summary>fp32 has one tile; its shares are the same kernels' as of 16-bit storage.</summary>
    [Fact]
    public void Shares_of_fp32_agree() => With(0, 3, () => Agree(DType.F32, Inputs, run => run.Ops.LinearForward(run.Input("x", Rows, Inputs),
        run.Input("weight", Outputs - 1, Inputs), run.Input("bias", Outputs - 1), default, run.Output("y", Rows, Outputs - 1))));

    void With(int tile, int splits, Action action)
    {
        var ops = (CudaOps)Device;
        ops.FixedPlan = (tile, splits);
        try { action(); }
        finally { ops.FixedPlan = null; }
    }
}
