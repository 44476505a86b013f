using System.Numerics;
using CommonCanvas.Emulator.Operations;
using CommonCanvas.Emulator.Ptx;

namespace CommonCanvas.Emulator.Decoding;

internal static unsafe partial class OpcodeTable
{
    static Operation Convert(Modifiers m) => m.TakeDestination() is { } to ? Convert(m, to, m.Type) : Operation.Unknown;

    static Operation Convert(Modifiers m, string to, string from)
    {
        if (Fast(m, to, from) is { Run: not null } fast) return fast;
        return (IsInteger(to), IsInteger(from)) switch
        {
            (true, true) => m.IsWide(1) ? FromInteger<ulong>(m, to, from) : FromInteger<uint>(m, to, from),
            (false, true) => m.IsWide(1) ? ToFloat<ulong>(m, to, from) : ToFloat<uint>(m, to, from),
            (true, false) => from switch
            {
                "f16" => FromFloat<uint, FloatF16>(m, to),
                "bf16" => FromFloat<uint, FloatBF16>(m, to),
                "f32" => FromFloat<uint, FloatF32>(m, to),
                "f64" => FromFloat<ulong, FloatF64>(m, to),
                _ => Operation.Unknown,
            },
            _ => FloatConversions.Find(m, to, from),
        };
    }

    static bool IsInteger(string type) => type[0] is 'u' or 's';

    // what kernels use most; anything more than these modifiers goes the general way
    static Operation Fast(Modifiers m, string to, string from)
    {
        if ((to, from) is ("f32", "f16") && m.Done) return new("wh", &Templates.Vector<uint, HalfToSingle<F16>>);
        if ((to, from) is ("f32", "bf16") && m.Done) return new("wh", &Templates.Vector<uint, HalfToSingle<BF16>>);
        if ((to, from) is ("u64" or "s64", "u32") && m.Done && !m.IsWide(1)) return new("qw", &WordOps.Widen);
        if ((to, from) is ("u64" or "s64", "s32") && m.Done && !m.IsWide(1)) return new("qw", &WordOps.WidenSigned);
        if ((to, from) is ("u32" or "s32", "u64" or "s64") && m.Done && !m.IsWide(0)) return new("wq", &WordOps.Low);
        if (to is "tf32" && from is "f32") return ToTensor(m);
        if (to is "f16x2" or "bf16x2" && m.Rounding is "rz") return Packed(to, m.Take("relu"));
        if (to is "f16x2" && m.Rounding is "rn") return m.Take("relu")
            ? new("www", &Templates.Vector2<uint, SinglesToPackedPositive<F16>>) : new("www", &Templates.Vector2<uint, SinglesToPacked<F16>>);
        if (to is "bf16x2" && m.Rounding is "rn") return m.Take("relu")
            ? new("www", &Templates.Vector2<uint, SinglesToPackedPositive<BF16>>) : new("www", &Templates.Vector2<uint, SinglesToPacked<BF16>>);
        if (m.Rounding is "rn" && m.Done)
            return (to, from) switch
            {
                ("f16", "f32") => new("hw", &Templates.Vector<uint, SingleToHalf<F16>>),
                ("bf16", "f32") => new("hw", &Templates.Vector<uint, SingleToHalf<BF16>>),
                ("f32", "s32") when !m.IsWide(1) => new("ww", &Templates.Vector<uint, SignedToSingle>),
                ("f32", "u32") when !m.IsWide(1) => new("ww", &Templates.Vector<uint, UnsignedToSingle>),
                _ => Operation.Unknown,
            };
        return Operation.Unknown;
    }

    static Operation ToTensor(Modifiers m) => (m.TakeAny("rna", "rn", "rz"), m.Take("relu")) switch
    {
        ("rna", false) => new("ww", &Templates.Lane<uint, uint, ToTensorFloat>),
        ("rn", false) => new("ww", &Templates.Lane<uint, uint, ToTensorFloatEven>),
        ("rz", false) => new("ww", &Templates.Lane<uint, uint, ToTensorFloatCut>),
        ("rn", true) => new("ww", &Templates.Lane<uint, uint, PositiveTensorFloat<ToTensorFloatEven>>),
        ("rz", true) => new("ww", &Templates.Lane<uint, uint, PositiveTensorFloat<ToTensorFloatCut>>),
        _ => Operation.Unknown,
    };

    // toward zero, two in a lane
    static Operation Packed(string to, bool positive) => (to, positive) switch
    {
        ("f16x2", false) => new("www", &Templates.Lane2<uint, uint, uint, PackConverted<ConvertFloat<uint, FloatF16, uint, FloatF32, TowardZero>>>),
        ("f16x2", true) => new("www", &Templates.Lane2<uint, uint, uint, PackConverted<ConvertPositive<uint, FloatF16, uint, FloatF32, TowardZero>>>),
        ("bf16x2", false) => new("www", &Templates.Lane2<uint, uint, uint, PackConverted<ConvertFloat<uint, FloatBF16, uint, FloatF32, TowardZero>>>),
        _ => new("www", &Templates.Lane2<uint, uint, uint, PackConverted<ConvertPositive<uint, FloatBF16, uint, FloatF32, TowardZero>>>),
    };

    static Operation FromInteger<TSlot>(Modifiers m, string to, string from) where TSlot : unmanaged, IBinaryInteger<TSlot> => from switch
    {
        "u8" => FromInteger<TSlot, byte>(m, to),
        "s8" => FromInteger<TSlot, sbyte>(m, to),
        "u16" => FromInteger<TSlot, ushort>(m, to),
        "s16" => FromInteger<TSlot, short>(m, to),
        "u32" => FromInteger<TSlot, uint>(m, to),
        "s32" => FromInteger<TSlot, int>(m, to),
        "u64" => FromInteger<TSlot, ulong>(m, to),
        _ => FromInteger<TSlot, long>(m, to),
    };

    static Operation FromInteger<TSlot, TFrom>(Modifiers m, string to) where TSlot : unmanaged, IBinaryInteger<TSlot> where TFrom : unmanaged, IBinaryInteger<TFrom> =>
        m.IsWide(0) ? Integers<ulong, TSlot, TFrom>(m, to) : Integers<uint, TSlot, TFrom>(m, to);

    static Operation Integers<TToSlot, TSlot, TFrom>(Modifiers m, string to)
        where TToSlot : unmanaged, IBinaryInteger<TToSlot> where TSlot : unmanaged, IBinaryInteger<TSlot> where TFrom : unmanaged, IBinaryInteger<TFrom> => to switch
    {
        "u8" => Integers<TToSlot, byte, TSlot, TFrom>(m),
        "s8" => Integers<TToSlot, sbyte, TSlot, TFrom>(m),
        "u16" => Integers<TToSlot, ushort, TSlot, TFrom>(m),
        "s16" => Integers<TToSlot, short, TSlot, TFrom>(m),
        "u32" => Integers<TToSlot, uint, TSlot, TFrom>(m),
        "s32" => Integers<TToSlot, int, TSlot, TFrom>(m),
        "u64" => Integers<TToSlot, ulong, TSlot, TFrom>(m),
        _ => Integers<TToSlot, long, TSlot, TFrom>(m),
    };

    static Operation Integers<TToSlot, TTo, TSlot, TFrom>(Modifiers m)
        where TToSlot : unmanaged, IBinaryInteger<TToSlot> where TTo : IBinaryInteger<TTo> where TSlot : unmanaged, IBinaryInteger<TSlot> where TFrom : IBinaryInteger<TFrom> =>
        m.Take("sat") ? new(Shape<TToSlot, TSlot>(), &Templates.Lane<TToSlot, TSlot, ConvertSaturated<TToSlot, TTo, TSlot, TFrom>>)
            : new(Shape<TToSlot, TSlot>(), &Templates.Lane<TToSlot, TSlot, ConvertInteger<TToSlot, TTo, TSlot, TFrom>>);

    static Operation ToFloat<TSlot>(Modifiers m, string to, string from) where TSlot : unmanaged, IBinaryInteger<TSlot> => from switch
    {
        "u8" => ToFloat<TSlot, byte>(m, to),
        "s8" => ToFloat<TSlot, sbyte>(m, to),
        "u16" => ToFloat<TSlot, ushort>(m, to),
        "s16" => ToFloat<TSlot, short>(m, to),
        "u32" => ToFloat<TSlot, uint>(m, to),
        "s32" => ToFloat<TSlot, int>(m, to),
        "u64" => ToFloat<TSlot, ulong>(m, to),
        _ => ToFloat<TSlot, long>(m, to),
    };

    static Operation ToFloat<TSlot, TFrom>(Modifiers m, string to) where TSlot : unmanaged, IBinaryInteger<TSlot> where TFrom : unmanaged, IBinaryInteger<TFrom> => to switch
    {
        "f16" => ToFloat<uint, FloatF16, TSlot, TFrom>(m),
        "bf16" => ToFloat<uint, FloatBF16, TSlot, TFrom>(m),
        "f32" => ToFloat<uint, FloatF32, TSlot, TFrom>(m),
        "f64" => ToFloat<ulong, FloatF64, TSlot, TFrom>(m),
        _ => Operation.Unknown,
    };

    static Operation ToFloat<TToSlot, TTo, TSlot, TFrom>(Modifiers m)
        where TToSlot : unmanaged where TTo : struct, IFloat<TToSlot> where TSlot : unmanaged, IBinaryInteger<TSlot> where TFrom : unmanaged, IBinaryInteger<TFrom> => m.Rounding switch
    {
        "rn" => new(Shape<TToSlot, TSlot>(), &Templates.Lane<TToSlot, TSlot, IntegerToFloat<TToSlot, TTo, TSlot, TFrom, ToNearest>>),
        "rz" => new(Shape<TToSlot, TSlot>(), &Templates.Lane<TToSlot, TSlot, IntegerToFloat<TToSlot, TTo, TSlot, TFrom, TowardZero>>),
        "rm" => new(Shape<TToSlot, TSlot>(), &Templates.Lane<TToSlot, TSlot, IntegerToFloat<TToSlot, TTo, TSlot, TFrom, Down>>),
        "rp" => new(Shape<TToSlot, TSlot>(), &Templates.Lane<TToSlot, TSlot, IntegerToFloat<TToSlot, TTo, TSlot, TFrom, Up>>),
        _ => Operation.Unknown,
    };

    static Operation FromFloat<TSlot, TFrom>(Modifiers m, string to) where TSlot : unmanaged where TFrom : struct, IFloat<TSlot>
    {
        bool flush = m.Take("ftz");
        m.Take("sat"); // the result is clamped anyway
        return m.TakeAny("rni", "rzi", "rmi", "rpi") switch
        {
            "rni" => FromFloat<TSlot, TFrom, ToNearest>(to, flush),
            "rzi" => FromFloat<TSlot, TFrom, TowardZero>(to, flush),
            "rmi" => FromFloat<TSlot, TFrom, Down>(to, flush),
            "rpi" => FromFloat<TSlot, TFrom, Up>(to, flush),
            _ => Operation.Unknown,
        };
    }

    static Operation FromFloat<TSlot, TFrom, TRounding>(string to, bool flush)
        where TSlot : unmanaged where TFrom : struct, IFloat<TSlot> where TRounding : struct, IRounding => to switch
    {
        "u8" => FromFloat<uint, byte, TSlot, TFrom, TRounding>(flush),
        "s8" => FromFloat<uint, sbyte, TSlot, TFrom, TRounding>(flush),
        "u16" => FromFloat<uint, ushort, TSlot, TFrom, TRounding>(flush),
        "s16" => FromFloat<uint, short, TSlot, TFrom, TRounding>(flush),
        "u32" => FromFloat<uint, uint, TSlot, TFrom, TRounding>(flush),
        "s32" => FromFloat<uint, int, TSlot, TFrom, TRounding>(flush),
        "u64" => FromFloat<ulong, ulong, TSlot, TFrom, TRounding>(flush),
        _ => FromFloat<ulong, long, TSlot, TFrom, TRounding>(flush),
    };

    static Operation FromFloat<TToSlot, TTo, TSlot, TFrom, TRounding>(bool flush)
        where TToSlot : unmanaged, IBinaryInteger<TToSlot> where TTo : IBinaryInteger<TTo> where TSlot : unmanaged where TFrom : struct, IFloat<TSlot> where TRounding : struct, IRounding
    {
        if (flush && typeof(TFrom) == typeof(FloatF32))
            return new(Shape<TToSlot, TSlot>(), &Templates.Lane<TToSlot, TSlot, FlushFirst<TToSlot, TSlot, FloatToInteger<TToSlot, TTo, TSlot, TFrom, TRounding>>>);
        return new(Shape<TToSlot, TSlot>(), &Templates.Lane<TToSlot, TSlot, FloatToInteger<TToSlot, TTo, TSlot, TFrom, TRounding>>);
    }

    internal static string Shape<TTo, TFrom>() where TTo : unmanaged where TFrom : unmanaged => (sizeof(TTo) == 8 ? "q" : "w") + (sizeof(TFrom) == 8 ? "q" : "w");
}

/// <summary>Conversions between floating-point formats.</summary>
internal static unsafe class FloatConversions
{
    public static Operation Find(Modifiers m, string to, string from) => from switch
    {
        "f16" => From<uint, FloatF16>(m, to),
        "bf16" => From<uint, FloatBF16>(m, to),
        "f32" => From<uint, FloatF32>(m, to),
        "f64" => From<ulong, FloatF64>(m, to),
        _ => Operation.Unknown,
    };

    static Operation From<TSlot, TFrom>(Modifiers m, string to) where TSlot : unmanaged where TFrom : struct, IFloat<TSlot> => to switch
    {
        "f16" => Between<uint, FloatF16, TSlot, TFrom>(m),
        "bf16" => Between<uint, FloatBF16, TSlot, TFrom>(m),
        "f32" => Between<uint, FloatF32, TSlot, TFrom>(m),
        "f64" => Between<ulong, FloatF64, TSlot, TFrom>(m),
        _ => Operation.Unknown,
    };

    static Operation Between<TToSlot, TTo, TSlot, TFrom>(Modifiers m)
        where TToSlot : unmanaged where TTo : struct, IFloat<TToSlot> where TSlot : unmanaged where TFrom : struct, IFloat<TSlot>
    {
        bool flush = m.Take("ftz"), saturate = m.Take("sat"), positive = m.Take("relu");
        string? rounding = m.TakeAny("rni", "rzi", "rmi", "rpi") ?? m.Rounding;
        if (typeof(TTo) == typeof(TFrom) && rounding is not null && !saturate && !positive)
            return rounding switch
            {
                "rni" => Flushed<TToSlot, TTo, TToSlot, TTo, RoundToIntegral<TToSlot, TTo, ToNearest>>(flush),
                "rzi" => Flushed<TToSlot, TTo, TToSlot, TTo, RoundToIntegral<TToSlot, TTo, TowardZero>>(flush),
                "rmi" => Flushed<TToSlot, TTo, TToSlot, TTo, RoundToIntegral<TToSlot, TTo, Down>>(flush),
                "rpi" => Flushed<TToSlot, TTo, TToSlot, TTo, RoundToIntegral<TToSlot, TTo, Up>>(flush),
                _ => Operation.Unknown,
            };
        return (rounding ?? "rn", saturate, positive) switch
        {
            ("rn", false, false) => Flushed<TToSlot, TTo, TSlot, TFrom, ConvertFloat<TToSlot, TTo, TSlot, TFrom, ToNearest>>(flush),
            ("rz", false, false) => Flushed<TToSlot, TTo, TSlot, TFrom, ConvertFloat<TToSlot, TTo, TSlot, TFrom, TowardZero>>(flush),
            ("rm", false, false) => Flushed<TToSlot, TTo, TSlot, TFrom, ConvertFloat<TToSlot, TTo, TSlot, TFrom, Down>>(flush),
            ("rp", false, false) => Flushed<TToSlot, TTo, TSlot, TFrom, ConvertFloat<TToSlot, TTo, TSlot, TFrom, Up>>(flush),
            ("rz", true, false) => Flushed<TToSlot, TTo, TSlot, TFrom, SaturateConverted<TToSlot, TTo, TSlot, TFrom, TowardZero>>(flush),
            ("rm", true, false) => Flushed<TToSlot, TTo, TSlot, TFrom, SaturateConverted<TToSlot, TTo, TSlot, TFrom, Down>>(flush),
            ("rp", true, false) => Flushed<TToSlot, TTo, TSlot, TFrom, SaturateConverted<TToSlot, TTo, TSlot, TFrom, Up>>(flush),
            ("rn", true, false) => Flushed<TToSlot, TTo, TSlot, TFrom, SaturateConverted<TToSlot, TTo, TSlot, TFrom, ToNearest>>(flush),
            ("rn", false, true) => Flushed<TToSlot, TTo, TSlot, TFrom, ConvertPositive<TToSlot, TTo, TSlot, TFrom, ToNearest>>(flush),
            ("rz", false, true) => Flushed<TToSlot, TTo, TSlot, TFrom, ConvertPositive<TToSlot, TTo, TSlot, TFrom, TowardZero>>(flush),
            _ => Operation.Unknown,
        };
    }

    // .ftz is about single precision alone, operand or result
    static Operation Flushed<TToSlot, TTo, TSlot, TFrom, TOp>(bool flush) where TToSlot : unmanaged where TSlot : unmanaged where TOp : struct, ILane1<TToSlot, TSlot>
    {
        string shape = OpcodeTable.Shape<TToSlot, TSlot>();
        if (!flush) return new(shape, &Templates.Lane<TToSlot, TSlot, TOp>);
        bool operand = typeof(TFrom) == typeof(FloatF32), result = typeof(TTo) == typeof(FloatF32);
        if (operand && result) return new(shape, &Templates.Lane<TToSlot, TSlot, FlushBoth<TToSlot, TSlot, TOp>>);
        if (operand) return new(shape, &Templates.Lane<TToSlot, TSlot, FlushFirst<TToSlot, TSlot, TOp>>);
        return result ? new(shape, &Templates.Lane<TToSlot, TSlot, FlushLast<TToSlot, TSlot, TOp>>) : Operation.Unknown;
    }
}
