using System.Runtime.InteropServices;

namespace CommonCanvas.Emulator.Execution;

/// <summary>The checks' memory for the blocks that a runner runs: shadows of shared memory, watches of warps.</summary>
internal sealed unsafe class BlockWatch : IDisposable
{
    /// <summary>Epochs that an entry can tell apart.</summary>
    const uint LastEpoch = SharedEntry.Epochs - 1;

    readonly WarpWatch* watches;
    readonly uint* shared, lanes;
    readonly byte* local;
    readonly int warps, granules;
    readonly long localBytes;
    readonly BlockOrder? order;

    /// <summary>Prepares for blocks of so many warps, so much shared memory and so much local memory of a warp.</summary>
    public BlockWatch(MemoryWatch memory, int warps, int sharedBytes, long localBytes)
    {
        this.localBytes = localBytes;
        local = (byte*)NativeMemory.Alloc((nuint)Math.Max(1, warps * localBytes));
        // an entry's vector may reach beyond the last granule
        (this.warps, granules) = (warps, sharedBytes / SharedEntry.Granule + 16);
        watches = (WarpWatch*)NativeMemory.AllocZeroed((nuint)warps, (nuint)sizeof(WarpWatch));
        shared = (uint*)NativeMemory.AlignedAlloc((nuint)granules * sizeof(uint), 64);
        lanes = (uint*)NativeMemory.AlignedAlloc((nuint)granules * sizeof(uint), 64);
        if (memory.Order != 0) order = new BlockOrder((LaunchOrder)GCHandle.FromIntPtr(memory.Order).Target!, warps);
        for (int w = 0; w < warps; w++)
        {
            watches[w].Memory = memory;
            watches[w].Order = order?.Handle ?? 0;
            watches[w].Shared = shared;
            watches[w].Lanes = lanes;
            watches[w].Local = local + w * localBytes;
            watches[w].Granules = granules;
        }
    }

    /// <summary>The watch of a warp.</summary>
    public WarpWatch* this[int warp] => watches + warp;

    /// <summary>Begins a block.</summary>
    public void Start(long block)
    {
        NativeMemory.Clear(shared, (nuint)granules * sizeof(uint));
        NativeMemory.Clear(lanes, (nuint)granules * sizeof(uint));
        NativeMemory.Clear(local, (nuint)(warps * localBytes));
        for (int w = 0; w < warps; w++)
        {
            watches[w].Block = (uint)block;
            watches[w].Epoch = watches[w].Generation = 1;
            watches[w].PendingCount = 0;
            watches[w].Group = 0;
        }
        order?.Start((uint)block);
    }

    /// <summary>A barrier has opened: what was accessed before is ordered before what comes.</summary>
    public void PassBarrier()
    {
        uint epoch = watches[0].Epoch + 1;
        if (epoch > LastEpoch)
        {
            for (int g = 0; g < granules; g++) shared[g] &= SharedEntry.Written | SharedEntry.InFlight;
            epoch = 1;
        }
        for (int w = 0; w < warps; w++)
        {
            watches[w].Epoch = epoch;
            Operations.LaneChecks.Order(watches + w);
        }
        order?.PassBarrier();
    }

    public void Dispose()
    {
        order?.Dispose();
        for (int w = 0; w < warps; w++) NativeMemory.Free(watches[w].Pending);
        NativeMemory.Free(watches);
        NativeMemory.AlignedFree(shared);
        NativeMemory.AlignedFree(lanes);
        NativeMemory.Free(local);
    }
}

/// <summary>
/// An entry for two bytes of shared memory: the epoch of the last access (12 bits), the warp that wrote (6), the warp that
/// read (6), whether only atomic operations wrote since the last barrier, whether a copy is under way, whether they were ever
/// written. Warps count from 1.
/// </summary>
internal static class SharedEntry
{
    /// <summary>Bytes of an entry.</summary>
    public const int Granule = 2;

    public const uint Written = 1, InFlight = 2, Atomic = 4, Epochs = 1 << 12;
    public const int ReaderShift = 8, WriterShift = 14, EpochShift = 20;
    public const uint Reader = 63u << ReaderShift, Writer = 63u << WriterShift, Epoch = (Epochs - 1) << EpochShift;

    /// <summary>Several warps have read.</summary>
    public const uint ManyReaders = 63u << ReaderShift;

    /// <summary>Several warps have changed it atomically.</summary>
    public const uint AtomicWriters = 62u << WriterShift;
}
