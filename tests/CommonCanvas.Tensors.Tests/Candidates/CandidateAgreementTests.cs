using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>Products by emulated libraries against the reference, as any device's: odd shapes, all addends and types.</summary>
[Collection("CountedDriver")]
public sealed class CandidateAgreementTests() : OpTests(EmulatorWithLibraries)
{
    static readonly TestDevice EmulatorWithLibraries = new("emulator with libraries", _ =>
    {
        var folder = new TempFolder();
        CountedCuBlasLt.Reset();
        return new DeviceLease(new CandidateRig(folder.Path).Ops, ops =>
        {
            ops.Dispose();
            folder.Dispose();
        });
    }, 1) { Missing = GpuDevices.NoEmulator };

    [Theory]
    [InlineData(1, 7, 5)]
    [InlineData(3, 33, 17)]
    [InlineData(77, 40, 24)]
    [InlineData(130, 200, 35)]
    public void Linear_agrees(int rows, int inputs, int outputs)
    {
        foreach (var type in Types)
            foreach (var (bias, residual) in new[] { (false, false), (true, false), (false, true), (true, true) })
            {
                Agree(type, inputs, run => run.Ops.LinearForward(run.Input("x", rows, inputs), run.Input("weight", outputs, inputs),
                    run.Optional(bias, "bias", outputs), run.Optional(residual, "residual", rows, outputs), run.Output("y", rows, outputs)));
                if (bias != residual) continue;
                Agree(type, Math.Max(rows, outputs), run => run.Ops.LinearBackward(run.Input("x", rows, inputs), run.Input("weight", outputs, inputs),
                    run.Input("dY", rows, outputs), run.Output("dX", rows, inputs), run.Sum("dWeight", outputs, inputs), run.Sum("dBias", outputs)));
            }
        OnlyLibraries();
    }

    /// <summary>A residual may be the result's own memory.</summary>
    [Fact]
    public void A_residual_in_place_agrees() => Agree(DType.F16, 40, run =>
    {
        var y = run.Updated("y", DType.F16, run.Normal("y", 24 * 16), 24, 16);
        run.Ops.LinearForward(run.Input("x", 24, 40), run.Input("weight", 16, 40), default, y, y);
    });

    [Fact]
    public void Pointwise_convolutions_agree()
    {
        Agree(DType.F16, 24, run => run.Ops.ConvForward(run.Input("x", 2, 5, 7, 24), run.Input("weight", 16, 1, 1, 24), run.Input("bias", 16),
            default, run.Input("residual", 2, 5, 7, 16), ConvGeometry.Pointwise, run.Output("y", 2, 5, 7, 16)));
        Agree(DType.F16, 70, run => run.Ops.ConvBackward(run.Input("x", 2, 5, 7, 24), run.Input("weight", 16, 1, 1, 24), run.Input("dY", 2, 5, 7, 16),
            ConvGeometry.Pointwise, run.Output("dX", 2, 5, 7, 24), run.Sum("dWeight", 16, 1, 1, 24), run.Sum("dBias", 16), run.Output("dPerSample", 2, 16)));
        OnlyLibraries();
    }

    void OnlyLibraries()
    {
        var measured = ((CudaOps)Device).ProductMeasurements;
        Assert.NotEmpty(measured);
        Assert.All(measured, product => Assert.NotEqual("", product.Best));
    }
}
