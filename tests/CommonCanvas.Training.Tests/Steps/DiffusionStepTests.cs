using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

public class DiffusionStepTests
{
    static readonly DiffusionObjective plain = new() { Schedule = new NoiseSchedule() };

    [Fact]
    public void Microbatches_enter_with_their_share()
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 12);
        var (loss, gradient) = OneStep(folder.Path, microbatch: 5);
        foreach (int microbatch in new[] { 1, 2, 3, 4 })
        {
            var (other, split) = OneStep(folder.Path, microbatch);
            Assert.Equal(loss, other, 1e-5);
            double largest = gradient.Max(Math.Abs);
            for (int i = 0; i < gradient.Length; i++)
                if (Math.Abs(gradient[i] - split[i]) > 1e-5 * largest) Assert.Fail($"element {i} with microbatch {microbatch}: {split[i]}, not {gradient[i]}");
        }
    }

    /// <summary>After an overflow the gradient is not a number; the next step's has the same bits as if it had been 0, in one microbatch or in three.</summary>
    [Theory, InlineData(5), InlineData(2)]
    public void Nothing_of_the_last_gradient_enters(int microbatch)
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 12);
        var (loss, gradient) = OneStep(folder.Path, microbatch);
        Assert.DoesNotContain(float.NaN, gradient);
        var (again, other) = OneStep(folder.Path, microbatch, before: float.NaN);
        Assert.Equal(loss, again);
        Assert.Equal(gradient.Select(BitConverter.SingleToUInt32Bits), other.Select(BitConverter.SingleToUInt32Bits));
    }

    [Theory]
    [InlineData(PredictionType.Epsilon, 5.0, 0.1, false)]
    [InlineData(PredictionType.VPrediction, 5.0, 0.0, true)]
    [InlineData(PredictionType.Sample, double.PositiveInfinity, 0.0, false)]
    public void Learns_with_every_objective(PredictionType prediction, double gamma, double offset, bool moments)
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 4, moments);
        using var ops = new CpuOps();
        using var unet = TinyModels.NewUNet(ops);
        using var data = new LatentDataset(folder.Path, 32, 1);
        var objective = new DiffusionObjective { Schedule = new NoiseSchedule(zeroTerminalSnr: true), Prediction = prediction, MinSnrGamma = gamma, OffsetNoise = offset };
        using var step = new DiffusionStep(ops, unet, objective, data, batchSize: 4, microbatch: 4);
        double first = step.Run(ops, 1);
        Assert.True(double.IsFinite(first) && first > 0);
        var parameters = unet.Parameters;
        using var optimizer = new Optimizer(ops, parameters.Master, parameters.Gradient, parameters.Compute, new OptimizerSettings { LearningRate = new LearningRateSchedule(2e-3) });
        for (int i = 0; i < 12; i++)
        {
            step.Repeat(ops, 1);
            optimizer.Norm(ops);
            optimizer.Update(i + 1);
        }
        Assert.True(step.Repeat(ops, 1) < first);
    }

    [Fact]
    public void The_loss_scale_multiplies_the_gradient_and_not_the_loss()
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 12);
        var (loss, gradient) = OneStep(folder.Path, 5);
        var (same, scaled) = OneStep(folder.Path, 5, lossScale: 1024);
        Assert.Equal(loss, same);
        double largest = gradient.Max(Math.Abs);
        for (int i = 0; i < gradient.Length; i++)
            if (Math.Abs(gradient[i] - scaled[i] / 1024) > 1e-6 * largest) Assert.Fail($"element {i}");
    }

    [Fact]
    public void Captions_are_dropped_at_the_rate_asked_for()
    {
        var objective = plain with { CaptionDropout = 0.1 };
        int dropped = Enumerable.Range(0, 20_000).Count(i => objective.DropsCaption(i, i / 16));
        Assert.InRange(dropped, 1850, 2150);
        Assert.Equal(0, Enumerable.Range(0, 1000).Count(i => (objective with { CaptionDropout = 0 }).DropsCaption(i, 0)));
        Assert.Equal(1000, Enumerable.Range(0, 1000).Count(i => (objective with { CaptionDropout = 1 }).DropsCaption(i, 0)));
    }

    [Fact]
    public void A_dropped_caption_is_the_empty_ones_embedding()
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder["texts"], 6);
        TinyModels.WriteCache(folder["empty"], 6, emptyTexts: true);
        double dropped = OneStep(folder["texts"], 5, objective: plain with { CaptionDropout = 1 }).Loss;
        Assert.Equal(OneStep(folder["empty"], 5, objective: plain with { CaptionDropout = 0 }).Loss, dropped);
        Assert.NotEqual(OneStep(folder["texts"], 5, objective: plain with { CaptionDropout = 0 }).Loss, dropped);
    }

    [Fact]
    public void Timesteps_are_uniform()
    {
        var bins = new int[10];
        for (int i = 0; i < 20_000; i++) bins[plain.Timestep(i, i / 16) / 100]++;
        Assert.All(bins, n => Assert.InRange(n, 1850, 2150));
    }

    [Fact]
    public void The_validation_loss_is_fixed_and_leaves_no_memory_behind()
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 12);
        using var ops = new CpuOps();
        using var unet = TinyModels.NewUNet(ops);
        using var data = new LatentDataset(folder.Path, 32, 1, heldOut: 0.3);
        using var step = new DiffusionStep(ops, unet, plain, data, batchSize: 4, microbatch: 2);
        double? before = step.Validate();
        int blocks = ops.Arena.LiveBlocks;
        step.Run(ops, 1);
        Assert.Equal(before, step.Validate());
        Assert.Equal(blocks, ops.Arena.LiveBlocks);
        Assert.NotNull(before);
    }

    [Fact]
    public void After_the_first_steps_no_memory_is_allocated_that_grows_with_the_model()
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 12);
        long[] managed = [.. ((int[])[8, 32]).Select(width => ManagedBytesOfAStep(folder.Path, TinyModels.UNet with { BlockOutChannels = [width, 2 * width] }))];
        Assert.InRange(managed[0], 0, 1024);
        Assert.Equal(managed[0], managed[1]);
    }

    // Of the third step with its update, on the fast device, through the decorator of a run.
    static long ManagedBytesOfAStep(string cache, UNetConfig config)
    {
        using var ops = new WatchedOps(OpsFactory.Create("cpu", 2));
        using var unet = new UNet(config, ops, DType.F32, training: true);
        unet.Parameters.Initialize(3);
        using var data = new LatentDataset(cache, 32, 1);
        using var step = new DiffusionStep(ops, unet, plain, data, batchSize: 4, microbatch: 2);
        var parameters = unet.Parameters;
        using var optimizer = new Optimizer(ops, parameters.Master, parameters.Gradient, parameters.Compute, new OptimizerSettings { LearningRate = new LearningRateSchedule(1e-3), ClipNorm = 1, EmaDecay = 0.9 });
        Tensor losses = ops.Arena.Rent(DType.F32, 4), norm = ops.Arena.Rent(DType.F32, 1);
        void Step(long number)
        {
            step.Run(number, 1, losses);
            optimizer.MeasureNorm(1, norm);
            optimizer.Update(number);
        }
        Step(1);
        Step(2);
        long native = ops.Arena.DeviceAllocations, managed = GC.GetAllocatedBytesForCurrentThread();
        Step(3);
        managed = GC.GetAllocatedBytesForCurrentThread() - managed;
        Assert.Equal(native, ops.Arena.DeviceAllocations);
        ops.Arena.Release(losses);
        ops.Arena.Release(norm);
        return managed;
    }

    // Every operation of two steps and updates, with the arguments that a run gives it, beside the reference.
    [Theory]
    [InlineData(DType.F32)]
    [InlineData(DType.F16)]
    [InlineData(DType.BF16)]
    public void A_step_on_the_fast_device_agrees_with_the_reference_operation_by_operation(DType type)
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 6, moments: true);
        using var ops = new CheckedOps(OpsFactory.Create("cpu"));
        using var unet = TinyModels.NewUNet(ops, type: type);
        using var data = new LatentDataset(folder.Path, 32, 1);
        var objective = plain with { Prediction = PredictionType.VPrediction, OffsetNoise = 0.1, MinSnrGamma = 5 };
        using var step = new DiffusionStep(ops, unet, objective, data, batchSize: 3, microbatch: 2);
        var parameters = unet.Parameters;
        using var optimizer = new Optimizer(ops, parameters.Master, parameters.Gradient, parameters.Compute, new OptimizerSettings { LearningRate = new LearningRateSchedule(1e-3), ClipNorm = 1, EmaDecay = 0.9 });
        for (int i = 1; i <= 2; i++)
        {
            Assert.True(double.IsFinite(step.Run(ops, i)));
            Assert.True(float.IsFinite(optimizer.Norm(ops)));
            optimizer.Update(i);
        }
    }

    [Fact]
    public void A_cache_that_does_not_fit_the_model_is_refused()
    {
        using var folder = new TempFolder();
        TinyModels.WriteCache(folder.Path, 3);
        using var ops = new CpuOps();
        using var unet = new UNet(TinyModels.UNet with { CrossAttentionDim = 16 }, ops, DType.F32, training: true);
        using var data = new LatentDataset(folder.Path, 32, 1);
        Assert.Contains("cross_attention_dim 16", Assert.Throws<ArgumentException>(() => new DiffusionStep(ops, unet, plain, data, 2, 2)).Message);
    }

    static (double Loss, float[] Gradient) OneStep(string folder, int microbatch, float lossScale = 1, DiffusionObjective? objective = null, float before = 0)
    {
        using var ops = new CpuOps();
        using var unet = TinyModels.NewUNet(ops);
        using var data = new LatentDataset(folder, 32, seed: 1);
        using var step = new DiffusionStep(ops, unet, objective ?? plain with { MinSnrGamma = 5 }, data, batchSize: 5, microbatch);
        foreach (var parameter in unet.Parameters.All) ops.Fill(before, parameter.Gradient);
        double loss = step.Run(ops, 1, lossScale);
        return (loss, unet.Parameters.Gradient.Span<float>().ToArray());
    }
}
