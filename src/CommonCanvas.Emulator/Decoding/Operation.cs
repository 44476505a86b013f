using CommonCanvas.Emulator.Execution;
using CommonCanvas.Emulator.Ptx;

namespace CommonCanvas.Emulator.Decoding;

/// <summary>
/// What runs an instruction, and what its operands are: one letter each, the destination first. <c>w</c> 32 bits a lane,
/// <c>h</c> 16 bits in them, <c>q</c> 64 bits, <c>p</c> a predicate.
/// </summary>
internal readonly unsafe struct Operation(string shape, delegate*<Warp*, Instruction*, void> run)
{
    /// <summary>The operands.</summary>
    public string Shape { get; } = shape;

    /// <summary>The handler; null where the instruction is not known.</summary>
    public delegate*<Warp*, Instruction*, void> Run { get; } = run;

    /// <summary>No such instruction.</summary>
    public static Operation Unknown => default;
}

/// <summary>The modifiers of an opcode, taken one by one; those that nobody takes make the instruction unknown.</summary>
internal sealed class Modifiers(PtxInstruction instruction)
{
    readonly List<string> left = [.. instruction.Parts.AsSpan(1)];

    /// <summary>The type: the last modifier.</summary>
    public string Type { get; } = instruction.Type;

    /// <summary>Whether an operand is a register of 64 bits, which may hold a narrower value.</summary>
    public bool IsWide(int operand) =>
        operand < instruction.Operands.Length && instruction.Operands[operand] is PtxRegisterOperand { Register.Width: 64 };

    /// <summary>The direction of rounding, or null.</summary>
    public string? Rounding => rounding ??= TakeAny("rn", "rz", "rm", "rp");

    string? rounding;

    /// <summary>Whether the modifier is there.</summary>
    public bool Take(string name) => left.Remove(name);

    /// <summary>The one of several modifiers that is there, or null.</summary>
    public string? TakeAny(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
            if (left.Remove(name)) return name;
        return null;
    }

    /// <summary>The modifier before the type: a conversion's destination.</summary>
    public string? TakeDestination()
    {
        if (left.Count < 2) return null;
        string name = left[^2];
        left.RemoveAt(left.Count - 2);
        return name;
    }

    /// <summary>Whether all modifiers but the type have been taken.</summary>
    public bool Done => left.Count == 0 || (left.Count == 1 && left[0] == Type);
}
