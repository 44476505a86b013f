using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Operations;

/// <summary>Handlers whose operands fit no template: packing, narrowing, widening, four operands.</summary>
internal static unsafe class WordOps
{
    const MethodImplOptions Now = MethodImplOptions.AggressiveOptimization;

    [MethodImpl(Now)]
    public static void Nothing(Warp* warp, Instruction* i)
    {
    }

    [MethodImpl(Now)]
    public static void Trap(Warp* warp, Instruction* i)
    {
        if (warp->Mask != 0) throw new KernelFault(CudaResult.Assert, "trap", BitOperations.TrailingZeroCount(warp->Mask), i->Source);
    }

    /// <summary>cvt.u32.u64 and its like: the low words.</summary>
    [MethodImpl(Now)]
    public static void Low(Warp* warp, Instruction* i)
    {
        var from = (Vector512<ulong>*)(warp->Registers + i->Operand[1]);
        for (int part = 0; part < 2; part++) Templates.Store(warp, i->Operand[0], part, Vector512.Narrow(from[2 * part], from[2 * part + 1]));
    }

    /// <summary>cvt.u64.u32.</summary>
    [MethodImpl(Now)]
    public static void Widen(Warp* warp, Instruction* i)
    {
        var from = (Vector512<uint>*)(warp->Registers + i->Operand[1]);
        for (int part = 0; part < 2; part++)
        {
            var (low, high) = Vector512.Widen(from[part]);
            Templates.Store(warp, i->Operand[0], 2 * part, low);
            Templates.Store(warp, i->Operand[0], 2 * part + 1, high);
        }
    }

    /// <summary>cvt.s64.s32.</summary>
    [MethodImpl(Now)]
    public static void WidenSigned(Warp* warp, Instruction* i)
    {
        var from = (Vector512<int>*)(warp->Registers + i->Operand[1]);
        for (int part = 0; part < 2; part++)
        {
            var (low, high) = Vector512.Widen(from[part]);
            Templates.Store(warp, i->Operand[0], 2 * part, low);
            Templates.Store(warp, i->Operand[0], 2 * part + 1, high);
        }
    }

    /// <summary>mul.wide.u32.</summary>
    [MethodImpl(Now)]
    public static void MultiplyWide(Warp* warp, Instruction* i)
    {
        Vector512<uint>* a = (Vector512<uint>*)(warp->Registers + i->Operand[1]), b = (Vector512<uint>*)(warp->Registers + i->Operand[2]);
        for (int part = 0; part < 2; part++)
        {
            var (aLow, aHigh) = Vector512.Widen(a[part]);
            var (bLow, bHigh) = Vector512.Widen(b[part]);
            Templates.Store(warp, i->Operand[0], 2 * part, aLow * bLow);
            Templates.Store(warp, i->Operand[0], 2 * part + 1, aHigh * bHigh);
        }
    }

    /// <summary>mul.wide.s32.</summary>
    [MethodImpl(Now)]
    public static void MultiplyWideSigned(Warp* warp, Instruction* i)
    {
        Vector512<int>* a = (Vector512<int>*)(warp->Registers + i->Operand[1]), b = (Vector512<int>*)(warp->Registers + i->Operand[2]);
        for (int part = 0; part < 2; part++)
        {
            var (aLow, aHigh) = Vector512.Widen(a[part]);
            var (bLow, bHigh) = Vector512.Widen(b[part]);
            Templates.Store(warp, i->Operand[0], 2 * part, aLow * bLow);
            Templates.Store(warp, i->Operand[0], 2 * part + 1, aHigh * bHigh);
        }
    }

    /// <summary>mov to a vector: operands 0 on become the elements of the last one, the lowest first.</summary>
    [MethodImpl(Now)]
    public static void Unpack<TElement, TSlot>(Warp* warp, Instruction* i)
        where TElement : unmanaged, IBinaryInteger<TElement> where TSlot : unmanaged, IBinaryInteger<TSlot>
    {
        int count = i->Count;
        TSlot* from = (TSlot*)(warp->Registers + i->Operand[count]);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            TSlot value = from[lane];
            for (int element = 0; element < count; element++)
                ((uint*)(warp->Registers + i->Operand[element]))[lane] = uint.CreateTruncating(((TElement*)&value)[element]);
        }
    }

    /// <summary>mov from a vector: operand 0 becomes the elements 1 on, the first lowest.</summary>
    [MethodImpl(Now)]
    public static void Pack<TElement, TSlot>(Warp* warp, Instruction* i)
        where TElement : unmanaged, IBinaryInteger<TElement> where TSlot : unmanaged, IBinaryInteger<TSlot>
    {
        int count = i->Count;
        TSlot* to = (TSlot*)(warp->Registers + i->Operand[0]);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            TSlot value = default;
            for (int element = 0; element < count; element++)
                ((TElement*)&value)[element] = TElement.CreateTruncating(((uint*)(warp->Registers + i->Operand[1 + element]))[lane]);
            to[lane] = value;
        }
    }

    [MethodImpl(Now)]
    public static void UnpackHalves(Warp* warp, Instruction* i)
    {
        var from = (Vector512<uint>*)(warp->Registers + i->Operand[2]);
        Vector512<uint> first = from[0], second = from[1];
        Templates.Store(warp, i->Operand[0], 0, first & Vector512.Create(0xffffu));
        Templates.Store(warp, i->Operand[0], 1, second & Vector512.Create(0xffffu));
        Templates.Store(warp, i->Operand[1], 0, first >> 16);
        Templates.Store(warp, i->Operand[1], 1, second >> 16);
    }

    [MethodImpl(Now)]
    public static void PackHalves(Warp* warp, Instruction* i)
    {
        Vector512<uint>* low = (Vector512<uint>*)(warp->Registers + i->Operand[1]), high = (Vector512<uint>*)(warp->Registers + i->Operand[2]);
        for (int part = 0; part < 2; part++)
            Templates.Store(warp, i->Operand[0], part, (low[part] & Vector512.Create(0xffffu)) | (high[part] << 16));
    }

    /// <summary>bfi: destination, a, b, position, length.</summary>
    [MethodImpl(Now)]
    public static void Insert<T>(Warp* warp, Instruction* i) where T : unmanaged, IBinaryInteger<T>, IUnsignedNumber<T>
    {
        T* to = (T*)(warp->Registers + i->Operand[0]), a = (T*)(warp->Registers + i->Operand[1]), b = (T*)(warp->Registers + i->Operand[2]);
        uint* position = (uint*)(warp->Registers + i->Operand[3]), length = (uint*)(warp->Registers + i->Operand[4]);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            to[lane] = InsertField.Of(a[lane], b[lane], position[lane], length[lane]);
        }
    }

    /// <summary>lop3: <see cref="Instruction.Immediate"/> is the table.</summary>
    [MethodImpl(Now)]
    public static void Logic(Warp* warp, Instruction* i)
    {
        var a = (Vector512<uint>*)(warp->Registers + i->Operand[1]);
        var b = (Vector512<uint>*)(warp->Registers + i->Operand[2]);
        var c = (Vector512<uint>*)(warp->Registers + i->Operand[3]);
        for (int part = 0; part < 2; part++)
        {
            var result = Vector512<uint>.Zero;
            for (int row = 0; row < 8; row++)
                if ((i->Immediate >> row & 1) != 0)
                    result |= ((row & 4) != 0 ? a[part] : ~a[part]) & ((row & 2) != 0 ? b[part] : ~b[part]) & ((row & 1) != 0 ? c[part] : ~c[part]);
            Templates.Store(warp, i->Operand[0], part, result);
        }
    }

    /// <summary>A clock: the instructions that the warp has run, which is the same in every run.</summary>
    [MethodImpl(Now)]
    public static void Clock<T>(Warp* warp, Instruction* i) where T : unmanaged, IBinaryInteger<T>
    {
        T* to = (T*)(warp->Registers + i->Operand[0]);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
            to[BitOperations.TrailingZeroCount(mask)] = T.CreateTruncating(long.MaxValue - warp->Budget);
    }

    /// <summary>isspacep: whether a generic address lies in the window that begins at <see cref="Instruction.Immediate"/>; 0 for global.</summary>
    [MethodImpl(Now)]
    public static void IsSpace(Warp* warp, Instruction* i)
    {
        ulong* addresses = (ulong*)(warp->Registers + i->Operand[1]);
        uint holds = 0;
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            bool inside = i->Immediate == 0 ? addresses[lane] - warp->MemoryAddress < warp->MemoryBytes
                : addresses[lane] - (ulong)i->Immediate < AddressMap.Window;
            if (inside) holds |= 1u << lane;
        }
        Templates.StorePredicate(warp, i->Operand[0], holds);
    }
}
