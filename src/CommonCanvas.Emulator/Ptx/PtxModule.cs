namespace CommonCanvas.Emulator.Ptx;

/// <summary>A parsed PTX text.</summary>
public sealed class PtxModule
{
    /// <summary>ISA version, such as 7.8.</summary>
    public Version Version { get; internal set; } = new(0, 0);

    /// <summary>Architecture it was compiled for, such as <c>sm_80</c>.</summary>
    public string Target { get; internal set; } = "";

    /// <summary>Source files by the number that <c>.loc</c> names.</summary>
    public Dictionary<int, string> Files { get; } = [];

    /// <summary>Kernels by name.</summary>
    public Dictionary<string, PtxKernel> Kernels { get; } = [];

    /// <summary>Functions that kernels call, by name.</summary>
    public Dictionary<string, PtxKernel> Functions { get; } = [];

    /// <summary>Shared variables of the module with their sizes, which kernels and functions name.</summary>
    public Dictionary<string, PtxVariable> Shared { get; } = [];

    /// <summary>Variables in global and constant memory.</summary>
    public Dictionary<string, PtxVariable> Globals { get; } = [];
}

/// <summary>A kernel, or a function that kernels call: its registers, its memory and its instructions.</summary>
public sealed class PtxKernel(string name)
{
    /// <summary>Name, as compiled.</summary>
    public string Name { get; } = name;

    /// <summary>Parameters in order, laid out as a structure of the C ABI.</summary>
    public List<PtxVariable> Parameters { get; } = [];

    /// <summary>What a function returns; empty for a kernel.</summary>
    public List<PtxVariable> Returns { get; } = [];

    /// <summary>Bytes of all parameters.</summary>
    public int ParameterBytes { get; internal set; }

    /// <summary>Every register, those of inner scopes included.</summary>
    public List<PtxRegister> Registers { get; } = [];

    /// <summary>Statically sized shared variables with their offsets.</summary>
    public Dictionary<string, PtxVariable> Shared { get; } = [];

    /// <summary>Bytes of static shared memory; dynamic shared memory follows, aligned to 128.</summary>
    public int SharedBytes { get; internal set; }

    /// <summary>Names of <c>extern __shared__</c> arrays, which all start where static shared memory ends.</summary>
    public HashSet<string> DynamicShared { get; } = [];

    /// <summary>Variables in local memory (spills, indexed arrays, what is passed to functions).</summary>
    public Dictionary<string, PtxVariable> Local { get; } = [];

    /// <summary>Bytes of local memory a thread.</summary>
    public int LocalBytes { get; internal set; }

    /// <summary>Largest block that <c>__launch_bounds__</c> allows; 0 where it is not given.</summary>
    public int MaxThreads { get; internal set; }

    /// <summary>Instructions in order.</summary>
    public List<PtxInstruction> Instructions { get; } = [];

    /// <summary>Index of the instruction that each label stands before.</summary>
    public Dictionary<string, int> Labels { get; } = [];

    /// <summary>Lists of labels that <c>brx.idx</c> chooses from, by name.</summary>
    public Dictionary<string, List<string>> BranchTables { get; } = [];
}

/// <summary>A named piece of memory.</summary>
/// <param name="Name">Name.</param>
/// <param name="Offset">Bytes from the start of its space.</param>
/// <param name="Bytes">Size.</param>
/// <param name="Alignment">Alignment of its start.</param>
/// <param name="Initial">Initial contents; null where there are none.</param>
public sealed record PtxVariable(string Name, int Offset, int Bytes, int Alignment, byte[]? Initial = null);

/// <summary>A virtual register.</summary>
/// <param name="Name">Name, unique in the kernel: registers of inner scopes carry the scope's number.</param>
/// <param name="Type">Type without the dot: <c>pred</c>, <c>b16</c>, <c>f32</c>, <c>b64</c>.</param>
/// <param name="Index">Position in <see cref="PtxKernel.Registers"/>.</param>
public sealed record PtxRegister(string Name, string Type, int Index)
{
    /// <summary>Whether it is a predicate.</summary>
    public bool IsPredicate => Type == "pred";

    /// <summary>Bits that a lane takes: 0 for a predicate, 32 (also for narrower types) or 64.</summary>
    public int Width => IsPredicate ? 0 : PtxTypes.Bytes(Type) == 8 ? 64 : 32;
}

/// <summary>Where an instruction comes from.</summary>
/// <param name="File">Number of the source file; 0 where there is no line information.</param>
/// <param name="Line">Line in it.</param>
/// <param name="CallerFile">For an inlined function: the file of the call; else 0.</param>
/// <param name="CallerLine">The line of the call.</param>
public readonly record struct PtxLocation(int File, int Line, int CallerFile, int CallerLine);

/// <summary>An instruction.</summary>
public sealed class PtxInstruction
{
    /// <summary>Opcode with its modifiers: <c>ld.global.nc.v4.u32</c>.</summary>
    public required string Opcode { get; init; }

    /// <summary>The parts of the opcode: <c>ld</c>, <c>global</c>, <c>nc</c>, <c>v4</c>, <c>u32</c>.</summary>
    public required string[] Parts { get; init; }

    /// <summary>The predicate that guards it.</summary>
    public PtxRegister? Guard { get; init; }

    /// <summary>Whether it runs where the guard is false.</summary>
    public bool GuardNegated { get; init; }

    /// <summary>Operands; the destination first, where there is one.</summary>
    public required PtxOperand[] Operands { get; init; }

    /// <summary>Line of the <c>.cu</c>.</summary>
    public PtxLocation Location { get; init; }

    /// <summary>Line in the PTX text, from 1.</summary>
    public int PtxLine { get; init; }

    /// <summary>Whether the opcode has the modifier <paramref name="part"/>.</summary>
    public bool Has(string part) => Array.IndexOf(Parts, part, 1) >= 0;

    /// <summary>The last part: most often the type.</summary>
    public string Type => Parts[^1];

    /// <inheritdoc/>
    public override string ToString() =>
        (Guard is null ? "" : $"@{(GuardNegated ? "!" : "")}{Guard.Name} ") + Opcode + " " + string.Join(", ", (object[])Operands);
}

/// <summary>An operand.</summary>
public abstract record PtxOperand;

/// <summary>A register, negated where it is a predicate with <c>!</c>.</summary>
public sealed record PtxRegisterOperand(PtxRegister Register, bool Negated = false) : PtxOperand
{
    /// <inheritdoc/>
    public override string ToString() => (Negated ? "!" : "") + Register.Name;
}

/// <summary>The two destinations of <c>shfl</c> and <c>setp</c>: <c>%r1|%p1</c>.</summary>
public sealed record PtxPairOperand(PtxRegister First, PtxRegister Second) : PtxOperand
{
    /// <inheritdoc/>
    public override string ToString() => $"{First.Name}|{Second.Name}";
}

/// <summary>A constant; <see cref="Bits"/> of a floating-point literal are those of its own format.</summary>
/// <param name="Bits">Two's complement, or the bits of the float.</param>
/// <param name="Kind"><c>i</c> integer, <c>f</c> binary32, <c>d</c> binary64.</param>
public sealed record PtxImmediateOperand(ulong Bits, char Kind) : PtxOperand
{
    /// <inheritdoc/>
    public override string ToString() => Kind == 'i' ? ((long)Bits).ToString() : $"0{Kind}{Bits:X}";
}

/// <summary>A special register: <c>%tid.x</c>.</summary>
public sealed record PtxSpecialOperand(string Name) : PtxOperand
{
    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>A variable, a parameter or a label by name.</summary>
public sealed record PtxSymbolOperand(string Name) : PtxOperand
{
    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>An address: a register or a symbol plus an offset.</summary>
public sealed record PtxAddressOperand(PtxRegister? Base, string? Symbol, long Offset) : PtxOperand
{
    /// <inheritdoc/>
    public override string ToString() => $"[{Base?.Name ?? Symbol}{(Offset == 0 ? "" : $"+{Offset}")}]";
}

/// <summary>Several operands in braces.</summary>
public sealed record PtxVectorOperand(PtxOperand[] Elements) : PtxOperand
{
    /// <inheritdoc/>
    public override string ToString() => $"{{{string.Join(", ", (object[])Elements)}}}";
}

/// <summary>The arguments or results of a call.</summary>
public sealed record PtxListOperand(PtxOperand[] Elements) : PtxOperand
{
    /// <inheritdoc/>
    public override string ToString() => $"({string.Join(", ", (object[])Elements)})";
}

/// <summary>Facts about PTX types.</summary>
public static class PtxTypes
{
    /// <summary>Bytes of a fundamental type, without the dot; 0 where it is none.</summary>
    public static int Bytes(string type) => type switch
    {
        "b8" or "u8" or "s8" => 1,
        "b16" or "u16" or "s16" or "f16" or "bf16" => 2,
        "b32" or "u32" or "s32" or "f32" or "f16x2" or "bf16x2" => 4,
        "b64" or "u64" or "s64" or "f64" => 8,
        "b128" => 16,
        _ => 0,
    };
}
