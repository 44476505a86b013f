using System.Text;
using System.Text.Json;

namespace CommonCanvas.Training;

/// <summary>Reads a run's <c>metrics.jsonl</c>.</summary>
public static class MetricsLog
{
    /// <summary>All curves by name: the steps and values of the lines that have it. Damaged lines are passed over.</summary>
    public static IReadOnlyDictionary<string, List<(long Step, double Value)>> Read(string path)
    {
        var curves = new SortedDictionary<string, List<(long, double)>>(StringComparer.Ordinal);
        if (!File.Exists(path)) return curves;
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (Parse(Encoding.UTF8.GetBytes(line)) is not { } values || !values.Remove("step", out double step)) continue;
            foreach (var (name, value) in values)
            {
                if (!curves.TryGetValue(name, out var curve)) curves[name] = curve = [];
                curve.Add(((long)step, value));
            }
        }
        return curves;
    }

    /// <summary>The step of a line, or null where it is none.</summary>
    internal static long? StepOf(ReadOnlySpan<byte> line) =>
        Parse(line) is { } values && values.TryGetValue("step", out double step) ? (long)step : null;

    static Dictionary<string, double>? Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            var values = new Dictionary<string, double>();
            var reader = new Utf8JsonReader(line);
            string name = "";
            while (reader.Read())
            {
                if (reader.TokenType == JsonTokenType.PropertyName) name = reader.GetString()!;
                else if (reader.TokenType == JsonTokenType.Number) values[name] = reader.GetDouble();
            }
            return values;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
