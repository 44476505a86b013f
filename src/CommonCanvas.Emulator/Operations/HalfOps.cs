using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace CommonCanvas.Emulator.Operations;

/// <summary>A 16-bit floating-point format in the low half of a lane.</summary>
internal interface IFormat16
{
    /// <summary>Single precision; the upper half of the operand is ignored.</summary>
    static abstract Vector512<float> Widen(Vector512<uint> a);

    /// <summary>Rounds to nearest even; what is not a number becomes 0x7fff. The upper half is zero.</summary>
    static abstract Vector512<uint> Narrow(Vector512<float> a);
}

/// <summary>IEEE binary16.</summary>
internal struct F16 : IFormat16
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Widen(Vector512<uint> a)
    {
        // the exponent's bias differs by 112; the product also normalises subnormal numbers
        var magnitude = a & Vector512.Create(0x7fffu);
        var value = ((magnitude << 13).AsSingle() * Vector512.Create(0x77800000u).AsSingle()).AsUInt32();
        value |= Vector512.GreaterThanOrEqual(magnitude, Vector512.Create(0x7c00u)) & Vector512.Create(0x7f800000u);
        return (value | ((a & Vector512.Create(0x8000u)) << 16)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Narrow(Vector512<float> a)
    {
        var bits = a.AsUInt32();
        var magnitude = bits & Vector512.Create(0x7fffffffu);
        var normal = (magnitude + Vector512.Create(0xc8000fffu) + ((magnitude >> 13) & Vector512<uint>.One)) >> 13;
        // adding 0.5 rounds at a subnormal half's last place
        var subnormal = (magnitude.AsSingle() + Vector512.Create(0.5f)).AsUInt32() - Vector512.Create(0x3f000000u);
        var result = Vector512.ConditionalSelect(Vector512.LessThan(magnitude, Vector512.Create(0x38800000u)), subnormal, normal);
        result = Vector512.ConditionalSelect(Vector512.GreaterThanOrEqual(magnitude, Vector512.Create(0x47800000u)), Vector512.Create(0x7c00u), result);
        result |= (bits >> 16) & Vector512.Create(0x8000u);
        return Vector512.ConditionalSelect(Vector512.GreaterThan(magnitude, Vector512.Create(0x7f800000u)), Vector512.Create(0x7fffu), result);
    }
}

/// <summary>IEEE binary16 whose subnormal numbers are taken for zeros of their sign, and become such (<c>.ftz</c>).</summary>
internal struct F16Flushed : IFormat16
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Widen(Vector512<uint> a) => F16.Widen(Flush(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Narrow(Vector512<float> a) => Flush(F16.Narrow(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Flush(Vector512<uint> a) =>
        a & (Vector512.Create(0x8000u) | ~Vector512.Equals(a & Vector512.Create(0x7c00u), Vector512<uint>.Zero));
}

/// <summary>The upper half of a single-precision number.</summary>
internal struct BF16 : IFormat16
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Widen(Vector512<uint> a) => (a << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Narrow(Vector512<float> a)
    {
        var bits = a.AsUInt32();
        var rounded = (bits + Vector512.Create(0x7fffu) + ((bits >> 16) & Vector512<uint>.One)) >> 16;
        return Vector512.ConditionalSelect(Vector512.Equals(a, a).AsUInt32(), rounded, Vector512.Create(0x7fffu));
    }
}

// An operation of single precision, rounded once more to 16 bits: exact for +, - and *, as 24 >= 2 * 11 + 2 bits.
// The low half of a lane, or (Packed) both.

internal struct Half1<TFormat, TOp> : IVector1<uint> where TFormat : struct, IFormat16 where TOp : struct, IVector1<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a) => TFormat.Narrow(TOp.Of(TFormat.Widen(a)));
}

internal struct Half2<TFormat, TOp> : IVector2<uint> where TFormat : struct, IFormat16 where TOp : struct, IVector2<float>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a, Vector512<uint> b) => TFormat.Narrow(TOp.Of(TFormat.Widen(a), TFormat.Widen(b)));
}

internal struct Packed1<TOp> : IVector1<uint> where TOp : struct, IVector1<uint>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a) => TOp.Of(a) | (TOp.Of(a >> 16) << 16);
}

internal struct Packed2<TOp> : IVector2<uint> where TOp : struct, IVector2<uint>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a, Vector512<uint> b) => TOp.Of(a, b) | (TOp.Of(a >> 16, b >> 16) << 16);
}

internal struct Packed3<TOp> : IVector3<uint> where TOp : struct, IVector3<uint>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a, Vector512<uint> b, Vector512<uint> c) =>
        TOp.Of(a, b, c) | (TOp.Of(a >> 16, b >> 16, c >> 16) << 16);
}

internal struct NegateHalf : IVector1<uint> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<uint> Of(Vector512<uint> a) => (a & Vector512.Create(0xffffu)) ^ Vector512.Create(0x8000u); }
internal struct AbsoluteHalf : IVector1<uint> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<uint> Of(Vector512<uint> a) => a & Vector512.Create(0x7fffu); }

/// <summary>Flushes the operand first (<c>.ftz</c>).</summary>
internal struct FlushHalf1<TOp> : IVector1<uint> where TOp : struct, IVector1<uint>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a) => TOp.Of(F16Flushed.Flush(a));
}

/// <summary>a * b + c of binary16, rounded once: the product is exact in single precision, the sum is rounded to odd first.</summary>
internal struct FusedHalf<TFormat> : IVector3<uint> where TFormat : struct, IFormat16
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a, Vector512<uint> b, Vector512<uint> c)
    {
        var product = TFormat.Widen(a) * TFormat.Widen(b);
        var addend = TFormat.Widen(c);
        var sum = product + addend;
        var other = sum - product;
        var error = (product - (sum - other)) + (addend - other);
        var bits = sum.AsUInt32();
        var inexact = Vector512.GreaterThan(Vector512.Abs(error), Vector512<float>.Zero).AsUInt32()
            & Vector512.Equals(bits & Vector512<uint>.One, Vector512<uint>.Zero);
        var sameSign = Vector512.Equals((bits ^ error.AsUInt32()) >> 31, Vector512<uint>.Zero);
        var odd = bits + Vector512.ConditionalSelect(sameSign, Vector512<uint>.One, Vector512<uint>.AllBitsSet);
        return TFormat.Narrow(Vector512.ConditionalSelect(inexact, odd, bits).AsSingle());
    }
}

/// <summary>a * b + c of bfloat16, rounded once; its range needs double precision.</summary>
internal struct FusedBFloat : ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b, uint c)
    {
        double product = (double)Value(a) * Value(b), addend = Value(c), sum = product + addend;
        return Round(Exact.ToOdd(sum, Exact.ErrorOfSum(product, addend, sum)));
    }

    static float Value(uint a) => BitConverter.UInt32BitsToSingle(a << 16);

    static uint Round(double value)
    {
        float odd = (float)value;
        odd = Exact.ToOdd32(odd, value - odd);
        uint bits = BitConverter.SingleToUInt32Bits(odd);
        return float.IsNaN(odd) ? 0x7fffu : bits + 0x7fff + (bits >> 16 & 1) >> 16;
    }
}

internal struct FusedBFloatPositive : ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b, uint c) => FusedBFloat.Of(a, b, c) is var result && (result & 0x8000) != 0 ? 0 : result;
}

internal struct FusedBFloatPackedPositive : ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b, uint c) => FusedBFloatPositive.Of(a, b, c) | FusedBFloatPositive.Of(a >> 16, b >> 16, c >> 16) << 16;
}

internal struct FusedBFloatPacked : ILane3<uint, uint, uint, uint>
{
    public static uint Of(uint a, uint b, uint c) => FusedBFloat.Of(a, b, c) | FusedBFloat.Of(a >> 16, b >> 16, c >> 16) << 16;
}

/// <summary>Clamps negative results of a fused operation to zero (<c>.relu</c>).</summary>
internal struct PositiveHalf3<TOp> : IVector3<uint> where TOp : struct, IVector3<uint>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a, Vector512<uint> b, Vector512<uint> c)
    {
        var result = TOp.Of(a, b, c);
        return result & Vector512.Equals(result & Vector512.Create(0x8000u), Vector512<uint>.Zero);
    }
}

/// <summary>Clamps results of a fused operation to [0, 1]; what is not a number becomes 0 (<c>.sat</c>).</summary>
internal struct SaturatedHalf3<TOp> : IVector3<uint> where TOp : struct, IVector3<uint>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a, Vector512<uint> b, Vector512<uint> c)
    {
        // as unsigned words, infinity is the largest number that is positive
        var result = TOp.Of(a, b, c);
        result &= Vector512.LessThanOrEqual(result, Vector512.Create(0x7c00u));
        return Vector512.Min(result, Vector512.Create(0x3c00u));
    }
}
