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
        .. ((string[])["", .. Modes]).SelectMany(written =>
        {
            // without a direction to nearest, though a compiler may then fuse
            string dot = written.Length > 0 ? $".{written}" : "", mode = written.Length > 0 ? written : "rn";
            return (OpcodeForm[])
            [
                Form($"add{dot}", "qqq", o => D.Add(o[0], o[1], mode)), Form($"mul{dot}", "qqq", o => D.Multiply(o[0], o[1], mode)),
                Form($"sub{dot}", "qqq", o => D.Add(o[0], D.IsNaN(o[1]) ? o[1] : o[1] ^ D.Sign, mode)),
            ];
        }),
        .. Modes.SelectMany(mode => (OpcodeForm[])
        [
            Form($"fma.{mode}", "qqqq", o => D.Fused(o[0], o[1], o[2], mode)), Form($"mad.{mode}", "qqqq", o => D.Fused(o[0], o[1], o[2], mode)),
            Form($"div.{mode}", "qqq", o => D.Divide(o[0], o[1], mode)),
            Form($"rcp.{mode}", "qq", o => D.Divide(One, o[0], mode)), Form($"sqrt.{mode}", "qq", o => D.SquareRoot(o[0], mode)),
        ]),
    ];

    [Fact]
    public void Arithmetic_is_rounded_once() => OpcodeBench.Check(Arithmetic, Values);

    static ulong Extreme(ulong a, ulong b, bool least) => D.IsNaN(a) ? b : D.IsNaN(b) ? a
        : D.IsZero(a) && D.IsZero(b) ? least ? a | b : a & b : D.Compare(a, b) < 0 == least ? a : b;

    static OpcodeForm[] Signs =>
    [
        Form("min", "qqq", o => Extreme(o[0], o[1], true)), Form("max", "qqq", o => Extreme(o[0], o[1], false)),
        new("neg.f64", "qq", o => o[0] ^ D.Sign), new("abs.f64", "qq", o => o[0] & ~D.Sign), new("copysign.f64", "qqq", o => (o[1] & ~D.Sign) | (o[0] & D.Sign)),
    ];

    [Fact]
    public void Extremes_and_signs() => OpcodeBench.Check(Signs, Values);

    /// <summary>From the upper word alone, within 2^-20; zeros, infinities and what is no number as the PTX ISA says.</summary>
    [Fact]
    [Proves("rcp.approx.ftz.f64 qq", "rsqrt.approx.ftz.f64 qq")]
    public void Approximations_keep_their_bounds()
    {
        using var gpu = new EmulatedGpu();
        var random = new Random(11);
        ulong[] operands = [.. Doubles, .. Enumerable.Range(0, 500).Select(_ => BitConverter.DoubleToUInt64Bits((random.NextDouble() - 0.3) * Math.Pow(10, random.Next(-200, 200))))];
        foreach (var (opcode, of) in ((string, Func<double, double>)[])[("rcp.approx.ftz.f64", v => 1 / v), ("rsqrt.approx.ftz.f64", v => 1 / Math.Sqrt(v))])
        {
            var results = OpcodeBench.Run(gpu, new OpcodeForm(opcode, "qq", _ => 0), [.. operands.Select(o => (ulong[])[o])]);
            for (int i = 0; i < operands.Length; i++)
            {
                double expected = of(BitConverter.UInt64BitsToDouble(D.Flush(operands[i]) & 0xffffffff00000000)), actual = BitConverter.UInt64BitsToDouble(results[i]);
                if (double.IsSubnormal(expected)) expected = double.CopySign(0, expected);
                Assert.Equal(0u, (uint)results[i]);
                Assert.True(double.IsNaN(expected) ? double.IsNaN(actual) : actual == expected || Math.Abs(actual / expected - 1) <= Math.Pow(2, -19), $"{opcode} of 0x{operands[i]:x}: {actual}, not {expected}");
            }
        }
    }

    static IEnumerable<OpcodeForm> Integral =>
        from mode in (string[])["rni", "rzi", "rmi", "rpi"]
        from format in ((string Name, FloatFormat Format, char Slot)[])[("f64", D, 'q'), ("f32", FloatFormat.F32, 'w'), ("f16", FloatFormat.F16, 'h')]
        select new OpcodeForm($"cvt.{mode}.{format.Name}.{format.Name}", $"{format.Slot}{format.Slot}", o => format.Format.Integral(o[0], mode), NaN: format.Format);

    [Fact]
    public void Rounding_to_an_integer_that_stays_a_number() => OpcodeBench.Check(Integral, Values);
}
