using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>
/// Products with GEGLU by the own kernels, which do both in one, or by a library's product and then GEGLU's kernel: what is
/// measured is the whole of both. On <see cref="LaunchClock"/> the own kernels take 1 ms, fused or not, and GEGLU 0.1 ms.
/// </summary>
[Collection("CountedDriver")]
public sealed class ProductThenGegluTests : IDisposable
{
    const int Rows = 24, Inputs = 32, Width = 16;
    const string Library = "cuBLASLt 12.0.0";

    readonly TempFolder folder = new();

    public ProductThenGegluTests()
    {
        Assert.SkipWhen(GpuDevices.NoEmulator is not null, GpuDevices.NoEmulator ?? "");
        CountedCuBlasLt.Reset();
    }

    public void Dispose() => folder.Dispose();

    static void Forward(OpRun run, bool stored = true)
    {
        Tensor x = run.Input("x", Rows, Inputs), weight = run.Input("weight", 2 * Width, Inputs), bias = run.Input("bias", 2 * Width);
        run.Ops.LinearGegluForward(x, weight, bias, stored ? Assigned(run, "u", 2 * Width) : default, Assigned(run, "y", Width));
    }

    static void Backward(OpRun run) =>
        run.Ops.LinearGegluBackward(run.Input("hidden", Rows, 2 * Width), run.Input("next", Inputs, Width), run.Input("dY", Rows, Inputs), Assigned(run, "dU", 2 * Width));

    /// <summary>By the operations that the two are made of.</summary>
    static void Parts(OpRun run)
    {
        Tensor u = run.Output("u", Rows, 2 * Width), hidden = run.Input("hidden", Rows, 2 * Width), dGated = run.Output("dGated", Rows, Width);
        run.Ops.LinearForward(run.Input("x", Rows, Inputs), run.Input("weight", 2 * Width, Inputs), run.Input("bias", 2 * Width), default, u);
        run.Ops.GegluForward(u, run.Output("y", Rows, Width));
        run.Ops.LinearBackward(dGated, run.Input("next", Inputs, Width), run.Input("dY", Rows, Inputs), default, dGated, default, default);
        run.Ops.GegluBackward(hidden, dGated, run.Output("dU", Rows, 2 * Width));
    }

    static Tensor Assigned(OpRun run, string name, int columns) => run.Has(name) ? run[name] : run.Output(name, Rows, columns);

    static (string, double, double) Times(ProductMeasurement measured) => (measured.Best, Math.Round(measured.OwnMilliseconds, 3), Math.Round(measured.BestMilliseconds, 3));

    static void Alike(OpRun expected, OpRun actual)
    {
        foreach (string name in new[] { "u", "y", "dU" }) Assert.Equal(expected.Bits(name), actual.Bits(name));
    }

    /// <summary>At 0.95 ms a library has the faster product and the slower whole: what the product alone takes decides nothing.</summary>
    [Theory]
    [InlineData(0, true, true)]
    [InlineData(0.85f, true, true)]
    [InlineData(0.95f, true, false)]
    [InlineData(1000, false, false)]
    public void The_way_that_is_faster_with_geglu_is_taken(float milliseconds, bool productByLibrary, bool wholeByLibrary)
    {
        CountedCuBlasLt.Milliseconds = milliseconds;
        using var rig = new CandidateRig(folder.Path);
        using var lease = GpuDevices.Emulator();
        using OpRun run = new(rig.Ops, DType.F16), parts = new(wholeByLibrary ? rig.Ops : lease.Ops, DType.F16), alone = new(rig.Ops, DType.F16);
        Forward(run);
        Backward(run);
        (string, double, double) expected = wholeByLibrary ? (Library, 1, Math.Round(milliseconds + 0.1, 3)) : ("", 1, 1);
        Assert.Equal([expected, expected], rig.Ops.ProductMeasurements.Select(Times));
        Assert.Equal(["LinearGegluForward F16 [24, 32] to 32, Bias, u stored, aligned 16", "LinearGegluBackward F16 [24, 16] to 32, aligned 16"],
            rig.Ops.ProductMeasurements.Select(measured => measured.Problem));

        int products = CountedCuBlasLt.Products, waits = CountedDriver.Waits;
        Forward(run);
        Backward(run);
        Assert.Equal((products + (wholeByLibrary ? 2 : 0), waits), (CountedCuBlasLt.Products, CountedDriver.Waits));

        Parts(parts);
        Alike(parts, run);
        Parts(alone);
        Assert.Equal(4, rig.Ops.ProductMeasurements.Count);
        Assert.All(rig.Ops.ProductMeasurements.Skip(2), measured => Assert.Equal(productByLibrary ? Library : "", measured.Best));
    }

    /// <summary>Sums are exact here, so that the processor and both ways round the same numbers.</summary>
    [Theory]
    [InlineData(0, 0)]
    [InlineData(0.95f, 0)]
    [InlineData(0, 0.95f)]
    [InlineData(0.95f, 0.95f)]
    public void Both_ways_agree_with_the_processor(float forward, float backward)
    {
        using var rig = new CandidateRig(folder.Path);
        using var cpu = new CpuOps();
        foreach (var type in new[] { DType.F32, DType.F16, DType.BF16 })
        {
            using OpRun run = new(rig.Ops, type), expected = new(cpu, type);
            CountedCuBlasLt.Milliseconds = forward;
            foreach (var at in new[] { run, expected }) LinearGegluTests.Forward(at, Rows, Inputs, Width, bias: true, stored: true);
            CountedCuBlasLt.Milliseconds = backward;
            using OpRun back = new(rig.Ops, type), expectedBack = new(cpu, type);
            foreach (var at in new[] { back, expectedBack }) LinearGegluTests.Backward(at, Rows, Inputs, Width);

            Assert.Equal(expected.Read("u"), run.Read("u"));
            double unit = type switch { DType.F32 => 1e-6, DType.F16 => 1.0 / 1024, _ => 1.0 / 128 }; // fp32 arithmetic, then one rounding
            Near(expected.Read("y"), run.Read("y"), unit);
            Near(expectedBack.Read("dU"), back.Read("dU"), unit);
        }
        Assert.Equal([forward == 0 ? Library : "", backward == 0 ? Library : ""], rig.Ops.ProductMeasurements.Select(measured => measured.Best).Take(2));

        static void Near(float[] expected, float[] actual, double unit)
        {
            for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], tolerance: unit * Math.Max(1, Math.Abs(expected[i])));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.95f)]
    public void A_choice_survives_a_restart_and_gives_the_same_bits(float milliseconds)
    {
        CountedCuBlasLt.Milliseconds = milliseconds;
        using var rig = new CandidateRig(folder.Path);
        using var run = new OpRun(rig.Ops, DType.F16);
        Forward(run);
        Backward(run);

        CountedCuBlasLt.Reset();
        CountedCuBlasLt.Milliseconds = 0.95f - milliseconds; // what another measurement would decide the other way
        using var again = new CandidateRig(folder.Path);
        using var second = new OpRun(again.Ops, DType.F16);
        Forward(second);
        Backward(second);
        Assert.Equal((milliseconds == 0 ? 2 : 0, 0), (CountedCuBlasLt.Products, CountedDriver.Waits));
        Assert.Equal(rig.Ops.ProductMeasurements.Select(measured => measured with { Remembered = true }), again.Ops.ProductMeasurements);
        Alike(run, second);
    }

    [Fact]
    public void A_recording_is_neither_decided_in_nor_kept_from_what_was_chosen()
    {
        using var rig = new CandidateRig(folder.Path);
        using var run = new OpRun(rig.Ops, DType.F16);
        void Step()
        {
            Forward(run, stored: false);
            Backward(run);
        }
        foreach (string name in new[] { "x", "dY" }) run.Input(name, Rows, Inputs);
        run.Input("weight", 2 * Width, Inputs);
        run.Input("bias", 2 * Width);
        run.Input("hidden", Rows, 2 * Width);
        run.Input("next", Inputs, Width);
        run.Output("y", Rows, Width);
        run.Output("dU", Rows, 2 * Width);

        using (var recording = rig.Ops.Record(Step)) recording.Replay();
        rig.Ops.Synchronize();
        Assert.Equal((0, 0), (CountedCuBlasLt.Products, rig.Ops.ProductMeasurements.Count));
        Assert.Empty(Directory.GetFiles(folder.Path));

        Step();
        Assert.Equal(2, rig.Ops.ProductMeasurements.Count);
        var bits = (run.Bits("y"), run.Bits("dU"));
        rig.Ops.Fill(0, run["y"]);
        rig.Ops.Fill(0, run["dU"]);
        int products = CountedCuBlasLt.Products, waits = CountedDriver.Waits;
        using (var recording = rig.Ops.Record(Step)) recording.Replay();
        Assert.Equal((products + 2, waits), (CountedCuBlasLt.Products, CountedDriver.Waits));
        Assert.Equal(bits.Item1, run.Bits("y"));
        Assert.Equal(bits.Item2, run.Bits("dU"));
    }

    /// <summary>With u as a result and without are two problems: without it the fused kernels write a third as much.</summary>
    [Fact]
    public void What_geglu_is_taken_of_may_be_absent()
    {
        using var rig = new CandidateRig(folder.Path);
        using OpRun stored = new(rig.Ops, DType.F16), absent = new(rig.Ops, DType.F16);
        Forward(stored);
        Forward(absent, stored: false);
        Assert.Equal(stored.Bits("y"), absent.Bits("y"));
        Assert.Equal([", u stored", ""], rig.Ops.ProductMeasurements.Select(measured => measured.Problem.Contains(", u stored", StringComparison.Ordinal) ? ", u stored" : ""));
        Assert.All(rig.Ops.ProductMeasurements, measured => Assert.Equal(Library, measured.Best));
    }

    [Fact]
    public void The_gradient_may_lie_over_what_it_is_of()
    {
        using var rig = new CandidateRig(folder.Path);
        using OpRun beside = new(rig.Ops, DType.F16), over = new(rig.Ops, DType.F16);
        Backward(beside);
        var u = over.Input("hidden", Rows, 2 * Width);
        rig.Ops.LinearGegluBackward(u, over.Input("next", Inputs, Width), over.Input("dY", Rows, Inputs), u);
        Assert.Equal(beside.Bits("dU"), over.Bits("hidden"));
        Assert.Single(rig.Ops.ProductMeasurements);
    }

    /// <summary>A trial's memory is its own and goes back to the device; the library's way rents workspace and what lies between, and returns both.</summary>
    [Theory]
    [InlineData(0, false)]
    [InlineData(0.95f, false)]
    [InlineData(0, true)]
    public void Memory_is_returned(float milliseconds, bool refuses)
    {
        CountedCuBlasLt.Milliseconds = milliseconds;
        using var rig = new CandidateRig(folder.Path);
        using var run = new OpRun(rig.Ops, DType.F16);
        for (int i = 0; i < 2; i++)
        {
            CountedCuBlasLt.Refuses = refuses && i == 1;
            Forward(run, stored: false);
            Backward(run);
            Assert.Equal(8, rig.Ops.Arena.LiveBlocks); // the run's inputs and outputs
        }
        // where the own kernels were chosen, which sum so little in one piece, no more than those 8
        if (milliseconds > 0) Assert.Equal(8, rig.Ops.Arena.DeviceAllocations);
        Assert.Equal(refuses ? 2 : 0, rig.Notes.Count);
    }

    [Fact]
    public void A_library_whose_product_is_wrong_is_dropped_and_one_that_rounds_once_more_passed_over()
    {
        using var lease = GpuDevices.Emulator();
        using var rig = new CandidateRig(folder.Path);
        using OpRun own = new(lease.Ops, DType.F16), run = new(rig.Ops, DType.F16);
        Forward(own);
        Backward(own);
        CountedCuBlasLt.Factor = 1 + 1f / 1024;
        Forward(run); // there is a bias to round before
        Assert.Empty(rig.Notes);
        CountedCuBlasLt.Factor = 1.01f;
        Backward(run);
        Assert.Contains($"{Library} computes LinearBackwardInput F16 [24, 16] to 32, aligned 16 wrongly: ", Assert.Single(rig.Notes));
        Assert.Empty(rig.Ops.ProductMeasurements);
        Alike(own, run);
    }
}
