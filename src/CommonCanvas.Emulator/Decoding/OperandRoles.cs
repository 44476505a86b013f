using CommonCanvas.Emulator.Ptx;

namespace CommonCanvas.Emulator.Decoding;

/// <summary>Which registers an instruction reads and writes.</summary>
internal static class OperandRoles
{
    /// <summary>Calls <paramref name="visit"/> for each register with whether it is written.</summary>
    public static void Visit(PtxInstruction instruction, Action<PtxRegister, bool> visit)
    {
        if (instruction.Guard is { } guard) visit(guard, false);
        bool writesFirst = WritesFirst(instruction);
        for (int i = 0; i < instruction.Operands.Length; i++) Visit(instruction.Operands[i], i == 0 && writesFirst, instruction.Guard is not null, visit);
    }

    static bool WritesFirst(PtxInstruction instruction) => instruction.Parts[0] switch
    {
        "bar" or "barrier" => instruction.Has("red"),
        "st" or "red" or "bra" or "brx" or "ret" or "exit" or "cp" or "prefetch" or "prefetchu" or "membar" or "fence"
            or "nanosleep" or "trap" or "brkpt" or "pmevent" or "stmatrix" or "discard" or "applypriority" or "griddepcontrol" => false,
        _ => true,
    };

    // where a guard is false the old value stays, so a guarded write also reads
    static void Visit(PtxOperand operand, bool written, bool guarded, Action<PtxRegister, bool> visit)
    {
        switch (operand)
        {
            case PtxRegisterOperand register:
                if (written && guarded) visit(register.Register, false);
                visit(register.Register, written);
                break;
            case PtxPairOperand pair:
                foreach (var each in (PtxRegister[])[pair.First, pair.Second])
                {
                    if (written && guarded) visit(each, false);
                    visit(each, written);
                }
                break;
            case PtxVectorOperand vector:
                foreach (var element in vector.Elements) Visit(element, written, guarded, visit);
                break;
            case PtxAddressOperand { Base: { } register }: visit(register, false); break;
        }
    }
}
