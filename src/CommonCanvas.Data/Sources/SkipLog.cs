using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace CommonCanvas.Data;

/// <summary>
/// The pictures that a run did not use: counted by reason, and listed in <c>skipped.jsonl</c> as
/// <c>{"index": 7, "key": "a/b.png", "reason": "CannotDecode", "detail": "cut off"}</c>. Use from many threads.
/// </summary>
public sealed class SkipLog : IDisposable
{
    /// <summary>Name of the list in the run folder.</summary>
    public const string FileName = "skipped.jsonl";

    readonly Lock gate = new();
    readonly FileStream file;
    readonly SortedDictionary<SkipReason, long> counts = [];
    readonly List<long> indices = [];

    SkipLog(FileStream file) => this.file = file;

    /// <summary>Number of skipped pictures.</summary>
    public long Total
    {
        get { lock (gate) return counts.Values.Sum(); }
    }

    /// <summary>Positions in the source of what is listed.</summary>
    public IReadOnlyList<long> Indices
    {
        get { lock (gate) return [.. indices]; }
    }

    /// <summary>
    /// Opens the list of a run folder. An interrupted run that goes on at input position <paramref name="resumeAt"/> keeps what
    /// was listed before that position; the rest will be listed again.
    /// </summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static SkipLog Open(string folder, long resumeAt = 0)
    {
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, FileName);
        var kept = new List<string>();
        var entries = new List<(long Index, SkipReason Reason)>();
        if (resumeAt > 0 && File.Exists(path))
            foreach (string line in File.ReadLines(path))
            {
                // The last line may be torn; whatever cannot be read belongs behind the position.
                if (Parse(line) is not (long index, SkipReason reason) || index >= resumeAt) continue;
                kept.Add(line);
                entries.Add((index, reason));
            }
        AtomicFile.Write(path, Encoding.UTF8.GetBytes(string.Concat(kept.Select(l => l + "\n"))));
        var opened = new SkipLog(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read));
        foreach ((long index, SkipReason reason) in entries) opened.Count(index, reason);
        return opened;
    }

    /// <summary>Lists a picture. The line is handed to the system at once, so that a killed process loses none.</summary>
    /// <param name="index">Position in the source.</param>
    /// <param name="key">The sample's key.</param>
    /// <param name="why">What was thrown for it.</param>
    public void Add(long index, string key, PictureException why)
    {
        var line = new JsonObject { ["index"] = index, ["key"] = key, ["reason"] = why.Reason.ToString(), ["detail"] = why.Message };
        byte[] bytes = Encoding.ASCII.GetBytes(PythonJson.Text(line) + "\n");
        lock (gate)
        {
            Count(index, why.Reason);
            file.Write(bytes);
            file.Flush();
        }
    }

    void Count(long index, SkipReason reason)
    {
        indices.Add(index);
        counts[reason] = counts.GetValueOrDefault(reason) + 1;
    }

    /// <summary>The counts by reason.</summary>
    public IReadOnlyDictionary<SkipReason, long> Counts
    {
        get { lock (gate) return new SortedDictionary<SkipReason, long>(counts); }
    }

    /// <summary>One line for the console: <c>3 skipped (2 CannotDecode, 1 TooSmall; see skipped.jsonl)</c>.</summary>
    public string Summary()
    {
        lock (gate)
            return counts.Count == 0 ? "none skipped" : $"{counts.Values.Sum()} skipped ({string.Join(", ", counts.Select(c => $"{c.Value} {c.Key}"))}; see {file.Name})";
    }

    /// <summary>Closes the list.</summary>
    public void Dispose() => file.Dispose();

    static (long Index, SkipReason Reason)? Parse(string line)
    {
        try
        {
            JsonNode? entry = JsonNode.Parse(line);
            return entry is JsonObject && (long?)entry["index"] is long index && Enum.TryParse((string?)entry["reason"], out SkipReason reason) ? (index, reason) : null;
        }
        catch (Exception cause) when (cause is JsonException or InvalidOperationException or FormatException or ArgumentException) { return null; }
    }
}
