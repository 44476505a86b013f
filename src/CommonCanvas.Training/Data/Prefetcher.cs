using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace CommonCanvas.Training;

/// <summary>
/// Makes the batches of the coming steps on a thread of its own while the device works. A few batches go round, so that
/// nothing is allocated once all exist; what a batch holds depends on its step alone, never on timing.
/// </summary>
public sealed class Prefetcher<T> : IDisposable where T : class
{
    readonly Func<T> create;
    readonly Action<T, long> fill;
    readonly int depth;
    Worker? worker;
    T? lent;

    /// <summary>Nothing is read before <see cref="Seek"/> or <see cref="Next"/>.</summary>
    /// <param name="create">Makes an empty batch.</param>
    /// <param name="fill">Fills a batch for a step; called on the background thread only.</param>
    /// <param name="depth">Batches ready at most.</param>
    public Prefetcher(Func<T> create, Action<T, long> fill, int depth = 3) => (this.create, this.fill, this.depth) = (create, fill, depth);

    /// <summary>Drops what was read ahead and starts at a step.</summary>
    public void Seek(long step)
    {
        Dispose();
        worker = new Worker(this, step);
    }

    /// <summary>The batch of a step, which is the caller's until the next call; waits for it. Errors of reading surface here.</summary>
    public T Next(long step)
    {
        if (worker is null || worker.NextStep != step) Seek(step);
        if (lent is not null) worker!.Return(lent);
        lent = null;
        return lent = worker!.Take();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        worker?.Dispose();
        worker = null;
        lent = null;
    }

    sealed class Worker : IDisposable
    {
        readonly BlockingCollection<T> empty = new(), full = new();
        readonly CancellationTokenSource stop = new();
        readonly Thread thread;
        ExceptionDispatchInfo? error;

        public Worker(Prefetcher<T> owner, long step)
        {
            NextStep = step;
            for (int i = 0; i < owner.depth; i++) empty.Add(owner.create());
            thread = new Thread(() => Work(owner.fill, step)) { IsBackground = true, Name = "batches" };
            thread.Start();
        }

        public long NextStep { get; private set; }

        public T Take()
        {
            T? batch;
            try { batch = full.Take(); }
            catch (InvalidOperationException)
            {
                error!.Throw();
                throw;
            }
            NextStep++;
            return batch;
        }

        public void Return(T batch) => empty.Add(batch);

        void Work(Action<T, long> fill, long step)
        {
            try
            {
                for (; ; step++)
                {
                    var batch = empty.Take(stop.Token);
                    fill(batch, step);
                    full.Add(batch);
                }
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // Nobody wants more batches.
            }
            catch (Exception cause)
            {
                // Any error belongs to the thread that trains: it gets the batches read before, then this.
                error = ExceptionDispatchInfo.Capture(cause);
                full.CompleteAdding();
            }
        }

        public void Dispose()
        {
            stop.Cancel();
            thread.Join();
            empty.Dispose();
            full.Dispose();
            stop.Dispose();
        }
    }
}
