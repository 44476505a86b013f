using CommonCanvas.Emulator.Ptx;

namespace CommonCanvas.Emulator.Decoding;

/// <summary>
/// Where each register holds a value that is still read: from its first position to its last, in the order of the text.
/// Positions are 2 * instruction for a read and one more for a write.
/// </summary>
internal sealed class Liveness
{
    readonly ulong[][] liveIn;

    /// <summary>Finds the ranges.</summary>
    public Liveness(PtxKernel kernel, List<CodeBlock> blocks)
    {
        int words = (kernel.Registers.Count + 63) / 64;
        First = new int[kernel.Registers.Count];
        Last = new int[kernel.Registers.Count];
        Array.Fill(First, int.MaxValue);
        Array.Fill(Last, -1);
        var reads = blocks.Select(_ => new ulong[words]).ToArray();
        var writes = blocks.Select(_ => new ulong[words]).ToArray();
        for (int b = 0; b < blocks.Count; b++)
            for (int i = blocks[b].Start; i < EndWithLast(blocks[b]); i++)
            {
                OperandRoles.Visit(kernel.Instructions[i], (register, written) =>
                {
                    if (!written && (writes[b][register.Index / 64] >> register.Index & 1) == 0) reads[b][register.Index / 64] |= 1ul << register.Index;
                });
                OperandRoles.Visit(kernel.Instructions[i], (register, written) =>
                {
                    if (written) writes[b][register.Index / 64] |= 1ul << register.Index;
                    Extend(register.Index, 2 * i + (written ? 1 : 0));
                });
            }
        liveIn = Solve(blocks, reads, writes, words);
        for (int b = 0; b < blocks.Count; b++)
        {
            Extend(liveIn[b], 2 * blocks[b].Start);
            foreach (int next in blocks[b].Next) Extend(liveIn[next], 2 * EndWithLast(blocks[b]) - 1);
        }
    }

    /// <summary>First position of each register; beyond the text where it is not used.</summary>
    public int[] First { get; }

    /// <summary>Last position of each register; -1 where it is not used.</summary>
    public int[] Last { get; }

    /// <summary>Registers that may be read before they are written.</summary>
    public IEnumerable<int> ReadBeforeWritten => Enumerable.Range(0, First.Length).Where(r => (liveIn[0][r / 64] >> r & 1) != 0);

    static int EndWithLast(CodeBlock block) => block.End + (block.Last is null ? 0 : 1);

    static ulong[][] Solve(List<CodeBlock> blocks, ulong[][] reads, ulong[][] writes, int words)
    {
        var live = reads.Select(set => (ulong[])set.Clone()).ToArray();
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int b = blocks.Count - 1; b >= 0; b--)
                foreach (int next in blocks[b].Next)
                    for (int word = 0; word < words; word++)
                    {
                        ulong added = live[next][word] & ~writes[b][word] & ~live[b][word];
                        live[b][word] |= added;
                        changed |= added != 0;
                    }
        }
        return live;
    }

    void Extend(ulong[] set, int position)
    {
        for (int word = 0; word < set.Length; word++)
            for (ulong bits = set[word]; bits != 0; bits &= bits - 1)
                Extend(64 * word + System.Numerics.BitOperations.TrailingZeroCount(bits), position);
    }

    void Extend(int register, int position)
    {
        First[register] = Math.Min(First[register], position);
        Last[register] = Math.Max(Last[register], position);
    }
}
