using System.Collections.Concurrent;
using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator.Machine;

/// <summary>
/// A stream. Its work waits until somebody waits for it, so that host code which forgets to wait finds that nothing has
/// happened yet; then it is done in order, with what its events wait for first. Work is added by one thread and may be done
/// by any, one at a time.
/// </summary>
internal sealed class WorkQueue(EmulatedDevice device)
{
    readonly ConcurrentQueue<Func<bool>> work = [];
    readonly Lock gate = new();
    long done;
    bool busy;

    /// <summary>Its device.</summary>
    public EmulatedDevice Device { get; } = device;

    /// <summary>Pieces of work so far.</summary>
    public long Queued { get; private set; }

    /// <summary>Where its work goes while it is captured; null while it is not.</summary>
    public WorkGraph? Capture { get; set; }

    /// <summary>Whether nothing waits.</summary>
    public bool IsIdle => work.IsEmpty;

    /// <summary>Adds work.</summary>
    public void Add(Action item) => Add(() =>
    {
        item();
        return true;
    });

    /// <summary>Adds work that may have to wait for other devices: it is tried until it returns true.</summary>
    public void Add(Func<bool> item)
    {
        if (Capture is { } graph)
        {
            graph.Work.Add(item);
            return;
        }
        work.Enqueue(item);
        Queued++;
    }

    /// <summary>Does all its work.</summary>
    public void Drain() => DrainTo(Queued);

    /// <summary>Does its work up to a number of pieces.</summary>
    public void DrainTo(long count)
    {
        RefuseCaptured();
        var wait = new SpinWait();
        while (Volatile.Read(ref done) < count)
            if (!TryDrainOne()) wait.SpinOnce();
    }

    /// <summary>Tries its next piece of work; false where there is none, it has to wait, or another thread is at it.</summary>
    public bool DrainOne()
    {
        RefuseCaptured();
        return TryDrainOne();
    }

    bool TryDrainOne()
    {
        if (!gate.TryEnter()) return false;
        try
        {
            if (busy || !work.TryPeek(out var item)) return false;
            bool finished = true; // also by what it throws
            busy = true;
            try { finished = item(); }
            finally
            {
                busy = false;
                if (finished)
                {
                    work.TryDequeue(out _);
                    Volatile.Write(ref done, done + 1);
                }
            }
            return finished;
        }
        finally { gate.Exit(); }
    }

    void RefuseCaptured()
    {
        if (Capture is not null) throw new DriverError(CudaResult.StreamCaptureUnsupported, "a stream that is captured cannot be waited for");
    }
}

/// <summary>Recorded work, in an order that keeps what its streams and events say.</summary>
internal sealed class WorkGraph
{
    /// <summary>The work.</summary>
    public List<Func<bool>> Work { get; init; } = [];

    /// <summary>The stream whose capture began it.</summary>
    public required WorkQueue Origin { get; init; }
}

/// <summary>An event: a place in a stream.</summary>
internal sealed class WorkEvent
{
    WorkQueue? stream;
    long place;

    /// <summary>The capture it was recorded in, or null.</summary>
    public WorkGraph? Capture { get; private set; }

    /// <summary>When its place was reached, in ticks of the stopwatch; 0 before.</summary>
    public long Time { get; private set; }

    /// <summary>Whether the work before it has been done.</summary>
    public bool IsDone => stream is null || Time != 0;

    /// <summary>Marks the work queued so far.</summary>
    public void Record(WorkQueue queue)
    {
        Capture = queue.Capture;
        Time = 0;
        queue.Add(() => { Time = System.Diagnostics.Stopwatch.GetTimestamp(); });
        (stream, place) = (queue, queue.Queued);
    }

    /// <summary>Does one piece of the work before it.</summary>
    public void DrainOne() => stream?.DrainOne();

    /// <summary>Does the work before it.</summary>
    public void Synchronize() => stream?.DrainTo(place);

    /// <summary>Lets a stream's later work wait for the work before it as it is marked now.</summary>
    public void Delay(WorkQueue later)
    {
        if (stream is not { } before) return;
        if (Capture is { } graph)
        {
            later.Capture = graph;
            return;
        }
        long until = place;
        if (before != later) later.Add(() => before.DrainTo(until));
    }
}
