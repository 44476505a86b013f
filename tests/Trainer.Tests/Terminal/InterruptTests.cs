using System.Diagnostics;
using CommonCanvas.Trainer.Terminal;

namespace CommonCanvas.Trainer.Tests.Terminal;

/// <summary>Signals reach the whole process, so nothing else may run beside these.</summary>
[CollectionDefinition(nameof(InterruptTests), DisableParallelization = true)]
[Collection(nameof(InterruptTests))]
public sealed class InterruptTests
{
    /// <summary>Also where the notice cannot be written, for the terminal may be what has gone.</summary>
    [Theory]
    [InlineData("TERM")]
    [InlineData("HUP")]
    public void A_signal_asks_for_a_stop(string signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no kill");
        using var gone = new BrokenWriter();
        using var interrupt = new Interrupt(gone);
        using (var kill = Process.Start("/bin/sh", ["-c", $"kill -{signal} {Environment.ProcessId}"])) kill.WaitForExit();
        Assert.True(interrupt.Token.WaitHandle.WaitOne(TimeSpan.FromSeconds(20)));
    }
}
