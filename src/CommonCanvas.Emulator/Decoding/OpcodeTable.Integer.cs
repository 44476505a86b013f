using CommonCanvas.Emulator.Operations;

namespace CommonCanvas.Emulator.Decoding;

internal static unsafe partial class OpcodeTable
{
    static Operation Add(Modifiers m) => m.Type switch
    {
        "s32" when m.Take("sat") => Lanes<int, AddSaturated>(),
        "s32" or "u32" => Words<Add<uint>>(),
        "s64" or "u64" => Quads<Add<ulong>>(),
        "s16" or "u16" => new("hhh", Words<Add<uint>>().Run),
        _ => AddFloat(m),
    };

    static Operation Subtract(Modifiers m) => m.Type switch
    {
        "s32" when m.Take("sat") => Lanes<int, SubtractSaturated>(),
        "s32" or "u32" => Words<Subtract<uint>>(),
        "s64" or "u64" => Quads<Subtract<ulong>>(),
        "s16" or "u16" => new("hhh", Words<Subtract<uint>>().Run),
        _ => SubtractFloat(m),
    };

    static Operation Multiply(Modifiers m)
    {
        string? part = m.TakeAny("lo", "hi", "wide");
        return (part, m.Type) switch
        {
            ("lo", "s32" or "u32") => Words<Multiply<uint>>(),
            ("lo", "s64" or "u64") => Quads<Multiply<ulong>>(),
            ("lo", "s16" or "u16") => new("hhh", Words<Multiply<uint>>().Run),
            ("hi", "s32") => Lanes<int, MultiplyHigh<int, long>>(),
            ("hi", "u32") => Lanes<uint, MultiplyHigh<uint, ulong>>(),
            ("hi", "s64") => Lanes<long, MultiplyHigh<long, Int128>>(),
            ("hi", "u64") => Lanes<ulong, MultiplyHigh<ulong, UInt128>>(),
            ("hi", "s16") => Halves<short, MultiplyHigh<short, int>>(),
            ("hi", "u16") => Halves<ushort, MultiplyHigh<ushort, uint>>(),
            ("wide", "s32") => new("qww", &WordOps.MultiplyWideSigned),
            ("wide", "u32") => new("qww", &WordOps.MultiplyWide),
            ("wide", "s16") => new("whh", &Templates.Lane2<uint, ushort2, ushort2, WideHalf<short, int>>),
            ("wide", "u16") => new("whh", &Templates.Lane2<uint, ushort2, ushort2, WideHalf<ushort, uint>>),
            (null, _) => MultiplyFloat(m),
            _ => Operation.Unknown,
        };
    }

    static Operation MultiplyAdd(Modifiers m)
    {
        string? part = m.TakeAny("lo", "hi", "wide");
        return (part, m.Type) switch
        {
            ("lo", "s32" or "u32") => new("wwww", &Templates.Vector3<uint, MultiplyAdd<uint>>),
            ("lo", "s64" or "u64") => new("qqqq", &Templates.Vector3<ulong, MultiplyAdd<ulong>>),
            ("lo", "s16" or "u16") => new("hhhh", &Templates.Vector3<uint, MultiplyAdd<uint>>),
            ("hi", "s32") => new("wwww", &Templates.Lane3<int, int, int, int, MultiplyHighAdd<int, long>>),
            ("hi", "u32") => new("wwww", &Templates.Lane3<uint, uint, uint, uint, MultiplyHighAdd<uint, ulong>>),
            ("hi", "s64") => new("qqqq", &Templates.Lane3<long, long, long, long, MultiplyHighAdd<long, Int128>>),
            ("hi", "u64") => new("qqqq", &Templates.Lane3<ulong, ulong, ulong, ulong, MultiplyHighAdd<ulong, UInt128>>),
            ("wide", "s32") => new("qwwq", &Templates.Lane3<long, int, int, long, MultiplyWideAdd<long, int>>),
            ("wide", "u32") => new("qwwq", &Templates.Lane3<ulong, uint, uint, ulong, MultiplyWideAdd<ulong, uint>>),
            ("wide", "s16") => new("whhw", &Templates.Lane3<uint, ushort2, ushort2, uint, WideHalfAdd<short, int>>),
            ("wide", "u16") => new("whhw", &Templates.Lane3<uint, ushort2, ushort2, uint, WideHalfAdd<ushort, uint>>),
            (null, "f32" or "f64") => Fused(m),
            _ => Operation.Unknown,
        };
    }

    static Operation Multiply24(Modifiers m) => (m.TakeAny("lo", "hi"), m.Type) switch
    {
        ("lo", "s32") => Lanes<int, Multiply24Signed>(),
        ("lo", "u32") => Lanes<uint, Multiply24>(),
        ("hi", "s32") => Lanes<int, Multiply24High<int>>(),
        ("hi", "u32") => Lanes<uint, Multiply24High<uint>>(),
        _ => Operation.Unknown,
    };

    static Operation MultiplyAdd24(Modifiers m) => (m.TakeAny("lo", "hi"), m.Type) switch
    {
        ("lo", "s32") => new("wwww", &Templates.Lane3<int, int, int, int, PlusC<Multiply24Signed, int>>),
        ("lo", "u32") => new("wwww", &Templates.Lane3<uint, uint, uint, uint, PlusC<Multiply24, uint>>),
        ("hi", "s32") => new("wwww", &Templates.Lane3<int, int, int, int, PlusC<Multiply24High<int>, int>>),
        ("hi", "u32") => new("wwww", &Templates.Lane3<uint, uint, uint, uint, PlusC<Multiply24High<uint>, uint>>),
        _ => Operation.Unknown,
    };

    static Operation SumOfAbsoluteDifferences(Modifiers m) => m.Type switch
    {
        "s32" => new("wwww", &Templates.Lane3<int, int, int, int, SumOfAbsoluteDifferences<int>>),
        "u32" => new("wwww", &Templates.Lane3<uint, uint, uint, uint, SumOfAbsoluteDifferences<uint>>),
        "s64" => new("qqqq", &Templates.Lane3<long, long, long, long, SumOfAbsoluteDifferences<long>>),
        "u64" => new("qqqq", &Templates.Lane3<ulong, ulong, ulong, ulong, SumOfAbsoluteDifferences<ulong>>),
        _ => Operation.Unknown,
    };

    static Operation Divide(Modifiers m) => m.Type switch
    {
        "s32" => Lanes<int, Divide<int>>(),
        "u32" => Lanes<uint, Divide<uint>>(),
        "s64" => Lanes<long, Divide<long>>(),
        "u64" => Lanes<ulong, Divide<ulong>>(),
        "s16" => Halves<short, Divide<short>>(),
        "u16" => Halves<ushort, Divide<ushort>>(),
        _ => DivideFloat(m),
    };

    static Operation Remainder(Modifiers m) => m.Type switch
    {
        "s32" => Lanes<int, Remainder<int>>(),
        "u32" => Lanes<uint, Remainder<uint>>(),
        "s64" => Lanes<long, Remainder<long>>(),
        "u64" => Lanes<ulong, Remainder<ulong>>(),
        "s16" => Halves<short, Remainder<short>>(),
        "u16" => Halves<ushort, Remainder<ushort>>(),
        _ => Operation.Unknown,
    };

    static Operation Minimum(Modifiers m) => m.Type switch
    {
        "s32" => new("www", &Templates.Vector2<int, Minimum<int>>),
        "u32" => Words<Minimum<uint>>(),
        "s64" => new("qqq", &Templates.Vector2<long, Minimum<long>>),
        "u64" => Quads<Minimum<ulong>>(),
        "s16" => Halves<short, LaneMinimum<short>>(),
        "u16" => Halves<ushort, LaneMinimum<ushort>>(),
        _ => MinimumFloat(m),
    };

    static Operation Maximum(Modifiers m) => m.Type switch
    {
        "s32" => new("www", &Templates.Vector2<int, Maximum<int>>),
        "u32" => Words<Maximum<uint>>(),
        "s64" => new("qqq", &Templates.Vector2<long, Maximum<long>>),
        "u64" => Quads<Maximum<ulong>>(),
        "s16" => Halves<short, LaneMaximum<short>>(),
        "u16" => Halves<ushort, LaneMaximum<ushort>>(),
        _ => MaximumFloat(m),
    };

    static Operation Negate(Modifiers m) => m.Type switch
    {
        "s32" => new("ww", &Templates.Vector<uint, Negate<uint>>),
        "s16" => new("hh", &Templates.Vector<uint, Negate<uint>>),
        "s64" => new("qq", &Templates.Vector<ulong, Negate<ulong>>),
        _ => NegateFloat(m),
    };

    static Operation Absolute(Modifiers m) => m.Type switch
    {
        "s32" => new("ww", &Templates.Vector<int, Absolute<int>>),
        "s16" => new("hh", &Templates.Lane<uint, uint, AbsoluteShort>),
        "s64" => new("qq", &Templates.Vector<long, Absolute<long>>),
        _ => AbsoluteFloat(m),
    };

    static Operation Logic(string opcode, Modifiers m) => (opcode, m.Type) switch
    {
        ("and", "b32") => Words<And<uint>>(),
        ("and", "b16") => new("hhh", Words<And<uint>>().Run),
        ("and", "b64") => Quads<And<ulong>>(),
        ("and", "pred") => new("ppp", &Templates.Predicate<PredicateAnd>),
        ("or", "b32") => Words<Or<uint>>(),
        ("or", "b16") => new("hhh", Words<Or<uint>>().Run),
        ("or", "b64") => Quads<Or<ulong>>(),
        ("or", "pred") => new("ppp", &Templates.Predicate<PredicateOr>),
        ("xor", "b32") => Words<ExclusiveOr<uint>>(),
        ("xor", "b16") => new("hhh", Words<ExclusiveOr<uint>>().Run),
        ("xor", "b64") => Quads<ExclusiveOr<ulong>>(),
        ("xor", "pred") => new("ppp", &Templates.Predicate<PredicateXor>),
        ("not", "b32") => new("ww", &Templates.Vector<uint, Not<uint>>),
        ("not", "b16") => new("hh", &Templates.Vector<uint, Not<uint>>),
        ("not", "b64") => new("qq", &Templates.Vector<ulong, Not<ulong>>),
        ("not", "pred") => new("pp", &Templates.Predicate<PredicateNot>),
        ("cnot", "b32") => new("ww", &Templates.Lane<uint, uint, IsZero<uint>>),
        ("cnot", "b64") => new("qq", &Templates.Lane<ulong, ulong, IsZero<ulong>>),
        ("cnot", "b16") => new("hh", &Templates.Lane<uint, uint, IsZeroHalf>),
        _ => Operation.Unknown,
    };

    static Operation Shift(string opcode, Modifiers m) => (opcode, m.Type) switch
    {
        ("shl", "b32") => Words<ShiftLeft32>(),
        ("shr", "b32" or "u32") => Words<ShiftRight32>(),
        ("shr", "s32") => new("www", &Templates.Vector2<int, ShiftRightSigned32>),
        ("shl", "b64") => new("qqw", &Templates.Lane2<ulong, ulong, uint, ShiftLeft64>),
        ("shr", "b64" or "u64") => new("qqw", &Templates.Lane2<ulong, ulong, uint, ShiftRight64>),
        ("shr", "s64") => new("qqw", &Templates.Lane2<long, long, uint, ShiftRightSigned64>),
        ("shl", "b16") => new("hhw", &Templates.Lane2<uint, uint, uint, ShiftLeft16>),
        ("shr", "b16" or "u16") => new("hhw", &Templates.Lane2<uint, uint, uint, ShiftRight16>),
        ("shr", "s16") => new("hhw", &Templates.Lane2<uint, uint, uint, ShiftRightSigned16>),
        _ => Operation.Unknown,
    };

    static Operation FunnelShift(Modifiers m) => (m.TakeAny("l", "r"), m.TakeAny("wrap", "clamp"), m.Type) switch
    {
        ("l", "wrap", "b32") => new("wwww", &Templates.Lane3<uint, uint, uint, uint, FunnelLeftWrapped>),
        ("l", "clamp", "b32") => new("wwww", &Templates.Lane3<uint, uint, uint, uint, FunnelLeftClamped>),
        ("r", "wrap", "b32") => new("wwww", &Templates.Lane3<uint, uint, uint, uint, FunnelRightWrapped>),
        ("r", "clamp", "b32") => new("wwww", &Templates.Lane3<uint, uint, uint, uint, FunnelRightClamped>),
        _ => Operation.Unknown,
    };

    static Operation Bits(string opcode, Modifiers m) => (opcode, m.Type) switch
    {
        ("popc", "b32") => new("ww", &Templates.Lane<uint, uint, PopulationCount32>),
        ("popc", "b64") => new("wq", &Templates.Lane<uint, ulong, PopulationCount64>),
        ("clz", "b32") => new("ww", &Templates.Lane<uint, uint, LeadingZeros32>),
        ("clz", "b64") => new("wq", &Templates.Lane<uint, ulong, LeadingZeros64>),
        ("brev", "b32") => new("ww", &Templates.Lane<uint, uint, Reverse32>),
        ("brev", "b64") => new("qq", &Templates.Lane<ulong, ulong, Reverse64>),
        ("bfind", _) => FindLeading(m, m.Take("shiftamt")),
        ("bfe", "u32") => new("wwww", &Templates.Lane3<uint, uint, uint, uint, ExtractField<uint>>),
        ("bfe", "s32") => new("wwww", &Templates.Lane3<int, int, uint, uint, ExtractField<int>>),
        ("bfe", "u64") => new("qqww", &Templates.Lane3<ulong, ulong, uint, uint, ExtractField<ulong>>),
        ("bfe", "s64") => new("qqww", &Templates.Lane3<long, long, uint, uint, ExtractField<long>>),
        ("bmsk", "b32") when m.Take("clamp") => Lanes<uint, MaskClamped>(),
        ("bmsk", "b32") when m.Take("wrap") => Lanes<uint, MaskWrapped>(),
        ("prmt", "b32") => new("wwww", &Templates.Lane3<uint, uint, uint, uint, PermuteBytes>),
        _ => Operation.Unknown,
    };

    static Operation FindLeading(Modifiers m, bool asShift) => (m.Type, asShift) switch
    {
        ("u32", false) => new("ww", &Templates.Lane<uint, uint, FindLeading32>),
        ("s32", false) => new("ww", &Templates.Lane<uint, uint, FindLeadingSigned32>),
        ("u64", false) => new("wq", &Templates.Lane<uint, ulong, FindLeading64>),
        ("s64", false) => new("wq", &Templates.Lane<uint, ulong, FindLeadingSigned64>),
        ("u32", true) => new("ww", &Templates.Lane<uint, uint, FindShift32<FindLeading32>>),
        ("s32", true) => new("ww", &Templates.Lane<uint, uint, FindShift32<FindLeadingSigned32>>),
        ("u64", true) => new("wq", &Templates.Lane<uint, ulong, FindShift64<FindLeading64>>),
        ("s64", true) => new("wq", &Templates.Lane<uint, ulong, FindShift64<FindLeadingSigned64>>),
        _ => Operation.Unknown,
    };
}
