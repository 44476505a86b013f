using System.Diagnostics;

namespace CommonCanvas.Trainer.Profiling;

/// <summary>Memory of this process and machine.</summary>
public static class Memory
{
    /// <summary>The most memory that the process has had resident.</summary>
    public static long PeakResidentBytes()
    {
        using var process = Process.GetCurrentProcess();
        process.Refresh();
        return Math.Max(process.PeakWorkingSet64, process.WorkingSet64);
    }
}
