using System.Diagnostics;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Machine;

namespace CommonCanvas.Emulator.Libraries;

/// <summary>A collective operation as one rank calls it, with host pointers to the memory of its device.</summary>
internal sealed record Collective(string Name, nuint Count, NcclType Type, NcclReduction Reduction, int Root)
{
    /// <summary>What all ranks must say alike.</summary>
    public override string ToString() => $"{Name} of {Count} {Type}{(Name is "ncclAllReduce" or "ncclReduceScatter" ? $", {Reduction}" : Name == "ncclBroadcast" ? $" from rank {Root}" : "")}";
}

/// <summary>
/// Ranks that have joined, and the operations that are under way between them. A rank's n-th operation meets the n-th of every
/// other rank when its stream comes to it; the last to arrive computes for all. Streams of others that nobody waits for are
/// moved on meanwhile, as those of a GPU move by themselves.
/// </summary>
internal sealed class NcclClique(int ranks)
{
    readonly Lock gate = new();
    readonly Member?[] members = new Member?[ranks];
    readonly Dictionary<long, Round> rounds = [];
    int joined;

    /// <summary>Number of ranks.</summary>
    public int Ranks => ranks;

    /// <summary>Why no operation can be done any more; null where all is well.</summary>
    public (NcclResult Result, string Text)? Failure { get; private set; }

    /// <summary>A rank, its device and the streams that it has queued operations on.</summary>
    public sealed class Member(NcclClique clique, int rank, EmulatedDevice device)
    {
        public NcclClique Clique => clique;

        public int Rank => rank;

        public EmulatedDevice Device => device;

        public List<WorkQueue> Queues { get; } = [];

        /// <summary>Whether it has given up: its operations end at once and leave memory as it is, which it knows.</summary>
        public bool HasGivenUp { get; set; }

        /// <summary>Operations that its streams have come to.</summary>
        public long Reached { get; set; }
    }

    sealed class Round(int ranks)
    {
        public readonly (Collective Call, nint Send, nint Receive)?[] Calls = new (Collective, nint, nint)?[ranks];
        public volatile bool Done;
        public int Left = ranks;
    }

    /// <summary>Adds a rank.</summary>
    /// <exception cref="Refusal">The rank is there already, or so is its device.</exception>
    public Member Join(int rank, int ofRanks, EmulatedDevice device)
    {
        lock (gate)
        {
            if (ofRanks != ranks || rank < 0 || rank >= ranks) throw new Refusal((int)NcclResult.InvalidArgument, $"rank {rank} of {ofRanks} joins {ranks} ranks");
            if (members[rank] is not null) throw new Refusal((int)NcclResult.InvalidUsage, $"there is a rank {rank} already");
            if (members.Any(other => other?.Device == device)) throw new Refusal((int)NcclResult.InvalidUsage, $"device {device.Ordinal} is another rank's already");
            joined++;
            return members[rank] = new Member(this, rank, device);
        }
    }

    /// <summary>Whether all ranks have joined.</summary>
    public bool IsComplete
    {
        get { lock (gate) return joined == ranks; }
    }

    /// <summary>Ends all operations, now and later.</summary>
    public void Fail(NcclResult result, string text)
    {
        lock (gate) Failure ??= (result, text);
    }

    /// <summary>Queues an operation of a rank; memory is that of its device.</summary>
    public void Queue(Member member, WorkQueue queue, Collective call, nint send, nint receive, nuint written)
    {
        lock (gate)
            if (!member.Queues.Contains(queue)) member.Queues.Add(queue);
        (long Place, Round Round, long Since)? arrived = null;
        queue.Add(() =>
        {
            arrived ??= Arrive(member, call, send, receive);
            var (place, round, since) = arrived.Value;
            if (!Attempt(member, place, round, since)) return false;
            arrived = null; // a recording is run again
            unsafe { member.Device.Memory.MarkWritten((byte*)receive, (long)written); }
            return true;
        });
    }

    (long, Round, long) Arrive(Member member, Collective call, nint send, nint receive)
    {
        lock (gate)
        {
            long place = member.Reached++;
            if (!rounds.TryGetValue(place, out var round)) rounds.Add(place, round = new Round(ranks));
            round.Calls[member.Rank] = (call, send, receive);
            for (int other = 0; other < ranks && Failure is null; other++)
                if (round.Calls[other] is { } theirs && theirs.Call != call)
                    Failure = (NcclResult.InvalidUsage, $"rank {member.Rank} calls {call} where rank {other} calls {theirs.Call}");
            return (place, round, Stopwatch.GetTimestamp());
        }
    }

    bool Attempt(Member member, long place, Round round, long since)
    {
        WorkQueue[] waitedFor;
        if (member.HasGivenUp) return true;
        lock (gate)
        {
            if (!round.Done && Failure is { } failure) throw new DriverError(CudaResult.LaunchFailed, $"NCCL rank {member.Rank}: {failure.Text}");
            if (!round.Done && round.Calls.All(call => call is not null))
            {
                NcclLoops.Run([.. round.Calls.Select(call => call!.Value)]);
                round.Done = true;
            }
            if (round.Done)
            {
                if (--round.Left == 0) rounds.Remove(place);
                return true;
            }
            waitedFor = [.. members.Where(other => other is not null && round.Calls[other.Rank] is null).SelectMany(other => other!.Queues)];
        }
        foreach (var queue in waitedFor)
            if (queue.Capture is null) queue.DrainOne();
        if (Stopwatch.GetElapsedTime(since) > EmulatedNccl.Patience)
            Fail(NcclResult.RemoteError, $"{round.Calls[member.Rank]!.Value.Call} waited {EmulatedNccl.Patience.TotalSeconds:F0} s for rank {string.Join(", ", Enumerable.Range(0, ranks).Where(other => round.Calls[other] is null))}");
        return false;
    }
}

/// <summary>What collective operations compute, in the order of ranks, sums of floating-point numbers in fp32 and rounded once.</summary>
internal static unsafe class NcclLoops
{
    /// <summary>Bytes of an element.</summary>
    public static int Size(NcclType type) => type switch { NcclType.U8 => 1, NcclType.F16 or NcclType.BF16 => 2, _ => 4 };

    /// <summary>Runs an operation that all ranks call alike.</summary>
    public static void Run((Collective Call, nint Send, nint Receive)[] ranks)
    {
        var call = ranks[0].Call;
        long count = (long)call.Count, bytes = count * Size(call.Type);
        switch (call.Name)
        {
            case "ncclAllReduce":
                var sums = Reduce(ranks, count, call);
                foreach (var rank in ranks) Store(sums, 0, count, rank.Receive, call.Type);
                break;
            case "ncclReduceScatter":
                var all = Reduce(ranks, count * ranks.Length, call);
                for (int rank = 0; rank < ranks.Length; rank++) Store(all, rank * count, count, ranks[rank].Receive, call.Type);
                break;
            case "ncclAllGather":
                byte[][] parts = [.. ranks.Select(rank => new ReadOnlySpan<byte>((void*)rank.Send, checked((int)bytes)).ToArray())];
                foreach (var rank in ranks)
                    for (int part = 0; part < parts.Length; part++) parts[part].CopyTo(new Span<byte>((byte*)rank.Receive + part * bytes, (int)bytes));
                break;
            default:
                foreach (var rank in ranks) Buffer.MemoryCopy((void*)ranks[call.Root].Send, (void*)rank.Receive, bytes, bytes);
                break;
        }
    }

    static CudaType Of(NcclType type) => type switch { NcclType.F16 => CudaType.F16, NcclType.BF16 => CudaType.BF16, _ => CudaType.F32 };

    static float[] Reduce((Collective Call, nint Send, nint Receive)[] ranks, long count, Collective call)
    {
        float[] result = HostValues.Row((byte*)ranks[0].Send, Of(call.Type), count);
        foreach (var rank in ranks.Skip(1))
            for (long i = 0; i < count; i++)
            {
                float value = HostValues.Read((byte*)rank.Send, Of(call.Type), i);
                result[i] = call.Reduction switch { NcclReduction.Sum => result[i] + value, NcclReduction.Max => MathF.Max(result[i], value), _ => MathF.Min(result[i], value) };
            }
        return result;
    }

    static void Store(float[] from, long start, long count, nint to, NcclType type)
    {
        for (long i = 0; i < count; i++) HostValues.Write((byte*)to, Of(type), i, from[start + i]);
    }
}
