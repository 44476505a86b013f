namespace CommonCanvas.Emulator.Roofline;

/// <summary>
/// What a GPU can do at most, from its vendor's published figures. Rates are of one streaming multiprocessor (SM) and one
/// cycle at boost clock.
/// </summary>
/// <param name="Key">Name on the command line.</param>
/// <param name="Name">Marketing name.</param>
/// <param name="ComputeCapability">Compute capability times ten.</param>
/// <param name="Multiprocessors">Number of SMs.</param>
/// <param name="ClockGigahertz">Boost clock.</param>
/// <param name="DramGigabytesPerSecond">Peak bandwidth of device memory, 1e9 bytes a second.</param>
/// <param name="L2Bytes">Size of the second-level cache.</param>
/// <param name="L2BytesPerCycle">Bytes that the second-level cache delivers to all SMs together in a cycle.</param>
/// <param name="TensorFlops">16-bit matrix operations with fp32 sums that mma.sync reaches: two for each multiply-add.</param>
/// <param name="Fp32Lanes">Lanes of fp32 arithmetic.</param>
/// <param name="Warps">Resident warps at most.</param>
/// <param name="Blocks">Resident blocks at most.</param>
/// <param name="SharedBytes">Shared memory of an SM.</param>
/// <param name="SharedBytesPerBlock">Shared memory that one block can have.</param>
public sealed record GpuLimits(string Key, string Name, int ComputeCapability, int Multiprocessors, double ClockGigahertz,
    double DramGigabytesPerSecond, long L2Bytes, int L2BytesPerCycle, int TensorFlops, int Fp32Lanes, int Warps, int Blocks,
    int SharedBytes, int SharedBytesPerBlock)
{
    /// <summary>Lanes of special functions (exp2, reciprocal, sine) on every listed GPU.</summary>
    public const int SpecialLanes = 16;

    /// <summary>Bytes that shared memory moves: 32 banks of 4 bytes.</summary>
    public const int SharedBytesPerCycle = 128;

    /// <summary>Warp instructions that four schedulers issue.</summary>
    public const int IssuePerCycle = 4;

    /// <summary>32-bit registers.</summary>
    public const int Registers = 65536;

    /// <summary>
    /// NVIDIA's architecture whitepapers: A100 (SXM4, 80 GB: 312 TFLOP/s), H100 (SXM5), Ampere (RTX A6000: 155 TFLOP/s), Ada (L40S and RTX 4090, whose fp16 with
    /// fp32 sums runs at half rate). H100: mma.sync reaches about two thirds of the 4096 operations that wgmma has (Shah et al.
    /// 2024, "FlashAttention-3"). L2: 5120 bytes a cycle (A100 whitepaper); the others are not published. H100: a kernel that reads
    /// 20 MB again and again was measured at 7276 GB/s, which is the 70 % that <see cref="RooflineModel"/> takes. The rest are
    /// set to what 64 bytes an SM and cycle come to.
    /// </summary>
    public static IReadOnlyList<GpuLimits> All { get; } =
    [
        new("a100", "A100 SXM4 80 GB", 80, 108, 1.410, 2039, 40L << 20, 5120, 2048, 64, 64, 32, 164 << 10, 163 << 10),
        new("h100", "H100 SXM5 80 GB", 90, 132, 1.830, 3352, 50L << 20, 5680, 2730, 128, 64, 32, 228 << 10, 227 << 10),
        new("a6000", "RTX A6000", 86, 84, 1.800, 768, 6L << 20, 5376, 1024, 128, 48, 16, 100 << 10, 99 << 10),
        new("l40s", "L40S", 89, 142, 2.520, 864, 96L << 20, 9088, 1024, 128, 48, 24, 100 << 10, 99 << 10),
        new("rtx4090", "GeForce RTX 4090", 89, 128, 2.520, 1008, 72L << 20, 8192, 512, 128, 48, 24, 100 << 10, 99 << 10),
    ];

    /// <summary>The GPU of a name.</summary>
    /// <exception cref="ArgumentException">Lists the names.</exception>
    public static GpuLimits Find(string key) => All.FirstOrDefault(gpu => gpu.Key == key)
        ?? throw new ArgumentException($"unknown GPU '{key}': must be one of {string.Join(", ", All.Select(gpu => gpu.Key))}", nameof(key));

    /// <summary>1e12 matrix operations a second.</summary>
    public double TensorTeraflops => Multiprocessors * ClockGigahertz * TensorFlops / 1000;

    /// <summary>1e12 fp32 operations a second, multiply-adds counting twice.</summary>
    public double Fp32Teraflops => Multiprocessors * ClockGigahertz * Fp32Lanes * 2 / 1000;
}
