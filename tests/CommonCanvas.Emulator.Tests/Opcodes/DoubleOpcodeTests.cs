using static CommonCanvas.Emulator.Tests.Opcodes.EdgeValues;

namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>Double precision against exact arithmetic, rounded once. Which payload a result has that is no number, PTX leaves open.</summary>
public class DoubleOpcodeTests
{
    static readonly FloatFormat D = FloatFormat.F64;
    const ulong One = 0x3ff0000000000000;

    /// <summary>All forms that these tests prove.</summary>
    internal static IEnumerable<OpcodeForm> Forms => [.. Arithmetic, .. Signs, .. Integral];

    static OpcodeForm Form(string opcode, string shape, Func<ulong[], ulong> of) => new($"{opcode}.f64", shape, of, NaN: D);

    static OpcodeForm[] Arithmetic =>
    [
        .. ((string[])["", ".rn"]).SelectMany(mode => (OpcodeForm[])
        [
            Form($"add{mode}", "qqq", o => D.Add(o[0], o[1], "rn")), Form($"mul{mode}", "qqq", o => D.Multiply(o[0], o[1], "rn")),
            Form($"sub{mode}", "qqq", o => D.Add(o[0], D.IsNaN(o[1]) ? o[1] : o[1] ^ D.Sign, "rn")),
        ]),
        Form("fma.rn", "qqqq", o => D.Fused(o[0], o[1], o[2], "rn")), Form("div.rn", "qqq", o => D.Divide(o[0], o[1], "rn")),
        Form("rcp.rn", "qq", o => D.Divide(One, o[0], "rn")), Form("sqrt.rn", "qq", o => D.SquareRoot(o[0], "rn")),
    ];

    [Fact]
    public void Arithmetic_is_rounded_once() => OpcodeBench.Check(Arithmetic, Values);

    static ulong Extreme(ulong a, ulong b, bool least) => D.IsNaN(a) ? b : D.IsNaN(b) ? a
        : D.IsZero(a) && D.IsZero(b) ? least ? a | b : a & b : D.Compare(a, b) < 0 == least ? a : b;

    static OpcodeForm[] Signs =>
    [
        Form("min", "qqq", o => Extreme(o[0], o[1], true)), Form("max", "qqq", o => Extreme(o[0], o[1], false)),
        new("neg.f64", "qq", o => o[0] ^ D.Sign), new("abs.f64", "qq", o => o[0] & ~D.Sign),
    ];

    [Fact]
    public void Extremes_and_signs() => OpcodeBench.Check(Signs, Values);

    static IEnumerable<OpcodeForm> Integral =>
        from mode in (string[])["rni", "rzi", "rmi", "rpi"]
        from format in ((string Name, FloatFormat Format, char Slot)[])[("f64", D, 'q'), ("f32", FloatFormat.F32, 'w'), ("f16", FloatFormat.F16, 'h')]
        select new OpcodeForm($"cvt.{mode}.{format.Name}.{format.Name}", $"{format.Slot}{format.Slot}", o => format.Format.Integral(o[0], mode), NaN: format.Format);

    [Fact]
    public void Rounding_to_an_integer_that_stays_a_number() => OpcodeBench.Check(Integral, Values);
}
