using System.Text.RegularExpressions;
using CommonCanvas.Emulator.Ptx;

namespace CommonCanvas.Emulator.Tests.Opcodes;

/// <summary>The forms that a test proves that is not one of <see cref="OpcodeForm"/>s, written as <see cref="OpcodeForms.Of"/> does.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ProvesAttribute(params string[] forms) : Attribute
{
    public string[] Forms { get; } = forms;
}

/// <summary>
/// What tells instructions apart that are decoded differently: the opcode with its modifiers and what kind each operand is.
/// Registers are letters by width as in <see cref="OpcodeForm"/>; # is a constant, S a name, [q] an address in a register.
/// </summary>
internal static class OpcodeForms
{
    /// <summary>The form of an instruction.</summary>
    public static string Of(PtxInstruction instruction) => $"{instruction.Opcode} {string.Concat(instruction.Operands.Select(Kind))}".TrimEnd();

    /// <summary>Those of <paramref name="used"/> that no proven form stands for. A constant takes the place of a register of any kind.</summary>
    public static IEnumerable<string> Missing(IEnumerable<string> used, IReadOnlyCollection<string> proven)
    {
        var byOpcode = proven.ToLookup(form => form.Split(' ')[0]);
        return used.Where(form => !byOpcode[form.Split(' ')[0]].Any(candidate => Regex.IsMatch(candidate, $"^{Regex.Escape(form).Replace("\\#", "[hwqp#]", StringComparison.Ordinal)}$")));
    }

    static string Kind(PtxOperand operand) => operand switch
    {
        PtxRegisterOperand register => (register.Negated ? "!" : "") + Letter(register.Register),
        PtxPairOperand pair => $"{Letter(pair.First)}|{Letter(pair.Second)}",
        PtxImmediateOperand => "#",
        PtxSpecialOperand special => special.Name,
        PtxAddressOperand { Base: { } register } => $"[{Letter(register)}]",
        PtxAddressOperand => "[S]",
        PtxVectorOperand vector => $"{{{string.Concat(vector.Elements.Select(Kind))}}}",
        _ => "S",
    };

    static char Letter(PtxRegister register) => register.IsPredicate ? 'p' : PtxTypes.Bytes(register.Type) switch { 8 => 'q', <= 2 => 'h', _ => 'w' };
}
