namespace CommonCanvas.Emulator.Execution;

/// <summary>
/// Blocks of a launch that are run for others like them. The first and the last block are often not like the others: they meet
/// the edges of an image, the end of a matrix, or have work of their own. So they stand for themselves alone, and the blocks
/// between them for all that lie between.
/// </summary>
/// <param name="Blocks">Numbers of the blocks.</param>
/// <param name="Weight">How many blocks each of them stands for.</param>
internal readonly record struct BlockSample(IReadOnlyList<long> Blocks, double Weight)
{
    /// <summary>The samples of a launch of <paramref name="all"/> blocks that has no more than <paramref name="most"/> of them run; nothing where all are to be run.</summary>
    public static IReadOnlyList<BlockSample> Of(long all, int most)
    {
        if (most == 0 || all <= most) return [];
        if (most == 1) return [new([all / 2], all)];
        long[] ends = [0, all - 1];
        if (most == 2) return [new(ends, all / 2.0)];
        int between = most - 2;
        return [new(ends, 1), new([.. Enumerable.Range(0, between).Select(i => 1 + (2 * i + 1) * (all - 2) / (2 * between))], (all - 2.0) / between)];
    }
}
