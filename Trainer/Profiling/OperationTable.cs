using System.Globalization;
using CommonCanvas.Tensors;
using CommonCanvas.Trainer.Terminal;

namespace CommonCanvas.Trainer.Profiling;

/// <summary>A table of what each operation cost, beside what the machine can do.</summary>
public static class OperationTable
{
    /// <summary>Prints one row for each operation, the longest first.</summary>
    /// <param name="console">Where to.</param>
    /// <param name="timed">The device that was watched.</param>
    /// <param name="steps">Steps since it was reset; figures are per step.</param>
    /// <param name="peaks">Measured peaks.</param>
    public static void Print(AppConsole console, TimedOps timed, int steps, Peaks peaks)
    {
        var table = new FittedTable().Column("operation", left: true).Column("calls", spare: 1).Column("ms").Column("share\n%")
            .Column("GFLOP/s", spare: 2).Column("% of\npeak").Column("GB/s", spare: 3).Column("% of\npeak");
        double total = timed.Total.TotalSeconds;
        foreach (var row in timed.Rows)
            table.Row(row.Name, Text((double)row.Calls / steps, "F0"), Text(row.Time.TotalMilliseconds / steps, "F2"), Text(100 * row.Time.TotalSeconds / total, "F1"),
                Text(row.GigaflopsPerSecond, "F1"), Text(100 * row.GigaflopsPerSecond / peaks.Gigaflops, "F0"), Text(row.GigabytesPerSecond, "F1"), Text(100 * row.GigabytesPerSecond / peaks.Gigabytes, "F0"));
        table.Write(console);
        console.Line(string.Create(CultureInfo.InvariantCulture,
            $"All operations: {1000 * total / steps:F1} ms a step. Measured peaks: {peaks.Gigaflops:F0} GFLOP/s {peaks.Arithmetic}, {peaks.Gigabytes:F1} GB/s. Figures are per step; bytes are the least that must be moved."));
    }

    static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
