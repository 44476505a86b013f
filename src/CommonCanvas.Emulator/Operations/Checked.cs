using System.Numerics;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Operations;

/// <summary>
/// Checks every access: within an allocation, aligned, of written memory, ordered by a barrier against other warps' accesses
/// to shared memory, waited for where it was copied asynchronously, and ordered against other blocks' accesses to device memory.
/// </summary>
internal unsafe struct Checked : IMonitor
{
    public static bool Checks => true;

    public static void On<TSpace>(Warp* warp, Instruction* i, byte** pointers, int bytes, Access access) where TSpace : struct, ISpace
    {
        if (BitOperations.IsPow2(bytes)) CheckAlignment(warp, i, pointers, bytes);
        if (typeof(TSpace) == typeof(GlobalSpace)) GlobalChecks.On(warp, i, pointers, warp->Mask, bytes, access);
        else if (typeof(TSpace) == typeof(SharedSpace) || typeof(TSpace) == typeof(SharedSpace64)) SharedChecks.On(warp, i, pointers, warp->Mask, bytes, access);
        else if (typeof(TSpace) == typeof(GenericSpace))
        {
            uint shared = 0, global = 0, local = 0;
            for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
            {
                int lane = BitOperations.TrailingZeroCount(mask);
                if ((ulong)(pointers[lane] - warp->Shared) < warp->SharedBytes) shared |= 1u << lane;
                else if ((ulong)(pointers[lane] - warp->Memory) < warp->MemoryBytes) global |= 1u << lane;
                else local |= 1u << lane;
            }
            if (global != 0) GlobalChecks.On(warp, i, pointers, global, bytes, access);
            if (shared != 0) SharedChecks.On(warp, i, pointers, shared, bytes, access);
            if (local != 0) LocalChecks.On(warp, i, pointers, local, bytes, access);
        }
        else if (typeof(TSpace) == typeof(LocalSpace)) LocalChecks.On(warp, i, pointers, warp->Mask, bytes, access);
    }

    public static void Commit(Warp* warp, Instruction* i) => warp->Watch->Group++;

    public static void Wait(Warp* warp, Instruction* i, int groups) => SharedChecks.Arrive(warp, groups);

    public static void SyncWarp(Warp* warp)
    {
        LaneChecks.Order(warp->Watch);
        if (warp->Watch->Order != 0) BlockOrder.Of(warp->Watch->Order).SyncWarp(warp->Index);
    }

    public static void Fence(Warp* warp)
    {
        if (warp->Watch->Order != 0 && warp->Mask != 0) BlockOrder.Of(warp->Watch->Order).Fence(warp->Index, warp->Mask);
    }

    public static void Changed<TSpace>(Warp* warp, byte** pointers, int bytes) where TSpace : struct, ISpace
    {
        if (warp->Watch->Order == 0 || (typeof(TSpace) != typeof(GlobalSpace) && typeof(TSpace) != typeof(GenericSpace))) return;
        GlobalChecks.Observe(warp, pointers, bytes);
    }

    static void CheckAlignment(Warp* warp, Instruction* i, byte** pointers, int bytes)
    {
        ulong low = (ulong)bytes - 1, any = 0;
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1) any |= (ulong)pointers[BitOperations.TrailingZeroCount(mask)];
        if ((any & low) == 0) return;
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            if (((ulong)pointers[lane] & low) != 0)
                throw new KernelFault(CudaResult.MisalignedAddress, $"an access of {bytes} bytes is not aligned to its size: it is off by {(ulong)pointers[lane] & low}", lane, i->Source);
        }
    }
}
