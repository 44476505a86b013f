using System.CommandLine;
using CommonCanvas.Trainer.Commands;
using CommonCanvas.Trainer.Configuration;
using CommonCanvas.Trainer.Terminal;

namespace CommonCanvas.Trainer;

/// <summary>The program: its commands, and what its errors and exit codes look like.</summary>
public static class App
{
    /// <summary>Runs a command line; never throws for what a user can cause.</summary>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static int Run(string[] args, AppConsole console, CancellationToken cancellation = default)
    {
        var common = new CommonOptions();
        var root = new RootCommand("Trains a Stable Diffusion 2 shaped text-to-image model from captioned pictures. Without a command it runs the quickstart.");
        common.AddTo(root);
        var run = new Runner(console, common);
        var quickstart = new QuickstartCommand(run);
        quickstart.MakeDefault(root);
        root.Add(quickstart.Command);
        root.Add(new PrecomputeCommand(run).Command);
        root.Add(new TrainCommand(run).Command);
        root.Add(new SampleCommand(run).Command);
        root.Add(new ProfileCommand(run).Command);
        root.Add(new DoctorCommand(run).Command);

        var parsed = root.Parse(args);
        console.Verbose = parsed.GetValue(common.Verbose);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors) console.Error.WriteLine(error.Message);
            string name = parsed.CommandResult.Command == root ? "" : " " + parsed.CommandResult.Command.Name;
            console.Error.WriteLine($"See: Trainer{name} --help");
            return ExitCode.Usage;
        }
        run.Cancellation = cancellation;
        return parsed.Invoke(new InvocationConfiguration { Output = console.Output, Error = console.Error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
    }
}
