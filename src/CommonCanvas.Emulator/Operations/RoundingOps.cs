namespace CommonCanvas.Emulator.Operations;

// Rounding other than to nearest. The exact result is held as a double and the error of its last addition.

/// <summary>A direction of rounding.</summary>
internal interface IRounding
{
    /// <summary>Whether a result that lies above (below) the exact value may stay there.</summary>
    static abstract bool Allows(bool above, bool exactIsNegative);

    /// <summary>Rounds to an integer in this direction.</summary>
    static abstract double Integral(double a);
}

internal struct ToNearest : IRounding
{
    public static bool Allows(bool above, bool exactIsNegative) => true;
    public static double Integral(double a) => Math.Round(a, MidpointRounding.ToEven);
}

internal struct TowardZero : IRounding
{
    public static bool Allows(bool above, bool exactIsNegative) => above == exactIsNegative;
    public static double Integral(double a) => Math.Truncate(a);
}

internal struct Down : IRounding
{
    public static bool Allows(bool above, bool exactIsNegative) => !above;
    public static double Integral(double a) => Math.Floor(a);
}

internal struct Up : IRounding
{
    public static bool Allows(bool above, bool exactIsNegative) => above;
    public static double Integral(double a) => Math.Ceiling(a);
}

/// <summary>Rounding of exact values.</summary>
internal static class Exact
{
    /// <summary>The error of the sum s = a + b: a + b = s + error exactly (Knuth's TwoSum).</summary>
    public static double ErrorOfSum(double a, double b, double s)
    {
        double other = s - a;
        return (a - (s - other)) + (b - other);
    }

    /// <summary>The zero that a + b is: negative where both are, and, rounding down, where one is.</summary>
    public static float Zero<TRounding>(double a, double b) where TRounding : struct, IRounding
    {
        bool one = double.IsNegative(a) || double.IsNegative(b), both = double.IsNegative(a) && double.IsNegative(b);
        return both || (one && typeof(TRounding) == typeof(Down)) ? -0f : 0f;
    }

    /// <summary>Rounds value + error to single precision.</summary>
    public static float ToSingle<TRounding>(double value, double error) where TRounding : struct, IRounding
    {
        if (double.IsNaN(value)) return BitConverter.UInt32BitsToSingle(Binary32.NaN);
        float nearest = (float)value;
        if (double.IsInfinity(value)) return nearest;
        if (float.IsInfinity(nearest))
            return TRounding.Allows(above: nearest > 0, exactIsNegative: value < 0) ? nearest : float.CopySign(float.MaxValue, nearest);
        double over = (nearest - value) - (double.IsNaN(error) ? 0 : error);
        if (over == 0 || TRounding.Allows(over > 0, value < 0)) return nearest;
        float rounded = over > 0 ? float.BitDecrement(nearest) : float.BitIncrement(nearest);
        return rounded == 0 ? float.CopySign(0, (float)value) : rounded;
    }

    /// <summary>
    /// Rounds value + error so that a later rounding to a shorter format is the rounding of the exact value: an inexact
    /// result gets an odd last bit (Boldo and Melquiond, Emulation of FMA and correctly rounded sums, 2008).
    /// </summary>
    public static double ToOdd(double value, double error)
    {
        if (error == 0 || double.IsNaN(error) || double.IsInfinity(value)) return value;
        long bits = BitConverter.DoubleToInt64Bits(value);
        if ((bits & 1) != 0) return value;
        return BitConverter.Int64BitsToDouble(error > 0 == value > 0 ? bits + 1 : bits - 1);
    }

    /// <summary>The same for a single-precision value.</summary>
    public static float ToOdd32(float value, double error)
    {
        if (error == 0 || double.IsNaN(error) || float.IsInfinity(value)) return value;
        int bits = BitConverter.SingleToInt32Bits(value);
        if ((bits & 1) != 0) return value;
        if (value == 0) return float.CopySign(float.Epsilon, (float)Math.Sign(error));
        return BitConverter.Int32BitsToSingle(error > 0 == value > 0 ? bits + 1 : bits - 1);
    }
}

internal struct AddDirected<TRounding> : ILane2<float, float, float> where TRounding : struct, IRounding
{
    public static float Of(float a, float b)
    {
        double sum = (double)a + b;
        return sum == 0 ? Exact.Zero<TRounding>(a, b) : Exact.ToSingle<TRounding>(sum, Exact.ErrorOfSum(a, b, sum));
    }
}

internal struct SubtractDirected<TRounding> : ILane2<float, float, float> where TRounding : struct, IRounding
{
    public static float Of(float a, float b) => AddDirected<TRounding>.Of(a, float.IsNaN(b) ? b : -b);
}

internal struct MultiplyDirected<TRounding> : ILane2<float, float, float> where TRounding : struct, IRounding
{
    public static float Of(float a, float b) => Exact.ToSingle<TRounding>((double)a * b, 0);
}

internal struct DivideDirected<TRounding> : ILane2<float, float, float> where TRounding : struct, IRounding
{
    public static float Of(float a, float b)
    {
        double quotient = (double)a / b, remainder = Math.FusedMultiplyAdd(-quotient, b, a);
        return Exact.ToSingle<TRounding>(quotient, b == 0 || float.IsInfinity(b) ? 0 : remainder / b);
    }
}

internal struct SqrtDirected<TRounding> : ILane1<float, float> where TRounding : struct, IRounding
{
    public static float Of(float a)
    {
        double root = Math.Sqrt(a), remainder = Math.FusedMultiplyAdd(-root, root, a);
        return Exact.ToSingle<TRounding>(root, root == 0 || double.IsInfinity(root) ? 0 : remainder / (2 * root));
    }
}

internal struct ReciprocalDirected<TRounding> : ILane1<float, float> where TRounding : struct, IRounding
{
    public static float Of(float a) => DivideDirected<TRounding>.Of(1, a);
}

internal struct FusedDirected<TRounding> : ILane3<float, float, float, float> where TRounding : struct, IRounding
{
    public static float Of(float a, float b, float c)
    {
        double product = (double)a * b, sum = product + c;
        return sum == 0 ? Exact.Zero<TRounding>(product, c) : Exact.ToSingle<TRounding>(sum, Exact.ErrorOfSum(product, c, sum));
    }
}

/// <summary>Flushes subnormal operands and results to zero (<c>.ftz</c>).</summary>
internal struct FlushLane1<TOp> : ILane1<float, float> where TOp : struct, ILane1<float, float>
{
    public static float Of(float a) => Binary32.Flush(TOp.Of(Binary32.Flush(a)));
}

internal struct FlushLane2<TOp> : ILane2<float, float, float> where TOp : struct, ILane2<float, float, float>
{
    public static float Of(float a, float b) => Binary32.Flush(TOp.Of(Binary32.Flush(a), Binary32.Flush(b)));
}

internal struct FlushLane3<TOp> : ILane3<float, float, float, float> where TOp : struct, ILane3<float, float, float, float>
{
    public static float Of(float a, float b, float c) => Binary32.Flush(TOp.Of(Binary32.Flush(a), Binary32.Flush(b), Binary32.Flush(c)));
}
