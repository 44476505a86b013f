using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Machine;

namespace CommonCanvas.Emulator.Libraries;

/// <summary>
/// NCCL between emulated devices of one process, one thread for each rank. Sums are taken in the order of ranks, so that
/// they are the same each time. Ranks that do not come, or that call something else, end in an error instead of a wait for ever.
/// </summary>
public static unsafe class EmulatedNccl
{
    /// <summary>What it calls itself: 2.18.5.</summary>
    const int Version = 21805;

    static readonly ConcurrentDictionary<long, NcclClique> cliques = new();
    static long lastId;

    [ThreadStatic] static string? lastError;
    [ThreadStatic] static nint lastText;
    [ThreadStatic] static int groups;
    [ThreadStatic] static List<NcclClique>? joining;

    /// <summary>How long ranks wait for each other.</summary>
    public static TimeSpan Patience { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>The library's calls.</summary>
    public static NcclTable Table => new()
    {
        ncclGetVersion = &ncclGetVersion,
        ncclGetErrorString = &ncclGetErrorString,
        ncclGetLastError = &ncclGetLastError,
        ncclGetUniqueId = &ncclGetUniqueId,
        ncclCommInitRank = &ncclCommInitRank,
        ncclCommDestroy = &ncclCommDestroy,
        ncclCommAbort = &ncclCommAbort,
        ncclCommGetAsyncError = &ncclCommGetAsyncError,
        ncclAllReduce = &ncclAllReduce,
        ncclReduceScatter = &ncclReduceScatter,
        ncclAllGather = &ncclAllGather,
        ncclBroadcast = &ncclBroadcast,
        ncclGroupStart = &ncclGroupStart,
        ncclGroupEnd = &ncclGroupEnd,
    };

    static NcclResult Call(Action body)
    {
        var result = (NcclResult)EmulatedLibraries.Call(body, (int)NcclResult.UnhandledCudaError, (int)NcclResult.InvalidArgument);
        if (result != NcclResult.Success) lastError = EmulatedLibraries.TakeRefusal();
        return result;
    }

    [UnmanagedCallersOnly]
    static NcclResult ncclGetVersion(int* version)
    {
        *version = Version;
        return NcclResult.Success;
    }

    [UnmanagedCallersOnly] static byte* ncclGetErrorString(NcclResult result) => Text(result.ToString());

    [UnmanagedCallersOnly] static byte* ncclGetLastError(nint communicator) => Text(lastError ?? "");

    // the text lives until the thread asks for the next one
    static byte* Text(string text)
    {
        Marshal.FreeCoTaskMem(lastText);
        lastText = Marshal.StringToCoTaskMemUTF8(text);
        return (byte*)lastText;
    }

    [UnmanagedCallersOnly]
    static NcclResult ncclGetUniqueId(NcclUniqueId* id) => Call(() =>
    {
        *id = default;
        *(long*)id = Interlocked.Increment(ref lastId);
    });

    [UnmanagedCallersOnly]
    static NcclResult ncclCommInitRank(nint* communicator, int ranks, NcclUniqueId id, int rank)
    {
        long number = *(long*)&id;
        return Call(() =>
        {
            if (number <= 0 || number > Interlocked.Read(ref lastId)) throw new Refusal((int)NcclResult.InvalidArgument, "the unique id is none of this library's");
            var clique = cliques.GetOrAdd(number, _ => new NcclClique(ranks));
            *communicator = Handles.Add(clique.Join(rank, ranks, EmulatedDriver.Context()));
            if (groups > 0) (joining ??= []).Add(clique);
            else WaitFor(clique);
        });
    }

    static void WaitFor(NcclClique clique)
    {
        long start = Stopwatch.GetTimestamp();
        while (!clique.IsComplete)
        {
            if (Stopwatch.GetElapsedTime(start) > Patience) throw new Refusal((int)NcclResult.SystemError, $"not all ranks joined within {Patience.TotalSeconds:F0} s");
            Thread.Sleep(1);
        }
    }

    [UnmanagedCallersOnly]
    static NcclResult ncclCommDestroy(nint communicator) => Call(() =>
    {
        var member = Handles.Remove<NcclClique.Member>(communicator);
        foreach (var queue in member.Queues.ToArray()) queue.Drain();
    });

    [UnmanagedCallersOnly]
    static NcclResult ncclCommAbort(nint communicator) => Call(() =>
    {
        var member = Handles.Remove<NcclClique.Member>(communicator);
        member.HasGivenUp = true;
        member.Clique.Fail(NcclResult.RemoteError, $"rank {member.Rank} has given up");
    });

    [UnmanagedCallersOnly]
    static NcclResult ncclCommGetAsyncError(nint communicator, NcclResult* error) => Call(() =>
    {
        var failure = Handles.Get<NcclClique.Member>(communicator).Clique.Failure;
        *error = failure?.Result ?? NcclResult.Success;
        if (failure is not null) lastError = failure.Value.Text;
    });

    [UnmanagedCallersOnly]
    static NcclResult ncclAllReduce(nint send, nint receive, nuint count, NcclType type, NcclReduction reduction, nint communicator, nint stream) =>
        Queue(new Collective("ncclAllReduce", count, type, reduction, 0), send, receive, _ => (count, count), communicator, stream);

    [UnmanagedCallersOnly]
    static NcclResult ncclReduceScatter(nint send, nint receive, nuint count, NcclType type, NcclReduction reduction, nint communicator, nint stream) =>
        Queue(new Collective("ncclReduceScatter", count, type, reduction, 0), send, receive, ranks => (count * ranks, count), communicator, stream);

    [UnmanagedCallersOnly]
    static NcclResult ncclAllGather(nint send, nint receive, nuint count, NcclType type, nint communicator, nint stream) =>
        Queue(new Collective("ncclAllGather", count, type, NcclReduction.Sum, 0), send, receive, ranks => (count, count * ranks), communicator, stream);

    [UnmanagedCallersOnly]
    static NcclResult ncclBroadcast(nint send, nint receive, nuint count, NcclType type, int root, nint communicator, nint stream) =>
        Queue(new Collective("ncclBroadcast", count, type, NcclReduction.Sum, root), send, receive, _ => (count, count), communicator, stream);

    static NcclResult Queue(Collective call, nint send, nint receive, Func<nuint, (nuint Sent, nuint Received)> sizes, nint communicator, nint stream) => Call(() =>
    {
        var member = Handles.Get<NcclClique.Member>(communicator);
        var queue = EmulatedDriver.Stream(stream);
        nuint ranks = (nuint)member.Clique.Ranks, size = (nuint)NcclLoops.Size(call.Type);
        if (queue.Device != member.Device) throw new Refusal((int)NcclResult.InvalidUsage, $"rank {member.Rank} has another device than the stream");
        if (call.Root < 0 || (nuint)call.Root >= ranks) throw new Refusal((int)NcclResult.InvalidArgument, $"there is no rank {call.Root}");
        if (call is { Name: "ncclAllReduce" or "ncclReduceScatter", Type: NcclType.U8 or NcclType.I32 }) throw new Refusal((int)NcclResult.InvalidArgument, $"the emulator joins no {call.Type}");
        var (sent, received) = sizes(ranks);
        bool sends = call.Name != "ncclBroadcast" || call.Root == member.Rank;
        nint from = sends ? (nint)EmulatedDriver.Host(queue.Device, send, sent * size) : 0, to = (nint)EmulatedDriver.Host(queue.Device, receive, received * size);
        member.Clique.Queue(member, queue, call, from, to, received * size);
    });

    [UnmanagedCallersOnly]
    static NcclResult ncclGroupStart()
    {
        groups++;
        return NcclResult.Success;
    }

    // operations are queued as they are called, which waits for nothing; only joining does
    [UnmanagedCallersOnly]
    static NcclResult ncclGroupEnd() => Call(() =>
    {
        if (groups == 0) throw new Refusal((int)NcclResult.InvalidUsage, "no group was begun");
        if (--groups > 0 || joining is not { } wait) return;
        joining = null;
        foreach (var clique in wait) WaitFor(clique);
    });
}
