using System.CommandLine;
using CommonCanvas.Trainer.Configuration;
using CommonCanvas.Trainer.Quickstart;

namespace CommonCanvas.Trainer.Commands;

/// <summary><c>quickstart</c>: what the program does without arguments.</summary>
public sealed class QuickstartCommand
{
    readonly Option<string?> config = Options.Text("--config", "Configuration file (YAML) in place of the built-in configs/quickstart.yaml.");
    readonly Option<string[]> set = Options.Set();
    readonly Option<string?> output = Options.Text("--out", "Folder for everything; short for --set output=...");
    readonly Runner runner;

    /// <summary>Defines the command.</summary>
    public QuickstartCommand(Runner runner)
    {
        this.runner = runner;
        Command = new Command("quickstart", "Draw a small captioned picture set, train a model on it end to end, sample, and check the samples.") { config, set, output };
        runner.Bind(Command, Run);
    }

    /// <summary>The command.</summary>
    public Command Command { get; }

    /// <summary>Runs it where no command is given.</summary>
    public void MakeDefault(RootCommand root) => runner.Bind(root, Run);

    /// <summary>The configuration that is embedded in the program.</summary>
    public static string BuiltIn()
    {
        using var stream = typeof(QuickstartCommand).Assembly.GetManifestResourceStream(QuickstartConfig.DefaultName)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    int Run(ParseResult parsed, CancellationToken cancellation)
    {
        var settings = parsed.GetValue(config) is { } file
            ? ConfigLoader.Load<QuickstartConfig>(file, parsed.GetValue(set))
            : ConfigLoader.Parse<QuickstartConfig>(BuiltIn(), QuickstartConfig.DefaultName, parsed.GetValue(set));
        if (parsed.GetValue(output) is { } folder) settings.Output = folder;
        int threads = runner.Threads(parsed);
        using var ops = runner.OpenDevice(parsed);
        try
        {
            new QuickstartRun(settings, ops, runner.Console, threads).Run(cancellation);
            return ExitCode.Done;
        }
        catch (OperationCanceledException)
        {
            runner.Console.Line($"Stopped; what is done stays in {settings.Output}. The same command goes on from there.");
            return ExitCode.Interrupted;
        }
    }
}
