using System.Numerics;

namespace CommonCanvas.Emulator.Operations;

// Double precision in directions other than to nearest. The nearest result is compared with the exact one in numbers of unlimited
// width, and steps to its neighbour where it lies on the wrong side.

/// <summary>An operation of two numbers: its result to nearest and on which side of the exact value that is.</summary>
internal interface IDirected2
{
    static abstract double Nearest(double a, double b);

    /// <summary>The sign of exact - nearest, for finite operands and results.</summary>
    static abstract int Error(double a, double b, double nearest);

    /// <summary>The zero that a result is which is exactly zero.</summary>
    static abstract double Zero<TRounding>(double a, double b) where TRounding : struct, IRounding;
}

/// <summary>A number as mantissa times a power of two.</summary>
internal readonly struct Dyadic(BigInteger mantissa, int exponent)
{
    readonly BigInteger mantissa = mantissa;
    readonly int exponent = exponent;

    public int Sign => mantissa.Sign;

    public static Dyadic Of(double a)
    {
        long bits = BitConverter.DoubleToInt64Bits(a);
        int biased = (int)(bits >> 52) & 0x7ff;
        long digits = (bits & 0xfffffffffffff) | (biased == 0 ? 0 : 1L << 52);
        return new Dyadic(bits < 0 ? -digits : digits, Math.Max(biased, 1) - 1075);
    }

    public static Dyadic operator *(Dyadic a, Dyadic b) => new(a.mantissa * b.mantissa, a.exponent + b.exponent);

    public static Dyadic operator +(Dyadic a, Dyadic b)
    {
        int least = Math.Min(a.exponent, b.exponent);
        return new Dyadic((a.mantissa << (a.exponent - least)) + (b.mantissa << (b.exponent - least)), least);
    }

    public static Dyadic operator -(Dyadic a, Dyadic b) => a + new Dyadic(-b.mantissa, b.exponent);
}

internal static class DirectedDouble
{
    /// <summary>The result in a direction, from the one to nearest and the sign of exact - nearest.</summary>
    public static double Step<TRounding>(double nearest, int error) where TRounding : struct, IRounding
    {
        if (error == 0) return nearest;
        // a nearest result of zero has the exact one's sign
        bool negative = nearest == 0 ? error < 0 : nearest < 0;
        if (TRounding.Allows(above: error < 0, negative)) return nearest;
        double next = error < 0 ? Math.BitDecrement(nearest) : Math.BitIncrement(nearest);
        return next == 0 ? double.CopySign(0, negative ? -1 : 1) : next;
    }
}

/// <summary>An operation in a direction.</summary>
internal struct InDirection<TOp, TRounding> : ILane2<double, double, double> where TOp : struct, IDirected2 where TRounding : struct, IRounding
{
    public static double Of(double a, double b)
    {
        double nearest = TOp.Nearest(a, b);
        if (double.IsNaN(nearest) || !double.IsFinite(a) || !double.IsFinite(b)) return nearest;
        if (double.IsInfinity(nearest)) return TOp.Error(a, b, 0) == 0 ? nearest : DirectedDouble.Step<TRounding>(nearest, nearest > 0 ? -1 : 1);
        int error = TOp.Error(a, b, nearest);
        return nearest == 0 && error == 0 ? TOp.Zero<TRounding>(a, b) : DirectedDouble.Step<TRounding>(nearest, error);
    }
}

internal struct AddDirectedD : IDirected2
{
    public static double Nearest(double a, double b) => a + b;
    public static int Error(double a, double b, double nearest) => (Dyadic.Of(a) + Dyadic.Of(b) - Dyadic.Of(nearest)).Sign;
    public static double Zero<TRounding>(double a, double b) where TRounding : struct, IRounding => Exact.Zero<TRounding>(a, b);
}

internal struct SubtractDirectedD : IDirected2
{
    public static double Nearest(double a, double b) => a - b;
    public static int Error(double a, double b, double nearest) => (Dyadic.Of(a) - Dyadic.Of(b) - Dyadic.Of(nearest)).Sign;
    public static double Zero<TRounding>(double a, double b) where TRounding : struct, IRounding => Exact.Zero<TRounding>(a, -b);
}

internal struct MultiplyDirectedD : IDirected2
{
    public static double Nearest(double a, double b) => a * b;
    public static int Error(double a, double b, double nearest) => (Dyadic.Of(a) * Dyadic.Of(b) - Dyadic.Of(nearest)).Sign;
    public static double Zero<TRounding>(double a, double b) where TRounding : struct, IRounding => a * b;
}

internal struct DivideDirectedD : IDirected2
{
    public static double Nearest(double a, double b) => a / b;

    // a / b - q has the sign of (a - q b) b; a division by zero is exact
    public static int Error(double a, double b, double nearest) =>
        b == 0 ? 0 : (Dyadic.Of(a) - Dyadic.Of(nearest) * Dyadic.Of(b)).Sign * Math.Sign(b);

    public static double Zero<TRounding>(double a, double b) where TRounding : struct, IRounding => a / b;
}

internal struct ReciprocalDirectedD<TRounding> : ILane1<double, double> where TRounding : struct, IRounding
{
    public static double Of(double a) => InDirection<DivideDirectedD, TRounding>.Of(1, a);
}

internal struct SqrtDirectedD<TRounding> : ILane1<double, double> where TRounding : struct, IRounding
{
    public static double Of(double a)
    {
        double nearest = Math.Sqrt(a);
        return double.IsFinite(nearest) ? DirectedDouble.Step<TRounding>(nearest, (Dyadic.Of(a) - Dyadic.Of(nearest) * Dyadic.Of(nearest)).Sign) : nearest;
    }
}

internal struct FusedDirectedD<TRounding> : ILane3<double, double, double, double> where TRounding : struct, IRounding
{
    public static double Of(double a, double b, double c)
    {
        double nearest = Math.FusedMultiplyAdd(a, b, c);
        if (double.IsNaN(nearest) || !double.IsFinite(a) || !double.IsFinite(b) || !double.IsFinite(c)) return nearest;
        if (double.IsInfinity(nearest)) return DirectedDouble.Step<TRounding>(nearest, nearest > 0 ? -1 : 1);
        var exact = Dyadic.Of(a) * Dyadic.Of(b) + Dyadic.Of(c);
        if (exact.Sign != 0) return DirectedDouble.Step<TRounding>(nearest, (exact - Dyadic.Of(nearest)).Sign);
        return Exact.Zero<TRounding>(double.IsNegative(a) != double.IsNegative(b) ? -1 : 1, c);
    }
}
