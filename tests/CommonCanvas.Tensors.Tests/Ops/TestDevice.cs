using CommonCanvas.Tests;

namespace CommonCanvas.Tensors.Tests;

/// <summary>
/// A device under test, in variants of which the same bits are expected: thread counts, or orders in which blocks and warps run.
/// </summary>
public sealed record TestDevice(string Name, Func<int, DeviceLease> Lease, params int[] Variants)
{
    /// <summary>How often each variant runs.</summary>
    public int Repeats { get; init; } = 2;

    /// <summary>Why the device cannot be tested here; null where it can.</summary>
    public string? Missing { get; init; }

    /// <summary>Whether it multiplies 16-bit storage with matrix instructions, whose operands are 16 bits.</summary>
    public bool HasMatrixInstructions { get; init; }

    public static TestDevice CpuReference { get; } = Own("cpu-reference", threads => OpsFactory.Create("cpu-reference", threads), 1);

    /// <summary>With native products of bf16 values where there are kernels, whether they pay or not.</summary>
    public static TestDevice Cpu { get; } = Own("cpu", threads => CpuFastOps.Create(threads, nativeBf16: CpuFeatures.MissingBf16(CpuFeatures.Selected) is null), 1, 2, 3, 5);

    /// <summary>Both decorators: they pass every argument on, and the reference agrees with itself.</summary>
    public static TestDevice Decorated { get; } = Own("decorated", _ => new TimedOps(new CheckedOps(new CpuOps())), 1);

    // The narrower instruction sets: thread counts are Cpu's to test. A processor without AVX2 tests its best one again.
    public static TestDevice CpuAvx2 { get; } = Own("cpu (AVX2)", threads => CpuFastOps.Create(threads, CpuFeatures.IsSupported(CpuIsa.Avx2) ? CpuIsa.Avx2 : CpuIsa.Portable), 1, 3);

    public static TestDevice CpuPortable { get; } = Own("cpu (portable)", threads => CpuFastOps.Create(threads, CpuIsa.Portable), 1, 3);

    /// <summary>As <see cref="Cpu"/>, without native products.</summary>
    public static TestDevice CpuFp32Products { get; } = Own("cpu (fp32 products)", threads => CpuFastOps.Create(threads, nativeBf16: false), 1, 2, 3, 5);

    /// <summary>The CUDA kernels on the emulated GPU, in three schedules: an order of sums that depends on one would show.</summary>
    public static TestDevice Emulator { get; } = new("emulator", GpuDevices.Emulator, 0, 1, 2) { Repeats = 1, Missing = GpuDevices.NoEmulator, HasMatrixInstructions = true };

    /// <summary>The CUDA kernels on an emulated GPU of one multiprocessor: grids are smaller than the work.</summary>
    public static TestDevice SmallEmulator { get; } = new("emulator (small)", GpuDevices.Emulator, GpuDevices.OneMultiprocessor) { Repeats = 1, Missing = GpuDevices.NoEmulator, HasMatrixInstructions = true };

    /// <summary>The CUDA kernels on an emulated GPU of compute capability 7.5.</summary>
    public static TestDevice OldEmulator { get; } = new("emulator (7.5)", _ => GpuDevices.OldEmulator(), 1) { Repeats = 1, Missing = GpuDevices.NoEmulator, HasMatrixInstructions = true };

    /// <summary>The CUDA kernels on a real GPU.</summary>
    public static TestDevice Cuda { get; } = new("cuda", _ => GpuDevices.Cuda(), 1) { Missing = GpuDevices.NoCuda, HasMatrixInstructions = true };

    static TestDevice Own(string name, Func<int, IOps> create, params int[] threads) => new(name, count => new DeviceLease(create(count)), threads);
}
