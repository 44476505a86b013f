namespace CommonCanvas.Emulator.Roofline;

/// <summary>What launches of a kernel do: counted by the emulator, with registers from the machine code.</summary>
public sealed record KernelWork
{
    /// <summary>Name of the kernel.</summary>
    public required string Name { get; init; }

    /// <summary>Blocks of a launch.</summary>
    public required long Blocks { get; init; }

    /// <summary>Threads of a block.</summary>
    public required int Threads { get; init; }

    /// <summary>Registers of a thread.</summary>
    public required int Registers { get; init; }

    /// <summary>Static and dynamic shared memory of a block, bytes.</summary>
    public required int SharedBytes { get; init; }

    /// <summary>Warp instructions that are issued, in machine instructions.</summary>
    public double Instructions { get; init; }

    /// <summary>Of them fp32 and integer arithmetic.</summary>
    public double Arithmetic { get; init; }

    /// <summary>Of them special functions.</summary>
    public double Special { get; init; }

    /// <summary>Floating-point operations of matrix instructions: two for each multiply-add.</summary>
    public double MatrixFlops { get; init; }

    /// <summary>Bytes that shared memory moves; an access with bank conflicts counts once for each pass.</summary>
    public double SharedTraffic { get; init; }

    /// <summary>Bytes between SMs and the second-level cache: 32 for each sector.</summary>
    public double L2Traffic { get; init; }

    /// <summary>Bytes between the second-level cache and device memory.</summary>
    public double DramTraffic { get; init; }
}
