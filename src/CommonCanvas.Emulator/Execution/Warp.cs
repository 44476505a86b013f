using System.Runtime.Intrinsics;

namespace CommonCanvas.Emulator.Execution;

/// <summary>
/// 32 threads that run together. The register file begins with the active mask as vectors, 32 bits and 64 bits a lane;
/// registers are arrays over the lanes, predicates are masks.
/// </summary>
internal unsafe struct Warp
{
    /// <summary>Lanes.</summary>
    public const int Lanes = 32;

    /// <summary>All lanes.</summary>
    public const uint All = uint.MaxValue;

    /// <summary>Where the mask with 64 bits a lane stands in the register file.</summary>
    public const int WideMask = 128;

    /// <summary>Where the registers begin.</summary>
    public const int FirstRegister = WideMask + 256;

    /// <summary>The register file.</summary>
    public byte* Registers;

    /// <summary>Lanes that execute now.</summary>
    public uint Mask;

    /// <summary>Lanes that have not ended.</summary>
    public uint Live;

    /// <summary>The mask to return to behind a guarded instruction.</summary>
    public uint Unguarded;

    /// <summary>The block to go on with.</summary>
    public int Position;

    /// <summary>Number in the thread block.</summary>
    public int Index;

    /// <summary>Instructions that it may still run.</summary>
    public long Budget;

    /// <summary>Whether it waits at a barrier.</summary>
    public bool Waiting;

    /// <summary>Whether all its threads have ended.</summary>
    public bool Done;

    /// <summary>Whether it has just arrived at a barrier without waiting.</summary>
    public bool Arrives;

    /// <summary>The barrier that it waits or arrives at.</summary>
    public int Barrier;

    /// <summary>Threads that the barrier waits for; 0 for all.</summary>
    public int BarrierThreads;

    /// <summary>What the barrier makes of its threads' predicates.</summary>
    public BarrierVote Vote;

    /// <summary>The lanes whose predicate holds.</summary>
    public uint Votes;

    /// <summary>The offset of the vote's result.</summary>
    public int VoteResult;

    /// <summary>The thread block's shared memory.</summary>
    public byte* Shared;

    /// <summary>Its size.</summary>
    public ulong SharedBytes;

    /// <summary>The kernel's arguments.</summary>
    public byte* Parameters;

    /// <summary>Local memory of all lanes, one after another.</summary>
    public byte* Local;

    /// <summary>Local memory of a lane.</summary>
    public ulong LocalBytes;

    /// <summary>Where device memory lies on the host.</summary>
    public byte* Memory;

    /// <summary>Its device address.</summary>
    public ulong MemoryAddress;

    /// <summary>Its size.</summary>
    public ulong MemoryBytes;

    /// <summary>What the checks know; null where nothing is checked.</summary>
    public WarpWatch* Watch;

    /// <summary>Slot of its <see cref="WorkCounter"/>; 0 where nothing is counted.</summary>
    public int Counter;

    /// <summary>How often each block of instructions was run; null where nothing is counted.</summary>
    public long* BlockRuns;

    /// <summary>Number of waiting parts of a diverged warp.</summary>
    public int Fragments;

    /// <summary>The block that each part goes on with.</summary>
    public fixed int FragmentPosition[Lanes];

    /// <summary>The lanes of each part.</summary>
    public fixed uint FragmentMask[Lanes];

    /// <summary>Where its device's memory lies.</summary>
    public static MemoryView View(Warp* warp) => new(warp->Memory, warp->MemoryAddress, warp->MemoryBytes);

    /// <summary>Sets the active lanes, as bits and as vectors.</summary>
    public static void SetMask(Warp* warp, uint mask)
    {
        warp->Mask = mask;
        var bits = Vector512.Create(1u, 1u << 1, 1u << 2, 1u << 3, 1u << 4, 1u << 5, 1u << 6, 1u << 7,
            1u << 8, 1u << 9, 1u << 10, 1u << 11, 1u << 12, 1u << 13, 1u << 14, 1u << 15);
        for (int half = 0; half < 2; half++)
        {
            var lanes = Vector512.Equals(Vector512.Create(mask >> (16 * half)) & bits, bits);
            ((Vector512<uint>*)warp->Registers)[half] = lanes;
            var (low, high) = Vector512.Widen(lanes.AsInt32());
            ((Vector512<long>*)(warp->Registers + WideMask))[2 * half] = low;
            ((Vector512<long>*)(warp->Registers + WideMask))[2 * half + 1] = high;
        }
    }
}
