using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace CommonCanvas.Emulator.Operations;

// Double precision, rounded to nearest. Payloads of what is not a number are those of the host.

internal struct DivideD : IVector2<double> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<double> Of(Vector512<double> a, Vector512<double> b) => a / b; }
internal struct FusedD : IVector3<double> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<double> Of(Vector512<double> a, Vector512<double> b, Vector512<double> c) => Vector512.FusedMultiplyAdd(a, b, c); }
internal struct SqrtD : IVector1<double> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<double> Of(Vector512<double> a) => Vector512.Sqrt(a); }
internal struct ReciprocalD : IVector1<double> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<double> Of(Vector512<double> a) => Vector512<double>.One / a; }
internal struct ReciprocalSqrtD : IVector1<double> { [MethodImpl(MethodImplOptions.AggressiveInlining)] public static Vector512<double> Of(Vector512<double> a) => Vector512<double>.One / Vector512.Sqrt(a); }
internal struct NegateD : ILane1<ulong, ulong> { public static ulong Of(ulong a) => a ^ 1ul << 63; }
internal struct AbsoluteD : ILane1<ulong, ulong> { public static ulong Of(ulong a) => a & ~(1ul << 63); }

/// <summary>The smaller; a number before what is none.</summary>
internal struct MinimumD : ILane2<double, double, double> { public static double Of(double a, double b) => double.MinNumber(a, b); }

/// <summary>The larger; a number before what is none.</summary>
internal struct MaximumD : ILane2<double, double, double> { public static double Of(double a, double b) => double.MaxNumber(a, b); }

/// <summary>
/// 1 / a from the upper word of a, flushed, the lower word of the result zero (<c>rcp.approx.ftz.f64</c>).
/// </summary>
internal struct ReciprocalUpperD : ILane1<ulong, ulong>
{
    public static ulong Of(ulong a) => UpperWord.Of(1 / BitConverter.UInt64BitsToDouble(UpperWord.Flush(a)));
}

/// <summary>1 / sqrt(a) in the same way (<c>rsqrt.approx.ftz.f64</c>).</summary>
internal struct ReciprocalSqrtUpperD : ILane1<ulong, ulong>
{
    public static ulong Of(ulong a) => UpperWord.Of(1 / Math.Sqrt(BitConverter.UInt64BitsToDouble(UpperWord.Flush(a))));
}

internal static class UpperWord
{
    const ulong Mask = 0xffffffff00000000, Sign = 1ul << 63, Exponent = 0x7ff0000000000000;

    /// <summary>The upper word; zero of its sign where that is subnormal.</summary>
    public static ulong Flush(ulong a) => (a & Exponent) == 0 ? a & Sign : a & Mask;

    /// <summary>The result's upper word, flushed; a number that is none has all ones there.</summary>
    public static ulong Of(double result) => double.IsNaN(result) ? 0x7fffffff00000000 : Flush(BitConverter.DoubleToUInt64Bits(result));
}
