using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Execution;
using Entries = System.Runtime.Intrinsics.Vector256<uint>;

namespace CommonCanvas.Emulator.Operations;

/// <summary>
/// Checks of device memory. A byte of shadow says whether a byte is allocated and written; an <see cref="OwnerEntry"/> for each two
/// bytes says which block accessed them last. What another block accessed is refused at once where blocks have nothing to order
/// themselves with; else <see cref="BlockOrder"/> is asked. Blocks run on several threads, so entries are only ever stored for the
/// bytes that the access itself has.
/// </summary>
internal static unsafe class GlobalChecks
{
    const int Granule = OwnerEntry.Granule;
    const uint Owner = OwnerEntry.Owner, Kind = OwnerEntry.Kind;
    const uint ReadByOne = OwnerEntry.ReadByOne, ReadByMany = OwnerEntry.ReadByMany, WrittenBy = OwnerEntry.WrittenBy, ChangedBy = OwnerEntry.ChangedBy;

    /// <summary>Checks an access of each lane in <paramref name="lanes"/>.</summary>
    public static void On(Warp* warp, Instruction* i, byte** pointers, uint lanes, int bytes, Access access)
    {
        uint me = warp->Watch->Order == 0 ? warp->Watch->Memory.FirstOwner + warp->Watch->Block : Note(warp, pointers, lanes, bytes, access);
        if (lanes == Warp.All && MemoryOps.IsContiguous(pointers, bytes))
        {
            Check(warp, i, pointers[0] - warp->Memory, bytes * Warp.Lanes, bytes, access, me);
            return;
        }
        for (; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            Check(warp, i, pointers[lane] - warp->Memory, bytes, bytes, access, me, lane);
        }
    }

    // notes an access where blocks can be ordered; the number for its entries
    static uint Note(Warp* warp, byte** pointers, uint lanes, int bytes, Access access)
    {
        var order = BlockOrder.Of(warp->Watch->Order);
        if (access == Access.Atomic)
            for (uint left = lanes; left != 0; left &= left - 1)
            {
                int lane = BitOperations.TrailingZeroCount(left);
                order.Release(warp->Index, lanes, lane, (pointers[lane] - warp->Memory) / Granule, Math.Max(1, bytes / Granule));
            }
        return order.Note(warp->Index, lanes, access);
    }

    /// <summary>The active lanes have made an atomic operation.</summary>
    public static void Observe(Warp* warp, byte** pointers, int bytes)
    {
        var order = BlockOrder.Of(warp->Watch->Order);
        for (uint left = warp->Mask; left != 0; left &= left - 1)
        {
            int lane = BitOperations.TrailingZeroCount(left);
            long offset = pointers[lane] - warp->Memory;
            if ((ulong)offset < warp->MemoryBytes) order.Observe(warp->Index, lane, offset / Granule, Math.Max(1, bytes / Granule));
        }
    }

    // a range of one lane, or of all, each with laneBytes of it
    static void Check(Warp* warp, Instruction* i, long offset, int bytes, int laneBytes, Access access, uint me, int lane = -1)
    {
        byte* shadow = warp->Watch->Memory.Shadow + offset;
        var span = new Span<byte>(shadow, bytes);
        if (access == Access.Write)
        {
            int wrong = span.IndexOfAnyExcept(ByteState.Written);
            if (wrong >= 0)
            {
                wrong = span.IndexOfAnyExcept(ByteState.Allocated, ByteState.Written);
                if (wrong >= 0) Refuse(warp, i, offset, wrong, laneBytes, lane, access);
                span.Fill(ByteState.Written);
            }
        }
        else
        {
            int wrong = span.IndexOfAnyExcept(ByteState.Written);
            if (wrong >= 0) Refuse(warp, i, offset, wrong, laneBytes, lane, access);
        }
        if (warp->Watch->Memory.Races) Own(warp, i, offset, bytes, laneBytes, access, me, lane);
    }

    static void Own(Warp* warp, Instruction* i, long offset, int bytes, int laneBytes, Access access, uint me, int lane)
    {
        uint* at = warp->Watch->Memory.Owners + offset / Granule;
        uint first = warp->Watch->Memory.FirstOwner, many = warp->Watch->Memory.ManyOwners;
        int granules = Math.Max(1, bytes / Granule);
        for (int done = 0; done < granules; done += Entries.Count)
        {
            var entries = Vector256.Load(at + done);
            var now = Next(entries, access, me, first, many, out var bad);
            int count = Math.Min(granules - done, Entries.Count);
            if (count < Entries.Count) bad &= Vector256.LessThan(Entries.Indices, Vector256.Create((uint)count));
            if (bad != Entries.Zero)
            {
                Compare(warp, i, offset, done, laneBytes, access, lane, entries, bad);
                if (access == Access.Read) now = Vector256.ConditionalSelect(bad, entries, now);
            }
            if (now == entries) continue;
            if (count == Entries.Count) now.Store(at + done);
            else
                for (int g = 0; g < count; g++) at[done + g] = now[g];
        }
    }

    // refuses accesses to what another block has accessed, unless that is ordered before them
    static void Compare(Warp* warp, Instruction* i, long offset, int done, int laneBytes, Access access, int lane, Entries entries, Entries bad)
    {
        for (uint left = bad.ExtractMostSignificantBits(); left != 0; left &= left - 1)
        {
            int which = BitOperations.TrailingZeroCount(left), at = (done + which) * Granule, by = lane >= 0 ? lane : at / laneBytes;
            if (warp->Watch->Order == 0) RefuseRace(warp, i, offset + at, by, access, entries[which], "");
            if (BlockOrder.Of(warp->Watch->Order).Missing(entries[which], (offset + at) / Granule, warp->Index, by, access) is { } missing)
                RefuseRace(warp, i, offset + at, by, access, entries[which], missing);
        }
    }

    /// <summary>The entries after the access; all ones in <paramref name="bad"/> where another block's access forbids it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Entries Next(Entries entries, Access access, uint me, uint first, uint many, out Entries bad)
    {
        var owner = entries & Vector256.Create(Owner);
        var kind = entries & Vector256.Create(Kind);
        Entries fresh = Vector256.LessThan(owner, Vector256.Create(first)), mine = Vector256.Equals(owner, Vector256.Create(me));
        switch (access)
        {
            case Access.Write:
                bad = ~(fresh | mine);
                return Vector256.Create(me | WrittenBy);
            case Access.Atomic:
                var changed = Vector256.Equals(kind, Vector256.Create(ChangedBy));
                bad = ~(fresh | mine | changed);
                return Vector256.ConditionalSelect(changed & ~fresh & ~mine, Vector256.Create(many | ChangedBy), Vector256.Create(me | ChangedBy));
            default:
                var read = Vector256.Equals(kind & Vector256.Create(WrittenBy), Entries.Zero);
                bad = ~(fresh | mine | read);
                var known = Vector256.ConditionalSelect(mine, entries, Vector256.Create(many | ReadByMany));
                return Vector256.ConditionalSelect(fresh, Vector256.Create(me | ReadByOne), known);
        }
    }

    static void Refuse(Warp* warp, Instruction* i, long offset, int wrong, int laneBytes, int lane, Access access)
    {
        byte* shadow = warp->Watch->Memory.Shadow;
        long at = offset + wrong;
        string what = shadow[at] switch
        {
            ByteState.Allocated => "is read before anything was written there",
            ByteState.Freed => "has been freed",
            _ => Distance(shadow, at),
        };
        var result = shadow[at] == ByteState.Allocated ? CudaResult.LaunchFailed : CudaResult.IllegalAddress;
        throw new KernelFault(result, $"{Verb(access)} of {laneBytes} bytes: device memory at 0x{warp->MemoryAddress + (ulong)at:x} {what}",
            lane >= 0 ? lane : wrong / laneBytes, i->Source);
    }

    static string Distance(byte* shadow, long at)
    {
        const int Near = 1 << 16;
        for (int back = 1; back <= Math.Min(Near, at); back++)
            if ((shadow[at - back] & ByteState.Allocated) != 0) return $"is not allocated: {back - 1} bytes behind the end of an allocation";
        for (int ahead = 1; ahead <= Near; ahead++)
            if ((shadow[at + ahead] & ByteState.Allocated) != 0) return $"is not allocated: {ahead} bytes before an allocation";
        return "is not allocated, nor anything near it";
    }

    static void RefuseRace(Warp* warp, Instruction* i, long offset, int lane, Access access, uint entry, string missing)
    {
        uint block = warp->Watch->Order == 0 ? (entry & Owner) - warp->Watch->Memory.FirstOwner : BlockOrder.Of(warp->Watch->Order).BlockOf(entry);
        string before = (entry & Kind) switch
        {
            ReadByOne => $"block {block} reads",
            ReadByMany => "several blocks read",
            WrittenBy => $"block {block} writes",
            _ => "other blocks change atomically",
        };
        throw new KernelFault(CudaResult.LaunchFailed,
            $"{Verb(access)} of device memory at 0x{warp->MemoryAddress + (ulong)offset:x}, which {before} in the same launch: blocks are not ordered{missing}", lane, i->Source);
    }

    static string Verb(Access access) => access switch { Access.Write => "write", Access.Atomic => "atomic change", _ => "read" };
}
