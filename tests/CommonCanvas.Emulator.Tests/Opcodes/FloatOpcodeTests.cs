using static CommonCanvas.Emulator.Tests.Opcodes.EdgeValues;

namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>Floating-point instructions against exact arithmetic, rounded once, with infinities, subnormals and what is no number.</summary>
public class FloatOpcodeTests
{
    static readonly FloatFormat F = FloatFormat.F32;

    static ulong Clamp(ulong v) => F.IsNaN(v) || F.IsNegative(v) ? 0 : F.Compare(v, 0x3f800000) > 0 ? 0x3f800000 : v;

    static IEnumerable<OpcodeForm> WithFlush(string opcode, string shape, Func<ulong[], ulong> of) =>
    [
        new($"{opcode}.f32", shape, of),
        new($"{opcode}.ftz.f32", shape, o => F.Flush(of([.. o.Select(F.Flush)]))),
    ];

    /// <summary>All forms that these tests prove.</summary>
    internal static IEnumerable<OpcodeForm> Forms =>
    [
        .. SingleRounded, .. SingleSigns, .. Comparing, .. SixteenBits("f16"), .. SixteenBits("bf16"), .. BetweenFormats(), .. FromIntegers, .. ToIntegers,
    ];

    [Fact]
    public void Single_precision_in_every_rounding() => OpcodeBench.Check(SingleRounded, Values);

    static IEnumerable<OpcodeForm> SingleRounded =>
    [
        .. Modes.SelectMany(InMode),
        // without a direction to nearest, though a compiler may then fuse
        .. WithFlush("add", "www", o => F.Add(o[0], o[1], "rn")), .. WithFlush("sub", "www", o => F.Add(o[0], F.IsNaN(o[1]) ? o[1] : o[1] ^ F.Sign, "rn")),
        .. WithFlush("mul", "www", o => F.Multiply(o[0], o[1], "rn")),
    ];

    static IEnumerable<OpcodeForm> InMode(string mode) =>
    [
        .. WithFlush($"add.{mode}", "www", o => F.Add(o[0], o[1], mode)),
        .. WithFlush($"sub.{mode}", "www", o => F.Add(o[0], F.IsNaN(o[1]) ? o[1] : o[1] ^ F.Sign, mode)),
        .. WithFlush($"mul.{mode}", "www", o => F.Multiply(o[0], o[1], mode)),
        .. WithFlush($"fma.{mode}", "wwww", o => F.Fused(o[0], o[1], o[2], mode)),
        .. WithFlush($"div.{mode}", "www", o => F.Divide(o[0], o[1], mode)),
        .. WithFlush($"rcp.{mode}", "ww", o => F.Divide(0x3f800000, o[0], mode)),
        .. WithFlush($"sqrt.{mode}", "ww", o => F.SquareRoot(o[0], mode)),
    ];

    static ulong Extreme(FloatFormat format, ulong a, ulong b, bool least, bool propagate)
    {
        if (format.IsNaN(a) || format.IsNaN(b)) return propagate || (format.IsNaN(a) && format.IsNaN(b)) ? format.NaN : format.IsNaN(a) ? b : a;
        if (format.IsZero(a) && format.IsZero(b)) return least ? a | b : a & b;
        return format.Compare(a, b) < 0 == least ? a : b;
    }

    [Fact]
    public void Single_precision_minimum_maximum_sign_and_saturation() => OpcodeBench.Check(SingleSigns, Values);

    static IEnumerable<OpcodeForm> SingleSigns =>
    [
        .. WithFlush("min", "www", o => Extreme(F, o[0], o[1], true, false)), .. WithFlush("max", "www", o => Extreme(F, o[0], o[1], false, false)),
        new("min.NaN.f32", "www", o => Extreme(F, o[0], o[1], true, true)), new("max.NaN.f32", "www", o => Extreme(F, o[0], o[1], false, true)),
        new("neg.f32", "ww", o => o[0] ^ F.Sign), new("abs.f32", "ww", o => o[0] & ~F.Sign),
        new("add.sat.f32", "www", o => Clamp(F.Add(o[0], o[1], "rn"))), new("mul.sat.f32", "www", o => Clamp(F.Multiply(o[0], o[1], "rn"))),
        new("fma.rn.sat.f32", "wwww", o => Clamp(F.Fused(o[0], o[1], o[2], "rn"))), new("copysign.f32", "www", o => (o[1] & ~F.Sign) | (o[0] & F.Sign)),
    ];

    static readonly (string Name, Func<int?, bool> Holds)[] Relations =
    [
        ("eq", c => c == 0), ("ne", c => c is not (null or 0)), ("lt", c => c < 0), ("le", c => c <= 0), ("gt", c => c > 0), ("ge", c => c >= 0),
        ("equ", c => c is null or 0), ("neu", c => c != 0), ("ltu", c => c is null or < 0), ("leu", c => c is null or <= 0), ("gtu", c => c is null or > 0),
        ("geu", c => c is null or >= 0), ("num", c => c is not null), ("nan", c => c is null),
    ];

    [Fact]
    public void Comparisons() => OpcodeBench.Check(Comparing, Values);

    static IEnumerable<OpcodeForm> Comparing => Relations.SelectMany(relation => (OpcodeForm[])
    [
        new($"setp.{relation.Name}.f32", "pww", o => relation.Holds(F.Compare(o[0], o[1])) ? 1ul : 0),
        new($"setp.{relation.Name}.ftz.f32", "pww", o => relation.Holds(F.Compare(F.Flush(o[0]), F.Flush(o[1]))) ? 1ul : 0),
        new($"setp.{relation.Name}.f64", "pqq", o => relation.Holds(FloatFormat.F64.Compare(o[0], o[1])) ? 1ul : 0),
        new($"setp.{relation.Name}.f16", "phh", o => relation.Holds(FloatFormat.F16.Compare(o[0], o[1])) ? 1ul : 0),
    ]);

    [Theory]
    [InlineData("f16"), InlineData("bf16")]
    public void Sixteen_bits(string type)
    {
        ulong[] all = type == "f16" ? Halves : BFloats;
        OpcodeBench.Check(SixteenBits(type), (letter, operands) => Few(letter == 'h' ? all : [.. all.Zip(all.Reverse(), (low, high) => low | high << 16)], operands));
    }

    static IEnumerable<OpcodeForm> SixteenBits(string type)
    {
        var format = type == "f16" ? FloatFormat.F16 : FloatFormat.BF16;
        IEnumerable<OpcodeForm> Both(string opcode, int operands, Func<ulong[], ulong> of) =>
        [
            new($"{opcode}.{type}", new string('h', operands + 1), of),
            new($"{opcode}.{type}x2", new string('w', operands + 1), o => of([.. o.Select(v => v & 0xffff)]) | of([.. o.Select(v => v >> 16)]) << 16),
        ];
        return
        [
            .. Both("add.rn", 2, o => format.Add(o[0], o[1], "rn")), .. Both("mul.rn", 2, o => format.Multiply(o[0], o[1], "rn")),
            .. Both("sub.rn", 2, o => format.Add(o[0], format.IsNaN(o[1]) ? o[1] : o[1] ^ format.Sign, "rn")),
            .. Both("fma.rn", 3, o => format.Fused(o[0], o[1], o[2], "rn")),
            .. Both("min", 2, o => Extreme(format, o[0], o[1], true, false)), .. Both("max", 2, o => Extreme(format, o[0], o[1], false, false)),
            .. Both("min.NaN", 2, o => Extreme(format, o[0], o[1], true, true)), .. Both("max.NaN", 2, o => Extreme(format, o[0], o[1], false, true)),
            .. Both("neg", 1, o => o[0] ^ format.Sign), .. Both("abs", 1, o => o[0] & ~format.Sign),
        ];
    }

    static readonly (string Name, FloatFormat Format, char Slot)[] Formats = [("f16", FloatFormat.F16, 'h'), ("f32", FloatFormat.F32, 'w'), ("f64", FloatFormat.F64, 'q')];

    [Fact]
    public void Conversions_between_formats() => OpcodeBench.Check(BetweenFormats(),
        (letter, operands) => letter == 'q' ? [.. Values(letter, operands).Where(v => !FloatFormat.F64.IsNaN(v))] : Values(letter, operands));

    static List<OpcodeForm> BetweenFormats()
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
        return forms;
    }

    [Fact]
    public void Conversions_from_integers()
    {
        ulong[] integers = [0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff, 0x01000001, 0x01000003, 65504, 65519, 65520, 0x7fffffffffffffff, 0x8000000000000000, ulong.MaxValue, 0x4000004000000001, 0xffdfffffffffffff];
        OpcodeBench.Check(FromIntegers, (letter, _) => letter == 'q' ? integers : [.. integers.Where(v => v <= uint.MaxValue)]);
    }

    static IEnumerable<OpcodeForm> FromIntegers =>
        from to in Formats
        from source in (string[])["s32", "u32", "s64", "u64", "s16", "u8"]
        from mode in Modes
        let wide = source.EndsWith("64", StringComparison.Ordinal)
        select new OpcodeForm($"cvt.{mode}.{to.Name}.{source}", $"{to.Slot}{(wide ? 'q' : 'w')}",
            o => to.Format.Round((source switch { "s32" => (int)o[0], "u32" => (uint)o[0], "s64" => (long)o[0], "s16" => (short)o[0], "u8" => (byte)o[0], _ => o[0] }, 0), mode));

    [Fact]
    public void Conversions_to_integers() => OpcodeBench.Check(ToIntegers, Values);

    static ulong To(FloatFormat format, ulong v, string mode, System.Numerics.BigInteger least, System.Numerics.BigInteger most)
    {
        if (format.IsNaN(v)) return 0;
        var value = format.IsInfinite(v) ? format.IsNegative(v) ? least : most : System.Numerics.BigInteger.Clamp(format.WholePart(v, mode), least, most);
        return (ulong)(value & ulong.MaxValue);
    }

    static IEnumerable<OpcodeForm> ToIntegers =>
        from source in Formats
        from mode in (string[])["rni", "rzi", "rmi", "rpi"]
        from form in (OpcodeForm[])
        [
            new($"cvt.{mode}.s32.{source.Name}", $"w{source.Slot}", o => To(source.Format, o[0], mode, int.MinValue, int.MaxValue)),
            new($"cvt.{mode}.u32.{source.Name}", $"w{source.Slot}", o => To(source.Format, o[0], mode, 0, uint.MaxValue)),
            new($"cvt.{mode}.s64.{source.Name}", $"q{source.Slot}", o => To(source.Format, o[0], mode, long.MinValue, long.MaxValue)),
            new($"cvt.{mode}.u64.{source.Name}", $"q{source.Slot}", o => To(source.Format, o[0], mode, 0, ulong.MaxValue)),
        ]
        select form;
}
