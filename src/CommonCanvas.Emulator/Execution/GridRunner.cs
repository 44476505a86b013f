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
    /// <param name="chosen">Numbers of the blocks that are run; null for all.</param>
    /// <param name="counters">What the workers count; null where nothing is counted.</param>
    /// <param name="watched">What the checks know of device memory; null where nothing is checked.</param>
    /// <exception cref="LaunchFault">The kernel did something that is not allowed.</exception>
    public static void Run(Launch launch, MemoryView memory, int threads, long budget, ulong schedule, IReadOnlyList<long>? chosen, List<WorkCounter>? counters, MemoryWatch? watched)
    {
        long blocks = chosen?.Count ?? launch.Grid.Count, next = -1, faultBlock = long.MaxValue;
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
                try { runner.Run(chosen is null ? order[block] : chosen[(int)order[block]]); }
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
    }
}
