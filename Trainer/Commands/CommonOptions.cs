using System.CommandLine;
using CommonCanvas.Trainer.Devices;

namespace CommonCanvas.Trainer.Commands;

/// <summary>Options that every command takes.</summary>
public sealed class CommonOptions
{
    /// <summary>Shows where an error came from.</summary>
    public Option<bool> Verbose { get; } = new("--verbose") { Description = "Show the stack trace of an error.", Recursive = true };

    /// <summary>Where to compute.</summary>
    public Option<string> Device { get; } = new("--device")
    {
        Description = "Where to compute: auto (a GPU where there is one), cpu, cuda, cuda:N or emulator (a GPU made of software, for tests).",
        HelpName = "auto|cpu|cuda[:N]|emulator",
        Recursive = true,
        DefaultValueFactory = _ => DeviceName.Auto,
    };

    /// <summary>How many threads compute.</summary>
    public Option<int> Threads { get; } = Options.Whole("--threads", "Threads that compute; 0 takes one for each processor.", 0, 0, 1024);

    /// <summary>Makes the options known below <paramref name="root"/>.</summary>
    public void AddTo(RootCommand root)
    {
        Device.Validators.Add(result =>
        {
            string name = result.GetValueOrDefault<string>() ?? "";
            if (!DeviceName.IsKnown(name)) result.AddError($"--device is '{name}', but must be {DeviceName.Forms}");
        });
        Threads.Recursive = true;
        root.Add(Verbose);
        root.Add(Device);
        root.Add(Threads);
    }
}
