using System.Globalization;
using System.Text.Json;
using CommonCanvas.Data;

namespace CommonCanvas.Training;

/// <summary>
/// The report of a run, from what its folder holds: curves from <c>metrics.jsonl</c>, grids from <c>samples</c>, the
/// configuration, attributions by licence, and what was skipped and why. It can be made while the run goes on.
/// </summary>
public static class RunReport
{
    /// <summary>Name of the file in a run folder.</summary>
    public const string FileName = "report.html";

    const int GridsShown = 8, SmallGrid = 400;

    /// <summary>Writes <c>report.html</c> into a run folder.</summary>
    /// <param name="runFolder">The run folder.</param>
    /// <param name="title">Its title.</param>
    /// <param name="first">Adds sections before the curves; null for none.</param>
    /// <returns>The path.</returns>
    public static string Write(string runFolder, string title, Action<HtmlReport>? first = null)
    {
        var report = new HtmlReport(title);
        first?.Invoke(report);
        AddRun(report, runFolder);
        string path = Path.Combine(runFolder, FileName);
        report.Save(path);
        return path;
    }

    /// <summary>Adds the sections of a run, for a report over several.</summary>
    public static void AddRun(HtmlReport report, string runFolder)
    {
        var curves = MetricsLog.Read(Path.Combine(runFolder, MetricsWriter.FileName));
        Summary(report, curves);
        Curves(report, curves);
        Grids(report, Path.Combine(runFolder, MetricsWriter.SamplesFolder));
        Counts(report, "Attribution", "licence", Attribution.CountLicences(Path.Combine(runFolder, Attribution.FileName)), $"Each picture is listed in {Attribution.FileName}.");
        Counts(report, "Skipped pictures", "reason", SkippedByReason(Path.Combine(runFolder, SkipLog.FileName)), $"Each is listed in {SkipLog.FileName}.");
        string configuration = Path.Combine(runFolder, "config.yaml");
        if (File.Exists(configuration)) report.Section("Configuration").Preformatted(File.ReadAllText(configuration));
    }

    static void Summary(HtmlReport report, IReadOnlyDictionary<string, List<(long Step, double Value)>> curves)
    {
        if (!curves.TryGetValue("loss", out var loss)) return;
        var rows = new List<string[]>
        {
            new[] { "Steps", Text($"{loss[^1].Step:N0}") },
            new[] { "Loss, mean of the last tenth", Text($"{loss.TakeLast(Math.Max(1, loss.Count / 10)).Average(p => p.Value):G4}") },
        };
        if (curves.TryGetValue("validation_loss", out var validation))
        {
            var best = validation.MinBy(p => p.Value);
            rows.Add(["Validation loss, last", Text($"{validation[^1].Value:G4} (step {validation[^1].Step:N0})")]);
            rows.Add(["Validation loss, lowest", Text($"{best.Value:G4} (step {best.Step:N0})")]);
        }
        if (curves.TryGetValue("images_per_second", out var speed)) rows.Add(["Images/s, median", Text($"{Median(speed):G4}")]);
        if (curves.TryGetValue("flops_per_second", out var flops)) rows.Add(["GFLOP/s, median", Text($"{Median(flops) / 1e9:G4}")]);
        if (curves.TryGetValue("skipped_steps", out var skipped)) rows.Add(["Steps skipped for overflow", Text($"{skipped[^1].Value:N0}")]);
        report.Section("Summary").Table([], rows);
    }

    static void Curves(HtmlReport report, IReadOnlyDictionary<string, List<(long Step, double Value)>> curves)
    {
        ChartLine? Line(string name, string shown, bool smoothed) => curves.TryGetValue(name, out var points) ? new ChartLine(shown, points, smoothed) : null;
        void Chart(string caption, params ChartLine?[] lines) => report.Chart(caption, [.. lines.OfType<ChartLine>()]);
        report.Section("Curves");
        Chart("Loss over steps", Line("loss", "training", true), Line("validation_loss", "validation (fixed noise)", false));
        Chart("Norm of the gradient, before clipping", Line("gradient_norm", "norm", true));
        Chart("Learning rate", Line("learning_rate", "rate", false));
        Chart("Images per second", Line("images_per_second", "images/s", false));
        Chart("Loss scale", Line("loss_scale", "scale", false));
    }

    // Grids of each kind, evenly over the run, first and last among them.
    static void Grids(HtmlReport report, string folder)
    {
        if (!Directory.Exists(folder)) return;
        string[] files = [.. Directory.GetFiles(folder, "*-????????.png").Order(StringComparer.Ordinal)];
        foreach (var kind in files.GroupBy(f => Path.GetFileNameWithoutExtension(f)[..^9]))
        {
            string[] all = [.. kind];
            report.Section(kind.Key.Length > 0 ? char.ToUpperInvariant(kind.Key[0]) + kind.Key[1..] : "Samples");
            int shown = Math.Min(GridsShown, all.Length);
            for (int i = 0; i < shown; i++)
            {
                string file = all[shown == 1 ? all.Length - 1 : i * (all.Length - 1) / (shown - 1)];
                byte[] png = File.ReadAllBytes(file);
                int width = png.Length >= 24 ? System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(16)) : 0;
                report.Picture(png, $"Step {long.Parse(Path.GetFileNameWithoutExtension(file)[^8..], CultureInfo.InvariantCulture)}", width < SmallGrid ? 2 : 1);
            }
        }
    }

    static void Counts(HtmlReport report, string heading, string column, IReadOnlyDictionary<string, long> counts, string note)
    {
        if (counts.Count == 0) return;
        report.Section(heading).Table([column, "pictures"], counts.Select(c => new[] { c.Key, Text($"{c.Value:N0}") })).Paragraph(note);
    }

    static SortedDictionary<string, long> SkippedByReason(string path)
    {
        var counts = new SortedDictionary<string, long>(StringComparer.Ordinal);
        if (!File.Exists(path)) return counts;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            try
            {
                using var json = JsonDocument.Parse(line);
                string reason = json.RootElement.GetProperty("reason").GetString() ?? "unknown";
                counts[reason] = counts.GetValueOrDefault(reason) + 1;
            }
            catch (Exception cause) when (cause is JsonException or KeyNotFoundException or InvalidOperationException)
            {
                // A run that still writes may have half a line here.
            }
        }
        return counts;
    }

    static double Median(List<(long Step, double Value)> curve)
    {
        double[] values = [.. curve.Select(p => p.Value)];
        Array.Sort(values);
        return values[values.Length / 2];
    }

    static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
