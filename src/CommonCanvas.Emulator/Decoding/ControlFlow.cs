using CommonCanvas.Emulator.Execution;
using CommonCanvas.Emulator.Ptx;

namespace CommonCanvas.Emulator.Decoding;

/// <summary>Instructions that are entered at the first and left behind the last only.</summary>
internal sealed class CodeBlock(int start)
{
    /// <summary>Index of the first instruction.</summary>
    public int Start { get; } = start;

    /// <summary>One behind the last that is no jump, exit or barrier.</summary>
    public int End { get; set; }

    /// <summary>How it ends.</summary>
    public BlockEnd Kind { get; set; }

    /// <summary>The jump, exit or barrier that ends it.</summary>
    public PtxInstruction? Last { get; set; }

    /// <summary>Index of <see cref="Last"/>.</summary>
    public int LastIndex => End;

    /// <summary>Blocks that it jumps to.</summary>
    public List<int> Targets { get; } = [];

    /// <summary>Blocks that may run next.</summary>
    public List<int> Next { get; } = [];
}

/// <summary>Cuts a kernel into blocks, in the order of its text.</summary>
internal static class ControlFlow
{
    /// <summary>The blocks.</summary>
    /// <exception cref="PtxSyntaxException">A jump to a label that is not there.</exception>
    public static List<CodeBlock> Build(PtxKernel kernel)
    {
        var instructions = kernel.Instructions;
        var starts = new SortedSet<int> { 0, instructions.Count };
        foreach (int at in kernel.Labels.Values) starts.Add(at);
        for (int i = 0; i < instructions.Count; i++)
        {
            if (EndOf(instructions[i]) != BlockEnd.Next) starts.Add(i + 1);
            if (MembersOf(instructions[i]) is not null) starts.Add(i);
        }
        var blocks = starts.Select(start => new CodeBlock(start)).ToList();
        var blockAt = blocks.Select((block, index) => (block.Start, index)).ToDictionary();
        for (int b = 0; b < blocks.Count; b++)
        {
            var block = blocks[b];
            block.End = b + 1 < blocks.Count ? blocks[b + 1].Start : block.Start;
            if (block.End > block.Start && EndOf(instructions[block.End - 1]) is var kind && kind != BlockEnd.Next)
            {
                block.End--;
                block.Kind = kind;
                block.Last = instructions[block.End];
                if (kind is BlockEnd.Branch or BlockEnd.Switch)
                    foreach (string label in Labels(kernel, block.Last))
                        block.Targets.Add(kernel.Labels.TryGetValue(label, out int at) ? blockAt[at]
                            : throw new PtxSyntaxException(block.Last.PtxLine, $"there is no label {label}"));
            }
            block.Next.AddRange(block.Targets);
            bool fallsThrough = block.Kind is BlockEnd.Next or BlockEnd.Barrier or BlockEnd.Arrive || (block.Kind != BlockEnd.Switch && block.Last!.Guard is not null);
            if (fallsThrough && b + 1 < blocks.Count) block.Next.Add(b + 1);
        }
        return blocks;
    }

    /// <summary>How a block ends that ends with this instruction; <see cref="BlockEnd.Next"/> where it does not.</summary>
    public static BlockEnd EndOf(PtxInstruction instruction) => instruction.Parts[0] switch
    {
        "bra" => BlockEnd.Branch,
        "brx" => BlockEnd.Switch,
        "ret" or "exit" => BlockEnd.Exit,
        "bar" or "barrier" when instruction.Has("arrive") => BlockEnd.Arrive,
        "bar" or "barrier" when (instruction.Has("sync") || instruction.Has("red")) && !instruction.Has("warp") => BlockEnd.Barrier,
        _ => BlockEnd.Next,
    };

    /// <summary>
    /// The mask of the lanes that an instruction waits for; null where it waits for none. Such an instruction begins a block, so
    /// that lanes can wait before it. A guarded one is not waited for: nobody knows which lanes will come.
    /// </summary>
    public static PtxOperand? MembersOf(PtxInstruction instruction) => instruction.Guard is not null ? null : (instruction.Parts[0], instruction.Operands.Length) switch
    {
        ("shfl", 5) when instruction.Has("sync") => instruction.Operands[4],
        ("vote" or "match" or "redux", 3) when instruction.Has("sync") => instruction.Operands[2],
        ("bar" or "barrier", 1) when instruction.Has("warp") => instruction.Operands[0],
        _ => null,
    };

    static IEnumerable<string> Labels(PtxKernel kernel, PtxInstruction jump) => jump.Operands[^1] switch
    {
        PtxSymbolOperand symbol when kernel.BranchTables.TryGetValue(symbol.Name, out var table) => table,
        PtxSymbolOperand symbol => [symbol.Name],
        _ => throw new PtxSyntaxException(jump.PtxLine, $"{jump} jumps to no label"),
    };
}
