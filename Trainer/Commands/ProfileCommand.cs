using System.CommandLine;
using System.Diagnostics;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using CommonCanvas.Emulator.Roofline;
using CommonCanvas.Models;
using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Configuration;
using CommonCanvas.Trainer.Devices;
using CommonCanvas.Trainer.Profiling;

namespace CommonCanvas.Trainer.Commands;

/// <summary><c>profile</c>: times a training step on random inputs.</summary>
public sealed class ProfileCommand
{
    /// <summary>The first step loads and takes what the second one records.</summary>
    const int StepsUntilReplayed = 2;

    static readonly JsonSerializerOptions json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    readonly Option<string> shape = Options.Word("--shape", "Size of the U-Net.", "small", "tiny", "small", "sd2");
    readonly Option<int> latent = Options.Whole("--latent", "Height and width of the latents.", 32, 8, 256);
    readonly Option<int> batch = Options.Whole("--batch", "Samples of a step.", 4, 1, 4096);
    readonly Option<int> steps = Options.Whole("--steps", "Steps that are timed; the median counts.", 5, 1, 100_000);
    readonly Option<int> warmup = Options.Whole("--warmup", "Steps before them.", 1, 0, 1000);
    readonly Option<string> precision = Options.Word("--precision", "Element type of weights and activations.", "fp32", "fp32", "fp16", "bf16");
    readonly Option<string?> gpu = new("--gpu") { Description = $"With --device emulator: predict what a step takes on this GPU ({string.Join(", ", GpuLimits.All.Select(limits => limits.Key))}) from some blocks of each launch." };
    readonly Option<int> sample = Options.Whole("--sample", "With --gpu: blocks of each launch that are run, the first and the last among them.", 8, 2, 1024);
    readonly Option<string> graphs = Options.Word("--graphs", "With --json on a GPU: auto replays the step as a graph, as training does; off launches kernels one by one.", "auto", "auto", "off");
    readonly Option<bool> forwardOnly = new("--forward-only") { Description = "Leave out backward and AdamW." };
    readonly Option<bool> asJson = new("--json") { Description = "Print one line of JSON instead of tables." };
    readonly Option<int> ranks = Options.Whole("--ranks", "With --gpu: devices that share the update of the weights; what they send to each other is left out.", 1, 1, 256);
    readonly Runner runner;

    /// <summary>Defines the command.</summary>
    public ProfileCommand(Runner runner)
    {
        this.runner = runner;
        Command = new Command("profile", "Time a training step of the U-Net on random inputs.") { shape, latent, batch, steps, warmup, precision, graphs, forwardOnly, asJson, gpu, sample, ranks };
        runner.Bind(Command, Run);
    }

    /// <summary>The command.</summary>
    public Command Command { get; }

    /// <summary>The U-Net of a name.</summary>
    public static UNetConfig Shape(string name) => name switch
    {
        "tiny" => UNetConfig.Tiny,
        "small" => UNetConfig.Small,
        _ => UNetConfig.Sd2,
    };

    int Run(ParseResult parsed, CancellationToken cancellation)
    {
        bool forward = parsed.GetValue(forwardOnly), onlyJson = parsed.GetValue(asJson);
        int threads = runner.Threads(parsed);
        if (parsed.GetValue(gpu) is { } key) return Forecast(parsed, key, threads);
        using var device = runner.OpenDevice(parsed, profiled: true);
        var type = Type(parsed);
        int size = parsed.GetValue(batch);
        var timed = onlyJson ? null : new TimedOps(device);
        using var step = new ProfiledStep((IOps?)timed ?? device, Shape(parsed.GetValue(shape)!), type, parsed.GetValue(latent), size, forward);
        bool recorded = parsed.GetValue(graphs) == "auto" && step.Record(runner.Console.Note);
        for (int i = 0; i < Math.Max(parsed.GetValue(warmup), recorded ? StepsUntilReplayed : 0); i++)
        {
            cancellation.ThrowIfCancellationRequested();
            step.Run();
        }
        timed?.Reset();
        var times = new List<double>();
        for (int i = 0; i < parsed.GetValue(steps); i++)
        {
            cancellation.ThrowIfCancellationRequested();
            times.Add(step.Run());
        }
        times.Sort();
        double median = times[times.Count / 2];
        if (timed is not null)
        {
            bool emulated = parsed.GetValue(runner.Common.Device) == DeviceName.Emulator; // the processor does its work
            ProductMeasurement[] products = device is CudaOps gpuDevice ? [.. gpuDevice.ProductMeasurements] : [];
            OperationTable.Print(runner.Console, timed, times.Count, device is CudaOps && !emulated ? Peaks.Measure(device, type) : Peaks.Measure(threads));
            CandidateTable.Print(runner.Console, products);
        }
        var line = new JsonObject
        {
            ["peer"] = $"CommonCanvas {typeof(App).Assembly.GetName().Version?.ToString(3)} {device.Name}",
            ["shape"] = parsed.GetValue(shape),
            ["parameters"] = step.Parameters,
            ["latent"] = parsed.GetValue(latent),
            ["batch"] = size,
            ["dtype"] = parsed.GetValue(precision),
            ["forward_only"] = forward,
            ["threads"] = threads,
            ["graphs"] = recorded,
            ["step_s"] = Math.Round(median, 4),
            ["min_s"] = Math.Round(times[0], 4),
            ["images_per_s"] = Math.Round(size / median, 3),
            ["peak_rss_mib"] = Memory.PeakResidentBytes() >> 20,
            ["peak_tensors_mib"] = device.Arena.HighWater >> 20,
            ["loss"] = Math.Round(step.Loss, 4),
        };
        if (onlyJson) runner.Console.Line(line.ToJsonString(json));
        else runner.Console.Line(FormattableString.Invariant($"{median:F4} s a step (fastest {times[0]:F4}), {size / median:F3} images/s, peak memory {Memory.PeakResidentBytes() >> 20} MiB, of tensors on the device {device.Arena.HighWater >> 20} MiB"));
        return ExitCode.Done;
    }

    DType Type(ParseResult parsed) => parsed.GetValue(precision) switch { "fp16" => DType.F16, "bf16" => DType.BF16, _ => DType.F32 };

    // One step is enough: its launches are counted, not timed.
    int Forecast(ParseResult parsed, string key, int threads)
    {
        if (parsed.GetValue(runner.Common.Device) != DeviceName.Emulator) throw new ConfigException($"--gpu {key} predicts from counters, which need --device emulator");
        var limits = GpuLimits.All.FirstOrDefault(known => known.Key == key)
            ?? throw new ConfigException($"--gpu {key}: must be one of {string.Join(", ", GpuLimits.All.Select(known => known.Key))}");
        int size = parsed.GetValue(batch), side = parsed.GetValue(latent);
        using var forecast = new GpuForecast(limits, Type(parsed), threads, parsed.GetValue(sample));
        using var step = new ProfiledStep(forecast.Ops, Shape(parsed.GetValue(shape)!), Type(parsed), side, size, parsed.GetValue(forwardOnly), valuesMatter: false, parsed.GetValue(ranks));
        forecast.Reset();
        step.Run();
        if (parsed.GetValue(asJson)) runner.Console.Line(ForecastTable.Json(forecast, size).ToJsonString(json));
        else ForecastTable.Print(runner.Console, forecast, size, side, parsed.GetValue(shape) == "sd2");
        return ExitCode.Done;
    }
}
