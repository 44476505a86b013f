using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Machine;

/// <summary>What is known of each byte of device memory, for the checks: see <see cref="ByteState"/> and <see cref="MemoryWatch"/>.</summary>
internal sealed unsafe class MemoryShadow(long bytes) : IDisposable
{
    const int Granule = 2;
    const uint LastOwner = (1u << 30) - 1;

    // the checks load whole vectors, which may reach beyond the last byte
    readonly VirtualRange states = new(bytes + 4096), owners = new(bytes / Granule * sizeof(uint) + 4096);
    uint nextOwner = 1;

    /// <summary>Sets the state of a part.</summary>
    public void Set(long offset, long count, byte state)
    {
        for (long done = 0; done < count;)
        {
            int part = (int)Math.Min(count - done, 1 << 30);
            new Span<byte>(states.Start + offset + done, part).Fill(state);
            done += part;
        }
    }

    /// <summary>A copy within the device: what was not written before is not written after it.</summary>
    public void Copy(long from, long to, long count) => Buffer.MemoryCopy(states.Start + from, states.Start + to, count, count);

    /// <summary>The watch of the next launch, of so many blocks. Blocks beyond a billion cannot be told apart, and are not compared.</summary>
    public MemoryWatch Begin(long blocks, bool races)
    {
        if (blocks >= LastOwner) return new MemoryWatch(states.Start, (uint*)owners.Start, 0, 0, false);
        if (blocks >= LastOwner - nextOwner)
        {
            owners.Clear();
            nextOwner = 1;
        }
        uint first = nextOwner, many = first + (uint)blocks;
        nextOwner = many + 1;
        return new MemoryWatch(states.Start, (uint*)owners.Start, first, many, races);
    }

    public void Dispose()
    {
        states.Dispose();
        owners.Dispose();
    }
}
