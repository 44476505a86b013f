using System.CommandLine;

namespace CommonCanvas.Trainer.Commands;

/// <summary><c>quickstart</c>: what the program does without arguments.</summary>
public sealed class QuickstartCommand
{
    readonly Runner runner;

    /// <summary>Defines the command.</summary>
    public QuickstartCommand(Runner runner)
    {
        this.runner = runner;
        Command = new Command("quickstart", "Draw a small captioned picture set, train a model on it end to end, sample, and check the samples.");
        runner.Bind(Command, Run);
    }

    /// <summary>The command.</summary>
    public Command Command { get; }

    /// <summary>Runs it where no command is given.</summary>
    public void MakeDefault(RootCommand root) => runner.Bind(root, Run);

    int Run(ParseResult parsed, CancellationToken cancellation)
    {
        runner.Console.Line("Drawing pictures");
        return ExitCode.Done;
    }
}
