namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>Floating-point instructions against exact arithmetic, rounded once, with infinities, subnormals and what is no number.</summary>
public class FloatOpcodeTests
{
    static readonly string[] Modes = ["rn", "rz", "rm", "rp"];

    static readonly ulong[] Singles =
    [
        0, 0x80000000, 1, 0x80000001, 0x007fffff, 0x807fffff, 0x00800000, 0x3f800000, 0xbf800000, 0x3f800001, 0x40490fdb, 0xc2f6e979,
        0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f800001, 0x33800000, 0x33800001, 0x4b000001,
    ];

    static readonly ulong[] Halves =
        [0, 0x8000, 1, 0x8001, 0x03ff, 0x0400, 0x3c00, 0xbc00, 0x3c01, 0x4248, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00, 0x1400, 0x1001, 0xabcd, 0x6401];

    static readonly ulong[] BFloats =
        [0, 0x8000, 1, 0x807f, 0x0080, 0x3f80, 0xbf80, 0x3f81, 0x4049, 0x7f7f, 0xff7f, 0x7f80, 0xff80, 0x7fc0, 0x3380, 0x3b81, 0x4301, 0xc2f7];

    static readonly ulong[] Doubles =
    [
        0, 0x8000000000000000, 1, 0x000fffffffffffff, 0x3ff0000000000000, 0xbff0000000000001, 0x400921fb54442d18, 0x7fefffffffffffff,
        0x7ff0000000000000, 0xfff0000000000000, 0x36a0000000000000, 0x380fffffffffffff, 0x41dfffffffc00000, 0xc1e0000000200000, 0x43e0000000000000, 0x47f0000000000000,
    ];

    static ulong[] Few(ulong[] all, int operands) => operands < 3 ? all : [.. all.Where((_, i) => i % 2 == 0 || i == 1)];

    static ulong[] Values(char letter, int operands) => Few(letter switch { 'q' => Doubles, 'h' => Halves, _ => Singles }, operands);

    static readonly FloatFormat F = FloatFormat.F32;

    static ulong Clamp(ulong v) => F.IsNaN(v) || F.IsNegative(v) ? 0 : F.Compare(v, 0x3f800000) > 0 ? 0x3f800000 : v;

    static IEnumerable<OpcodeForm> WithFlush(string opcode, string shape, Func<ulong[], ulong> of) =>
    [
        new($"{opcode}.f32", shape, of),
        new($"{opcode}.ftz.f32", shape, o => F.Flush(of([.. o.Select(F.Flush)]))),
    ];

    [Fact]
    public void Single_precision_in_every_rounding() => OpcodeBench.Check(Modes.SelectMany(mode => (IEnumerable<OpcodeForm>)
    [
        .. WithFlush($"add.{mode}", "www", o => F.Add(o[0], o[1], mode)),
        .. WithFlush($"sub.{mode}", "www", o => F.Add(o[0], F.IsNaN(o[1]) ? o[1] : o[1] ^ F.Sign, mode)),
        .. WithFlush($"mul.{mode}", "www", o => F.Multiply(o[0], o[1], mode)),
        .. WithFlush($"fma.{mode}", "wwww", o => F.Fused(o[0], o[1], o[2], mode)),
        .. WithFlush($"div.{mode}", "www", o => F.Divide(o[0], o[1], mode)),
        .. WithFlush($"rcp.{mode}", "ww", o => F.Divide(0x3f800000, o[0], mode)),
        .. WithFlush($"sqrt.{mode}", "ww", o => F.SquareRoot(o[0], mode)),
    ]), Values);

    static ulong Extreme(FloatFormat format, ulong a, ulong b, bool least, bool propagate)
    {
        if (format.IsNaN(a) || format.IsNaN(b)) return propagate || (format.IsNaN(a) && format.IsNaN(b)) ? format.NaN : format.IsNaN(a) ? b : a;
        if (format.IsZero(a) && format.IsZero(b)) return least ? a | b : a & b;
        return format.Compare(a, b) < 0 == least ? a : b;
    }

    [Fact]
    public void Single_precision_minimum_maximum_sign_and_saturation() => OpcodeBench.Check(
    [
        .. WithFlush("min", "www", o => Extreme(F, o[0], o[1], true, false)), .. WithFlush("max", "www", o => Extreme(F, o[0], o[1], false, false)),
        new("min.NaN.f32", "www", o => Extreme(F, o[0], o[1], true, true)), new("max.NaN.f32", "www", o => Extreme(F, o[0], o[1], false, true)),
        new("neg.f32", "ww", o => o[0] ^ F.Sign), new("abs.f32", "ww", o => o[0] & ~F.Sign),
        new("add.sat.f32", "www", o => Clamp(F.Add(o[0], o[1], "rn"))), new("mul.sat.f32", "www", o => Clamp(F.Multiply(o[0], o[1], "rn"))),
        new("fma.rn.sat.f32", "wwww", o => Clamp(F.Fused(o[0], o[1], o[2], "rn"))), new("copysign.f32", "www", o => (o[1] & ~F.Sign) | (o[0] & F.Sign)),
    ], Values);

    static readonly (string Name, Func<int?, bool> Holds)[] Relations =
    [
        ("eq", c => c == 0), ("ne", c => c is not (null or 0)), ("lt", c => c < 0), ("le", c => c <= 0), ("gt", c => c > 0), ("ge", c => c >= 0),
        ("equ", c => c is null or 0), ("neu", c => c != 0), ("ltu", c => c is null or < 0), ("leu", c => c is null or <= 0), ("gtu", c => c is null or > 0),
        ("geu", c => c is null or >= 0), ("num", c => c is not null), ("nan", c => c is null),
    ];

    [Fact]
    public void Comparisons() => OpcodeBench.Check(Relations.SelectMany(relation => (OpcodeForm[])
    [
        new($"setp.{relation.Name}.f32", "pww", o => relation.Holds(F.Compare(o[0], o[1])) ? 1ul : 0),
        new($"setp.{relation.Name}.ftz.f32", "pww", o => relation.Holds(F.Compare(F.Flush(o[0]), F.Flush(o[1]))) ? 1ul : 0),
        new($"setp.{relation.Name}.f64", "pqq", o => relation.Holds(FloatFormat.F64.Compare(o[0], o[1])) ? 1ul : 0),
        new($"setp.{relation.Name}.f16", "phh", o => relation.Holds(FloatFormat.F16.Compare(o[0], o[1])) ? 1ul : 0),
    ]), Values);

    [Theory]
    [InlineData("f16"), InlineData("bf16")]
    public void Sixteen_bits(string type)
    {
        var format = type == "f16" ? FloatFormat.F16 : FloatFormat.BF16;
        ulong[] all = type == "f16" ? Halves : BFloats;
        IEnumerable<OpcodeForm> Both(string opcode, int operands, Func<ulong[], ulong> of) =>
        [
            new($"{opcode}.{type}", new string('h', operands + 1), of),
            new($"{opcode}.{type}x2", new string('w', operands + 1), o => of([.. o.Select(v => v & 0xffff)]) | of([.. o.Select(v => v >> 16)]) << 16),
        ];
        OpcodeBench.Check(
        [
            .. Both("add.rn", 2, o => format.Add(o[0], o[1], "rn")), .. Both("mul.rn", 2, o => format.Multiply(o[0], o[1], "rn")),
            .. Both("sub.rn", 2, o => format.Add(o[0], format.IsNaN(o[1]) ? o[1] : o[1] ^ format.Sign, "rn")),
            .. Both("fma.rn", 3, o => format.Fused(o[0], o[1], o[2], "rn")),
            .. Both("min", 2, o => Extreme(format, o[0], o[1], true, false)), .. Both("max", 2, o => Extreme(format, o[0], o[1], false, false)),
            .. Both("min.NaN", 2, o => Extreme(format, o[0], o[1], true, true)), .. Both("max.NaN", 2, o => Extreme(format, o[0], o[1], false, true)),
            .. Both("neg", 1, o => o[0] ^ format.Sign), .. Both("abs", 1, o => o[0] & ~format.Sign),
        ], (letter, operands) => Few(letter == 'h' ? all : [.. all.Zip(all.Reverse(), (low, high) => low | high << 16)], operands));
    }

    static readonly (string Name, FloatFormat Format, char Slot)[] Formats = [("f16", FloatFormat.F16, 'h'), ("f32", FloatFormat.F32, 'w'), ("f64", FloatFormat.F64, 'q')];

    [Fact]
    public void Conversions_between_formats()
    {
        static ulong To(FloatFormat to, FloatFormat from, ulong v, string mode) => from.IsNaN(v) ? to.NaN
            : from.IsInfinite(v) ? to.Infinity | (from.IsNegative(v) ? to.Sign : 0) : to.Round(from.Read(v), mode, from.IsNegative(v));
        // PTX leaves open what f64 makes of the payload of what is no number; here it stays
        static ulong Payload(ulong mantissa, bool negative) => (negative ? 0xfff8000000000000 : 0x7ff8000000000000) | (mantissa & 0xfffffffffffff);
        var forms = new List<OpcodeForm>
        {
            new("cvt.f32.f16", "wh", o => To(F, FloatFormat.F16, o[0], "rn")),
            new("cvt.f64.f16", "qh", o => FloatFormat.F16.IsNaN(o[0]) ? Payload(o[0] << 42, FloatFormat.F16.IsNegative(o[0])) : To(FloatFormat.F64, FloatFormat.F16, o[0], "rn")),
            new("cvt.f64.f32", "qw", o => F.IsNaN(o[0]) ? Payload(o[0] << 29, F.IsNegative(o[0])) : To(FloatFormat.F64, F, o[0], "rn")),
            new("cvt.rn.bf16.f32", "hw", o => To(FloatFormat.BF16, F, o[0], "rn")), new("cvt.rz.bf16.f32", "hw", o => To(FloatFormat.BF16, F, o[0], "rz")),
            new("cvt.rn.f16x2.f32", "www", o => To(FloatFormat.F16, F, o[0], "rn") << 16 | To(FloatFormat.F16, F, o[1], "rn")),
            new("cvt.rn.bf16x2.f32", "www", o => To(FloatFormat.BF16, F, o[0], "rn") << 16 | To(FloatFormat.BF16, F, o[1], "rn")),
            new("cvt.sat.f32.f32", "ww", o => Clamp(o[0])),
        };
        foreach (string mode in Modes)
        {
            forms.Add(new($"cvt.{mode}.f16.f32", "hw", o => To(FloatFormat.F16, F, o[0], mode)));
            forms.Add(new($"cvt.{mode}.f32.f64", "wq", o => To(F, FloatFormat.F64, o[0], mode)));
            forms.Add(new($"cvt.{mode}.ftz.f32.f64", "wq", o => F.Flush(To(F, FloatFormat.F64, o[0], mode))));
            forms.Add(new($"cvt.{mode}.f16.f64", "hq", o => To(FloatFormat.F16, FloatFormat.F64, o[0], mode)));
        }
        OpcodeBench.Check(forms, (letter, operands) => letter == 'q' ? [.. Values(letter, operands).Where(v => !FloatFormat.F64.IsNaN(v))] : Values(letter, operands));
    }

    [Fact]
    public void Conversions_from_integers()
    {
        ulong[] integers = [0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff, 0x01000001, 0x01000003, 65504, 65519, 65520, 0x7fffffffffffffff, 0x8000000000000000, ulong.MaxValue, 0x4000004000000001, 0xffdfffffffffffff];
        OpcodeBench.Check(
            from to in Formats
            from source in (string[])["s32", "u32", "s64", "u64", "s16", "u8"]
            from mode in Modes
            let wide = source.EndsWith("64", StringComparison.Ordinal)
            select new OpcodeForm($"cvt.{mode}.{to.Name}.{source}", $"{to.Slot}{(wide ? 'q' : 'w')}",
                o => to.Format.Round((source switch { "s32" => (int)o[0], "u32" => (uint)o[0], "s64" => (long)o[0], "s16" => (short)o[0], "u8" => (byte)o[0], _ => o[0] }, 0), mode)),
            (letter, _) => letter == 'q' ? integers : [.. integers.Where(v => v <= uint.MaxValue)]);
    }

    [Fact]
    public void Conversions_to_integers()
    {
        static System.Numerics.BigInteger Integral(FloatFormat format, ulong v, string mode)
        {
            var (mantissa, exponent) = format.Read(v);
            if (exponent >= 0) return mantissa << exponent;
            var floor = mantissa >> -exponent;
            var rest = mantissa - (floor << -exponent);
            var half = System.Numerics.BigInteger.One << (-exponent - 1);
            return mode switch
            {
                "rmi" => floor,
                "rpi" => rest.IsZero ? floor : floor + 1,
                "rzi" => mantissa.Sign < 0 && !rest.IsZero ? floor + 1 : floor,
                _ => rest > half || (rest == half && !floor.IsEven) ? floor + 1 : floor,
            };
        }
        static ulong To(FloatFormat format, ulong v, string mode, System.Numerics.BigInteger least, System.Numerics.BigInteger most)
        {
            if (format.IsNaN(v)) return 0;
            var value = format.IsInfinite(v) ? format.IsNegative(v) ? least : most : System.Numerics.BigInteger.Clamp(Integral(format, v, mode), least, most);
            return (ulong)(value & ulong.MaxValue);
        }
        OpcodeBench.Check(
            from source in Formats
            from mode in (string[])["rni", "rzi", "rmi", "rpi"]
            from form in (OpcodeForm[])
            [
                new($"cvt.{mode}.s32.{source.Name}", $"w{source.Slot}", o => To(source.Format, o[0], mode, int.MinValue, int.MaxValue)),
                new($"cvt.{mode}.u32.{source.Name}", $"w{source.Slot}", o => To(source.Format, o[0], mode, 0, uint.MaxValue)),
                new($"cvt.{mode}.s64.{source.Name}", $"q{source.Slot}", o => To(source.Format, o[0], mode, long.MinValue, long.MaxValue)),
                new($"cvt.{mode}.u64.{source.Name}", $"q{source.Slot}", o => To(source.Format, o[0], mode, 0, ulong.MaxValue)),
            ]
            select form, Values);
    }
}
