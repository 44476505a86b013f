using System.Globalization;
using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CommonCanvas.Models;
using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// One checkpoint: a folder with <c>weights</c>, <c>moment1</c>, <c>moment2</c> and, once it exists, <c>average</c> as
/// safetensors (F32, one tensor per parameter unit, so that ranks can take parts of it), <c>state.json</c>, and
/// <c>checksums.txt</c> with the length and XXH128 of each file, closed by its own. The folder gets its name when all of
/// it is on the disk.
/// </summary>
static class Checkpoint
{
    const string ChecksumFile = "checksums.txt", StateFile = "state.json";
    const int Format = 1;

    /// <summary>Writes a checkpoint.</summary>
    /// <param name="folder">Final name; must not exist.</param>
    /// <param name="state">What to save.</param>
    /// <param name="written">Told each file's path once it is written; what it throws counts as a failure to write.</param>
    /// <exception cref="IOException">Not enough space, or another failure; nothing of this checkpoint is left.</exception>
    public static void Write(string folder, TrainState state, Action<string>? written = null)
    {
        string temporary = folder + ".tmp";
        try
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
            Directory.CreateDirectory(temporary);
            foreach (var (name, buffer) in Buffers(state))
            {
                string path = Path.Combine(temporary, name + ".safetensors");
                WriteBuffer(path, state, buffer);
                written?.Invoke(path);
            }
            WriteSynced(Path.Combine(temporary, StateFile), StateJson(state));
            WriteSynced(Path.Combine(temporary, ChecksumFile), Checksums(temporary));
            written?.Invoke(Path.Combine(temporary, ChecksumFile));
            Data.AtomicFile.FlushFolder(temporary);
            Directory.Move(temporary, folder);
            Data.AtomicFile.FlushFolder(Path.GetDirectoryName(folder)!);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
            throw new IOException($"{folder}: the checkpoint of step {state.Step} could not be written ({cause.Message}); earlier checkpoints are whole. Free some space and resume", cause);
        }
    }

    /// <summary>Checks every file against its checksum.</summary>
    /// <exception cref="InvalidDataException">The first thing that is wrong.</exception>
    public static void Verify(string folder)
    {
        string path = Path.Combine(folder, ChecksumFile);
        if (!File.Exists(path)) throw Damaged(folder, $"{ChecksumFile} is missing");
        string[] lines = File.ReadAllText(path).Split('\n');
        if (lines.Length < 3 || lines[^1].Length > 0 || lines[^2] != Own(lines[..^2])) throw Damaged(folder, $"{ChecksumFile} does not match its own checksum");
        foreach (string line in lines[..^2])
        {
            string[] parts = line.Split(' ', 3);
            string file = Path.Combine(folder, parts[2]);
            if (!File.Exists(file)) throw Damaged(folder, $"{parts[2]} is missing");
            if (LineOf(file) != line) throw Damaged(folder, $"{parts[2]} does not match its checksum");
        }
    }

    /// <summary>Reads a checkpoint whose files <see cref="Verify"/> has checked.</summary>
    /// <exception cref="InvalidDataException">It belongs to another model.</exception>
    public static void Read(string folder, TrainState state)
    {
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, StateFile)))!.AsObject();
        int format = (int)json["format"]!;
        if (format != Format) throw new InvalidDataException($"{folder}: is of format {format}; this version reads {Format}");
        // A run that no longer asks for an average must not carry on one that stands still.
        if (state.Optimizer.Settings.EmaDecay > 0 && File.Exists(Path.Combine(folder, "average.safetensors"))) state.Optimizer.StartAverage();
        foreach (var (name, buffer) in Buffers(state)) ReadBuffer(Path.Combine(folder, name + ".safetensors"), state, buffer);
        state.Parameters.RefreshCompute();
        state.Step = (long)json["step"]!;
        state.Position = (long)json["position"]!;
        state.Optimizer.Restore((long)json["updates"]!);
        float scale = (float)json["loss_scale"]!;
        // Older checkpoints do not say it; an unscaled run's factor is 1.
        state.Scaler.Restore(scale, (int)json["clean_steps"]!, (long)json["skipped"]!, scaled: (bool?)json["loss_scaling"] ?? scale != 1);
        state.Configuration = (string)json["configuration"]!;
        state.Data = (string)json["data"]!;
    }

    static IEnumerable<(string Name, Tensor Buffer)> Buffers(TrainState state)
    {
        yield return ("weights", state.Parameters.Master);
        yield return ("moment1", state.Optimizer.Moment1);
        yield return ("moment2", state.Optimizer.Moment2);
        if (!state.Optimizer.Average.IsNone) yield return ("average", state.Optimizer.Average);
    }

    static void WriteBuffer(string path, TrainState state, Tensor buffer) =>
        SafetensorsWriter.Write(path, state.Parameters.Units.Select(unit => SafetensorsItem.Floats(unit.Name, [unit.Count], () =>
            state.Ops.DownloadFloats(buffer.Slice((int)unit.Offset, (int)unit.Count)))));

    static void ReadBuffer(string path, TrainState state, Tensor buffer)
    {
        using var file = new SafetensorsFile(path);
        var units = state.Parameters.Units;
        var problems = units.Where(u => !file.Has(u.Name) || file.Entry(u.Name).Count != u.Count).Select(u => u.Name).Concat(file.Names.Except(units.Select(u => u.Name))).ToList();
        if (problems.Count > 0)
            throw new InvalidDataException($"{path}: is of another model; units that differ: {string.Join(", ", problems)}. Resume with the model's own configuration, or choose another run folder");
        foreach (var unit in units) state.Ops.Upload<float>(file.ReadFloats(unit.Name), buffer.Slice((int)unit.Offset, (int)unit.Count));
    }

    static string StateJson(TrainState state) => new JsonObject
    {
        ["format"] = Format,
        ["step"] = state.Step,
        ["position"] = state.Position,
        ["updates"] = state.Optimizer.Updates,
        ["loss_scaling"] = state.Scaler.Enabled,
        ["loss_scale"] = state.Scaler.Scale,
        ["clean_steps"] = state.Scaler.CleanSteps,
        ["skipped"] = state.Scaler.Skipped,
        ["data"] = state.Data,
        ["configuration"] = state.Configuration,
    }.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n";

    static string Checksums(string folder)
    {
        string[] lines = [.. Directory.GetFiles(folder).Order(StringComparer.Ordinal).Select(LineOf)];
        return string.Join('\n', lines.Append(Own(lines))) + "\n";
    }

    static string LineOf(string file)
    {
        var hash = new XxHash128();
        using var stream = File.OpenRead(file);
        hash.Append(stream);
        return string.Create(CultureInfo.InvariantCulture, $"{Convert.ToHexStringLower(hash.GetCurrentHash())} {stream.Length} {Path.GetFileName(file)}");
    }

    static string Own(string[] lines) => Convert.ToHexStringLower(XxHash128.Hash(Encoding.UTF8.GetBytes(string.Join('\n', lines))));

    static void WriteSynced(string path, string text)
    {
        using var stream = new FileStream(path, FileMode.CreateNew, FileAccess.Write);
        stream.Write(Encoding.UTF8.GetBytes(text));
        stream.Flush(flushToDisk: true);
    }

    static InvalidDataException Damaged(string folder, string what) => new($"{folder}: is damaged: {what}");
}
