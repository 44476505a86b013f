using CommonCanvas.Cuda;
using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>Which of several ways a product is computed by: decided once, remembered, never by a library that answers wrongly.</summary>
[Collection("CountedDriver")]
public sealed class ProductTunerTests : IDisposable
{
    readonly TempFolder folder = new();

    public ProductTunerTests()
    {
        Assert.SkipWhen(GpuDevices.NoEmulator is not null, GpuDevices.NoEmulator ?? "");
        CountedCuBlasLt.Reset();
    }

    public void Dispose() => folder.Dispose();

    string File => Directory.GetFiles(folder.Path).Single();

    static float[] Own(int rows, int inputs, int outputs, DType type = DType.F16)
    {
        using var lease = GpuDevices.Emulator();
        using var run = new OpRun(lease.Ops, type);
        lease.Ops.LinearForward(run.Input("x", rows, inputs), run.Input("weight", outputs, inputs), run.Input("bias", outputs), default, run.Output("y", rows, outputs));
        return run.Read("y");
    }

    [Fact]
    public void A_shape_is_tuned_once_and_then_costs_no_wait()
    {
        using var rig = new CandidateRig(folder.Path);
        using var run = new OpRun(rig.Ops, DType.F16);
        Tensor x = run.Input("x", 24, 32), weight = run.Input("weight", 16, 32), other = run.Input("other", 8, 32), y = run.Output("y", 24, 16), z = run.Output("z", 24, 8);
        rig.Ops.LinearForward(x, weight, default, default, y);
        Assert.Single(rig.Ops.ProductMeasurements);
        Assert.True(CountedCuBlasLt.Products > 1);

        int waits = CountedDriver.Waits, products = CountedCuBlasLt.Products;
        for (int i = 0; i < 3; i++) rig.Ops.LinearForward(x, weight, default, default, y);
        Assert.Equal((waits, products + 3), (CountedDriver.Waits, CountedCuBlasLt.Products));
        Assert.Single(rig.Ops.ProductMeasurements);

        rig.Ops.LinearForward(x, other, default, default, z);
        Assert.Equal(2, rig.Ops.ProductMeasurements.Count);
        Assert.All(rig.Ops.ProductMeasurements, measured => Assert.Equal("cuBLASLt 12.0.0", measured.Best));
    }

    [Fact]
    public void A_choice_survives_a_restart_and_gives_the_same_bits()
    {
        float[] first;
        using (var rig = new CandidateRig(folder.Path)) first = rig.Forward(33, 40, 24);
        CountedCuBlasLt.Reset();
        using var again = new CandidateRig(folder.Path);
        Assert.Equal(first, again.Forward(33, 40, 24));
        Assert.Equal(first, again.Forward(33, 40, 24));
        Assert.Equal(2, CountedCuBlasLt.Products);
        var known = Assert.Single(again.Ops.ProductMeasurements);
        Assert.Equal((true, "cuBLASLt 12.0.0", 1.0, 0.0), (known.Remembered, known.Best, known.OwnMilliseconds, known.BestMilliseconds));
    }

    [Fact]
    public void A_slower_library_is_left_alone_now_and_after_a_restart()
    {
        CountedCuBlasLt.Milliseconds = 1000;
        using (var rig = new CandidateRig(folder.Path))
        {
            Assert.Equal(Own(33, 40, 24), rig.Forward(33, 40, 24));
            Assert.Equal("", rig.Ops.ProductMeasurements.Single().Best);
        }
        CountedCuBlasLt.Reset();
        using var again = new CandidateRig(folder.Path);
        again.Forward(33, 40, 24);
        Assert.Equal(0, CountedCuBlasLt.Products);
        Assert.Empty(again.Notes);
    }

    [Theory]
    [InlineData("cut")]
    [InlineData("bit")]
    [InlineData("empty")]
    public void A_damaged_file_is_made_anew(string damage)
    {
        using (var rig = new CandidateRig(folder.Path)) rig.Forward(33, 40, 24);
        byte[] good = System.IO.File.ReadAllBytes(File), bad = damage == "cut" ? good[..(good.Length / 2)] : damage == "empty" ? [] : [.. good];
        if (damage == "bit") bad[^3] ^= 1;
        System.IO.File.WriteAllBytes(File, bad);
        using (var rig = new CandidateRig(folder.Path))
        {
            rig.Forward(33, 40, 24);
            Assert.False(Assert.Single(rig.Ops.ProductMeasurements).Remembered);
        }
        Assert.Equal(good, System.IO.File.ReadAllBytes(File));
    }

    [Theory]
    [InlineData(DType.F16, 1.01f)]
    [InlineData(DType.BF16, 1.05f)] // a hundredth would be within a further rounding
    [InlineData(DType.F32, 1 + 1f / 4096)] // as much as TF32 is off
    [InlineData(DType.F16, float.NaN)]
    public void A_wrong_library_is_dropped_reported_once_and_never_called_again(DType type, float factor)
    {
        CountedCuBlasLt.Factor = factor;
        using (var rig = new CandidateRig(folder.Path))
        {
            Assert.Equal(Own(33, 40, 24, type), rig.Forward(33, 40, 24, type));
            Assert.Equal(1, CountedCuBlasLt.Products);
            rig.Forward(33, 40, 24, type);
            rig.Forward(17, 40, 24, type);
            Assert.Equal(1, CountedCuBlasLt.Products);
            string note = Assert.Single(rig.Notes);
            Assert.Contains($"cuBLASLt 12.0.0 computes LinearForward {type} [33, 40] to 24, Bias, aligned 16 wrongly: ", note);
            Assert.Contains(File, note);
        }
        using var again = new CandidateRig(folder.Path);
        again.Forward(9, 40, 24, type);
        Assert.Equal(1, CountedCuBlasLt.Products);
        Assert.Empty(again.Notes);
    }

    /// <summary>As far off as a further rounding is: not wrong, but less exact than the own kernels, which stay.</summary>
    [Fact]
    public void A_library_that_rounds_once_more_is_passed_over_for_that_product_alone()
    {
        using var rig = new CandidateRig(folder.Path);
        CountedCuBlasLt.Factor = 1 + 1f / 1024;
        Assert.Equal(Own(33, 40, 24), rig.Forward(33, 40, 24));
        int tried = CountedCuBlasLt.Products;
        rig.Forward(33, 40, 24);
        Assert.Equal(tried, CountedCuBlasLt.Products);
        CountedCuBlasLt.Factor = 1;
        rig.Forward(17, 40, 24);
        Assert.True(CountedCuBlasLt.Products > tried);
        Assert.Empty(rig.Notes);
    }

    /// <summary>A result over its residual is a problem of its own: a library may be right beside it and round once more there.</summary>
    [Fact]
    public void A_library_is_tried_in_place_where_it_is_used_in_place()
    {
        using var rig = new CandidateRig(folder.Path);
        using var lease = GpuDevices.Emulator();
        CountedCuBlasLt.FactorInPlace = 1 + 1f / 1024;
        Assert.Equal(InPlace(lease.Ops), InPlace(rig.Ops));
        int tried = CountedCuBlasLt.Products;
        Beside(rig.Ops);
        Assert.True(CountedCuBlasLt.Products > tried);
        tried = CountedCuBlasLt.Products;
        InPlace(rig.Ops);
        Assert.Equal(tried, CountedCuBlasLt.Products);
        Beside(rig.Ops);
        Assert.Equal(tried + 1, CountedCuBlasLt.Products);
        Assert.Empty(rig.Notes);

        static float[] InPlace(IOps ops)
        {
            using var run = new OpRun(ops, DType.F16);
            var y = run.Updated("y", DType.F16, run.Normal("y", 24 * 16), 24, 16);
            ops.LinearForward(run.Input("x", 24, 40), run.Input("weight", 16, 40), default, y, y);
            return run.Read("y");
        }

        static void Beside(IOps ops)
        {
            using var run = new OpRun(ops, DType.F16);
            ops.LinearForward(run.Input("x", 24, 40), run.Input("weight", 16, 40), default, run.Input("residual", 24, 16), run.Output("y", 24, 16));
        }
    }

    [Fact]
    public void What_a_wrong_library_was_chosen_for_is_computed_without_it()
    {
        using var rig = new CandidateRig(folder.Path);
        rig.Forward(33, 40, 24);
        CountedCuBlasLt.Factor = 2;
        rig.Forward(17, 40, 24);
        int products = CountedCuBlasLt.Products;
        Assert.Equal(Own(33, 40, 24), rig.Forward(33, 40, 24));
        Assert.Equal(products, CountedCuBlasLt.Products);
        Assert.DoesNotContain(System.IO.File.ReadLines(File), line => line.StartsWith("use\t", StringComparison.Ordinal) && line.Contains("cuBLASLt", StringComparison.Ordinal));
    }

    [Fact]
    public void A_library_that_refuses_what_it_was_chosen_for_is_replaced_and_said_to_be()
    {
        using (var rig = new CandidateRig(folder.Path)) rig.Forward(33, 40, 24);
        CountedCuBlasLt.Reset();
        CountedCuBlasLt.Refuses = true;
        using var again = new CandidateRig(folder.Path);
        Assert.Equal(Own(33, 40, 24), again.Forward(33, 40, 24));
        Assert.Contains("cublasLtMatmul failed: NotSupported", Assert.Single(again.Notes));
        again.Forward(33, 40, 24);
        Assert.Equal(1, CountedCuBlasLt.Products);
    }

    /// <summary>Adding to a gradient and assigning it are two problems, each with a choice of its own.</summary>
    [Fact]
    public void A_library_that_cannot_be_set_up_for_what_it_was_chosen_for_is_replaced_and_said_to_be()
    {
        using (var rig = new CandidateRig(folder.Path)) rig.Forward(33, 40, 24);
        CountedCuBlasLt.Reset();
        CountedCuBlasLt.IsFull = true;
        using (var rig = new CandidateRig(folder.Path))
        {
            for (int i = 0; i < 2; i++) Assert.Equal(Own(33, 40, 24), rig.Forward(33, 40, 24));
            Assert.Contains("AllocationFailed", Assert.Single(rig.Notes), StringComparison.Ordinal);
        }
        Assert.Equal(0, CountedCuBlasLt.Products);
    }

    [Theory, InlineData(GradientStart.Random), InlineData(GradientStart.Assigned)]
    public void Tuning_leaves_a_gradient_alone(GradientStart start)
    {
        using var rig = new CandidateRig(folder.Path);
        using var lease = GpuDevices.Emulator();
        float[] Backward(IOps ops)
        {
            using var run = new OpRun(ops, DType.F32, coarse: true, gradients: start);
            ops.LinearBackward(run.Input("x", 24, 32), run.Input("weight", 16, 32), run.Input("dY", 24, 16), default, run.Output("dX", 24, 32), run.Gradient("dWeight", 16, 32), default);
            return [.. run.Read("dX"), .. run.Read("dWeight")];
        }
        float[] expected = Backward(lease.Ops);
        float[] tuned = Backward(rig.Ops), again = Backward(rig.Ops);
        Assert.Equal(2, rig.Ops.ProductMeasurements.Count(measured => measured.Best.Length > 0));
        Assert.Equal(start == GradientStart.Random ? 1 : 0, rig.Ops.ProductMeasurements.Count(measured => measured.Problem.Contains(", Gradient,", StringComparison.Ordinal)));
        Assert.Equal(tuned, again);
        // inputs are multiples of 2^-10 below 4: sums of 32 products are exact to 2^-20 * 2^9, and fp32 has 24 bits
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], tuned[i], tolerance: 1e-4);
    }

    [Fact]
    public void A_recording_is_neither_tuned_in_nor_kept_from_the_library_that_was_chosen()
    {
        using var rig = new CandidateRig(folder.Path);
        using var run = new OpRun(rig.Ops, DType.F16);
        Tensor x = run.Input("x", 24, 32), weight = run.Input("weight", 16, 32), y = run.Output("y", 24, 16);
        void Step() => rig.Ops.LinearForward(x, weight, default, default, y);

        using (var recording = rig.Ops.Record(Step)) recording.Replay();
        rig.Ops.Synchronize();
        Assert.Equal((0, 0), (CountedCuBlasLt.Products, rig.Ops.ProductMeasurements.Count));
        float[] own = run.Read("y");

        Step();
        rig.Ops.Fill(0, y);
        int products = CountedCuBlasLt.Products, waits = CountedDriver.Waits;
        using (var recording = rig.Ops.Record(Step)) recording.Replay();
        Assert.Equal((products + 1, waits), (CountedCuBlasLt.Products, CountedDriver.Waits));
        float[] library = run.Read("y");
        for (int i = 0; i < own.Length; i++) Assert.Equal(own[i], library[i], tolerance: 1e-3 * Math.Max(1, Math.Abs(own[i])));
    }

    [Fact]
    public void Processes_that_share_a_file_keep_each_others_choices()
    {
        using (CandidateRig one = new(folder.Path), two = new(folder.Path))
        {
            one.Forward(33, 40, 24);
            two.Forward(17, 40, 24);
            one.Forward(9, 40, 24);
        }
        using var third = new CandidateRig(folder.Path);
        foreach (int rows in new[] { 33, 17, 9 }) third.Forward(rows, 40, 24);
        Assert.Equal(3, third.Ops.ProductMeasurements.Count(measured => measured.Remembered));
    }

    [Fact]
    public void A_missing_library_is_passed_over_in_silence()
    {
        var notes = new List<string>();
        Assert.Empty(CudaOps.OpenLibraries(() => throw new LibraryMissingException("a library", ["libno-such.so.12"], []), notes.Add));
        Assert.Empty(notes);
    }

    [Fact]
    public void A_library_that_does_not_start_is_passed_over_and_said_to_be()
    {
        var notes = new List<string>();
        Assert.Empty(CudaOps.OpenLibraries(() => throw new LibraryCallException("cuBLASLt 13.0.0", "cublasLtCreate", "NotInitialized (1)", "the driver is too old"), notes.Add));
        Assert.Equal("cuBLASLt 13.0.0: cublasLtCreate failed: NotInitialized (1); the driver is too old", Assert.Single(notes));
    }
}
