namespace CommonCanvas.Emulator.Roofline;

/// <summary>What bounds a kernel.</summary>
public enum Bound
{
    /// <summary>Device memory.</summary>
    Dram,
    /// <summary>The second-level cache.</summary>
    L2,
    /// <summary>Matrix instructions.</summary>
    Tensor,
    /// <summary>fp32 and integer lanes.</summary>
    Arithmetic,
    /// <summary>Special functions.</summary>
    Special,
    /// <summary>Issue slots.</summary>
    Issue,
    /// <summary>Shared memory.</summary>
    Shared,
    /// <summary>The fixed cost of a launch.</summary>
    Launch,
}

/// <summary>The predicted time of a launch.</summary>
/// <param name="Seconds">Predicted time.</param>
/// <param name="Bound">The longest part.</param>
/// <param name="Occupancy">Blocks and warps on an SM.</param>
/// <param name="Balance">Share of the SMs' time that the distribution of blocks uses: 1 where every SM gets as many.</param>
public readonly record struct Prediction(double Seconds, Bound Bound, Occupancy Occupancy, double Balance);

/// <summary>
/// A bottleneck model: each part of the machine (device memory, L2, matrix units, lanes, special functions, issue slots,
/// shared memory) needs work divided by rate, and the longest one is the kernel's time. The assumptions, none fitted to a
/// kernel of this project:
/// <list type="bullet">
/// <item>Device memory gives 88 % of its peak, L2 70 %.</item>
/// <item>Matrix units give 90 % of their peak.</item>
/// <item>A scheduler issues in at most 85 % of its cycles: dependences, barriers and cache misses take the rest.</item>
/// <item>Work is spread over SMs block by block; the SM with the most blocks ends last. An SM that holds fewer than eight
/// warps cannot use all of its lanes, special functions and issue slots: each of four schedulers needs two warps to hide
/// the latency of arithmetic. Matrix instructions are independent of each other within a warp and need one.</item>
/// <item>Device memory is used fully where at least half of the SMs have work, in proportion where fewer do.</item>
/// <item>A launch in a captured graph costs 2 microseconds from the end of the one before.</item>
/// </list>
/// </summary>
public static class RooflineModel
{
    const double DramShare = 0.88, L2Share = 0.70, TensorShare = 0.90, IssueShare = 0.85, LaunchSeconds = 2e-6;
    const int WarpsToHideArithmetic = 8, WarpsToHideMatrix = 4, WarpSize = 32;

    /// <summary>Predicts a launch.</summary>
    /// <exception cref="ArgumentException">Not even one block fits on the GPU.</exception>
    public static Prediction Predict(KernelWork work, GpuLimits gpu)
    {
        var occupancy = Occupancy.Of(gpu, work.Threads, work.Registers, work.SharedBytes);
        if (occupancy.Blocks == 0)
            throw new ArgumentException($"{work.Name}: a block of {work.Threads} threads, {work.Registers} registers and {work.SharedBytes} bytes of shared memory does not fit on {gpu.Name} ({occupancy.Limit})", nameof(work));
        double busy = Math.Ceiling((double)work.Blocks / gpu.Multiprocessors);
        double balance = work.Blocks / (busy * gpu.Multiprocessors);
        double resident = Math.Min(busy, occupancy.Blocks) * work.Threads / WarpSize;
        double hidden = Math.Min(1, resident / WarpsToHideArithmetic), hiddenMatrix = Math.Min(1, resident / WarpsToHideMatrix);
        double active = Math.Min(1, 2.0 * Math.Min(work.Blocks, gpu.Multiprocessors) / gpu.Multiprocessors);
        double cycles = gpu.Multiprocessors * gpu.ClockGigahertz * 1e9 * balance;
        ReadOnlySpan<(double Seconds, Bound Bound)> parts =
        [
            (work.DramTraffic / (gpu.DramGigabytesPerSecond * 1e9 * DramShare * active), Bound.Dram),
            (work.L2Traffic / (gpu.L2BytesPerCycle * gpu.ClockGigahertz * 1e9 * L2Share * active), Bound.L2),
            (work.MatrixFlops / (gpu.TensorFlops * cycles * TensorShare * hiddenMatrix), Bound.Tensor),
            (work.Arithmetic * WarpSize / (gpu.Fp32Lanes * cycles * hidden), Bound.Arithmetic),
            (work.Special * WarpSize / (GpuLimits.SpecialLanes * cycles * hidden), Bound.Special),
            (work.Instructions / (GpuLimits.IssuePerCycle * cycles * IssueShare * hidden), Bound.Issue),
            (work.SharedTraffic / (GpuLimits.SharedBytesPerCycle * cycles), Bound.Shared),
            (LaunchSeconds, Bound.Launch),
        ];
        var longest = parts[0];
        foreach (var part in parts)
            if (part.Seconds > longest.Seconds) longest = part;
        double seconds = longest.Bound == Bound.Launch ? LaunchSeconds : LaunchSeconds + longest.Seconds;
        return new Prediction(seconds, longest.Bound, occupancy, balance);
    }

    /// <summary>The least time that a problem takes: its operations at the peak, or its bytes at the peak.</summary>
    /// <param name="gpu">The GPU.</param>
    /// <param name="flops">Floating-point operations that the problem needs.</param>
    /// <param name="bytes">Bytes that must be moved.</param>
    /// <param name="matrix">Whether the operations are 16-bit matrix products.</param>
    public static double Minimum(GpuLimits gpu, double flops, double bytes, bool matrix) =>
        Math.Max(flops / ((matrix ? gpu.TensorTeraflops : gpu.Fp32Teraflops) * 1e12), bytes / (gpu.DramGigabytesPerSecond * 1e9));
}
