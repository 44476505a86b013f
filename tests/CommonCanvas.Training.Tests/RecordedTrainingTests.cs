using CommonCanvas.Cuda;
using CommonCanvas.Data;
using CommonCanvas.Emulator;
using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

[Collection("CountedDriver")]
[Trait("Category", "Kernels")]
public sealed class EmulatorRecordedTrainingTests() : RecordedTrainingTests(GpuDevices.NoEmulator, () => EmulatedDriver.Create(), ptxOnly: true);

[Collection("CountedDriver")]
[Trait("Category", "Kernels")]
[Trait("Device", "cuda")]
public sealed class CudaRecordedTrainingTests() : RecordedTrainingTests(GpuDevices.NoCuda, () => InstalledDriver.Load().Driver, ptxOnly: false);

/// <summary>
/// Runs whose steps are recorded and replayed as graphs end in the same bits as runs call by call, whatever comes between.
/// A step has microbatches of two samples and of one here, so two graphs: each is recorded when its shape comes the second time.
/// </summary>
public abstract class RecordedTrainingTests(string? missing, Func<CudaDriver> driver, bool ptxOnly) : GpuTrainingRig(missing, driver, ptxOnly)
{
    (float[] State, string Curve) Train(string name, bool graphs, int steps, Func<TrainSettings, TrainSettings>? change = null, DType type = DType.F32,
        RecordingProgress? progress = null, CudaDriver? table = null, Action<TinyRun>? prepare = null, Func<CudaOps, ITrainStep, ITrainStep>? wrap = null)
    {
        var gpu = NewGpu(table);
        using var run = new TinyRun(Cache, Folder[name], steps, s => (change?.Invoke(s) ?? s) with { Graphs = graphs }, gpu, progress, type, wrap is null ? null : step => wrap(gpu, step));
        prepare?.Invoke(run);
        run.Loop.Run();
        return (run.State, TinyRun.Curve(Folder[name]));
    }

    /// <summary>Validation, checkpoints, the average's start and its updates fall among these steps.</summary>
    [Fact]
    public void Recorded_steps_give_the_same_bits()
    {
        var expected = Train("calls", graphs: false, 6);
        var actual = Train("graphs", graphs: true, 6);
        Assert.Equal(expected.State, actual.State);
        Assert.Equal(expected.Curve, actual.Curve);
    }

    [Fact]
    public void A_recorded_run_resumes_bit_for_bit()
    {
        var expected = Train("whole", graphs: false, 5);
        Train("parts", graphs: true, 2);
        var actual = Train("parts", graphs: true, 5);
        Assert.Equal(expected.State, actual.State);
        Assert.Equal(expected.Curve, actual.Curve);
    }

    /// <summary>The scale doubles every second clean step and is halved in step 4: each new one is recorded anew.</summary>
    [Fact]
    public void Overflows_and_new_loss_scales_give_the_same_bits()
    {
        static TrainSettings Scaled(TrainSettings s) => s with { LossScaling = true, InitialLossScale = 1024, LossScaleGrowth = 2, ValidateEvery = 0 };
        RecordingProgress calls = new(), graphs = new();
        var expected = Train("calls", graphs: false, 6, Scaled, DType.F16, calls, wrap: (gpu, step) => new OverflowingStep(gpu, step, at: 4));
        var actual = Train("graphs", graphs: true, 6, Scaled, DType.F16, graphs, wrap: (gpu, step) => new OverflowingStep(gpu, step, at: 4));
        Assert.StartsWith("step 4: skipped", Assert.Single(graphs.Notes), StringComparison.Ordinal);
        Assert.Equal(calls.Notes, graphs.Notes);
        Assert.Equal(expected.State, actual.State);
        Assert.Equal(expected.Curve, actual.Curve);
    }

    /// <summary>Samples of other sizes, one of which stays rented, and the memory of all free blocks overwritten.</summary>
    [Fact]
    public void What_is_rented_between_steps_does_not_touch_the_recorded_ones()
    {
        static TrainSettings Sampled(TrainSettings s) => s with { SampleEvery = 1 };
        static Action<TinyRun> Sampling(List<Tensor> kept) => run => run.Loop.Sample = (step, _) =>
        {
            var arena = run.Ops.Arena;
            List<Tensor> rented = [];
            for (int size = 1; size < 4096; size *= 2)
                for (int i = 0; i < 3; i++) rented.Add(arena.Rent(DType.F32, size));
            foreach (var tensor in rented) run.Ops.Fill(float.NaN, tensor);
            kept.Add(rented[^1]);
            foreach (var tensor in rented[..^1]) arena.Release(tensor);
        };
        var expected = Train("calls", graphs: false, 4, Sampled, prepare: Sampling([]));
        var actual = Train("graphs", graphs: true, 4, Sampled, prepare: Sampling([]));
        Assert.Equal(expected.State, actual.State);
        Assert.Equal(expected.Curve, actual.Curve);
    }

    /// <summary>Two graphs and their microbatches' inputs are all that a replayed step queues; the step waits once.</summary>
    [Fact]
    public void A_replayed_step_makes_few_calls()
    {
        var calls = new List<(int Launches, int Replays, int Queued, int Graphs, int Waits)>();
        var progress = new RecordingProgress { OnStep = _ => calls.Add((CountedDriver.Launches, CountedDriver.Replays, CountedDriver.Queued, CountedDriver.Graphs, CountedDriver.Waits)) };
        (int Launches, int Replays, int Queued, int Graphs, int Waits) LastStep(bool graphs)
        {
            calls.Clear();
            Train($"counted {graphs}", graphs, 5, s => s with { CheckpointEvery = 100, ValidateEvery = 0, Optimizer = s.Optimizer with { EmaStart = 100 } }, progress: progress, table: CountedDriver.Over(NewDriver()));
            var (a, b) = (calls[^2], calls[^1]);
            return (b.Launches - a.Launches, b.Replays - a.Replays, b.Queued - a.Queued, b.Graphs, b.Waits - a.Waits);
        }
        var eager = LastStep(graphs: false);
        var replayed = LastStep(graphs: true);
        TestContext.Current.TestOutputHelper?.WriteLine($"call by call: {eager}; replayed: {replayed}");
        Assert.Equal((0, 0, 1), (eager.Replays, eager.Graphs, eager.Waits));
        Assert.Equal((2, 2, 1), (replayed.Replays, replayed.Graphs, replayed.Waits));
        Assert.InRange(replayed.Launches, 1, 14);
        Assert.InRange(replayed.Queued, 1, eager.Queued / 10);
    }

    [Fact]
    public void Where_a_graph_cannot_be_made_the_run_goes_on_call_by_call()
    {
        var expected = Train("calls", graphs: false, 3);
        foreach (var (name, table) in new[] { ("no graph", CountedDriver.WithoutGraphs(NewDriver())), ("no capture", CountedDriver.WithoutCapturedLaunches(NewDriver(), after: 40)) })
        {
            var progress = new RecordingProgress();
            var actual = Train(name, graphs: true, 3, progress: progress, table: table);
            string note = Assert.Single(progress.Notes);
            Assert.StartsWith("the step cannot be recorded as a graph and is launched call by call: cu", note, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', note);
            Assert.Equal(expected.State, actual.State);
            Assert.Equal(expected.Curve, actual.Curve);
        }
    }

    /// <summary>Memory that broken recordings, several shapes and scales have taken comes back.</summary>
    [Fact]
    public void A_step_gives_all_memory_back()
    {
        foreach (var table in new[] { NewDriver(), CountedDriver.WithoutCapturedLaunches(NewDriver(), after: 40) })
        {
            using var gpu = NewGpu(table);
            using (var unet = TinyModels.NewUNet(gpu))
            {
                using var data = new LatentDataset(Cache, 32, 1, heldOut: 0.3);
                using var step = new DiffusionStep(gpu, unet, new DiffusionObjective { Schedule = new NoiseSchedule(), Prediction = PredictionType.VPrediction }, data, batchSize: 3, microbatch: 2);
                step.Record(_ => { });
                var losses = gpu.Arena.Rent(DType.F32, 3);
                for (int i = 1; i <= 4; i++) step.Run(i, i, losses);
                step.Repeat(4, 4, losses);
                gpu.Arena.Release(losses);
            }
            Assert.Equal(0, gpu.Arena.LiveBlocks);
            gpu.Arena.Trim();
            Assert.Equal(0, gpu.Arena.Reserved);
        }
    }

    /// <summary>With two microbatches of one shape, the first one's recording assigns the gradient and the second one's adds to it.</summary>
    [Theory, InlineData(3, 2), InlineData(2, 1)]
    public void A_recorded_autoencoder_gives_the_same_bits(int batchSize, int microbatch)
    {
        using var pictures = new TempFolder();
        TinyPictures.Write(pictures.Path, 9);
        float[] Train(bool graphs)
        {
            using var gpu = NewGpu();
            using var model = new AutoencoderKL(TinyModels.Autoencoder, gpu, DType.F32, training: true);
            model.Parameters.Initialize(3);
            var data = new PictureDataset(PictureSource.Open(pictures.Path), new PictureLoader(8), 1, heldOut: 0.4);
            using var step = new AutoencoderStep(gpu, model, data, batchSize, microbatch, klWeight: 1e-3, seed: 1);
            if (graphs) step.Record(note => Assert.Fail(note));
            List<float> seen = [];
            var losses = gpu.Arena.Rent(DType.F32, batchSize);
            for (int i = 1; i <= 4; i++)
            {
                step.Run(i, i == 4 ? 2 : 1, losses);
                seen.AddRange([.. gpu.DownloadFloats(losses), .. gpu.DownloadFloats(model.Parameters.Gradient), (float)step.Validate()!.Value]);
            }
            gpu.Arena.Release(losses);
            return [.. seen];
        }
        Assert.Equal(Train(graphs: false), Train(graphs: true));
    }
}
