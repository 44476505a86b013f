namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>Numbers at which floating-point arithmetic goes wrong: zeros, subnormal and extreme ones, infinities, what is no number.</summary>
internal static class EdgeValues
{
    /// <summary>Directions of rounding.</summary>
    public static readonly string[] Modes = ["rn", "rz", "rm", "rp"];

    public static readonly ulong[] Singles =
    [
        0, 0x80000000, 1, 0x80000001, 0x007fffff, 0x807fffff, 0x00800000, 0x3f800000, 0xbf800000, 0x3f800001, 0x40490fdb, 0xc2f6e979,
        0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f800001, 0x33800000, 0x33800001, 0x4b000001,
    ];

    public static readonly ulong[] Halves =
        [0, 0x8000, 1, 0x8001, 0x03ff, 0x0400, 0x3c00, 0xbc00, 0x3c01, 0x4248, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00, 0x1400, 0x1001, 0xabcd, 0x6401];

    public static readonly ulong[] BFloats =
        [0, 0x8000, 1, 0x807f, 0x0080, 0x3f80, 0xbf80, 0x3f81, 0x4049, 0x7f7f, 0xff7f, 0x7f80, 0xff80, 0x7fc0, 0x3380, 0x3b81, 0x4301, 0xc2f7];

    public static readonly ulong[] Doubles =
    [
        0, 0x8000000000000000, 1, 0x000fffffffffffff, 0x3ff0000000000000, 0xbff0000000000001, 0x400921fb54442d18, 0x7fefffffffffffff,
        0x7ff0000000000000, 0xfff0000000000000, 0x36a0000000000000, 0x380fffffffffffff, 0x41dfffffffc00000, 0xc1e0000000200000, 0x43e0000000000000, 0x47f0000000000000,
        0x8000000000000003, 0x0010000000000000, 0xffefffffffffffff, 0x7ff8000000000000, 0xfff0000000000001, 0x0018000000000001, 0x1ff8000000000003, 0xa00fffffffffffff,
    ];

    /// <summary>Fewer of them for three operands.</summary>
    public static ulong[] Few(ulong[] all, int operands) => operands < 3 ? all : [.. all.Where((_, i) => i % 2 == 0 || i == 1)];

    /// <summary>The values for an operand.</summary>
    public static ulong[] Values(char letter, int operands) => Few(letter switch { 'q' => Doubles, 'h' => Halves, _ => Singles }, operands);

    /// <summary>The relations of floating-point numbers, by how two compare; null where one is no number.</summary>
    public static readonly (string Name, Func<int?, bool> Holds)[] Relations =
    [
        ("eq", c => c == 0), ("ne", c => c is not (null or 0)), ("lt", c => c < 0), ("le", c => c <= 0), ("gt", c => c > 0), ("ge", c => c >= 0),
        ("equ", c => c is null or 0), ("neu", c => c != 0), ("ltu", c => c is null or < 0), ("leu", c => c is null or <= 0), ("gtu", c => c is null or > 0),
        ("geu", c => c is null or >= 0), ("num", c => c is not null), ("nan", c => c is null),
    ];

    /// <summary>The smaller or larger; a number before what is none, unless that is propagated.</summary>
    public static ulong Extreme(FloatFormat format, ulong a, ulong b, bool least, bool propagate)
    {
        if (format.IsNaN(a) || format.IsNaN(b)) return propagate || (format.IsNaN(a) && format.IsNaN(b)) ? format.NaN : format.IsNaN(a) ? b : a;
        if (format.IsZero(a) && format.IsZero(b)) return least ? a | b : a & b;
        return format.Compare(a, b) < 0 == least ? a : b;
    }

    /// <summary>The same of the magnitudes, with the product's sign.</summary>
    public static ulong SignedExtreme(FloatFormat format, ulong a, ulong b, bool least, bool propagate)
    {
        ulong magnitude = Extreme(format, a & ~format.Sign, b & ~format.Sign, least, propagate);
        return format.IsNaN(magnitude) ? format.NaN : magnitude | ((a ^ b) & format.Sign);
    }
}
