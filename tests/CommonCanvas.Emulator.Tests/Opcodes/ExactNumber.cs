using System.Numerics;

namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>A binary floating-point format.</summary>
/// <param name="Bits">All bits.</param>
/// <param name="Mantissa">Bits of the mantissa that are stored.</param>
internal sealed record FloatFormat(int Bits, int Mantissa)
{
    public static readonly FloatFormat F16 = new(16, 10), BF16 = new(16, 7), F32 = new(32, 23), F64 = new(64, 52);

    int ExponentBits => Bits - 1 - Mantissa;

    int Bias => (1 << (ExponentBits - 1)) - 1;

    int Least => 1 - Bias - Mantissa;

    public ulong Sign => 1ul << (Bits - 1);

    public ulong Infinity => ((1ul << ExponentBits) - 1) << Mantissa;

    /// <summary>All ones but the sign: 0x7fffffff.</summary>
    public ulong NaN => Sign - 1;

    public bool IsNaN(ulong v) => (v & (Sign - 1)) > Infinity;

    public bool IsInfinite(ulong v) => (v & (Sign - 1)) == Infinity;

    public bool IsNegative(ulong v) => (v & Sign) != 0;

    public bool IsZero(ulong v) => (v & (Sign - 1)) == 0;

    public bool IsSubnormal(ulong v) => (v & Infinity) == 0 && !IsZero(v);

    /// <summary>Clamps to [0, 1]; what is not a number becomes 0.</summary>
    public ulong Clamp(ulong v)
    {
        ulong one = Round((1, 0), "rn");
        return IsNaN(v) || IsNegative(v) ? 0 : Compare(v, one) > 0 ? one : v;
    }

    public ulong Flush(ulong v) => IsSubnormal(v) ? v & Sign : v;

    /// <summary>The exact value of a finite number: mantissa and power of two.</summary>
    public (BigInteger Mantissa, int Exponent) Read(ulong v)
    {
        int exponent = (int)((v & Infinity) >> Mantissa);
        var mantissa = new BigInteger(v & ((1ul << Mantissa) - 1)) + (exponent == 0 ? 0 : BigInteger.One << Mantissa);
        return (IsNegative(v) ? -mantissa : mantissa, Math.Max(exponent, 1) - 1 + Least);
    }

    /// <summary>Rounds an exact value: rn, rz, rm or rp. A zero is negative where <paramref name="negativeZero"/>.</summary>
    public ulong Round((BigInteger Mantissa, int Exponent) value, string mode, bool negativeZero = false)
    {
        bool negative = value.Mantissa.Sign < 0 || (value.Mantissa.IsZero && negativeZero);
        var magnitude = BigInteger.Abs(value.Mantissa);
        int length = (int)magnitude.GetBitLength(), exponent = Math.Max(value.Exponent + length - Mantissa - 1, Least), shift = exponent - value.Exponent;
        BigInteger kept = shift > 0 ? magnitude >> shift : magnitude << -shift, rest = shift > 0 ? magnitude - (kept << shift) : 0, half = shift > 0 ? BigInteger.One << (shift - 1) : 1;
        bool up = mode switch
        {
            "rn" => rest > half || (rest == half && !kept.IsEven),
            "rm" => negative && !rest.IsZero,
            "rp" => !negative && !rest.IsZero,
            _ => false,
        };
        if (up) kept++;
        if (kept.GetBitLength() > Mantissa + 1)
        {
            kept >>= 1;
            exponent++;
        }
        ulong sign = negative ? Sign : 0;
        if (kept.GetBitLength() <= Mantissa) return sign | (ulong)kept;
        int biased = exponent - Least + 1;
        if (biased < (1 << ExponentBits) - 1) return sign | (ulong)biased << Mantissa | (ulong)(kept - (BigInteger.One << Mantissa));
        bool stays = mode is "rz" || (mode is "rm" && !negative) || (mode is "rp" && negative);
        return sign | (stays ? Infinity - 1 : Infinity);
    }

    /// <summary>a * b + c, rounded once, by the rules of IEEE 754.</summary>
    public ulong Fused(ulong a, ulong b, ulong c, string mode)
    {
        if (IsNaN(a) || IsNaN(b) || IsNaN(c)) return NaN;
        ulong sign = (a ^ b) & Sign;
        if (IsInfinite(a) || IsInfinite(b))
            return IsZero(a) || IsZero(b) || (IsInfinite(c) && (c & Sign) != sign) ? NaN : sign | Infinity;
        if (IsInfinite(c)) return c;
        var (ma, ea) = Read(a);
        var (mb, eb) = Read(b);
        var sum = Sum((ma * mb, ea + eb), Read(c));
        bool bothNegative = sign != 0 && IsNegative(c), oneNegative = sign != 0 != IsNegative(c);
        bool exactCancel = sum.Mantissa.IsZero && (bothNegative || (oneNegative && mode == "rm"));
        return Round(sum, mode, exactCancel);
    }

    /// <summary>a + b.</summary>
    public ulong Add(ulong a, ulong b, string mode) => Fused(a, Round((1, 0), "rn"), b, mode);

    /// <summary>a * b.</summary>
    public ulong Multiply(ulong a, ulong b, string mode) => Fused(a, b, ((a ^ b) & Sign) != 0 ? Sign : 0, mode);

    /// <summary>a / b.</summary>
    public ulong Divide(ulong a, ulong b, string mode)
    {
        ulong sign = (a ^ b) & Sign;
        if (IsNaN(a) || IsNaN(b) || (IsInfinite(a) && IsInfinite(b)) || (IsZero(a) && IsZero(b))) return NaN;
        if (IsInfinite(a) || IsZero(b)) return sign | Infinity;
        if (IsInfinite(b) || IsZero(a)) return sign;
        const int Extra = 200;
        var (ma, ea) = Read(a);
        var (mb, eb) = Read(b);
        var quotient = BigInteger.DivRem(BigInteger.Abs(ma) << Extra, BigInteger.Abs(mb), out var rest);
        quotient = quotient * 2 + (rest.IsZero ? 0 : 1);
        return Round((sign != 0 ? -quotient : quotient, ea - eb - Extra - 1), mode);
    }

    /// <summary>The square root.</summary>
    public ulong SquareRoot(ulong a, string mode)
    {
        if (IsZero(a)) return a;
        if (IsNaN(a) || IsNegative(a)) return NaN;
        if (IsInfinite(a)) return a;
        const int Extra = 200;
        var (mantissa, exponent) = Read(a);
        if ((exponent & 1) != 0) (mantissa, exponent) = (mantissa * 2, exponent - 1);
        var scaled = mantissa << (2 * Extra);
        var root = Root(scaled);
        return Round((root * 2 + (root * root == scaled ? 0 : 1), exponent / 2 - Extra - 1), mode);
    }

    /// <summary>The nearest integer in a direction: rni, rzi, rmi or rpi. A zero keeps the sign.</summary>
    public ulong Integral(ulong v, string mode)
    {
        if (IsNaN(v) || IsInfinite(v)) return v;
        return Round((WholePart(v, mode), 0), "rn", IsNegative(v));
    }

    /// <summary>The same as a number of unlimited width, of a finite one.</summary>
    public BigInteger WholePart(ulong v, string mode)
    {
        var (mantissa, exponent) = Read(v);
        if (exponent >= 0) return mantissa << exponent;
        var floor = mantissa >> -exponent;
        var rest = mantissa - (floor << -exponent);
        var half = BigInteger.One << (-exponent - 1);
        return mode switch
        {
            "rmi" => floor,
            "rpi" => rest.IsZero ? floor : floor + 1,
            "rzi" => mantissa.Sign < 0 && !rest.IsZero ? floor + 1 : floor,
            _ => rest > half || (rest == half && !floor.IsEven) ? floor + 1 : floor,
        };
    }

    static BigInteger Root(BigInteger v)
    {
        var x = BigInteger.One << (int)((v.GetBitLength() + 1) / 2);
        for (var next = (x + v / x) / 2; next < x; next = (x + v / x) / 2) x = next;
        return x;
    }

    static (BigInteger Mantissa, int Exponent) Sum((BigInteger Mantissa, int Exponent) a, (BigInteger Mantissa, int Exponent) b)
    {
        int exponent = Math.Min(a.Exponent, b.Exponent);
        return ((a.Mantissa << (a.Exponent - exponent)) + (b.Mantissa << (b.Exponent - exponent)), exponent);
    }

    /// <summary>The order of two numbers; null where one is none.</summary>
    public int? Compare(ulong a, ulong b)
    {
        if (IsNaN(a) || IsNaN(b)) return null;
        long Key(ulong v) => IsNegative(v) ? -(long)(v & (Sign - 1)) : (long)(v & (Sign - 1));
        return Key(a).CompareTo(Key(b));
    }
}
