using System.Numerics;
using System.Runtime.CompilerServices;
using System.Threading;
using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Operations;

/// <summary>What an atomic operation makes of the old value.</summary>
internal interface IAtomic<T> { static abstract T Of(T old, T b, T c); }

internal struct AtomicAdd<T> : IAtomic<T> where T : IBinaryInteger<T> { public static T Of(T old, T b, T c) => unchecked(old + b); }
internal struct AtomicAnd<T> : IAtomic<T> where T : IBinaryInteger<T> { public static T Of(T old, T b, T c) => old & b; }
internal struct AtomicOr<T> : IAtomic<T> where T : IBinaryInteger<T> { public static T Of(T old, T b, T c) => old | b; }
internal struct AtomicXor<T> : IAtomic<T> where T : IBinaryInteger<T> { public static T Of(T old, T b, T c) => old ^ b; }
internal struct AtomicExchange<T> : IAtomic<T> { public static T Of(T old, T b, T c) => b; }
internal struct AtomicCompareExchange<T> : IAtomic<T> where T : IBinaryInteger<T> { public static T Of(T old, T b, T c) => old == b ? c : old; }
internal struct AtomicIncrement : IAtomic<uint> { public static uint Of(uint old, uint b, uint c) => old >= b ? 0 : old + 1; }
internal struct AtomicDecrement : IAtomic<uint> { public static uint Of(uint old, uint b, uint c) => old == 0 || old > b ? b : old - 1; }

/// <summary>The smaller, compared as <typeparamref name="TAs"/>.</summary>
internal struct AtomicMinimum<T, TAs> : IAtomic<T> where T : IBinaryInteger<T> where TAs : IBinaryInteger<TAs>
{
    public static T Of(T old, T b, T c) => TAs.CreateTruncating(b) < TAs.CreateTruncating(old) ? b : old;
}

/// <summary>The larger, compared as <typeparamref name="TAs"/>.</summary>
internal struct AtomicMaximum<T, TAs> : IAtomic<T> where T : IBinaryInteger<T> where TAs : IBinaryInteger<TAs>
{
    public static T Of(T old, T b, T c) => TAs.CreateTruncating(b) > TAs.CreateTruncating(old) ? b : old;
}

/// <summary>Adds single-precision numbers; in global memory subnormal operands and results are flushed to zero.</summary>
internal struct AtomicAddSingle : IAtomic<uint>
{
    public static uint Of(uint old, uint b, uint c) => BitConverter.SingleToUInt32Bits(
        Binary32.Canonical(BitConverter.UInt32BitsToSingle(old) + BitConverter.UInt32BitsToSingle(b)));
}

internal struct AtomicAddSingleFlushed : IAtomic<uint>
{
    public static uint Of(uint old, uint b, uint c) => BitConverter.SingleToUInt32Bits(Binary32.Flush(Binary32.Canonical(
        Binary32.Flush(BitConverter.UInt32BitsToSingle(old)) + Binary32.Flush(BitConverter.UInt32BitsToSingle(b)))));
}

internal struct AtomicAddDouble : IAtomic<ulong>
{
    public static ulong Of(ulong old, ulong b, ulong c) => BitConverter.DoubleToUInt64Bits(BitConverter.UInt64BitsToDouble(old) + BitConverter.UInt64BitsToDouble(b));
}

/// <summary>Adds two 16-bit numbers.</summary>
internal struct AtomicAddPacked<TFloat> : IAtomic<uint> where TFloat : struct, IFloat<uint>
{
    public static uint Of(uint old, uint b, uint c) => Sum(old & 0xffff, b & 0xffff) | Sum(old >> 16, b >> 16) << 16;

    static uint Sum(uint a, uint b) => TFloat.Write<ToNearest>((float)(TFloat.Read(a) + TFloat.Read(b)));
}

/// <summary>Adds one 16-bit number.</summary>
internal struct AtomicAddHalf<TFloat> : IAtomic<ushort> where TFloat : struct, IFloat<uint>
{
    public static ushort Of(ushort old, ushort b, ushort c) => (ushort)TFloat.Write<ToNearest>((float)(TFloat.Read(old) + TFloat.Read(b)));
}

/// <summary>
/// atom and red: operand 0 the old value (or negative for red), 1 and 2 the operands, <see cref="Instruction.Address"/> the
/// address. Lanes take turns in their order.
/// </summary>
internal static unsafe class AtomicOps
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Update<TMonitor, TSpace, T, TOp>(Warp* warp, Instruction* i)
        where TMonitor : struct, IMonitor where TSpace : struct, ISpace where T : unmanaged where TOp : struct, IAtomic<T>
    {
        if (warp->Mask == 0) return;
        byte** pointers = stackalloc byte*[Warp.Lanes];
        TSpace.Resolve(warp, i, i->Operand[Instruction.Address], i->Immediate, sizeof(T), pointers);
        TMonitor.On<TSpace>(warp, i, pointers, sizeof(T), Access.Atomic);
        int stride = Math.Max(sizeof(T), 4);
        byte* to = i->Operand[0] < 0 ? null : warp->Registers + i->Operand[0];
        byte* b = warp->Registers + i->Operand[1], c = warp->Registers + i->Operand[2];
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            T old = Exchange<T, TOp>((T*)pointers[lane], *(T*)(b + lane * stride), *(T*)(c + lane * stride));
            if (to != null) *(T*)(to + lane * stride) = old;
        }
        TMonitor.Changed<TSpace>(warp, pointers, sizeof(T));
    }

    static T Exchange<T, TOp>(T* at, T b, T c) where T : unmanaged where TOp : struct, IAtomic<T>
    {
        while (true)
        {
            if (sizeof(T) == 8)
            {
                ulong seen = Volatile.Read(ref *(ulong*)at);
                T next = TOp.Of(Unsafe.BitCast<ulong, T>(seen), b, c);
                if (Interlocked.CompareExchange(ref *(ulong*)at, Unsafe.BitCast<T, ulong>(next), seen) == seen) return Unsafe.BitCast<ulong, T>(seen);
            }
            else if (sizeof(T) == 4)
            {
                uint seen = Volatile.Read(ref *(uint*)at);
                T next = TOp.Of(Unsafe.BitCast<uint, T>(seen), b, c);
                if (Interlocked.CompareExchange(ref *(uint*)at, Unsafe.BitCast<T, uint>(next), seen) == seen) return Unsafe.BitCast<uint, T>(seen);
            }
            else
            {
                ushort seen = Volatile.Read(ref *(ushort*)at);
                T next = TOp.Of(Unsafe.BitCast<ushort, T>(seen), b, c);
                if (Interlocked.CompareExchange(ref *(ushort*)at, Unsafe.BitCast<T, ushort>(next), seen) == seen) return Unsafe.BitCast<ushort, T>(seen);
            }
        }
    }
}
