using System.Runtime.InteropServices;

namespace CommonCanvas.Emulator.Execution;

/// <summary>What the checks know about device memory during a launch.</summary>
/// <param name="shadow">A byte for each byte of device memory: see <see cref="ByteState"/>.</param>
/// <param name="owners">A word for each two bytes, who accessed them last: see <see cref="OwnerEntry"/>.</param>
/// <param name="firstOwner">The number that stands there for the launch's first block; earlier launches have lower ones.</param>
/// <param name="manyOwners">The number that stands there for several blocks of the launch.</param>
/// <param name="races">Whether accesses of different blocks are compared.</param>
/// <param name="order">A handle of the launch's <see cref="LaunchOrder"/>; 0 where its blocks have nothing to order their accesses with.</param>
internal unsafe readonly struct MemoryWatch(byte* shadow, uint* owners, uint firstOwner, uint manyOwners, bool races, nint order)
{
    public byte* Shadow { get; } = shadow;

    public uint* Owners { get; } = owners;

    public uint FirstOwner { get; } = firstOwner;

    public uint ManyOwners { get; } = manyOwners;

    public bool Races { get; } = races;

    public nint Order { get; } = order;
}

/// <summary>States of a byte of device memory.</summary>
internal static class ByteState
{
    public const byte Free = 0, Allocated = 1, Written = 3, Freed = 4;
}

/// <summary>An asynchronous copy to shared memory that has not been waited for: where to, how much, in which group, by which lane.</summary>
internal readonly record struct PendingCopy(uint Offset, uint Bytes, uint Group, uint Lane);

/// <summary>What the checks know on behalf of a warp.</summary>
internal unsafe struct WarpWatch
{
    /// <summary>The launch's.</summary>
    public MemoryWatch Memory;

    /// <summary>The block's number in the grid.</summary>
    public uint Block;

    /// <summary>A handle of the block's <see cref="BlockOrder"/>; 0 where there is none.</summary>
    public nint Order;

    /// <summary>A word for each two bytes of shared memory: who accessed them since the last barrier.</summary>
    public uint* Shared;

    /// <summary>Number of the stretch between two barriers that the block is in.</summary>
    public uint Epoch;

    /// <summary>A word for each two bytes of shared memory: which lanes accessed them since their warp last waited for its lanes.</summary>
    public uint* Lanes;

    /// <summary>A byte for each byte of the lanes' local memory: 1 where it was written.</summary>
    public byte* Local;

    /// <summary>Number of words of <see cref="Lanes"/>.</summary>
    public int Granules;

    /// <summary>Number of the stretch between two points where the warp's lanes wait for each other.</summary>
    public uint Generation;

    /// <summary>Asynchronous copies under way.</summary>
    public PendingCopy* Pending;

    /// <summary>Number of <see cref="Pending"/>.</summary>
    public int PendingCount;

    /// <summary>Number of copies that <see cref="Pending"/> has room for.</summary>
    public int PendingRoom;

    /// <summary>Groups that have been committed.</summary>
    public uint Group;

    /// <summary>Notes a copy.</summary>
    public static void AddPending(WarpWatch* watch, uint offset, uint bytes, uint lane)
    {
        if (watch->PendingCount == watch->PendingRoom)
        {
            watch->PendingRoom = Math.Max(256, 2 * watch->PendingRoom);
            watch->Pending = (PendingCopy*)NativeMemory.Realloc(watch->Pending, (nuint)watch->PendingRoom * (nuint)sizeof(PendingCopy));
        }
        watch->Pending[watch->PendingCount++] = new PendingCopy(offset, bytes, watch->Group, lane);
    }
}
