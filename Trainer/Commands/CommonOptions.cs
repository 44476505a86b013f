using System.CommandLine;

namespace CommonCanvas.Trainer.Commands;

/// <summary>Options that every command takes.</summary>
public sealed class CommonOptions
{
    /// <summary>Shows where an error came from.</summary>
    public Option<bool> Verbose { get; } = new("--verbose") { Description = "Show the stack trace of an error.", Recursive = true };

    /// <summary>Where to compute.</summary>
    public Option<string> Device { get; } = new("--device") { Description = "Where to compute.", Recursive = true, DefaultValueFactory = _ => "auto" };

    /// <summary>How many threads compute.</summary>
    public Option<int> Threads { get; } = Options.Whole("--threads", "Threads that compute; 0 takes one for each processor.", 0, 0, 1024);

    /// <summary>Makes the options known below <paramref name="root"/>.</summary>
    public void AddTo(RootCommand root)
    {
        Device.AcceptOnlyFromAmong("auto", "cpu");
        Threads.Recursive = true;
        root.Add(Verbose);
        root.Add(Device);
        root.Add(Threads);
    }
}
