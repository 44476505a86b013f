using CommonCanvas.Emulator.Decoding;
using CommonCanvas.Emulator.Ptx;

namespace CommonCanvas.Emulator.Execution;

/// <summary>Instructions by class, of a block of instructions or of a launch.</summary>
/// <param name="All">Instructions that become machine instructions: without moves, conversions of address spaces and parameters.</param>
/// <param name="Arithmetic">Of them arithmetic and logic on 32-bit lanes.</param>
/// <param name="Special">Of them special functions.</param>
/// <param name="Matrix">Of them matrix instructions.</param>
/// <param name="MatrixFlops">Floating-point operations of those: two for each multiply-add.</param>
/// <param name="Memory">Of them loads, stores and copies.</param>
internal readonly record struct InstructionMix(double All, double Arithmetic, double Special, double Matrix, double MatrixFlops, double Memory)
{
    /// <summary>The mix of a kernel's text, block by block, as a warp runs it.</summary>
    public static unsafe InstructionMix[] Of(KernelCode code)
    {
        var mixes = new InstructionMix[code.BlockCount];
        for (int b = 0; b < code.BlockCount; b++)
        {
            var block = code.Blocks[b];
            int last = -1;
            for (var i = block.First; i < block.End; i++)
            {
                if (i->Source != last) mixes[b] += One(code.Kernel.Instructions[i->Source]);
                last = i->Source;
            }
            if (block.Kind != BlockEnd.Next) mixes[b] += new InstructionMix(1, 0, 0, 0, 0, 0);
        }
        return mixes;
    }

    /// <summary>The sum.</summary>
    public static InstructionMix operator +(InstructionMix a, InstructionMix b) =>
        new(a.All + b.All, a.Arithmetic + b.Arithmetic, a.Special + b.Special, a.Matrix + b.Matrix, a.MatrixFlops + b.MatrixFlops, a.Memory + b.Memory);

    /// <summary>Run so many times.</summary>
    public static InstructionMix operator *(InstructionMix a, double times) =>
        new(a.All * times, a.Arithmetic * times, a.Special * times, a.Matrix * times, a.MatrixFlops * times, a.Memory * times);

    static InstructionMix One(PtxInstruction instruction)
    {
        switch (instruction.Parts[0])
        {
            case "mov" or "cvta" or "isspacep": return default;
            case "ld" or "st" when instruction.Has("param"): return default;
            case "ld" or "ldu" or "st" or "cp" or "atom" or "red" or "ldmatrix" or "prefetch": return new(1, 0, 0, 0, 0, 1);
            case "mma": return new(1, 0, 0, 1, Flops(instruction), 0);
            case "ex2" or "lg2" or "rcp" or "rsqrt" or "sqrt" or "sin" or "cos" or "tanh" or "div": return new(1, 0, 1, 0, 0, 0);
            case "shfl" or "vote" or "match" or "redux" or "membar" or "fence" or "bar": return new(1, 0, 0, 0, 0, 0);
            default: return new(1, 1, 0, 0, 0, 0);
        }
    }

    // 2 m n k of m16n8k16
    static double Flops(PtxInstruction instruction)
    {
        string shape = instruction.Parts.First(part => part.StartsWith('m') && part.Contains('n') && part.Contains('k'));
        int n = shape.IndexOf('n'), k = shape.IndexOf('k');
        return 2.0 * int.Parse(shape[1..n]) * int.Parse(shape[(n + 1)..k]) * int.Parse(shape[(k + 1)..]);
    }
}
