using CommonCanvas.Emulator.Operations;

namespace CommonCanvas.Emulator.Decoding;

// Operations of 16-bit floating-point numbers, one in a register or two. Only binary16 has .ftz and .sat.
internal static unsafe partial class OpcodeTable
{
    static Operation Half2<TOp>(Modifiers m) where TOp : struct, IVector2<float>
    {
        if (m.Rounding is not (null or "rn")) return Operation.Unknown;
        return m.Type switch
        {
            "bf16" => new("hhh", &Templates.Vector2<uint, Half2<BF16, TOp>>),
            "bf16x2" => new("www", &Templates.Vector2<uint, Packed2<Half2<BF16, TOp>>>),
            "f16" or "f16x2" => m.Take("ftz") ? Half2<F16Flushed, TOp>(m) : Half2<F16, TOp>(m),
            _ => Operation.Unknown,
        };
    }

    static Operation Half2<TFormat, TOp>(Modifiers m) where TFormat : struct, IFormat16 where TOp : struct, IVector2<float> => (m.Type, m.Take("sat")) switch
    {
        ("f16", false) => new("hhh", &Templates.Vector2<uint, Half2<TFormat, TOp>>),
        ("f16", true) => new("hhh", &Templates.Vector2<uint, Half2<TFormat, Saturate2<TOp>>>),
        (_, false) => new("www", &Templates.Vector2<uint, Packed2<Half2<TFormat, TOp>>>),
        (_, true) => new("www", &Templates.Vector2<uint, Packed2<Half2<TFormat, Saturate2<TOp>>>>),
    };

    static Operation FusedHalf(Modifiers m) => m.Type switch
    {
        "bf16" => m.Take("relu") ? new("hhhh", &Templates.Lane3<uint, uint, uint, uint, FusedBFloatPositive>) : new("hhhh", &Templates.Lane3<uint, uint, uint, uint, FusedBFloat>),
        "bf16x2" => m.Take("relu")
            ? new("wwww", &Templates.Lane3<uint, uint, uint, uint, FusedBFloatPackedPositive>) : new("wwww", &Templates.Lane3<uint, uint, uint, uint, FusedBFloatPacked>),
        "f16" or "f16x2" => m.Take("ftz") ? FusedHalf<FusedHalf<F16Flushed>>(m) : FusedHalf<FusedHalf<F16>>(m),
        _ => Operation.Unknown,
    };

    static Operation FusedHalf<TOp>(Modifiers m) where TOp : struct, IVector3<uint> => (m.Type, m.TakeAny("sat", "relu")) switch
    {
        ("f16", null) => new("hhhh", &Templates.Vector3<uint, TOp>),
        ("f16", "sat") => new("hhhh", &Templates.Vector3<uint, SaturatedHalf3<TOp>>),
        ("f16", _) => new("hhhh", &Templates.Vector3<uint, PositiveHalf3<TOp>>),
        (_, null) => new("wwww", &Templates.Vector3<uint, Packed3<TOp>>),
        (_, "sat") => new("wwww", &Templates.Vector3<uint, Packed3<SaturatedHalf3<TOp>>>),
        _ => new("wwww", &Templates.Vector3<uint, Packed3<PositiveHalf3<TOp>>>),
    };

    static Operation HalfSign<TOp>(Modifiers m) where TOp : struct, IVector1<uint> => (m.Type, m.Type is "f16" or "f16x2" && m.Take("ftz")) switch
    {
        ("f16" or "bf16", false) => new("hh", &Templates.Vector<uint, TOp>),
        ("f16x2" or "bf16x2", false) => new("ww", &Templates.Vector<uint, Packed1<TOp>>),
        ("f16", true) => new("hh", &Templates.Vector<uint, FlushHalf1<TOp>>),
        ("f16x2", true) => new("ww", &Templates.Vector<uint, Packed1<FlushHalf1<TOp>>>),
        _ => Operation.Unknown,
    };
}

/// <summary>A function of a 16-bit number, rounded once.</summary>
internal struct HalfFunction<TFormat, TFunction> : ILane1<uint, uint> where TFormat : struct, IFloat<uint> where TFunction : struct, IFunction
{
    public static uint Of(uint a) => TFormat.Write<ToNearest>(TFunction.Of(TFormat.Read(a)));
}

/// <summary>The same of both halves of a lane.</summary>
internal struct PackedFunction<TFormat, TFunction> : ILane1<uint, uint> where TFormat : struct, IFloat<uint> where TFunction : struct, IFunction
{
    public static uint Of(uint a) => HalfFunction<TFormat, TFunction>.Of(a) | HalfFunction<TFormat, TFunction>.Of(a >> 16) << 16;
}
