using CommonCanvas.Emulator.Operations;

namespace CommonCanvas.Emulator.Decoding;

internal static unsafe partial class OpcodeTable
{
    static Operation AddFloat(Modifiers m) => m.Type switch
    {
        "f32" => m.Rounding switch
        {
            null or "rn" => Single2<AddF>(m),
            "rz" => Directed2<AddDirected<TowardZero>>(m),
            "rm" => Directed2<AddDirected<Down>>(m),
            _ => Directed2<AddDirected<Up>>(m),
        },
        "f64" => m.Rounding is null or "rn" ? new("qqq", &Templates.Vector2<double, Add<double>>) : Double2<AddDirectedD>(m),
        _ => Half2<AddF>(m),
    };

    static Operation SubtractFloat(Modifiers m) => m.Type switch
    {
        "f32" => m.Rounding switch
        {
            null or "rn" => Single2<SubtractF>(m),
            "rz" => Directed2<SubtractDirected<TowardZero>>(m),
            "rm" => Directed2<SubtractDirected<Down>>(m),
            _ => Directed2<SubtractDirected<Up>>(m),
        },
        "f64" => m.Rounding is null or "rn" ? new("qqq", &Templates.Vector2<double, Subtract<double>>) : Double2<SubtractDirectedD>(m),
        _ => Half2<SubtractF>(m),
    };

    static Operation MultiplyFloat(Modifiers m) => m.Type switch
    {
        "f32" => m.Rounding switch
        {
            null or "rn" => Single2<MultiplyF>(m),
            "rz" => Directed2<MultiplyDirected<TowardZero>>(m),
            "rm" => Directed2<MultiplyDirected<Down>>(m),
            _ => Directed2<MultiplyDirected<Up>>(m),
        },
        "f64" => m.Rounding is null or "rn" ? new("qqq", &Templates.Vector2<double, Multiply<double>>) : Double2<MultiplyDirectedD>(m),
        _ => Half2<MultiplyF>(m),
    };

    static Operation DivideFloat(Modifiers m) => m.Type switch
    {
        "f32" when m.TakeAny("approx", "full") is not null => Single2<DivideF>(m),
        "f32" => m.Rounding switch
        {
            "rn" => Single2<DivideF>(m),
            "rz" => Directed2<DivideDirected<TowardZero>>(m),
            "rm" => Directed2<DivideDirected<Down>>(m),
            "rp" => Directed2<DivideDirected<Up>>(m),
            _ => Operation.Unknown,
        },
        "f64" => m.Rounding is "rn" ? new("qqq", &Templates.Vector2<double, DivideD>) : Double2<DivideDirectedD>(m),
        _ => Operation.Unknown,
    };

    static Operation Fused(Modifiers m) => m.Type switch
    {
        "f32" => m.Rounding switch
        {
            "rn" => Single3<FusedF>(m),
            "rz" => Directed3<FusedDirected<TowardZero>>(m),
            "rm" => Directed3<FusedDirected<Down>>(m),
            "rp" => Directed3<FusedDirected<Up>>(m),
            _ => Operation.Unknown,
        },
        "f64" => m.Rounding switch
        {
            "rn" => new("qqqq", &Templates.Vector3<double, FusedD>),
            "rz" => new("qqqq", &Templates.Lane3<double, double, double, double, FusedDirectedD<TowardZero>>),
            "rm" => new("qqqq", &Templates.Lane3<double, double, double, double, FusedDirectedD<Down>>),
            "rp" => new("qqqq", &Templates.Lane3<double, double, double, double, FusedDirectedD<Up>>),
            _ => Operation.Unknown,
        },
        _ => m.Rounding is "rn" ? FusedHalf(m) : Operation.Unknown,
    };

    static Operation MinimumFloat(Modifiers m) => m.Type switch
    {
        "f64" => new("qqq", &Templates.Lane2<double, double, double, MinimumD>),
        _ => (m.Take("NaN"), TakeXorSign(m)) switch
        {
            (false, false) => Extreme<MinimumF>(m),
            (true, false) => Extreme<PropagateF<MinimumF>>(m),
            (false, true) => Extreme<XorSignF<MinimumF>>(m),
            (true, true) => Extreme<XorSignF<PropagateF<MinimumF>>>(m),
        },
    };

    static Operation MaximumFloat(Modifiers m) => m.Type switch
    {
        "f64" => new("qqq", &Templates.Lane2<double, double, double, MaximumD>),
        _ => (m.Take("NaN"), TakeXorSign(m)) switch
        {
            (false, false) => Extreme<MaximumF>(m),
            (true, false) => Extreme<PropagateF<MaximumF>>(m),
            (false, true) => Extreme<XorSignF<MaximumF>>(m),
            (true, true) => Extreme<XorSignF<PropagateF<MaximumF>>>(m),
        },
    };

    static bool TakeXorSign(Modifiers m) => m.Take("xorsign") && m.Take("abs");

    static Operation Extreme<TOp>(Modifiers m) where TOp : struct, IVector2<float> => m.Type is "f32" ? Single2<TOp>(m) : Half2<TOp>(m);

    static Operation NegateFloat(Modifiers m) => m.Type switch
    {
        "f32" => Single1<NegateF>(m),
        "f64" => new("qq", &Templates.Lane<ulong, ulong, NegateD>),
        _ => HalfSign<NegateHalf>(m),
    };

    static Operation AbsoluteFloat(Modifiers m) => m.Type switch
    {
        "f32" => Single1<AbsoluteF>(m),
        "f64" => new("qq", &Templates.Lane<ulong, ulong, AbsoluteD>),
        _ => HalfSign<AbsoluteHalf>(m),
    };

    static Operation Roots(string opcode, Modifiers m)
    {
        bool approximate = m.Take("approx");
        string? rounding = m.Rounding;
        return (opcode, m.Type, approximate ? "rn" : rounding) switch
        {
            ("rcp", "f32", "rn") => Single1<ReciprocalF>(m),
            ("rcp", "f32", "rz") => Directed1<ReciprocalDirected<TowardZero>>(m),
            ("rcp", "f32", "rm") => Directed1<ReciprocalDirected<Down>>(m),
            ("rcp", "f32", "rp") => Directed1<ReciprocalDirected<Up>>(m),
            ("sqrt", "f32", "rn") => Single1<SqrtF>(m),
            ("sqrt", "f32", "rz") => Directed1<SqrtDirected<TowardZero>>(m),
            ("sqrt", "f32", "rm") => Directed1<SqrtDirected<Down>>(m),
            ("sqrt", "f32", "rp") => Directed1<SqrtDirected<Up>>(m),
            ("rsqrt", "f32", "rn") when approximate => Single1<ReciprocalSqrtF>(m),
            ("rcp" or "sqrt", "f64", "rz" or "rm" or "rp") => DirectedRoot(opcode, rounding!),
            ("rcp", "f64", "rn") when approximate && m.Take("ftz") => new("qq", &Templates.Lane<ulong, ulong, ReciprocalUpperD>),
            ("rsqrt", "f64", "rn") when approximate && m.Take("ftz") => new("qq", &Templates.Lane<ulong, ulong, ReciprocalSqrtUpperD>),
            ("rcp", "f64", "rn") when !approximate => new("qq", &Templates.Vector<double, ReciprocalD>),
            ("sqrt", "f64", "rn") when !approximate => new("qq", &Templates.Vector<double, SqrtD>),
            ("rsqrt", "f64", "rn") when approximate => new("qq", &Templates.Vector<double, ReciprocalSqrtD>),
            _ => Operation.Unknown,
        };
    }

    static Operation DirectedRoot(string opcode, string rounding) => (opcode, rounding) switch
    {
        ("rcp", "rz") => new("qq", &Templates.Lane<double, double, ReciprocalDirectedD<TowardZero>>),
        ("rcp", "rm") => new("qq", &Templates.Lane<double, double, ReciprocalDirectedD<Down>>),
        ("rcp", _) => new("qq", &Templates.Lane<double, double, ReciprocalDirectedD<Up>>),
        (_, "rz") => new("qq", &Templates.Lane<double, double, SqrtDirectedD<TowardZero>>),
        (_, "rm") => new("qq", &Templates.Lane<double, double, SqrtDirectedD<Down>>),
        _ => new("qq", &Templates.Lane<double, double, SqrtDirectedD<Up>>),
    };

    static Operation Double2<TOp>(Modifiers m) where TOp : struct, IDirected2 => m.Rounding switch
    {
        "rz" => new("qqq", &Templates.Lane2<double, double, double, InDirection<TOp, TowardZero>>),
        "rm" => new("qqq", &Templates.Lane2<double, double, double, InDirection<TOp, Down>>),
        "rp" => new("qqq", &Templates.Lane2<double, double, double, InDirection<TOp, Up>>),
        _ => Operation.Unknown,
    };

    static Operation Functions(string opcode, Modifiers m)
    {
        if (!m.Take("approx")) return Operation.Unknown;
        return (opcode, m.Type) switch
        {
            ("ex2", "f32") => Single1<Exp2F>(m),
            ("ex2", "f16") => new("hh", &Templates.Vector<uint, Half1<F16, Exp2F>>),
            ("ex2", "f16x2") => new("ww", &Templates.Vector<uint, Packed1<Half1<F16, Exp2F>>>),
            ("ex2", "bf16") when m.Take("ftz") => new("hh", &Templates.Vector<uint, Half1<BF16, Exp2F>>),
            ("ex2", "bf16x2") when m.Take("ftz") => new("ww", &Templates.Vector<uint, Packed1<Half1<BF16, Exp2F>>>),
            ("lg2", "f32") => Function<Log2Function>(m),
            ("sin", "f32") => Function<SineFunction>(m),
            ("cos", "f32") => Function<CosineFunction>(m),
            ("tanh", "f32") => Function<TanhFunction>(m),
            ("tanh", "f16") => new("hh", &Templates.Lane<uint, uint, HalfFunction<FloatF16, TanhFunction>>),
            ("tanh", "f16x2") => new("ww", &Templates.Lane<uint, uint, PackedFunction<FloatF16, TanhFunction>>),
            ("tanh", "bf16") => new("hh", &Templates.Lane<uint, uint, HalfFunction<FloatBF16, TanhFunction>>),
            ("tanh", "bf16x2") => new("ww", &Templates.Lane<uint, uint, PackedFunction<FloatBF16, TanhFunction>>),
            _ => Operation.Unknown,
        };
    }

    static Operation Function<TFunction>(Modifiers m) where TFunction : struct, IFunction => m.Take("ftz")
        ? new("ww", &Templates.Lane<float, float, ByDoubleFlushed<TFunction>>) : new("ww", &Templates.Lane<float, float, ByDouble<TFunction>>);

    static Operation Single1<TOp>(Modifiers m) where TOp : struct, IVector1<float> => m.Take("ftz")
        ? new("ww", &Templates.Vector<float, Flush1<TOp>>) : new("ww", &Templates.Vector<float, TOp>);

    static Operation Single2<TOp>(Modifiers m) where TOp : struct, IVector2<float> => (m.Take("ftz"), m.Take("sat")) switch
    {
        (false, false) => new("www", &Templates.Vector2<float, TOp>),
        (true, false) => new("www", &Templates.Vector2<float, Flush2<TOp>>),
        (false, true) => new("www", &Templates.Vector2<float, Saturate2<TOp>>),
        (true, true) => new("www", &Templates.Vector2<float, Saturate2<Flush2<TOp>>>),
    };

    static Operation Single3<TOp>(Modifiers m) where TOp : struct, IVector3<float> => (m.Take("ftz"), m.Take("sat")) switch
    {
        (false, false) => new("wwww", &Templates.Vector3<float, TOp>),
        (true, false) => new("wwww", &Templates.Vector3<float, Flush3<TOp>>),
        (false, true) => new("wwww", &Templates.Vector3<float, Saturate3<TOp>>),
        (true, true) => new("wwww", &Templates.Vector3<float, Saturate3<Flush3<TOp>>>),
    };

    static Operation Directed1<TOp>(Modifiers m) where TOp : struct, ILane1<float, float> => m.Take("ftz")
        ? new("ww", &Templates.Lane<float, float, FlushLane1<TOp>>) : new("ww", &Templates.Lane<float, float, TOp>);

    static Operation Directed2<TOp>(Modifiers m) where TOp : struct, ILane2<float, float, float> => m.Take("ftz")
        ? new("www", &Templates.Lane2<float, float, float, FlushLane2<TOp>>) : new("www", &Templates.Lane2<float, float, float, TOp>);

    static Operation Directed3<TOp>(Modifiers m) where TOp : struct, ILane3<float, float, float, float> => m.Take("ftz")
        ? new("wwww", &Templates.Lane3<float, float, float, float, FlushLane3<TOp>>) : new("wwww", &Templates.Lane3<float, float, float, float, TOp>);
}
