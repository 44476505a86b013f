using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Execution;
using Entries = System.Runtime.Intrinsics.Vector256<uint>;

namespace CommonCanvas.Emulator.Operations;

/// <summary>
/// Checks of shared memory, on an entry for each two bytes. Accesses of a warp to bytes that another warp accessed since the
/// last barrier are races unless both only read or both are atomic.
/// </summary>
internal static unsafe class SharedChecks
{
    /// <summary>Checks an access of each lane in <paramref name="lanes"/>.</summary>
    public static void On(Warp* warp, Instruction* i, byte** pointers, uint lanes, int bytes, Access access)
    {
        var watch = warp->Watch;
        uint me = (uint)warp->Index + 1, epoch = watch->Epoch << SharedEntry.EpochShift;
        int granules = Math.Max(1, bytes / SharedEntry.Granule);
        uint all = lanes;
        for (; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            uint offset = (uint)(pointers[lane] - warp->Shared);
            uint* at = watch->Shared + offset / SharedEntry.Granule;
            for (int done = 0; done < granules; done += Entries.Count)
            {
                var entries = Vector256.Load(at + done);
                var now = Next(entries, access, me, epoch, out var bad);
                int count = Math.Min(granules - done, Entries.Count);
                if (count < Entries.Count)
                {
                    var inside = Vector256.LessThan(Entries.Indices, Vector256.Create((uint)count));
                    bad &= inside;
                    now = Vector256.ConditionalSelect(inside, now, entries);
                }
                if (bad != Entries.Zero) Refuse(entries, bad, access, me, epoch, offset + (uint)(done * SharedEntry.Granule), lane, i->Source);
                now.Store(at + done);
            }
            if (access == Access.CopyIn) WarpWatch.AddPending(watch, offset, (uint)bytes, (uint)lane);
        }
        LaneChecks.On(warp, i, pointers, all, bytes, access);
    }

    /// <summary>The entries after the access; all ones in <paramref name="bad"/> where it is not allowed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Entries Next(Entries entries, Access access, uint me, uint epoch, out Entries bad)
    {
        var current = Vector256.Equals(entries & Vector256.Create(SharedEntry.Epoch), Vector256.Create(epoch));
        Entries writer = entries & current & Vector256.Create(SharedEntry.Writer), reader = entries & current & Vector256.Create(SharedEntry.Reader);
        Entries myWriter = Vector256.Create(me << SharedEntry.WriterShift), myReader = Vector256.Create(me << SharedEntry.ReaderShift);
        var otherWriter = ~(Vector256.Equals(writer, Entries.Zero) | Vector256.Equals(writer, myWriter));
        var otherReader = ~(Vector256.Equals(reader, Entries.Zero) | Vector256.Equals(reader, myReader));
        var unwritten = Vector256.Equals(entries & Vector256.Create(SharedEntry.Written), Entries.Zero);
        var inFlight = Vector256.Equals(entries & Vector256.Create(SharedEntry.InFlight), Vector256.Create(SharedEntry.InFlight));
        switch (access)
        {
            case Access.Read:
                bad = inFlight | unwritten | otherWriter;
                return Vector256.Create(epoch | SharedEntry.Written) | writer | (entries & current & Vector256.Create(SharedEntry.Atomic))
                    | Vector256.ConditionalSelect(otherReader, Vector256.Create(SharedEntry.ManyReaders), myReader);
            case Access.Atomic:
                // a warp's own atomic change stays its own until another warp makes one, and a plain write of its own stays plain
                var atomic = Vector256.Equals(entries & Vector256.Create(SharedEntry.Atomic), Vector256.Create(SharedEntry.Atomic)) & current;
                var mine = Vector256.Equals(writer, Entries.Zero) | (Vector256.Equals(writer, myWriter) & atomic);
                bad = inFlight | unwritten | (otherWriter & ~atomic) | otherReader;
                var changed = Vector256.ConditionalSelect(otherWriter, Vector256.Create(SharedEntry.AtomicWriters | SharedEntry.Atomic),
                    myWriter | (mine & Vector256.Create(SharedEntry.Atomic)));
                return Vector256.Create(epoch | SharedEntry.Written) | reader | changed;
            default:
                bad = inFlight | otherWriter | otherReader;
                return Vector256.Create(epoch | SharedEntry.Written | (access == Access.CopyIn ? SharedEntry.InFlight : 0)) | reader | myWriter;
        }
    }

    static void Refuse(Entries entries, Entries bad, Access access, uint me, uint epoch, uint offset, int lane, int source)
    {
        int at = BitOperations.TrailingZeroCount(bad.ExtractMostSignificantBits());
        uint entry = entries[at], writer = (entry & SharedEntry.Writer) >> SharedEntry.WriterShift, reader = (entry & SharedEntry.Reader) >> SharedEntry.ReaderShift;
        bool current = (entry & SharedEntry.Epoch) == epoch;
        string reads = access == Access.Read ? "read" : access == Access.Atomic ? "changed atomically" : "written";
        string what = (entry & SharedEntry.InFlight) != 0 ? "while an asynchronous copy to it has not been waited for"
            : current && writer != 0 && writer != me && !(access == Access.Atomic && (entry & SharedEntry.Atomic) != 0) ? $"after {Writer(writer)} wrote it, without a barrier between them"
            : current && reader != 0 && reader != me && access != Access.Read ? $"after {Reader(reader)} read it, without a barrier between them"
            : "before anything was written there: a write is missing, or the barrier behind it";
        throw new KernelFault(CudaResult.LaunchFailed, $"shared memory at offset {offset + at * SharedEntry.Granule} is {reads} {what}", lane, source);
    }

    static string Writer(uint writer) => writer == SharedEntry.AtomicWriters >> SharedEntry.WriterShift ? "an atomic operation" : $"warp {writer - 1}";

    static string Reader(uint reader) => reader == SharedEntry.ManyReaders >> SharedEntry.ReaderShift ? "several warps" : $"warp {reader - 1}";

    /// <summary>Copies of the warp arrive, but for its latest <paramref name="groups"/> groups; all where that is negative.</summary>
    public static void Arrive(Warp* warp, int groups)
    {
        var watch = warp->Watch;
        // copies that are not committed yet belong to no group, and only wait_all waits for them
        long last = groups < 0 ? long.MaxValue : (long)watch->Group - groups;
        uint state = watch->Epoch << SharedEntry.EpochShift | ((uint)warp->Index + 1) << SharedEntry.WriterShift | SharedEntry.Written;
        uint mine = LaneEntry.Of(warp->Index, watch->Generation);
        int kept = 0;
        for (int p = 0; p < watch->PendingCount; p++)
        {
            var copy = watch->Pending[p];
            if (copy.Group >= last)
            {
                watch->Pending[kept++] = copy;
                continue;
            }
            int at = (int)(copy.Offset / SharedEntry.Granule), granules = (int)copy.Bytes / SharedEntry.Granule;
            new Span<uint>(watch->Shared + at, granules).Fill(state);
            // only the lane that has waited sees it without a barrier
            new Span<uint>(watch->Lanes + at, granules).Fill(mine | (copy.Lane + 1) << LaneEntry.WriterShift);
        }
        watch->PendingCount = kept;
    }
}
