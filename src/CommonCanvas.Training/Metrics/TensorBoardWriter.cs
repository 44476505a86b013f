using CommonCanvas.Training.Events;
using Google.Protobuf;

namespace CommonCanvas.Training;

/// <summary>
/// Writes scalars and pictures as an event file that TensorBoard reads. Each start of a run opens another file; a
/// resumed one begins with a session log at its first step, upon which TensorBoard forgets what lay beyond.
/// </summary>
public sealed class TensorBoardWriter : IDisposable
{
    readonly FileStream stream;

    /// <summary>Opens a new event file in a folder.</summary>
    /// <param name="folder">Log folder; made where absent.</param>
    /// <param name="firstStep">First step that this file will hold; above 1 in a resumed run.</param>
    public TensorBoardWriter(string folder, long firstStep = 0)
    {
        Directory.CreateDirectory(folder);
        long seconds = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        for (int number = 0; ; number++)
        {
            string path = Path.Combine(folder, $"events.out.tfevents.{seconds}.{Environment.MachineName}.{Environment.ProcessId}.{number}");
            if (File.Exists(path)) continue;
            stream = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
            break;
        }
        Write(new Event { FileVersion = "brain.Event:2" });
        if (firstStep > 1) Write(new Event { Step = firstStep, SessionLog = new SessionLog { Status = SessionLog.Types.Status.Start } });
        Flush();
    }

    /// <summary>Adds points to curves.</summary>
    public void Scalars(long step, IEnumerable<KeyValuePair<string, double>> values)
    {
        var summary = new Summary();
        foreach (var (tag, value) in values) summary.Value.Add(new Summary.Types.Value { Tag = tag, SimpleValue = (float)value });
        Write(new Event { Step = step, Summary = summary });
    }

    /// <summary>Adds a picture.</summary>
    public void Image(long step, string tag, byte[] png, int width, int height)
    {
        var image = new Summary.Types.Image { Width = width, Height = height, Colorspace = 3, EncodedImageString = ByteString.CopyFrom(png) };
        Write(new Event { Step = step, Summary = new Summary { Value = { new Summary.Types.Value { Tag = tag, Image = image } } } });
    }

    /// <summary>Hands what was written to the operating system.</summary>
    public void Flush() => stream.Flush();

    void Write(Event e)
    {
        e.WallTime = (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds;
        TfRecord.Write(stream, e.ToByteArray());
    }

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();
}
