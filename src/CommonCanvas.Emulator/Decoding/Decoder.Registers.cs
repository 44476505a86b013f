using CommonCanvas.Emulator.Execution;
using CommonCanvas.Emulator.Operations;
using CommonCanvas.Emulator.Ptx;

namespace CommonCanvas.Emulator.Decoding;

/// <summary>
/// Checks of registers. Liveness tells which may be read before they are written; only those carry a bit a lane that says
/// whether they were, so that all others cost nothing.
/// </summary>
internal sealed unsafe partial class Decoder<TMonitor>
{
    readonly Dictionary<int, int> written = [];

    /// <summary>Most checks that an instruction may need.</summary>
    int Watched(PtxInstruction ptx)
    {
        int count = 0;
        if (written.Count > 0) OperandRoles.Visit(ptx, (register, _) => count += written.ContainsKey(register.Index) ? 1 : 0);
        return count;
    }

    // moves and selections may carry a value that nobody uses: compilers make such
    Instruction* CheckReads(PtxInstruction ptx, int source, Instruction* at)
    {
        if (written.Count == 0 || ptx.Parts[0] is "mov" or "selp") return at;
        var reads = new List<PtxRegister>();
        OperandRoles.Visit(ptx, (register, writes) =>
        {
            if (!writes && register != ptx.Guard && !Keeps(ptx, register)) reads.Add(register);
        });
        foreach (var register in reads)
            if (written.TryGetValue(register.Index, out int flags))
            {
                at->Run = &RegisterChecks.Check;
                (at->Operand[0], at->Option, at->Source) = (flags, register.Index, source);
                at++;
            }
        return at;
    }

    // a guarded write counts as a read of the old value, which is no use of it
    static bool Keeps(PtxInstruction ptx, PtxRegister register) => ptx.Guard is not null && ptx.Operands.Length > 0 && ptx.Operands[0] switch
    {
        PtxRegisterOperand to => to.Register == register,
        PtxPairOperand pair => pair.First == register || pair.Second == register,
        PtxVectorOperand vector => vector.Elements.Any(element => element is PtxRegisterOperand to && to.Register == register),
        _ => false,
    };

    Instruction* NoteWrites(PtxInstruction ptx, int source, Instruction* at)
    {
        if (written.Count == 0) return at;
        var writes = new List<PtxRegister>();
        OperandRoles.Visit(ptx, (register, isWritten) =>
        {
            if (isWritten) writes.Add(register);
        });
        foreach (var register in writes)
            if (written.TryGetValue(register.Index, out int flags))
            {
                at->Run = &RegisterChecks.Note;
                (at->Operand[0], at->Source) = (flags, source);
                at++;
            }
        return at;
    }
}
