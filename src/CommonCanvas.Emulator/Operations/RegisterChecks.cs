using System.Numerics;
using CommonCanvas.Cuda;
using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Operations;

/// <summary>Tells reads of registers that were never written. Operand 0 holds a bit for each lane that wrote.</summary>
internal static unsafe class RegisterChecks
{
    /// <summary>The active lanes write it.</summary>
    public static void Note(Warp* warp, Instruction* i) => *(uint*)(warp->Registers + i->Operand[0]) |= warp->Mask;

    /// <summary>The active lanes read it; <see cref="Instruction.Option"/> is the register's number.</summary>
    public static void Check(Warp* warp, Instruction* i)
    {
        uint missing = warp->Mask & ~*(uint*)(warp->Registers + i->Operand[0]);
        if (missing == 0) return;
        throw new KernelFault(CudaResult.IllegalInstruction, "reads a register that was never written", BitOperations.TrailingZeroCount(missing), i->Source, i->Option);
    }
}
