using CommonCanvas.Emulator.Execution;
using CommonCanvas.Emulator.Operations;
using CommonCanvas.Emulator.Ptx;
using unsafe Handler = delegate*<CommonCanvas.Emulator.Execution.Warp*, CommonCanvas.Emulator.Execution.Instruction*, void>;

namespace CommonCanvas.Emulator.Decoding;

/// <summary>
/// Finds what runs an instruction whose operands are all registers or constants. Families of opcodes have a method each, so
/// that a handler is compiled only when a kernel needs it.
/// </summary>
internal static unsafe partial class OpcodeTable
{
    /// <summary>The operation, or <see cref="Operation.Unknown"/>.</summary>
    public static Operation Find(PtxInstruction instruction)
    {
        var m = new Modifiers(instruction);
        var operation = instruction.Parts[0] switch
        {
            "add" => Add(m),
            "sub" => Subtract(m),
            "mul" => Multiply(m),
            "mad" => MultiplyAdd(m),
            "fma" => Fused(m),
            "div" => Divide(m),
            "rem" => Remainder(m),
            "min" => Minimum(m),
            "max" => Maximum(m),
            "neg" => Negate(m),
            "abs" => Absolute(m),
            "mul24" => Multiply24(m),
            "mad24" => MultiplyAdd24(m),
            "sad" => SumOfAbsoluteDifferences(m),
            "and" or "or" or "xor" or "not" or "cnot" => Logic(instruction.Parts[0], m),
            "shl" or "shr" => Shift(instruction.Parts[0], m),
            "shf" => FunnelShift(m),
            "popc" or "clz" or "brev" or "bfind" or "bfe" or "bmsk" or "prmt" => Bits(instruction.Parts[0], m),
            "rcp" or "sqrt" or "rsqrt" => Roots(instruction.Parts[0], m),
            "ex2" or "lg2" or "sin" or "cos" or "tanh" => Functions(instruction.Parts[0], m),
            "cvt" => Convert(m),
            "selp" => Select(m),
            "slct" => SelectBySign(m),
            "copysign" => m.Type switch
            {
                "f32" => new("www", &Templates.Lane2<uint, uint, uint, CopySign32>),
                "f64" => new("qqq", &Templates.Lane2<ulong, ulong, ulong, CopySign64>),
                _ => Operation.Unknown,
            },
            "testp" => m.Type switch { "f32" => Property<float>(m, "pw"), "f64" => Property<double>(m, "pq"), _ => Operation.Unknown },
            _ => Operation.Unknown,
        };
        return m.Done ? operation : Operation.Unknown;
    }

    static Operation Words<TOp>() where TOp : struct, IVector2<uint> => new("www", &Templates.Vector2<uint, TOp>);

    static Operation Quads<TOp>() where TOp : struct, IVector2<ulong> => new("qqq", &Templates.Vector2<ulong, TOp>);

    static Operation Lanes<T, TOp>() where T : unmanaged where TOp : struct, ILane2<T, T, T> =>
        new(sizeof(T) == 8 ? "qqq" : "www", &Templates.Lane2<T, T, T, TOp>);

    static Operation Halves<T, TOp>() where T : unmanaged, System.Numerics.IBinaryInteger<T> where TOp : struct, ILane2<T, T, T> =>
        new("hhh", &Templates.Lane2<uint, ushort2, ushort2, Half16<TOp, T>>);

    static Operation Select(Modifiers m) => m.Type switch
    {
        "b16" or "u16" or "s16" => new("hhhp", &Templates.Select<uint>),
        "b32" or "u32" or "s32" or "f32" => new("wwwp", &Templates.Select<uint>),
        "b64" or "u64" or "s64" or "f64" => new("qqqp", &Templates.Select<ulong>),
        _ => Operation.Unknown,
    };

    // slct.type.s32, slct[.ftz].type.f32: the first type is that of the values
    static Operation SelectBySign(Modifiers m)
    {
        bool flush = m.Take("ftz");
        return m.TakeDestination() switch
        {
            "b16" or "u16" or "s16" => SelectBySign<uint>(m.Type, "hhhw", flush),
            "b32" or "u32" or "s32" or "f32" => SelectBySign<uint>(m.Type, "wwww", flush),
            "b64" or "u64" or "s64" or "f64" => SelectBySign<ulong>(m.Type, "qqqw", flush),
            _ => Operation.Unknown,
        };
    }

    static Operation SelectBySign<T>(string type, string shape, bool flush) where T : unmanaged => (type, flush) switch
    {
        ("s32", false) => new(shape, &Templates.Lane3<T, T, T, int, SelectBySign<T>>),
        ("f32", false) => new(shape, &Templates.Lane3<T, T, T, float, SelectByFloat<T>>),
        ("f32", true) => new(shape, &Templates.Lane3<T, T, T, float, SelectByFloatFlushed<T>>),
        _ => Operation.Unknown,
    };

    static Operation Property<T>(Modifiers m, string shape) where T : unmanaged, System.Numerics.INumberBase<T> =>
        m.TakeAny("finite", "infinite", "number", "notanumber", "normal", "subnormal") switch
        {
            "finite" => new(shape, &Templates.Property<T, IsFiniteNumber<T>>),
            "infinite" => new(shape, &Templates.Property<T, IsInfinite<T>>),
            "number" => new(shape, &Templates.Property<T, IsNumber<T>>),
            "notanumber" => new(shape, &Templates.Property<T, IsNoNumber<T>>),
            "normal" => new(shape, &Templates.Property<T, IsNormalNumber<T>>),
            "subnormal" => new(shape, &Templates.Property<T, IsSubnormalNumber<T>>),
            _ => Operation.Unknown,
        };
}

/// <summary>b with the sign of a.</summary>
internal struct CopySign32 : ILane2<uint, uint, uint> { public static uint Of(uint a, uint b) => (b & ~Binary32.Sign) | (a & Binary32.Sign); }

internal struct CopySign64 : ILane2<ulong, ulong, ulong> { public static ulong Of(ulong a, ulong b) => (b & ~(1ul << 63)) | (a & 1ul << 63); }
