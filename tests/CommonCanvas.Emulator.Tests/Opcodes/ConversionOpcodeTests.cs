using static CommonCanvas.Emulator.Tests.Opcodes.EdgeValues;

namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>Conversions between floating-point formats, and from and to integers, against exact arithmetic.</summary>
public class ConversionOpcodeTests
{
    static readonly FloatFormat F = FloatFormat.F32, Half = FloatFormat.F16, BFloat = FloatFormat.BF16;

    /// <summary>All forms that these tests prove.</summary>
    internal static IEnumerable<OpcodeForm> Forms => [.. BetweenFormats, .. TensorFloats, .. FromIntegers, .. ToIntegers];

    static readonly (string Name, FloatFormat Format, char Slot)[] Formats = [("f16", Half, 'h'), ("bf16", BFloat, 'h'), ("f32", F, 'w'), ("f64", FloatFormat.F64, 'q')];

    static ulong[] Edges(char letter, int operands, string source) => letter == 'h' && source == "bf16" ? BFloats : Values(letter, operands);

    [Theory]
    [InlineData("f16"), InlineData("bf16"), InlineData("f32"), InlineData("f64")]
    public void Conversions_between_formats(string source) =>
        OpcodeBench.Check(BetweenFormats.Where(form => form.Opcode.EndsWith($".{source}", StringComparison.Ordinal)), (letter, operands) => Edges(letter, operands, source));

    static ulong To(FloatFormat to, FloatFormat from, ulong v, string mode) => from.IsNaN(v) ? to.NaN
        : from.IsInfinite(v) ? to.Infinity | (from.IsNegative(v) ? to.Sign : 0) : to.Round(from.Read(v), mode, from.IsNegative(v));

    static ulong Positive(FloatFormat format, ulong v) => format.IsNaN(v) || !format.IsNegative(v) ? v : 0;

    // .ftz is about single precision alone; what f64 makes of the payload of what is no number, PTX leaves open
    static IEnumerable<OpcodeForm> BetweenFormats =>
    [
        .. from to in Formats
           from source in Formats
           where to != source
           let wider = to.Format.Bits > source.Format.Bits
           from mode in (string[])(wider ? ["rn"] : Modes)
           let dot = wider ? "" : $".{mode}"
           let any = to.Name == "f64" ? to.Format : null
           let shape = $"{to.Slot}{source.Slot}"
           from form in (IEnumerable<OpcodeForm>)
           [
               new($"cvt{dot}.{to.Name}.{source.Name}", shape, o => To(to.Format, source.Format, o[0], mode), NaN: any),
               new($"cvt{dot}.sat.{to.Name}.{source.Name}", shape, o => to.Format.Clamp(To(to.Format, source.Format, o[0], mode))),
               .. to.Name == "f32" || source.Name == "f32" ? (OpcodeForm[])[new($"cvt{dot}.ftz.{to.Name}.{source.Name}", shape,
                   o => Flush(to, To(to.Format, source.Format, Flush(source, o[0]), mode)), NaN: any)] : [],
           ]
           select form,
        .. from mode in (string[])["rn", "rz"]
           from to in Formats.Take(2)
           from relu in (string[])["", ".relu"]
           let one = (Func<ulong, ulong>)(v => To(to.Format, F, v, mode) is var rounded && relu == "" ? rounded : Positive(to.Format, rounded))
           from form in (OpcodeForm[])
           [
               new($"cvt.{mode}{relu}.{to.Name}x2.f32", "www", o => one(o[0]) << 16 | one(o[1])), new($"cvt.{mode}{relu}.{to.Name}.f32", "hw", o => one(o[0])),
           ]
           select form,
        new("cvt.sat.f32.f32", "ww", o => F.Clamp(o[0])), new("cvt.ftz.f32.f32", "ww", o => F.Flush(o[0]), NaN: F), new("cvt.ftz.sat.f32.f32", "ww", o => F.Clamp(F.Flush(o[0]))),
        new("cvt.sat.f64.f64", "qq", o => FloatFormat.F64.Clamp(o[0])), new("cvt.sat.f16.f16", "hh", o => Half.Clamp(o[0])),
    ];

    static ulong Flush((string Name, FloatFormat Format, char Slot) of, ulong v) => of.Name == "f32" ? F.Flush(v) : v;

    // 10 bits of mantissa in single precision: rna rounds ties away from zero
    static IEnumerable<OpcodeForm> TensorFloats => from mode in (string[])["rna", "rn", "rz"]
                                                   from relu in mode == "rna" ? (string[])[""] : ["", ".relu"]
                                                   select new OpcodeForm($"cvt.{mode}{relu}.tf32.f32", "ww", o =>
                                                   {
                                                       if (F.IsNaN(o[0])) return F.NaN;
                                                       if (relu != "" && F.IsNegative(o[0])) return 0;
                                                       ulong down = o[0] & 0xffffe000, rest = o[0] & 0x1fff, odd = o[0] >> 13 & 1;
                                                       bool up = !F.IsInfinite(o[0]) && (mode == "rna" ? rest >= 0x1000 : mode == "rn" && rest + odd > 0x1000);
                                                       return up ? down + 0x2000 : down;
                                                   });

    [Fact]
    public void Conversions_to_tensor_floats() => OpcodeBench.Check(TensorFloats, (_, _) => [.. Singles, 0x3f801000, 0x3f800fff, 0x3f803000, 0xbf801000, 0xbf802fff, 0x7f7ff000]);

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
    public void Conversions_to_integers() => OpcodeBench.Check(ToIntegers.Where(form => !form.Opcode.EndsWith(".bf16", StringComparison.Ordinal)), Values);

    [Fact]
    public void Conversions_to_integers_from_bfloats() => OpcodeBench.Check(ToIntegers.Where(form => form.Opcode.EndsWith(".bf16", StringComparison.Ordinal)), (_, _) => BFloats);

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
            new($"cvt.{mode}.s16.{source.Name}", $"h{source.Slot}", o => To(source.Format, o[0], mode, short.MinValue, short.MaxValue)),
            new($"cvt.{mode}.u16.{source.Name}", $"h{source.Slot}", o => To(source.Format, o[0], mode, 0, ushort.MaxValue)),
            new($"cvt.{mode}.s8.{source.Name}", $"w{source.Slot}", o => To(source.Format, o[0], mode, sbyte.MinValue, sbyte.MaxValue)),
            new($"cvt.{mode}.u8.{source.Name}", $"w{source.Slot}", o => To(source.Format, o[0], mode, 0, byte.MaxValue)),
            .. source.Name == "f32" ? (OpcodeForm[])[new($"cvt.{mode}.ftz.s32.f32", "ww", o => To(F, F.Flush(o[0]), mode, int.MinValue, int.MaxValue)),
                new($"cvt.{mode}.sat.s32.f32", "ww", o => To(F, o[0], mode, int.MinValue, int.MaxValue))] : [],
        ]
        select form;
}
