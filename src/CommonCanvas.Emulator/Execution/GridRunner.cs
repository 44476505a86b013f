using System.Runtime.ExceptionServices;

namespace CommonCanvas.Emulator.Execution;

/// <summary>Runs the blocks of a launch on several threads. Of several faults the one of the block that comes first is reported.</summary>
internal static class GridRunner
{
    /// <summary>Runs a launch to its end.</summary>
    /// <param name="launch">The launch.</param>
    /// <param name="memory">Device memory.</param>
    /// <param name="threads">Threads to use.</param>
    /// <param name="budget">Instructions that each warp may run.</param>
    /// <param name="schedule">Seeds the order of blocks and warps; 0 for the order of their numbers.</param>
    /// <param name="sampled">Blocks that are run, spread over the grid; 0 for all.</param>
    /// <param name="counters">What the workers count; null where nothing is counted.</param>
    /// <param name="watched">What the checks know of device memory; null where nothing is checked.</param>
    /// <returns>Blocks that were run.</returns>
    /// <exception cref="LaunchFault">The kernel did something that is not allowed.</exception>
    public static long Run(Launch launch, MemoryView memory, int threads, long budget, ulong schedule, int sampled, List<WorkCounter>? counters, MemoryWatch? watched)
    {
        long all = launch.Grid.Count, blocks = sampled > 0 ? Math.Min(sampled, all) : all, next = -1, faultBlock = long.MaxValue;
        Exception? fault = null;
        object gate = new();
        var order = new Permutation(schedule, blocks);
        void Work()
        {
            var counter = counters is null ? null : new WorkCounter(launch.Code.BlockCount);
            if (counter is not null)
                lock (gate) counters!.Add(counter);
            using var runner = new BlockRunner(launch, memory, budget, schedule, counter, watched);
            for (long block; (block = Interlocked.Increment(ref next)) < blocks && block < Volatile.Read(ref faultBlock);)
                try { runner.Run(blocks == all ? order[block] : Sample(order[block], blocks, all)); }
                catch (Exception e)
                {
                    lock (gate)
                        if (block < faultBlock) (faultBlock, fault) = (block, e);
                }
        }
        threads = (int)Math.Min(threads, blocks);
        if (threads <= 1) Work();
        else Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, _ => Work());
        foreach (var counter in counters ?? []) counter.Release();
        if (fault is not null) ExceptionDispatchInfo.Throw(fault);
        return blocks;
    }

    // the first, the last, and others between them at equal distances
    static long Sample(long index, long samples, long all) => samples == 1 ? all / 2 : index * (all - 1) / (samples - 1);
}
