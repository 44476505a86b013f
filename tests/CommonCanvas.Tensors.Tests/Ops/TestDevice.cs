namespace CommonCanvas.Tensors.Tests;

/// <summary>A device under test. The same bits are expected of every thread count.</summary>
public sealed record TestDevice(string Name, Func<int, IOps> Create, params int[] Threads)
{
    public static TestDevice CpuReference { get; } = new("cpu-reference", threads => OpsFactory.Create("cpu-reference", threads), 1);

    public static TestDevice Cpu { get; } = new("cpu", threads => OpsFactory.Create("cpu", threads), 1, 2, 3, 5);

    /// <summary>As <see cref="Cpu"/>, whose products of bf16 values are native where there are kernels, without those.</summary>
    public static TestDevice CpuFp32Products { get; } = new("cpu (fp32 products)", threads => CpuFastOps.Create(threads, nativeBf16: false), 1, 2, 3, 5);

    /// <summary>Both decorators: they pass every argument on, and the reference agrees with itself.</summary>
    public static TestDevice Decorated { get; } = new("decorated", _ => new TimedOps(new CheckedOps(new CpuOps())), 1);

    // The narrower instruction sets: thread counts are Cpu's to test. A processor without AVX2 tests its best one again.
    public static TestDevice CpuAvx2 { get; } = new("cpu (AVX2)", threads => CpuFastOps.Create(threads, CpuFeatures.IsSupported(CpuIsa.Avx2) ? CpuIsa.Avx2 : CpuIsa.Portable), 1, 3);

    public static TestDevice CpuPortable { get; } = new("cpu (portable)", threads => CpuFastOps.Create(threads, CpuIsa.Portable), 1, 3);
}
