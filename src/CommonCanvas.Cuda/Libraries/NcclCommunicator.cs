using System.Diagnostics;

namespace CommonCanvas.Cuda;

/// <summary>
/// A rank among several, each with a device: sums and copies of device memory between them, queued on a stream. All ranks call
/// the same operations with the same counts in the same order, each from a thread of its own. For one thread at a time.
/// </summary>
public sealed unsafe class NcclCommunicator : IDisposable
{
    /// <summary>How long ranks wait for each other unless told otherwise.</summary>
    public static readonly TimeSpan DefaultPatience = TimeSpan.FromMinutes(5);

    readonly Nccl library;
    readonly TimeSpan patience;
    nint handle;

    /// <summary>Joins the other ranks; returns when all have.</summary>
    /// <param name="library">The library.</param>
    /// <param name="device">This rank's device, no other rank's.</param>
    /// <param name="id">Made by one rank.</param>
    /// <param name="rank">Number of this rank.</param>
    /// <param name="ranks">Number of ranks.</param>
    /// <param name="patience">How long to wait for others, here and in <see cref="Synchronize"/>; null for <see cref="DefaultPatience"/>.</param>
    /// <exception cref="TimeoutException">Others did not come.</exception>
    /// <exception cref="LibraryCallException">The library refuses, or another rank is gone.</exception>
    public NcclCommunicator(Nccl library, CudaDevice device, NcclUniqueId id, int rank, int ranks, TimeSpan? patience = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(ranks, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rank, ranks);
        (this.library, Device, Rank, Ranks, this.patience) = (library, device, rank, ranks, patience ?? DefaultPatience);
        var (result, joined) = Join(id);
        library.Check(result, $"rank {rank} of {ranks} on {device.Name}", "ncclCommInitRank(");
        handle = joined;
    }

    /// <summary>This rank's device.</summary>
    public CudaDevice Device { get; }

    /// <summary>Number of this rank.</summary>
    public int Rank { get; }

    /// <summary>Number of ranks.</summary>
    public int Ranks { get; }

    // The library waits for ever for ranks that do not come, so it waits on a thread that can be left behind.
    (NcclResult Result, nint Handle) Join(NcclUniqueId id)
    {
        (NcclResult, nint) outcome = default;
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Device.MakeCurrent();
                nint created;
                var result = library.Table.ncclCommInitRank(&created, Ranks, id, Rank);
                outcome = (result, created);
            }
            catch (CudaException e) { failure = e; }
        }) { IsBackground = true, Name = $"NCCL rank {Rank}" };
        thread.Start();
        if (!thread.Join(patience))
            throw new TimeoutException($"rank {Rank} of {Ranks} waited {patience.TotalSeconds:F0} s for the others to join NCCL's communicator, and not all came.\n  1. look whether every rank was started and what the first one that ended says\n  2. on several machines, see that they reach each other: NCCL_SOCKET_IFNAME names the network interface, NCCL_DEBUG=INFO says what NCCL does");
        return failure is null ? outcome : throw failure;
    }

    /// <summary>receive[count] = the sum over ranks of send[count]; they may be the same memory.</summary>
    public void AllReduce(CudaStream stream, nint send, nint receive, long count, NcclType type, NcclReduction reduction = NcclReduction.Sum) =>
        Queue(stream, library.Table.ncclAllReduce(send, receive, (nuint)count, type, reduction, Handle(stream), stream.Value), "ncclAllReduce(", count, type);

    /// <summary>receive[count] = this rank's part of the sum over ranks of send[ranks * count]; may be that part of send's memory.</summary>
    public void ReduceScatter(CudaStream stream, nint send, nint receive, long count, NcclType type, NcclReduction reduction = NcclReduction.Sum) =>
        Queue(stream, library.Table.ncclReduceScatter(send, receive, (nuint)count, type, reduction, Handle(stream), stream.Value), "ncclReduceScatter(", count, type);

    /// <summary>receive[ranks * count] = send[count] of all ranks, one after another; send may be this rank's part of receive's memory.</summary>
    public void AllGather(CudaStream stream, nint send, nint receive, long count, NcclType type) =>
        Queue(stream, library.Table.ncclAllGather(send, receive, (nuint)count, type, Handle(stream), stream.Value), "ncclAllGather(", count, type);

    /// <summary>data[count] = that of rank <paramref name="root"/>.</summary>
    public void Broadcast(CudaStream stream, nint data, long count, NcclType type, int root) =>
        Queue(stream, library.Table.ncclBroadcast(data, data, (nuint)count, type, root, Handle(stream), stream.Value), "ncclBroadcast(", count, type);

    /// <summary>Waits until all work of a stream has been done, as <see cref="CudaStream.Synchronize"/> does, but not for ever.</summary>
    /// <exception cref="LibraryCallException">Another rank failed or is gone; the communicator is of no more use.</exception>
    /// <exception cref="TimeoutException">Nothing happened for as long as this rank is patient; the communicator is of no more use.</exception>
    public void Synchronize(CudaStream stream)
    {
        long start = Stopwatch.GetTimestamp();
        var spin = new SpinWait();
        while (!IsIdle(stream))
        {
            ThrowIfFailed();
            if (Stopwatch.GetElapsedTime(start) > patience)
            {
                Abort();
                throw new TimeoutException($"rank {Rank} of {Ranks} waited {patience.TotalSeconds:F0} s for the others in a collective operation: one of them is gone, hangs, or calls other operations or counts");
            }
            spin.SpinOnce();
        }
        ThrowIfFailed();
    }

    // what failed among the ranks says more than what became of it on this device
    bool IsIdle(CudaStream stream)
    {
        try { return stream.IsIdle; }
        catch (CudaException)
        {
            ThrowIfFailed();
            throw;
        }
    }

    /// <summary>Throws what has gone wrong since it was last asked; does not wait.</summary>
    /// <exception cref="LibraryCallException">Another rank failed or is gone; the communicator is of no more use.</exception>
    public void ThrowIfFailed()
    {
        ObjectDisposedException.ThrowIf(handle == 0, this);
        NcclResult error;
        library.Check(library.Table.ncclCommGetAsyncError(handle, &error), $"rank {Rank} of {Ranks}");
        if (error is NcclResult.Success or NcclResult.InProgress) return;
        var thrown = library.Error(error, $"found by rank {Rank} of {Ranks}; another rank failed, is gone, or calls other operations or counts", "a collective operation");
        Abort();
        throw thrown;
    }

    nint Handle(CudaStream stream)
    {
        ObjectDisposedException.ThrowIf(handle == 0, this);
        if (stream.Device != Device) throw new ArgumentException($"the stream is of {stream.Device.Name} (device {stream.Device.Ordinal}), rank {Rank} has device {Device.Ordinal}", nameof(stream));
        Device.MakeCurrent();
        return handle;
    }

    // the text is made only where it is needed
    void Queue(CudaStream stream, NcclResult result, string call, long count, NcclType type)
    {
        if (result != NcclResult.Success) library.Check(result, $"{count} of {type} on rank {Rank} of {Ranks}, {stream.Device.Name}", call);
    }

    // work that hangs on the device ends; the result is that of an error before
    void Abort()
    {
        if (handle == 0) return;
        library.Table.ncclCommAbort(handle);
        handle = 0;
    }

    /// <summary>Leaves the others. What is queued has been waited for by then.</summary>
    public void Dispose()
    {
        if (handle == 0) return;
        Device.MakeCurrent();
        library.Table.ncclCommDestroy(handle);
        handle = 0;
    }
}
