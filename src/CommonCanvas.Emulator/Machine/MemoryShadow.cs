using System.Runtime.InteropServices;
using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Machine;

/// <summary>What is known of each byte of device memory, for the checks: see <see cref="ByteState"/> and <see cref="MemoryWatch"/>.</summary>
internal sealed unsafe class MemoryShadow(long bytes) : IDisposable
{
    const uint LastOwner = OwnerEntry.Owner;

    // more than the memory of a host has room for
    const uint Segments = 1u << 28;

    // the checks load whole vectors, which may reach beyond the last byte
    readonly VirtualRange states = new(bytes + 4096), owners = new(bytes / OwnerEntry.Granule * sizeof(uint) + 4096);
    uint nextOwner = 1;
    GCHandle order;

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

    /// <summary>
    /// The watch of the next launch, when the one before has ended. <paramref name="fences"/> tells whether its blocks can order their
    /// accesses. Blocks beyond a billion, or three quarters of it, cannot be told apart, and are not compared.
    /// </summary>
    public MemoryWatch Begin(long blocks, bool fences)
    {
        if (order.IsAllocated)
        {
            nextOwner = ((LaunchOrder)order.Target!).NextOwner;
            order.Free();
        }
        long needed = blocks + (fences ? Segments : 0);
        if (needed >= LastOwner) return new MemoryWatch(states.Start, (uint*)owners.Start, 0, 0, false, 0);
        if (needed >= LastOwner - nextOwner)
        {
            owners.Clear();
            nextOwner = 1;
        }
        uint first = nextOwner, many = first + (uint)blocks;
        nextOwner = many + 1;
        if (fences) order = GCHandle.Alloc(new LaunchOrder(first, nextOwner));
        return new MemoryWatch(states.Start, (uint*)owners.Start, first, many, true, fences ? GCHandle.ToIntPtr(order) : 0);
    }

    public void Dispose()
    {
        if (order.IsAllocated) order.Free();
        states.Dispose();
        owners.Dispose();
    }
}
