namespace CommonCanvas.Emulator;

/// <summary>What an emulated device is like; by default an A100 with little memory.</summary>
public sealed record EmulatedDeviceOptions
{
    /// <summary>Number of devices.</summary>
    public int Devices { get; init; } = 1;

    /// <summary>Compute capability times ten.</summary>
    public int ComputeCapability { get; init; } = 80;

    /// <summary>Memory of a device, bytes. Taken from the host only as it is used.</summary>
    public long MemoryBytes { get; init; } = 16L << 30;

    /// <summary>Streaming multiprocessors.</summary>
    public int Multiprocessors { get; init; } = 108;

    /// <summary>Shared memory that a block may opt in to, bytes.</summary>
    public int SharedMemoryPerBlock { get; init; } = 163 * 1024;

    /// <summary>Shared memory of a multiprocessor, bytes.</summary>
    public int SharedMemoryPerMultiprocessor { get; init; } = 164 * 1024;

    /// <summary>Host threads that a launch uses.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>
    /// Whether kernels are checked: accesses outside of allocations, misaligned, of memory or registers that were never
    /// written, races in shared memory and between blocks, copies that were not waited for, shuffles from inactive lanes.
    /// Blocks are ordered only by an atomic operation of each on the same bytes with a fence of the whole device before the one and
    /// behind the other, as where the last block to arrive adds up what all have stored.
    /// </summary>
    public bool Checked { get; init; } = true;

    /// <summary>Whether launches are counted, instead of checked: <see cref="EmulatedDriver.TakeCounts"/>.</summary>
    public bool Counted { get; init; }

    /// <summary>
    /// Blocks of each launch that are run for all, to count what a large model does: the first, the last and some between them.
    /// Results are then wrong. 0 runs all.
    /// </summary>
    public int SampledBlocks { get; init; }

    /// <summary>
    /// The order in which a launch's blocks are taken up, and in which the warps of a block run between two barriers. 0: as they
    /// are numbered; any other value: a permutation that it seeds, another one for each launch size, block and barrier. CUDA
    /// promises no order, so a kernel whose result depends on it is not deterministic.
    /// </summary>
    public ulong Schedule { get; init; }

    /// <summary>Instructions that a warp may run in a launch before it is taken for one that never ends.</summary>
    public long InstructionBudget { get; init; } = 1L << 33;
}
