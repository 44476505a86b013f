using CommonCanvas.Cuda;
using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>Products by libraries against the reference, as any device's: odd shapes, all addends and types.</summary>
public abstract class CandidateAgreementTests(TestDevice device) : OpTests(device)
{
    /// <summary>Emulated libraries, which are taken wherever they can be.</summary>
    protected static readonly TestDevice EmulatorWithLibraries = new("emulator with libraries", _ =>
    {
        var folder = new TempFolder();
        CountedCuBlasLt.Reset();
        return Lease(new CandidateRig(folder.Path).Ops, folder);
    }, 1) { Missing = GpuDevices.NoEmulator };

    /// <summary>The first real GPU with what is installed; a wrong library fails the test.</summary>
    protected static readonly TestDevice CudaWithLibraries = new("cuda with libraries", _ =>
    {
        var folder = new TempFolder();
        var ops = CudaOps.Open(InstalledDriver.Load().Driver);
        ops.UseInstalledLibraries(note => throw new InvalidOperationException(note), folder.Path);
        return Lease(ops, folder);
    }, 1) { Missing = GpuDevices.NoCuda };

    static DeviceLease Lease(CudaOps ops, TempFolder folder) => new(ops, used =>
    {
        used.Dispose();
        folder.Dispose();
    });

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
                Agree(type, Math.Max(rows, outputs), run => Backward(run, bias));
                AssignsByCandidates(type, Math.Max(rows, outputs), run => Backward(run, bias));
            }
        OnlyLibraries();

        void Backward(OpRun run, bool withResidual) => run.Ops.LinearBackward(run.Input("x", rows, inputs), run.Input("weight", outputs, inputs),
            run.Input("dY", rows, outputs), run.Optional(withResidual, "residual", rows, inputs), run.Output("dX", rows, inputs), run.Gradient("dWeight", outputs, inputs), run.Gradient("dBias", outputs));
    }

    /// <summary>A residual may be the result's own memory.</summary>
    [Fact]
    public void A_residual_in_place_agrees() => Agree(DType.F16, 40, run =>
    {
        var y = run.Updated("y", DType.F16, run.Normal("y", 24 * 16), 24, 16);
        run.Ops.LinearForward(run.Input("x", 24, 40), run.Input("weight", 16, 40), default, y, y);
    });

    /// <summary>With GEGLU behind the product; sums are exact here, so that all round the same numbers.</summary>
    [Theory]
    [InlineData(1, 7, 5)]
    [InlineData(77, 40, 24)]
    [InlineData(130, 200, 35)]
    public void Linear_with_geglu_agrees(int rows, int inputs, int width)
    {
        foreach (var type in Types)
        {
            foreach (var (bias, stored) in new[] { (false, true), (true, true), (true, false) })
                Agree(type, inputs, run => LinearGegluTests.Forward(run, rows, inputs, width, bias, stored));
            Agree(type, inputs, run => LinearGegluTests.Backward(run, rows, inputs, width));
        }
        OnlyLibraries();
    }

    [Fact]
    public void Pointwise_convolutions_agree()
    {
        Agree(DType.F16, 24, run => run.Ops.ConvForward(run.Input("x", 2, 5, 7, 24), run.Input("weight", 16, 1, 1, 24), run.Input("bias", 16),
            default, run.Input("residual", 2, 5, 7, 16), ConvGeometry.Pointwise, run.Output("y", 2, 5, 7, 16)));
        Agree(DType.F16, 70, run => run.Ops.ConvBackward(run.Input("x", 2, 5, 7, 24), run.Input("weight", 16, 1, 1, 24), run.Input("dY", 2, 5, 7, 16),
            ConvGeometry.Pointwise, run.Output("dX", 2, 5, 7, 24), run.Gradient("dWeight", 16, 1, 1, 24), run.Gradient("dBias", 16), run.Output("dPerSample", 2, 16)));
        OnlyLibraries();
    }

    /// <summary>Odd sizes, both strides, every choice of addends that there is a candidate for.</summary>
    [Theory]
    [InlineData(3, 7, 6, 5, 3)]
    [InlineData(2, 9, 9, 24, 40)]
    public void Convolutions_agree(int samples, int height, int width, int inputs, int outputs)
    {
        foreach (var type in Types)
            foreach (var geometry in new[] { ConvGeometry.Same3, ConvGeometry.Down3 })
            {
                int outHeight = geometry.OutHeight(height), outWidth = geometry.OutWidth(width);
                foreach (var (bias, perSample, residual) in new[] { (false, false, false), (true, false, true), (true, true, false) })
                    Agree(type, 9 * inputs, run => run.Ops.ConvForward(run.Input("x", samples, height, width, inputs), run.Input("weight", outputs, 3, 3, inputs),
                        run.Optional(bias, "bias", outputs), run.Optional(perSample, "perSample", samples, outputs),
                        run.Optional(residual, "residual", samples, outHeight, outWidth, outputs), geometry, run.Output("y", samples, outHeight, outWidth, outputs)),
                        roundsOperands: perSample);
                Agree(type, Math.Max(9 * outputs, samples * outHeight * outWidth), run => Backward(run, type == DType.F32));
                AssignsByCandidates(type, Math.Max(9 * outputs, samples * outHeight * outWidth), run => Backward(run, type == DType.F32 || this is EmulatedCandidateTests));

                void Backward(OpRun run, bool weight) => run.Ops.ConvBackward(run.Input("x", samples, height, width, inputs),
                    run.Input("weight", outputs, 3, 3, inputs), run.Input("dY", samples, outHeight, outWidth, outputs), geometry,
                    run.Output("dX", samples, height, width, inputs), weight ? run.Gradient("dWeight", outputs, 3, 3, inputs) : default, run.Gradient("dBias", outputs), default);
            }
        OnlyLibraries();
    }

    /// <summary>The weight's gradient of 16-bit operands is rounded to them before it is added: by half a unit in its last place.</summary>
    [Theory]
    [InlineData(DType.F16, 11)]
    [InlineData(DType.BF16, 8)]
    public void A_gradient_of_reduced_precision_is_the_own_kernels_rounded(DType type, int digits)
    {
        using var lease = GpuDevices.Emulator();
        float[] own = Gradient(lease.Ops), library = Gradient(Device);
        for (int i = 0; i < own.Length; i++) Assert.Equal(own[i], library[i], tolerance: Math.Max(Math.Abs(own[i]), 1) * Math.ScaleB(1, -digits) * 1.01);
        OnlyLibraries();

        float[] Gradient(IOps ops)
        {
            using var run = new OpRun(ops, type);
            var gradient = run.Values("dWeight", DType.F32, new float[16 * 9 * 8], 16, 3, 3, 8);
            ops.ConvBackward(run.Input("x", 2, 6, 5, 8), run.Input("weight", 16, 3, 3, 8), run.Input("dY", 2, 6, 5, 16), ConvGeometry.Same3, default, gradient, default, default);
            return run.Read("dWeight");
        }
    }

    [Fact]
    public void What_no_library_can_do_the_own_kernels_do()
    {
        var asymmetric = ConvGeometry.DownAsymmetric3;
        Agree(DType.F16, 72, run => run.Ops.ConvForward(run.Input("x", 2, 7, 6, 8), run.Input("weight", 16, 3, 3, 8), run.Input("bias", 16), default, default,
            asymmetric, run.Output("y", 2, asymmetric.OutHeight(7), asymmetric.OutWidth(6), 16)));
        Agree(DType.F16, 72, run => run.Ops.ConvForward(run.Input("x", 2, 7, 6, 8), run.Input("weight", 16, 3, 3, 8), default, default, run.Input("residual", 2, 7, 6, 16),
            ConvGeometry.Same3, run.Output("y", 2, 7, 6, 16)));
        Assert.Empty(((CudaOps)Device).ProductMeasurements);
    }

    /// <summary>
    /// To assign a gradient and to add to it are two problems, which a GPU's fastest candidates may sum in different orders; the
    /// emulated library has one order.
    /// </summary>
    void AssignsByCandidates(DType type, int terms, Action<OpRun> operation)
    {
        if (this is EmulatedCandidateTests) Assigns(type, operation);
        else Assigns(type, terms, operation);
    }

    /// <summary>On the emulated device every product was a library's; a GPU takes what is faster.</summary>
    void OnlyLibraries()
    {
        if (this is not EmulatedCandidateTests) return;
        var measured = ((CudaOps)Device).ProductMeasurements;
        Assert.NotEmpty(measured);
        Assert.All(measured, product => Assert.NotEqual("", product.Best));
    }
}

/// <summary>On the emulated GPU, by emulated libraries.</summary>
[Collection("CountedDriver")]
public sealed class EmulatedCandidateTests() : CandidateAgreementTests(EmulatorWithLibraries);

/// <summary>On a real GPU, where there is one, by the installed libraries.</summary>
[Trait("Device", "cuda")]
public sealed class CudaCandidateTests() : CandidateAgreementTests(CudaWithLibraries);
