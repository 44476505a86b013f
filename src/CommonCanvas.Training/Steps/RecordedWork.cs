using CommonCanvas.Tensors;

namespace CommonCanvas.Training;

/// <summary>
/// Work that is done again and again: call by call at first, which loads its kernels and takes its memory; then recorded, and
/// launched in one call from then on. Its memory is a pool of its own, so the addresses that it was recorded with stay
/// good whatever is rented in between. On a device that does not record, and where recording fails, it is done call by call.
/// The results have the same bits either way.
/// </summary>
/// <param name="ops">The device.</param>
/// <param name="work">Does the work for a number of samples and their part in the gradient. It copies nothing from or to the host.</param>
public sealed class RecordedWork(IOps ops, Action<int, GradientPart> work) : IDisposable
{
    sealed class Entry
    {
        public IRecording? Recording;
        public float Scale;
    }

    readonly Dictionary<(int Count, bool Accumulate), Entry> entries = [];
    ArenaPool? pool;
    Action<string>? note;

    /// <summary>Records from now on, where the device can.</summary>
    /// <param name="note">Told why recording is given up.</param>
    /// <returns>Whether it can.</returns>
    public bool Enable(Action<string> note)
    {
        if (!ops.Records) return false;
        this.note = note;
        pool ??= new ArenaPool(ops.Arena);
        return true;
    }

    /// <summary>
    /// Does the work, recorded where that is possible. A recording is good for one number of samples, one way into the gradient
    /// and one factor: another number or way has its own beside it; another factor, after an overflow or a long clean stretch in
    /// fp16, takes its place.
    /// </summary>
    public void Run(int count, GradientPart part)
    {
        if (note is null)
        {
            Eagerly(count, part);
            return;
        }
        if (!entries.TryGetValue((count, part.Accumulate), out var entry))
        {
            Eagerly(count, part);
            entries[(count, part.Accumulate)] = new Entry();
            return;
        }
        if (entry.Recording is null || entry.Scale != part.Scale)
        {
            entry.Recording?.Dispose();
            entry.Recording = null;
            if (!TryRecord(entry, count, part)) return;
        }
        if (pool!.Live != 0) throw new InvalidOperationException($"{pool.Live} blocks of the recorded step's memory are still rented: replaying it would overwrite them");
        entry.Recording!.Replay();
    }

    /// <summary>Does the work call by call, in the same memory.</summary>
    public void Eagerly(int count, GradientPart part)
    {
        if (pool is null) work(count, part);
        else pool.Run(() => work(count, part));
    }

    /// <summary>Does other work in the same memory, all of which it must have released when it ends.</summary>
    public void Beside(Action other)
    {
        if (pool is null) other();
        else pool.Run(other);
    }

    // What failed has queued nothing, so the work can be done after it.
    bool TryRecord(Entry entry, int count, GradientPart part)
    {
        try
        {
            pool!.Run(() => entry.Recording = ops.Record(() => work(count, part)));
            entry.Scale = part.Scale;
            return true;
        }
        catch (RecordingException e)
        {
            note!($"the step cannot be recorded as a graph and is launched call by call: {e.Message.ReplaceLineEndings(" ")}");
            note = null;
            Forget();
            Eagerly(count, part);
            // layers have let go of what the broken step had left in them; the rest of it nobody knows any more
            pool!.Reclaim();
            return false;
        }
    }

    void Forget()
    {
        foreach (var entry in entries.Values) entry.Recording?.Dispose();
        entries.Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Forget();
        pool?.Dispose();
        pool = null;
        note = null;
    }
}
