using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Operations;

/// <summary>
/// ld and st: <see cref="Instruction.Count"/> elements, in the operands from 0 on; the address in operand
/// <see cref="Instruction.Address"/> plus <see cref="Instruction.Immediate"/>.
/// </summary>
internal static unsafe class MemoryOps
{
    const MethodImplOptions Now = MethodImplOptions.AggressiveOptimization;

    [MethodImpl(Now)]
    public static void Load<TMonitor, TSpace, TMemory, TRegister>(Warp* warp, Instruction* i)
        where TMonitor : struct, IMonitor where TSpace : struct, ISpace
        where TMemory : unmanaged, IBinaryInteger<TMemory> where TRegister : unmanaged, IBinaryInteger<TRegister>
    {
        if (warp->Mask == 0) return;
        byte** pointers = stackalloc byte*[Warp.Lanes];
        int count = i->Count;
        TSpace.Resolve(warp, i, i->Operand[Instruction.Address], i->Immediate, sizeof(TMemory) * count, pointers);
        TMonitor.On<TSpace>(warp, i, pointers, sizeof(TMemory) * count, Access.Read);
        if (sizeof(TMemory) == 4 && sizeof(TRegister) == 4 && warp->Mask == Warp.All && IsContiguous(pointers, 4 * count))
        {
            LoadWords(warp, i, (uint*)pointers[0], count);
            return;
        }
        for (int element = 0; element < count; element++)
        {
            var to = (TRegister*)(warp->Registers + i->Operand[element]);
            for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
            {
                int lane = BitOperations.TrailingZeroCount(mask);
                to[lane] = TRegister.CreateTruncating(((TMemory*)pointers[lane])[element]);
            }
        }
    }

    [MethodImpl(Now)]
    public static void Store<TMonitor, TSpace, TMemory, TRegister>(Warp* warp, Instruction* i)
        where TMonitor : struct, IMonitor where TSpace : struct, ISpace
        where TMemory : unmanaged, IBinaryInteger<TMemory> where TRegister : unmanaged, IBinaryInteger<TRegister>
    {
        if (warp->Mask == 0) return;
        byte** pointers = stackalloc byte*[Warp.Lanes];
        int count = i->Count;
        TSpace.Resolve(warp, i, i->Operand[Instruction.Address], i->Immediate, sizeof(TMemory) * count, pointers);
        TMonitor.On<TSpace>(warp, i, pointers, sizeof(TMemory) * count, Access.Write);
        if (sizeof(TMemory) == 4 && sizeof(TRegister) == 4 && count == 1 && warp->Mask == Warp.All && IsContiguous(pointers, 4))
        {
            var from = (Vector512<uint>*)(warp->Registers + i->Operand[0]);
            var to = (Vector512<uint>*)pointers[0];
            (to[0], to[1]) = (from[0], from[1]);
            return;
        }
        for (int element = 0; element < count; element++)
        {
            var from = (TRegister*)(warp->Registers + i->Operand[element]);
            for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
            {
                int lane = BitOperations.TrailingZeroCount(mask);
                ((TMemory*)pointers[lane])[element] = TMemory.CreateTruncating(from[lane]);
            }
        }
    }

    /// <summary>ld.param by a constant offset, the same for all lanes.</summary>
    [MethodImpl(Now)]
    public static void LoadParameter<TMemory, TRegister>(Warp* warp, Instruction* i)
        where TMemory : unmanaged, IBinaryInteger<TMemory> where TRegister : unmanaged, IBinaryInteger<TRegister>
    {
        for (int element = 0; element < i->Count; element++)
        {
            var value = Vector512.Create(TRegister.CreateTruncating(((TMemory*)(warp->Parameters + i->Immediate))[element]));
            for (int part = 0; part < sizeof(TRegister) / 2; part++) Templates.Store(warp, i->Operand[element], part, value);
        }
    }

    /// <summary>Whether each lane's pointer lies <paramref name="bytes"/> behind that of the lane before it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsContiguous(byte** pointers, int bytes)
    {
        var step = Vector512.Create(0ul, 1, 2, 3, 4, 5, 6, 7) * Vector512.Create((ulong)bytes);
        var next = Vector512.Create((ulong)bytes * 8);
        var expected = Vector512.Create((ulong)pointers[0]) + step;
        for (int part = 0; part < 4; part++)
        {
            if (((Vector512<ulong>*)pointers)[part] != expected) return false;
            expected += next;
        }
        return true;
    }

    static void LoadWords(Warp* warp, Instruction* i, uint* from, int count)
    {
        if (count == 1)
        {
            var to = (Vector512<uint>*)(warp->Registers + i->Operand[0]);
            (to[0], to[1]) = (((Vector512<uint>*)from)[0], ((Vector512<uint>*)from)[1]);
            return;
        }
        for (int element = 0; element < count; element++)
        {
            uint* to = (uint*)(warp->Registers + i->Operand[element]);
            for (int lane = 0; lane < Warp.Lanes; lane++) to[lane] = from[lane * count + element];
        }
    }
}
