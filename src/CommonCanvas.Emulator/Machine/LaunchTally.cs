using CommonCanvas.Emulator.Execution;

namespace CommonCanvas.Emulator.Machine;

/// <summary>Adds up what the workers of a launch counted.</summary>
internal static class LaunchTally
{
    const int SectorBytes = 32;

    /// <summary>What the workers counted that ran some blocks, each of which stands for <paramref name="Weight"/> of them.</summary>
    public readonly record struct Part(IReadOnlyList<WorkCounter> Counters, double Weight);

    /// <summary>The launch's counts, as if all blocks had run.</summary>
    /// <param name="launch">The launch.</param>
    /// <param name="parts">What was counted.</param>
    /// <param name="blocksRun">Blocks that were run.</param>
    /// <param name="memory">Where allocations lie.</param>
    public static LaunchCount Of(Launch launch, IReadOnlyList<Part> parts, long blocksRun, DeviceMemory memory)
    {
        var mixes = InstructionMix.Of(launch.Code);
        var mix = new InstructionMix();
        foreach (var (counters, weight) in parts)
            foreach (var counter in counters)
                for (int b = 0; b < mixes.Length; b++) mix += mixes[b] * (weight * counter.BlockRuns[b]);
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
            Sectors = Sum(parts, counter => counter.Sectors),
            SectorsNeeded = Sum(parts, counter => counter.SectorsNeeded),
            SharedPasses = Sum(parts, counter => counter.SharedPasses),
            BankConflicts = Sum(parts, counter => counter.BankConflicts),
            Atomics = Sum(parts, counter => counter.Atomics),
            DramRead = Unique(parts, counter => counter.Read, memory),
            DramWritten = Unique(parts, counter => counter.Written, memory),
        };
    }

    static double Sum(IReadOnlyList<Part> parts, Func<WorkCounter, long> count) => parts.Sum(part => part.Weight * part.Counters.Sum(count));

    // Sectors of a launch that ran whole are counted. Of one that ran in part, each allocation has as many as the blocks
    // that ran touched, times the blocks that they stand for, but no more than lie between the first and the last one touched.
    static double Unique(IReadOnlyList<Part> parts, Func<WorkCounter, SectorSet> touched, DeviceMemory memory)
    {
        var entries = parts.SelectMany(part => part.Counters.SelectMany(counter => touched(counter).Sectors).Distinct().Select(sector => (Sector: sector, part.Weight))).ToArray();
        if (parts is [{ Weight: 1 }]) return (double)entries.Length * SectorBytes;
        Array.Sort(entries, static (a, b) => a.Sector.CompareTo(b.Sector));
        double bytes = 0, weights = 0;
        ulong first = 0, last = 0;
        long limit = long.MinValue;
        foreach (var (sector, weight) in entries)
        {
            if ((long)sector * SectorBytes >= limit)
            {
                bytes += Math.Min(last - first + 1, weights) * SectorBytes;
                (first, weights, limit) = (sector, 0, memory.EndOfAllocation((long)sector * SectorBytes));
            }
            last = sector;
            weights += weight;
        }
        return bytes + Math.Min(last - first + 1, weights) * SectorBytes;
    }
}
