using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Machine;

/// <summary>
/// A device's memory: a range of host memory under device addresses that no host pointer can have. Allocations are aligned
/// to 256 bytes as on a GPU and taken from the first gap that holds them.
/// </summary>
internal sealed unsafe class DeviceMemory(ulong address, long bytes, bool shadowed) : IDisposable
{
    const long Alignment = 256;

    readonly VirtualRange range = new(bytes);
    readonly SortedDictionary<long, long> allocations = [];

    /// <summary>What the checks know of each byte; null where nothing is checked.</summary>
    public MemoryShadow? Shadow { get; } = shadowed ? new MemoryShadow(bytes) : null;

    /// <summary>Bytes that are allocated.</summary>
    public long Used { get; private set; }

    /// <summary>Size.</summary>
    public long Bytes => range.Bytes;

    /// <summary>Where kernels find it.</summary>
    public MemoryView View => new(range.Start, address, (ulong)range.Bytes);

    /// <summary>Allocates; 0 where no gap is large enough.</summary>
    public nint Allocate(long size)
    {
        long rounded = Rounded(size), at = Alignment;
        foreach (var (start, length) in allocations)
        {
            if (start - at >= rounded) break;
            at = start + Rounded(length);
        }
        if (at + rounded > range.Bytes) return 0;
        allocations.Add(at, size);
        Used += rounded;
        Shadow?.Set(at, size, ByteState.Allocated);
        return (nint)(address + (ulong)at);
    }

    // where accesses are checked a gap lies behind each allocation
    long Rounded(long size) => (Math.Max(1, (size + Alignment - 1) / Alignment) + (Shadow is null ? 0 : 1)) * Alignment;

    /// <summary>The host has written a part.</summary>
    public void MarkWritten(byte* pointer, long size) => Shadow?.Set(pointer - range.Start, size, ByteState.Written);

    /// <summary>A part was copied to another.</summary>
    public void MarkCopied(byte* from, byte* to, long size) => Shadow?.Copy(from - range.Start, to - range.Start, size);

    /// <summary>Frees; false where nothing was allocated there.</summary>
    public bool Free(nint pointer)
    {
        long at = (long)((ulong)pointer - address);
        if (!allocations.Remove(at, out long size)) return false;
        Used -= Rounded(size);
        Shadow?.Set(at, size, ByteState.Freed);
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

    public void Dispose()
    {
        range.Dispose();
        Shadow?.Dispose();
    }
}
