using System.Globalization;
using System.Text;
using System.Text.Json;

namespace CommonCanvas.Training;

/// <summary>
/// What a run measures, in its folder: <c>metrics.jsonl</c> (one object per line with <c>step</c> and the values, handed
/// to the operating system line by line), TensorBoard events under <c>tensorboard</c>, pictures under <c>samples</c>.
/// A resumed run first drops what lies beyond its checkpoint, so that the curve is that of an uninterrupted run.
/// </summary>
public sealed class MetricsWriter : IDisposable
{
    /// <summary>Name of the curve file.</summary>
    public const string FileName = "metrics.jsonl";

    /// <summary>Name of the pictures' folder.</summary>
    public const string SamplesFolder = "samples";

    readonly string folder;
    readonly FileStream lines;
    readonly TensorBoardWriter board;

    /// <summary>Opens the files of a run.</summary>
    /// <param name="folder">The run folder.</param>
    /// <param name="resumedStep">Steps that the checkpoint holds; 0 for a new run, which starts empty files.</param>
    public MetricsWriter(string folder, long resumedStep)
    {
        this.folder = folder;
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, FileName);
        Truncate(path, resumedStep);
        lines = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
        board = new TensorBoardWriter(Path.Combine(folder, "tensorboard"), resumedStep + 1);
        DropSamplesBeyond(resumedStep);
    }

    /// <summary>Adds a line and a point to each curve. A value that is not finite is null in the line.</summary>
    public void Write(long step, IReadOnlyCollection<KeyValuePair<string, double>> values)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{{\"step\": {step}");
        foreach (var (name, value) in values)
        {
            text.Append(", ").Append(JsonSerializer.Serialize(name)).Append(": ");
            if (double.IsFinite(value)) text.Append(CultureInfo.InvariantCulture, $"{value:R}");
            else text.Append("null");
        }
        text.Append("}\n");
        lines.Write(Encoding.UTF8.GetBytes(text.ToString()));
        lines.Flush();
        board.Scalars(step, values);
        board.Flush();
    }

    /// <summary>Saves a picture under <c>samples/TAG-STEP.png</c> and in TensorBoard.</summary>
    /// <returns>The path.</returns>
    public string Image(long step, string tag, byte[] png, int width, int height)
    {
        string directory = Path.Combine(folder, SamplesFolder);
        Directory.CreateDirectory(directory);
        string path = Path.Combine(directory, $"{tag}-{step:D8}.png");
        File.WriteAllBytes(path, png);
        board.Image(step, tag, png, width, height);
        board.Flush();
        return path;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lines.Dispose();
        board.Dispose();
    }

    // A killed run may leave half a line; that and all lines of later steps go.
    static void Truncate(string path, long lastStep)
    {
        if (!File.Exists(path)) return;
        if (lastStep <= 0)
        {
            File.Delete(path);
            return;
        }
        byte[] all = File.ReadAllBytes(path);
        using var kept = new MemoryStream(all.Length);
        for (int at = 0; at < all.Length;)
        {
            int end = all.AsSpan(at).IndexOf((byte)'\n');
            if (end < 0) break;
            var line = all.AsSpan(at, end + 1);
            if (MetricsLog.StepOf(line) is { } step && step <= lastStep) kept.Write(line);
            at += end + 1;
        }
        if (kept.Length == all.Length) return;
        Data.AtomicFile.Write(path, kept.ToArray());
    }

    void DropSamplesBeyond(long lastStep)
    {
        string directory = Path.Combine(folder, SamplesFolder);
        if (!Directory.Exists(directory)) return;
        foreach (string file in Directory.GetFiles(directory, "*-????????.png"))
            if (long.TryParse(Path.GetFileNameWithoutExtension(file)[^8..], CultureInfo.InvariantCulture, out long step) && step > lastStep) File.Delete(file);
    }
}
