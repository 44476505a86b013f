using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Machine;

/// <summary>Adds up what the workers of a launch counted.</summary>
internal static class LaunchTally
{
    const int SectorBytes = 32;

    /// <summary>The launch's counts, as if all blocks had run.</summary>
    /// <param name="launch">The launch.</param>
    /// <param name="counters">What each worker counted.</param>
    /// <param name="blocksRun">Blocks that were run.</param>
    /// <param name="memory">Where allocations lie.</param>
    public static LaunchCount Of(Launch launch, IReadOnlyList<WorkCounter> counters, long blocksRun, DeviceMemory memory)
    {
        var mixes = InstructionMix.Of(launch.Code);
        var mix = new InstructionMix();
        foreach (var counter in counters)
            for (int b = 0; b < mixes.Length; b++) mix += mixes[b] * counter.BlockRuns[b];
        double scale = (double)launch.Grid.Count / blocksRun;
        mix *= scale;
        return new LaunchCount
        {
            Kernel = launch.Code.Kernel.Name,
            Grid = launch.Grid,
            Block = launch.Block,
            SharedBytes = launch.AllSharedBytes,
            BlocksRun = blocksRun,
            PtxInstructions = (int)mixes.Sum(block => block.All),
            Instructions = mix.All,
            Arithmetic = mix.Arithmetic,
            Special = mix.Special,
            Matrix = mix.Matrix,
            MatrixFlops = mix.MatrixFlops,
            MemoryInstructions = mix.Memory,
            Sectors = scale * counters.Sum(counter => counter.Sectors),
            SectorsNeeded = scale * counters.Sum(counter => counter.SectorsNeeded),
            SharedPasses = scale * counters.Sum(counter => counter.SharedPasses),
            BankConflicts = scale * counters.Sum(counter => counter.BankConflicts),
            Atomics = scale * counters.Sum(counter => counter.Atomics),
            DramRead = Unique(counters.Select(counter => counter.Read), scale, memory),
            DramWritten = Unique(counters.Select(counter => counter.Written), scale, memory),
        };
    }

    // Sectors of a launch that ran whole are counted. Of one that ran in part, each allocation has as many as the blocks
    // that ran touched, times all blocks over those, but no more than lie between the first and the last one touched.
    static double Unique(IEnumerable<SectorSet> sets, double scale, DeviceMemory memory)
    {
        ulong[] sectors = [.. sets.SelectMany(set => set.Sectors).Distinct().Order()];
        if (scale == 1) return (double)sectors.Length * SectorBytes;
        double bytes = 0;
        for (int first = 0, end; first < sectors.Length; first = end)
        {
            long limit = memory.EndOfAllocation((long)sectors[first] * SectorBytes);
            for (end = first + 1; end < sectors.Length && (long)sectors[end] * SectorBytes < limit;) end++;
            double range = sectors[end - 1] - sectors[first] + 1;
            bytes += Math.Min(range, scale * (end - first)) * SectorBytes;
        }
        return bytes;
    }
}
