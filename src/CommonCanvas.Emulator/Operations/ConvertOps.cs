using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace CommonCanvas.Emulator.Operations;

/// <summary>Between integers: read as TFrom, truncated to TTo and extended by its sign to the register.</summary>
internal struct ConvertInteger<TToSlot, TTo, TFromSlot, TFrom> : ILane1<TToSlot, TFromSlot>
    where TToSlot : IBinaryInteger<TToSlot> where TTo : IBinaryInteger<TTo> where TFromSlot : IBinaryInteger<TFromSlot> where TFrom : IBinaryInteger<TFrom>
{
    public static TToSlot Of(TFromSlot a) => TToSlot.CreateTruncating(TTo.CreateTruncating(TFrom.CreateTruncating(a)));
}

/// <summary>The same, clamped to TTo's range (<c>.sat</c>).</summary>
internal struct ConvertSaturated<TToSlot, TTo, TFromSlot, TFrom> : ILane1<TToSlot, TFromSlot>
    where TToSlot : IBinaryInteger<TToSlot> where TTo : IBinaryInteger<TTo> where TFromSlot : IBinaryInteger<TFromSlot> where TFrom : IBinaryInteger<TFrom>
{
    public static TToSlot Of(TFromSlot a) => TToSlot.CreateTruncating(TTo.CreateSaturating(TFrom.CreateTruncating(a)));
}

/// <summary>A floating-point format in a register of type TSlot.</summary>
internal interface IFloat<TSlot>
{
    static abstract double Read(TSlot a);

    /// <summary>Rounds value.</summary>
    static abstract TSlot Write<TRounding>(double value) where TRounding : struct, IRounding;
}

internal struct FloatF64 : IFloat<ulong>
{
    public static double Read(ulong a) => BitConverter.UInt64BitsToDouble(a);
    public static ulong Write<TRounding>(double value) where TRounding : struct, IRounding => BitConverter.DoubleToUInt64Bits(value);
}

internal struct FloatF32 : IFloat<uint>
{
    public static double Read(uint a) => BitConverter.UInt32BitsToSingle(a);
    public static uint Write<TRounding>(double value) where TRounding : struct, IRounding => BitConverter.SingleToUInt32Bits(Exact.ToSingle<TRounding>(value, 0));
}

internal struct FloatF16 : IFloat<uint>
{
    public static double Read(uint a) => (double)BitConverter.UInt16BitsToHalf((ushort)a);

    public static uint Write<TRounding>(double value) where TRounding : struct, IRounding
    {
        if (double.IsNaN(value)) return 0x7fff;
        var nearest = (Half)value;
        double over = (double)nearest - value;
        if (over == 0 || double.IsInfinity(value) || TRounding.Allows(over > 0, value < 0)) return BitConverter.HalfToUInt16Bits(nearest);
        var rounded = over > 0 ? Half.BitDecrement(nearest) : Half.BitIncrement(nearest);
        return (uint)(BitConverter.HalfToUInt16Bits(rounded) & 0x7fff) | (double.IsNegative(value) ? 0x8000u : 0);
    }
}

internal struct FloatBF16 : IFloat<uint>
{
    public static double Read(uint a) => BitConverter.UInt32BitsToSingle(a << 16);

    public static uint Write<TRounding>(double value) where TRounding : struct, IRounding
    {
        if (double.IsNaN(value)) return 0x7fff;
        if (typeof(TRounding) == typeof(ToNearest))
        {
            float odd = (float)value;
            uint bits = BitConverter.SingleToUInt32Bits(Exact.ToOdd32(odd, value - odd));
            return bits + 0x7fff + (bits >> 16 & 1) >> 16;
        }
        uint zero = BitConverter.SingleToUInt32Bits(Exact.ToSingle<TowardZero>(value, 0)) >> 16;
        bool exact = Read(zero) == value, negative = double.IsNegative(value);
        return exact || TRounding.Allows(above: negative, exactIsNegative: negative) ? zero : zero + 1;
    }
}

/// <summary>A single-precision number whose mantissa has 10 bits, rounded to nearest, ties away from zero.</summary>
internal struct ToTensorFloat : ILane1<uint, uint>
{
    public static uint Of(uint a) => (a & 0x7fffffff) > 0x7f800000 ? Binary32.NaN : (a & 0x7f800000) == 0x7f800000 ? a : a + 0x1000 & 0xffffe000;
}

/// <summary>The same, ties to even.</summary>
internal struct ToTensorFloatEven : ILane1<uint, uint>
{
    public static uint Of(uint a) => (a & 0x7fffffff) > 0x7f800000 ? Binary32.NaN : (a & 0x7f800000) == 0x7f800000 ? a : a + 0xfff + (a >> 13 & 1) & 0xffffe000;
}

/// <summary>The same, toward zero.</summary>
internal struct ToTensorFloatCut : ILane1<uint, uint>
{
    public static uint Of(uint a) => (a & 0x7fffffff) > 0x7f800000 ? Binary32.NaN : a & 0xffffe000;
}

/// <summary>Clamps negative results to zero (<c>.relu</c>).</summary>
internal struct PositiveTensorFloat<TOp> : ILane1<uint, uint> where TOp : struct, ILane1<uint, uint>
{
    public static uint Of(uint a) => TOp.Of(a) is var result && (result & Binary32.Sign) != 0 ? 0 : result;
}

/// <summary>Two converted numbers in a lane: a above, b below.</summary>
internal struct PackConverted<TOp> : ILane2<uint, uint, uint> where TOp : struct, ILane1<uint, uint>
{
    public static uint Of(uint a, uint b) => TOp.Of(a) << 16 | TOp.Of(b);
}

/// <summary>Between floating-point formats.</summary>
internal struct ConvertFloat<TToSlot, TTo, TFromSlot, TFrom, TRounding> : ILane1<TToSlot, TFromSlot>
    where TTo : struct, IFloat<TToSlot> where TFrom : struct, IFloat<TFromSlot> where TRounding : struct, IRounding
{
    public static TToSlot Of(TFromSlot a) => TTo.Write<TRounding>(TFrom.Read(a));
}

/// <summary>Rounds to an integer that stays a floating-point number.</summary>
internal struct RoundToIntegral<TSlot, TFormat, TRounding> : ILane1<TSlot, TSlot>
    where TFormat : struct, IFloat<TSlot> where TRounding : struct, IRounding
{
    public static TSlot Of(TSlot a) => TFormat.Write<ToNearest>(TRounding.Integral(TFormat.Read(a)));
}

/// <summary>To an integer, clamped to its range; what is not a number becomes 0.</summary>
internal struct FloatToInteger<TToSlot, TTo, TFromSlot, TFrom, TRounding> : ILane1<TToSlot, TFromSlot>
    where TToSlot : IBinaryInteger<TToSlot> where TTo : IBinaryInteger<TTo> where TFrom : struct, IFloat<TFromSlot> where TRounding : struct, IRounding
{
    public static TToSlot Of(TFromSlot a) => TToSlot.CreateTruncating(TTo.CreateSaturating(TRounding.Integral(TFrom.Read(a))));
}

/// <summary>From an integer.</summary>
internal struct IntegerToFloat<TToSlot, TTo, TFromSlot, TFrom, TRounding> : ILane1<TToSlot, TFromSlot>
    where TTo : struct, IFloat<TToSlot> where TFromSlot : IBinaryInteger<TFromSlot> where TFrom : unmanaged, IBinaryInteger<TFrom> where TRounding : struct, IRounding
{
    public static unsafe TToSlot Of(TFromSlot a)
    {
        var integer = TFrom.CreateTruncating(a);
        double value = double.CreateTruncating(integer);
        if (sizeof(TFrom) < 8) return TTo.Write<TRounding>(value);
        // 64 bits do not fit: what the double lacks decides its direction, or goes into its last bit for a shorter format
        Int128 rest = Int128.CreateTruncating(integer) - (Int128)value;
        if (typeof(TTo) != typeof(FloatF64)) return TTo.Write<TRounding>(Exact.ToOdd(value, (double)rest));
        if (rest == 0 || TRounding.Allows(rest < 0, value < 0)) return TTo.Write<TRounding>(value);
        return TTo.Write<TRounding>(rest < 0 ? double.BitDecrement(value) : double.BitIncrement(value));
    }
}

/// <summary>Clamps a converted number to [0, 1]; what is not a number becomes 0.</summary>
internal struct SaturateConverted<TToSlot, TTo, TFromSlot, TFrom, TRounding> : ILane1<TToSlot, TFromSlot>
    where TTo : struct, IFloat<TToSlot> where TFrom : struct, IFloat<TFromSlot> where TRounding : struct, IRounding
{
    public static TToSlot Of(TFromSlot a)
    {
        double value = TFrom.Read(a);
        return TTo.Write<TRounding>(value > 0 ? Math.Min(value, 1) : 0);
    }
}

/// <summary>Clamps a converted number at zero; what is not a number stays none (<c>.relu</c>).</summary>
internal struct ConvertPositive<TToSlot, TTo, TFromSlot, TFrom, TRounding> : ILane1<TToSlot, TFromSlot>
    where TTo : struct, IFloat<TToSlot> where TFrom : struct, IFloat<TFromSlot> where TRounding : struct, IRounding
{
    public static TToSlot Of(TFromSlot a) => TTo.Write<TRounding>(TFrom.Read(a) is var value && value <= 0 ? 0 : value);
}

/// <summary>Flushing of subnormal single-precision numbers whose type is known only as that of a register.</summary>
internal static class Subnormal
{
    public static T Flush<T>(T a)
    {
        uint bits = Unsafe.BitCast<T, uint>(a);
        return (bits & 0x7f800000) == 0 ? Unsafe.BitCast<uint, T>(bits & Binary32.Sign) : a;
    }
}

/// <summary>Flushes the operand of a conversion.</summary>
internal struct FlushFirst<TToSlot, TSlot, TOp> : ILane1<TToSlot, TSlot> where TOp : struct, ILane1<TToSlot, TSlot>
{
    public static TToSlot Of(TSlot a) => TOp.Of(Subnormal.Flush(a));
}

/// <summary>Flushes the result of a conversion.</summary>
internal struct FlushLast<TToSlot, TSlot, TOp> : ILane1<TToSlot, TSlot> where TOp : struct, ILane1<TToSlot, TSlot>
{
    public static TToSlot Of(TSlot a) => Subnormal.Flush(TOp.Of(a));
}

/// <summary>Flushes both.</summary>
internal struct FlushBoth<TToSlot, TSlot, TOp> : ILane1<TToSlot, TSlot> where TOp : struct, ILane1<TToSlot, TSlot>
{
    public static TToSlot Of(TSlot a) => Subnormal.Flush(TOp.Of(Subnormal.Flush(a)));
}

// The conversions that kernels spend time in, as vectors.

internal struct HalfToSingle<TFormat> : IVector1<uint> where TFormat : struct, IFormat16
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a) => Binary32.Canonical(TFormat.Widen(a)).AsUInt32();
}

internal struct SingleToHalf<TFormat> : IVector1<uint> where TFormat : struct, IFormat16
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a) => TFormat.Narrow(a.AsSingle());
}

/// <summary>Two numbers in a lane: a above, b below.</summary>
internal struct SinglesToPacked<TFormat> : IVector2<uint> where TFormat : struct, IFormat16
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a, Vector512<uint> b) => (TFormat.Narrow(a.AsSingle()) << 16) | TFormat.Narrow(b.AsSingle());
}

/// <summary>Two numbers in a lane, negative ones clamped at zero.</summary>
internal struct SinglesToPackedPositive<TFormat> : IVector2<uint> where TFormat : struct, IFormat16
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a, Vector512<uint> b) => SinglesToPacked<TFormat>.Of(Positive(a), Positive(b));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static Vector512<uint> Positive(Vector512<uint> a) =>
        Vector512.ConditionalSelect(Vector512.LessThanOrEqual(a.AsSingle(), Vector512<float>.Zero).AsUInt32(), Vector512<uint>.Zero, a);
}

internal struct SignedToSingle : IVector1<uint>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a) => Vector512.ConvertToSingle(a.AsInt32()).AsUInt32();
}

internal struct UnsignedToSingle : IVector1<uint>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Of(Vector512<uint> a) => Vector512.ConvertToSingle(a).AsUInt32();
}
