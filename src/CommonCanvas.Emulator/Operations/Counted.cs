using System.Numerics;
using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Operations;

/// <summary>
/// Counts memory traffic: sectors of 32 bytes for device memory, passes for shared memory. A pass serves each of 32 banks of
/// 4 bytes once; lanes that want the same word share it. Accesses of 8 bytes are made half a warp at a time, of 16 bytes a
/// quarter, as NVIDIA's GPUs do from compute capability 5.0 on.
/// </summary>
internal unsafe struct Counted : IMonitor
{
    const int SectorBytes = 32, Banks = 32, WordBytes = 4;

    public static bool Checks => false;

    public static void On<TSpace>(Warp* warp, Instruction* i, byte** pointers, int bytes, Access access) where TSpace : struct, ISpace
    {
        var counter = WorkCounter.Of(warp->Counter);
        if (access == Access.Atomic) counter.Atomics += BitOperations.PopCount(warp->Mask);
        if (typeof(TSpace) == typeof(GlobalSpace)) Global(counter, warp, pointers, bytes, access);
        else if (typeof(TSpace) == typeof(SharedSpace) || typeof(TSpace) == typeof(SharedSpace64)) Shared(counter, warp, pointers, bytes);
        else if (typeof(TSpace) == typeof(GenericSpace) && warp->Mask != 0)
        {
            byte* first = pointers[BitOperations.TrailingZeroCount(warp->Mask)];
            if (first >= warp->Memory && first < warp->Memory + warp->MemoryBytes) Global(counter, warp, pointers, bytes, access);
            else if (first >= warp->Shared && first < warp->Shared + warp->SharedBytes) Shared(counter, warp, pointers, bytes);
        }
    }

    public static void Commit(Warp* warp, Instruction* i)
    {
    }

    public static void Wait(Warp* warp, Instruction* i, int groups)
    {
    }

    public static void SyncWarp(Warp* warp)
    {
    }

    public static void Fence(Warp* warp)
    {
    }

    public static void Changed<TSpace>(Warp* warp, byte** pointers, int bytes) where TSpace : struct, ISpace
    {
    }

    static void Global(WorkCounter counter, Warp* warp, byte** pointers, int bytes, Access access)
    {
        ulong* sectors = stackalloc ulong[2 * Warp.Lanes];
        int count = 0;
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            ulong at = (ulong)(pointers[BitOperations.TrailingZeroCount(mask)] - warp->Memory);
            for (ulong sector = at / SectorBytes; sector <= (at + (ulong)bytes - 1) / SectorBytes; sector++)
                if (!Contains(sectors, count, sector)) sectors[count++] = sector;
        }
        counter.Sectors += count;
        counter.SectorsNeeded += (BitOperations.PopCount(warp->Mask) * bytes + SectorBytes - 1) / SectorBytes;
        for (int s = 0; s < count; s++)
        {
            if (access != Access.Write) counter.Read.Add(sectors[s]);
            if (access != Access.Read) counter.Written.Add(sectors[s]);
        }
    }

    // neighbours most often share, so the latest are looked at first
    static bool Contains(ulong* sectors, int count, ulong sector)
    {
        for (int s = count - 1; s >= 0; s--)
            if (sectors[s] == sector) return true;
        return false;
    }

    static void Shared(WorkCounter counter, Warp* warp, byte** pointers, int bytes)
    {
        int lanes = bytes <= WordBytes ? Warp.Lanes : Math.Max(1, Warp.Lanes * WordBytes / bytes);
        ulong* words = stackalloc ulong[2 * Warp.Lanes];
        byte* uses = stackalloc byte[Banks];
        for (int first = 0; first < Warp.Lanes; first += lanes)
        {
            uint mask = warp->Mask & (uint)(((1ul << lanes) - 1) << first);
            if (mask == 0) continue;
            new Span<byte>(uses, Banks).Clear();
            int count = 0, passes = 1;
            for (; mask != 0; mask &= mask - 1)
            {
                ulong at = (ulong)(pointers[BitOperations.TrailingZeroCount(mask)] - warp->Shared);
                for (ulong word = at / WordBytes; word <= (at + (ulong)bytes - 1) / WordBytes; word++)
                {
                    if (Contains(words, count, word)) continue;
                    words[count++] = word;
                    passes = Math.Max(passes, ++uses[word % Banks]);
                }
            }
            counter.SharedPasses += passes;
            counter.BankConflicts += passes - 1;
        }
    }
}
