using System.Globalization;

namespace CommonCanvas.Training;

/// <summary>
/// The checkpoints of a run, <c>checkpoints/step-NNNNNNNN</c>: the last few are kept and every Nth for good. A damaged one
/// is reported and the one before it used.
/// </summary>
/// <param name="runFolder">The run folder.</param>
/// <param name="keepLast">How many of the newest are kept; at least 1.</param>
/// <param name="keepEvery">Steps that are multiples of this are kept for good; 0: none.</param>
public sealed class CheckpointStore(string runFolder, int keepLast = 2, long keepEvery = 0)
{
    const string Prefix = "step-", Aside = "damaged-";

    readonly string folder = Path.GetFullPath(Path.Combine(runFolder, "checkpoints"));

    /// <summary>For tests: told each file once it is written.</summary>
    internal Action<string>? Written { get; init; }

    /// <summary>Steps that have a checkpoint, ascending.</summary>
    public IReadOnlyList<long> Steps => !Directory.Exists(folder) ? [] :
        [.. Directory.GetDirectories(folder, Prefix + "*").Where(path => StepOf(path) is >= 0 and var step && path == PathOf(step)).Select(StepOf).Order()];

    /// <summary>Folder of a step's checkpoint.</summary>
    public string PathOf(long step) => Path.Combine(folder, Prefix + step.ToString("D8", CultureInfo.InvariantCulture));

    /// <summary>Writes a checkpoint of the state, then removes old ones. One that is there already is left as it is.</summary>
    /// <returns>Its folder.</returns>
    /// <exception cref="IOException">It could not be written; earlier ones are whole.</exception>
    public string Save(TrainState state)
    {
        Directory.CreateDirectory(folder);
        foreach (string left in Directory.GetDirectories(folder, Prefix + "*.tmp")) Directory.Delete(left, recursive: true);
        string path = PathOf(state.Step);
        if (!Directory.Exists(path)) Checkpoint.Write(path, state, Written);
        Prune();
        return path;
    }

    /// <summary>Restores the newest checkpoint that is whole.</summary>
    /// <param name="state">Filled; left as it was where there is no checkpoint.</param>
    /// <param name="report">Told of each damaged one; those are set aside under another name, so that their step can be written anew.</param>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="InvalidDataException">It belongs to another model, or none of those that are there is whole.</exception>
    public bool Restore(TrainState state, Action<string> report)
    {
        var steps = Steps;
        foreach (long step in steps.Reverse())
        {
            string path = PathOf(step);
            try
            {
                Checkpoint.Verify(path);
            }
            catch (Exception cause) when (cause is InvalidDataException or IOException)
            {
                string aside = Path.Combine(folder, $"{Aside}{Path.GetFileName(path)}-{Guid.NewGuid():N}");
                Directory.Move(path, aside);
                report($"{cause.Message}; set aside as {Path.GetFileName(aside)}, trying the one before");
                continue;
            }
            Checkpoint.Read(path, state);
            return true;
        }
        // Also when they were set aside by a start before this one: a run that starts over takes its curve and samples away.
        if (steps.Count > 0 || Directory.Exists(folder) && Directory.GetDirectories(folder, Aside + "*").Length > 0)
            throw new InvalidDataException($"{folder}: none of its checkpoints is whole; start again with another run folder, or put one back under its name without {Aside}");
        return false;
    }

    void Prune()
    {
        var steps = Steps;
        for (int i = 0; i < steps.Count - Math.Max(1, keepLast); i++)
        {
            if (keepEvery > 0 && steps[i] % keepEvery == 0) continue;
            // Renamed first: a removal that is cut short must not leave half a checkpoint under its name.
            string doomed = PathOf(steps[i]) + ".tmp";
            Directory.Move(PathOf(steps[i]), doomed);
            Directory.Delete(doomed, recursive: true);
        }
    }

    static long StepOf(string path) =>
        long.TryParse(Path.GetFileName(path).AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out long step) ? step : -1;
}
