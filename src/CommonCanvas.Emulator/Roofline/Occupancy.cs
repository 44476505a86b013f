namespace CommonCanvas.Emulator.Roofline;

/// <summary>
/// How many blocks of a kernel an SM holds at once, by the rules of NVIDIA's occupancy calculator for compute capability 7.0
/// to 9.0: registers are given to warps in units of 256, warps to the four schedulers, shared memory in units of 128 bytes
/// with 1 KiB a block reserved from 8.0 on.
/// </summary>
/// <param name="Blocks">Blocks on an SM; 0 where not even one fits.</param>
/// <param name="Warps">Warps on an SM.</param>
/// <param name="Limit">What allows no more: warps, blocks, registers or shared memory.</param>
public readonly record struct Occupancy(int Blocks, int Warps, string Limit)
{
    const int WarpSize = 32, RegisterUnit = 256, SharedUnit = 128, Schedulers = 4;

    /// <summary>The occupancy of a kernel.</summary>
    /// <param name="gpu">The GPU.</param>
    /// <param name="threads">Threads in a block.</param>
    /// <param name="registers">Registers of a thread.</param>
    /// <param name="sharedBytes">Static and dynamic shared memory of a block.</param>
    public static Occupancy Of(GpuLimits gpu, int threads, int registers, int sharedBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(threads);
        int warps = RoundUp(threads, WarpSize) / WarpSize;
        int registersOfWarp = RoundUp(Math.Max(registers, 1) * WarpSize, RegisterUnit);
        int warpsByRegisters = GpuLimits.Registers / Schedulers / registersOfWarp * Schedulers;
        int reserved = gpu.ComputeCapability >= 80 ? 1024 : 0;
        int shared = RoundUp(sharedBytes + reserved, SharedUnit);
        ReadOnlySpan<(int Blocks, string Limit)> limits =
        [
            (gpu.Warps / warps, "warps"), (gpu.Blocks, "blocks"), (warpsByRegisters / warps, "registers"),
            (shared == 0 ? gpu.Blocks : gpu.SharedBytes / shared, "shared memory"),
        ];
        var least = limits[0];
        foreach (var limit in limits)
            if (limit.Blocks < least.Blocks) least = limit;
        return new Occupancy(least.Blocks, least.Blocks * warps, least.Limit);
    }

    static int RoundUp(int value, int unit) => (value + unit - 1) / unit * unit;
}
