using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Machine;

/// <summary>
/// A device's memory: a range of host memory under device addresses that no host pointer can have. Allocations are aligned
/// to 256 bytes as on a GPU and taken from the first gap that holds them.
/// </summary>
internal sealed unsafe class DeviceMemory(ulong address, long bytes) : IDisposable
{
    const long Alignment = 256;

    readonly VirtualRange range = new(bytes);
    readonly SortedDictionary<long, long> allocations = [];

    /// <summary>Bytes that are allocated.</summary>
    public long Used { get; private set; }

    /// <summary>Size.</summary>
    public long Bytes => range.Bytes;

    /// <summary>Where kernels find it.</summary>
    public MemoryView View => new(range.Start, address, (ulong)range.Bytes);

    /// <summary>Allocates; 0 where no gap is large enough.</summary>
    public nint Allocate(long size)
    {
        long rounded = Math.Max(1, (size + Alignment - 1) / Alignment) * Alignment, at = Alignment;
        foreach (var (start, length) in allocations)
        {
            if (start - at >= rounded) break;
            at = start + (length + Alignment - 1) / Alignment * Alignment;
        }
        if (at + rounded > range.Bytes) return 0;
        allocations.Add(at, size);
        Used += rounded;
        return (nint)(address + (ulong)at);
    }

    /// <summary>Frees; false where nothing was allocated there.</summary>
    public bool Free(nint pointer)
    {
        long at = (long)((ulong)pointer - address);
        if (!allocations.Remove(at, out long size)) return false;
        Used -= Math.Max(1, (size + Alignment - 1) / Alignment) * Alignment;
        range.Discard(at, size);
        return true;
    }

    /// <summary>The host pointer to bytes that lie within one allocation; null where they do not.</summary>
    public byte* Find(nint pointer, long size)
    {
        long at = (long)((ulong)pointer - address);
        if (at < 0 || at >= range.Bytes || size < 0) return null;
        foreach (var (start, length) in allocations)
            if (at >= start && at + size <= start + length) return range.Start + at;
        return null;
    }

    /// <summary>Where the allocation ends that holds a byte, both counted from the start of memory.</summary>
    public long EndOfAllocation(long at)
    {
        long end = at + 1;
        foreach (var (start, length) in allocations)
        {
            if (start > at) break;
            if (at < start + length) end = start + length;
        }
        return end;
    }

    public void Dispose() => range.Dispose();
}
