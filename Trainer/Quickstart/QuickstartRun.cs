using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Configuration;
using CommonCanvas.Trainer.Profiling;
using CommonCanvas.Trainer.Runs;
using CommonCanvas.Trainer.Terminal;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Quickstart;

/// <summary>How the quickstart's samples fared.</summary>
/// <param name="CheckerAccuracy">Share of fresh real drawings that the checker reads right.</param>
/// <param name="Seen">Share of samples that show their prompt, of combinations in the training pictures.</param>
/// <param name="Unseen">The same for pairs of colour and shape that no training picture shows.</param>
/// <param name="Seconds">Wall-clock time of everything.</param>
/// <param name="PeakMemory">Largest resident memory in bytes.</param>
public sealed record QuickstartResult(double CheckerAccuracy, double Seen, double Unseen, double Seconds, long PeakMemory);

/// <summary>
/// The whole way from pictures to a model that draws what it is told, in minutes: draws a captioned set, then does what
/// the commands train, precompute, train and sample do, and checks the samples by image analysis.
/// </summary>
public sealed class QuickstartRun(QuickstartConfig config, IOps ops, AppConsole console, int threads)
{
    /// <summary>Name of the file that says how a finished quickstart went.</summary>
    public const string ResultFile = "quickstart.json";

    /// <summary>Real drawings that the checker is tried on first.</summary>
    const int CheckerTrials = 360;

    static readonly JsonSerializerOptions indented = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    string Pictures => Path.Combine(config.Output, "pictures");
    string Shards => Path.Combine(config.Output, "shards");
    string Samples => Path.Combine(config.Output, "samples");

    /// <summary>Runs everything; what an interrupted one finished is kept.</summary>
    /// <exception cref="OperationCanceledException">Stopped; the next run in the same folder goes on.</exception>
    public QuickstartResult Run(CancellationToken stop)
    {
        var clock = Stopwatch.StartNew();
        Prepare();
        Phase(1, $"Drawing {config.Pictures.Count} pictures of {Scene.Shapes.Count} shapes, {Scene.Colours.Count} colours, {Scene.Positions.Count} places and {Scene.Backgrounds.Count} backgrounds");
        Draw();
        double accuracy = TryChecker();

        Phase(2, "An autoencoder learns to put each picture into a few numbers and back");
        var autoencoder = config.Autoencoder;
        (autoencoder.Output, autoencoder.Seed, autoencoder.Data.Path, autoencoder.Data.Resolution) = (Path.Combine(config.Output, "autoencoder"), config.Seed, Pictures, config.Pictures.Size);
        RequireFinished(new AutoencoderRun(autoencoder, ops, console).Run(stop), stop);
        string encoders = Path.Combine(autoencoder.Output, ModelFolder.Name);

        Phase(3, "Every picture and caption is encoded once");
        new PrecomputeRun(Pictures, encoders, config.Pictures.Size, Shards) { BatchSize = 32, Seed = config.Seed, Threads = threads }.Run(ops, console, stop);

        Phase(4, "A U-Net learns to turn noise into latents that fit a caption");
        var unet = config.Unet;
        (unet.Output, unet.Seed, unet.Pipeline, unet.Data.Path, unet.Data.Resolution) = (Path.Combine(config.Output, "unet"), config.Seed, encoders, Shards, config.Pictures.Size);
        RequireFinished(new UNetRun(unet, ops, console).Run(stop), stop);

        Phase(5, "The model draws from prompts, and image analysis checks what it drew");
        var samples = SampleAndCheck(Path.Combine(unet.Output, ModelFolder.Name), stop);
        var result = new QuickstartResult(accuracy, samples.Share(unseen: false), samples.Share(unseen: true), clock.Elapsed.TotalSeconds, Memory.PeakResidentBytes());
        samples.Save(Samples);
        TerminalPicture.Show(console, "drawn from prompts of seen combinations", samples.Pictures(unseen: false));
        TerminalPicture.Show(console, "drawn from prompts of colour-and-shape pairs never seen", samples.Pictures(unseen: true));
        new QuickstartReport(config, result, samples).Write(autoencoder.Output, unet.Output);
        File.WriteAllText(Path.Combine(config.Output, ResultFile), JsonSerializer.Serialize(result, indented));
        Summary(result);
        return result;
    }

    // A finished quickstart is made anew; an interrupted one goes on.
    void Prepare()
    {
        string marker = Path.Combine(config.Output, ResultFile);
        if (File.Exists(marker))
        {
            foreach (string part in new[] { Pictures, Shards, Samples, Path.Combine(config.Output, "autoencoder"), Path.Combine(config.Output, "unet") })
                if (Directory.Exists(part)) Directory.Delete(part, recursive: true);
            File.Delete(marker);
        }
        OutputFolder.Require(config.Output);
        File.WriteAllText(Path.Combine(config.Output, "config.yaml"), ConfigWriter.Write(config));
    }

    void Draw()
    {
        if (File.Exists(Path.Combine(Pictures, "metadata.jsonl"))) return;
        Progress.Run(console, "Drawing", config.Pictures.Count, "pictures", display =>
        {
            DrawnSet.Write(Pictures, config.Pictures.Count, config.Pictures.Size, config.Seed, done => display.Report(done));
            return true;
        });
    }

    double TryChecker()
    {
        int right = 0, count = 0, size = config.Pictures.Size;
        foreach (var scene in Scene.Draw(config.Seed + 1, heldOut: false, CheckerTrials / 2).Concat(Scene.Draw(config.Seed + 1, heldOut: true, CheckerTrials / 2)))
            if (SceneChecker.Look(SceneDrawer.Draw(scene, size, config.Seed + 1, count++), size, size).Matches(scene)) right++;
        console.Note(string.Create(CultureInfo.InvariantCulture, $"The checker, which looks at pixels alone, reads {right} of {count} fresh real drawings right."));
        return (double)right / count;
    }

    CheckedSamples SampleAndCheck(string model, CancellationToken stop)
    {
        using var pipeline = LoadedPipeline.Load(model, ops, DType.F32);
        Scene[] scenes = [.. Scene.Draw(config.Seed + 2, heldOut: false, config.Check.Count), .. Scene.Draw(config.Seed + 2, heldOut: true, config.Check.Count)];
        var request = new SampleRequest
        {
            Prompts = [.. scenes.Select(s => s.Caption)], Sampler = config.Check.Sampler, Steps = config.Check.Steps, Guidance = config.Check.Guidance,
            Seed = config.Seed, Width = config.Pictures.Size, Height = config.Pictures.Size, BatchSize = 32,
        };
        int evaluations = (scenes.Length + request.BatchSize - 1) / request.BatchSize * SamplerFactory.Create(request.Sampler, pipeline.Scheduler, request.Steps).Timesteps.Count;
        var result = Progress.Run(console, $"Sampling {scenes.Length} pictures", evaluations, "steps", display => pipeline.TextToImage.Generate(request, (done, _) => display.Report(done), stop));
        return new CheckedSamples(scenes, result.Pictures);
    }

    void Phase(int number, string what)
    {
        if (console.Interactive) console.Ansi.Write(new Spectre.Console.Rule($"[bold]{number} of 5[/]  {Spectre.Console.Markup.Escape(what)}") { Justification = Spectre.Console.Justify.Left });
        else console.Line($"[{number} of 5] {what}");
    }

    static void RequireFinished(TrainResult result, CancellationToken stop)
    {
        if (!result.Finished) throw new OperationCanceledException(stop);
    }

    void Summary(QuickstartResult result)
    {
        int count = config.Check.Count;
        string Count(double share) => string.Create(CultureInfo.InvariantCulture, $"{Math.Round(share * count)} of {count} ({100 * share:F0} %)");
        console.Line();
        console.Line("What the model drew shows what the prompt asked for (shape, colour, place and background, all four):");
        console.Line($"  {Count(result.Seen)} for combinations that were in the training pictures");
        console.Line($"  {Count(result.Unseen)} for colour-and-shape pairs that no training picture showed, such as \"{Scene.All.First(s => s.HeldOut).Caption}\"");
        console.Line();
        console.Line($"Look at  {Path.Combine(Samples, "seen.png")} and {Path.Combine(Samples, "unseen.png")}");
        console.Line($"Read     {Path.Combine(config.Output, RunReport.FileName)}");
        console.Line($"Try      dotnet run --project Trainer -- sample --model {Path.Combine(config.Output, "unet", ModelFolder.Name)} --guidance 3 --prompt \"{Scene.All[^1].Caption}\"");
        console.Line(string.Create(CultureInfo.InvariantCulture, $"Everything took {Progress.Duration(result.Seconds)} and at most {result.PeakMemory / (double)(1 << 20):F0} MiB of memory."));
    }
}
