using CommonCanvas.Emulator.Operations;
using unsafe Handler = delegate*<CommonCanvas.Emulator.Execution.Warp*, CommonCanvas.Emulator.Execution.Instruction*, void>;

namespace CommonCanvas.Emulator.Decoding;

internal static unsafe partial class OpcodeTable
{
    /// <summary>The comparison of setp and set: its handler and the letter of its operands. Of two numbers in a lane it compares the lower ones.</summary>
    public static (nint Run, char Operand) Comparison(string relation, string type, bool flush)
    {
        char letter = type switch
        {
            "b64" or "u64" or "s64" or "f64" => 'q',
            "b16" or "u16" or "s16" or "f16" or "bf16" => 'h',
            _ => 'w',
        };
        Handler run = type switch
        {
            "s32" => Ordered<int>(relation),
            "u32" => Ordered<uint>(Unsigned(relation)),
            "b32" => Bitwise<uint>(relation),
            "s64" => Ordered<long>(relation),
            "u64" => Ordered<ulong>(Unsigned(relation)),
            "b64" => Bitwise<ulong>(relation),
            "s16" => Short(relation),
            "u16" => UShort(Unsigned(relation)),
            "b16" => relation is "eq" or "ne" ? UShort(relation) : null,
            "f32" when flush => Flushed(relation),
            "f32" => Floating<float>(relation),
            "f64" => Floating<double>(relation),
            "f16" or "f16x2" => flush ? HalfComparison<F16Flushed>(relation) : HalfComparison<F16>(relation),
            "bf16" or "bf16x2" when !flush => HalfComparison<BF16>(relation),
            _ => null,
        };
        return ((nint)run, letter);
    }

    // lo, ls, hi and hs are the unsigned relations' own names
    static string Unsigned(string relation) => relation switch { "lo" => "lt", "ls" => "le", "hi" => "gt", "hs" => "ge", _ => relation };

    static Handler Bitwise<T>(string relation) where T : unmanaged => relation is "eq" or "ne" ? Ordered<T>(relation) : null;

    static Handler Ordered<T>(string relation) where T : unmanaged => relation switch
    {
        "eq" => &Templates.Compare<T, Equal<T>>,
        "ne" => &Templates.Compare<T, Opposite<T, Equal<T>>>,
        "lt" => &Templates.Compare<T, Less<T>>,
        "le" => &Templates.Compare<T, LessOrEqual<T>>,
        "gt" => &Templates.Compare<T, Greater<T>>,
        "ge" => &Templates.Compare<T, GreaterOrEqual<T>>,
        _ => null,
    };

    static Handler Short(string relation) => relation switch
    {
        "eq" => &Templates.Compare<int, CompareShort<Equal<int>>>,
        "ne" => &Templates.Compare<int, CompareShort<Opposite<int, Equal<int>>>>,
        "lt" => &Templates.Compare<int, CompareShort<Less<int>>>,
        "le" => &Templates.Compare<int, CompareShort<LessOrEqual<int>>>,
        "gt" => &Templates.Compare<int, CompareShort<Greater<int>>>,
        "ge" => &Templates.Compare<int, CompareShort<GreaterOrEqual<int>>>,
        _ => null,
    };

    static Handler UShort(string relation) => relation switch
    {
        "eq" => &Templates.Compare<uint, CompareUShort<Equal<uint>>>,
        "ne" => &Templates.Compare<uint, CompareUShort<Opposite<uint, Equal<uint>>>>,
        "lt" => &Templates.Compare<uint, CompareUShort<Less<uint>>>,
        "le" => &Templates.Compare<uint, CompareUShort<LessOrEqual<uint>>>,
        "gt" => &Templates.Compare<uint, CompareUShort<Greater<uint>>>,
        "ge" => &Templates.Compare<uint, CompareUShort<GreaterOrEqual<uint>>>,
        _ => null,
    };

    static Handler Floating<T>(string relation) where T : unmanaged => relation switch
    {
        "eq" => &Templates.Compare<T, Equal<T>>,
        "ne" => &Templates.Compare<T, OrderedNotEqual<T>>,
        "lt" => &Templates.Compare<T, Less<T>>,
        "le" => &Templates.Compare<T, LessOrEqual<T>>,
        "gt" => &Templates.Compare<T, Greater<T>>,
        "ge" => &Templates.Compare<T, GreaterOrEqual<T>>,
        "equ" => &Templates.Compare<T, Opposite<T, OrderedNotEqual<T>>>,
        "neu" => &Templates.Compare<T, Opposite<T, Equal<T>>>,
        "ltu" => &Templates.Compare<T, Opposite<T, GreaterOrEqual<T>>>,
        "leu" => &Templates.Compare<T, Opposite<T, Greater<T>>>,
        "gtu" => &Templates.Compare<T, Opposite<T, LessOrEqual<T>>>,
        "geu" => &Templates.Compare<T, Opposite<T, Less<T>>>,
        "num" => &Templates.Compare<T, Ordered<T>>,
        "nan" => &Templates.Compare<T, Opposite<T, Ordered<T>>>,
        _ => null,
    };

    static Handler Flushed(string relation) => relation switch
    {
        "eq" => &Templates.Compare<float, CompareFlushed<Equal<float>>>,
        "ne" => &Templates.Compare<float, CompareFlushed<OrderedNotEqual<float>>>,
        "lt" => &Templates.Compare<float, CompareFlushed<Less<float>>>,
        "le" => &Templates.Compare<float, CompareFlushed<LessOrEqual<float>>>,
        "gt" => &Templates.Compare<float, CompareFlushed<Greater<float>>>,
        "ge" => &Templates.Compare<float, CompareFlushed<GreaterOrEqual<float>>>,
        "equ" => &Templates.Compare<float, CompareFlushed<Opposite<float, OrderedNotEqual<float>>>>,
        "neu" => &Templates.Compare<float, CompareFlushed<Opposite<float, Equal<float>>>>,
        "ltu" => &Templates.Compare<float, CompareFlushed<Opposite<float, GreaterOrEqual<float>>>>,
        "leu" => &Templates.Compare<float, CompareFlushed<Opposite<float, Greater<float>>>>,
        "gtu" => &Templates.Compare<float, CompareFlushed<Opposite<float, LessOrEqual<float>>>>,
        "geu" => &Templates.Compare<float, CompareFlushed<Opposite<float, Less<float>>>>,
        "num" => &Templates.Compare<float, Ordered<float>>,
        "nan" => &Templates.Compare<float, Opposite<float, Ordered<float>>>,
        _ => null,
    };

    static Handler HalfComparison<TFormat>(string relation) where TFormat : struct, IFormat16 => relation switch
    {
        "eq" => &Templates.Compare<uint, CompareHalf<TFormat, Equal<float>>>,
        "ne" => &Templates.Compare<uint, CompareHalf<TFormat, OrderedNotEqual<float>>>,
        "lt" => &Templates.Compare<uint, CompareHalf<TFormat, Less<float>>>,
        "le" => &Templates.Compare<uint, CompareHalf<TFormat, LessOrEqual<float>>>,
        "gt" => &Templates.Compare<uint, CompareHalf<TFormat, Greater<float>>>,
        "ge" => &Templates.Compare<uint, CompareHalf<TFormat, GreaterOrEqual<float>>>,
        "equ" => &Templates.Compare<uint, CompareHalf<TFormat, Opposite<float, OrderedNotEqual<float>>>>,
        "neu" => &Templates.Compare<uint, CompareHalf<TFormat, Opposite<float, Equal<float>>>>,
        "ltu" => &Templates.Compare<uint, CompareHalf<TFormat, Opposite<float, GreaterOrEqual<float>>>>,
        "leu" => &Templates.Compare<uint, CompareHalf<TFormat, Opposite<float, Greater<float>>>>,
        "gtu" => &Templates.Compare<uint, CompareHalf<TFormat, Opposite<float, LessOrEqual<float>>>>,
        "geu" => &Templates.Compare<uint, CompareHalf<TFormat, Opposite<float, Less<float>>>>,
        "num" => &Templates.Compare<uint, CompareHalf<TFormat, Ordered<float>>>,
        "nan" => &Templates.Compare<uint, CompareHalf<TFormat, Opposite<float, Ordered<float>>>>,
        _ => null,
    };
}
