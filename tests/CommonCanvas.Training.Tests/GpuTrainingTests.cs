using CommonCanvas.Cuda;
using CommonCanvas.Emulator;
using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

[Collection("CountedDriver")]
[Trait("Category", "Kernels")]
public sealed class EmulatorTrainingTests() : GpuTrainingTests(GpuDevices.NoEmulator, () => EmulatedDriver.Create(), ptxOnly: true);

[Collection("CountedDriver")]
[Trait("Category", "Kernels")]
[Trait("Device", "cuda")]
public sealed class CudaTrainingTests() : GpuTrainingTests(GpuDevices.NoCuda, () => InstalledDriver.Load().Driver, ptxOnly: false);

/// <summary>Runs on a GPU: they agree with the processor's, resume, survive overflows, and wait once a step.</summary>
public abstract class GpuTrainingTests(string? missing, Func<CudaDriver> driver, bool ptxOnly) : GpuTrainingRig(missing, driver, ptxOnly)
{
    /// <summary>
    /// fp32 sums in another order differ by some 1e-6 of a gradient; AdamW divides by the gradient's own size, so that a
    /// weight moves by at most the learning rate, 1e-3, times that error's share, and the loss by as little. In fp16 such a
    /// difference now and then rounds an activation the other way, by 2^-11 of itself: 5e-4 of a loss.
    /// </summary>
    [Theory]
    [InlineData(DType.F32, 1e-4)]
    [InlineData(DType.F16, 5e-4)]
    public void Ten_steps_agree_with_the_processors(DType type, double tolerance)
    {
        double[] Losses(IOps device, string name)
        {
            var losses = new List<double>();
            using var run = new TinyRun(Cache, Folder[name], 10, s => s with { LossScaling = type == DType.F16, InitialLossScale = 1024 }, device,
                new RecordingProgress { OnStep = report => losses.Add(report.Skipped ? double.NaN : report.Loss) }, type);
            run.Loop.Run();
            return [.. losses];
        }
        double[] expected = Losses(new CpuOps(), "cpu"), actual = Losses(NewGpu(), "gpu");
        Assert.Equal(10, actual.Length);
        double worst = expected.Zip(actual, (e, a) => Math.Abs(e - a) / e).Max();
        TestContext.Current.TestOutputHelper?.WriteLine($"{type}: losses differ by {worst:g3} of themselves at most");
        foreach (var (e, a) in expected.Zip(actual)) Assert.InRange(Math.Abs(e - a) / e, 0, tolerance);
    }

    [Fact]
    public void A_run_resumes_bit_for_bit()
    {
        float[] whole;
        using (var run = new TinyRun(Cache, Folder["whole"], 5, device: NewGpu()))
        {
            run.Loop.Run();
            whole = run.State;
        }
        using (var first = new TinyRun(Cache, Folder["parts"], 3, device: NewGpu())) first.Loop.Run();
        using var second = new TinyRun(Cache, Folder["parts"], 5, device: NewGpu());
        second.Loop.Run();
        Assert.Equal(whole, second.State);
        Assert.Equal(TinyRun.Curve(Folder["whole"]), TinyRun.Curve(Folder["parts"]));
    }

    [Fact]
    public void A_step_waits_for_the_device_once()
    {
        var waits = new List<int>();
        var progress = new RecordingProgress { OnStep = _ => waits.Add(CountedDriver.Waits) };
        using var gpu = NewGpu(CountedDriver.Over(NewDriver()));
        using var run = new TinyRun(Cache, Folder["waits"], 4, s => s with { CheckpointEvery = 100, ValidateEvery = 0 }, gpu, progress);
        run.Loop.Run();
        Assert.Equal([1, 1, 1], waits.Zip(waits.Skip(1), (before, after) => after - before));
    }

    /// <summary>Forward, loss, backward and the gradient's norm as one graph: the same bits as call by call.</summary>
    [Fact]
    public void A_recorded_step_gives_the_same_bits()
    {
        using var gpu = NewGpu();
        using var unet = TinyModels.NewUNet(gpu);
        var parameters = unet.Parameters;
        using var optimizer = new Optimizer(gpu, parameters.Master, parameters.Gradient, parameters.Compute, new OptimizerSettings { LearningRate = new LearningRateSchedule(1e-3) });
        RandomKey[] keys = [new(1, RandomPurpose.Noise, 1, 1), new(1, RandomPurpose.Noise, 2, 1)];
        Tensor image = gpu.Arena.Rent(DType.F32, 2, 4, 4, 4), target = gpu.Arena.RentLike(image), text = gpu.Arena.Rent(DType.F32, 2, TinyModels.Tokens, TinyModels.Width);
        Tensor times = gpu.UploadAs([10, 700], DType.F32, 2), weight = gpu.UploadAs([1, 1], DType.F32, 2), losses = gpu.Arena.Rent(DType.F32, 2), norm = gpu.Arena.Rent(DType.F32, 1);
        foreach (var tensor in new[] { image, target, text }) gpu.RandomNormal(keys, tensor);

        float[] Run(Action<Action> how)
        {
            gpu.Fill(float.NaN, losses);
            how(Step);
            return [.. gpu.DownloadFloats(losses), .. gpu.DownloadFloats(norm), .. gpu.DownloadFloats(parameters.Gradient)];
        }
        void Step()
        {
            var prediction = unet.Forward(image, times, text);
            gpu.MseForward(prediction, target, weight, losses);
            var slope = gpu.Arena.RentLike(prediction);
            gpu.MseBackward(prediction, target, weight, 0.5f, slope);
            parameters.ReceiveGradients(accumulate: false, () => unet.Backward(slope));
            gpu.Arena.Release(slope);
            gpu.Arena.Release(prediction);
            optimizer.MeasureNorm(1, norm);
        }

        float[] expected = Run(step => step());
        using var recording = gpu.Record(Step);
        for (int i = 0; i < 2; i++) Assert.Equal(expected, Run(_ => recording.Replay()));
        Assert.Contains("Download", Assert.Throws<RecordingException>(() => gpu.Record(() => gpu.DownloadFloats(norm))).Message, StringComparison.Ordinal);
        foreach (var tensor in new[] { image, target, text, times, weight, losses, norm }) gpu.Arena.Release(tensor);
    }

    /// <summary>
    /// Every clean step doubles the scale here. Step 1 makes 8 of 4, step 2 overflows, is skipped, counted and makes 4 of 8;
    /// ten clean intervals later the last step has used 4 * 2^9.
    /// </summary>
    [Fact]
    public void An_overflow_in_a_gradient_is_skipped_and_clean_intervals_raise_the_scale()
    {
        const int Steps = 12;
        var progress = new RecordingProgress();
        var gpu = NewGpu();
        using var run = new TinyRun(Cache, Folder["overflow"], Steps, s => s with { LossScaling = true, InitialLossScale = 4, LossScaleGrowth = 1, ValidateEvery = 0 },
            gpu, progress, DType.F16, step => new OverflowingStep(gpu, step, at: 2));
        run.Loop.Run();
        string note = Assert.Single(progress.Notes);
        Assert.StartsWith("step 2: skipped", note, StringComparison.Ordinal);
        Assert.EndsWith("loss scale now 4", note, StringComparison.Ordinal);
        Assert.Equal(Steps - 1, run.Loop.Optimizer.Updates);
        Assert.All(run.Weights, value => Assert.True(float.IsFinite(value)));
        string last = TinyRun.Curve(Folder["overflow"]).Split('\n')[^1];
        Assert.Contains("\"loss_scale\": 2048", last, StringComparison.Ordinal);
        Assert.Contains("\"skipped_steps\": 1", last, StringComparison.Ordinal);
    }
}
