using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training.Tests;

/// <summary>A run of a tiny U-Net over a tiny cache, as a process would make it: all objects new, only files in common.</summary>
sealed class TinyRun : IDisposable
{
    readonly IOps ops;
    readonly LatentDataset data;

    public TinyRun(string cache, string runFolder, long steps, Func<TrainSettings, TrainSettings>? change = null, IOps? device = null, ITrainProgress? progress = null, DType type = DType.F32, Func<ITrainStep, ITrainStep>? wrap = null)
    {
        ops = new WatchedOps(device ?? new CpuOps());
        UNet = TinyModels.NewUNet(ops, type: type);
        data = new LatentDataset(cache, 32, seed: 9, heldOut: 0.2);
        Step = new DiffusionStep(ops, UNet, new DiffusionObjective { Schedule = new NoiseSchedule(), Seed = 9, OffsetNoise = 0.05 }, data, batchSize: 3, microbatch: 2);
        var settings = new TrainSettings
        {
            RunFolder = runFolder,
            Steps = steps,
            Optimizer = new OptimizerSettings { LearningRate = new LearningRateSchedule(1e-3, WarmupSteps: 3, LearningRateDecay.Cosine, TotalSteps: 12), ClipNorm = 1, EmaDecay = 0.9, EmaStart = 4, EmaInterval = 2 },
            CheckpointEvery = 3,
            ValidateEvery = 4,
            Data = "tiny",
            Configuration = "model: unet\n",
        };
        Loop = new TrainLoop(ops, wrap?.Invoke(Step) ?? Step, change?.Invoke(settings) ?? settings, progress);
    }

    public IOps Ops => ops;

    public UNet UNet { get; }

    public DiffusionStep Step { get; }

    public TrainLoop Loop { get; }

    /// <summary>Weights, moments and average, bit by bit.</summary>
    public float[] State => [.. Weights, .. ops.DownloadFloats(Loop.Optimizer.Moment1), .. ops.DownloadFloats(Loop.Optimizer.Moment2), .. Average];

    public float[] Weights => ops.DownloadFloats(UNet.Parameters.Master);

    public float[] Average => Loop.Optimizer.Average.IsNone ? [] : ops.DownloadFloats(Loop.Optimizer.Average);

    /// <summary>The curve but for what a clock measures.</summary>
    public static string Curve(string runFolder) => string.Join('\n', File.ReadAllLines(Path.Combine(runFolder, MetricsWriter.FileName)).Select(line =>
        System.Text.RegularExpressions.Regex.Replace(line, ", \"(images|flops)_per_second\": [^,}]+", "")));

    public void Dispose()
    {
        Loop.Dispose();
        Step.Dispose();
        data.Dispose();
        UNet.Dispose();
        ops.Dispose();
    }
}

/// <summary>Keeps what it is told, and can act on a step.</summary>
sealed class RecordingProgress : ITrainProgress
{
    public List<string> Notes { get; } = [];

    public Action<StepReport>? OnStep { get; init; }

    public void Started(long doneSteps, long totalSteps) { }

    public void Stepped(in StepReport report) => OnStep?.Invoke(report);

    public void Validated(long step, double loss) { }

    public void Saved(long step, string path) { }

    public void Note(string text) => Notes.Add(text);
}
