using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Operations;

/// <summary>
/// cp.async from global to shared memory. Operand 0 is the shared address, 1 the global one, 2 the number of bytes to read
/// (the rest of the destination becomes zero). <see cref="Instruction.Count"/> is the copy's size, <see cref="Instruction.Immediate"/>
/// the offset of the destination, <see cref="Instruction.Option"/> that of the source. The bytes arrive at once; a monitor
/// tells a kernel that reads them before it has waited.
/// </summary>
internal static unsafe class AsyncCopyOps
{
    const MethodImplOptions Now = MethodImplOptions.AggressiveOptimization;

    [MethodImpl(Now)]
    public static void Copy<TMonitor, TShared>(Warp* warp, Instruction* i) where TMonitor : struct, IMonitor where TShared : struct, ISpace
    {
        if (warp->Mask == 0) return;
        byte** to = stackalloc byte*[Warp.Lanes], from = stackalloc byte*[Warp.Lanes];
        int bytes = i->Count;
        uint* sizes = (uint*)(warp->Registers + i->Operand[2]);
        TShared.Resolve(warp, i, i->Operand[0], i->Immediate, bytes, to);
        TMonitor.On<TShared>(warp, i, to, bytes, Access.CopyIn);
        uint all = warp->Mask, whole = 0, partial = 0;
        for (uint mask = all; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            if (sizes[lane] >= (uint)bytes) whole |= 1u << lane;
            else if (sizes[lane] > 0) partial |= 1u << lane;
            else NativeMemory.Clear(to[lane], (nuint)bytes);
        }
        if (whole != 0)
        {
            if (whole != all) Warp.SetMask(warp, whole);
            GlobalSpace.Resolve(warp, i, i->Operand[1], i->Option, bytes, from);
            TMonitor.On<GlobalSpace>(warp, i, from, bytes, Access.Read);
            for (uint mask = whole; mask != 0; mask &= mask - 1)
            {
                int lane = BitOperations.TrailingZeroCount(mask);
                if (bytes == 16) *(Int128*)to[lane] = *(Int128*)from[lane];
                else if (bytes == 8) *(ulong*)to[lane] = *(ulong*)from[lane];
                else *(uint*)to[lane] = *(uint*)from[lane];
            }
        }
        for (; partial != 0; partial &= partial - 1)
        {
            int lane = BitOperations.TrailingZeroCount(partial);
            Warp.SetMask(warp, 1u << lane);
            int size = (int)sizes[lane];
            GlobalSpace.Resolve(warp, i, i->Operand[1], i->Option, size, from);
            TMonitor.On<GlobalSpace>(warp, i, from, size, Access.Read);
            NativeMemory.Clear(to[lane], (nuint)bytes);
            Buffer.MemoryCopy(from[lane], to[lane], bytes, size);
        }
        if (warp->Mask != all) Warp.SetMask(warp, all);
    }

    [MethodImpl(Now)]
    public static void Commit<TMonitor>(Warp* warp, Instruction* i) where TMonitor : struct, IMonitor => TMonitor.Commit(warp, i);

    [MethodImpl(Now)]
    public static void Wait<TMonitor>(Warp* warp, Instruction* i) where TMonitor : struct, IMonitor => TMonitor.Wait(warp, i, (int)i->Immediate);
}
