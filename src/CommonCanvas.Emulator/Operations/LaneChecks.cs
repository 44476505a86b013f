using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Execution;
using Entries = System.Runtime.Intrinsics.Vector256<uint>;

namespace CommonCanvas.Emulator.Operations;

/// <summary>
/// Checks of shared memory between the lanes of a warp. They run in step here, but not on a GPU since Volta: bytes that one lane
/// wrote are another's to read or write, and bytes that one read another's to write, only after a barrier or __syncwarp. Shuffles
/// and matrix instructions order no memory. What one instruction does in several lanes is not compared.
/// </summary>
internal static unsafe class LaneChecks
{
    /// <summary>Checks the access of each lane in <paramref name="lanes"/> against earlier ones, then notes it.</summary>
    public static void On(Warp* warp, Instruction* i, byte** pointers, uint lanes, int bytes, Access access)
    {
        var watch = warp->Watch;
        uint mine = LaneEntry.Of(warp->Index, watch->Generation);
        int granules = Math.Max(1, bytes / SharedEntry.Granule);
        for (uint left = lanes; left != 0; left &= left - 1)
        {
            int lane = BitOperations.TrailingZeroCount(left);
            uint offset = (uint)(pointers[lane] - warp->Shared);
            uint* at = watch->Lanes + offset / SharedEntry.Granule;
            for (int done = 0; done < granules; done += Entries.Count)
            {
                var entries = Vector256.Load(at + done);
                var bad = Bad(entries, access, mine, (uint)lane + 1);
                if (granules - done < Entries.Count) bad &= Inside(granules - done);
                if (bad != Entries.Zero) Refuse(entries, bad, access, offset + (uint)(done * SharedEntry.Granule), lane, i->Source);
            }
        }
        for (uint left = lanes; left != 0; left &= left - 1)
        {
            int lane = BitOperations.TrailingZeroCount(left);
            uint* at = watch->Lanes + (uint)(pointers[lane] - warp->Shared) / SharedEntry.Granule;
            for (int done = 0; done < granules; done += Entries.Count)
            {
                var entries = Vector256.Load(at + done);
                var now = Next(entries, access, mine, (uint)lane + 1);
                if (granules - done < Entries.Count) now = Vector256.ConditionalSelect(Inside(granules - done), now, entries);
                now.Store(at + done);
            }
        }
    }

    /// <summary>The lanes have waited for each other.</summary>
    public static void Order(WarpWatch* watch)
    {
        if (++watch->Generation < LaneEntry.Generations) return;
        // no entry of an earlier round may look like one of this
        new Span<uint>(watch->Lanes, watch->Granules).Clear();
        watch->Generation = 1;
    }

    static Entries Inside(int count) => Vector256.LessThan(Entries.Indices, Vector256.Create((uint)count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Entries Bad(Entries entries, Access access, uint mine, uint lane)
    {
        var current = Vector256.Equals(entries & Vector256.Create(LaneEntry.Owner), Vector256.Create(mine));
        Entries writer = entries & Vector256.Create(LaneEntry.Writer), reader = entries & Vector256.Create(LaneEntry.Reader);
        var otherWriter = ~(Vector256.Equals(writer, Entries.Zero) | Vector256.Equals(writer, Vector256.Create(lane << LaneEntry.WriterShift))
            | Vector256.Equals(writer, Vector256.Create(LaneEntry.AtomicWriters)));
        var otherReader = ~(Vector256.Equals(reader, Entries.Zero) | Vector256.Equals(reader, Vector256.Create(lane)));
        return current & (access == Access.Read ? otherWriter : otherWriter | otherReader);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Entries Next(Entries entries, Access access, uint mine, uint lane)
    {
        var current = Vector256.Equals(entries & Vector256.Create(LaneEntry.Owner), Vector256.Create(mine));
        var kept = entries & current;
        Entries writer = kept & Vector256.Create(LaneEntry.Writer), reader = kept & Vector256.Create(LaneEntry.Reader);
        if (access != Access.Read)
            return Vector256.Create(mine | (access == Access.Atomic ? LaneEntry.AtomicWriters : lane << LaneEntry.WriterShift)) | reader;
        var alone = Vector256.Equals(reader, Entries.Zero) | Vector256.Equals(reader, Vector256.Create(lane));
        return Vector256.Create(mine) | writer | Vector256.ConditionalSelect(alone, Vector256.Create(lane), Vector256.Create(LaneEntry.ManyReaders));
    }

    static void Refuse(Entries entries, Entries bad, Access access, uint offset, int lane, int source)
    {
        int at = BitOperations.TrailingZeroCount(bad.ExtractMostSignificantBits());
        uint writer = (entries[at] & LaneEntry.Writer) >> LaneEntry.WriterShift, reader = entries[at] & LaneEntry.Reader;
        string before = writer != 0 && writer != lane + 1 ? $"lane {writer - 1} of the same warp wrote it" : reader == LaneEntry.ManyReaders ? "several lanes of the same warp read it" : $"lane {reader - 1} of the same warp read it";
        throw new KernelFault(CudaResult.LaunchFailed,
            $"shared memory at offset {offset + at * SharedEntry.Granule} is {(access == Access.Read ? "read" : "written")} after {before}, without a __syncwarp between them", lane, source);
    }
}

/// <summary>
/// An entry for two bytes of shared memory: the generation of the last access (14 bits), its warp (6), the lane that wrote (6), the
/// lane that read (6). Warps and lanes count from 1. A warp's generation ends where its lanes have waited for each other.
/// </summary>
internal static class LaneEntry
{
    public const uint Generations = 1 << 14, Owner = ~0u << OwnerShift, Writer = 63u << WriterShift, Reader = 63;
    public const int WriterShift = 6, OwnerShift = 12;

    /// <summary>Several lanes have read.</summary>
    public const uint ManyReaders = 63;

    /// <summary>Lanes have changed it atomically.</summary>
    public const uint AtomicWriters = 62u << WriterShift;

    /// <summary>The first two parts of a warp's entries.</summary>
    public static uint Of(int warp, uint generation) => generation << 18 | ((uint)warp + 1) << OwnerShift;
}
