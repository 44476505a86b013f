using System.CommandLine;
using CommonCanvas.Cuda;
using CommonCanvas.Trainer.Diagnosis;
using Spectre.Console;

namespace CommonCanvas.Trainer.Commands;

/// <summary><c>doctor</c>: what this machine has, what it lacks and what that costs, and whether the quickstart will run on it.</summary>
public sealed class DoctorCommand
{
    readonly Runner runner;

    /// <summary>Defines the command.</summary>
    public DoctorCommand(Runner runner)
    {
        this.runner = runner;
        Command = new Command("doctor", "Show what this machine has, what is missing and what that costs, and whether the quickstart will run on it.");
        runner.Bind(Command, Run);
    }

    /// <summary>The command.</summary>
    public Command Command { get; }

    int Run(ParseResult parsed, CancellationToken cancellation)
    {
        Finding[] findings = [.. HostFindings.All(runner.Threads(parsed)), .. GpuFindings.All(), Device(parsed)];
        var table = new Table().Border(TableBorder.Simple).HideHeaders().AddColumn("").AddColumn("");
        foreach (var finding in findings) table.AddRow(Markup.Escape(finding.Name), Markup.Escape(finding.Value));
        runner.Console.Ansi.Write(table);

        foreach (var finding in findings.Where(f => f.Cost is not null))
            runner.Console.Line($"{(finding.Blocks ? "Problem" : "Missing")}: {finding.Name}: {finding.Cost}");
        bool runs = !findings.Any(f => f.Blocks);
        runner.Console.Line(runs ? "The quickstart will run here." : "The quickstart will not run here.");
        return runs ? ExitCode.Done : ExitCode.Failed;
    }

    Finding Device(ParseResult parsed)
    {
        string name = parsed.GetValue(runner.Common.Device)!;
        try
        {
            using var device = runner.OpenDevice(parsed);
            return new($"--device {name}", device.Name);
        }
        catch (Exception e) when (e is LibraryMissingException or CudaException or NotSupportedException or EntryPointNotFoundException)
        {
            return new($"--device {name}", "does not work", e.Message, Blocks: true);
        }
    }
}
