using System.Numerics;

namespace CommonCanvas.Emulator.Execution;

/// <summary>The 32-byte sectors of device memory that a launch has touched: a hash table with open addressing.</summary>
internal sealed class SectorSet
{
    const int FirstCapacity = 1 << 12;
    const ulong Spread = 0x9E3779B97F4A7C15;

    ulong[] slots = new ulong[FirstCapacity]; // sector + 1; 0 is free
    int count;

    /// <summary>Number of sectors.</summary>
    public int Count => count;

    /// <summary>All sectors.</summary>
    public IEnumerable<ulong> Sectors => slots.Where(slot => slot != 0).Select(slot => slot - 1);

    /// <summary>Adds a sector.</summary>
    public void Add(ulong sector)
    {
        if (!Insert(slots, sector + 1) || ++count * 2 < slots.Length) return;
        var larger = new ulong[slots.Length * 2];
        foreach (ulong slot in slots)
            if (slot != 0) Insert(larger, slot);
        slots = larger;
    }

    static bool Insert(ulong[] slots, ulong value)
    {
        int mask = slots.Length - 1, at = (int)((value * Spread) >> (64 - BitOperations.Log2((uint)slots.Length)));
        for (; slots[at] != 0; at = (at + 1) & mask)
            if (slots[at] == value) return false;
        slots[at] = value;
        return true;
    }
}
