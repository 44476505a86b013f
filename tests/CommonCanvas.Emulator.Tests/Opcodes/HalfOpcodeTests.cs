using static CommonCanvas.Emulator.Tests.Opcodes.EdgeValues;

namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>Arithmetic and comparisons of 16-bit numbers, one in a register and two, against exact arithmetic, rounded once.</summary>
public class HalfOpcodeTests
{
    /// <summary>All forms that these tests prove.</summary>
    internal static IEnumerable<OpcodeForm> Forms => [.. Arithmetic("f16"), .. Arithmetic("bf16"), .. Comparing("f16"), .. Comparing("bf16")];

    static FloatFormat Format(string type) => type == "f16" ? FloatFormat.F16 : FloatFormat.BF16;

    static ulong[] Edges(string type, char letter, int operands)
    {
        ulong[] all = type == "f16" ? Halves : BFloats;
        return letter == 'h' ? Few(all, operands) : Few([.. all.Zip(all.Reverse(), (low, high) => low | high << 16)], operands);
    }

    static ulong[] Each(ulong[] o, Func<ulong, ulong> part) => [.. o.Select(part)];

    // the same of one number and of two
    static OpcodeForm[] Both(string opcode, string type, int operands, Func<ulong[], ulong> of) =>
    [
        new($"{opcode}.{type}", new string('h', operands + 1), of),
        new($"{opcode}.{type}x2", new string('w', operands + 1), o => of(Each(o, v => v & 0xffff)) | of(Each(o, v => v >> 16)) << 16),
    ];

    // only binary16 has .ftz and .sat
    static IEnumerable<OpcodeForm> Modified(string opcode, string type, int operands, Func<ulong[], ulong> of)
    {
        var format = Format(type);
        IEnumerable<OpcodeForm> plain = Both(opcode, type, operands, of);
        return type == "bf16" ? plain :
        [
            .. plain, .. Both($"{opcode}.sat", type, operands, o => format.Clamp(of(o))),
            .. Both($"{opcode}.ftz", type, operands, o => format.Flush(of(Each(o, format.Flush)))),
            .. Both($"{opcode}.ftz.sat", type, operands, o => format.Clamp(format.Flush(of(Each(o, format.Flush))))),
        ];
    }

    static IEnumerable<OpcodeForm> Arithmetic(string type)
    {
        var format = Format(type);
        ulong Negated(ulong v) => format.IsNaN(v) ? v : v ^ format.Sign;
        ulong Positive(ulong v) => format.IsNaN(v) || !format.IsNegative(v) ? v : 0;
        var flushed = type == "bf16" ? (OpcodeForm[])[] :
        [
            .. Both("min.ftz", type, 2, o => format.Flush(Extreme(format, format.Flush(o[0]), format.Flush(o[1]), true, false))),
            .. Both("max.ftz.NaN", type, 2, o => format.Flush(Extreme(format, format.Flush(o[0]), format.Flush(o[1]), false, true))),
            .. Both("neg.ftz", type, 1, o => format.Flush(o[0]) ^ format.Sign), .. Both("abs.ftz", type, 1, o => format.Flush(o[0]) & ~format.Sign),
            .. Both("fma.rn.ftz.relu", type, 3, o => Positive(format.Flush(format.Fused(format.Flush(o[0]), format.Flush(o[1]), format.Flush(o[2]), "rn")))),
        ];
        return
        [
            .. ((string[])["", ".rn"]).SelectMany(mode => (IEnumerable<OpcodeForm>)
            [
                .. Modified($"add{mode}", type, 2, o => format.Add(o[0], o[1], "rn")), .. Modified($"mul{mode}", type, 2, o => format.Multiply(o[0], o[1], "rn")),
                .. Modified($"sub{mode}", type, 2, o => format.Add(o[0], Negated(o[1]), "rn")),
            ]),
            .. Modified("fma.rn", type, 3, o => format.Fused(o[0], o[1], o[2], "rn")),
            .. Both("fma.rn.relu", type, 3, o => Positive(format.Fused(o[0], o[1], o[2], "rn"))),
            .. Both("min", type, 2, o => Extreme(format, o[0], o[1], true, false)), .. Both("max", type, 2, o => Extreme(format, o[0], o[1], false, false)),
            .. Both("min.NaN", type, 2, o => Extreme(format, o[0], o[1], true, true)), .. Both("max.NaN", type, 2, o => Extreme(format, o[0], o[1], false, true)),
            .. Both("min.xorsign.abs", type, 2, o => SignedExtreme(format, o[0], o[1], true, false)),
            .. Both("max.NaN.xorsign.abs", type, 2, o => SignedExtreme(format, o[0], o[1], false, true)),
            .. Both("neg", type, 1, o => o[0] ^ format.Sign), .. Both("abs", type, 1, o => o[0] & ~format.Sign), .. flushed,
        ];
    }

    [Theory]
    [InlineData("f16"), InlineData("bf16")]
    public void Arithmetic_is_rounded_once(string type) => OpcodeBench.Check(Arithmetic(type), (letter, operands) => Edges(type, letter, operands));

    static IEnumerable<OpcodeForm> Comparing(string type) => Relations.SelectMany(relation => ((bool[])[false, true]).Where(flush => !flush || type == "f16").SelectMany(flush =>
    {
        var format = Format(type);
        bool Holds(ulong a, ulong b) => relation.Holds(flush ? format.Compare(format.Flush(a), format.Flush(b)) : format.Compare(a, b));
        bool Low(ulong[] o) => Holds(o[0] & 0xffff, o[1] & 0xffff);
        bool High(ulong[] o) => Holds(o[0] >> 16, o[1] >> 16);
        string ftz = flush ? ".ftz" : "";
        ulong one = format.Round((1, 0), "rn");
        return (OpcodeForm[])
        [
            new($"setp.{relation.Name}{ftz}.{type}", "phh", o => Holds(o[0], o[1]) ? 1ul : 0),
            new($"setp.{relation.Name}{ftz}.{type}x2", "p|pww", o => (Low(o) ? 1ul : 0) + (High(o) ? 2ul : 0)),
            new($"set.{relation.Name}{ftz}.{type}.{type}", "hhh", o => Holds(o[0], o[1]) ? one : 0),
            new($"set.{relation.Name}{ftz}.u16.{type}", "hhh", o => Holds(o[0], o[1]) ? 0xffffu : 0),
            new($"set.{relation.Name}{ftz}.u32.{type}", "whh", o => Holds(o[0], o[1]) ? uint.MaxValue : 0),
            new($"set.{relation.Name}{ftz}.{type}x2.{type}x2", "www", o => (Low(o) ? one : 0) | (High(o) ? one << 16 : 0)),
            new($"set.{relation.Name}{ftz}.u32.{type}x2", "www", o => (Low(o) ? 0xffffu : 0) | (High(o) ? 0xffff0000 : 0)),
        ];
    }));

    [Theory]
    [InlineData("f16"), InlineData("bf16")]
    public void Comparisons(string type) => OpcodeBench.Check(Comparing(type), (letter, operands) => Edges(type, letter, operands));

    /// <summary>The bounds that the PTX ISA gives: relative for powers, absolute for tanh.</summary>
    [Fact]
    [Proves("ex2.approx.f16 hh", "ex2.approx.f16x2 ww", "ex2.approx.ftz.bf16 hh", "ex2.approx.ftz.bf16x2 ww", "tanh.approx.f16 hh", "tanh.approx.f16x2 ww", "tanh.approx.bf16 hh", "tanh.approx.bf16x2 ww")]
    public void Approximations_keep_their_bounds()
    {
        using var gpu = new EmulatedGpu();
        foreach (var (opcode, format, of, relative, absolute) in ((string, FloatFormat, Func<double, double>, double, double)[])
        [
            ("ex2.approx.f16", FloatFormat.F16, v => Math.Pow(2, v), Math.Pow(2, -9.9), Math.Pow(2, -24)), ("ex2.approx.ftz.bf16", FloatFormat.BF16, v => Math.Pow(2, v), Math.Pow(2, -7), 0),
            ("tanh.approx.f16", FloatFormat.F16, Math.Tanh, 0, Math.Pow(2, -10.987)), ("tanh.approx.bf16", FloatFormat.BF16, Math.Tanh, 0, Math.Pow(2, -8)),
        ])
            foreach (bool pair in (bool[])[false, true])
            {
                var operands = Enumerable.Range(0, 0x10000 / 37).Select(i => (ulong)i * 37).Where(v => !format.IsNaN(v) && Math.Abs(Value(format, v)) is < 14 or double.PositiveInfinity).ToArray();
                var results = OpcodeBench.Run(gpu, new OpcodeForm(pair ? opcode + "x2" : opcode, pair ? "ww" : "hh", _ => 0), [.. operands.Select(v => (ulong[])[pair ? v << 16 | v : v])]);
                for (int i = 0; i < operands.Length; i++)
                {
                    double expected = of(Value(format, operands[i])), actual = Value(format, results[i] & 0xffff);
                    Assert.True(actual == expected || Math.Abs(actual - expected) <= relative * Math.Abs(expected) + absolute, $"{opcode} of {Value(format, operands[i])}: {actual}, not {expected}");
                    if (pair) Assert.Equal(results[i] & 0xffff, results[i] >> 16);
                }
            }
    }

    static double Value(FloatFormat format, ulong v)
    {
        if (format.IsInfinite(v)) return format.IsNegative(v) ? double.NegativeInfinity : double.PositiveInfinity;
        var (mantissa, exponent) = format.Read(v);
        return (double)mantissa * Math.Pow(2, exponent);
    }
}
