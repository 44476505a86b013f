using System.CommandLine;
using CommonCanvas.Trainer.Configuration;
using CommonCanvas.Trainer.Runs;
using CommonCanvas.Training;

namespace CommonCanvas.Trainer.Commands;

/// <summary><c>train</c>: a U-Net on shards, or an autoencoder on pictures, as a configuration says.</summary>
public sealed class TrainCommand
{
    readonly Option<string?> config = Options.Text("--config", "Configuration file (YAML); configs/ has examples.");
    readonly Option<string[]> set = Options.Set();
    readonly Option<string?> data = Options.Text("--data", "Folder of shards or pictures; short for --set data.path=...");
    readonly Option<string?> output = Options.Text("--out", "Run folder; short for --set output=...");
    readonly Option<string?> precision = Options.WordOrNone("--precision", "fp32, fp16 or bf16; short for --set precision=...", "fp32", "fp16", "bf16");
    readonly Runner runner;

    /// <summary>Defines the command.</summary>
    public TrainCommand(Runner runner)
    {
        this.runner = runner;
        Command = new Command("train", "Train a U-Net on precomputed shards, or an autoencoder on pictures. Goes on where an interrupted run stopped.") { config, set, data, output, precision };
        runner.Bind(Command, Run);
    }

    /// <summary>The command.</summary>
    public Command Command { get; }

    int Run(ParseResult parsed, CancellationToken cancellation)
    {
        if (parsed.GetValue(config) is null && parsed.GetValue(set) is null or []) throw new ConfigException("train needs --config FILE; configs/ has examples");
        var settings = ConfigLoader.Load<RunConfig>(parsed.GetValue(config), parsed.GetValue(set));
        if (parsed.GetValue(data) is { } path) settings.Data.Path = path;
        if (parsed.GetValue(output) is { } folder) settings.Output = folder;
        if (parsed.GetValue(precision) is { } type) settings.Precision = Enum.Parse<Precision>(type, ignoreCase: true);
        using var device = runner.OpenDevice(parsed);
        var result = settings.Model == ModelKind.Autoencoder
            ? new AutoencoderRun(settings, device, runner.Console).Run(cancellation)
            : new UNetRun(settings, device, runner.Console).Run(cancellation);
        if (!result.Finished)
        {
            runner.Console.Line($"Stopped after step {result.Steps} of {settings.Steps}; everything is saved in {result.Checkpoint}. The same command goes on from there.");
            return ExitCode.Interrupted;
        }
        runner.Console.Line($"Done: {result.Steps} steps. The model is in {Path.Combine(settings.Output, ModelFolder.Name)}, the report in {Path.Combine(settings.Output, RunReport.FileName)}.");
        return ExitCode.Done;
    }
}
