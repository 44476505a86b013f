using CommonCanvas.Cuda;

namespace CommonCanvas.Emulator;

/// <summary>
/// What a launch did, counted. Where only some blocks were run, counts are of all blocks as if each did what those did on
/// average.
/// </summary>
public sealed record LaunchCount
{
    /// <summary>Name of the kernel.</summary>
    public required string Kernel { get; init; }

    /// <summary>Blocks of the launch.</summary>
    public required Dim3 Grid { get; init; }

    /// <summary>Threads of a block.</summary>
    public required Dim3 Block { get; init; }

    /// <summary>Static and dynamic shared memory of a block, bytes.</summary>
    public required int SharedBytes { get; init; }

    /// <summary>Blocks that were run.</summary>
    public required long BlocksRun { get; init; }

    /// <summary>Instructions of the kernel's text, as PTX.</summary>
    public required int PtxInstructions { get; init; }

    /// <summary>Warp instructions, as PTX, without moves that machine code does not have.</summary>
    public double Instructions { get; init; }

    /// <summary>Of them arithmetic and logic.</summary>
    public double Arithmetic { get; init; }

    /// <summary>Of them special functions.</summary>
    public double Special { get; init; }

    /// <summary>Of them matrix instructions.</summary>
    public double Matrix { get; init; }

    /// <summary>Floating-point operations of matrix instructions: two for each multiply-add.</summary>
    public double MatrixFlops { get; init; }

    /// <summary>Of the instructions loads, stores and copies.</summary>
    public double MemoryInstructions { get; init; }

    /// <summary>Sectors of 32 bytes that warps asked device memory for; what lanes of one access share counts once.</summary>
    public double Sectors { get; init; }

    /// <summary>The least number of sectors that hold the bytes that they asked for.</summary>
    public double SectorsNeeded { get; init; }

    /// <summary>Passes of shared memory, of 128 bytes each.</summary>
    public double SharedPasses { get; init; }

    /// <summary>Passes that bank conflicts cost.</summary>
    public double BankConflicts { get; init; }

    /// <summary>Atomic operations of lanes.</summary>
    public double Atomics { get; init; }

    /// <summary>
    /// Bytes read from device memory: each sector once a launch, as with a second-level cache that holds what blocks share.
    /// </summary>
    public double DramRead { get; init; }

    /// <summary>Bytes written to device memory: each sector once a launch.</summary>
    public double DramWritten { get; init; }

    /// <summary>
    /// Warp instructions that the machine code issues: those of PTX, times the ratio of the texts where the machine code is
    /// shorter. Where it is longer, loops have been unrolled, which adds text and no work.
    /// </summary>
    /// <param name="machineInstructions">Instructions of the kernel's machine code; 0 where it is not known.</param>
    public double Issued(int machineInstructions) => machineInstructions == 0 || PtxInstructions == 0 ? Instructions
        : Instructions * Math.Min(1, (double)machineInstructions / PtxInstructions);
}
