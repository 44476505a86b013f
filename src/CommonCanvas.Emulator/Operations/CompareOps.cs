using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace CommonCanvas.Emulator.Operations;

// Comparisons. Of floating-point numbers, the plain ones are false and the ones with -U true where an operand is not a number.

internal struct Equal<T> : ICompare<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => Vector512.Equals(a, b); }
internal struct Less<T> : ICompare<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => Vector512.LessThan(a, b); }
internal struct LessOrEqual<T> : ICompare<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => Vector512.LessThanOrEqual(a, b); }
internal struct Greater<T> : ICompare<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => Vector512.GreaterThan(a, b); }
internal struct GreaterOrEqual<T> : ICompare<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => Vector512.GreaterThanOrEqual(a, b); }

/// <summary>The negation: <c>ne</c> of integers, and <c>neu</c>, <c>ltu</c> and so on as negations of the opposite.</summary>
internal struct Opposite<T, TOp> : ICompare<T> where TOp : struct, ICompare<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => ~TOp.Of(a, b);
}

/// <summary>Both are numbers (<c>num</c>).</summary>
internal struct Ordered<T> : ICompare<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => Vector512.Equals(a, a) & Vector512.Equals(b, b);
}

/// <summary>Not equal, and both numbers (<c>ne</c> of floating point).</summary>
internal struct OrderedNotEqual<T> : ICompare<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => Ordered<T>.Of(a, b) & ~Vector512.Equals(a, b);
}

/// <summary>Compares after flushing subnormal operands to zero.</summary>
internal struct CompareFlushed<TOp> : ICompare<float> where TOp : struct, ICompare<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> a, Vector512<float> b) => TOp.Of(Binary32.Flush(a), Binary32.Flush(b));
}

/// <summary>Compares signed halves of lanes.</summary>
internal struct CompareShort<TOp> : ICompare<int> where TOp : struct, ICompare<int>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Of(Vector512<int> a, Vector512<int> b) => TOp.Of((a << 16) >> 16, (b << 16) >> 16);
}

/// <summary>Compares unsigned halves of lanes.</summary>
internal struct CompareUShort<TOp> : ICompare<uint> where TOp : struct, ICompare<uint>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a, Vector512<uint> b) => TOp.Of(a & Vector512.Create(0xffffu), b & Vector512.Create(0xffffu));
}

/// <summary>Compares 16-bit floating-point numbers.</summary>
internal struct CompareHalf<TFormat, TOp> : ICompare<uint> where TFormat : struct, IFormat16 where TOp : struct, ICompare<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a, Vector512<uint> b) => TOp.Of(TFormat.Widen(a), TFormat.Widen(b)).AsUInt32();
}
