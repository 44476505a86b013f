using static CommonCanvas.Emulator.Tests.Opcodes.EdgeValues;

namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>Single precision against exact arithmetic, rounded once, with infinities, subnormals and what is no number.</summary>
public class FloatOpcodeTests
{
    static readonly FloatFormat F = FloatFormat.F32;

    static IEnumerable<OpcodeForm> WithFlush(string opcode, string shape, Func<ulong[], ulong> of) =>
    [
        new($"{opcode}.f32", shape, of),
        new($"{opcode}.ftz.f32", shape, o => F.Flush(of([.. o.Select(F.Flush)]))),
    ];

    /// <summary>All forms that these tests prove.</summary>
    internal static IEnumerable<OpcodeForm> Forms => [.. SingleRounded, .. SingleSigns, .. Comparing];

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

    [Fact]
    public void Single_precision_minimum_maximum_sign_and_saturation() => OpcodeBench.Check(SingleSigns, Values);

    static IEnumerable<OpcodeForm> SingleSigns =>
    [
        .. WithFlush("min", "www", o => Extreme(F, o[0], o[1], true, false)), .. WithFlush("max", "www", o => Extreme(F, o[0], o[1], false, false)),
        new("min.NaN.f32", "www", o => Extreme(F, o[0], o[1], true, true)), new("max.NaN.f32", "www", o => Extreme(F, o[0], o[1], false, true)),
        .. WithFlush("min.xorsign.abs", "www", o => SignedExtreme(F, o[0], o[1], true, false)), .. WithFlush("max.NaN.xorsign.abs", "www", o => SignedExtreme(F, o[0], o[1], false, true)),
        new("neg.f32", "ww", o => o[0] ^ F.Sign), new("abs.f32", "ww", o => o[0] & ~F.Sign),
        new("add.sat.f32", "www", o => F.Clamp(F.Add(o[0], o[1], "rn"))), new("mul.sat.f32", "www", o => F.Clamp(F.Multiply(o[0], o[1], "rn"))),
        new("fma.rn.sat.f32", "wwww", o => F.Clamp(F.Fused(o[0], o[1], o[2], "rn"))), new("copysign.f32", "www", o => (o[1] & ~F.Sign) | (o[0] & F.Sign)),
    ];

    [Fact]
    public void Comparisons() => OpcodeBench.Check(Comparing, Values);

    static IEnumerable<OpcodeForm> Comparing => Relations.SelectMany(relation => (OpcodeForm[])
    [
        new($"setp.{relation.Name}.f32", "pww", o => relation.Holds(F.Compare(o[0], o[1])) ? 1ul : 0),
        new($"setp.{relation.Name}.ftz.f32", "pww", o => relation.Holds(F.Compare(F.Flush(o[0]), F.Flush(o[1]))) ? 1ul : 0),
        new($"setp.{relation.Name}.f64", "pqq", o => relation.Holds(FloatFormat.F64.Compare(o[0], o[1])) ? 1ul : 0),
    ]);
}
