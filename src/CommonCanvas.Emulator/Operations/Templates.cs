using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Operations;

#pragma warning disable CA1000 // static members on generic types are what makes an operation a type

/// <summary>An operation of one operand, a vector of lanes at a time.</summary>
internal interface IVector1<T> { static abstract Vector512<T> Of(Vector512<T> a); }

/// <summary>An operation of two operands, a vector of lanes at a time.</summary>
internal interface IVector2<T> { static abstract Vector512<T> Of(Vector512<T> a, Vector512<T> b); }

/// <summary>An operation of three operands, a vector of lanes at a time.</summary>
internal interface IVector3<T> { static abstract Vector512<T> Of(Vector512<T> a, Vector512<T> b, Vector512<T> c); }

/// <summary>A comparison: all ones where it holds.</summary>
internal interface ICompare<T> { static abstract Vector512<T> Of(Vector512<T> a, Vector512<T> b); }

/// <summary>An operation of one operand, lane by lane.</summary>
internal interface ILane1<TResult, T> { static abstract TResult Of(T a); }

/// <summary>An operation of two operands, lane by lane.</summary>
internal interface ILane2<TResult, T1, T2> { static abstract TResult Of(T1 a, T2 b); }

/// <summary>An operation of three operands, lane by lane.</summary>
internal interface ILane3<TResult, T1, T2, T3> { static abstract TResult Of(T1 a, T2 b, T3 c); }

/// <summary>An operation of predicates.</summary>
internal interface IPredicate2 { static abstract uint Of(uint a, uint b); }

/// <summary>
/// Handlers that apply an operation, given as a type, to all active lanes. A lane takes 4 or 8 bytes by the operand's type;
/// 16-bit registers use the low half of 4 bytes, whose upper half is not defined.
/// </summary>
internal static unsafe class Templates
{
    const MethodImplOptions Now = MethodImplOptions.AggressiveOptimization;

    /// <summary>Writes part <paramref name="part"/> of a result, active lanes only.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(Warp* warp, int operand, int part, Vector512<T> value) where T : unmanaged
    {
        var to = (Vector512<T>*)(warp->Registers + operand) + part;
        if (warp->Mask != Warp.All)
        {
            byte* mask = warp->Registers + (sizeof(T) == 4 ? 0 : Warp.WideMask);
            value = Vector512.ConditionalSelect(((Vector512<T>*)mask)[part], value, *to);
        }
        *to = value;
    }

    /// <summary>Writes a predicate, active lanes only.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePredicate(Warp* warp, int operand, uint value)
    {
        uint* to = (uint*)(warp->Registers + operand);
        *to = (value & warp->Mask) | (*to & ~warp->Mask);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector512<T>* At<T>(Warp* warp, int operand) where T : unmanaged => (Vector512<T>*)(warp->Registers + operand);

    [MethodImpl(Now)]
    public static void Vector<T, TOp>(Warp* warp, Instruction* i) where T : unmanaged where TOp : struct, IVector1<T>
    {
        var a = At<T>(warp, i->Operand[1]);
        for (int part = 0; part < sizeof(T) / 2; part++) Store(warp, i->Operand[0], part, TOp.Of(a[part]));
    }

    [MethodImpl(Now)]
    public static void Vector2<T, TOp>(Warp* warp, Instruction* i) where T : unmanaged where TOp : struct, IVector2<T>
    {
        Vector512<T>* a = At<T>(warp, i->Operand[1]), b = At<T>(warp, i->Operand[2]);
        for (int part = 0; part < sizeof(T) / 2; part++) Store(warp, i->Operand[0], part, TOp.Of(a[part], b[part]));
    }

    [MethodImpl(Now)]
    public static void Vector3<T, TOp>(Warp* warp, Instruction* i) where T : unmanaged where TOp : struct, IVector3<T>
    {
        Vector512<T>* a = At<T>(warp, i->Operand[1]), b = At<T>(warp, i->Operand[2]), c = At<T>(warp, i->Operand[3]);
        for (int part = 0; part < sizeof(T) / 2; part++) Store(warp, i->Operand[0], part, TOp.Of(a[part], b[part], c[part]));
    }

    [MethodImpl(Now)]
    public static void Lane<TResult, T, TOp>(Warp* warp, Instruction* i)
        where TResult : unmanaged where T : unmanaged where TOp : struct, ILane1<TResult, T>
    {
        var to = (TResult*)(warp->Registers + i->Operand[0]);
        var a = (T*)(warp->Registers + i->Operand[1]);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            to[lane] = TOp.Of(a[lane]);
        }
    }

    [MethodImpl(Now)]
    public static void Lane2<TResult, T1, T2, TOp>(Warp* warp, Instruction* i)
        where TResult : unmanaged where T1 : unmanaged where T2 : unmanaged where TOp : struct, ILane2<TResult, T1, T2>
    {
        var to = (TResult*)(warp->Registers + i->Operand[0]);
        var a = (T1*)(warp->Registers + i->Operand[1]);
        var b = (T2*)(warp->Registers + i->Operand[2]);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            to[lane] = TOp.Of(a[lane], b[lane]);
        }
    }

    [MethodImpl(Now)]
    public static void Lane3<TResult, T1, T2, T3, TOp>(Warp* warp, Instruction* i)
        where TResult : unmanaged where T1 : unmanaged where T2 : unmanaged where T3 : unmanaged
        where TOp : struct, ILane3<TResult, T1, T2, T3>
    {
        var to = (TResult*)(warp->Registers + i->Operand[0]);
        var a = (T1*)(warp->Registers + i->Operand[1]);
        var b = (T2*)(warp->Registers + i->Operand[2]);
        var c = (T3*)(warp->Registers + i->Operand[3]);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            to[lane] = TOp.Of(a[lane], b[lane], c[lane]);
        }
    }

    /// <summary>
    /// setp: operands are the destination, the second destination (the negation), a, b and the predicate to combine with.
    /// <see cref="Instruction.Option"/> holds <see cref="Combination"/>.
    /// </summary>
    [MethodImpl(Now)]
    public static void Compare<T, TOp>(Warp* warp, Instruction* i) where T : unmanaged where TOp : struct, ICompare<T>
    {
        Vector512<T>* a = At<T>(warp, i->Operand[2]), b = At<T>(warp, i->Operand[3]);
        uint holds = 0;
        for (int part = 0; part < sizeof(T) / 2; part++)
            holds |= (uint)TOp.Of(a[part], b[part]).ExtractMostSignificantBits() << (part * (64 / sizeof(T)));
        uint not = ~holds;
        if (i->Option != 0)
        {
            uint other = *(uint*)(warp->Registers + i->Operand[4]) ^ ((i->Option & Combination.Negated) != 0 ? uint.MaxValue : 0);
            (holds, not) = (i->Option & Combination.Kind) switch
            {
                Combination.And => (holds & other, not & other),
                Combination.Or => (holds | other, not | other),
                _ => (holds ^ other, not ^ other),
            };
        }
        StorePredicate(warp, i->Operand[0], holds);
        if (i->Operand[1] >= 0) StorePredicate(warp, i->Operand[1], not);
    }

    [MethodImpl(Now)]
    public static void Predicate<TOp>(Warp* warp, Instruction* i) where TOp : struct, IPredicate2 =>
        StorePredicate(warp, i->Operand[0], TOp.Of(*(uint*)(warp->Registers + i->Operand[1]), *(uint*)(warp->Registers + i->Operand[2])));

    /// <summary>testp: whether each lane's number has a property.</summary>
    [MethodImpl(Now)]
    public static void Property<T, TOp>(Warp* warp, Instruction* i) where T : unmanaged where TOp : struct, IProperty<T>
    {
        T* a = (T*)(warp->Registers + i->Operand[1]);
        uint holds = 0;
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            if (TOp.Of(a[lane])) holds |= 1u << lane;
        }
        StorePredicate(warp, i->Operand[0], holds);
    }

    /// <summary>selp: a where the predicate holds, else b.</summary>
    [MethodImpl(Now)]
    public static void Select<T>(Warp* warp, Instruction* i) where T : unmanaged
    {
        T* to = (T*)(warp->Registers + i->Operand[0]), a = (T*)(warp->Registers + i->Operand[1]), b = (T*)(warp->Registers + i->Operand[2]);
        uint chosen = *(uint*)(warp->Registers + i->Operand[3]);
        for (uint mask = warp->Mask; mask != 0; mask &= mask - 1)
        {
            int lane = BitOperations.TrailingZeroCount(mask);
            to[lane] = (chosen >> lane & 1) != 0 ? a[lane] : b[lane];
        }
    }

    /// <summary>Restricts the active lanes to those whose guard holds, for the instruction that follows.</summary>
    [MethodImpl(Now)]
    public static void BeginGuard(Warp* warp, Instruction* i)
    {
        warp->Unguarded = warp->Mask;
        uint guard = *(uint*)(warp->Registers + i->Operand[0]) ^ (uint)i->Option;
        if ((guard & warp->Mask) != warp->Mask) Warp.SetMask(warp, warp->Mask & guard);
    }

    /// <summary>Activates all lanes again.</summary>
    [MethodImpl(Now)]
    public static void EndGuard(Warp* warp, Instruction* i)
    {
        if (warp->Mask != warp->Unguarded) Warp.SetMask(warp, warp->Unguarded);
    }
}

/// <summary>How setp and set combine a comparison with a predicate: flags of <see cref="Instruction.Option"/>.</summary>
internal static class Combination
{
    public const int And = 1, Or = 2, Xor = 3, Kind = 3, Negated = 4;
}
