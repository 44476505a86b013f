using System.Runtime.ExceptionServices;

namespace CommonCanvas.Emulator.Execution;

/// <summary>Runs the blocks of a launch on several threads. Of several faults the one of the lowest block is reported.</summary>
internal static class GridRunner
{
    /// <summary>Runs a launch to its end.</summary>
    /// <param name="launch">The launch.</param>
    /// <param name="memory">Device memory.</param>
    /// <param name="threads">Threads to use.</param>
    /// <param name="budget">Instructions that each warp may run.</param>
    /// <exception cref="LaunchFault">The kernel did something that is not allowed.</exception>
    public static void Run(Launch launch, MemoryView memory, int threads, long budget)
    {
        long blocks = launch.Grid.Count, next = -1, faultBlock = long.MaxValue;
        Exception? fault = null;
        object gate = new();
        void Work()
        {
            using var runner = new BlockRunner(launch, memory, budget);
            for (long block; (block = Interlocked.Increment(ref next)) < blocks && block < Volatile.Read(ref faultBlock);)
                try { runner.Run(block); }
                catch (Exception e)
                {
                    lock (gate)
                        if (block < faultBlock) (faultBlock, fault) = (block, e);
                }
        }
        threads = (int)Math.Min(threads, blocks);
        if (threads <= 1) Work();
        else Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, _ => Work());
        if (fault is not null) ExceptionDispatchInfo.Throw(fault);
    }
}
