using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace CommonCanvas.Emulator.Operations;

// Integer arithmetic. A 16-bit operation reads the low half of its operands and leaves the upper half of its result undefined.

internal struct Add<T> : IVector2<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => a + b; }
internal struct Subtract<T> : IVector2<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => a - b; }
internal struct Multiply<T> : IVector2<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => a * b; }
internal struct MultiplyAdd<T> : IVector3<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a, Vector512<T> b, Vector512<T> c) => a * b + c; }
internal struct And<T> : IVector2<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => a & b; }
internal struct Or<T> : IVector2<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => a | b; }
internal struct ExclusiveOr<T> : IVector2<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => a ^ b; }
internal struct Not<T> : IVector1<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a) => ~a; }
internal struct Copy<T> : IVector1<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a) => a; }
internal struct Negate<T> : IVector1<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a) => Vector512<T>.Zero - a; }
internal struct Absolute<T> : IVector1<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a) => Vector512.Abs(a); }
internal struct Minimum<T> : IVector2<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => Vector512.Min(a, b); }
internal struct Maximum<T> : IVector2<T> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<T> Of(Vector512<T> a, Vector512<T> b) => Vector512.Max(a, b); }

/// <summary>not.b32's relation with a predicate: <c>cnot</c>, one where the operand is zero.</summary>
internal struct IsZero<T> : ILane1<T, T> where T : INumberBase<T> { public static T Of(T a) => T.IsZero(a) ? T.One : T.Zero; }

/// <summary>Operations of 16 bits in the low half of a lane.</summary>
internal struct Half16<TOp, T> : ILane2<uint, ushort2, ushort2> where TOp : struct, ILane2<T, T, T> where T : unmanaged, IBinaryInteger<T>
{
    public static uint Of(ushort2 a, ushort2 b) => (ushort)ushort.CreateTruncating(TOp.Of(T.CreateTruncating(a.Low), T.CreateTruncating(b.Low)));
}

/// <summary>A lane of 4 bytes of which the low half counts.</summary>
internal readonly struct ushort2
{
    public readonly ushort Low;
    readonly ushort high;

    public ushort2(ushort low) => (Low, high) = (low, 0);

    public override string ToString() => $"{high:x4}{Low:x4}";
}

/// <summary>Shifts left; an amount beyond the width gives zero.</summary>
internal struct ShiftLeft32 : IVector2<uint>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a, Vector512<uint> b)
    {
        if (Avx512F.IsSupported) return Avx512F.ShiftLeftLogicalVariable(a, b);
        for (int lane = 0; lane < 16; lane++) a = a.WithElement(lane, b[lane] > 31 ? 0 : a[lane] << (int)b[lane]);
        return a;
    }
}

/// <summary>Shifts right without sign; an amount beyond the width gives zero.</summary>
internal struct ShiftRight32 : IVector2<uint>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a, Vector512<uint> b)
    {
        if (Avx512F.IsSupported) return Avx512F.ShiftRightLogicalVariable(a, b);
        for (int lane = 0; lane < 16; lane++) a = a.WithElement(lane, b[lane] > 31 ? 0 : a[lane] >> (int)b[lane]);
        return a;
    }
}

/// <summary>Shifts right with the sign; an amount beyond the width gives the sign in every bit.</summary>
internal struct ShiftRightSigned32 : IVector2<int>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Of(Vector512<int> a, Vector512<int> b)
    {
        if (Avx512F.IsSupported) return Avx512F.ShiftRightArithmeticVariable(a, b.AsUInt32());
        for (int lane = 0; lane < 16; lane++) a = a.WithElement(lane, a[lane] >> (int)Math.Min((uint)b[lane], 31));
        return a;
    }
}

internal struct ShiftLeft64 : ILane2<ulong, ulong, uint> { public static ulong Of(ulong a, uint b) => b > 63 ? 0 : a << (int)b; }
internal struct ShiftRight64 : ILane2<ulong, ulong, uint> { public static ulong Of(ulong a, uint b) => b > 63 ? 0 : a >> (int)b; }
internal struct ShiftRightSigned64 : ILane2<long, long, uint> { public static long Of(long a, uint b) => a >> (int)Math.Min(b, 63); }
internal struct ShiftLeft16 : ILane2<uint, uint, uint> { public static uint Of(uint a, uint b) => b > 15 ? 0u : (ushort)(a << (int)b); }
internal struct ShiftRight16 : ILane2<uint, uint, uint> { public static uint Of(uint a, uint b) => b > 15 ? 0 : (uint)(ushort)a >> (int)b; }
internal struct ShiftRightSigned16 : ILane2<uint, uint, uint> { public static uint Of(uint a, uint b) => (ushort)((short)(ushort)a >> (int)Math.Min(b, 15)); }

/// <summary>Divides; by zero gives all ones, as the hardware does.</summary>
internal struct Divide<T> : ILane2<T, T, T> where T : IBinaryInteger<T>
{
    public static T Of(T a, T b) => T.IsZero(b) ? T.Zero - T.One : b == T.Zero - T.One && T.IsNegative(b) ? T.Zero - a : a / b;
}

/// <summary>Remainder, with the sign of the dividend; by zero gives the dividend.</summary>
internal struct Remainder<T> : ILane2<T, T, T> where T : IBinaryInteger<T>
{
    public static T Of(T a, T b) => T.IsZero(b) ? a : b == T.Zero - T.One && T.IsNegative(b) ? T.Zero : a % b;
}

internal struct LaneAdd<T> : ILane2<T, T, T> where T : INumber<T> { public static T Of(T a, T b) => unchecked(a + b); }
internal struct LaneSubtract<T> : ILane2<T, T, T> where T : INumber<T> { public static T Of(T a, T b) => unchecked(a - b); }
internal struct LaneMultiply<T> : ILane2<T, T, T> where T : INumber<T> { public static T Of(T a, T b) => unchecked(a * b); }
internal struct LaneMinimum<T> : ILane2<T, T, T> where T : INumber<T> { public static T Of(T a, T b) => a < b ? a : b; }
internal struct LaneMaximum<T> : ILane2<T, T, T> where T : INumber<T> { public static T Of(T a, T b) => a > b ? a : b; }

/// <summary>Adds and clamps to the range of a signed word.</summary>
internal struct AddSaturated : ILane2<int, int, int> { public static int Of(int a, int b) => (int)Math.Clamp((long)a + b, int.MinValue, int.MaxValue); }

/// <summary>Subtracts and clamps to the range of a signed word.</summary>
internal struct SubtractSaturated : ILane2<int, int, int> { public static int Of(int a, int b) => (int)Math.Clamp((long)a - b, int.MinValue, int.MaxValue); }

/// <summary>The upper half of the product.</summary>
internal struct MultiplyHigh<T, TWide> : ILane2<T, T, T> where T : unmanaged, IBinaryInteger<T> where TWide : IBinaryInteger<TWide>
{
    public static unsafe T Of(T a, T b) => T.CreateTruncating((TWide.CreateTruncating(a) * TWide.CreateTruncating(b)) >> (8 * sizeof(T)));
}

/// <summary>The upper half of the product, plus c.</summary>
internal struct MultiplyHighAdd<T, TWide> : ILane3<T, T, T, T> where T : unmanaged, IBinaryInteger<T> where TWide : IBinaryInteger<TWide>
{
    public static T Of(T a, T b, T c) => unchecked(MultiplyHigh<T, TWide>.Of(a, b) + c);
}

/// <summary>The whole product.</summary>
internal struct MultiplyWide<TWide, T> : ILane2<TWide, T, T> where T : IBinaryInteger<T> where TWide : IBinaryInteger<TWide>
{
    public static TWide Of(T a, T b) => TWide.CreateTruncating(a) * TWide.CreateTruncating(b);
}

/// <summary>The whole product, plus c.</summary>
internal struct MultiplyWideAdd<TWide, T> : ILane3<TWide, T, T, TWide> where T : IBinaryInteger<T> where TWide : IBinaryInteger<TWide>
{
    public static TWide Of(T a, T b, TWide c) => unchecked(TWide.CreateTruncating(a) * TWide.CreateTruncating(b) + c);
}

/// <summary>The product of the low 24 bits, its low word.</summary>
internal struct Multiply24 : ILane2<uint, uint, uint> { public static uint Of(uint a, uint b) => (a & 0xffffff) * (b & 0xffffff); }

/// <summary>The product of the low 24 bits with sign, its low word.</summary>
internal struct Multiply24Signed : ILane2<int, int, int> { public static int Of(int a, int b) => (a << 8 >> 8) * (b << 8 >> 8); }

/// <summary>The product of the low 24 bits without its low 16 bits.</summary>
internal struct Multiply24High<T> : ILane2<T, T, T> where T : IBinaryInteger<T>
{
    public static T Of(T a, T b) => T.CreateTruncating((long.CreateTruncating(a << 8 >> 8) * long.CreateTruncating(b << 8 >> 8)) >> 16);
}

/// <summary>A product plus c.</summary>
internal struct PlusC<TOp, T> : ILane3<T, T, T, T> where TOp : struct, ILane2<T, T, T> where T : IBinaryInteger<T>
{
    public static T Of(T a, T b, T c) => unchecked(TOp.Of(a, b) + c);
}

/// <summary>c + |a - b|.</summary>
internal struct SumOfAbsoluteDifferences<T> : ILane3<T, T, T, T> where T : IBinaryInteger<T>
{
    public static T Of(T a, T b, T c) => unchecked(c + (a < b ? b - a : a - b));
}

/// <summary>The whole product of two halves.</summary>
internal struct WideHalf<T, TWide> : ILane2<uint, ushort2, ushort2> where T : IBinaryInteger<T> where TWide : IBinaryInteger<TWide>
{
    public static uint Of(ushort2 a, ushort2 b) =>
        uint.CreateTruncating(TWide.CreateTruncating(T.CreateTruncating(a.Low)) * TWide.CreateTruncating(T.CreateTruncating(b.Low)));
}

/// <summary>The whole product of two halves, plus c.</summary>
internal struct WideHalfAdd<T, TWide> : ILane3<uint, ushort2, ushort2, uint> where T : IBinaryInteger<T> where TWide : IBinaryInteger<TWide>
{
    public static uint Of(ushort2 a, ushort2 b, uint c) => WideHalf<T, TWide>.Of(a, b) + c;
}

internal struct AbsoluteShort : ILane1<uint, uint> { public static uint Of(uint a) => (ushort)((short)a < 0 ? -(short)a : (short)a); }

internal struct IsZeroHalf : ILane1<uint, uint> { public static uint Of(uint a) => (ushort)a == 0 ? 1u : 0; }
